//! All figures of a folder of results.
//!
//! One series at a time is in memory on each thread; of series with a NAB score their rows are kept, some 50 bytes each,
//! because one threshold holds for all of them.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use serde::Serialize;

use super::average_precision::average_precision;
use super::catalogue::{CorpusFiles, NAB, SeriesSpec, catalogue};
use super::delay::delays;
use super::error::EvalError;
use super::events::{false_alarms, first_alerts};
use super::nab::{NabCorpus, PROFILES};
use super::points::PointCounts;
use super::pool::{Counts, DatasetFigures, MeanFigures, Ranking};
use super::range::RangeSums;
use super::results::{Aligned, ResultFolder};
use super::span::Span;
use super::table::Table;
use super::truth::Truth;
use super::vus::vus_pr;

/// Score from which on a row alerts where neither the results nor the caller say.
pub const THRESHOLD: f64 = 0.5;
const VERSION: u32 = 1;

/// What is to be scored.
#[derive(Debug, Clone, Default)]
pub struct EvalInput {
    /// Folder of results.
    pub results: PathBuf,
    /// What they are held against.
    pub corpus: CorpusFiles,
    /// Score from which on a row alerts, whatever the results say.
    pub threshold: Option<f64>,
    /// Series that are scored at the same time, at least 1.
    pub threads: usize,
}

/// All figures of a folder of results.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Evaluation {
    /// Of the format: 1.
    pub version: u32,
    /// Which rows alert.
    pub alert_rule: AlertRule,
    /// Means over datasets.
    pub mean: MeanFigures,
    /// NAB scores, if the corpus has the dataset `nab` and windows in it.
    pub nab: Option<NabFigures>,
    /// Figures of each dataset, by name.
    pub datasets: Vec<DatasetFigures>,
    /// Ranking figures of each series, in the order of the corpus.
    pub series: Vec<SeriesFigures>,
    /// Results that lack rows, or have others.
    pub incomplete: Vec<Incomplete>,
    /// Series with windows that count for nothing.
    pub unscored: Vec<Unscored>,
}

/// Which rows alert.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum AlertRule {
    /// Those whose `is_alert` says so; every result has that column.
    IsAlert,
    /// Those with at least this score.
    ScoreAtLeast(f64),
}

/// NAB scores of the dataset `nab`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct NabFigures {
    /// Windows behind the probation.
    pub windows: usize,
    /// By the name of the profile.
    pub profiles: BTreeMap<&'static str, NabProfileFigures>,
}

/// NAB scores in one profile; 100 is the most.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct NabProfileFigures {
    /// At the threshold that is best for this corpus.
    pub optimised: f64,
    /// That threshold; `null`: nothing is detected.
    pub optimised_threshold: Option<f64>,
    /// With the rows that alert.
    pub fixed: f64,
}

/// Figures of one series.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SeriesFigures {
    /// Its id.
    pub id: String,
    /// Its dataset.
    pub dataset: String,
    /// VUS-PR; `null` without anything labelled.
    pub vus_pr: Option<f64>,
    /// AUC-PR; `null` without anything labelled.
    pub auc_pr: Option<f64>,
    /// Events in the scored part.
    pub events: usize,
    /// Of them, those that were found.
    pub found: usize,
    /// Notifications outside of every event.
    pub false_alarms: usize,
}

/// A result that does not have exactly the rows of its series.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Incomplete {
    /// Id of the series.
    pub id: String,
    /// Rows of the series.
    pub rows: usize,
    /// Of them, those that the result has; `null`: there is no result.
    pub matched_rows: Option<usize>,
}

/// A series with windows that end before its first row that is scored: they count for nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Unscored {
    /// Id of the series.
    pub id: String,
    /// Its windows.
    pub windows: usize,
    /// Of them, those that count for nothing; at least 1.
    pub unscored_windows: usize,
}

/// Scores the results of a folder. `progress` hears the number of series done, and of all, after each one.
///
/// # Errors
/// On the first file that cannot be read or understood, with its line, and when no series has a result.
pub fn evaluate(
    input: &EvalInput,
    progress: &(dyn Fn(usize, usize) + Sync),
) -> Result<Evaluation, EvalError> {
    let specs = catalogue(&input.corpus)?;
    let ids = specs.iter().map(|spec| spec.id.as_str());
    let results = ResultFolder::open(&input.results, ids)?;
    let rule = alert_rule(input, &specs, &results)?;
    let (next, done) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let work = || -> Result<Vec<(usize, Outcome)>, EvalError> {
        let mut outcomes = Vec::new();
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(spec) = specs.get(index) else { return Ok(outcomes) };
            outcomes.push((index, score(spec, &results, rule)?));
            progress(done.fetch_add(1, Ordering::Relaxed) + 1, specs.len());
        }
    };
    let mut outcomes = thread::scope(|scope| {
        let workers: Vec<_> = (0..input.threads.max(1)).map(|_| scope.spawn(work)).collect();
        let mut outcomes = Vec::new();
        for worker in workers {
            outcomes.extend(worker.join().unwrap_or_else(|p| std::panic::resume_unwind(p))?);
        }
        Ok::<_, EvalError>(outcomes)
    })?;
    outcomes.sort_by_key(|(index, _)| *index);
    let outcomes: Vec<_> = outcomes.into_iter().map(|(_, outcome)| outcome).collect();
    Ok(evaluation(&specs, &outcomes, rule))
}

/// The rule that holds for all series, found without reading more than the headers of the results.
fn alert_rule(
    input: &EvalInput,
    specs: &[SeriesSpec],
    results: &ResultFolder,
) -> Result<AlertRule, EvalError> {
    let has_alerts = specs.iter().map(|spec| results.has_alerts(&spec.id));
    let has_alerts = has_alerts.collect::<Result<Vec<_>, _>>()?;
    if specs.is_empty() {
        return Err(EvalError::NoLabels { path: input.corpus.labels.clone() });
    }
    if has_alerts.iter().all(Option::is_none) {
        // A folder that is not there is another mistake than one without results.
        let there = std::fs::metadata(&input.results);
        there.map_err(|source| EvalError::File { path: input.results.clone(), source })?;
        let example = specs.first().map(|spec| spec.id.clone()).unwrap_or_default();
        return Err(EvalError::NoResults { path: input.results.clone(), example });
    }
    Ok(match input.threshold {
        Some(threshold) => AlertRule::ScoreAtLeast(threshold),
        // A result that is missing has no say in it.
        None if has_alerts.iter().flatten().all(|&has| has) => AlertRule::IsAlert,
        None => AlertRule::ScoreAtLeast(THRESHOLD),
    })
}

/// What came out for one series.
struct Outcome {
    ranking: Option<Ranking>,
    counts: Counts,
    nab: Option<NabSeries>,
    incomplete: Option<Incomplete>,
    unscored: Option<Unscored>,
}

/// What the NAB score needs to know of one series.
struct NabSeries {
    windows: Vec<Span>,
    scores: Vec<f64>,
    is_alert: Vec<bool>,
}

fn score(spec: &SeriesSpec, results: &ResultFolder, rule: AlertRule) -> Result<Outcome, EvalError> {
    let result = results.read(&spec.id)?;
    let times_s = match (&spec.data, &result) {
        (Some(path), _) => read_times(path)?,
        (None, Some(result)) => result.times_s.clone(),
        (None, None) => return Err(EvalError::NoRows { id: spec.id.clone() }),
    };
    let truth = Truth::new(spec, &times_s)?;
    let rows = times_s.len();
    let is_missing = result.is_none();
    let Aligned { scores, is_alert, matched_rows } = result.unwrap_or_default().align(&times_s);
    let is_alert = match (rule, is_alert) {
        (AlertRule::IsAlert, Some(is_alert)) => is_alert,
        (AlertRule::IsAlert, None) => vec![false; rows],
        (AlertRule::ScoreAtLeast(least), _) => scores.iter().map(|&score| score >= least).collect(),
    };
    let incomplete = matched_rows.map(|matched| Incomplete {
        id: spec.id.clone(),
        rows,
        matched_rows: (!is_missing).then_some(matched),
    });
    let unscored_windows = truth.unscored_windows();
    let unscored = (unscored_windows > 0).then(|| Unscored {
        id: spec.id.clone(),
        windows: truth.windows.len(),
        unscored_windows,
    });
    let from = truth.terms.score_from;
    let (labels, scored) = (&truth.is_labelled[from..], &scores[from..]);
    let vus = vus_pr(labels, scored, usize::from(spec.vus_window_rows));
    let ranking = vus.zip(average_precision(labels, scored));
    Ok(Outcome {
        ranking: ranking.map(|(vus_pr, auc_pr)| Ranking { vus_pr, auc_pr }),
        counts: counts(&truth, &times_s, &is_alert),
        nab: (spec.dataset == NAB).then_some(NabSeries {
            windows: truth.windows,
            scores,
            is_alert,
        }),
        incomplete,
        unscored,
    })
}

fn counts(truth: &Truth, times_s: &[f64], is_alert: &[bool]) -> Counts {
    let Truth { events, terms, is_labelled, .. } = truth;
    let (labels, alerts) = (&is_labelled[terms.score_from..], &is_alert[terms.score_from..]);
    Counts {
        events: events.len(),
        delays: delays(events, &first_alerts(events, is_alert, terms), times_s),
        false_alarms: false_alarms(events, is_alert, terms),
        ranges: RangeSums::new(labels, alerts),
        points: PointCounts::new(labels, alerts),
        scored_days: truth.scored_days,
    }
}

/// When the rows of the data at `path` are, in unix seconds.
fn read_times(path: &std::path::Path) -> Result<Vec<f64>, EvalError> {
    let mut table = Table::open(path)?;
    let time = table.required(&["timestamp"])?;
    let mut times_s = Vec::new();
    while table.advance()? {
        times_s.push(table.moment(time)?.seconds());
    }
    Ok(times_s)
}

fn evaluation(specs: &[SeriesSpec], outcomes: &[Outcome], rule: AlertRule) -> Evaluation {
    let mut by_dataset: BTreeMap<&str, Vec<&Outcome>> = BTreeMap::new();
    for (spec, outcome) in specs.iter().zip(outcomes) {
        by_dataset.entry(&spec.dataset).or_default().push(outcome);
    }
    let figures = |(dataset, outcomes): (&str, Vec<&Outcome>)| {
        let rankings: Vec<_> = outcomes.iter().filter_map(|outcome| outcome.ranking).collect();
        DatasetFigures::new(dataset, outcomes.iter().map(|outcome| &outcome.counts), &rankings)
    };
    let datasets: Vec<_> = by_dataset.into_iter().map(figures).collect();
    let series = specs.iter().zip(outcomes).map(|(spec, outcome)| SeriesFigures {
        id: spec.id.clone(),
        dataset: spec.dataset.clone(),
        vus_pr: outcome.ranking.map(|ranking| ranking.vus_pr),
        auc_pr: outcome.ranking.map(|ranking| ranking.auc_pr),
        events: outcome.counts.events,
        found: outcome.counts.delays.len(),
        false_alarms: outcome.counts.false_alarms,
    });
    Evaluation {
        version: VERSION,
        alert_rule: rule,
        mean: MeanFigures::new(&datasets),
        nab: nab(outcomes, rule),
        datasets,
        series: series.collect(),
        incomplete: outcomes.iter().filter_map(|outcome| outcome.incomplete.clone()).collect(),
        unscored: outcomes.iter().filter_map(|outcome| outcome.unscored.clone()).collect(),
    }
}

fn nab(outcomes: &[Outcome], rule: AlertRule) -> Option<NabFigures> {
    let mut corpus = NabCorpus::default();
    for series in outcomes.iter().filter_map(|outcome| outcome.nab.as_ref()) {
        corpus.add(&series.windows, &series.scores, &series.is_alert);
    }
    let profile = |profile| {
        let best = corpus.best(profile)?;
        let fixed = match rule {
            AlertRule::IsAlert => corpus.of_alerts(profile),
            AlertRule::ScoreAtLeast(threshold) => corpus.at(profile, threshold),
        };
        let figures = NabProfileFigures {
            optimised: best.score,
            optimised_threshold: best.threshold,
            fixed: fixed?,
        };
        Some((profile.name, figures))
    };
    let profiles = PROFILES.iter().map(profile).collect::<Option<BTreeMap<_, _>>>()?;
    Some(NabFigures { windows: corpus.windows(), profiles })
}
