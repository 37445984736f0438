//! NAB score: rewards a detection early in a window, and charges for each one outside.
//!
//! Source: Lavin & Ahmad, "Evaluating Real-time Anomaly Detection Algorithms: the Numenta Anomaly Benchmark", ICMLA 2015,
//! and the benchmark's own code.
//!
//! Method: a detection is worth a scaled sigmoid of where it is relative to a window: 1 at the beginning of it, towards 0
//! at its end, then below 0 down to -1 where it is far behind the last window, or before the first one. Of a window
//! only the best detection counts, none costs the weight of a miss. The sum over the whole corpus is scaled so
//! that detecting nothing is 0 and detecting each window at once is 100. Rows of the probation are left out. A profile is
//! a set of weights. One threshold holds for the whole corpus: either that of the best sum, or a given one.
//!
//! Cost: sorting all rows once.

use super::span::Span;

/// Share of the rows that is probation, up to that of 5000 rows.
const PROBATION: f64 = 0.15;
const PROBATION_ROWS_MAX: f64 = PROBATION * 5000.0;

/// Weights of the three ways to be right or wrong.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Profile {
    /// What it is called.
    pub name: &'static str,
    /// Weight of a window that is detected.
    pub true_positive: f64,
    /// Weight of a detection outside all windows.
    pub false_positive: f64,
    /// Weight of a window that is missed.
    pub false_negative: f64,
}

/// The three profiles of the benchmark.
pub const PROFILES: [Profile; 3] = [
    Profile { name: "standard", true_positive: 1.0, false_positive: 0.11, false_negative: 1.0 },
    Profile {
        name: "reward_low_FP_rate",
        true_positive: 1.0,
        false_positive: 0.22,
        false_negative: 1.0,
    },
    Profile {
        name: "reward_low_FN_rate",
        true_positive: 1.0,
        false_positive: 0.11,
        false_negative: 2.0,
    },
];

/// Rows at the beginning of a series of `rows` that are left out.
pub fn probation_rows(rows: usize) -> usize {
    (PROBATION * rows as f64).floor().min(PROBATION_ROWS_MAX).ceil() as usize
}

/// A row of the corpus.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RowValue {
    /// What a detection there is worth, from -1 to 1, before weights.
    pub value: f64,
    /// The window it is in, counted from 0.
    pub window: Option<usize>,
}

/// What a detection at each of `rows` rows is worth, whose windows these are, in any order.
pub fn row_values(rows: usize, windows: &[Span]) -> Vec<RowValue> {
    let mut windows = windows.to_vec();
    windows.sort_unstable();
    let mut values = vec![RowValue { value: -1.0, window: None }; rows];
    let best = sigmoid(-1.0);
    for (index, &window) in windows.iter().enumerate() {
        let Span { first, last } = window;
        let next = windows.get(index + 1).map_or(rows, |next| next.first);
        for (row, value) in values.iter_mut().enumerate().skip(first) {
            if row <= last {
                let to_the_end = (last - row + 1) as f64 / window.rows() as f64;
                let inside = sigmoid(-to_the_end) / best;
                *value = RowValue { value: inside, window: Some(index) };
            } else if row < next {
                let width = (window.rows() - 1).max(1) as f64;
                value.value = sigmoid((row - last) as f64 / width);
            } else {
                break;
            }
        }
    }
    values
}

/// 1 far before a window's end, 0 at it, -1 far behind; `position` is relative to the window's length.
fn sigmoid(position: f64) -> f64 {
    if position > 3.0 { -1.0 } else { 2.0 / (1.0 + libm::exp(5.0 * position)) - 1.0 }
}

/// All rows of a corpus that are scored.
#[derive(Debug, Clone, Default)]
pub struct NabCorpus {
    values: Vec<RowValue>,
    scores: Vec<f64>,
    alerts: Vec<f64>,
    windows: usize,
}

/// A NAB score.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NabScore {
    /// At most 100; 0 is what detecting nothing has.
    pub score: f64,
    /// The scores from which on a row was a detection; `None`: no row was.
    pub threshold: Option<f64>,
}

impl NabCorpus {
    /// Adds a series with `windows`, and of each row its score and whether it alerts.
    pub fn add(&mut self, windows: &[Span], scores: &[f64], is_alert: &[bool]) {
        let mut numbers = vec![None; windows.len()];
        let rows = row_values(scores.len(), windows).into_iter().zip(scores).zip(is_alert);
        for ((mut row, &score), &alert) in rows.skip(probation_rows(scores.len())) {
            // A window that lies wholly in the probation, or behind another one, is none to find.
            if let Some(number) = row.window.and_then(|window| numbers.get_mut(window)) {
                row.window = Some(*number.get_or_insert_with(|| {
                    self.windows += 1;
                    self.windows - 1
                }));
            }
            self.values.push(row);
            self.scores.push(score);
            self.alerts.push(f64::from(u8::from(alert)));
        }
    }

    /// Windows that can be found.
    pub fn windows(&self) -> usize {
        self.windows
    }

    /// The score at the threshold that is best for this corpus; `None` without windows.
    pub fn best(&self, profile: &Profile) -> Option<NabScore> {
        let mut best = NabScore { score: f64::NEG_INFINITY, threshold: None };
        for point in self.sweep(&self.scores, profile)? {
            if point.score > best.score {
                best = point;
            }
        }
        Some(best)
    }

    /// The score if rows of at least `threshold` are detections; `None` without windows.
    pub fn at(&self, profile: &Profile, threshold: f64) -> Option<f64> {
        at(&self.sweep(&self.scores, profile)?, threshold)
    }

    /// The score if rows that alert are detections; `None` without windows.
    pub fn of_alerts(&self, profile: &Profile) -> Option<f64> {
        at(&self.sweep(&self.alerts, profile)?, 0.5)
    }

    /// The score at each threshold that differs, from the highest down; the first detects nothing.
    fn sweep(&self, scores: &[f64], profile: &Profile) -> Option<Vec<NabScore>> {
        if self.windows == 0 {
            return None;
        }
        let &Profile { true_positive, false_positive, false_negative, .. } = profile;
        let nothing = -false_negative * self.windows as f64;
        let most = true_positive * self.windows as f64;
        let normalised = |sum: f64| 100.0 * (sum - nothing) / (most - nothing);
        let mut best = vec![-false_negative; self.windows];
        let mut rows: Vec<(f64, RowValue)> =
            scores.iter().copied().zip(self.values.iter().copied()).collect();
        rows.sort_by(|a, b| b.0.total_cmp(&a.0));
        let (mut points, mut gain) = (vec![NabScore { score: 0.0, threshold: None }], 0.0);
        // In descending order what is not more is equal.
        for same in rows.chunk_by(|a, b| a.0 <= b.0) {
            for (_, row) in same {
                match row.window.and_then(|window| best.get_mut(window)) {
                    None => gain += row.value * false_positive,
                    Some(best) => {
                        let better = best.max(row.value * true_positive);
                        gain += better - *best;
                        *best = better;
                    }
                }
            }
            let threshold = same.first().map(|row| row.0);
            points.push(NabScore { score: normalised(nothing + gain), threshold });
        }
        Some(points)
    }
}

/// The score at the lowest of the points that is not below `threshold`.
fn at(points: &[NabScore], threshold: f64) -> Option<f64> {
    let is_in = |point: &&NabScore| point.threshold.is_none_or(|other| other >= threshold);
    points.iter().take_while(is_in).last().map(|point| point.score)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const STANDARD: &Profile = &PROFILES[0];

    fn span(first: usize, last: usize) -> Span {
        Span { first, last }
    }

    #[test]
    fn probation_is_a_share_of_the_rows_up_to_that_of_5000() {
        assert_eq!(
            [0, 99, 100, 4032, 5000, 20_000].map(probation_rows),
            [0, 14, 15, 604, 750, 750]
        );
    }

    #[test]
    fn a_detection_is_worth_most_at_the_beginning_of_a_window_and_nothing_far_behind() {
        let values = row_values(100, &[span(40, 49)]);
        assert_eq!(values[39], RowValue { value: -1.0, window: None });
        assert_eq!(values[40], RowValue { value: 1.0, window: Some(0) });
        // Halfway: the sigmoid at -0.5 by that at -1.
        let half = (2.0 / (1.0 + (-2.5_f64).exp()) - 1.0) / (2.0 / (1.0 + (-5.0_f64).exp()) - 1.0);
        assert!((values[45].value - half).abs() < 1e-12);
        assert!(values[49].value > 0.0 && values[50].value < 0.0 && values[50].window.is_none());
        assert!(values[50].value > values[51].value);
        // More than three lengths behind.
        assert_eq!(values[77], RowValue { value: -1.0, window: None });
    }

    #[test]
    fn everything_at_once_is_100_and_nothing_is_0() {
        let windows = [span(40, 49), span(70, 79)];
        let mut corpus = NabCorpus::default();
        let scores: Vec<f64> = (0..100)
            .map(|row| match row {
                40 => 0.9,
                70 => 0.8,
                30 => 0.7,
                _ => 0.0,
            })
            .collect();
        let alerts: Vec<bool> = (0..100).map(|row| row == 40).collect();
        corpus.add(&windows, &scores, &alerts);
        let best = corpus.best(STANDARD).unwrap();
        assert_eq!(best, NabScore { score: 100.0, threshold: Some(0.8) });
        assert_eq!(corpus.at(STANDARD, 1.0), Some(0.0));
        assert_eq!(corpus.of_alerts(STANDARD), Some(50.0));
        // A false alarm before any window costs its weight of what can be had, which is 4.
        let with_false = corpus.at(STANDARD, 0.7).unwrap();
        assert!((with_false - 100.0 * (4.0 - 0.11) / 4.0).abs() < 1e-9, "{with_false}");
        assert_eq!(NabCorpus::default().best(STANDARD), None);
    }

    #[test]
    fn a_window_in_the_probation_counts_for_nothing() {
        let mut corpus = NabCorpus::default();
        corpus.add(&[span(2, 5), span(40, 49)], &[0.0; 100], &[false; 100]);
        assert_eq!(corpus.windows(), 1);
    }

    /// The sum by its definition, for the detections at one threshold.
    fn slow(
        values: &[RowValue],
        scores: &[f64],
        windows: usize,
        profile: &Profile,
        at: f64,
    ) -> f64 {
        let detected = |row: &usize| scores[*row] >= at;
        let best = |window: usize| {
            let rows = (0..scores.len()).filter(detected).map(|row| values[row]);
            let inside = rows.filter(|row| row.window == Some(window)).map(|row| row.value);
            inside.reduce(f64::max).map_or(-profile.false_negative, |v| v * profile.true_positive)
        };
        let outside = (0..scores.len()).filter(detected).map(|row| values[row]);
        let outside = outside.filter(|row| row.window.is_none()).map(|row| row.value);
        let sum =
            (0..windows).map(best).sum::<f64>() + outside.sum::<f64>() * profile.false_positive;
        let (nothing, most) = (-profile.false_negative * windows as f64, windows as f64);
        100.0 * (sum - nothing) / (most - nothing)
    }

    proptest! {
        #[test]
        fn the_sweep_is_what_each_threshold_gives_by_itself(
            scores in prop::collection::vec(0..6_u8, 60),
            profile in 0..3_usize,
        ) {
            let scores: Vec<f64> = scores.into_iter().map(|score| f64::from(score) / 6.0).collect();
            let (profile, windows) = (&PROFILES[profile], [span(20, 27), span(30, 30), span(45, 55)]);
            let mut corpus = NabCorpus::default();
            corpus.add(&windows, &scores, &[false; 60]);
            let left_out = probation_rows(60);
            let values = row_values(60, &windows).split_off(left_out);
            let slow = |at: f64| slow(&values, &scores[left_out..], 3, profile, at);
            let mut most = 0.0_f64;
            for step in 0..6 {
                let at = f64::from(step) / 6.0;
                prop_assert!((corpus.at(profile, at).unwrap() - slow(at)).abs() < 1e-9);
                most = most.max(slow(at));
            }
            prop_assert!((corpus.best(profile).unwrap().score - most).abs() < 1e-9);
        }
    }
}
