//! What is said of an event or a sample, for programs. The JSON of these types is what `--json` prints.

use std::collections::BTreeMap;
use std::sync::Arc;

use bellwether_detect::{DetectorName, ExpectedBand, Muted, Opinion, Standing, Steps};
use bellwether_engine::{Assessment, Event, Importance, Limit, SignalKind, Threshold, Trace};
use bellwether_series::{Fingerprint, LabelSet, Timestamp};
use serde::Serialize;

use super::compare::Difference;
use super::recompute::Recomputed;
use super::words::why_words;

/// Why an event came about.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct EventExplanation {
    /// The event, as it is stored; as it was recomputed where nobody stored it.
    pub event: Event,
    /// Where it was found.
    pub found_in: String,
    /// Its p-value: the probability of something at least as surprising.
    pub p_value: f64,
    /// What a replay of the input made of it; `None` without input.
    pub recomputed: Option<Recomputation>,
}

/// What a replay made of an event.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Recomputation {
    /// Whether the input gives the event at all.
    pub found: bool,
    /// Whether every field is as it was stored; `false` if it was not found, `None` if nothing was stored to compare with.
    pub equal: Option<bool>,
    /// The fields that are not.
    pub differences: Vec<Difference>,
    /// When the record was received that caused it, in Unix milliseconds.
    pub received_at_ms: Option<Timestamp>,
    /// What its sample was judged by; `None` where no sample caused it: its series fell silent, or is not watched any more.
    pub sample: Option<SampleLine>,
    /// When something that a journal does not have took the place of what had been learned, in Unix milliseconds, if it was before the
    /// last record that was looked at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub adopted_at_ms: Option<Timestamp>,
}

impl Recomputation {
    /// What became of a stored event; `recomputed` is `None` if the input does not give it.
    pub fn of(recomputed: Option<&Recomputed>, is_stored: bool) -> Self {
        let differences = recomputed.map(|recomputed| recomputed.differences.clone());
        let differences = differences.unwrap_or_default();
        Self {
            found: recomputed.is_some(),
            equal: is_stored.then_some(recomputed.is_some() && differences.is_empty()),
            differences,
            received_at_ms: recomputed.map(|recomputed| recomputed.received_at),
            sample: recomputed.and_then(|recomputed| recomputed.trace.as_ref()).map(SampleLine::of),
            adopted_at_ms: None,
        }
    }
}

/// Why there was no alert at some time.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct WhyNot {
    /// The time, in Unix milliseconds.
    pub at_ms: Timestamp,
    /// The series, by name and labels.
    pub series: Vec<SampleLine>,
    /// Further series that match.
    pub more: usize,
    /// As [`Recomputation::adopted_at_ms`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub adopted_at_ms: Option<Timestamp>,
}

/// What became of one sample.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SampleLine {
    /// The labels of its series; of a group, those that its series share.
    #[serde(serialize_with = "as_map")]
    pub labels: LabelSet,
    /// Identity of the series.
    pub fingerprint: Fingerprint,
    /// Its event time, in Unix milliseconds.
    pub at_ms: Timestamp,
    /// How long before the time in question that is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub age_ms: Option<i64>,
    /// The value as it was sent; null for what is not a number.
    pub sent: f64,
    /// The gate at which it ended, in a word; `passed` for one that raised an alert.
    pub gate: &'static str,
    /// Why it was refused or left out, in a word.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<&'static str>,
    /// The same in a sentence or two.
    pub why: String,
    /// The gates that it passed before.
    pub gates_passed: &'static [&'static str],
    /// Since when it has been pending, firing or calm, in Unix milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since_ms: Option<Timestamp>,
    /// Id of the episode that is open behind it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub episode_id: Option<Fingerprint>,
    /// Ids of the events that it caused.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub events: Vec<String>,
    /// Samples of the same time that were refused or left out besides.
    #[serde(skip_serializing_if = "is_zero")]
    pub repeated: u64,
    /// The rule of its series.
    pub rule: Option<Arc<str>>,
    /// The maintenance that it fell into.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub maintenance: Option<Arc<str>>,
    /// Digest of the configuration in force.
    pub config_digest: Arc<str>,
    /// What it was judged by; `None` if it ended before.
    #[serde(flatten)]
    pub judged: Option<JudgedLine>,
}

/// What a sample was judged by.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct JudgedLine {
    /// What was judged: the value, or a rate per second.
    pub signal: SignalKind,
    /// What was judged, in the unit of the signal.
    pub value: f64,
    /// Learned sampling interval.
    pub interval_ms: i64,
    /// What kind of signal it is; `None` for a group.
    pub class: Option<&'static str>,
    /// What each detector said.
    pub detectors: Vec<DetectorLine>,
    /// How one surprise came of that.
    pub steps: Option<Steps>,
    /// The surprise that was compared with the threshold; `None` while it warms up.
    pub surprise: Option<f64>,
    /// The probability of something at least as surprising.
    pub p_value: Option<f64>,
    /// From where it fires.
    pub threshold: Option<ThresholdLine>,
    /// How long that has to last.
    pub for_ms: i64,
    /// How long it has to be calm before the alert is over.
    pub keep_firing_for_ms: i64,
    /// How much the rule's series matter.
    pub importance: Importance,
    /// Digest of the series' state after this sample.
    pub state_digest: Fingerprint,
}

/// What one detector said.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DetectorLine {
    /// The detector.
    pub name: DetectorName,
    /// Whether it said anything.
    pub standing: Standing,
    /// Its surprise by itself, and its p-value; `None` unless it scored.
    pub surprise: Option<f64>,
    /// The probability of something at least as surprising.
    pub p_value: Option<f64>,
    /// What it expected; `None` where it judges shapes.
    pub expected: Option<f64>,
    /// Lower edge of its band: below it its surprise exceeds 3.
    pub lower: Option<f64>,
    /// Upper edge of its band.
    pub upper: Option<f64>,
    /// Why it did not count.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub muted: Option<Muted>,
}

/// From where a series fires, and what made it so.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct ThresholdLine {
    /// The threshold and its parts.
    #[serde(flatten)]
    pub threshold: Threshold,
    /// What keeps the surprise below it; `None` if it is not below.
    pub limit: Option<Limit>,
}

impl SampleLine {
    /// What `trace` says.
    pub fn of(trace: &Trace) -> Self {
        Self {
            labels: trace.labels.clone(),
            fingerprint: trace.fingerprint,
            at_ms: trace.at,
            age_ms: None,
            sent: trace.sent,
            gate: trace.gate.as_str(),
            reason: trace.gate.reason(),
            why: why_words(trace),
            gates_passed: trace.gate.passed(),
            since_ms: trace.since,
            episode_id: trace.episode,
            events: Vec::new(),
            repeated: 0,
            rule: trace.rule.clone(),
            maintenance: trace.maintenance.clone(),
            config_digest: Arc::clone(&trace.config_digest),
            judged: trace.judged.as_ref().map(JudgedLine::of),
        }
    }
}

impl JudgedLine {
    fn of(judged: &Assessment) -> Self {
        let surprise = judged.threshold.map(|_| judged.surprise);
        Self {
            signal: judged.signal,
            value: judged.value,
            interval_ms: judged.interval_ms,
            class: judged.class.map(bellwether_detect::profile::SignalClass::as_str),
            detectors: judged.opinions.iter().map(DetectorLine::of).collect(),
            steps: judged.steps,
            surprise,
            p_value: surprise.map(p_value),
            threshold: judged.threshold.map(|threshold| {
                let is_below = judged.surprise < threshold.value;
                let limit = is_below.then(|| threshold.limit(judged.surprise));
                ThresholdLine { threshold, limit }
            }),
            for_ms: judged.policy.for_ms,
            keep_firing_for_ms: judged.policy.keep_firing_for_ms,
            importance: judged.policy.importance,
            state_digest: judged.state_digest,
        }
    }
}

impl DetectorLine {
    fn of((opinion, band): &(Opinion, Option<ExpectedBand>)) -> Self {
        let is_scored = opinion.standing == Standing::Scored;
        Self {
            name: opinion.name,
            standing: opinion.standing,
            surprise: is_scored.then_some(opinion.surprise),
            p_value: is_scored.then(|| p_value(opinion.surprise)),
            expected: opinion.expected.map(|expected| expected.center),
            lower: band.map(|band| band.lower),
            upper: band.map(|band| band.upper),
            muted: opinion.muted,
        }
    }
}

/// The probability whose −log10 is `surprise`.
pub fn p_value(surprise: f64) -> f64 {
    libm::exp10(-surprise)
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for it")]
fn is_zero(count: &u64) -> bool {
    *count == 0
}

fn as_map<S: serde::Serializer>(labels: &LabelSet, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(labels.iter().collect::<BTreeMap<_, _>>())
}
