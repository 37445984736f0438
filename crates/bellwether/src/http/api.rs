//! `/api/v1`: what was found, what is watched.

use std::sync::Arc;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use bellwether_detect::Severity;
use bellwether_engine::{Event, MetricUse, SeriesView, SignalKind, Usage};
use bellwether_series::{LabelSet, Matchers, Timestamp};
use bellwether_signal::parse_selector;
use serde::{Deserialize, Serialize, Serializer};

use super::answers::{Of, give, stopping};
use super::{ApiError, process};
use crate::events::Wanted;
use crate::service::App;

const LIMIT_DEFAULT: usize = 100;
const LIMIT_MAX: usize = 10_000;

type Answer = Result<Response, ApiError>;
type Asked<T> = Result<Query<T>, QueryRejection>;

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AnomaliesQuery {
    limit: Option<usize>,
    severity: Option<Severity>,
    episode: Option<String>,
    since: Option<String>,
}

#[derive(Debug, Serialize)]
struct Anomalies {
    anomalies: Vec<Arc<Event>>,
}

pub(super) async fn anomalies(State(app): State<Arc<App>>, query: Asked<AnomaliesQuery>) -> Answer {
    let wanted = wanted(parameters(query)?)?;
    give(app, Of::Events, move |app| {
        Ok(Anomalies { anomalies: app.outlets.events.newest(&wanted) })
    })
    .await
}

/// Of an episode everything is shown, else only what somebody should look at.
fn wanted(query: AnomaliesQuery) -> Result<Wanted, ApiError> {
    let least = if query.episode.is_some() { Severity::Info } else { Severity::Warning };
    Ok(Wanted {
        severity: query.severity.unwrap_or(least),
        episode: query.episode,
        since: query.since.as_deref().map(event_time).transpose()?,
        limit: limit(query.limit)?,
    })
}

pub(super) async fn summary(State(app): State<Arc<App>>) -> Answer {
    give(app, Of::Events, |app| Ok(app.outlets.events.summary())).await
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SeriesQuery {
    limit: Option<usize>,
    r#match: Option<String>,
}

#[derive(Debug, Serialize)]
struct AllSeries {
    #[serde(serialize_with = "one_by_one")]
    series: Vec<SeriesView>,
}

/// Each in its form of the API only while it is written: all of them together would be larger than the answer.
fn one_by_one<S: Serializer>(views: &[SeriesView], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(views.iter().map(OneSeries::from))
}

#[derive(Debug, Serialize)]
struct OneSeries<'a> {
    #[serde(serialize_with = "as_map")]
    labels: &'a LabelSet,
    fingerprint: String,
    rule: &'a str,
    signal: SignalKind,
    /// What kind of signal it is: `continuous`, `sparse` and so on.
    class: &'static str,
    /// Its periods, ascending; other ones than day and week of a series that the deep tier judges.
    periods_ms: &'a [i64],
    /// Learned sampling interval.
    interval_ms: i64,
    /// Surprise from which it fires if that lasts, and by how much that is raised because the series alerts more often
    /// than its budget allows.
    threshold: f64,
    raised_by: f64,
    /// How many times as often as promised surprises of 2 begin.
    surprises_per_promised: f64,
    last: Option<Last>,
    warming_up: bool,
    /// Of the newest judged sample.
    surprise: Option<f32>,
    /// Of the open episode.
    severity: Option<Severity>,
    /// That the newest sample fell into.
    maintenance: Option<&'a str>,
}

#[derive(Debug, Serialize)]
struct Last {
    at_ms: Timestamp,
    value: f64,
}

fn as_map<S: Serializer>(labels: &LabelSet, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(labels.iter())
}

impl<'a> From<&'a SeriesView> for OneSeries<'a> {
    fn from(view: &'a SeriesView) -> Self {
        Self {
            labels: &view.labels,
            fingerprint: view.fingerprint.to_string(),
            rule: &view.rule,
            signal: view.signal,
            class: view.class.as_str(),
            periods_ms: &view.periods_ms,
            interval_ms: view.interval_ms,
            threshold: view.threshold,
            raised_by: view.raised_by,
            surprises_per_promised: view.surprises_per_promised,
            last: view.last.map(|(at_ms, value)| Last { at_ms, value }),
            warming_up: view.surprise.is_none(),
            surprise: view.surprise,
            severity: view.severity,
            maintenance: view.maintenance.as_deref(),
        }
    }
}

pub(super) async fn series(State(app): State<Arc<App>>, query: Asked<SeriesQuery>) -> Answer {
    let (matchers, limit) = selection(&parameters(query)?)?;
    let wanted = Arc::new(move |labels: &LabelSet| {
        matchers.as_ref().is_none_or(|matchers| matchers.matches(labels))
    });
    give(app, Of::Views, move |app| {
        Ok(AllSeries { series: app.view(wanted, limit).map_err(|_| stopping())? })
    })
    .await
}

fn selection(query: &SeriesQuery) -> Result<(Option<Matchers>, usize), ApiError> {
    let matchers = query.r#match.as_deref().map(parse_selector).transpose();
    Ok((matchers.map_err(|error| bad(&error))?, limit(query.limit)?))
}

/// What memory is used for, and by whom.
#[derive(Debug, Serialize)]
struct Profile {
    /// That are in memory.
    series: usize,
    /// Those with the most series, the largest first.
    metrics: Vec<Metric>,
    /// The largest first.
    memory: Vec<Use>,
    memory_bytes: usize,
    /// Of the whole process, where the system tells.
    resident_bytes: Option<u64>,
}

#[derive(Debug, Serialize)]
struct Metric {
    metric: Box<str>,
    series: usize,
}

#[derive(Debug, Serialize)]
struct Use {
    kind: &'static str,
    bytes: usize,
    bytes_per_series: usize,
}

pub(super) async fn profile(State(app): State<Arc<App>>) -> Answer {
    give(app, Of::Views, |app| Ok(Profile::from(app.usage().map_err(|_| stopping())?))).await
}

impl From<(usize, Usage)> for Profile {
    fn from((series, Usage { memory, metrics }): (usize, Usage)) -> Self {
        let of = |(kind, bytes)| Use { kind, bytes, bytes_per_series: bytes / series.max(1) };
        let mut kinds: Vec<_> = memory.iter().map(of).collect();
        kinds.sort_by_key(|kind| std::cmp::Reverse(kind.bytes));
        let metric = |MetricUse { metric, series }| Metric { metric, series };
        Self {
            series,
            metrics: metrics.into_iter().map(metric).collect(),
            memory: kinds,
            memory_bytes: memory.total(),
            resident_bytes: process::resident(),
        }
    }
}

/// Whether the API takes `query` for `/api/v1/anomalies` and for `/api/v1/series`: what comes before any of the
/// engine is asked, for a fuzzer.
pub fn takes_query(query: &str) -> (bool, bool) {
    let Ok(uri) = format!("/?{query}").parse::<Uri>() else { return (false, false) };
    let anomalies = parameters(Query::try_from_uri(&uri)).and_then(wanted);
    let series = parameters(Query::try_from_uri(&uri)).and_then(|query| selection(&query));
    (anomalies.is_ok(), series.is_ok())
}

fn parameters<T>(query: Asked<T>) -> Result<T, ApiError> {
    query.map(|Query(parameters)| parameters).map_err(|error| bad(&error))
}

fn limit(asked: Option<usize>) -> Result<usize, ApiError> {
    match asked.unwrap_or(LIMIT_DEFAULT) {
        limit @ 1..=LIMIT_MAX => Ok(limit),
        _ => Err(bad(&format!("limit is out of range: expected 1 to {LIMIT_MAX}"))),
    }
}

/// A time as RFC 3339 or in Unix milliseconds.
fn event_time(text: &str) -> Result<Timestamp, ApiError> {
    let ms = text.parse().ok();
    let ms = ms.or_else(|| Some(text.parse::<jiff::Timestamp>().ok()?.as_millisecond()));
    ms.map(Timestamp::from_ms).ok_or_else(|| {
        bad(&"since is not a time: expected 2026-01-05T12:00:00Z or Unix milliseconds")
    })
}

fn bad(why: &impl ToString) -> ApiError {
    ApiError(StatusCode::BAD_REQUEST, why.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_read_in_both_notations() {
        assert_eq!(event_time("1767571200000").unwrap(), Timestamp::from_ms(1_767_571_200_000));
        assert_eq!(
            event_time("2026-01-05T00:00:00Z").unwrap(),
            Timestamp::from_ms(1_767_571_200_000)
        );
        assert!(event_time("yesterday").unwrap_err().1.contains("since"));
    }

    #[test]
    fn an_episode_is_shown_from_its_first_event_on() {
        let all = wanted(AnomaliesQuery::default()).unwrap();
        assert_eq!((all.severity, all.limit), (Severity::Warning, LIMIT_DEFAULT));
        let query = AnomaliesQuery { episode: Some("e".to_owned()), ..AnomaliesQuery::default() };
        assert_eq!(wanted(query).unwrap().severity, Severity::Info);
    }

    #[test]
    fn a_query_is_taken_where_its_parameters_are_known_and_in_range() {
        assert_eq!(takes_query(""), (true, true));
        assert_eq!(takes_query("severity=info&since=-1"), (true, false));
        assert_eq!(takes_query("match=up%7Bjob%3D%22a%22%7D"), (false, true));
        assert_eq!(takes_query("match=rate(up[5m])"), (false, false));
        assert_eq!(takes_query("limit=0"), (false, false));
        assert_eq!(takes_query("\u{1}"), (false, false));
    }

    #[test]
    fn a_limit_is_refused_when_it_is_out_of_range() {
        assert!(limit(Some(0)).is_err());
        assert!(limit(Some(LIMIT_MAX + 1)).is_err());
        assert_eq!(limit(Some(LIMIT_MAX)).unwrap(), LIMIT_MAX);
    }
}
