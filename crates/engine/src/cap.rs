//! The hard cap on alerts a day, behind the budget that sets thresholds.
//!
//! It sees all events of all partitions in log order, so which alert is the first one too many is the same
//! in every replay. Episodes beyond the cap stay events; one alert of its own says that the cap was hit. Each tenant has the
//! cap for itself: whose series alert without end uses up no other one's day.

mod state;

use std::collections::{BTreeMap, BTreeSet};
use std::iter;
use std::sync::Arc;

use bellwether_series::{Fingerprint, LabelSet, METRIC_NAME, Timestamp};

use crate::event::{ChangeKind, Event};
use crate::own::{next_own_event, own_event};
use crate::settings::Settings;

/// Name of the alert that says that the cap was hit.
pub const CAP_RULE: &str = "BellwetherAlertCap";

const DAY_MS: i64 = 86_400_000;

/// Counts alerts by day of event time and holds back those beyond the cap.
#[derive(Debug)]
pub struct AlertCap {
    settings: Arc<Settings>,
    day: i64,
    /// Alerts of the day by tenant; without tenants, of the empty one.
    fired: BTreeMap<Box<str>, u32>,
    held_back: BTreeSet<Fingerprint>,
    /// The cap's own alert, by tenant, while it fires.
    own: BTreeMap<Box<str>, Own>,
}

/// An alert that says that the cap was hit.
#[derive(Debug)]
struct Own {
    /// Its first event.
    firing: Event,
    /// The record time at which it fired.
    fired_ms: i64,
}

impl AlertCap {
    /// A cap that has seen nothing.
    pub fn new(settings: Arc<Settings>) -> Self {
        let (fired, held_back, own) = Default::default();
        Self { settings, day: i64::MIN, fired, held_back, own }
    }

    /// Adopts a changed configuration.
    pub fn configure(&mut self, settings: &Arc<Settings>) {
        self.settings = Arc::clone(settings);
    }

    /// Takes the events of a record at record time `elapsed_ms`, in log order, holds back what is beyond
    /// the cap and adds the cap's own events where they belong. A record without events still lets the
    /// cap's own alerts end after a day.
    pub fn apply(&mut self, events: Vec<Event>, elapsed_ms: i64) -> Vec<Event> {
        let mut passed = Vec::with_capacity(events.len());
        passed.extend(
            self.own
                .extract_if(.., |_, own| elapsed_ms - own.fired_ms >= DAY_MS)
                .map(|(_, own)| own.resolved(own.firing.at_ms.plus_ms(DAY_MS))),
        );
        for mut event in events {
            let day = event.at_ms.as_ms().div_euclid(DAY_MS);
            if day > self.day {
                self.day = day;
                self.fired.clear();
                let own = std::mem::take(&mut self.own);
                passed.extend(own.into_values().map(|own| own.resolved(event.at_ms)));
            }
            if event.alert {
                passed.extend(self.admit(&mut event, elapsed_ms));
            }
            passed.push(event);
        }
        passed
    }

    /// Forgets all episodes, its own alert included, without a word; how many fired today still counts. For a state that is
    /// replaced: see [`Partition::forget_alerts`](crate::Partition::forget_alerts).
    pub fn forget_alerts(&mut self) {
        self.held_back.clear();
        self.own.clear();
    }

    /// Whether the alert of an episode that is not over is held back.
    pub(crate) fn holds_back(&self, episode: Fingerprint) -> bool {
        self.held_back.contains(&episode)
    }

    /// Decides about an event that wants to alert; returns the cap's own alert if it begins here.
    fn admit(&mut self, event: &mut Event, elapsed_ms: i64) -> Option<Event> {
        let cap = self.settings.budget.cap_per_day;
        if event.change == ChangeKind::Firing {
            let tenant = self.settings.tenant_of(&event.labels);
            let fired = self.fired.get(tenant).copied().unwrap_or_default();
            if fired < cap {
                self.fired.insert(tenant.into(), fired + 1);
                return None;
            }
            self.held_back.insert(event.episode_id);
            event.alert = false;
            if self.own.contains_key(tenant) {
                return None;
            }
            let tenants = self.settings.tenants.as_ref();
            let whose = tenants.map(|tenants| (&*tenants.label, tenant));
            let firing = self.cap_event(whose, event.at_ms, f64::from(cap));
            self.own.insert(tenant.into(), Own { firing: firing.clone(), fired_ms: elapsed_ms });
            return Some(firing);
        }
        if self.held_back.contains(&event.episode_id) {
            event.alert = false;
            if event.change == ChangeKind::Resolved {
                self.held_back.remove(&event.episode_id);
            }
        }
        None
    }

    /// The cap's own alert begins; `whose` is the label of a tenant and its value.
    fn cap_event(&self, whose: Option<(&str, &str)>, at: Timestamp, cap: f64) -> Event {
        let name = (METRIC_NAME, "bellwether_alerts_per_day");
        let labels = LabelSet::from_pairs(iter::once(name).chain(whose));
        // The label of tenants is no metric name, so these are a valid label set and the error side is never taken.
        let labels = labels.unwrap_or_else(|_| unreachable!("a constant label set"));
        Event {
            value: cap + 1.0,
            expected: cap,
            upper: cap,
            explanation: format!(
                "More than {cap} alerts would have been sent today; until the day is over further anomalies \
                 are recorded as events only. Look for a common cause, or raise \
                 alerting.budget.cap_per_day."
            ),
            ..own_event(&self.settings, CAP_RULE, labels, at)
        }
    }
}

impl Own {
    /// Its last event.
    fn resolved(&self, at: Timestamp) -> Event {
        Event {
            explanation: "A new day began; alerts are sent again.".to_owned(),
            ..next_own_event(&self.firing, ChangeKind::Resolved, at)
        }
    }
}

#[cfg(test)]
mod tests {
    use bellwether_detect::Severity;

    use super::*;
    use crate::tenants::Tenants;

    const CAP: u32 = 3;
    const DAY: i64 = DAY_MS;

    fn cap() -> AlertCap {
        let mut settings = Settings::default();
        settings.budget.cap_per_day = CAP;
        AlertCap::new(Arc::new(settings))
    }

    /// An event of episode `number`.
    fn event(number: u128, change: ChangeKind, at_ms: i64) -> Event {
        let at_ms = Timestamp::from_ms(at_ms);
        let episode_id = Fingerprint::from_u128(number);
        Event { episode_id, change, at_ms, ..cap().cap_event(None, at_ms, 0.0) }
    }

    fn told(events: &[Event]) -> Vec<(&str, u128, ChangeKind, bool)> {
        let of = |event: &Event| event.episode_id.as_u128();
        events
            .iter()
            .map(|event| (event_rule(event), of(event), event.change, event.alert))
            .collect()
    }

    /// Whose event it is: episodes of these tests have small numbers.
    fn event_rule(event: &Event) -> &'static str {
        if event.episode_id.as_u128() < 1000 { "rule" } else { "cap" }
    }

    #[test]
    fn the_first_alert_over_the_cap_is_held_back_and_said_once() {
        let mut cap = cap();
        let firing: Vec<_> = (0..6).map(|number| event(number, ChangeKind::Firing, 5)).collect();
        let passed = cap.apply(firing, 0);
        let own = passed[3].episode_id.as_u128();
        assert_eq!(
            told(&passed),
            [
                ("rule", 0, ChangeKind::Firing, true),
                ("rule", 1, ChangeKind::Firing, true),
                ("rule", 2, ChangeKind::Firing, true),
                ("cap", own, ChangeKind::Firing, true),
                ("rule", 3, ChangeKind::Firing, false),
                ("rule", 4, ChangeKind::Firing, false),
                ("rule", 5, ChangeKind::Firing, false),
            ]
        );
        assert_eq!((&*passed[3].rule, passed[3].severity), (CAP_RULE, Severity::Warning));
        assert!(passed[3].explanation.contains("More than 3 alerts"));
    }

    #[test]
    fn a_tenant_that_alerts_without_end_uses_up_no_other_one_s_day() {
        let mut settings = Settings::default();
        settings.budget.cap_per_day = CAP;
        settings.tenants = Some(Tenants::default());
        let settings = Arc::new(settings);
        let mut cap = AlertCap::new(Arc::clone(&settings));
        let of = |tenant: &str, number| {
            let labels = LabelSet::from_pairs([(METRIC_NAME, "m"), ("tenant", tenant)]).unwrap();
            Event { labels, rule: Arc::from("rule"), ..event(number, ChangeKind::Firing, 5) }
        };
        let mut events: Vec<_> = (0..6).map(|number| of("loud", number)).collect();
        events.extend((10..13).map(|number| of("calm", number)));
        let passed = cap.apply(events, 0);
        let own: Vec<_> = passed.iter().filter(|event| &*event.rule == CAP_RULE).collect();
        assert_eq!(own.len(), 1);
        assert_eq!(own[0].labels.get("tenant"), Some("loud"));
        let sent = |of: &str| {
            let is_sent = |event: &&Event| event.alert && &*event.rule != CAP_RULE;
            passed.iter().filter(is_sent).filter(|e| e.labels.get("tenant") == Some(of)).count()
        };
        assert_eq!((sent("loud"), sent("calm")), (3, 3));
        // Neither does a configuration change under which labels an alert is over, nor a restart.
        let renamed = Tenants { label: Arc::from("org"), ..Tenants::default() };
        let renamed = Arc::new(Settings { tenants: Some(renamed), ..Settings::default() });
        let mut saved = Vec::new();
        cap.configure(&renamed);
        cap.save(&mut saved);
        let mut back = AlertCap::restore(renamed, &saved).unwrap();
        let over = back.apply(vec![event(30, ChangeKind::Firing, DAY)], 0);
        assert_eq!(over[0].labels.get("tenant"), Some("loud"));
        cap.configure(&settings);
        // A restart changes nothing of it.
        let mut saved = Vec::new();
        cap.save(&mut saved);
        let mut back = AlertCap::restore(Arc::clone(&cap.settings), &saved).unwrap();
        let later = || vec![of("loud", 20), of("calm", 21), of("other", 22)];
        let passed = back.apply(later(), 0);
        assert_eq!(passed, cap.apply(later(), 0));
        let told: Vec<_> = passed.iter().map(|event| (&*event.rule, event.alert)).collect();
        assert_eq!(told, [("rule", false), (CAP_RULE, true), ("rule", false), ("rule", true)]);
        let next_day = back.apply(vec![event(30, ChangeKind::Firing, DAY)], 0);
        assert_eq!(next_day.len(), 3, "both alerts of the cap are over");
    }

    #[test]
    fn an_episode_that_was_held_back_stays_so_to_its_end_and_others_do_not() {
        let mut cap = cap();
        cap.apply((0..4).map(|number| event(number, ChangeKind::Firing, 5)).collect(), 0);
        let later = [ChangeKind::Escalated, ChangeKind::Resolved];
        let events = later.iter().flat_map(|&change| [event(3, change, 9), event(2, change, 9)]);
        let passed = cap.apply(events.collect(), 0);
        assert_eq!(
            passed.iter().map(|event| event.alert).collect::<Vec<_>>(),
            [false, true, false, true]
        );
        assert!(cap.held_back.is_empty());
    }

    #[test]
    fn the_next_day_alerts_are_sent_again_and_the_cap_resolves_first() {
        let mut cap = cap();
        let passed =
            cap.apply((0..4).map(|number| event(number, ChangeKind::Firing, 5)).collect(), 0);
        let own = passed[3].clone();
        let passed = cap.apply(vec![event(9, ChangeKind::Firing, DAY)], 0);
        let id = own.episode_id.as_u128();
        assert_eq!(
            told(&passed),
            [("cap", id, ChangeKind::Resolved, true), ("rule", 9, ChangeKind::Firing, true)]
        );
        assert_eq!((passed[0].sequence, passed[0].starts_at_ms), (1, own.starts_at_ms));
        assert_eq!(passed[0].ends_at_ms, Some(Timestamp::from_ms(DAY)));
        assert!(cap.apply(vec![event(9, ChangeKind::Resolved, DAY + 1)], 0)[0].alert);
    }

    #[test]
    fn a_straggler_of_yesterday_does_not_start_a_day() {
        let mut cap = cap();
        cap.apply((0..4).map(|number| event(number, ChangeKind::Firing, DAY)).collect(), 0);
        let passed =
            cap.apply(vec![event(8, ChangeKind::Firing, 5), event(9, ChangeKind::Firing, DAY)], 0);
        assert!(passed.iter().all(|event| !event.alert), "{:?}", told(&passed));
    }

    #[test]
    fn what_alerts_nobody_does_not_count() {
        let mut cap = cap();
        let noticed = |number| Event { alert: false, ..event(number, ChangeKind::Noticed, 5) };
        cap.apply((0..9).map(noticed).collect(), 0);
        let passed =
            cap.apply((0..3).map(|number| event(number, ChangeKind::Firing, 6)).collect(), 0);
        assert!(passed.iter().all(|event| event.alert));
    }

    #[test]
    fn without_further_events_the_cap_s_own_alert_ends_after_a_day() {
        let mut cap = cap();
        let passed =
            cap.apply((0..9).map(|number| event(number, ChangeKind::Firing, 5)).collect(), 7);
        assert!(passed.iter().any(|event| &*event.rule == CAP_RULE));
        assert!(cap.apply(Vec::new(), DAY_MS).is_empty());
        let passed = cap.apply(Vec::new(), 7 + DAY_MS);
        assert_eq!(passed.len(), 1);
        assert_eq!(passed[0].change, ChangeKind::Resolved);
    }
}
