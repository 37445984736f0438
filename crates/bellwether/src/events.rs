//! The newest events, kept in memory for the API.

use std::cmp::Reverse;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bellwether_detect::Severity;
use bellwether_engine::{ChangeKind, Event};
use bellwether_series::Timestamp;
use parking_lot::Mutex;
use serde::Serialize;

/// Entries in each list of what is most common.
const COMMON_MAX: usize = 10;
const HOUR_MS: i64 = 3_600_000;

/// What events are kept as. Indexes [`EventStore::forgotten`].
pub(crate) const TIERS: [&str; 2] = ["info", "alert"];

/// Keeps the newest events, and counts all of them. Events of severity info have a tier of their own, so
/// that however many they are they push no alert out.
#[derive(Debug)]
pub(crate) struct EventStore {
    kept: Mutex<Kept>,
    /// Most events kept of each tier.
    kept_max: usize,
    forgotten: [AtomicU64; TIERS.len()],
}

#[derive(Debug)]
struct Kept {
    info: VecDeque<(u64, Arc<Event>)>,
    alerts: VecDeque<(u64, Arc<Event>)>,
    total: u64,
    by_severity: BTreeMap<Severity, u64>,
    by_change: BTreeMap<ChangeKind, u64>,
}

/// Which events are wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// The least severity.
    pub(crate) severity: Severity,
    /// Id of the episode that they belong to.
    pub(crate) episode: Option<String>,
    /// The earliest event time.
    pub(crate) since: Option<Timestamp>,
    /// Most events.
    pub(crate) limit: usize,
}

impl Wanted {
    fn wants(&self, event: &Event) -> bool {
        event.severity >= self.severity
            && self.since.is_none_or(|since| event.at_ms >= since)
            && self.episode.as_ref().is_none_or(|id| event.episode_id.to_string() == *id)
    }
}

/// How many events there were, and where.
#[derive(Debug, Serialize)]
pub(crate) struct Summary {
    /// Events since the start.
    total: u64,
    /// Kept events of the hour of event time before the newest one.
    last_hour: usize,
    /// Events since the start.
    by_severity: BTreeMap<Severity, u64>,
    /// Events since the start.
    by_change: BTreeMap<ChangeKind, u64>,
    /// Event time of the newest kept event.
    newest_at_ms: Option<Timestamp>,
    /// Where most of the kept alerts fired.
    most_common: MostCommon,
}

#[derive(Debug, Default, Serialize)]
struct MostCommon {
    metrics: Vec<Common>,
    series: Vec<Common>,
    rules: Vec<Common>,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
struct Common {
    name: String,
    fired: usize,
}

impl EventStore {
    /// A store that keeps `kept_max` events of each tier, at least 1.
    pub(crate) fn new(kept_max: usize) -> Self {
        use ChangeKind::{Escalated, Firing, Noticed, Resolved};
        use Severity::{Critical, Info, Warning};
        Self {
            kept: Mutex::new(Kept {
                info: VecDeque::new(),
                alerts: VecDeque::new(),
                total: 0,
                by_severity: [Info, Warning, Critical].map(|severity| (severity, 0)).into(),
                by_change: [Noticed, Firing, Escalated, Resolved].map(|change| (change, 0)).into(),
            }),
            kept_max: kept_max.max(1),
            forgotten: Default::default(),
        }
    }

    /// Keeps `event`, forgetting the oldest of its tier if it must.
    pub(crate) fn push(&self, event: Arc<Event>) {
        let mut kept = self.kept.lock();
        let number = kept.total;
        kept.total += 1;
        *kept.by_severity.entry(event.severity).or_default() += 1;
        *kept.by_change.entry(event.change).or_default() += 1;
        let is_info = event.severity == Severity::Info;
        let tier = if is_info { &mut kept.info } else { &mut kept.alerts };
        if tier.len() == self.kept_max {
            tier.pop_front();
            self.forgotten[usize::from(!is_info)].fetch_add(1, Ordering::Relaxed);
        }
        tier.push_back((number, event));
    }

    /// Events forgotten since the start, in the order of [`TIERS`].
    pub(crate) fn forgotten(&self) -> [u64; TIERS.len()] {
        self.forgotten.each_ref().map(|count| count.load(Ordering::Relaxed))
    }

    /// Whether an event of that id is kept.
    pub(crate) fn has(&self, event: &Event) -> bool {
        self.kept.lock().events().any(|(_, kept)| kept.id == event.id)
    }

    /// The wanted events, newest first.
    pub(crate) fn newest(&self, wanted: &Wanted) -> Vec<Arc<Event>> {
        let kept = self.kept.lock();
        let mut found: Vec<_> = kept.events().filter(|(_, event)| wanted.wants(event)).collect();
        found.sort_unstable_by_key(|&&(number, _)| Reverse(number));
        found.into_iter().take(wanted.limit).map(|(_, event)| Arc::clone(event)).collect()
    }

    /// How many events there were, and where.
    pub(crate) fn summary(&self) -> Summary {
        // Counting takes a while, and `push` must not wait for it.
        let (events, mut summary) = {
            let kept = self.kept.lock();
            let events: Vec<Arc<Event>> =
                kept.events().map(|(_, event)| Arc::clone(event)).collect();
            let summary = Summary {
                total: kept.total,
                last_hour: 0,
                by_severity: kept.by_severity.clone(),
                by_change: kept.by_change.clone(),
                newest_at_ms: None,
                most_common: MostCommon::default(),
            };
            (events, summary)
        };
        summary.newest_at_ms = events.iter().map(|event| event.at_ms).max();
        if let Some(newest) = summary.newest_at_ms {
            let is_recent = |event: &&Arc<Event>| newest.ms_since(event.at_ms) < HOUR_MS;
            summary.last_hour = events.iter().filter(is_recent).count();
        }
        let is_firing = |event: &&Arc<Event>| event.change == ChangeKind::Firing;
        let fired: Vec<&Arc<Event>> = events.iter().filter(is_firing).collect();
        summary.most_common = MostCommon {
            metrics: most_common(fired.iter().map(|event| event.labels.metric_name())),
            series: most_common(fired.iter().map(|event| &event.labels)),
            rules: most_common(fired.iter().map(|event| &event.rule)),
        };
        summary
    }
}

impl Kept {
    fn events(&self) -> impl Iterator<Item = &(u64, Arc<Event>)> {
        self.info.iter().chain(&self.alerts)
    }
}

/// Only the most common become text: the labels of all events would take as much memory again.
fn most_common<T: Ord + ToString>(names: impl Iterator<Item = T>) -> Vec<Common> {
    let mut counts = BTreeMap::<T, usize>::new();
    for name in names {
        *counts.entry(name).or_default() += 1;
    }
    let mut counts: Vec<(T, usize)> = counts.into_iter().collect();
    counts.sort_by_key(|&(_, fired)| Reverse(fired));
    counts.truncate(COMMON_MAX);
    counts.into_iter().map(|(name, fired)| Common { name: name.to_string(), fired }).collect()
}

#[cfg(test)]
pub(crate) mod tests {
    use bellwether_engine::{FORMAT_VERSION, SignalKind};
    use bellwether_series::{Fingerprint, LabelSet};

    use super::*;

    /// An event of an episode on the series `name`, at `at_ms`.
    pub(crate) fn event(name: &str, at_ms: i64, change: ChangeKind, severity: Severity) -> Event {
        let labels = LabelSet::from_pairs([("__name__", name), ("job", "j")]).unwrap();
        Event {
            version: FORMAT_VERSION,
            id: format!("{name}-{at_ms}"),
            episode_id: Fingerprint::of_parts(&[name.as_bytes()]),
            sequence: 0,
            change,
            severity,
            reason: None,
            alert: severity > Severity::Info,
            at_ms: Timestamp::from_ms(at_ms),
            starts_at_ms: Timestamp::from_ms(at_ms),
            ends_at_ms: None,
            rule: Arc::from("MetricAnomaly"),
            fingerprint: labels.fingerprint(),
            labels,
            signal: SignalKind::Value,
            value: 9.0,
            expected: 1.0,
            lower: 0.0,
            upper: 2.0,
            surprise: 8.0,
            peak_surprise: 8.0,
            threshold: 5.0,
            threshold_raised_by: 0.0,
            detectors: Vec::new(),
            config_digest: Arc::from("digest"),
            state_digest: Fingerprint::of_parts(&[]),
            explanation: format!("{name} is 9, above the expected 1."),
        }
    }

    const KEPT_MAX: usize = 100;

    fn everything() -> Wanted {
        Wanted { severity: Severity::Info, episode: None, since: None, limit: usize::MAX }
    }

    fn names(events: &[Arc<Event>]) -> Vec<&str> {
        events.iter().map(|event| event.labels.metric_name()).collect()
    }

    fn store() -> EventStore {
        let store = EventStore::new(KEPT_MAX);
        store.push(Arc::new(event("a", 0, ChangeKind::Firing, Severity::Warning)));
        store.push(Arc::new(event("b", HOUR_MS, ChangeKind::Noticed, Severity::Info)));
        store.push(Arc::new(event("c", HOUR_MS + 1, ChangeKind::Firing, Severity::Critical)));
        store.push(Arc::new(event("a", HOUR_MS + 2, ChangeKind::Firing, Severity::Warning)));
        store
    }

    #[test]
    fn events_come_newest_first_and_only_those_that_are_wanted() {
        let store = store();
        assert_eq!(names(&store.newest(&everything())), ["a", "c", "b", "a"]);
        let severe = Wanted { severity: Severity::Warning, ..everything() };
        assert_eq!(names(&store.newest(&severe)), ["a", "c", "a"]);
        assert_eq!(names(&store.newest(&Wanted { limit: 1, ..severe })), ["a"]);
        let since = Wanted { since: Some(Timestamp::from_ms(HOUR_MS + 1)), ..everything() };
        assert_eq!(names(&store.newest(&since)), ["a", "c"]);
        let episode = Fingerprint::of_parts(&[b"c"]).to_string();
        let of_episode = Wanted { episode: Some(episode), ..everything() };
        assert_eq!(names(&store.newest(&of_episode)), ["c"]);
    }

    #[test]
    fn a_flood_of_info_pushes_no_alert_out() {
        let store = store();
        for at in 0..KEPT_MAX as i64 + 5 {
            store.push(Arc::new(event("flood", at, ChangeKind::Noticed, Severity::Info)));
        }
        let severe = Wanted { severity: Severity::Warning, ..everything() };
        assert_eq!(names(&store.newest(&severe)), ["a", "c", "a"]);
        assert_eq!(store.newest(&everything()).len(), KEPT_MAX + 3);
        assert_eq!(store.summary().total, KEPT_MAX as u64 + 9);
        assert_eq!(store.forgotten(), [6, 0]);
        for at in 0..KEPT_MAX as i64 {
            store.push(Arc::new(event("more", at, ChangeKind::Firing, Severity::Warning)));
        }
        assert_eq!(store.forgotten(), [6, 3]);
        assert_eq!(store.newest(&severe).len(), KEPT_MAX);
    }

    #[test]
    fn the_summary_counts_by_event_time_and_by_what_fired() {
        let summary = serde_json::to_value(store().summary()).unwrap();
        assert_eq!(
            summary,
            serde_json::json!({
                "total": 4,
                "last_hour": 3,
                "by_severity": { "info": 1, "warning": 2, "critical": 1 },
                "by_change": { "noticed": 1, "firing": 3, "escalated": 0, "resolved": 0 },
                "newest_at_ms": HOUR_MS + 2,
                "most_common": {
                    "metrics": [{ "name": "a", "fired": 2 }, { "name": "c", "fired": 1 }],
                    "series": [
                        { "name": "a{job=\"j\"}", "fired": 2 },
                        { "name": "c{job=\"j\"}", "fired": 1 },
                    ],
                    "rules": [{ "name": "MetricAnomaly", "fired": 3 }],
                },
            })
        );
    }
}
