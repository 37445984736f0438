//! Alerts that operators write by hand, raised without a threshold: `fixtures/replay/hand_written_alerts.yml` on the kinds
//! of series in `scenario.rs`, each with a fault and with a healthy twin. `docs/hand-written-alerts.md` is about it.
//!
//! When thresholds or detectors change on purpose, the golden is written anew as in `main.rs`. What else is asserted
//! here should hold all the same.

mod scenario;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::sync::{Arc, LazyLock};

use bellwether::config::Config;
use bellwether_detect::forecast::Limit;
use bellwether_detect::{DetectorSpec, MinDeviation};
use bellwether_engine::{ChangeKind, Event, ResolveReason, Settings};
use bellwether_series::{LabelSet, Timestamp};
use bellwether_wire::remote_write::{Limits, RawSample, WriteRequest, WriteRequestBuilder};

use crate::events::{through_the_engine, through_the_runtime};
use crate::fixture::Noise;
use crate::golden::{check, fixtures};
use scenario::{MINUTES, SCENARIOS, Scenario};

/// Monday, 16 June 2025, midnight.
const START_MS: i64 = 1_750_032_000_000;
const MINUTE_MS: i64 = 60_000;
const CONFIGURATION: &str = "hand_written_alerts.yml";

/// An alert that was raised, with times in minutes since the start.
#[derive(Debug, PartialEq)]
struct Alert {
    labels: LabelSet,
    rule: String,
    /// The detector that was most surprised when it fired.
    loudest: String,
    fired: usize,
    /// When it was resolved, and why; none if it still fires at the end.
    resolved: Option<(usize, ResolveReason)>,
}

/// All alerts of the straight replay, made once.
static ALERTS: LazyLock<Vec<Alert>> =
    LazyLock::new(|| alerts(&through_the_engine(&settings(), requests())));

fn settings() -> Arc<Settings> {
    let path = fixtures().join(CONFIGURATION);
    let config = Config::load(Some(&path)).unwrap_or_else(|error| panic!("{error}"));
    Arc::new(config.engine)
}

impl Scenario {
    fn labels(&self, twin: &str) -> LabelSet {
        let code = (self.metric == "http_requests_total").then_some(("code", "500"));
        let pairs = [("__name__", self.metric), (self.label, twin)];
        LabelSet::from_pairs(pairs.into_iter().chain(code)).expect("labels")
    }

    fn faulty(&self) -> LabelSet {
        self.labels(self.twins[0])
    }

    /// The alerts on the series with the fault.
    fn alerts(&self) -> Vec<&'static Alert> {
        ALERTS.iter().filter(|alert| alert.labels == self.faulty()).collect()
    }

    /// Whether `alert` is about the fault: by the rule, on the series and at a time that it should be.
    fn explains(&self, alert: &Alert) -> bool {
        alert.rule == self.rule
            && alert.labels == self.faulty()
            && self.fault.contains(&alert.fired)
    }
}

/// What Prometheus would send: the newest sample of every series, once a minute.
fn requests() -> Vec<(Timestamp, WriteRequest)> {
    let twins = SCENARIOS.iter().flat_map(|scenario| {
        let fault = scenario.fault.clone();
        [(scenario, scenario.twins[0], fault), (scenario, scenario.twins[1], 0..0)]
    });
    let series: Vec<_> = twins
        .zip(2001..)
        .map(|((scenario, twin, fault), seed)| {
            (scenario.labels(twin), (scenario.values)(&mut Noise(seed), &fault))
        })
        .collect();
    let request = |minute: usize| {
        let timestamp = Timestamp::from_ms(START_MS + minute as i64 * MINUTE_MS);
        let mut builder = WriteRequestBuilder::default();
        for (labels, values) in &series {
            if let Some(value) = values[minute] {
                builder.series(labels, &[RawSample { timestamp, value }]);
            }
        }
        let request = WriteRequest::decode(builder.encode(), &Limits::default());
        (timestamp, request.expect("a request"))
    };
    (0..MINUTES).map(request).collect()
}

fn minute(at: Timestamp) -> usize {
    ((at.as_ms() - START_MS) / MINUTE_MS) as usize
}

/// The alerts that `events` tell of, in the order in which they fired.
fn alerts(events: &[Event]) -> Vec<Alert> {
    let alert = |fired: &Event| {
        let end = events.iter().find(|event| {
            event.episode_id == fired.episode_id && event.change == ChangeKind::Resolved
        });
        let loudest = fired.detectors.iter().max_by(|a, b| a.surprise.total_cmp(&b.surprise));
        Alert {
            labels: fired.labels.clone(),
            rule: fired.rule.to_string(),
            loudest: loudest.expect("evidence").name.to_string(),
            fired: minute(fired.at_ms),
            resolved: end.map(|end| (minute(end.at_ms), end.reason.expect("a reason"))),
        }
    };
    events.iter().filter(|event| event.change == ChangeKind::Firing).map(alert).collect()
}

#[test]
fn every_fault_alerts_in_time() {
    for scenario in &SCENARIOS {
        let deadline = scenario.fault.start + scenario.firing_within;
        assert!(deadline < scenario.fault.end, "{}: a fault outlasts its deadline", scenario.rule);
        let alerts = scenario.alerts();
        let in_time = |alert: &&Alert| scenario.explains(alert) && alert.fired <= deadline;
        assert!(
            alerts.iter().any(in_time),
            "{} on {} by minute {deadline}: {alerts:?}",
            scenario.rule,
            scenario.faulty(),
        );
    }
}

#[test]
fn every_alert_resolves_once_its_fault_is_over() {
    for scenario in SCENARIOS.iter().filter(|scenario| scenario.fault.end < MINUTES) {
        let deadline = scenario.fault.end + scenario.resolved_within;
        for alert in scenario.alerts() {
            let in_time = alert.resolved.is_some_and(|(resolved, _)| resolved <= deadline);
            assert!(in_time, "by minute {deadline}: {alert:?}");
        }
    }
}

#[test]
fn nothing_else_alerts_and_no_healthy_twin() {
    let unexplained = |alert: &&Alert| !SCENARIOS.iter().any(|scenario| scenario.explains(alert));
    let unexplained: Vec<_> = ALERTS.iter().filter(unexplained).collect();
    assert!(unexplained.is_empty(), "{unexplained:#?}");
}

#[test]
fn the_alerts_are_as_committed() {
    let mut text = String::new();
    for scenario in &SCENARIOS {
        for alert in scenario.alerts() {
            let Alert { labels, rule, loudest, fired, resolved } = alert;
            let minutes = *fired as i64 - scenario.fault.start as i64;
            let end = match resolved {
                Some((_, reason)) => format!("resolved as {}", word(*reason)),
                None => "still firing".to_owned(),
            };
            writeln!(text, "{labels} {rule}: {loudest} after {minutes} min, {end}")
                .expect("a string");
        }
    }
    check("hand_written_alerts.txt", &text);
}

/// The word that events use.
fn word(reason: ResolveReason) -> String {
    serde_json::to_value(reason).expect("JSON").as_str().expect("a word").to_owned()
}

#[test]
fn the_runtime_raises_the_same_alerts_on_three_shards() {
    assert_eq!(alerts(&through_the_runtime(&settings(), requests(), 3)), *ALERTS);
}

#[test]
fn no_rule_has_a_threshold_and_each_has_its_fault() {
    let settings = settings();
    let (_, rules) = settings.rules.split_last().expect("a rule for the rest");
    for rule in rules {
        assert_eq!(rule.min_deviation, MinDeviation::default(), "{}", rule.name);
        for detector in &rule.detectors {
            let has_threshold = match detector {
                DetectorSpec::Threshold(_) => true,
                // That nothing is left is no threshold.
                DetectorSpec::Exhaustion(params) => params.limit != Limit::default(),
                _ => false,
            };
            assert!(!has_threshold, "{}", rule.name);
        }
    }
    let named: BTreeSet<_> = rules.iter().map(|rule| &*rule.name).collect();
    let needed: BTreeSet<_> = SCENARIOS.iter().map(|scenario| scenario.rule).collect();
    assert_eq!(named, needed);
}

#[test]
fn the_page_shows_this_configuration() {
    let configuration = fs::read_to_string(fixtures().join(CONFIGURATION)).expect("committed");
    let page = fs::read_to_string("../../docs/hand-written-alerts.md").expect("committed");
    assert!(page.contains(&format!("<!-- check -->\n```yaml\n{configuration}```\n")));
}
