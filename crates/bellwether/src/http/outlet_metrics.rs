//! Figures of everybody who is told what the engine finds, and the gauges of series.

use std::fmt;

use bellwether_connect::sink::alertmanager;
use bellwether_connect::sink::gauges::{self, ShownGauge};
use bellwether_engine::GaugeReading;
use bellwether_runtime::SinkStats;

use super::exposition::Families;
use crate::events::TIERS;
use crate::outlets::Outlets;

/// Everything about `outlets`.
pub(super) fn metrics(families: &mut Families<'_>, outlets: &Outlets) -> fmt::Result {
    alertmanagers(families, &outlets.alertmanagers.stats())?;
    sinks(families, &outlets.sink_stats())?;
    families.counters(
        "bellwether_events_forgotten",
        "Events that the API remembers no more because of newer ones",
        "kind",
        TIERS.into_iter().zip(outlets.events.forgotten()),
    )?;
    let stats = outlets.gauges.stats();
    gauge_targets(families, &stats.targets)?;
    for (name, help, value) in [
        ("derived_series", "Series whose gauges are exported", stats.series),
        ("derived_series_limit", "Series whose gauges may be exported", stats.series_max),
    ] {
        families.gauge(&format!("bellwether_{name}"), help, value as f64)?;
    }
    families.counter(
        "bellwether_derived_series_refused",
        "Judgements whose gauges were not exported: no place, or labels that are too long",
        &stats.refused_series_total,
    )?;
    families.counter(
        "bellwether_derived_samples_out_of_order",
        "Judgements whose gauges were not exported because they were no newer than the last",
        &stats.out_of_order_total,
    )?;
    derived(families, &outlets.gauges.shown())
}

/// One figure of somebody: its name, its help, and where it stands.
type Figure<S, T> = (&'static str, &'static str, fn(&S) -> T);

fn alertmanagers(
    families: &mut Families<'_>,
    targets: &[alertmanager::TargetStats],
) -> fmt::Result {
    const COUNTERS: [Figure<alertmanager::TargetStats, u64>; 3] = [
        ("alerts_sent", "Alerts taken, repetitions included", |target| target.sent_alerts),
        ("alerts_failed", "Alerts lost: refused, or given up", |target| {
            target.rejected_alerts + target.dropped_alerts
        }),
        (
            "alertmanager_requests_failed",
            "Requests without a good answer, tried again later",
            |target| target.failed_requests,
        ),
    ];
    const GAUGES: [Figure<alertmanager::TargetStats, f64>; 4] = [
        ("alertmanager_up", "Whether the last request succeeded, or none was made yet", |target| {
            f64::from(u8::from(target.failures_in_a_row == 0))
        }),
        ("alerts_known", "Alerts that the target is kept informed of", |target| {
            target.known_alerts as f64
        }),
        ("alerts_pending", "Alerts with a change that the target has not taken yet", |target| {
            target.pending_alerts as f64
        }),
        (
            "alertmanager_last_success_timestamp_seconds",
            "When a request succeeded last",
            |target| target.last_success_ms.unwrap_or(0) as f64 / 1000.0,
        ),
    ];
    let labelled: Vec<_> = targets.iter().map(|target| (target.url.as_str(), target)).collect();
    figures(families, "alertmanager", &labelled, &COUNTERS, &GAUGES)
}

fn sinks(families: &mut Families<'_>, stats: &[(String, SinkStats)]) -> fmt::Result {
    const COUNTERS: [Figure<SinkStats, u64>; 7] = [
        ("sink_events", "Events delivered", |sink| sink.delivered_events),
        ("sink_events_dropped", "Events lost to this sink", |sink| sink.dropped_events),
        ("sink_failures", "Attempts at delivery that failed", |sink| sink.failed_attempts),
        (
            "sink_events_withdrawn",
            "Events taken back because whoever has their partition now publishes them",
            |sink| sink.withdrawn_events,
        ),
        ("sink_transactions_committed", "Transactions committed", |sink| {
            sink.committed_transactions
        }),
        (
            "sink_transactions_aborted",
            "Transactions aborted, or whose producer failed; what was in them is tried again",
            |sink| sink.aborted_transactions,
        ),
        ("sink_files_removed", "Files removed because no more are kept", |sink| sink.removed_files),
    ];
    const GAUGES: [Figure<SinkStats, f64>; 3] = [
        ("sink_up", "Whether the last attempt succeeded, or none was made yet", |sink| {
            f64::from(u8::from(sink.failures_in_a_row == 0))
        }),
        ("sink_events_pending", "Events that wait", |sink| sink.waiting_events as f64),
        ("sink_last_success_timestamp_seconds", "When an event was delivered last", |sink| {
            sink.last_success_ms.unwrap_or(0) as f64 / 1000.0
        }),
    ];
    let labelled: Vec<_> = stats.iter().map(|(name, stats)| (name.as_str(), stats)).collect();
    figures(families, "sink", &labelled, &COUNTERS, &GAUGES)
}

fn gauge_targets(families: &mut Families<'_>, targets: &[gauges::TargetStats]) -> fmt::Result {
    const COUNTERS: [Figure<gauges::TargetStats, u64>; 3] = [
        ("derived_samples_sent", "Samples of gauges taken by the store", |target| {
            target.sent_samples
        }),
        ("derived_samples_dropped", "Samples of gauges lost: no room, or refused", |target| {
            target.dropped_samples
        }),
        ("derived_requests_failed", "Requests without a good answer", |target| {
            target.failed_requests
        }),
    ];
    const GAUGES: [Figure<gauges::TargetStats, f64>; 3] = [
        (
            "derived_target_up",
            "Whether the last request succeeded, or none was made yet",
            |target| f64::from(u8::from(target.failures_in_a_row == 0)),
        ),
        ("derived_samples_pending", "Samples of gauges that wait", |target| {
            target.pending_samples as f64
        }),
        (
            "derived_target_last_success_timestamp_seconds",
            "When a request succeeded last",
            |target| target.last_success_ms.unwrap_or(0) as f64 / 1000.0,
        ),
    ];
    let labelled: Vec<_> = targets.iter().map(|target| (target.url.as_str(), target)).collect();
    figures(families, "target", &labelled, &COUNTERS, &GAUGES)
}

/// A family for each figure, with a member for each of `labelled`; none at all without any.
fn figures<S>(
    families: &mut Families<'_>,
    label: &str,
    labelled: &[(&str, &S)],
    counters: &[Figure<S, u64>],
    gauges: &[Figure<S, f64>],
) -> fmt::Result {
    if labelled.is_empty() {
        return Ok(());
    }
    for (name, help, figure) in counters {
        let values = labelled.iter().map(|&(value, stats)| (value, figure(stats)));
        families.counters(&format!("bellwether_{name}"), help, label, values)?;
    }
    for (name, help, figure) in gauges {
        let values = labelled.iter().map(|&(value, stats)| (value, figure(stats)));
        families.gauges(&format!("bellwether_{name}"), help, label, values)?;
    }
    Ok(())
}

/// The surprise and the expected band of the series that the configuration selects.
fn derived(families: &mut Families<'_>, shown: &[ShownGauge]) -> fmt::Result {
    const FAMILIES: [Figure<GaugeReading, f64>; 4] = [
        ("surprise", "Surprise of the newest sample of a series", |reading| reading.surprise),
        ("expected", "What was expected instead, in the unit of the signal", |reading| {
            reading.expected
        }),
        ("expected_lower", "Lower edge of the expected band", |reading| reading.lower),
        ("expected_upper", "Upper edge of the expected band", |reading| reading.upper),
    ];
    if shown.is_empty() {
        return Ok(());
    }
    for (name, help, figure) in FAMILIES {
        let members = shown.iter().map(|gauge| (&*gauge.labels, figure(&gauge.reading)));
        families.labelled_gauges(&format!("bellwether_{name}"), help, members)?;
    }
    Ok(())
}
