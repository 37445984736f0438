//! From an event of the engine to an alert as Alertmanager wants it.

use std::collections::BTreeMap;
use std::sync::Arc;

use bellwether_engine::{ChangeKind, Event};
use bellwether_runtime::cells::Tenure;
use bellwether_series::{Fingerprint, METRIC_NAME};
use reqwest::Url;
use serde::Serialize;

use super::annotations::{Annotations, annotations};

/// The identity of an alert for Alertmanager.
pub(super) type Labels = Arc<BTreeMap<String, String>>;

/// One alert, without what depends on when it is sent.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Alert {
    pub(super) episode: Fingerprint,
    pub(super) labels: Labels,
    pub(super) annotations: Arc<Annotations>,
    pub(super) starts_at_ms: i64,
    pub(super) generator_url: Option<Arc<str>>,
}

/// What an event changes.
#[derive(Debug, Clone)]
pub(super) struct Change {
    pub(super) alert: Arc<Alert>,
    /// Event time of the change.
    pub(super) at_ms: i64,
    /// Whether the alert fires from here on, or is over.
    pub(super) fires: bool,
    /// Of a partition that others get when this is over; then they tell of the alert.
    pub(super) tenure: Option<Arc<Tenure>>,
}

impl Change {
    /// What `event` changes; `None` for what alerts nobody. The end of an episode is always a change: the
    /// book knows whether the episode had been sent.
    pub(super) fn of(event: &Event, naming: &Naming) -> Option<Self> {
        let (fires, at_ms) = match event.change {
            ChangeKind::Noticed => return None,
            ChangeKind::Firing | ChangeKind::Escalated if !event.alert => return None,
            ChangeKind::Firing | ChangeKind::Escalated => (true, event.at_ms),
            ChangeKind::Resolved => (false, event.ends_at_ms.unwrap_or(event.at_ms)),
        };
        let alert = Alert {
            episode: event.episode_id,
            labels: Arc::new(naming.labels(event)),
            annotations: Arc::new(annotations(event)),
            starts_at_ms: event.starts_at_ms.as_ms(),
            generator_url: naming.generator_url(event.episode_id),
        };
        Some(Self { alert: Arc::new(alert), at_ms: at_ms.as_ms(), fires, tenure: None })
    }
}

/// How labels and links are written.
#[derive(Debug)]
pub(super) struct Naming {
    external_url: Option<String>,
    utf8_label_names: bool,
}

impl Naming {
    /// Links are left out unless `external_url` is an absolute `http` or `https` URL.
    pub(super) fn new(external_url: Option<String>, utf8_label_names: bool) -> Self {
        let usable = |url: &String| {
            Url::parse(url).is_ok_and(|parsed| matches!(parsed.scheme(), "http" | "https"))
        };
        let external_url =
            external_url.filter(usable).map(|url| url.trim_end_matches('/').to_owned());
        Self { external_url, utf8_label_names }
    }

    /// The labels by which Alertmanager knows the alert: nothing that changes while it lasts, except for
    /// the severity.
    fn labels(&self, event: &Event) -> BTreeMap<String, String> {
        let mut labels = BTreeMap::from([
            ("alertname".to_owned(), event.rule.to_string()),
            ("metric".to_owned(), event.labels.metric_name().to_owned()),
            ("severity".to_owned(), event.severity.as_str().to_owned()),
        ]);
        for (name, value) in event.labels.iter().filter(|&(name, _)| name != METRIC_NAME) {
            let mut name =
                if self.utf8_label_names { name.to_owned() } else { ascii_label_name(name) };
            while labels.contains_key(&name) {
                name.insert_str(0, "exported_");
            }
            labels.insert(name, value.to_owned());
        }
        labels
    }

    fn generator_url(&self, episode: Fingerprint) -> Option<Arc<str>> {
        let base = self.external_url.as_ref()?;
        Some(format!("{base}/api/v1/anomalies?episode={episode}").into())
    }
}

/// `name` with everything outside `[a-zA-Z_][a-zA-Z0-9_]*` replaced by `_`.
fn ascii_label_name(name: &str) -> String {
    let mut ascii: String =
        name.chars().map(|char| if char.is_ascii_alphanumeric() { char } else { '_' }).collect();
    if ascii.starts_with(|char: char| char.is_ascii_digit()) {
        ascii.insert(0, '_');
    }
    ascii
}

/// An alert as it is posted (`postableAlert` of the API).
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PostableAlert {
    pub(super) labels: Labels,
    pub(super) annotations: Arc<Annotations>,
    pub(super) starts_at: String,
    pub(super) ends_at: String,
    #[serde(rename = "generatorURL", skip_serializing_if = "Option::is_none")]
    pub(super) generator_url: Option<Arc<str>>,
}

impl PostableAlert {
    pub(super) fn new(alert: &Alert, ends_at_ms: i64) -> Self {
        Self {
            labels: Arc::clone(&alert.labels),
            annotations: Arc::clone(&alert.annotations),
            starts_at: rfc3339(alert.starts_at_ms),
            ends_at: rfc3339(ends_at_ms),
            generator_url: alert.generator_url.clone(),
        }
    }
}

/// RFC 3339 in UTC with milliseconds. Times outside the years 1970 to 9999, which a sender may well
/// claim, become the nearest one inside.
fn rfc3339(ms: i64) -> String {
    const YEAR_9999_MS: i64 = 253_402_207_200_000; // the last that jiff takes, rounded down
    let time = jiff::Timestamp::from_millisecond(ms.clamp(0, YEAR_9999_MS)).unwrap_or_default();
    format!("{time:.3}")
}

#[cfg(test)]
mod tests {
    use bellwether_detect::Severity;

    use super::*;
    use crate::sink::testing::event;

    fn change(event: &Event) -> Change {
        Change::of(event, &Naming::new(Some("https://b.example/x/".to_owned()), false)).unwrap()
    }

    fn label_names(naming: &Naming, labels: &[(&str, &str)]) -> Vec<String> {
        let event = event(1, ChangeKind::Firing, Severity::Warning, labels);
        Change::of(&event, naming).unwrap().alert.labels.keys().cloned().collect()
    }

    #[test]
    fn an_alert_carries_rule_metric_severity_and_the_labels_of_the_series() {
        let firing = event(7, ChangeKind::Firing, Severity::Warning, &[("job", "api")]);
        let posted = PostableAlert::new(&change(&firing).alert, 1_300_000);
        let json = serde_json::to_value(&posted).unwrap();
        assert_eq!(
            json["labels"],
            serde_json::json!({
                "alertname": "MetricAnomaly", "metric": "load", "severity": "warning", "job": "api"
            })
        );
        assert_eq!(json["startsAt"], "1970-01-01T00:16:40.000Z");
        assert_eq!(json["endsAt"], "1970-01-01T00:21:40.000Z");
        let id = "00000000000000000000000000000007";
        let link = format!("https://b.example/x/api/v1/anomalies?episode={id}");
        assert_eq!(json["generatorURL"], link);
        assert_eq!(json["annotations"]["episode_id"], id);
        assert_eq!(json["annotations"]["event_id"], format!("{id}-1"));
        assert_eq!(json["annotations"]["description"], "expected 2, saw 12.5");
        assert_eq!(json["annotations"]["value"], "12.5");
    }

    #[test]
    fn a_link_is_left_out_unless_it_is_http() {
        for bad in [None, Some("javascript:alert(1)"), Some("example.com"), Some("")] {
            let firing = event(7, ChangeKind::Firing, Severity::Warning, &[]);
            let change = Change::of(&firing, &Naming::new(bad.map(str::to_owned), false)).unwrap();
            assert_eq!(change.alert.generator_url, None, "{bad:?}");
            let json = serde_json::to_value(PostableAlert::new(&change.alert, 0)).unwrap();
            assert!(json.get("generatorURL").is_none());
        }
    }

    #[test]
    fn labels_that_clash_are_exported_and_none_is_lost() {
        let labels = [
            ("severity", "a"),
            ("exported_severity", "b"),
            ("metric", "c"),
            ("a.b", "d"),
            ("a_b", "e"),
            ("1st", "f"),
        ];
        assert_eq!(
            label_names(&Naming::new(None, false), &labels),
            [
                "_1st",
                "a_b",
                "alertname",
                "exported_a_b",
                "exported_exported_severity",
                "exported_metric",
                "exported_severity",
                "metric",
                "severity"
            ]
        );
    }

    #[test]
    fn label_names_are_kept_for_servers_that_take_them() {
        assert!(label_names(&Naming::new(None, true), &[("a.b", "d")]).contains(&"a.b".to_owned()));
    }

    #[test]
    fn only_events_that_alert_somebody_are_changes() {
        let naming = Naming::new(None, false);
        let mut event = event(1, ChangeKind::Noticed, Severity::Info, &[]);
        assert!(Change::of(&event, &naming).is_none());
        event.change = ChangeKind::Firing;
        event.alert = false;
        assert!(Change::of(&event, &naming).is_none());
        event.change = ChangeKind::Resolved;
        assert!(!Change::of(&event, &naming).unwrap().fires);
    }

    #[test]
    fn times_beyond_the_calendar_become_its_ends() {
        assert_eq!(rfc3339(i64::MIN), "1970-01-01T00:00:00.000Z");
        assert!(rfc3339(i64::MAX).starts_with("9999-12-30T"));
        assert_eq!(rfc3339(1_700_000_000_123), "2023-11-14T22:13:20.123Z");
    }
}
