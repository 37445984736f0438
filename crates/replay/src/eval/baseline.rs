//! A stored baseline: figures that must not get worse.
//!
//! A JSON object with `version` (1) and `figures`, from names such as `mean.event_f1` to numbers. Whoever does not care about
//! a figure takes its line out.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::error::EvalError;
use super::evaluate::Evaluation;
use super::pool::{DatasetFigures, MeanFigures};

/// How much worse a figure may be, as a share of what it was.
pub const TOLERANCE: f64 = 0.01;
const VERSION: u32 = 1;
/// Digits behind the point that are stored; more would only make noise in differences.
const DIGITS: i32 = 6;

/// Figures that must not get worse.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Baseline {
    version: u32,
    figures: BTreeMap<String, f64>,
}

/// A figure that got worse.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Regression {
    /// Its name.
    pub figure: String,
    /// What it was.
    pub baseline: f64,
    /// What it is; `null`: there is no such figure any more.
    pub now: Option<f64>,
}

impl Baseline {
    /// The figures of `evaluation`, to six digits.
    pub fn of(evaluation: &Evaluation) -> Self {
        let scale = 10_f64.powi(DIGITS);
        let rounded = |(name, value): (String, f64)| (name, (value * scale).round() / scale);
        Self { version: VERSION, figures: figures(evaluation).map(rounded).collect() }
    }

    /// Reads the baseline at `path`.
    ///
    /// # Errors
    /// When it cannot be read or is something else.
    pub fn read(path: &Path) -> Result<Self, EvalError> {
        let json = |source| EvalError::Json { path: path.to_owned(), source };
        let text = std::fs::read(path)
            .map_err(|source| EvalError::File { path: path.to_owned(), source })?;
        let baseline: Self = serde_json::from_slice(&text).map_err(json)?;
        if baseline.version != VERSION {
            let what = format!("version {} is not {VERSION}", baseline.version);
            return Err(json(serde::de::Error::custom(what)));
        }
        Ok(baseline)
    }

    /// Writes it to `path`.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, path: &Path) -> Result<(), EvalError> {
        let text = serde_json::to_string_pretty(self)
            .map_err(|source| EvalError::Json { path: path.to_owned(), source })?;
        std::fs::write(path, text + "\n")
            .map_err(|source| EvalError::File { path: path.to_owned(), source })
    }

    /// How many figures it holds.
    pub fn figures(&self) -> usize {
        self.figures.len()
    }

    /// The figures that are worse in `evaluation` by more than the share `tolerance` of what they were, or that it
    /// does not have. What the baseline does not hold is not compared.
    pub fn regressions(&self, evaluation: &Evaluation, tolerance: f64) -> Vec<Regression> {
        let now: BTreeMap<String, f64> = figures(evaluation).collect();
        let regression = |(name, &baseline): (&String, &f64)| {
            let now = now.get(name).copied();
            let loss = now.map(|now| if is_cost(name) { now - baseline } else { baseline - now });
            let allowed = tolerance * baseline.abs() + 10_f64.powi(-DIGITS);
            let is_worse = loss.is_none_or(|loss| loss > allowed);
            is_worse.then(|| Regression { figure: name.clone(), baseline, now })
        };
        self.figures.iter().filter_map(regression).collect()
    }
}

/// Whether less of the figure is better.
fn is_cost(name: &str) -> bool {
    name.ends_with(".false_alarms_per_series_day") || name.ends_with(".median_delay_s")
}

/// The figures that a baseline holds, by name.
fn figures(evaluation: &Evaluation) -> impl Iterator<Item = (String, f64)> {
    let datasets = evaluation.datasets.iter().flat_map(of_dataset);
    let profiles = evaluation.nab.iter().flat_map(|nab| &nab.profiles);
    let nab = profiles.flat_map(|(profile, figures)| {
        let named = |figure: &str| format!("nab_score.{profile}.{figure}");
        [(named("optimised"), figures.optimised), (named("fixed"), figures.fixed)]
    });
    of_mean(&evaluation.mean).chain(nab).chain(datasets)
}

fn of_mean(mean: &MeanFigures) -> impl Iterator<Item = (String, f64)> + use<> {
    let figures = [
        ("vus_pr", mean.vus_pr),
        ("auc_pr", mean.auc_pr),
        ("event_precision", mean.event_precision),
        ("event_recall", mean.event_recall),
        ("event_f1", mean.event_f1),
        ("range_f1", mean.range_f1),
        ("point_f1", mean.point_f1),
        ("false_alarms_per_series_day", mean.false_alarms_per_series_day),
    ];
    figures.into_iter().filter_map(|(name, value)| Some((format!("mean.{name}"), value?)))
}

fn of_dataset(figures: &DatasetFigures) -> impl Iterator<Item = (String, f64)> + use<> {
    let dataset = figures.dataset.clone();
    let figures = [
        ("vus_pr", figures.vus_pr),
        ("auc_pr", figures.auc_pr),
        ("event_precision", Some(figures.event_precision)),
        ("event_recall", Some(figures.event_recall)),
        ("event_f1", Some(figures.event_f1)),
        ("range_f1", Some(figures.range_f1)),
        ("point_f1", Some(figures.point_f1)),
        ("false_alarms_per_series_day", Some(figures.false_alarms_per_series_day)),
        ("median_delay_s", figures.median_delay_s),
    ];
    let named = move |(name, value): (&str, Option<f64>)| {
        Some((format!("dataset.{dataset}.{name}"), value?))
    };
    figures.into_iter().filter_map(named)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::evaluate::AlertRule;
    use crate::eval::pool::{Counts, Ranking};

    fn evaluation(vus_pr: f64, false_alarms: usize) -> Evaluation {
        let counts = [Counts { events: 4, false_alarms, scored_days: 10.0, ..Counts::default() }];
        let ranking = [Ranking { vus_pr, auc_pr: 0.5 }];
        let datasets = vec![DatasetFigures::new("d", counts.iter(), &ranking)];
        Evaluation {
            version: 1,
            alert_rule: AlertRule::IsAlert,
            mean: MeanFigures::new(&datasets),
            nab: None,
            datasets,
            series: Vec::new(),
            incomplete: Vec::new(),
            unscored: Vec::new(),
        }
    }

    fn names(regressions: &[Regression]) -> Vec<&str> {
        regressions.iter().map(|regression| regression.figure.as_str()).collect()
    }

    #[test]
    fn what_got_worse_is_named_and_what_got_better_is_not() {
        let baseline = Baseline::of(&evaluation(0.5, 2));
        assert_eq!(baseline.regressions(&evaluation(0.5, 2), 0.0), []);
        assert_eq!(baseline.regressions(&evaluation(0.6, 1), 0.0), []);
        let worse = baseline.regressions(&evaluation(0.4, 2), 0.0);
        assert_eq!(names(&worse), ["dataset.d.vus_pr", "mean.vus_pr"]);
        assert_eq!((worse[0].baseline, worse[0].now), (0.5, Some(0.4)));
        // More of a cost is worse.
        let worse = baseline.regressions(&evaluation(0.5, 3), 0.0);
        let cost = "false_alarms_per_series_day";
        assert_eq!(names(&worse), [format!("dataset.d.{cost}"), format!("mean.{cost}")]);
    }

    #[test]
    fn a_figure_may_be_worse_by_the_tolerance_and_no_more() {
        let baseline = Baseline::of(&evaluation(0.5, 2));
        assert_eq!(baseline.regressions(&evaluation(0.496, 2), 0.01), []);
        assert_eq!(baseline.regressions(&evaluation(0.494, 2), 0.01).len(), 2);
    }

    #[test]
    fn a_figure_that_is_gone_is_a_regression() {
        let mut baseline = Baseline::of(&evaluation(0.5, 2));
        baseline.figures.insert("dataset.e.event_f1".to_owned(), 0.1);
        let gone = baseline.regressions(&evaluation(0.5, 2), 1.0);
        assert_eq!(names(&gone), ["dataset.e.event_f1"]);
        assert_eq!(gone[0].now, None);
    }

    #[test]
    fn a_baseline_is_read_as_it_was_written_and_nothing_else_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("baseline.json");
        let baseline = Baseline::of(&evaluation(1.0 / 3.0, 2));
        baseline.write(&path).unwrap();
        assert_eq!(Baseline::read(&path).unwrap(), baseline);
        assert!(std::fs::read_to_string(&path).unwrap().contains("0.333333,"));
        for text in [r#"{"version": 2, "figures": {}}"#, r#"{"version": 1, "figure": {}}"#, "7"] {
            std::fs::write(&path, text).unwrap();
            assert!(matches!(Baseline::read(&path), Err(EvalError::Json { .. })), "{text}");
        }
    }
}
