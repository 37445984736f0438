//! What is true of one series: when its rows are, which of them are labelled, and how it is scored.

use super::catalogue::{NAB, SeriesSpec};
use super::delay::median;
use super::error::EvalError;
use super::events::Terms;
use super::nab::probation_rows;
use super::span::{Span, runs};

const SLACK_S: f64 = 300.0;
const SLACK_ROWS_MIN: usize = 2;
const REPEAT_S: f64 = 3600.0;
const REPEAT_ROWS_MIN: usize = 12;
const DAY_S: f64 = 86_400.0;

/// What is true of one series.
#[derive(Debug, Clone, PartialEq)]
pub struct Truth {
    /// The labelled windows, in rows, as they were given.
    pub windows: Vec<Span>,
    /// Of each row whether it is in a window.
    pub is_labelled: Vec<bool>,
    /// Runs of labelled rows within the part that is scored.
    pub events: Vec<Span>,
    /// How it is scored.
    pub terms: Terms,
    /// Length of the part that is scored, in days.
    pub scored_days: f64,
}

impl Truth {
    /// What is true of the series of `spec`, with a row at each of `times_s`, in unix seconds.
    ///
    /// A window holds the rows from the first one stamped with its start or later to the first one stamped with its
    /// end or later.
    ///
    /// # Errors
    /// When a window begins after the last row, or no row is left to score.
    pub fn new(spec: &SeriesSpec, times_s: &[f64]) -> Result<Self, EvalError> {
        let rows = times_s.len();
        let score_from = spec.score_from.unwrap_or_else(|| probation_rows(rows));
        let (Some(&from_s), Some(&last_s)) = (times_s.get(score_from), times_s.last()) else {
            return Err(EvalError::NothingToScore { id: spec.id.clone(), rows, score_from });
        };
        let from = |at_s: f64| times_s.iter().position(|&time_s| time_s >= at_s);
        let (mut windows, mut is_labelled) = (Vec::new(), vec![false; rows]);
        for window in &spec.windows {
            let Some(first) = from(window.start_s) else {
                let id = spec.id.clone();
                return Err(EvalError::Window { id, start_s: window.start_s, last_row_s: last_s });
            };
            // A series that ends within the window ends it.
            let is_over = last_s >= window.end_s;
            let last = from(window.end_s).filter(|_| is_over).unwrap_or(rows - 1);
            // Whatever the order of the rows: the first one at the end is not before the first one at the start.
            is_labelled[first..=last].fill(true);
            windows.push(Span { first, last });
        }
        let scored = runs(&is_labelled).into_iter().filter(|run| run.last >= score_from);
        let events =
            scored.map(|run| Span { first: run.first.max(score_from), last: run.last }).collect();
        Ok(Self {
            windows,
            is_labelled,
            events,
            terms: terms(spec, times_s, score_from),
            scored_days: (last_s - from_s).max(0.0) / DAY_S,
        })
    }

    /// How many windows end before the first row that is scored, so that they count for nothing.
    pub fn unscored_windows(&self) -> usize {
        self.windows.iter().filter(|window| window.last < self.terms.score_from).count()
    }
}

fn terms(spec: &SeriesSpec, times_s: &[f64], score_from: usize) -> Terms {
    let usual = || median(times_s.windows(2).map(|pair| pair[1] - pair[0]));
    let step_s = spec.step_s.or_else(usual).unwrap_or(1.0).max(1.0);
    let slack = ((SLACK_S / step_s).ceil() as usize).max(SLACK_ROWS_MIN);
    let repeat = ((REPEAT_S / step_s).round_ties_even() as usize).max(REPEAT_ROWS_MIN);
    Terms { score_from, slack: if spec.dataset == NAB { 0 } else { slack }, repeat }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::labels::LabelWindow;

    fn spec(dataset: &str, windows: &[(f64, f64)]) -> SeriesSpec {
        let window = |&(start_s, end_s)| LabelWindow { start_s, end_s };
        SeriesSpec {
            id: "a/x".to_owned(),
            dataset: dataset.to_owned(),
            data: None,
            score_from: Some(4),
            step_s: None,
            vus_window_rows: 10,
            windows: windows.iter().map(window).collect(),
        }
    }

    fn minutes(rows: usize) -> Vec<f64> {
        (0..rows).map(|row| row as f64 * 60.0).collect()
    }

    #[test]
    fn a_window_goes_from_the_first_row_in_it_to_the_first_at_its_end() {
        let windows = [(150.0, 420.0), (930.0, 940.0), (1100.0, 5000.0)];
        let truth = Truth::new(&spec("a", &windows), &minutes(20)).unwrap();
        let span = |first, last| Span { first, last };
        assert_eq!(truth.windows, [span(3, 7), span(16, 16), span(19, 19)]);
        // What lies before the scored part is cut off.
        assert_eq!(truth.events, [span(4, 7), span(16, 16), span(19, 19)]);
        assert_eq!(truth.terms, Terms { score_from: 4, slack: 5, repeat: 60 });
        assert_eq!(Truth::new(&spec(NAB, &[]), &minutes(20)).unwrap().terms.slack, 0);
        assert!((truth.scored_days - 900.0 / 86_400.0).abs() < 1e-12);
    }

    #[test]
    fn a_window_before_the_scored_part_is_no_event_and_is_counted() {
        let windows = [(-900.0, -60.0), (60.0, 180.0), (60.0, 240.0), (300.0, 300.0)];
        let truth = Truth::new(&spec("a", &windows), &minutes(20)).unwrap();
        assert_eq!(truth.unscored_windows(), 2);
        assert_eq!(truth.events, [Span { first: 4, last: 5 }]);
    }

    #[test]
    fn hourly_rows_have_the_least_slack_and_repeat() {
        let hours: Vec<f64> = (0..20).map(|row| f64::from(row) * 3600.0).collect();
        let truth = Truth::new(&spec("a", &[]), &hours).unwrap();
        assert_eq!(truth.terms, Terms { score_from: 4, slack: 2, repeat: 12 });
    }

    #[test]
    fn what_cannot_be_scored_is_named() {
        let error = Truth::new(&spec("a", &[(1200.0, 1300.0)]), &minutes(20)).unwrap_err();
        assert!(matches!(error, EvalError::Window { start_s: 1200.0, .. }), "{error}");
        let error = Truth::new(&spec("a", &[]), &minutes(4)).unwrap_err();
        assert!(matches!(error, EvalError::NothingToScore { rows: 4, .. }), "{error}");
    }

    #[test]
    fn rows_out_of_order_do_no_harm() {
        let truth = Truth::new(&spec("a", &[(5.0, 500.0)]), &[9.0, 500.0, 3.0, 4.0, 600.0, 1.0]);
        // The last row is before the window's end, so that the series ends in it.
        assert_eq!(truth.unwrap().windows, [Span { first: 0, last: 5 }]);
    }
}
