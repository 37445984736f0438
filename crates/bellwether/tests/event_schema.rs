//! `docs/event.schema.json` says what events are: no more and no less.

use std::collections::BTreeSet;

use bellwether_detect::{DetectorName, Severity};
use bellwether_engine::{
    ChangeKind, DetectorEvidence, Event, FORMAT_VERSION, ResolveReason, SignalKind,
};
use bellwether_series::{Fingerprint, LabelSet, Timestamp};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

fn schema() -> Value {
    serde_json::from_str(include_str!("../../../docs/event.schema.json")).expect("JSON")
}

/// An event with everything that there may be, or with no more than there must be.
fn event(is_full: bool) -> Event {
    let at = Timestamp::from_ms(1_700_000_000_000);
    let (surprise, expected) = (4.5, f64::NAN);
    let name = DetectorName::Zscore;
    let detector = DetectorEvidence { name, surprise, expected, lower: 1.0, upper: f64::INFINITY };
    let labels = LabelSet::from_pairs([("__name__", "load"), ("instance", "a")]);
    let episode_id = Fingerprint::from_u128(7);
    Event {
        version: FORMAT_VERSION,
        id: format!("{episode_id}-3"),
        episode_id,
        sequence: 3,
        change: ChangeKind::Resolved,
        severity: Severity::Critical,
        reason: is_full.then_some(ResolveReason::Normal),
        alert: true,
        at_ms: at,
        starts_at_ms: at,
        ends_at_ms: is_full.then_some(at),
        rule: "rule".into(),
        fingerprint: Fingerprint::from_u128(u128::MAX),
        labels: labels.expect("labels"),
        signal: SignalKind::Rate,
        value: 1.0,
        expected,
        lower: 0.5,
        upper: 2.0,
        surprise,
        peak_surprise: 9.0,
        threshold: 6.0,
        threshold_raised_by: if is_full { 0.5 } else { 0.0 },
        detectors: if is_full { vec![detector] } else { Vec::new() },
        config_digest: "c".into(),
        state_digest: Fingerprint::from_u128(1),
        explanation: "expected 1, saw 2".to_owned(),
    }
}

fn keys(value: &Value) -> BTreeSet<&str> {
    value.as_object().expect("an object").keys().map(String::as_str).collect()
}

fn texts(value: &Value) -> BTreeSet<String> {
    let texts = value.as_array().expect("a list").iter();
    texts.map(|text| text.as_str().expect("text").to_owned()).collect()
}

/// The names that `T` can be read from: serde lists them when it is given another.
fn names<T: DeserializeOwned>() -> BTreeSet<String> {
    let Err(error) = serde_json::from_value::<T>(json!("?")) else { panic!("`?` is a name") };
    let error = error.to_string();
    let (_, expected) = error.split_once("expected").expect("what was expected");
    expected.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

#[test]
fn it_names_every_field_and_says_which_must_be_there() {
    let schema = schema();
    let full = serde_json::to_value(event(true)).expect("JSON");
    let least = serde_json::to_value(event(false)).expect("JSON");
    assert_eq!(keys(&schema["properties"]), keys(&full));
    let required = texts(&schema["required"]);
    assert_eq!(required.iter().map(String::as_str).collect::<BTreeSet<_>>(), keys(&least));
    let detector = &schema["properties"]["detectors"]["items"];
    assert_eq!(keys(&detector["properties"]), keys(&full["detectors"][0]));
    assert_eq!(schema["properties"]["version"]["const"], FORMAT_VERSION);
}

#[test]
fn it_names_every_choice() {
    let schema = schema();
    let choices = |pointer: &str| texts(&schema.pointer(pointer).expect("it is there")["enum"]);
    assert_eq!(choices("/properties/change"), names::<ChangeKind>());
    assert_eq!(choices("/properties/severity"), names::<Severity>());
    assert_eq!(choices("/properties/reason"), names::<ResolveReason>());
    assert_eq!(choices("/properties/signal"), names::<SignalKind>());
    let detectors = "/properties/detectors/items/properties/name";
    assert_eq!(choices(detectors), names::<DetectorName>());
}

#[test]
fn events_fit_and_what_is_none_does_not() {
    let validator = jsonschema::validator_for(&schema()).expect("a schema");
    for is_full in [true, false] {
        let event = serde_json::to_value(event(is_full)).expect("JSON");
        let faults: Vec<_> = validator.iter_errors(&event).map(|fault| fault.to_string()).collect();
        assert!(faults.is_empty(), "{faults:?}");
        for (key, bad) in [
            ("id", json!("7-3")),
            ("change", json!("changed")),
            ("value", json!("1")),
            ("labels", json!({ "a": 1 })),
            ("at_ms", json!(0.5)),
            ("version", json!(2)),
            ("more", json!(1)),
        ] {
            let mut other = event.clone();
            other[key] = bad;
            assert!(!validator.is_valid(&other), "{other}");
        }
    }
}
