//! All signals of a group as one row of features.

use serde::{Deserialize, Serialize};

use super::evolving::{Evolving, Extent};
use super::tree::Choice;
use crate::deep::GroupDetector;
use crate::saved::completed;
use crate::subspace::follow::Follow;
use crate::subspace::standard::Standard;

/// Signals of a group beyond these are not looked at.
const SIGNALS_MAX: usize = 96;
/// Values that are kept of the past, whatever the width.
const VALUES_KEPT: usize = 8192;
/// Rows that are kept at most.
const ROWS_MAX: usize = 1024;
const TREES: usize = 24;
const SAMPLE: usize = 64;
/// Rows between the renewals of two trees.
const RENEWAL_ROWS: u32 = 32;
/// Values are at most this many deviations from the mean.
const DEPARTURE_MAX: f64 = 100.0;
/// Rows that only locate and scale the signals.
const SETTLING_ROWS: u32 = 24;
/// Weight of one row in the score's average.
const FOLLOW_GAIN: f64 = 0.1;

/// Judges a row of aligned signals against the rows before it.
///
/// Where a signal has no value it is taken to be at its mean.
///
/// ```
/// use bellwether_detect::GroupDetector;
/// use bellwether_detect::isolation_forest::GroupForest;
///
/// let mut state = GroupForest.begin(2, 7);
/// let signal = |index: i32| f64::from(index * 37 % 101);
/// for index in 0..1_000 {
///     GroupForest.score(&mut state, &[signal(index), 2.0 * signal(index)], 1.0);
/// }
/// let usual = GroupForest.score(&mut state, &[50.0, 100.0], 1.0);
/// let odd = GroupForest.score(&mut state, &[10.0, 190.0], 1.0);
/// assert!(odd > usual);
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct GroupForest;

/// What is known of a group's rows.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub struct GroupState {
    standards: Box<[Standard]>,
    forest: Evolving,
    follow: Follow,
    /// The present row, standardised; kept to spare an allocation per row.
    #[serde(skip)]
    row: Box<[f32]>,
    settled: u32,
}

completed!(GroupState);

impl GroupDetector for GroupForest {
    type State = GroupState;

    fn begin(&self, width: usize, seed: u64) -> GroupState {
        let width = width.min(SIGNALS_MAX);
        GroupState {
            standards: vec![Standard::default(); width].into(),
            forest: Evolving::new(extent(width), seed),
            follow: Follow::default(),
            row: vec![0.0; width].into(),
            settled: 0,
        }
    }

    fn score(&self, state: &mut GroupState, row: &[f64], weight: f64) -> Option<f64> {
        state.enter(row, weight);
        if state.settled < SETTLING_ROWS {
            state.settled += 1;
            return None;
        }
        let odd = state.forest.score(&state.row, weight)?;
        Some(state.follow.score(odd, FOLLOW_GAIN))
    }

    fn state_bytes(&self, state: &GroupState) -> usize {
        size_of::<GroupState>()
            + size_of_val(&*state.standards)
            + size_of_val(&*state.row)
            + state.forest.heap_bytes()
    }
}

/// That of a forest for `width` signals.
fn extent(width: usize) -> Extent {
    Extent {
        width,
        rows: (VALUES_KEPT / width.max(1)).min(ROWS_MAX),
        trees: TREES,
        sample: SAMPLE,
        choice: Choice::BySpread,
        renewal_rows: RENEWAL_ROWS,
    }
}

impl GroupState {
    fn completed(self) -> Option<Self> {
        let width = self.width();
        let forest = self.forest.completed(extent(width))?;
        (width <= SIGNALS_MAX).then(|| Self { forest, row: vec![0.0; width].into(), ..self })
    }

    /// Signals that are looked at.
    pub(crate) fn width(&self) -> usize {
        self.standards.len()
    }

    /// Standardises the row by the past of its signals, then teaches it to them.
    fn enter(&mut self, row: &[f64], weight: f64) {
        let signals = self.standards.iter_mut().zip(&mut self.row);
        // A value that is missing at the end of the row is missing like any other.
        for ((standard, number), &value) in
            signals.zip(row.iter().chain(std::iter::repeat(&f64::NAN)))
        {
            *number = 0.0;
            if value.is_finite() {
                *number =
                    standard.standardise(value, 0.0).clamp(-DEPARTURE_MAX, DEPARTURE_MAX) as f32;
                standard.learn(value, weight);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{mean, row_scores, rows, silent};

    fn run(rows: &[Vec<f64>]) -> Vec<Option<f64>> {
        row_scores(&GroupForest, rows)
    }

    #[test]
    fn signals_that_part_are_odd_within_their_own_ranges() {
        let mut rows = rows(6, 2_000, 2);
        for row in &mut rows[1_500..1_520] {
            row[..2].copy_from_slice(&[-4.0, 4.0]);
        }
        let scores = run(&rows);
        assert_eq!(silent(&scores), 24 + 64 + TREES - 1);
        assert!(mean(&scores[1_510..1_520]) > 2.0 * mean(&scores[1_000..1_500]));
    }

    #[test]
    fn a_signal_that_moves_for_the_first_time_is_odd_and_one_that_is_missing_is_not() {
        let mut rows = rows(6, 2_000, 3);
        let usual = mean(&run(&rows)[1_000..1_500]);
        rows[1_500..1_600].iter_mut().for_each(|row| row.truncate(5));
        rows[1_800..1_810].iter_mut().for_each(|row| row[5] = 8.0);
        let scores = run(&rows);
        assert!(mean(&scores[1_500..1_600]) < 1.3 * usual);
        assert!(scores[1_809] > Some(1.5 * usual), "{usual} {:?}", scores[1_809]);
    }

    #[test]
    fn the_state_fits_whatever_the_width() {
        for width in [0, 1, 8, 38, 96, 1_000] {
            let mut state = GroupForest.begin(width, 1);
            let fresh = GroupForest.state_bytes(&state);
            assert!(fresh <= 64 * 1024, "{width}: {fresh}");
            for row in rows(width.max(1), 300, 4) {
                GroupForest.score(&mut state, &row, 1.0);
            }
            assert_eq!(GroupForest.state_bytes(&state), fresh);
        }
    }
}
