//! Events put back together to the episodes that they report.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bellwether_detect::Severity;
use bellwether_engine::{CAP_RULE, ChangeKind, Event, HEALTH_RULE, ResolveReason};
use bellwether_series::{Fingerprint, LabelSet, Timestamp};

use super::Period;
use super::model::Read;

/// Names of the alerts that the engine raises about itself.
const OWN_RULES: [&str; 2] = [CAP_RULE, HEALTH_RULE];

/// What the events within the period say about one episode.
#[derive(Debug, Clone)]
pub(super) struct Episode {
    pub(super) id: Fingerprint,
    pub(super) fingerprint: Fingerprint,
    pub(super) rule: Arc<str>,
    pub(super) starts_at_ms: i64,
    pub(super) first_ms: i64,
    last_ms: i64,
    noticed: bool,
    firing: Option<Firing>,
    pub(super) resolved: Option<Resolved>,
    pub(super) severity: Severity,
    pub(super) peak_surprise: f64,
    /// Largest departure from what was expected, as a share of that.
    pub(super) departure: f64,
    /// Resolved by nobody, although the series had a later episode.
    lost: bool,
    sequences: Vec<u32>,
}

/// The moment at which an alert fired.
#[derive(Debug, Clone, Copy)]
struct Firing {
    at_ms: i64,
    /// Whether somebody was alerted; else the cap held it back.
    sent: bool,
    threshold: f64,
    /// Whether the value was above what was expected.
    upward: bool,
}

/// The end of an episode.
#[derive(Debug, Clone, Copy)]
pub(super) struct Resolved {
    pub(super) at_ms: i64,
    pub(super) ends_at_ms: i64,
    /// Whether the series behaved again, and did not just end.
    pub(super) normal: bool,
}

/// What became of an episode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    Fired,
    HeldBack,
    NoticedOnly,
    CarriedOver,
}

impl Episode {
    fn new(event: &Event, rule: Arc<str>) -> Self {
        let at_ms = event.at_ms.as_ms();
        Self {
            id: event.episode_id,
            fingerprint: event.fingerprint,
            rule,
            starts_at_ms: event.starts_at_ms.as_ms(),
            first_ms: at_ms,
            last_ms: at_ms,
            noticed: false,
            firing: None,
            resolved: None,
            severity: Severity::Info,
            peak_surprise: 0.0,
            departure: 0.0,
            lost: false,
            sequences: Vec::new(),
        }
    }

    fn take(&mut self, event: &Event) {
        let at_ms = event.at_ms.as_ms();
        self.first_ms = self.first_ms.min(at_ms);
        self.last_ms = self.last_ms.max(at_ms);
        self.severity = self.severity.max(event.severity);
        self.peak_surprise = self.peak_surprise.max(event.peak_surprise);
        if event.change != ChangeKind::Resolved {
            self.departure = self.departure.max(departure(event));
        }
        match event.change {
            ChangeKind::Noticed => self.noticed = true,
            ChangeKind::Firing => {
                let upward = event.value >= event.expected;
                let threshold = event.threshold;
                self.firing = Some(Firing { at_ms, sent: event.alert, threshold, upward });
            }
            ChangeKind::Escalated => {}
            ChangeKind::Resolved => {
                let ends_at_ms = event.ends_at_ms.map_or(at_ms, Timestamp::as_ms);
                let normal = event.reason == Some(ResolveReason::Normal);
                self.resolved = Some(Resolved { at_ms, ends_at_ms, normal });
            }
        }
    }

    pub(super) fn outcome(&self) -> Outcome {
        match self.firing {
            Some(Firing { sent: true, .. }) => Outcome::Fired,
            Some(Firing { sent: false, .. }) => Outcome::HeldBack,
            None if self.noticed => Outcome::NoticedOnly,
            None => Outcome::CarriedOver,
        }
    }

    /// When the alert fired; for others, when the first event of it was.
    pub(super) fn at_ms(&self) -> i64 {
        self.firing.map_or(self.first_ms, |firing| firing.at_ms)
    }

    /// Whether an alert fired and somebody heard of it.
    pub(super) fn fired(&self) -> bool {
        self.outcome() == Outcome::Fired
    }

    /// Whether an alert fired, heard of or held back.
    pub(super) fn alerts(&self) -> bool {
        self.firing.is_some()
    }

    pub(super) fn is_critical(&self) -> bool {
        self.severity == Severity::Critical
    }

    /// Whether the alert is of the kind that no tuning may silence: critical, with a high peak.
    pub(super) fn is_grave(&self) -> bool {
        /// A peak this much over the threshold makes an alert critical at once.
        const HIGH_PEAK: f64 = 3.0;
        let threshold = self.firing.map_or(0.0, |firing| firing.threshold);
        // A threshold that is not a number makes it grave.
        let low_peak = self.peak_surprise < threshold + HIGH_PEAK;
        self.is_critical() && !low_peak
    }

    /// The surprise from which its alert fired; 0 if none did.
    pub(super) fn threshold(&self) -> f64 {
        self.firing.map_or(0.0, |firing| firing.threshold)
    }

    /// When the alert was over, at most `end_ms`, up to which is known what happened.
    pub(super) fn over_ms(&self, end_ms: i64) -> i64 {
        self.at_ms().saturating_add(self.firing_ms(end_ms))
    }

    /// Whether the value was above what was expected when the alert fired.
    pub(super) fn is_upward(&self) -> bool {
        self.firing.is_some_and(|firing| firing.upward)
    }

    /// Whether it goes on at the end of the period.
    pub(super) fn is_open(&self) -> bool {
        self.resolved.is_none() && !self.lost
    }

    pub(super) fn is_lost(&self) -> bool {
        self.lost
    }

    /// How long the anomaly lasted, from its first sample; `None` while it goes on.
    pub(super) fn lasted_ms(&self) -> Option<i64> {
        Some(self.resolved?.ends_at_ms.saturating_sub(self.starts_at_ms))
    }

    /// How long the alert fired, at most until `end_ms`.
    pub(super) fn firing_ms(&self, end_ms: i64) -> i64 {
        let end_ms = match self.resolved {
            Some(resolved) => resolved.at_ms,
            None if self.lost => self.last_ms,
            None => end_ms,
        };
        self.firing.map_or(0, |firing| end_ms.saturating_sub(firing.at_ms).max(0))
    }
}

/// How far the value is from what was expected, as a share of that; infinite when that is 0.
fn departure(event: &Event) -> f64 {
    let share = (event.value - event.expected).abs() / event.expected.abs();
    if share.is_finite() { share } else { f64::INFINITY }
}

/// Collects events.
#[derive(Debug)]
pub(super) struct Episodes {
    period: Period,
    read: Read,
    by_id: BTreeMap<Fingerprint, Episode>,
    labels: BTreeMap<Fingerprint, LabelSet>,
    rules: BTreeSet<Arc<str>>,
}

/// All that a report is made from.
#[derive(Debug)]
pub(super) struct Scene {
    pub(super) period: Period,
    pub(super) read: Read,
    /// The end of what is known: the newest event, or the begin of the period.
    pub(super) end_ms: i64,
    /// Episodes of watched series, by the time of their alert or first event.
    pub(super) episodes: Vec<Episode>,
    /// Episodes of the engine's alerts about itself, in the same order.
    pub(super) own: Vec<Episode>,
    labels: BTreeMap<Fingerprint, LabelSet>,
}

impl Scene {
    /// The labels of the series of an episode.
    pub(super) fn labels(&self, episode: &Episode) -> Option<&LabelSet> {
        self.labels.get(&episode.fingerprint)
    }

    /// The series of an episode in Prometheus' notation.
    pub(super) fn series_text(&self, episode: &Episode) -> String {
        self.labels(episode).map(LabelSet::to_string).unwrap_or_default()
    }

    /// The name of the metric of an episode.
    pub(super) fn metric(&self, episode: &Episode) -> &str {
        self.labels(episode).map_or("", LabelSet::metric_name)
    }
}

impl Episodes {
    pub(super) fn new(period: Period) -> Self {
        Self {
            period,
            read: Read::default(),
            by_id: BTreeMap::new(),
            labels: BTreeMap::new(),
            rules: BTreeSet::new(),
        }
    }

    /// Takes an event in, if it is within the period and was not seen before.
    pub(super) fn take(&mut self, event: &Event) {
        let at_ms = event.at_ms.as_ms();
        if !self.period.contains(at_ms) {
            return;
        }
        let rule = self.rule(&event.rule);
        let episode =
            self.by_id.entry(event.episode_id).or_insert_with(|| Episode::new(event, rule));
        if episode.sequences.contains(&event.sequence) {
            self.read.duplicates += 1;
            return;
        }
        episode.sequences.push(event.sequence);
        episode.take(event);
        self.labels.entry(event.fingerprint).or_insert_with(|| event.labels.clone());
        self.read.events += 1;
        self.read.newest_ms = self.read.newest_ms.max(Some(at_ms));
    }

    /// One copy of each rule's name, however many events bring their own.
    fn rule(&mut self, name: &Arc<str>) -> Arc<str> {
        if let Some(known) = self.rules.get(name) {
            return Arc::clone(known);
        }
        self.rules.insert(Arc::clone(name));
        Arc::clone(name)
    }

    pub(super) fn finish(self) -> Scene {
        let mut all: Vec<Episode> = self.by_id.into_values().collect();
        all.sort_by_key(|episode| (episode.at_ms(), episode.fingerprint, episode.starts_at_ms));
        mark_lost(&mut all);
        let (own, episodes) =
            all.into_iter().partition(|episode| OWN_RULES.contains(&&*episode.rule));
        Scene {
            period: self.period,
            read: self.read,
            end_ms: self.read.newest_ms.unwrap_or(self.period.since_ms()),
            episodes,
            own,
            labels: self.labels,
        }
    }
}

/// A series has one episode at a time, so one that was not resolved before the next began never will be.
fn mark_lost(episodes: &mut [Episode]) {
    let mut newest_start = BTreeMap::new();
    for episode in episodes.iter() {
        let newest = newest_start.entry(episode.fingerprint).or_insert(i64::MIN);
        *newest = episode.starts_at_ms.max(*newest);
    }
    for episode in episodes {
        let newest = newest_start.get(&episode.fingerprint).copied();
        episode.lost = episode.resolved.is_none() && newest > Some(episode.starts_at_ms);
    }
}
