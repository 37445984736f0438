//! `/metrics`: own figures. Every label has a fixed list of values; nothing that a sender says becomes one.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::extract::State;
use axum::http::header::{ACCEPT, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use bellwether_connect::source::receiver::{
    DECODE_REASONS, PROTOCOLS, ReceiverStats, STATUSES, UNAVAILABLE_REASONS,
};
use bellwether_detect::Severity;
use bellwether_detect::profile::SignalClass;
use bellwether_engine::{CalibrationCounts, DropReason, RejectReason};
use bellwether_runtime::{Decided, LATENCY_BOUNDS_SECONDS};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;

use super::exposition::{Families, prometheus_text};
use super::{
    kept_metrics as kept, outlet_metrics as outlets, process::process_metrics,
    server_metrics as server, tenant_metrics as tenants,
};
use crate::health::Health;
use crate::logging;
use crate::service::App;

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
const PROMETHEUS_TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

pub(super) async fn metrics(State(app): State<Arc<App>>, headers: HeaderMap) -> Response {
    exposed(Box::new(OwnMetrics(app)), &headers)
}

/// What `collector` says, in the format that a client with these `headers` wants.
pub(super) fn exposed(collector: Box<dyn Collector>, headers: &HeaderMap) -> Response {
    let mut registry = Registry::default();
    registry.register_collector(collector);
    let mut text = String::new();
    if encode(&mut text, &registry).is_err() {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    }
    let accepts = headers.get(ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
    if accepts.contains("application/openmetrics-text") {
        ([(CONTENT_TYPE, OPEN_METRICS)], text).into_response()
    } else {
        ([(CONTENT_TYPE, PROMETHEUS_TEXT)], prometheus_text(&text)).into_response()
    }
}

struct OwnMetrics(Arc<App>);

impl fmt::Debug for OwnMetrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OwnMetrics")
    }
}

impl Collector for OwnMetrics {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let app = &self.0;
        let families = &mut Families(encoder);
        let decided = app.engine.stats().decided();
        general(families, app)?;
        server::metrics(families, &app.guard, &app.web)?;
        server::answers(families, &app.answers)?;
        received(families, app.receiver.stats())?;
        tenants::metrics(families, app)?;
        #[cfg(feature = "kafka")]
        super::kafka_metrics::metrics(families, app)?;
        #[cfg(feature = "kafka")]
        super::cell_metrics::metrics(families, app)?;
        judged(families, &decided)?;
        engine(families, app, &decided)?;
        budget(families, app, &decided)?;
        kept::metrics(families, app.engine.stats())?;
        health(families, &Health::of(app))?;
        families.counter(
            "bellwether_health_changes_forgotten",
            "Changes of health that its history remembers no more",
            &app.health_watch.forgotten(),
        )?;
        outlets::metrics(families, &app.outlets)?;
        process_metrics(families, app.started_at)
    }
}

/// Which version this is, whether it is ready, and what it could not log.
pub(super) fn about(families: &mut Families<'_>, is_ready: bool) -> fmt::Result {
    let version = [(env!("CARGO_PKG_VERSION"), 1.0)];
    families.gauges("bellwether_build_info", "Which version this is", "version", version)?;
    families.gauge(
        "bellwether_ready",
        "Whether samples are welcome",
        f64::from(u8::from(is_ready)),
    )?;
    families.counter(
        "bellwether_log_messages_lost",
        "Log messages that were not written because nobody took those before them",
        &logging::lost_messages(),
    )
}

fn general(families: &mut Families<'_>, app: &App) -> fmt::Result {
    about(families, app.is_ready())?;
    let reload = app.live.last_reload();
    reloads(families, reload.success, reload.success_at)
}

/// How the last attempt to read the configuration went, and when the last one was that did well.
pub(super) fn reloads(
    families: &mut Families<'_>,
    success: bool,
    success_at: jiff::Timestamp,
) -> fmt::Result {
    families.gauge(
        "bellwether_config_last_reload_successful",
        "Whether the last attempt to read the configuration succeeded",
        f64::from(u8::from(success)),
    )?;
    families.gauge(
        "bellwether_config_last_reload_success_timestamp_seconds",
        "When the configuration in force was read",
        success_at.as_millisecond() as f64 / 1000.0,
    )
}

pub(super) fn received(families: &mut Families<'_>, stats: &ReceiverStats) -> fmt::Result {
    let requests = PROTOCOLS.iter().zip(&stats.requests).flat_map(|(protocol, requests)| {
        let codes = STATUSES.iter().zip(requests);
        codes.map(|(code, count)| {
            ([("protocol", (*protocol).to_owned()), ("code", code.to_string())], load(count))
        })
    });
    families.labelled_counters(
        "bellwether_requests",
        "Requests with samples answered",
        requests,
    )?;
    families.counters(
        "bellwether_requests_unavailable",
        "Requests answered 503, by what there was too much of or what is not there",
        "reason",
        UNAVAILABLE_REASONS.iter().zip(stats.unavailable.iter().map(load)),
    )?;
    families.counters(
        "bellwether_request_decode_failures",
        "Requests whose body could not be decoded",
        "reason",
        DECODE_REASONS.iter().zip(stats.undecodable.iter().map(load)),
    )?;
    families.counters(
        "bellwether_samples_rejected",
        "Samples refused, and the sender told so",
        "reason",
        RejectReason::ALL
            .iter()
            .map(|reason| (reason.as_str(), load(&stats.samples_rejected[reason.index()]))),
    )?;
    for (name, help, counter) in [
        ("request_bytes", "Bytes of request bodies, compressed", &stats.body_bytes),
        ("samples_received", "Samples received, whatever became of them", &stats.samples_received),
        ("samples_accepted", "Samples taken", &stats.samples_accepted),
        (
            "histograms_ignored",
            "Native histograms taken and not looked at",
            &stats.histograms_ignored,
        ),
        ("histograms_invalid", "Native histograms refused", &stats.histograms_invalid),
        ("exemplars_ignored", "Exemplars taken and not looked at", &stats.exemplars_ignored),
        ("exemplars_invalid", "Exemplars refused", &stats.exemplars_invalid),
        (
            "points_invalid",
            "Samples that could not be read, or lines or messages of some",
            &stats.points_invalid,
        ),
        ("metadata_invalid", "Metadata whose family name is not UTF-8", &stats.metadata_invalid),
    ] {
        families.counter(&format!("bellwether_{name}"), help, &load(counter))?;
    }
    Ok(())
}

fn judged(families: &mut Families<'_>, decided: &Decided) -> fmt::Result {
    let counts = &decided.counts;
    families.counters(
        "bellwether_samples_dropped",
        "Samples taken and not judged",
        "reason",
        DropReason::ALL.iter().map(|reason| (reason.as_str(), counts.dropped[reason.index()])),
    )?;
    for (name, help, count) in [
        ("samples_judged", "Samples judged", counts.judged),
        (
            "samples_warming_up",
            "Samples learned from before any could be judged",
            counts.warming_up,
        ),
        ("stale_markers", "Ends of series", counts.stale),
        (
            "samples_in_maintenance",
            "Samples in a maintenance window, neither judged nor learned from",
            counts.in_maintenance,
        ),
        (
            "deep_series_refused",
            "Series admitted for which the deep tier had no memory left",
            counts.deep_refused,
        ),
        (
            "ha_failovers",
            "Times that another replica of a cluster was elected because the one before was silent",
            counts.failovers,
        ),
        (
            "cold_series_evicted",
            "Series that left memory because nothing was received from them",
            counts.cold_evicted,
        ),
        (
            "cold_series_reloaded",
            "Series that came back into memory with the state that they had",
            counts.cold_reloaded,
        ),
        (
            "cold_series_forgotten",
            "Series out of memory that were forgotten before their time because of a limit or a change of configuration",
            counts.cold_forgotten,
        ),
        (
            "cold_series_lost",
            "Series whose states could not be read when they came back, so that they begin anew",
            counts.cold_lost,
        ),
        ("group_series_refused", "Series admitted whose group was full", counts.group_refused),
    ] {
        families.counter(&format!("bellwether_{name}"), help, &count)?;
    }
    calibration(families, &counts.calibration)?;
    families.counters(
        "bellwether_events",
        "Changes of anomalies and alerts",
        "severity",
        [Severity::Info, Severity::Warning, Severity::Critical]
            .map(|severity| (severity.as_str(), decided.events[severity as usize])),
    )
}

/// How many of the samples of a class of signals were how surprising: a tenth should reach 1, a hundredth 2, and so on.
fn calibration(families: &mut Families<'_>, counts: &CalibrationCounts) -> fmt::Result {
    families.counters(
        "bellwether_calibration_judged",
        "Samples judged, by the class of their signal",
        "class",
        SignalClass::ALL.map(|class| (class.as_str(), counts.judged[class.index()])),
    )?;
    for level in 0..CalibrationCounts::LEVELS {
        families.counters(
            &format!("bellwether_calibration_surprise_{}", level + 1),
            &format!(
                "Samples whose surprise was at least {}, by the class of their signal",
                level + 1
            ),
            "class",
            SignalClass::ALL.map(|class| (class.as_str(), counts.exceeding[class.index()][level])),
        )?;
    }
    Ok(())
}

fn engine(families: &mut Families<'_>, app: &App, decided: &Decided) -> fmt::Result {
    let stats = app.engine.stats();
    let bounds = LATENCY_BOUNDS_SECONDS.into_iter().chain([f64::INFINITY]);
    let buckets: Vec<(f64, u64)> = bounds.zip(decided.latency_buckets).collect();
    families.histogram(
        "bellwether_decision_latency_seconds",
        "Time from the hand-over of a decoded request to the engine until the last shard has judged it",
        decided.latency_seconds_sum,
        &buckets,
    )?;
    families.counter("bellwether_records", "Records sequenced", &stats.records())?;
    families.counter(
        "bellwether_metadata_refused",
        "Families whose metadata was not remembered because of a limit",
        &stats.families_refused(),
    )?;
    families.counter(
        "bellwether_replica_series_unremembered",
        "Times that a series of a replica was read label by label because of a limit",
        &stats.aliases_refused(),
    )?;
    for (name, help, value) in [
        ("queue_depth", "Requests that wait for the engine", stats.queue_depth()),
        ("queue_capacity", "Requests that may wait for the engine", app.queue_requests_max),
        ("series_active", "Series known", stats.series()),
        ("series_watched", "Series that are judged", stats.watched()),
        ("cold_series", "Series out of memory that are remembered", stats.cold()),
        (
            "cold_state_bytes",
            "States of series out of memory, where they are kept",
            usize::try_from(decided.cold_bytes).unwrap_or(usize::MAX),
        ),
        ("series_limit", "Series that may be known", app.live.engine().series.active_max),
        (
            "state_bytes",
            "Memory of detector and series state, without labels and look-up table",
            decided.state_bytes,
        ),
        ("episodes_open", "Anomalies that are not over", decided.open_episodes),
        (
            "series_demoted",
            "Series whose threshold is raised because they alerted beyond their own budget or surprise too often",
            decided.demoted_series,
        ),
    ] {
        families.gauge(&format!("bellwether_{name}"), help, value as f64)?;
    }
    Ok(())
}

/// How many alerts there are, beside how many there may be.
fn budget(families: &mut Families<'_>, app: &App, decided: &Decided) -> fmt::Result {
    let by_severity = |counts: [u64; 3]| {
        [Severity::Warning, Severity::Critical]
            .map(|severity| (severity.as_str(), counts[severity as usize]))
    };
    families.counters(
        "bellwether_alerts_fired",
        "Alerts that fired, by their severity when they did",
        "severity",
        by_severity(decided.alerts.fired),
    )?;
    families.gauges(
        "bellwether_alerts_firing",
        "Alerts that fire",
        "severity",
        by_severity(decided.alerts.firing).map(|(severity, count)| (severity, count as f64)),
    )?;
    families.counter(
        "bellwether_alerts_held_back",
        "Alerts beyond the daily cap, recorded as events only",
        &decided.alerts.held_back,
    )?;
    let settings = app.live.engine();
    for (name, help, value) in [
        (
            "budget_alerts_per_day",
            "False alarms a day that the budget allows, all series together",
            settings.budget.per_day,
        ),
        (
            "budget_cap_per_day",
            "Most alerts a day, of each tenant where there are tenants",
            f64::from(settings.budget.cap_per_day),
        ),
        (
            "firing_threshold",
            "Surprise from which an alert fires on a series that has no higher threshold of its own",
            app.engine.stats().firing_threshold(),
        ),
    ] {
        families.gauge(&format!("bellwether_{name}"), help, value)?;
    }
    Ok(())
}

pub(super) fn health(families: &mut Families<'_>, health: &Health) -> fmt::Result {
    families.gauge(
        "bellwether_health_status",
        "The worst of all checks: 0 healthy, 1 degraded, 2 critical",
        f64::from(health.status as u8),
    )?;
    families.gauge("bellwether_health_score", "100 when all is well", f64::from(health.score))?;
    families.gauges(
        "bellwether_health_check_status",
        "How each part is doing: 0 healthy, 1 degraded, 2 critical",
        "check",
        health.checks.iter().map(|(name, check)| (name, f64::from(check.status as u8))),
    )
}

fn load(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}
