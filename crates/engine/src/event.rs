//! What the engine says to the world: one event per change of an alert.
//!
//! The JSON form of [`Event`] is the event schema, version [`FORMAT_VERSION`]. Nothing in it depends on when
//! or where the engine ran: no receipt time, offset, shard or path. The same records therefore give
//! the same bytes, live and in replay.

use std::sync::Arc;

use bellwether_detect::{DetectorName, Severity};
use bellwether_series::{Fingerprint, LabelSet, Timestamp};
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

/// Version of the event schema and of the ids; part of every id.
pub const FORMAT_VERSION: u32 = 1;

/// The step in an episode's life that an event reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ChangeKind {
    /// The episode became worth an event (severity info); nobody is alerted.
    Noticed,
    /// The alert fires.
    Firing,
    /// A firing alert became more severe.
    Escalated,
    /// The episode is over.
    Resolved,
}

/// Why an episode is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ResolveReason {
    /// The series behaved as expected for long enough.
    Normal,
    /// A stale marker ended the series.
    SeriesEnded,
    /// Nothing arrived any more.
    Silent,
    /// The series was evicted or a new configuration no longer watches it.
    Unwatched,
}

/// What one detector said about the observation that an event reports.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DetectorEvidence {
    /// The detector.
    pub name: DetectorName,
    /// Its surprise, before combination.
    pub surprise: f64,
    /// The value that it expected.
    pub expected: f64,
    /// Lower edge of its expected band.
    pub lower: f64,
    /// Upper edge of its expected band.
    pub upper: f64,
}

/// One change of one alert, with the evidence to judge it by.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Event {
    /// [`FORMAT_VERSION`].
    pub version: u32,
    /// `<episode id>-<sequence>`.
    pub id: String,
    /// Identity of the episode: 128 bits over format version, tenant, series, rule and start.
    pub episode_id: Fingerprint,
    /// Position of this event within its episode, from 0.
    pub sequence: u32,
    /// What happened.
    pub change: ChangeKind,
    /// Severity from this event on.
    pub severity: Severity,
    /// Why the episode is over, on `resolved` only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<ResolveReason>,
    /// Whether somebody is to be alerted: false at severity info and beyond the daily cap.
    pub alert: bool,
    /// Event time of the sample that caused this event, in milliseconds.
    pub at_ms: Timestamp,
    /// Event time of the episode's first sample, in milliseconds.
    pub starts_at_ms: Timestamp,
    /// Event time at which the episode ended, in milliseconds, on `resolved` only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ends_at_ms: Option<Timestamp>,
    /// Name of the rule that judged the series.
    pub rule: Arc<str>,
    /// Stable identity of the series.
    pub fingerprint: Fingerprint,
    /// The series' labels.
    #[serde(serialize_with = "labels_as_map")]
    pub labels: LabelSet,
    /// What the value is: `value` of a gauge or `rate` per second of a counter.
    pub signal: SignalKind,
    /// The value that was judged, in the unit of the signal.
    pub value: f64,
    /// What was expected instead, by the most surprised detector.
    pub expected: f64,
    /// Lower edge of the expected band: below it the surprise exceeds 3.
    pub lower: f64,
    /// Upper edge of the expected band.
    pub upper: f64,
    /// Surprise of this observation: −log10 of the combined tail probability, 0 to 100.
    pub surprise: f64,
    /// Highest surprise of the episode so far.
    pub peak_surprise: f64,
    /// The surprise from which the alert fires.
    pub threshold: f64,
    /// What each detector said.
    pub detectors: Vec<DetectorEvidence>,
    /// Digest of the effective configuration.
    pub config_digest: Arc<str>,
    /// Digest of the series' state after this observation.
    pub state_digest: Fingerprint,
    /// One plain sentence: what was expected, what was seen, how unusual it is.
    pub explanation: String,
}

/// How a raw series became the signal that was judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum SignalKind {
    /// The samples themselves.
    Value,
    /// Increase per second of a counter.
    Rate,
}

fn labels_as_map<S: Serializer>(labels: &LabelSet, serializer: S) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(None)?;
    for (name, value) in labels.iter() {
        map.serialize_entry(name, value)?;
    }
    map.end()
}
