//! Figures of a dataset: its series pooled, and the mean over datasets.
//!
//! Ranking figures are means over the series that have something labelled. Counts are added up over all series of a
//! dataset first, and made ratios then. The mean over datasets gives each of them the same weight, whatever its size.

use serde::Serialize;

use super::delay::{Delay, median};
use super::points::PointCounts;
use super::range::RangeSums;

/// Counts of one series, or of several together, under the alert rule.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Counts {
    /// Events.
    pub events: usize,
    /// Events that were found, each with its delay.
    pub delays: Vec<Delay>,
    /// Notifications outside of every event.
    pub false_alarms: usize,
    /// Worth of ranges.
    pub ranges: RangeSums,
    /// Rows.
    pub points: PointCounts,
    /// Length of what is scored, in days.
    pub scored_days: f64,
}

impl Counts {
    fn add(&mut self, other: &Self) {
        self.events += other.events;
        self.delays.extend(&other.delays);
        self.false_alarms += other.false_alarms;
        self.ranges.add(&other.ranges);
        self.points.add(&other.points);
        self.scored_days += other.scored_days;
    }
}

/// How well the scores of a series rank its rows, whatever the threshold.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ranking {
    /// VUS-PR, 0 to 1.
    pub vus_pr: f64,
    /// AUC-PR, 0 to 1.
    pub auc_pr: f64,
}

/// Figures of a dataset. Those without a unit are from 0 to 1.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DatasetFigures {
    /// Its name.
    pub dataset: String,
    /// Its series.
    pub series: usize,
    /// Of them, those with something labelled in the scored part, which the next two are means over.
    pub labelled_series: usize,
    /// Volume under the precision-recall surface.
    pub vus_pr: Option<f64>,
    /// Average precision.
    pub auc_pr: Option<f64>,
    /// Events in the scored parts.
    pub events: usize,
    /// Of them, those that were found.
    pub found: usize,
    /// Notifications outside of every event.
    pub false_alarms: usize,
    /// Found events by these and false alarms.
    pub event_precision: f64,
    /// Found events by events.
    pub event_recall: f64,
    /// Their harmonic mean.
    pub event_f1: f64,
    /// Mean worth of predicted ranges.
    pub range_precision: f64,
    /// Mean worth of real ranges.
    pub range_recall: f64,
    /// Their harmonic mean.
    pub range_f1: f64,
    /// Alerting rows that are labelled.
    pub point_precision: f64,
    /// Labelled rows that alert.
    pub point_recall: f64,
    /// Their harmonic mean.
    pub point_f1: f64,
    /// Days that were scored, added up over series.
    pub series_days: f64,
    /// False alarms by these.
    pub false_alarms_per_series_day: f64,
    /// Median delay of found events in rows.
    pub median_delay_rows: Option<f64>,
    /// The same in seconds.
    pub median_delay_s: Option<f64>,
}

impl DatasetFigures {
    /// Figures of `dataset` from the counts of its series, and the rankings of those that have one.
    pub fn new<'a>(
        dataset: &str,
        counts: impl Iterator<Item = &'a Counts>,
        rankings: &[Ranking],
    ) -> Self {
        let (mut sum, mut series) = (Counts::default(), 0);
        for counts in counts {
            sum.add(counts);
            series += 1;
        }
        let Counts { events, delays, false_alarms, ranges, points, scored_days } = sum;
        let found = delays.len();
        let event_precision = ratio(found, found + false_alarms);
        let event_recall = ratio(found, events);
        let hits = points.true_positives;
        let point_precision = ratio(hits, hits + points.false_positives);
        let point_recall = ratio(hits, hits + points.false_negatives);
        let per_day = false_alarms as f64 / scored_days;
        Self {
            dataset: dataset.to_owned(),
            series,
            labelled_series: rankings.len(),
            vus_pr: mean(rankings.iter().map(|ranking| ranking.vus_pr)),
            auc_pr: mean(rankings.iter().map(|ranking| ranking.auc_pr)),
            events,
            found,
            false_alarms,
            event_precision,
            event_recall,
            event_f1: f1(event_precision, event_recall),
            range_precision: ranges.precision(),
            range_recall: ranges.recall(),
            range_f1: f1(ranges.precision(), ranges.recall()),
            point_precision,
            point_recall,
            point_f1: f1(point_precision, point_recall),
            series_days: scored_days,
            false_alarms_per_series_day: if scored_days > 0.0 { per_day } else { 0.0 },
            median_delay_rows: median(delays.iter().map(|delay| delay.rows)),
            median_delay_s: median(delays.iter().map(|delay| delay.seconds)),
        }
    }
}

/// Means over datasets; those without the figure are left out.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MeanFigures {
    /// Volume under the precision-recall surface.
    pub vus_pr: Option<f64>,
    /// Average precision.
    pub auc_pr: Option<f64>,
    /// Event-wise precision.
    pub event_precision: Option<f64>,
    /// Event-wise recall.
    pub event_recall: Option<f64>,
    /// Event-wise F1: the mean of F1, not the F1 of means.
    pub event_f1: Option<f64>,
    /// F1 of ranges.
    pub range_f1: Option<f64>,
    /// F1 of rows.
    pub point_f1: Option<f64>,
    /// False alarms a day of a series.
    pub false_alarms_per_series_day: Option<f64>,
}

impl MeanFigures {
    /// The means over `datasets`.
    pub fn new(datasets: &[DatasetFigures]) -> Self {
        let over =
            |figure: fn(&DatasetFigures) -> Option<f64>| mean(datasets.iter().filter_map(figure));
        Self {
            vus_pr: over(|figures| figures.vus_pr),
            auc_pr: over(|figures| figures.auc_pr),
            event_precision: over(|figures| Some(figures.event_precision)),
            event_recall: over(|figures| Some(figures.event_recall)),
            event_f1: over(|figures| Some(figures.event_f1)),
            range_f1: over(|figures| Some(figures.range_f1)),
            point_f1: over(|figures| Some(figures.point_f1)),
            false_alarms_per_series_day: over(|figures| Some(figures.false_alarms_per_series_day)),
        }
    }
}

fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (sum, count) = values.fold((0.0, 0_usize), |(sum, count), value| (sum + value, count + 1));
    (count > 0).then(|| sum / count as f64)
}

/// `part / whole`; 0 of nothing.
fn ratio(part: usize, whole: usize) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

/// Harmonic mean of precision and recall; 0 when both are.
fn f1(precision: f64, recall: f64) -> f64 {
    let sum = precision + recall;
    if sum > 0.0 { 2.0 * precision * recall / sum } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_pooled_before_they_become_ratios() {
        let delay = Delay { rows: 2.0, seconds: 120.0 };
        let one = Counts { events: 1, delays: vec![delay], scored_days: 1.0, ..Counts::default() };
        let two = Counts { events: 3, false_alarms: 3, scored_days: 3.0, ..Counts::default() };
        let figures = DatasetFigures::new("d", [&one, &two].into_iter(), &[]);
        assert_eq!((figures.event_precision, figures.event_recall), (0.25, 0.25));
        assert_eq!((figures.event_f1, figures.false_alarms_per_series_day), (0.25, 0.75));
        assert_eq!(figures.median_delay_s, Some(120.0));
        assert_eq!((figures.series, figures.vus_pr), (2, None));
    }

    #[test]
    fn a_dataset_without_a_figure_does_not_pull_the_mean_down() {
        let ranked = [Ranking { vus_pr: 0.5, auc_pr: 0.4 }];
        let counts = [Counts::default()];
        let with = DatasetFigures::new("a", counts.iter(), &ranked);
        let without = DatasetFigures::new("b", counts.iter(), &[]);
        let mean = MeanFigures::new(&[with, without]);
        assert_eq!((mean.vus_pr, mean.event_f1), (Some(0.5), Some(0.0)));
        assert_eq!(MeanFigures::new(&[]).event_f1, None);
    }
}
