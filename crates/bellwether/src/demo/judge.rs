//! What was found, missed and false.
//!
//! An incident is found when an alert's episode overlaps it in time on one of its series; an alert whose
//! episode overlaps no incident in that way is false.

use std::collections::{BTreeMap, HashMap};

use bellwether_engine::{CAP_RULE, ChangeKind, Event};
use bellwether_replay::fleet::{Fleet, Incident};
use bellwether_series::{Fingerprint, LabelSet, Timestamp};

/// Holds alerts against labelled incidents.
#[derive(Debug)]
pub(super) struct Judge {
    incidents: Vec<Incident>,
    /// Positions in the fleet; the only thing known of a series besides.
    series: HashMap<Fingerprint, usize>,
    /// Episodes that alerted, by their ids.
    episodes: BTreeMap<Fingerprint, Episode>,
    announced: Vec<bool>,
}

#[derive(Debug)]
struct Episode {
    series: Option<usize>,
    starts_at: Timestamp,
    ends_at: Option<Timestamp>,
    alert: Alert,
}

/// The first alert of an episode.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Alert {
    /// Event time of the alert.
    pub(super) at: Timestamp,
    /// Where.
    pub(super) labels: LabelSet,
    /// What the alert says.
    pub(super) explanation: String,
}

/// What became of an incident.
#[derive(Debug)]
pub(super) struct Finding<'a> {
    /// The incident.
    pub(super) incident: &'a Incident,
    /// The first alert that found it.
    pub(super) alert: Option<&'a Alert>,
}

impl Finding<'_> {
    /// From the start of the incident to the alert that found it, in milliseconds.
    pub(super) fn delay_ms(&self) -> Option<i64> {
        self.alert.map(|alert| alert.at.ms_since(self.incident.start).max(0))
    }
}

impl Episode {
    /// Whether it overlaps `incident`; an episode that is not over lasts until now.
    fn overlaps(&self, incident: &Incident) -> bool {
        self.series.is_some_and(|series| incident.series.binary_search(&series).is_ok())
            && self.starts_at < incident.end
            && self.ends_at.is_none_or(|ends_at| ends_at >= incident.start)
    }
}

impl Judge {
    /// Judges by the incidents of `fleet`.
    pub(super) fn new(fleet: &Fleet) -> Self {
        let series = fleet.series().iter().enumerate();
        Self {
            incidents: fleet.incidents().to_vec(),
            series: series.map(|(index, one)| (one.labels.fingerprint(), index)).collect(),
            episodes: BTreeMap::new(),
            announced: vec![false; fleet.incidents().len()],
        }
    }

    /// Takes `event` in; the incident that it finds, if it is the first to find it.
    pub(super) fn note(&mut self, event: &Event) -> Option<Finding<'_>> {
        if event.change == ChangeKind::Resolved {
            if let Some(episode) = self.episodes.get_mut(&event.episode_id) {
                episode.ends_at = Some(event.ends_at_ms.unwrap_or(event.at_ms));
            }
            return None;
        }
        let known = self.episodes.contains_key(&event.episode_id);
        if !event.alert || &*event.rule == CAP_RULE || known {
            return None;
        }
        let alert = Alert {
            at: event.at_ms,
            labels: event.labels.clone(),
            explanation: event.explanation.clone(),
        };
        let series = self.series.get(&event.fingerprint).copied();
        let episode = Episode { series, starts_at: event.starts_at_ms, ends_at: None, alert };
        let is_now =
            |incident: &Incident| episode.overlaps(incident) && incident.start <= event.at_ms;
        let found = self.incidents.iter().position(is_now);
        let episode = self.episodes.entry(event.episode_id).or_insert(episode);
        let found = found.filter(|&index| !std::mem::replace(&mut self.announced[index], true))?;
        Some(Finding { incident: &self.incidents[found], alert: Some(&episode.alert) })
    }

    /// What became of each incident, in order of time.
    pub(super) fn findings(&self) -> Vec<Finding<'_>> {
        let finding = |incident| {
            let overlapping = self.episodes.values().filter(|episode| episode.overlaps(incident));
            let alert = overlapping.map(|episode| &episode.alert).min_by_key(|alert| alert.at);
            Finding { incident, alert }
        };
        self.incidents.iter().map(finding).collect()
    }

    /// Alerts that found no incident, in order of time.
    pub(super) fn false_alarms(&self) -> Vec<&Alert> {
        let is_false =
            |episode: &&Episode| !self.incidents.iter().any(|incident| episode.overlaps(incident));
        let mut alarms: Vec<&Alert> =
            self.episodes.values().filter(is_false).map(|episode| &episode.alert).collect();
        alarms.sort_by_key(|alert| alert.at);
        alarms
    }
}

#[cfg(test)]
mod tests {
    use bellwether_detect::Severity;
    use bellwether_replay::fleet::FleetConfig;

    use super::*;
    use crate::events::tests::event;

    /// An event of episode `id` on series `series` of `fleet`, `minutes` from the start of its first incident.
    fn of(fleet: &Fleet, id: &str, series: usize, minutes: i64, change: ChangeKind) -> Event {
        let labels = fleet.series()[series].labels.clone();
        let at = fleet.incidents()[0].start.plus_ms(minutes * 60_000);
        Event {
            episode_id: Fingerprint::of_parts(&[id.as_bytes()]),
            fingerprint: labels.fingerprint(),
            labels,
            ..event("any", at.as_ms(), change, Severity::Warning)
        }
    }

    /// A fleet, a series of its first incident and one that is in none.
    fn fleet() -> (Fleet, usize, usize) {
        let fleet = Fleet::new(&FleetConfig::default());
        let struck = fleet.incidents()[0].series[0];
        let spared = |series: &usize| {
            fleet.incidents().iter().all(|incident| !incident.series.contains(series))
        };
        let spared = (0..fleet.series().len()).find(spared).unwrap();
        (fleet, struck, spared)
    }

    #[test]
    fn an_alert_within_an_incident_finds_it_once() {
        let (fleet, struck, _) = fleet();
        let mut judge = Judge::new(&fleet);
        assert!(judge.note(&of(&fleet, "a", struck, 2, ChangeKind::Firing)).is_some());
        assert!(judge.note(&of(&fleet, "a", struck, 3, ChangeKind::Escalated)).is_none());
        assert!(judge.note(&of(&fleet, "b", struck, 4, ChangeKind::Firing)).is_none());
        let findings = judge.findings();
        assert_eq!(findings[0].delay_ms(), Some(120_000));
        assert!(findings[1..].iter().all(|finding| finding.alert.is_none()));
        assert!(judge.false_alarms().is_empty());
    }

    #[test]
    fn an_alert_elsewhere_or_at_another_time_is_false() {
        let (fleet, struck, spared) = fleet();
        let mut judge = Judge::new(&fleet);
        for (id, series, minutes) in [("a", struck, -60), ("b", spared, 1)] {
            assert!(judge.note(&of(&fleet, id, series, minutes, ChangeKind::Firing)).is_none());
            judge.note(&of(&fleet, id, series, minutes + 1, ChangeKind::Resolved));
        }
        assert_eq!(judge.false_alarms().len(), 2);
        assert!(judge.findings().iter().all(|finding| finding.alert.is_none()));
    }

    #[test]
    fn an_episode_that_lasts_into_an_incident_finds_it_without_delay() {
        let (fleet, struck, _) = fleet();
        let mut judge = Judge::new(&fleet);
        assert!(judge.note(&of(&fleet, "a", struck, -60, ChangeKind::Firing)).is_none());
        assert_eq!(judge.findings()[0].delay_ms(), Some(0));
        assert!(judge.false_alarms().is_empty());
    }

    #[test]
    fn what_alerts_nobody_and_the_cap_itself_do_not_count() {
        let (fleet, struck, _) = fleet();
        let mut judge = Judge::new(&fleet);
        let held_back = Event { alert: false, ..of(&fleet, "a", struck, 1, ChangeKind::Firing) };
        let cap = Event { rule: CAP_RULE.into(), ..of(&fleet, "b", struck, 1, ChangeKind::Firing) };
        assert!(judge.note(&held_back).is_none() && judge.note(&cap).is_none());
        assert!(judge.findings()[0].alert.is_none() && judge.false_alarms().is_empty());
    }
}
