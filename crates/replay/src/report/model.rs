//! What a report says. Its JSON form is documented in `docs/report.md`; fields are only ever added to it.
//!
//! Times are Unix milliseconds of event time, lengths of time are milliseconds, days are those of UTC.

use bellwether_detect::Severity;
use serde::Serialize;

use super::Period;

/// Version of the JSON form.
pub const REPORT_VERSION: u32 = 1;

/// What a log of events says about a period. Made by [`Report::new`].
///
/// The alerts that the engine raises about itself are in `own_alerts` and nowhere else.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// [`REPORT_VERSION`].
    pub version: u32,
    /// What it is about.
    pub period: Period,
    /// What was read for it.
    pub read: Read,
    /// What became of the episodes.
    pub episodes: EpisodeCounts,
    /// The alerts that fired, by the highest severity that they reached within the period.
    pub severities: SeverityCounts,
    /// How much of the budget was used.
    pub budget: BudgetUse,
    /// Every day of the period.
    pub days: Vec<DayRow>,
    /// Alerts that fired in each hour of the day in UTC, from 0 to 23.
    pub hours: [u32; 24],
    /// The rules whose alerts fired most often.
    pub rules: Top<RuleRow>,
    /// The series whose alerts fired most often.
    pub series: Top<SeriesRow>,
    /// The metrics with most episodes, those that alerted nobody included.
    pub metrics: Top<MetricRow>,
    /// Series whose alerts come and go.
    pub flapping: Top<FlappingRow>,
    /// The alerts that fired for longest.
    pub longest: Top<LongRow>,
    /// How long alerts fired until they were resolved; absent when none was.
    pub resolve_times: Option<ResolveTimes>,
    /// Alerts of the engine about itself.
    pub own_alerts: Vec<OwnRow>,
    /// What to change; empty when there is nothing to tune.
    pub suggestions: Vec<Suggestion>,
}

/// What was read for a report.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Read {
    /// Events within the period, each counted once.
    pub events: u64,
    /// Events that had been read before: delivery is at least once.
    pub duplicates: u64,
    /// Lines or rows that are not events; filled in by whoever read them.
    pub unreadable: u64,
    /// Time of the newest event within the period.
    pub newest_ms: Option<i64>,
}

/// What became of the episodes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct EpisodeCounts {
    /// Alerts that fired and were sent.
    pub fired: u32,
    /// Episodes that would have fired but for the daily cap.
    pub held_back: u32,
    /// Episodes that were only noticed: events of severity info.
    pub noticed_only: u32,
    /// Episodes that began before the period and ended or grew within it; counted nowhere else.
    pub carried_over: u32,
    /// Of `fired`: still firing at the end of the period.
    pub open: u32,
    /// Of `fired`: never resolved although the series had a later episode, as after a restart.
    pub lost: u32,
}

/// Alerts by severity.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct SeverityCounts {
    /// Never more than warning.
    pub warning: u32,
    /// Critical at some time.
    pub critical: u32,
}

/// How much of the budget was used. The budget is for false alarms; a log does not tell them from real
/// incidents, so these figures hold both.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct BudgetUse {
    /// `alerting.budget.per_day`: false alarms a day.
    pub per_day: f64,
    /// `alerting.budget.cap_per_day`: most alerts a day.
    pub cap_per_day: u32,
    /// Alerts that fired, by day of the period.
    pub fired_per_day: f64,
    /// `fired_per_day` by `per_day`; above 1 more alerts fired than false alarms may.
    pub used: f64,
    /// Most alerts that fired on one day.
    pub busiest_day: u32,
    /// Days on which alerts were held back.
    pub days_over_cap: u32,
}

/// One day in UTC; the first and the last one of a period may be cut short.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DayRow {
    /// Its date, as in `2026-03-01`.
    pub day: String,
    /// Alerts that fired, whatever their severity.
    pub fired: u32,
    /// Of `fired`: critical at some time.
    pub critical: u32,
    /// Held back by the cap.
    pub held_back: u32,
    /// Only noticed.
    pub noticed_only: u32,
}

/// The first rows of a table, and how many there would be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Top<T> {
    /// The first rows.
    pub rows: Vec<T>,
    /// Number of all rows.
    pub total: usize,
}

/// The alerts of a rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RuleRow {
    /// Its name.
    pub rule: String,
    /// Alerts that fired.
    pub fired: u32,
    /// Of `fired`: critical at some time.
    pub critical: u32,
    /// Held back by the cap.
    pub held_back: u32,
    /// How long they fired within the period, added up.
    pub firing_ms: i64,
}

/// The alerts of a series.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SeriesRow {
    /// The series in Prometheus' notation.
    pub series: String,
    /// Alerts that fired.
    pub fired: u32,
    /// Of `fired`: critical at some time.
    pub critical: u32,
    /// Held back by the cap.
    pub held_back: u32,
    /// How long they fired within the period, added up.
    pub firing_ms: i64,
    /// Highest surprise of any of them.
    pub peak_surprise: f64,
    /// When the first one fired.
    pub first_ms: i64,
    /// When the last one fired.
    pub last_ms: i64,
}

/// The episodes of a metric.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MetricRow {
    /// Its name.
    pub metric: String,
    /// Series of it that had an episode.
    pub series: u32,
    /// All episodes.
    pub episodes: u32,
    /// Of them: fired.
    pub fired: u32,
    /// Of them: held back by the cap.
    pub held_back: u32,
    /// Of them: only noticed.
    pub noticed_only: u32,
}

/// A series whose alerts come and go: three within a day, or again within an hour of being resolved. Those that
/// the cap held back count.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FlappingRow {
    /// The series in Prometheus' notation.
    pub series: String,
    /// Its alerts, those held back included.
    pub alerts: u32,
    /// Most of them within 24 hours.
    pub most_in_a_day: u32,
    /// How often one fired within an hour after the one before was resolved.
    pub fired_again: u32,
}

/// An alert that fired for long.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LongRow {
    /// The series in Prometheus' notation.
    pub series: String,
    /// The rule.
    pub rule: String,
    /// The highest severity that it reached.
    pub severity: Severity,
    /// When it fired.
    pub fired_ms: i64,
    /// How long it fired within the period.
    pub firing_ms: i64,
    /// Whether it still fires at the end of the period.
    pub open: bool,
}

/// How long alerts fired until they were resolved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct ResolveTimes {
    /// Alerts that were resolved.
    pub resolved: u32,
    /// Half of them fired no longer than this.
    pub p50_ms: i64,
    /// Nine in ten of them fired no longer than this.
    pub p90_ms: i64,
}

/// Alerts of the engine about itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OwnRow {
    /// Name of the alert.
    pub rule: String,
    /// What it is about.
    pub series: String,
    /// How often it fired.
    pub fired: u32,
    /// How long it fired within the period.
    pub firing_ms: i64,
    /// When it last fired.
    pub last_ms: i64,
    /// Whether it still fires at the end of the period.
    pub open: bool,
}

/// What a suggestion is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SuggestionKind {
    /// Small departures alert: raise `min_deviation`.
    MinDeviation,
    /// One side never matters: set `direction`.
    Direction,
    /// Alerts are over at once: raise `alert.for`.
    For,
    /// Alerts come and go: raise `alert.keep_firing_for`.
    KeepFiringFor,
    /// A day was over the cap: look for what its alerts have in common.
    CommonCause,
    /// More alerts than the budget asks for: lower `alerting.budget.per_day`.
    Budget,
}

/// Something to change in the configuration, or to look into.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Suggestion {
    /// What it is about; several when one rule takes care of several things.
    pub kinds: Vec<SuggestionKind>,
    /// What to do, in a few words.
    pub title: String,
    /// What in the log speaks for it, a sentence each.
    pub reasons: Vec<String>,
    /// What to mind when doing it.
    pub advice: String,
    /// A piece of configuration that is valid by itself; absent when there is nothing to write.
    pub yaml: Option<String>,
    /// Alerts of the period that would not have fired.
    pub spared: u32,
}
