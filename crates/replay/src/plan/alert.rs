//! Alerts, put together from their events.

use std::collections::BTreeMap;
use std::sync::Arc;

use bellwether_detect::Severity;
use bellwether_engine::{ChangeKind, Event};
use bellwether_series::Fingerprint;
use serde::Serialize;

use crate::history::Listener;

/// One alert that somebody would have been told of. Times are event times in Unix milliseconds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Alert {
    /// Id of its episode.
    pub episode_id: Fingerprint,
    /// Identity of its series.
    pub fingerprint: Fingerprint,
    /// Its series in Prometheus' notation.
    pub series: Arc<str>,
    /// Name of its rule, which is its `alertname`.
    pub rule: Arc<str>,
    /// The highest severity that it reached.
    pub severity: Severity,
    /// The first sample that was odd.
    pub starts_at_ms: i64,
    /// When somebody was told.
    pub fired_at_ms: i64,
    /// When it was over; `None` if it was not by the end of the input.
    pub ends_at_ms: Option<i64>,
}

impl Alert {
    /// Whether both go on at some moment, the first and the last included.
    pub fn overlaps(&self, other: &Self) -> bool {
        self.starts_at_ms <= other.last_ms() && other.starts_at_ms <= self.last_ms()
    }

    /// The last moment of it; the end of time if it goes on.
    pub(super) fn last_ms(&self) -> i64 {
        self.ends_at_ms.unwrap_or(i64::MAX)
    }
}

/// Puts alerts together from events in the order of their log. Episodes of which nobody is told, such as those beyond the
/// daily cap, are none.
#[derive(Debug, Default)]
pub struct Alerts {
    by_episode: BTreeMap<Fingerprint, Alert>,
}

impl Alerts {
    /// Takes an event in.
    pub fn take(&mut self, event: &Event) {
        let is_told = event.alert && event.change != ChangeKind::Resolved;
        if is_told {
            self.by_episode.entry(event.episode_id).or_insert_with(|| Alert {
                episode_id: event.episode_id,
                fingerprint: event.fingerprint,
                series: event.labels.to_string().into(),
                rule: Arc::clone(&event.rule),
                severity: event.severity,
                starts_at_ms: event.starts_at_ms.as_ms(),
                fired_at_ms: event.at_ms.as_ms(),
                ends_at_ms: None,
            });
        }
        let Some(alert) = self.by_episode.get_mut(&event.episode_id) else { return };
        alert.severity = alert.severity.max(event.severity);
        if event.change == ChangeKind::Resolved {
            alert.ends_at_ms = Some(event.ends_at_ms.unwrap_or(event.at_ms).as_ms());
        }
    }

    /// All alerts, by series and in it by time.
    pub fn finish(self) -> Vec<Alert> {
        let mut alerts: Vec<Alert> = self.by_episode.into_values().collect();
        alerts.sort_by_key(|alert| (alert.fingerprint, alert.starts_at_ms, alert.episode_id));
        alerts
    }
}

impl Listener for Alerts {
    fn hear(&mut self, event: &Event) {
        self.take(event);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::testing::{Life, MINUTE_MS, MONDAY_MS, life};

    fn alerts(life: &Life) -> Vec<Alert> {
        let mut alerts = Alerts::default();
        for event in life.events() {
            alerts.take(&event);
        }
        alerts.finish()
    }

    #[test]
    fn an_alert_has_the_times_and_the_severity_of_its_episode() {
        let life = Life { escalates: true, ..life("up", "a", MONDAY_MS) };
        let [alert] = &*alerts(&life) else { panic!("one alert") };
        assert_eq!(alert.series.as_ref(), r#"up{instance="a",job="node"}"#);
        assert_eq!(alert.severity, Severity::Critical);
        assert_eq!(alert.starts_at_ms, MONDAY_MS);
        assert_eq!(alert.fired_at_ms, MONDAY_MS + MINUTE_MS);
        assert_eq!(alert.ends_at_ms, Some(MONDAY_MS + 10 * MINUTE_MS));
    }

    #[test]
    fn what_nobody_is_told_of_is_no_alert() {
        let told = life("up", "a", MONDAY_MS);
        assert_eq!(alerts(&Life { fires_after_ms: None, ..told.clone() }), []);
        assert_eq!(alerts(&Life { sent: false, ..told.clone() }), []);
        let open = alerts(&Life { lasts_ms: None, ..told });
        assert_eq!(open[0].ends_at_ms, None);
    }

    #[test]
    fn an_alert_that_only_its_rise_tells_of_fires_then() {
        let life = Life { escalates: true, ..life("up", "a", MONDAY_MS) };
        let mut events = life.events();
        events[0].alert = false;
        let mut alerts = Alerts::default();
        for event in &events {
            alerts.take(event);
        }
        assert_eq!(alerts.finish()[0].fired_at_ms, MONDAY_MS + 6 * MINUTE_MS);
    }

    #[test]
    fn alerts_overlap_when_one_moment_is_in_both() {
        let at = |start_ms| alerts(&life("up", "a", MONDAY_MS + start_ms)).remove(0);
        let first = at(0);
        assert!(first.overlaps(&at(10 * MINUTE_MS)) && at(10 * MINUTE_MS).overlaps(&first));
        assert!(
            !first.overlaps(&at(10 * MINUTE_MS + 1)) && !at(10 * MINUTE_MS + 1).overlaps(&first)
        );
    }
}
