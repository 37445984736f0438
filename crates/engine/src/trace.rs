//! Traces: what became of single samples, for whoever asks why one fired, or why it did not.
//!
//! Every sample that arrives ends at exactly one [`Gate`], whether anybody asks or not: the gate is what the code that decides
//! returns. Who asks puts [`Traces`] into [`crate::Outputs`]; for the series that they want each sample is then written down
//! with everything it was judged by.

mod gate;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

use bellwether_detect::profile::SignalClass;
use bellwether_detect::{ExpectedBand, Opinion, Steps};
use bellwether_series::{Fingerprint, LabelSet, Matchers, Timestamp};
use bellwether_wire::remote_write::RawSample;

use crate::event::SignalKind;
use crate::settings::AlertPolicy;
use crate::threshold::Threshold;

pub use gate::Gate;

/// What became of one sample of a series, or of one row of a group.
#[derive(Debug, Clone, PartialEq)]
pub struct Trace {
    /// Identity of the series, or of the group.
    pub fingerprint: Fingerprint,
    /// Its labels; of a replica that is not elected, as it wrote them.
    pub labels: LabelSet,
    /// Event time.
    pub at: Timestamp,
    /// The value as sent; of a group, how many series are unusual.
    pub sent: f64,
    /// Where it ended.
    pub gate: Gate,
    /// Since when that has been so: since when it is pending, firing, or calm; `None` at the other gates.
    pub since: Option<Timestamp>,
    /// Id of the episode that is open behind it.
    pub episode: Option<Fingerprint>,
    /// Digest of the configuration in force.
    pub config_digest: Arc<str>,
    /// Name of the rule; `None` if it ended before its series had one.
    pub rule: Option<Arc<str>>,
    /// Name of the maintenance that it fell into.
    pub maintenance: Option<Arc<str>>,
    /// How it was judged; `None` if it ended before.
    pub judged: Option<Assessment>,
}

/// Everything that a judgement rests on.
#[derive(Debug, Clone, PartialEq)]
pub struct Assessment {
    /// How the sample became what was judged.
    pub signal: SignalKind,
    /// What was judged, in the unit of the signal.
    pub value: f64,
    /// Learned sampling interval in milliseconds.
    pub interval_ms: i64,
    /// What kind of signal it is; `None` for a group.
    pub class: Option<SignalClass>,
    /// What each detector said, with the band outside which its surprise exceeds 3; empty for a group.
    pub opinions: Vec<(Opinion, Option<ExpectedBand>)>,
    /// How one surprise came of that; `None` while all detectors warm up, and for a group.
    pub steps: Option<Steps>,
    /// The surprise that was compared with the threshold: the base tier's while the deep tier remembers a fault that is
    /// over.
    pub surprise: f64,
    /// The surprise from which it fires, and what made it so; `None` while all detectors warm up.
    pub threshold: Option<Threshold>,
    /// How long it has to last, and how much it matters.
    pub policy: AlertPolicy,
    /// Digest of the state after this sample; 0 for a group.
    pub state_digest: Fingerprint,
}

/// The traces of the series that somebody wants to know about.
#[derive(Debug)]
pub struct Traces {
    wanted: Wanted,
    /// Samples from before this event time are not written down.
    from: Timestamp,
    /// Which series these are, by fingerprint; no more than the engine has seen.
    known: BTreeMap<Fingerprint, bool>,
    found: Vec<Trace>,
    /// What the newest reading was compared with, until its sample is written down.
    compared: Option<Compared>,
}

/// Which series somebody wants to know about.
#[derive(Debug)]
enum Wanted {
    One(Fingerprint),
    Matching(Matchers),
}

/// What was decided on, of a series a claim, and what it was compared with.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Compared {
    pub(crate) surprise: f64,
    pub(crate) threshold: Threshold,
    pub(crate) since: Option<Timestamp>,
}

impl Traces {
    /// Traces of the series and groups that `wanted` matches; a group has the labels that its series share and the metric
    /// `group`.
    pub fn new(wanted: Matchers) -> Self {
        Self::wanting(Wanted::Matching(wanted))
    }

    /// Traces of the one series or group with this fingerprint.
    pub fn of(fingerprint: Fingerprint) -> Self {
        Self::wanting(Wanted::One(fingerprint))
    }

    fn wanting(wanted: Wanted) -> Self {
        Self {
            wanted,
            from: Timestamp::MIN,
            known: BTreeMap::new(),
            found: Vec::new(),
            compared: None,
        }
    }

    /// The same, but only of samples at `from` or later: writing one down costs more than judging it.
    #[must_use]
    pub fn from(self, from: Timestamp) -> Self {
        Self { from, ..self }
    }

    /// What was written down of the newest record, oldest first for each series.
    pub fn found(&self) -> &[Trace] {
        &self.found
    }

    pub(crate) fn clear(&mut self) {
        self.found.clear();
        self.compared = None;
    }

    pub(crate) fn wants(
        &mut self,
        fingerprint: Fingerprint,
        labels: &LabelSet,
        at: Timestamp,
    ) -> bool {
        if at < self.from {
            return false;
        }
        match &self.wanted {
            Wanted::One(wanted) => *wanted == fingerprint,
            Wanted::Matching(wanted) => {
                *self.known.entry(fingerprint).or_insert_with(|| wanted.matches(labels))
            }
        }
    }

    pub(crate) fn push(&mut self, trace: Trace) {
        self.found.push(trace);
    }

    pub(crate) fn compare(&mut self, compared: Compared) {
        self.compared = Some(compared);
    }

    pub(crate) fn take_compared(&mut self) -> Option<Compared> {
        self.compared.take()
    }

    /// Writes down a sample that no partition hears of.
    pub(crate) fn at_the_door(
        &mut self,
        labels: &LabelSet,
        sample: RawSample,
        gate: Gate,
        config_digest: &Arc<str>,
    ) {
        let fingerprint = labels.fingerprint();
        if !self.wants(fingerprint, labels, sample.timestamp) {
            return;
        }
        self.push(Trace {
            fingerprint,
            labels: labels.clone(),
            at: sample.timestamp,
            sent: sample.value,
            gate,
            since: None,
            episode: None,
            config_digest: Arc::clone(config_digest),
            rule: None,
            maintenance: None,
            judged: None,
        });
    }

    /// Corrects the traces of alerts that the daily cap holds back: `is_held_back` knows their episodes.
    pub(crate) fn hold_back(&mut self, is_held_back: impl Fn(Fingerprint) -> bool) {
        for trace in &mut self.found {
            let would_alert = matches!(trace.gate, Gate::Passed | Gate::AlreadyFiring);
            if would_alert && trace.episode.is_some_and(&is_held_back) {
                trace.gate = Gate::Cap;
            }
        }
    }
}
