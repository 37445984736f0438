//! What the tests of this crate share.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bellwether_detect::{DetectorName, Severity};
use bellwether_engine::{
    ChangeKind, DetectorEvidence, Event, FORMAT_VERSION, ResolveReason, SignalKind,
};
use bellwether_runtime::{EventSink, SinkStats};
use bellwether_series::{Fingerprint, LabelSet, Timestamp};

use crate::{ReadError, Wanted, read};

/// 2026-01-05T00:00:00Z.
pub(crate) const DAY_0_MS: i64 = 1_767_571_200_000;
pub(crate) const DAY_MS: i64 = 86_400_000;
const PATIENCE: Duration = Duration::from_secs(20);

/// An event with nothing left out; `sequence` tells it from others.
pub(crate) fn event(sequence: u32, at_ms: i64) -> Arc<Event> {
    let labels = [("__name__", "up"), ("job", "node"), ("odd", "\"\\\n\u{1}ünï\u{1F514}=,{}")];
    let labels = LabelSet::from_pairs(labels).unwrap();
    let evidence = |name, surprise| DetectorEvidence {
        name,
        surprise,
        expected: 0.1 + 0.2,
        lower: -1e-300,
        upper: f64::MAX,
    };
    Arc::new(Event {
        version: FORMAT_VERSION,
        id: format!("0123-{sequence}"),
        episode_id: Fingerprint::from_u128(u128::from(sequence)),
        sequence,
        change: ChangeKind::Resolved,
        severity: Severity::Critical,
        reason: Some(ResolveReason::SeriesEnded),
        alert: true,
        at_ms: Timestamp::from_ms(at_ms),
        starts_at_ms: Timestamp::from_ms(at_ms).plus_ms(-60_000),
        ends_at_ms: Some(Timestamp::from_ms(at_ms)),
        rule: "rule".into(),
        fingerprint: labels.fingerprint(),
        labels,
        signal: SignalKind::Rate,
        value: 1.0 / 3.0,
        expected: -0.0,
        lower: f64::MIN_POSITIVE,
        upper: 5e-324,
        surprise: 7.25,
        peak_surprise: 100.0,
        threshold: 4.5,
        threshold_raised_by: 0.25,
        detectors: vec![evidence(DetectorName::Zscore, 1.5), evidence(DetectorName::Iqr, 2.5)],
        config_digest: "abc".into(),
        state_digest: Fingerprint::from_u128(u128::MAX),
        explanation: "It was odd.".to_owned(),
    })
}

/// An event in which everything that may be empty is, with these numbers.
pub(crate) fn bare_event(numbers: [f64; 7]) -> Arc<Event> {
    let [value, expected, lower, upper, surprise, peak_surprise, threshold] = numbers;
    let labels = LabelSet::from_pairs([("__name__", "m")]).unwrap();
    Arc::new(Event {
        id: String::new(),
        change: ChangeKind::Noticed,
        severity: Severity::Info,
        reason: None,
        alert: false,
        ends_at_ms: None,
        rule: "".into(),
        labels,
        signal: SignalKind::Value,
        value,
        expected,
        lower,
        upper,
        surprise,
        peak_surprise,
        threshold,
        threshold_raised_by: 0.0,
        detectors: Vec::new(),
        config_digest: "".into(),
        explanation: String::new(),
        ..(*event(0, i64::MIN)).clone()
    })
}

/// Events `range`, a second apart, on day 0.
pub(crate) fn events(range: std::ops::Range<u32>) -> Vec<Arc<Event>> {
    range.map(|n| event(n, DAY_0_MS + i64::from(n) * 1000)).collect()
}

/// All there is at `path`, faults included.
pub(crate) fn read_all(path: &Path) -> Vec<Result<Event, ReadError>> {
    read(path, Wanted::default()).unwrap().collect()
}

/// The sequence numbers of the events at `path`, among which there must be no fault.
pub(crate) fn sequences(path: &Path) -> Vec<u32> {
    read_all(path).into_iter().map(|event| event.unwrap().sequence).collect()
}

pub(crate) fn publish_all(sink: &impl EventSink, events: &[Arc<Event>]) {
    for event in events {
        sink.publish(event);
    }
}

/// Waits until the sink says so.
pub(crate) fn wait_until(sink: &impl EventSink, is_so: impl Fn(&SinkStats) -> bool) -> SinkStats {
    let give_up_at = Instant::now() + PATIENCE;
    loop {
        let stats = sink.stats();
        if is_so(&stats) {
            return stats;
        }
        assert!(Instant::now() < give_up_at, "it never came to be so: {stats:?}");
        std::thread::yield_now();
    }
}

pub(crate) fn close(sink: &impl EventSink) -> SinkStats {
    sink.close(PATIENCE);
    sink.stats()
}
