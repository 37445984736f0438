//! AUC-PR: area under the precision-recall curve of the point labels, as average precision.
//!
//! Method: steps, not trapezoids (Davis & Goadrich, "The Relationship Between Precision-Recall and ROC Curves", ICML
//! 2006, on why): the sum over distinct scores, from the highest down, of what recall gains there times the
//! precision there. Rows of equal score are detected together. Cost: sorting the rows.

/// Average precision of `scores` on rows that are labelled or not; `None` when none is.
pub fn average_precision(is_labelled: &[bool], scores: &[f64]) -> Option<f64> {
    let labelled = is_labelled.iter().filter(|&&label| label).count();
    if labelled == 0 {
        return None;
    }
    let mut rows: Vec<(f64, bool)> =
        scores.iter().copied().zip(is_labelled.iter().copied()).collect();
    rows.sort_by(|a, b| b.0.total_cmp(&a.0));
    let (mut area, mut seen, mut hits) = (0.0, 0, 0);
    // In descending order what is not more is equal.
    for same in rows.chunk_by(|a, b| a.0 <= b.0) {
        seen += same.len();
        let new_hits = same.iter().filter(|row| row.1).count();
        hits += new_hits;
        area += new_hits as f64 * hits as f64 / seen as f64;
    }
    Some(area / labelled as f64)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::eval::testing::labelled_scores;

    /// By definition: precision and recall at each distinct score, by counting.
    fn slow(is_labelled: &[bool], scores: &[f64]) -> f64 {
        let mut thresholds = scores.to_vec();
        thresholds.sort_by(|a, b| b.total_cmp(a));
        thresholds.dedup();
        let count = |keep: &dyn Fn(usize) -> bool| {
            (0..scores.len()).filter(|&row| keep(row)).count() as f64
        };
        let labelled = count(&|row| is_labelled[row]);
        let (mut area, mut last_recall) = (0.0, 0.0);
        for threshold in thresholds {
            let hits = count(&|row| is_labelled[row] && scores[row] >= threshold);
            let recall = hits / labelled;
            area += (recall - last_recall) * hits / count(&|row| scores[row] >= threshold);
            last_recall = recall;
        }
        area
    }

    #[test]
    fn a_small_case_is_what_the_definition_gives_by_hand() {
        // Hits at ranks 1 and 3 of four rows: (1/1 + 2/3) / 2.
        let area = average_precision(&[true, false, true, false], &[0.9, 0.8, 0.7, 0.1]);
        assert!((area.unwrap() - 5.0 / 6.0).abs() < 1e-12);
        // Scores that tell nothing have the share of labelled rows.
        assert_eq!(average_precision(&[true, false, false, false], &[0.0; 4]), Some(0.25));
        assert_eq!(average_precision(&[false; 2], &[0.1, 0.2]), None);
    }

    proptest! {
        #[test]
        fn it_is_what_counting_gives((is_labelled, scores) in labelled_scores()) {
            let fast = average_precision(&is_labelled, &scores).unwrap();
            prop_assert!((fast - slow(&is_labelled, &scores)).abs() < 1e-9);
        }
    }
}
