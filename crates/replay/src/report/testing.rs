//! Episodes for tests, and the week that is in `fixtures/report/events.jsonl`.

use std::sync::Arc;

use bellwether_detect::Severity;
use bellwether_engine::{
    CAP_RULE, ChangeKind, DEFAULT_RULE, Event, FORMAT_VERSION, ResolveReason, SignalKind,
};
use bellwether_series::{Fingerprint, LabelSet, Timestamp};

pub(crate) const MINUTE_MS: i64 = 60_000;
pub(crate) const HOUR_MS: i64 = 60 * MINUTE_MS;
pub(crate) const DAY_MS: i64 = 24 * HOUR_MS;
/// 2026-03-02 00:00 UTC, a Monday.
pub(crate) const MONDAY_MS: i64 = 1_772_409_600_000;

/// An episode as a test wants it.
#[derive(Debug, Clone)]
pub(crate) struct Life {
    pub(crate) labels: Vec<(&'static str, String)>,
    pub(crate) rule: &'static str,
    pub(crate) start_ms: i64,
    /// From its start until it fires; `None` if it is only noticed.
    pub(crate) fires_after_ms: Option<i64>,
    /// From its start until its series behaves again; `None` if that is not in the log.
    pub(crate) lasts_ms: Option<i64>,
    pub(crate) reason: ResolveReason,
    pub(crate) expected: f64,
    pub(crate) value: f64,
    pub(crate) peak: f64,
    /// Becomes critical five minutes after it fires.
    pub(crate) escalates: bool,
    /// Whether the cap lets it pass.
    pub(crate) sent: bool,
}

/// The time that passes between the end of an episode and the event that says so.
const KEEP_FIRING_MS: i64 = 5 * MINUTE_MS;
const THRESHOLD: f64 = 5.0;

/// An episode of ten minutes, 50 % over what is expected, of series `metric{instance="…"}`.
pub(crate) fn life(metric: &str, instance: &str, start_ms: i64) -> Life {
    Life {
        labels: vec![
            ("__name__", metric.to_owned()),
            ("instance", instance.to_owned()),
            ("job", "node".to_owned()),
        ],
        rule: DEFAULT_RULE,
        start_ms,
        fires_after_ms: Some(MINUTE_MS),
        lasts_ms: Some(10 * MINUTE_MS),
        reason: ResolveReason::Normal,
        expected: 100.0,
        value: 150.0,
        peak: 6.0,
        escalates: false,
        sent: true,
    }
}

impl Life {
    /// Its events, oldest first.
    pub(crate) fn events(&self) -> Vec<Event> {
        let mut steps = Vec::new();
        match self.fires_after_ms {
            None => steps.push((ChangeKind::Noticed, self.start_ms)),
            Some(after_ms) => steps.push((ChangeKind::Firing, self.start_ms + after_ms)),
        }
        if self.escalates {
            steps.push((ChangeKind::Escalated, steps[0].1 + 5 * MINUTE_MS));
        }
        if let Some(lasts_ms) = self.lasts_ms {
            steps.push((ChangeKind::Resolved, self.start_ms + lasts_ms + KEEP_FIRING_MS));
        }
        let event = |(sequence, (change, at_ms))| self.event(sequence, change, at_ms);
        (0..).zip(steps).map(event).collect()
    }

    fn event(&self, sequence: u32, change: ChangeKind, at_ms: i64) -> Event {
        let labels = self.labels.iter().map(|(name, value)| (*name, value.as_str()));
        let labels = LabelSet::from_pairs(labels).expect("labels of a test");
        let fingerprint = labels.fingerprint();
        let episode_id = Fingerprint::of_parts(&[
            &fingerprint.as_u128().to_le_bytes(),
            self.rule.as_bytes(),
            &self.start_ms.to_le_bytes(),
        ]);
        let over = change == ChangeKind::Resolved;
        let severity = match (self.fires_after_ms, self.escalates && sequence > 0) {
            (None, _) => Severity::Info,
            (Some(_), false) => Severity::Warning,
            (Some(_), true) => Severity::Critical,
        };
        Event {
            version: FORMAT_VERSION,
            id: format!("{episode_id}-{sequence}"),
            episode_id,
            sequence,
            change,
            severity,
            reason: over.then_some(self.reason),
            alert: self.sent && self.fires_after_ms.is_some(),
            at_ms: Timestamp::from_ms(at_ms),
            starts_at_ms: Timestamp::from_ms(self.start_ms),
            ends_at_ms: over.then_some(Timestamp::from_ms(at_ms - KEEP_FIRING_MS)),
            rule: Arc::from(self.rule),
            fingerprint,
            labels,
            signal: SignalKind::Value,
            value: if over { self.expected } else { self.value },
            expected: self.expected,
            lower: 0.97 * self.expected,
            upper: 1.03 * self.expected,
            surprise: if over { 0.0 } else { self.peak },
            peak_surprise: self.peak,
            threshold: THRESHOLD,
            threshold_raised_by: 0.0,
            detectors: Vec::new(),
            config_digest: Arc::from("default"),
            state_digest: Fingerprint::from_u128(0),
            explanation: "value is odd.".to_owned(),
        }
    }
}

/// `lives` as one log, oldest event first.
pub(crate) fn log(lives: &[Life]) -> Vec<Event> {
    let mut events: Vec<_> = lives.iter().flat_map(Life::events).collect();
    events.sort_by_key(|event| event.at_ms);
    events
}

/// A week with something of everything that a report tells apart.
pub(crate) fn week() -> Vec<Event> {
    let at = |day: i64, hour: i64, minute: i64| {
        MONDAY_MS + day * DAY_MS + hour * HOUR_MS + minute * MINUTE_MS
    };
    let mut lives = Vec::new();
    // Small departures, again and again.
    for (day, share) in [(0, 1.031), (1, 1.028), (2, 0.971), (4, 1.033), (5, 1.026), (6, 1.03)] {
        let life = life("node_memory_MemAvailable_bytes", "db-1", at(day, 9, 10));
        lives.push(Life { value: 100.0 * share, lasts_ms: Some(25 * MINUTE_MS), ..life });
    }
    // Comes and goes.
    for minutes in [0, 27, 55, 81, 110] {
        lives.push(life("queue_depth", "broker-2", at(1, 14, minutes)));
    }
    // Over before anybody looks.
    for day in 0..6 {
        let life = life("http_errors", "api-1", at(day, 20, 7 * day));
        lives.push(Life { lasts_ms: Some(2 * MINUTE_MS), value: 180.0, ..life });
    }
    // A real one, noticed elsewhere before it fired.
    let disk = life("node_disk_io_time", "db-1", at(2, 3, 0));
    lives.push(Life { escalates: true, peak: 14.0, lasts_ms: Some(3 * HOUR_MS), ..disk });
    for (day, metric) in [(0, "node_load1"), (2, "node_load1"), (4, "go_goroutines")] {
        lives.push(Life { fires_after_ms: None, peak: 3.5, ..life(metric, "db-1", at(day, 2, 0)) });
    }
    // A zone breaks: more alerts than the cap lets pass.
    for (number, metric) in (0..).zip(["latency", "errors", "load", "saturation", "retries"]) {
        let mut life = life(metric, "web-7", at(3, 11, number));
        life.labels.push(("zone", "b".to_owned()));
        life.sent = number < 2;
        lives.push(Life { lasts_ms: Some(40 * MINUTE_MS), ..life });
    }
    lives.push(Life { rule: CAP_RULE, ..life("bellwether_alerts_per_day", "", at(3, 11, 2)) });
    lives.push(Life {
        rule: "BellwetherHealth",
        ..life("bellwether_health_status", "", at(5, 1, 0))
    });
    // Began before the week; was cut off by a restart; still fires when the log ends.
    lives.push(life("node_load1", "web-3", at(0, 0, 0) - 11 * MINUTE_MS));
    lives.push(Life { lasts_ms: None, ..life("node_load1", "web-4", at(4, 6, 0)) });
    lives.push(life("node_load1", "web-4", at(4, 12, 0)));
    let checkout =
        Life { rule: "CheckoutLatency", ..life("latency", "<b>web-9</b>\u{7}", at(6, 15, 0)) };
    lives.push(Life { lasts_ms: None, escalates: true, ..checkout });
    log(&lives)
}
