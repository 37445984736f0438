//! What the engine says to the world: one event per change of an alert.
//!
//! The JSON form of [`Event`] is the event schema, version [`FORMAT_VERSION`]. Nothing in it depends on when
//! or where the engine ran: no receipt time, offset, shard or path. The same records therefore give
//! the same bytes, live and in replay. JSON has no word for NaN and the infinities: they are written as `null`,
//! and `null` is read as NaN; every other event that is read back is the event that was written.

use std::sync::Arc;

use bellwether_detect::{DetectorName, Severity};
use bellwether_series::{Fingerprint, LabelSet, Timestamp};
use serde::{Deserialize, Deserializer, Serialize};

/// Version of the event schema and of the ids; part of every id.
pub const FORMAT_VERSION: u32 = 1;

/// The step in an episode's life that an event reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
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
    /// A maintenance window began.
    Maintenance,
}

/// What one detector said about the observation that an event reports.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DetectorEvidence {
    /// The detector.
    pub name: DetectorName,
    /// Its surprise, before combination.
    #[serde(deserialize_with = "number_or_null")]
    pub surprise: f64,
    /// The value that it expected; NaN, null in JSON, if it judges shapes rather than values.
    #[serde(deserialize_with = "number_or_null")]
    pub expected: f64,
    /// Lower edge of its expected band.
    #[serde(deserialize_with = "number_or_null")]
    pub lower: f64,
    /// Upper edge of its expected band.
    #[serde(deserialize_with = "number_or_null")]
    pub upper: f64,
}

/// One change of one alert, with the evidence to judge it by.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
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
    #[serde(with = "labels_as_map")]
    pub labels: LabelSet,
    /// What the value is: `value` of a gauge or `rate` per second of a counter.
    pub signal: SignalKind,
    /// The value that was judged, in the unit of the signal.
    #[serde(deserialize_with = "number_or_null")]
    pub value: f64,
    /// What was expected instead, by the most surprised detector.
    #[serde(deserialize_with = "number_or_null")]
    pub expected: f64,
    /// Lower edge of the expected band: below it the surprise exceeds 3.
    #[serde(deserialize_with = "number_or_null")]
    pub lower: f64,
    /// Upper edge of the expected band.
    #[serde(deserialize_with = "number_or_null")]
    pub upper: f64,
    /// Surprise of this observation: −log10 of the combined tail probability, 0 to 100.
    #[serde(deserialize_with = "number_or_null")]
    pub surprise: f64,
    /// Highest surprise of the episode so far.
    #[serde(deserialize_with = "number_or_null")]
    pub peak_surprise: f64,
    /// The surprise from which the alert fires.
    #[serde(deserialize_with = "number_or_null")]
    pub threshold: f64,
    /// By how much what a single sample of the series needs was raised, as a surprise: the series alerted beyond its own budget, or
    /// surprises more often than it should, and is demoted. 0, and left out, for most.
    #[serde(default, skip_serializing_if = "is_none")]
    pub threshold_raised_by: f64,
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SignalKind {
    /// The samples themselves.
    Value,
    /// Increase per second of a counter.
    Rate,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
fn is_none(raised_by: &f64) -> bool {
    *raised_by <= 0.0
}

/// JSON has `null` for what is not finite.
fn number_or_null<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or(f64::NAN))
}

/// A label set as a map from name to value.
mod labels_as_map {
    use std::fmt;

    use bellwether_series::LabelSet;
    use serde::de::{Error, MapAccess, Visitor};
    use serde::ser::SerializeMap;
    use serde::{Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(
        labels: &LabelSet,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (name, value) in labels.iter() {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<LabelSet, D::Error> {
        deserializer.deserialize_map(Labels)
    }

    struct Labels;

    impl<'de> Visitor<'de> for Labels {
        type Value = LabelSet;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a map of labels")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<LabelSet, A::Error> {
            let mut pairs: Vec<(String, String)> = Vec::new();
            while let Some(pair) = map.next_entry()? {
                pairs.push(pair);
            }
            let pairs = pairs.iter().map(|(name, value)| (name.as_str(), value.as_str()));
            LabelSet::from_pairs(pairs).map_err(A::Error::custom)
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn any_event() -> impl Strategy<Value = Event> {
        let finite = || proptest::num::f64::NORMAL | proptest::num::f64::SUBNORMAL;
        let numbers = proptest::array::uniform7(finite());
        let labels = proptest::collection::btree_map(".{1,8}", ".{0,8}", 0..5);
        (numbers, labels, any::<(i64, u128, String, bool)>()).prop_map(
            |(
                [value, expected, lower, upper, surprise, peak_surprise, threshold],
                labels,
                rest,
            )| {
                let (at_ms, id, explanation, alert) = rest;
                let labels = labels.iter().map(|(name, value)| (name.as_str(), value.as_str()));
                let labels = LabelSet::from_pairs(labels.chain([("__name__", "m")]));
                let name = DetectorName::Seasonal;
                Event {
                    version: FORMAT_VERSION,
                    id: format!("{id:032x}-0"),
                    episode_id: Fingerprint::from_u128(id),
                    sequence: 0,
                    change: ChangeKind::Escalated,
                    severity: Severity::Warning,
                    reason: alert.then_some(ResolveReason::SeriesEnded),
                    alert,
                    at_ms: Timestamp::from_ms(at_ms),
                    starts_at_ms: Timestamp::MIN,
                    ends_at_ms: alert.then_some(Timestamp::from_ms(at_ms)),
                    rule: "rule".into(),
                    fingerprint: Fingerprint::from_u128(!id),
                    labels: labels.expect("a label set"),
                    signal: SignalKind::Rate,
                    value,
                    expected,
                    lower,
                    upper,
                    surprise,
                    peak_surprise,
                    threshold,
                    threshold_raised_by: if alert { threshold.abs() } else { 0.0 },
                    detectors: vec![DetectorEvidence { name, surprise, expected, lower, upper }],
                    config_digest: "digest".into(),
                    state_digest: Fingerprint::from_u128(id / 2),
                    explanation,
                }
            },
        )
    }

    proptest! {
        #[test]
        fn an_event_that_is_read_back_is_the_event_that_was_written(event in any_event()) {
            let json = serde_json::to_string(&event).unwrap();
            prop_assert_eq!(serde_json::from_str::<Event>(&json).unwrap(), event);
        }

        #[test]
        fn what_is_not_finite_is_read_back_as_nan(mut event in any_event()) {
            event.upper = f64::INFINITY;
            event.detectors[0].lower = f64::NAN;
            let json = serde_json::to_string(&event).unwrap();
            let read: Event = serde_json::from_str(&json).unwrap();
            prop_assert!(read.upper.is_nan() && read.detectors[0].lower.is_nan());
            prop_assert_eq!(read.lower.to_bits(), event.lower.to_bits());
        }

        #[test]
        fn an_event_that_lacks_something_is_refused(event in any_event()) {
            let whole = serde_json::to_value(&event).unwrap();
            let optional = ["reason", "ends_at_ms", "threshold_raised_by"];
            let fields = whole.as_object().unwrap().keys();
            for field in fields.filter(|field| !optional.contains(&field.as_str())) {
                let mut less = whole.clone();
                less.as_object_mut().unwrap().remove(field);
                prop_assert!(serde_json::from_value::<Event>(less).is_err(), "{}", field);
            }
        }
    }

    proptest! {
        #[test]
        fn an_event_says_by_how_much_its_threshold_is_raised_only_if_it_is(event in any_event()) {
            let whole = serde_json::to_value(&event).unwrap();
            let is_raised = event.threshold_raised_by > 0.0;
            prop_assert_eq!(whole.get("threshold_raised_by").is_some(), is_raised);
        }
    }

    #[test]
    fn labels_that_are_no_series_are_refused() {
        #[derive(Debug, Deserialize)]
        struct Holder(#[serde(with = "labels_as_map")] LabelSet);

        let read = |json| serde_json::from_str::<Holder>(json).map(|holder| holder.0.to_string());
        assert_eq!(read(r#"{"__name__": "up", "a": "1"}"#).unwrap(), r#"up{a="1"}"#);
        for (json, reason) in [
            (r#"{"a": "1"}"#, "series has no metric name"),
            (r#"{"__name__": "up", "a": "1", "a": "2"}"#, "label name occurs twice: name=`a`"),
            ("[]", "invalid type: sequence, expected a map of labels"),
        ] {
            let error = read(json).unwrap_err().to_string();
            assert!(error.starts_with(reason), "{error}");
        }
    }
}
