//! All signals of a group as one vector; see the module above.

use serde::{Deserialize, Serialize};

use super::covariance::Covariance;
use super::follow::Follow;
use super::standard::Standard;
use crate::deep::GroupDetector;
use crate::saved::completed;

/// Signals of a group beyond these are not looked at: the covariance grows with their square.
const SIGNALS_MAX: usize = 96;
/// Share of the identity in the covariance.
const SHRINKAGE: f64 = 0.01;
/// Rows that only locate and scale the signals.
const SETTLING_ROWS: u32 = 24;
/// Rows that the covariance must have seen before it judges.
const WARM_UP_ROWS: f64 = 64.0;
/// Weight of one row in the score's average.
const FOLLOW_GAIN: f64 = 0.1;
/// Mean size of a standard normal number, `sqrt(2 / pi)`.
const NORMAL_MEAN_SIZE: f64 = 0.797_884_560_802_865_4;

/// Judges a row of aligned signals against the rows before it.
///
/// A signal counts from when it first moves; where it has no value it is taken to be at its mean.
///
/// ```
/// use bellwether_detect::GroupDetector;
/// use bellwether_detect::subspace::GroupSubspace;
///
/// let detector = GroupSubspace;
/// let mut state = detector.begin(2, 0);
/// let row = |index: i32| f64::from(index * 37 % 101);
/// for index in 0..1_000 {
///     detector.score(&mut state, &[row(index), 2.0 * row(index)], 1.0);
/// }
/// let usual = detector.score(&mut state, &[80.0, 160.0], 1.0);
/// let odd = detector.score(&mut state, &[80.0, 20.0], 1.0);
/// assert!(odd > usual);
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct GroupSubspace;

/// What is known of a group's rows.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub struct GroupState {
    standards: Box<[Standard]>,
    covariance: Covariance,
    follow: Follow,
    /// The present row, standardised; kept to spare an allocation per row.
    #[serde(skip)]
    vector: Box<[f32]>,
    #[serde(skip)]
    whitened: Box<[f32]>,
    settled: u32,
}

completed!(GroupState);

impl GroupDetector for GroupSubspace {
    type State = GroupState;

    fn begin(&self, width: usize, _seed: u64) -> GroupState {
        let width = width.min(SIGNALS_MAX);
        GroupState {
            standards: vec![Standard::default(); width].into(),
            covariance: Covariance::new(width, SHRINKAGE),
            follow: Follow::default(),
            vector: vec![0.0; width].into(),
            whitened: vec![0.0; width].into(),
            settled: 0,
        }
    }

    fn score(&self, state: &mut GroupState, row: &[f64], weight: f64) -> Option<f64> {
        state.enter(row, weight);
        if state.settled < SETTLING_ROWS {
            state.settled += 1;
            return None;
        }
        let score = (state.covariance.samples() >= WARM_UP_ROWS)
            .then(|| state.oddity())
            .map(|odd| state.follow.score(odd, FOLLOW_GAIN));
        state.covariance.learn(&state.vector, weight);
        score
    }

    fn state_bytes(&self, state: &GroupState) -> usize {
        size_of::<GroupState>()
            + size_of_val(&*state.standards)
            + size_of_val(&*state.vector)
            + size_of_val(&*state.whitened)
            + state.covariance.heap_bytes()
    }
}

impl GroupState {
    fn completed(mut self) -> Option<Self> {
        let width = self.width();
        (self.vector, self.whitened) = (vec![0.0; width].into(), vec![0.0; width].into());
        (self.covariance.dimensions() == width).then_some(self)
    }

    /// Signals that are looked at.
    pub(crate) fn width(&self) -> usize {
        self.standards.len()
    }

    /// Standardises the row by the past of its signals, then teaches it to them.
    fn enter(&mut self, row: &[f64], weight: f64) {
        let signals = self.standards.iter_mut().zip(&mut self.vector);
        // A value that is missing at the end of the row is missing like any other.
        for ((standard, number), &value) in
            signals.zip(row.iter().chain(std::iter::repeat(&f64::NAN)))
        {
            *number = 0.0;
            if value.is_finite() {
                *number = libm::asinh(standard.standardise(value, 0.0)) as f32;
                standard.learn(value, weight);
            }
        }
    }

    /// Mean size of the whitened numbers; about 1 on noise.
    fn oddity(&mut self) -> f64 {
        self.whitened.copy_from_slice(&self.vector);
        self.covariance.whiten(&mut self.whitened);
        let sizes: f64 = self.whitened.iter().map(|value| f64::from(value.abs())).sum();
        sizes / (NORMAL_MEAN_SIZE * self.whitened.len().max(1) as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Noise, mean, row_scores, rows, silent};

    fn run(rows: &[Vec<f64>]) -> Vec<Option<f64>> {
        row_scores(&GroupSubspace, rows)
    }

    #[test]
    fn ordinary_noise_scores_one_and_warm_up_says_nothing() {
        let mut noise = Noise::new(1);
        let rows: Vec<Vec<f64>> =
            (0..3_000).map(|_| (0..20).map(|_| noise.normal()).collect()).collect();
        let scores = run(&rows);
        assert!((mean(&scores[2_000..]) - 1.0).abs() < 0.1, "{}", mean(&scores[2_000..]));
        assert_eq!(silent(&scores), 24 + 64);
    }

    #[test]
    fn one_signal_that_leaves_the_others_is_odd_within_its_own_range() {
        let mut rows = rows(10, 2_000, 2);
        for row in &mut rows[1_500..1_510] {
            row[3] = -row[3];
        }
        let scores = run(&rows);
        assert!(mean(&scores[1_505..1_510]) > 1.5 * mean(&scores[1_000..1_500]));
    }

    #[test]
    fn a_signal_that_is_missing_is_not_odd() {
        let mut rows = rows(10, 2_000, 3);
        let usual = mean(&run(&rows)[1_500..]);
        rows[1_500..].iter_mut().for_each(|row| row[8..].fill(f64::NAN));
        rows[1_999].truncate(3);
        assert!(mean(&run(&rows)[1_500..]) < 2.0 * usual);
    }

    #[test]
    fn the_state_of_sixty_four_signals_fits() {
        let bytes = |width| GroupSubspace.state_bytes(&GroupSubspace.begin(width, 0));
        assert!(bytes(64) <= 20 * 1024 && bytes(1_000) <= 64 * 1024);
    }
}
