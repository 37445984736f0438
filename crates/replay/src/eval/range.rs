//! Range F1: precision and recall of ranges instead of rows.
//!
//! Source: Tatbul et al., "Precision and Recall for Time Series", NeurIPS 2018.
//!
//! Method: a real range is worth [`ALPHA`] for being hit at all, and the rest by the share of its rows that is predicted (flat
//! bias) divided by the number of predicted ranges that overlap it (cardinality `1 / x`). Recall is the mean over
//! real ranges; precision is the mean over predicted ranges, with the two in each other's place and nothing for
//! existence.

use super::span::{Span, runs};

/// What being hit at all is worth to a real range.
pub const ALPHA: f64 = 0.2;

/// Sums of what ranges are worth, which add up over series.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct RangeSums {
    /// Worth of the real ranges.
    pub recalled: f64,
    /// Real ranges.
    pub real: usize,
    /// Worth of the predicted ranges.
    pub precise: f64,
    /// Predicted ranges.
    pub predicted: usize,
}

impl RangeSums {
    /// Those of one series: of each of its scored rows whether it is labelled, and whether it alerts.
    pub fn new(is_labelled: &[bool], is_alert: &[bool]) -> Self {
        let (real, predicted) = (runs(is_labelled), runs(is_alert));
        Self {
            recalled: worth(&real, &predicted, ALPHA),
            real: real.len(),
            precise: worth(&predicted, &real, 0.0),
            predicted: predicted.len(),
        }
    }

    /// Adds those of another series.
    pub fn add(&mut self, other: &Self) {
        self.recalled += other.recalled;
        self.real += other.real;
        self.precise += other.precise;
        self.predicted += other.predicted;
    }

    /// Mean worth of the real ranges, 0 to 1.
    pub fn recall(&self) -> f64 {
        if self.real == 0 { 0.0 } else { self.recalled / self.real as f64 }
    }

    /// Mean worth of the predicted ranges, 0 to 1.
    pub fn precision(&self) -> f64 {
        if self.predicted == 0 { 0.0 } else { self.precise / self.predicted as f64 }
    }
}

/// What `ranges` are worth, as far as `others` overlap them.
fn worth(ranges: &[Span], others: &[Span], alpha: f64) -> f64 {
    let mut sum = 0.0;
    let mut others = others;
    for range in ranges {
        // Both are in order: what ends before this range cannot overlap a later one.
        others = &others[others.partition_point(|other| other.last < range.first)..];
        let overlapping = others.iter().take_while(|other| other.first <= range.last);
        let (mut rows, mut parts) = (0, 0);
        for other in overlapping {
            let both =
                Span { first: range.first.max(other.first), last: range.last.min(other.last) };
            rows += both.rows();
            parts += 1;
        }
        if parts > 0 {
            sum += alpha + (1.0 - alpha) * rows as f64 / range.rows() as f64 / f64::from(parts);
        }
    }
    sum
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn flags(text: &str) -> Vec<bool> {
        text.chars().map(|character| character == '#').collect()
    }

    #[test]
    fn a_range_found_in_two_parts_is_worth_half_its_overlap() {
        let sums = RangeSums::new(&flags("..####...##"), &flags("#.#.#......"));
        // Two of four rows in two parts, and a real range that is missed.
        assert_eq!(sums.real, 2);
        assert!((sums.recalled - (0.2 + 0.8 * 0.5 / 2.0)).abs() < 1e-12);
        assert!((sums.precision() - 2.0 / 3.0).abs() < 1e-12);
        let nothing = RangeSums::default();
        assert_eq!((nothing.recall(), nothing.precision()), (0.0, 0.0));
    }

    proptest! {
        #[test]
        fn it_is_what_comparing_every_pair_of_ranges_gives(
            rows in prop::collection::vec((any::<bool>(), any::<bool>()), 0..60),
        ) {
            let (real, predicted): (Vec<bool>, Vec<bool>) = rows.into_iter().unzip();
            let slow = |ranges: &[bool], others: &[bool], alpha: f64| -> f64 {
                let worth = |range: &Span| {
                    let rows = (range.first..=range.last).filter(|&row| others[row]).count() as f64;
                    let parts = runs(others).into_iter();
                    let parts = parts.filter(|o| o.first <= range.last && range.first <= o.last);
                    match parts.count() {
                        0 => 0.0,
                        parts => alpha + (1.0 - alpha) * rows / range.rows() as f64 / parts as f64,
                    }
                };
                runs(ranges).iter().map(worth).sum()
            };
            let sums = RangeSums::new(&real, &predicted);
            prop_assert!((sums.recalled - slow(&real, &predicted, ALPHA)).abs() < 1e-9);
            prop_assert!((sums.precise - slow(&predicted, &real, 0.0)).abs() < 1e-9);
        }
    }
}
