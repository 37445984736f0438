//! VUS-PR: volume under the precision-recall surface, which forgives detections that are a little early or late.
//!
//! Source: Paparrizos et al., "Volume Under the Surface: A New Accuracy Evaluation Measure for Time-Series Anomaly
//! Detection", PVLDB 15(11), 2022, in the form of TSB-AD (Liu & Paparrizos, NeurIPS 2024).
//!
//! Method: for each buffer length `w` from 0 to the series' window, rows up to `w / 2` from an event count as labelled
//! by `sqrt(1 - d / w)` at distance `d`; where buffers overlap they add up, to at most 1. Of 250 thresholds, at
//! equally spaced ranks of the scores, each gives a point: precision is the weight of what is detected by the
//! number of rows detected; recall is that weight by the events' own plus half of what the buffers added to
//! it, at most 1, times the share of buffered events (merged where they touch) of which any row is detected. The area
//! under the points is taken in steps, and the volume is the mean of the areas.
//!
//! Cost: one sort, then for each buffer length the rows within the buffered events.

use super::span::{Span, runs};

const THRESHOLDS: usize = 250;

/// VUS-PR of `scores` on rows that are labelled or not, with buffers of 0 to `window_rows`; `None` when no row is
/// labelled.
pub fn vus_pr(is_labelled: &[bool], scores: &[f64], window_rows: usize) -> Option<f64> {
    let events = runs(is_labelled);
    if events.is_empty() || scores.len() != is_labelled.len() {
        return None;
    }
    let surface = Surface::new(is_labelled, scores, events);
    let mut weights = vec![0.0; scores.len()];
    let areas = (0..=window_rows).map(|buffer| surface.area(buffer, &mut weights));
    Some(areas.sum::<f64>() / (window_rows + 1) as f64)
}

/// What is the same for all buffer lengths.
struct Surface<'a> {
    is_labelled: &'a [bool],
    events: Vec<Span>,
    /// Labelled rows.
    positives: f64,
    /// For each row the first threshold, in descending order, that detects it.
    detected_at: Vec<usize>,
    /// Rows that each threshold detects.
    predicted: Vec<f64>,
    /// Labelled rows that each threshold detects.
    hits: Vec<f64>,
}

impl<'a> Surface<'a> {
    fn new(is_labelled: &'a [bool], scores: &[f64], events: Vec<Span>) -> Self {
        let mut descending = scores.to_vec();
        descending.sort_by(|a, b| b.total_cmp(a));
        let last = descending.len() - 1;
        let step = last as f64 / (THRESHOLDS - 1) as f64;
        let rank = |index: usize| {
            if index == THRESHOLDS - 1 { last } else { ((index as f64 * step) as usize).min(last) }
        };
        let thresholds: Vec<f64> = (0..THRESHOLDS).map(|index| descending[rank(index)]).collect();
        let predicted = |&threshold: &f64| descending.partition_point(|&score| score >= threshold);
        let predicted = thresholds.iter().map(|threshold| predicted(threshold) as f64).collect();
        let detected_at: Vec<usize> = scores
            .iter()
            .map(|&score| thresholds.partition_point(|&threshold| threshold > score))
            .collect();
        let mut hits = vec![0.0; THRESHOLDS];
        for event in &events {
            for &at in &detected_at[event.first..=event.last] {
                hits[at] += 1.0;
            }
        }
        accumulate(&mut hits);
        let positives = is_labelled.iter().filter(|&&label| label).count() as f64;
        Self { is_labelled, events, positives, detected_at, predicted, hits }
    }

    /// Area under the curve of one buffer length. `weights` is scratch, all zero before and after.
    fn area(&self, buffer: usize, weights: &mut [f64]) -> f64 {
        let half = buffer / 2;
        let extra = self.buffer_hits(buffer, half, weights);
        let exist = self.events_hit(half);
        let (mut area, mut last_recall) = (0.0, 0.0);
        for index in 0..THRESHOLDS {
            let weight = self.hits[index] + extra[index];
            let recall = (weight / (self.positives + extra[index] / 2.0)).min(1.0) * exist[index];
            area += (recall - last_recall) * weight / self.predicted[index];
            last_recall = recall;
        }
        area
    }

    /// Weight of the buffers' rows that each threshold detects.
    fn buffer_hits(&self, buffer: usize, half: usize, weights: &mut [f64]) -> Vec<f64> {
        let mut touched = Vec::new();
        for &Span { first, last } in &self.events {
            for distance in 1..=half {
                let weight = (1.0 - distance as f64 / buffer as f64).sqrt();
                let rows = [last.checked_add(distance), first.checked_sub(distance)];
                for row in rows.into_iter().flatten() {
                    if self.is_labelled.get(row) != Some(&false) {
                        continue;
                    }
                    if weights[row] == 0.0 {
                        touched.push(row);
                    }
                    weights[row] += weight;
                }
            }
        }
        let mut extra = vec![0.0; THRESHOLDS];
        for row in touched {
            extra[self.detected_at[row]] += weights[row].min(1.0);
            weights[row] = 0.0;
        }
        accumulate(&mut extra);
        extra
    }

    /// Share of the buffered events that each threshold hits.
    fn events_hit(&self, half: usize) -> Vec<f64> {
        let last_row = self.detected_at.len() - 1;
        let mut buffered: Vec<Span> = Vec::new();
        for event in &self.events {
            let first = event.first.saturating_sub(half);
            let last = (event.last + half).min(last_row);
            match buffered.last_mut() {
                Some(before) if first <= before.last => before.last = last,
                _ => buffered.push(Span { first, last }),
            }
        }
        let mut hit = vec![0.0; THRESHOLDS];
        for span in &buffered {
            let rows = &self.detected_at[span.first..=span.last];
            if let Some(&at) = rows.iter().min() {
                hit[at] += 1.0;
            }
        }
        accumulate(&mut hit);
        hit.into_iter().map(|hit| hit / buffered.len() as f64).collect()
    }
}

/// Turns values into the sums up to them.
fn accumulate(values: &mut [f64]) {
    let mut sum = 0.0;
    for value in values {
        sum += *value;
        *value = sum;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::eval::average_precision::average_precision;
    use crate::eval::testing::labelled_scores;

    /// By definition, with nothing kept from one threshold or buffer to the next.
    fn slow(is_labelled: &[bool], scores: &[f64], window: usize) -> f64 {
        let areas = (0..=window).map(|buffer| slow_area(is_labelled, scores, buffer));
        areas.sum::<f64>() / (window + 1) as f64
    }

    fn slow_area(is_labelled: &[bool], scores: &[f64], buffer: usize) -> f64 {
        let rows = scores.len();
        let half = buffer / 2;
        let events = runs(is_labelled);
        let near = |event: &Span, row: usize| {
            let distance = if row < event.first { event.first - row } else { row - event.last };
            (distance <= half).then(|| (1.0 - distance as f64 / buffer as f64).sqrt())
        };
        let weight = |row: usize| {
            if is_labelled[row] {
                return 1.0;
            }
            events.iter().filter_map(|event| near(event, row)).sum::<f64>().min(1.0)
        };
        let is_buffered = |row: usize| {
            events.iter().any(|event| row + half >= event.first && row <= event.last + half)
        };
        let buffered = runs(&(0..rows).map(is_buffered).collect::<Vec<_>>());
        // Buffers that only touch stay two events.
        let apart = events.windows(2).filter(|pair| pair[0].last + 2 * half + 1 == pair[1].first);
        let parts: Vec<Span> = split(&buffered, apart.map(|pair| pair[0].last + half).collect());
        let positives = is_labelled.iter().filter(|&&label| label).count() as f64;
        let mut descending = scores.to_vec();
        descending.sort_by(|a, b| b.total_cmp(a));
        let (mut area, mut last_recall) = (0.0, 0.0);
        for index in 0..250_usize {
            let rank = (index as f64 * ((rows - 1) as f64 / 249.0)) as usize;
            let threshold = descending[if index == 249 { rows - 1 } else { rank }];
            let predicted: Vec<usize> = (0..rows).filter(|&row| scores[row] >= threshold).collect();
            let found: f64 = predicted.iter().map(|&row| weight(row)).sum();
            let own = predicted.iter().filter(|&&row| is_labelled[row]).count() as f64;
            let hit = parts.iter().filter(|part| predicted.iter().any(|&row| part.contains(row)));
            let exist = hit.count() as f64 / parts.len() as f64;
            let recall = (found / (positives + (found - own) / 2.0)).min(1.0) * exist;
            area += (recall - last_recall) * found / predicted.len() as f64;
            last_recall = recall;
        }
        area
    }

    fn split(spans: &[Span], after: Vec<usize>) -> Vec<Span> {
        let mut parts = spans.to_vec();
        for end in after {
            let Some(index) = parts.iter().position(|part| part.first <= end && end < part.last)
            else {
                continue;
            };
            let last = std::mem::replace(&mut parts[index].last, end);
            parts.insert(index + 1, Span { first: end + 1, last });
        }
        parts
    }

    #[test]
    fn without_a_buffer_and_with_few_rows_it_is_average_precision() {
        let labels = [false, true, true, false, false, true];
        let scores = [0.1, 0.9, 0.4, 0.5, 0.2, 0.3];
        // The first hit finds one event of two, the third the other one: recall 1/6, 2/6 and 1.
        let expected =
            1.0 / 6.0 + (2.0 / 6.0 - 1.0 / 6.0) * 2.0 / 3.0 + (1.0 - 2.0 / 6.0) * 3.0 / 4.0;
        let area = vus_pr(&labels, &scores, 0).unwrap();
        assert!((area - expected).abs() < 1e-12, "{area}");
        let one_event = [false, true, false, false];
        let scores = [0.4, 0.3, 0.2, 0.1];
        assert_eq!(vus_pr(&one_event, &scores, 0), average_precision(&one_event, &scores));
        assert_eq!(vus_pr(&[false], &[1.0], 3), None);
    }

    proptest! {
        // By definition it takes some milliseconds a case.
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn it_is_what_the_definition_gives((labels, scores) in labelled_scores(), window in 0..20_usize) {
            let fast = vus_pr(&labels, &scores, window).unwrap();
            let slow = slow(&labels, &scores, window);
            prop_assert!((fast - slow).abs() < 1e-9, "{} {}", fast, slow);
        }

        /// Beside each other as well as far apart, a detection next to an event is worth something.
        #[test]
        fn a_near_miss_is_worth_more_than_a_far_one(distance in 1..5_usize) {
            let labels: Vec<bool> = (0..200).map(|row| (100..110).contains(&row)).collect();
            let peak = |at: usize| (0..200).map(|row| f64::from(u8::from(row == at))).collect::<Vec<_>>();
            let near = vus_pr(&labels, &peak(109 + distance), 20).unwrap();
            let far = vus_pr(&labels, &peak(190), 20).unwrap();
            prop_assert!(near > far, "{} {}", near, far);
        }
    }
}
