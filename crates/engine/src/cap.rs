//! The hard cap on alerts a day, behind the budget that sets thresholds.
//!
//! It sees all events of all partitions in log order, so which alert is the first one too many is the same
//! in every replay. Episodes beyond the cap stay events; one alert of its own says that the cap was hit.

use std::collections::BTreeSet;
use std::sync::Arc;

use bellwether_detect::Severity;
use bellwether_series::{Fingerprint, LabelSet, METRIC_NAME, Timestamp};

use crate::event::{ChangeKind, Event, FORMAT_VERSION, ResolveReason, SignalKind};
use crate::settings::Settings;

/// Name of the alert that says that the cap was hit.
pub const CAP_RULE: &str = "BellwetherAlertCap";

const DAY_MS: i64 = 86_400_000;

/// Counts alerts by day of event time and holds back those beyond the cap.
#[derive(Debug)]
pub struct AlertCap {
    settings: Arc<Settings>,
    day: i64,
    fired: u32,
    held_back: BTreeSet<Fingerprint>,
    /// The firing event of the cap's own alert, while it fires.
    own: Option<Event>,
}

impl AlertCap {
    /// A cap that has seen nothing.
    pub fn new(settings: Arc<Settings>) -> Self {
        Self { settings, day: i64::MIN, fired: 0, held_back: BTreeSet::new(), own: None }
    }

    /// Adopts a changed configuration.
    pub fn configure(&mut self, settings: &Arc<Settings>) {
        self.settings = Arc::clone(settings);
    }

    /// Takes the events of a record, in log order, holds back what is beyond the cap and adds the cap's
    /// own events where they belong.
    pub fn apply(&mut self, events: Vec<Event>) -> Vec<Event> {
        let mut passed = Vec::with_capacity(events.len());
        for mut event in events {
            let day = event.at_ms.as_ms().div_euclid(DAY_MS);
            if day > self.day {
                self.day = day;
                self.fired = 0;
                passed.extend(self.resolve(event.at_ms));
            }
            if event.alert {
                passed.extend(self.admit(&mut event));
            }
            passed.push(event);
        }
        passed
    }

    /// Decides about an event that wants to alert; returns the cap's own alert if it begins here.
    fn admit(&mut self, event: &mut Event) -> Option<Event> {
        let cap = self.settings.budget.cap_per_day;
        if event.change == ChangeKind::Firing {
            if self.fired < cap {
                self.fired += 1;
                return None;
            }
            self.held_back.insert(event.episode_id);
            event.alert = false;
            if self.own.is_some() {
                return None;
            }
            let own = self.own_event(event.at_ms, f64::from(cap));
            self.own = Some(own.clone());
            return Some(own);
        }
        if self.held_back.contains(&event.episode_id) {
            event.alert = false;
            if event.change == ChangeKind::Resolved {
                self.held_back.remove(&event.episode_id);
            }
        }
        None
    }

    fn resolve(&mut self, at: Timestamp) -> Option<Event> {
        let fired = self.own.take()?;
        Some(Event {
            id: format!("{}-1", fired.episode_id),
            sequence: 1,
            change: ChangeKind::Resolved,
            reason: Some(ResolveReason::Normal),
            at_ms: at,
            ends_at_ms: Some(at),
            explanation: "A new day began; alerts are sent again.".to_owned(),
            ..fired
        })
    }

    fn own_event(&self, at: Timestamp, cap: f64) -> Event {
        let labels = LabelSet::from_pairs([(METRIC_NAME, "bellwether_alerts_per_day")]);
        // The pair above is a valid label set, so the error side is never taken.
        let labels = labels.unwrap_or_else(|_| unreachable!("a constant label set"));
        let fingerprint = labels.fingerprint();
        let episode_id = self.settings.episode_id(fingerprint, CAP_RULE, at);
        Event {
            version: FORMAT_VERSION,
            id: format!("{episode_id}-0"),
            episode_id,
            sequence: 0,
            change: ChangeKind::Firing,
            severity: Severity::Warning,
            reason: None,
            alert: true,
            at_ms: at,
            starts_at_ms: at,
            ends_at_ms: None,
            rule: Arc::from(CAP_RULE),
            fingerprint,
            labels,
            signal: SignalKind::Value,
            value: cap + 1.0,
            expected: cap,
            lower: 0.0,
            upper: cap,
            surprise: 0.0,
            peak_surprise: 0.0,
            threshold: 0.0,
            detectors: Vec::new(),
            config_digest: Arc::clone(&self.settings.digest),
            state_digest: Fingerprint::from_u128(0),
            explanation: format!(
                "More than {cap} alerts would have been sent today; until the day is over further anomalies \
                 are recorded as events only. Look for a common cause, or raise \
                 alerting.budget.cap_per_day."
            ),
        }
    }
}
