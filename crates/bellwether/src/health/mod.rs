//! How each part is doing, and all of it together.

pub(crate) mod alert_file;
#[cfg(feature = "kafka")]
mod kafka;
mod kept;
mod remote_write;
pub(crate) mod watch;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use bellwether_connect::sink::alertmanager::TargetStats;
use bellwether_connect::sink::gauges;
use bellwether_runtime::cells::Cells;
use bellwether_runtime::{Kept, Phase, SinkStats};
use parking_lot::Mutex;
use serde::Serialize;

use crate::service::App;

/// The engine records a heartbeat every ten seconds; without a record for this long it is stuck.
pub(crate) const STALLED_MAX: Duration = Duration::from_secs(30);
/// Without samples from a source for this long, something before us is probably wrong.
pub(crate) const SILENT_MAX_MS: i64 = 5 * 60_000;
/// An Alertmanager that has taken nothing for this long makes us useless, if it is the only one.
const UNREACHED_MAX_MS: i64 = 10 * 60_000;
/// What a part that is not healthy takes off the score of 100.
const DEGRADED_COST: u8 = 20;
const CRITICAL_COST: u8 = 60;

/// How well something is. As a number it is 0, 1 or 2.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Status {
    /// It works.
    Healthy,
    /// It works, and something should be looked at.
    Degraded,
    /// It does not work.
    Critical,
}

/// How one part is doing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Check {
    pub(crate) status: Status,
    pub(crate) message: String,
}

/// How everything is doing.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Health {
    /// The worst of all checks.
    pub(crate) status: Status,
    /// 100 when all is well, 0 at worst.
    pub(crate) score: u8,
    pub(crate) checks: BTreeMap<String, Check>,
}

impl Health {
    /// How everything is doing now.
    pub(crate) fn of(app: &App) -> Self {
        assess(&vitals(app))
    }

    /// How everything is doing if each part is doing so.
    pub(crate) fn of_checks(checks: BTreeMap<String, Check>) -> Self {
        let costs = checks.values().map(|check| match check.status {
            Status::Healthy => 0,
            Status::Degraded => DEGRADED_COST,
            Status::Critical => CRITICAL_COST,
        });
        Self {
            score: costs.fold(100, u8::saturating_sub),
            status: checks.values().map(|check| check.status).max().unwrap_or(Status::Healthy),
            checks,
        }
    }
}

/// Notices when the engine has stopped working.
#[derive(Debug, Default)]
pub(crate) struct Pulse(Mutex<Option<(u64, Instant)>>);

impl Pulse {
    /// Forgets what was seen: for now no records are due.
    fn rest(&self) {
        *self.0.lock() = None;
    }

    /// How long the number of records has been what it is now, as far as anybody has looked.
    fn stalled(&self, records: u64) -> Duration {
        let mut last = self.0.lock();
        match *last {
            Some((before, since)) if before == records => since.elapsed(),
            _ => {
                *last = Some((records, Instant::now()));
                Duration::ZERO
            }
        }
    }
}

/// The figures that health is judged by.
#[derive(Debug, Clone, Default)]
struct Vitals {
    now_ms: i64,
    started_ms: i64,
    ready: bool,
    last_received_ms: Option<i64>,
    /// Whether samples come from elsewhere.
    has_other_sources: bool,
    #[cfg(feature = "kafka")]
    kafka: Option<bellwether_connect::source::kafka::SourceFigures>,
    /// Of a worker.
    #[cfg(feature = "kafka")]
    cells: Option<bellwether_runtime::cells::CellsFigures>,
    stalled: Duration,
    queue_depth: usize,
    queue_max: usize,
    series: usize,
    series_max: usize,
    state_bytes: usize,
    alertmanagers: Vec<TargetStats>,
    /// With the name of each.
    sinks: Vec<(String, SinkStats)>,
    gauge_targets: Vec<gauges::TargetStats>,
    /// `None` where nothing survives.
    durable: Option<Durable>,
}

/// How what survives a restart is doing.
#[derive(Debug, Clone)]
struct Durable {
    phase: Phase,
    kept: Kept,
}

/// How long the engine has done nothing although it should have: while it recovers, or nothing can be recorded, nothing is due.
pub(crate) fn stalled(app: &App) -> Duration {
    let stats = app.engine.stats();
    if stats.phase() == Phase::Ready {
        return app.pulse.stalled(stats.records());
    }
    app.pulse.rest();
    Duration::ZERO
}

fn vitals(app: &App) -> Vitals {
    let stats = app.engine.stats();
    Vitals {
        now_ms: jiff::Timestamp::now().as_millisecond(),
        started_ms: app.started_at.as_millisecond(),
        ready: app.is_ready(),
        last_received_ms: app.last_received().map(jiff::Timestamp::as_millisecond),
        has_other_sources: app.topics.is_configured(),
        #[cfg(feature = "kafka")]
        kafka: app.topics.figures(),
        #[cfg(feature = "kafka")]
        cells: app.topics.cells().map(Cells::figures),
        stalled: stalled(app),
        queue_depth: stats.queue_depth(),
        queue_max: app.queue_requests_max,
        series: stats.series(),
        series_max: app.live.engine().series.active_max,
        state_bytes: stats.decided().state_bytes,
        alertmanagers: app.outlets.alertmanagers.stats(),
        sinks: app.outlets.sink_stats(),
        gauge_targets: app.outlets.gauges.stats().targets,
        durable: app.is_durable.then(|| Durable { phase: stats.phase(), kept: stats.kept() }),
    }
}

fn assess(vitals: &Vitals) -> Health {
    let mut checks = BTreeMap::from([
        ("source_remote_write".to_owned(), remote_write::check(vitals)),
        ("engine".to_owned(), engine(vitals)),
        ("state".to_owned(), state(vitals)),
    ]);
    #[cfg(feature = "kafka")]
    if let Some(figures) = &vitals.kafka {
        checks.insert("source_kafka".to_owned(), kafka::check(figures, vitals));
    }
    #[cfg(feature = "kafka")]
    if let Some(cells) = &vitals.cells {
        checks.insert("partitions".to_owned(), kafka::check_cells(cells));
    }
    if let Some(durable) = &vitals.durable {
        checks.insert("journal".to_owned(), kept::journal(durable.phase, &durable.kept));
        checks.insert("checkpoints".to_owned(), kept::checkpoints(&durable.kept));
        checks.insert("cold_series".to_owned(), kept::cold(&durable.kept));
    }
    let alertmanagers: Vec<Check> =
        vitals.alertmanagers.iter().map(|target| alertmanager(target, vitals)).collect();
    // Who is not reached is no loss as long as somebody is.
    let any_reached = alertmanagers.iter().any(|check| check.status != Status::Critical);
    for (index, mut check) in alertmanagers.into_iter().enumerate() {
        if any_reached {
            check.status = check.status.min(Status::Degraded);
        }
        checks.insert(format!("alertmanager_{index}"), check);
    }
    let sinks = vitals.sinks.iter().map(|(name, stats)| (format!("sink_{name}"), sink(stats)));
    checks.extend(sinks);
    let targets = vitals.gauge_targets.iter().enumerate();
    checks.extend(targets.map(|(index, target)| (format!("gauges_{index}"), gauges_out(target))));
    Health::of_checks(checks)
}

fn engine(vitals: &Vitals) -> Check {
    let Vitals { queue_depth, queue_max, .. } = vitals;
    if vitals.stalled >= STALLED_MAX {
        let seconds = vitals.stalled.as_secs();
        return check(Status::Critical, format!("nothing was processed for {seconds} s"));
    }
    // From nine tenths on, requests are about to be refused.
    let full = queue_depth * 10 >= queue_max * 9;
    let status = if full { Status::Degraded } else { Status::Healthy };
    check(status, format!("{queue_depth} of {queue_max} requests wait"))
}

fn state(vitals: &Vitals) -> Check {
    let Vitals { series, series_max, state_bytes, .. } = vitals;
    // From nineteen twentieths on, new series are about to be refused.
    let full = series * 20 >= series_max * 19;
    let status = if full { Status::Degraded } else { Status::Healthy };
    check(status, format!("{series} of {series_max} series, {state_bytes} bytes"))
}

fn alertmanager(target: &TargetStats, vitals: &Vitals) -> Check {
    let TargetStats { url, failures_in_a_row, pending_alerts, .. } = target;
    if *failures_in_a_row == 0 {
        return check(Status::Healthy, format!("{url}: {} alerts taken", target.sent_alerts));
    }
    let reached_ms = target.last_success_ms.unwrap_or(vitals.started_ms);
    let unreached = vitals.now_ms - reached_ms > UNREACHED_MAX_MS;
    let status = if unreached { Status::Critical } else { Status::Degraded };
    let error = target.last_error.as_deref().unwrap_or("no answer");
    let message = format!(
        "{url}: {failures_in_a_row} failures in a row, {pending_alerts} alerts wait: {error}"
    );
    check(status, message)
}

/// A sink that fails takes nothing away from detection, so it never makes the whole critical.
fn sink(sink: &SinkStats) -> Check {
    let SinkStats { waiting_events, queue_events_max, failures_in_a_row, .. } = sink;
    if *failures_in_a_row > 0 {
        let error = sink.last_error.as_deref().unwrap_or("no answer");
        let message =
            format!("{failures_in_a_row} failures in a row, {waiting_events} events wait: {error}");
        return check(Status::Degraded, message);
    }
    let full = waiting_events * 10 >= queue_events_max * 9 && *waiting_events > 0;
    let status = if full { Status::Degraded } else { Status::Healthy };
    let message = format!(
        "{} events delivered, {} lost, {waiting_events} wait",
        sink.delivered_events, sink.dropped_events
    );
    check(status, message)
}

fn gauges_out(target: &gauges::TargetStats) -> Check {
    let gauges::TargetStats { url, failures_in_a_row, pending_samples, .. } = target;
    if *failures_in_a_row == 0 {
        return check(Status::Healthy, format!("{url}: {} samples taken", target.sent_samples));
    }
    let error = target.last_error.as_deref().unwrap_or("no answer");
    let message = format!(
        "{url}: {failures_in_a_row} failures in a row, {pending_samples} samples wait: {error}"
    );
    check(Status::Degraded, message)
}

fn check(status: Status, message: String) -> Check {
    Check { status, message }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn well() -> Vitals {
        Vitals {
            now_ms: 100_000_000,
            ready: true,
            last_received_ms: Some(100_000_000 - 15_000),
            queue_max: 64,
            series: 10,
            series_max: 1000,
            alertmanagers: vec![reached(), reached()],
            ..Vitals::default()
        }
    }

    fn reached() -> TargetStats {
        TargetStats {
            url: "http://a".to_owned(),
            last_success_ms: Some(99_999_999),
            ..TargetStats::default()
        }
    }

    fn failing(since_ms: i64) -> TargetStats {
        TargetStats {
            failures_in_a_row: 3,
            last_success_ms: Some(100_000_000 - since_ms),
            last_error: Some("refused".to_owned()),
            ..reached()
        }
    }

    #[track_caller]
    fn assert_health(vitals: &Vitals, status: Status, score: u8, unwell: &[&str]) {
        let health = assess(vitals);
        let is_unwell = |(_, check): &(&String, &Check)| check.status != Status::Healthy;
        let found: Vec<&String> =
            health.checks.iter().filter(is_unwell).map(|(name, _)| name).collect();
        assert_eq!(found, unwell, "{health:?}");
        assert_eq!((health.status, health.score), (status, score));
    }

    #[test]
    fn all_is_well_with_a_score_of_100() {
        assert_health(&well(), Status::Healthy, 100, &[]);
        assert_health(&Vitals { alertmanagers: Vec::new(), ..well() }, Status::Healthy, 100, &[]);
    }

    #[test]
    fn what_is_nearly_full_or_silent_degrades() {
        let queue = Vitals { queue_depth: 58, ..well() };
        assert_health(&queue, Status::Degraded, 80, &["engine"]);
        let state = Vitals { series: 950, queue_depth: 64, ..well() };
        assert_health(&state, Status::Degraded, 60, &["engine", "state"]);
        let silent = Vitals { last_received_ms: Some(100_000_000 - 300_001), ..well() };
        assert_health(&silent, Status::Degraded, 80, &["source_remote_write"]);
        let stopping = Vitals { ready: false, ..well() };
        assert_health(&stopping, Status::Degraded, 80, &["source_remote_write"]);
    }

    #[test]
    fn a_sink_that_fails_or_fills_up_degrades_and_never_more() {
        let failing = SinkStats {
            failures_in_a_row: 9,
            last_error: Some("disk is full".to_owned()),
            ..SinkStats::default()
        };
        let full = SinkStats { waiting_events: 9, queue_events_max: 10, ..SinkStats::default() };
        let sinks = vec![
            ("event_log".to_owned(), failing),
            ("stdout".to_owned(), SinkStats::default()),
            ("webhook_0".to_owned(), full),
        ];
        let vitals = Vitals { sinks, ..well() };
        let health = assess(&vitals);
        assert!(health.checks["sink_event_log"].message.contains("disk is full"), "{health:?}");
        assert_health(&vitals, Status::Degraded, 60, &["sink_event_log", "sink_webhook_0"]);
    }

    #[test]
    fn a_store_that_takes_no_gauges_degrades() {
        let down = gauges::TargetStats { failures_in_a_row: 1, ..gauges::TargetStats::default() };
        let vitals = Vitals { gauge_targets: vec![gauges::TargetStats::default(), down], ..well() };
        assert_health(&vitals, Status::Degraded, 80, &["gauges_1"]);
    }

    #[test]
    fn a_fresh_start_without_samples_is_healthy_for_five_minutes() {
        let fresh = Vitals { last_received_ms: None, started_ms: 99_800_000, ..well() };
        assert_health(&fresh, Status::Healthy, 100, &[]);
        let forgotten = Vitals { started_ms: 99_600_000, ..fresh };
        assert_health(&forgotten, Status::Degraded, 80, &["source_remote_write"]);
    }

    #[test]
    fn a_stalled_engine_is_critical() {
        let stalled = Vitals { stalled: STALLED_MAX, ..well() };
        assert_health(&stalled, Status::Critical, 40, &["engine"]);
    }

    #[test]
    fn alertmanagers_are_critical_only_when_none_was_reached_for_long() {
        let one = Vitals { alertmanagers: vec![failing(3_600_000), reached()], ..well() };
        assert_health(&one, Status::Degraded, 80, &["alertmanager_0"]);
        let briefly = Vitals { alertmanagers: vec![failing(1000)], ..well() };
        assert_health(&briefly, Status::Degraded, 80, &["alertmanager_0"]);
        let all = Vitals { alertmanagers: vec![failing(3_600_000); 2], ..well() };
        assert_health(&all, Status::Critical, 0, &["alertmanager_0", "alertmanager_1"]);
    }

    #[test]
    fn the_pulse_is_the_time_since_the_last_progress() {
        let pulse = Pulse::default();
        assert_eq!(pulse.stalled(5), Duration::ZERO);
        let stalled = pulse.stalled(5);
        assert!(pulse.stalled(5) >= stalled);
        assert_eq!(pulse.stalled(6), Duration::ZERO);
    }
}
