//! What the tests of sinks share.

use std::sync::Arc;

use bellwether_detect::Severity;
use bellwether_engine::{ChangeKind, Event, FORMAT_VERSION, SignalKind};
use bellwether_series::{Fingerprint, LabelSet, Timestamp};

/// An event of `episode`, which started at 1,000,000 ms and is at 1,060,000 ms.
pub(super) fn event(
    episode: u128,
    change: ChangeKind,
    severity: Severity,
    labels: &[(&str, &str)],
) -> Event {
    let named = [("__name__", "load")].into_iter().chain(labels.iter().copied());
    let labels = LabelSet::from_pairs(named).unwrap();
    let resolved = change == ChangeKind::Resolved;
    Event {
        version: FORMAT_VERSION,
        id: format!("{episode:032x}-1"),
        episode_id: Fingerprint::from_u128(episode),
        sequence: 1,
        change,
        severity,
        reason: None,
        alert: true,
        at_ms: Timestamp::from_ms(1_060_000),
        starts_at_ms: Timestamp::from_ms(1_000_000),
        ends_at_ms: resolved.then(|| Timestamp::from_ms(1_060_000)),
        rule: Arc::from("MetricAnomaly"),
        fingerprint: labels.fingerprint(),
        labels,
        signal: SignalKind::Value,
        value: 12.5,
        expected: 2.0,
        lower: 1.0,
        upper: 3.0,
        surprise: 6.25,
        peak_surprise: 6.25,
        threshold: 5.0,
        threshold_raised_by: 0.0,
        detectors: Vec::new(),
        config_digest: Arc::from("c"),
        state_digest: Fingerprint::from_u128(0),
        explanation: "expected 2, saw 12.5".to_owned(),
    }
}
