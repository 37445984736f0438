//! Point precision, recall and F1: row by row, without any forgiveness.

/// Rows by what is true of them and what was said, which add up over series.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PointCounts {
    /// Labelled rows that alert.
    pub true_positives: usize,
    /// Other rows that alert.
    pub false_positives: usize,
    /// Labelled rows that do not.
    pub false_negatives: usize,
}

impl PointCounts {
    /// Those of one series: of each of its scored rows whether it is labelled, and whether it alerts.
    pub fn new(is_labelled: &[bool], is_alert: &[bool]) -> Self {
        let mut counts = Self::default();
        for pair in is_labelled.iter().zip(is_alert) {
            match pair {
                (true, true) => counts.true_positives += 1,
                (false, true) => counts.false_positives += 1,
                (true, false) => counts.false_negatives += 1,
                (false, false) => {}
            }
        }
        counts
    }

    /// Adds those of another series.
    pub fn add(&mut self, other: &Self) {
        self.true_positives += other.true_positives;
        self.false_positives += other.false_positives;
        self.false_negatives += other.false_negatives;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_counted_by_what_is_true_and_what_was_said() {
        let labels = [true, true, false, false, true];
        let alerts = [true, false, true, false, true];
        let expected = PointCounts { true_positives: 2, false_positives: 1, false_negatives: 1 };
        assert_eq!(PointCounts::new(&labels, &alerts), expected);
    }
}
