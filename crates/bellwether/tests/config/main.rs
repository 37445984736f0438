//! The configuration files under `fixtures/config`: good ones are taken, bad ones are refused with the report
//! beside them. `BLESS=1 cargo test -p bellwether --test config` writes reports, schema and reference
//! anew; read the difference.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod limits;
mod outputs;
mod presets;
mod reference;
mod tenants;
mod web;

use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::path::{Path, PathBuf};

use bellwether::config::{Config, Faults, json_schema, key_paths};
use bellwether_connect::Endpoint;
use serde_json::Value;

/// Cargo runs tests in the folder of their package.
fn root() -> PathBuf {
    PathBuf::from("../..")
}

fn files(folder: &str) -> Vec<PathBuf> {
    let folder = root().join("fixtures/config").join(folder);
    let paths = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> =
        paths.filter(|path| path.extension().is_some_and(|e| e == "yml")).collect();
    files.sort();
    assert!(!files.is_empty(), "{}", folder.display());
    files
}

fn variables() -> HashMap<String, String> {
    let set = [
        ("ALERTMANAGER_HOST", "alertmanager"),
        ("ALERTMANAGER_PASSWORD", "not-a-real-password"),
        ("ALERTMANAGER_TOKEN", "not-a-real-token"),
        ("SECRET", "hunter2("),
        ("WEBHOOK_KEY", "not-a-real-key"),
    ];
    set.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

fn parse(path: &Path) -> Result<Config, Faults> {
    let name = path.file_name().unwrap().to_string_lossy();
    let mut variables = variables();
    if name == "variable_missing.yml" {
        variables.clear();
    }
    let text = fs::read_to_string(path).unwrap();
    Config::parse(&text, &name, path.parent().unwrap(), &variables)
}

fn good(name: &str) -> Config {
    parse(&root().join("fixtures/config/good").join(name))
        .unwrap_or_else(|faults| panic!("{faults}"))
}

fn text(yaml: &str) -> Result<Config, Faults> {
    Config::parse(yaml, "test.yml", Path::new("."), &variables())
}

fn as_json(path: &Path) -> Value {
    let options = serde_saphyr::options! { strict_booleans: true }.with_properties(variables());
    let text = fs::read_to_string(path).unwrap();
    let value: Value = serde_saphyr::from_str_with_options(&text, options).unwrap();
    if value.is_null() { Value::Object(serde_json::Map::new()) } else { value }
}

/// Compares `actual` with the file at `path`, or writes it there when blessed.
fn assert_golden(path: &Path, actual: &str) {
    if std::env::var_os("BLESS").is_some() {
        fs::write(path, actual).unwrap();
    }
    let expected = fs::read_to_string(path).unwrap_or_default();
    let difference =
        actual.lines().zip(expected.lines()).find(|(actual, expected)| actual != expected);
    assert!(actual == expected, "{} is not current: {difference:?}", path.display());
}

#[test]
fn good_files_are_taken() {
    for path in files("good") {
        if let Err(faults) = parse(&path) {
            panic!("{}:\n{faults}", path.display());
        }
    }
}

#[test]
fn bad_files_are_refused_with_the_report_beside_them() {
    for path in files("bad") {
        let faults = parse(&path).map(|_| ()).expect_err(&path.display().to_string());
        for fault in faults.iter() {
            assert!(!fault.mend.is_empty(), "{}: {fault:?}", path.display());
        }
        assert_golden(&path.with_extension("txt"), &format!("{faults}\n"));
    }
}

#[test]
fn a_document_with_too_many_values_is_said_to_be_too_large() {
    let faults = text(&format!("rules: [{}]\n", "1,".repeat(260_000))).unwrap_err();
    let fault = faults.iter().next().unwrap();
    assert_eq!(fault.message, "the document is too large");
    assert!(fault.mend.contains("250000"), "{}", fault.mend);
}

#[test]
fn no_report_shows_a_secret() {
    for path in files("bad") {
        let faults = parse(&path).map(|_| ()).unwrap_err();
        for shown in [faults.to_string(), format!("{faults:?}")] {
            assert!(!shown.contains("hunter"), "{}:\n{shown}", path.display());
        }
    }
}

#[test]
fn the_schema_in_the_repository_is_current() {
    assert_golden(&root().join("docs/config.schema.json"), &format!("{:#}\n", json_schema()));
}

#[test]
fn the_schema_takes_what_the_command_takes() {
    let validator = jsonschema::validator_for(&json_schema()).unwrap();
    // An editor marks an empty section; it is a matter of taste.
    for path in files("good").iter().filter(|path| !path.ends_with("empty_sections.yml")) {
        let errors: Vec<_> =
            validator.iter_errors(&as_json(path)).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "{}: {errors:#?}", path.display());
    }
    let structural = [
        "calendar_maintenance",
        "choice",
        "detectors",
        "former_key",
        "ha",
        "no_value",
        "not_a_mapping",
        "out_of_range",
        "preset_item_type",
        "preset_too_many",
        "preset_type",
        "preset_unknown",
        "preset_unknown_single",
        "rule_incomplete",
        "secret_misspelt",
        "tenants",
        "unknown_detector",
        "unknown_key",
        "unknown_key_misplaced",
        "unknown_key_nested",
        "webhook",
        "webhook_misspelt",
        "webhook_too_many",
        "wrong_types",
    ];
    for name in structural {
        let path = root().join(format!("fixtures/config/bad/{name}.yml"));
        assert!(!validator.is_valid(&as_json(&path)), "{name}");
    }
}

#[test]
fn the_full_files_name_every_key() {
    let mut named = Vec::new();
    // What excludes a default, or another key, cannot stand in the file that has the defaults.
    for name in ["full", "detectors", "endpoints", "tenants", "kafka", "kafka_workers"] {
        paths(&as_json(&root().join(format!("fixtures/config/good/{name}.yml"))), "", &mut named);
    }
    let missing: Vec<_> = key_paths().into_iter().filter(|path| !named.contains(path)).collect();
    assert!(missing.is_empty(), "{missing:#?}");
}

fn paths(value: &Value, path: &str, found: &mut Vec<String>) {
    match value {
        Value::Object(object) => {
            for (key, member) in object {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                found.push(path.clone());
                paths(member, &path, found);
            }
        }
        Value::Array(items) => {
            for item in items {
                paths(item, &format!("{path}[]"), found);
            }
        }
        _ => {}
    }
}

#[test]
fn the_full_file_names_the_defaults() {
    let (mut full, default) = (good("full.yml"), good("empty.yml"));
    assert_eq!(full.engine.rules.remove(0).detectors, default.engine.rules[0].detectors);
    assert_eq!(&*full.engine.groups.remove(0).name, "OddRank");
    full.server.external_url = None;
    full.server.web_config_file = None;
    full.alertmanagers.external_url = None;
    full.alertmanagers.targets.clear();
    full.gauges.targets.clear();
    full.engine.calendar.maintenance.clear();
    full.sinks.webhooks.clear();
    full.sinks.json_lines = None;
    full.engine.digest = default.engine.digest.clone();
    assert_eq!(format!("{full:#?}"), format!("{default:#?}"));
}

#[test]
fn defaults_are_those_of_the_engine() {
    let mut engine = good("empty.yml").engine;
    engine.digest = bellwether_engine::Settings::default().digest;
    assert_eq!(format!("{engine:?}"), format!("{:?}", bellwether_engine::Settings::default()));
    assert_eq!(format!("{:?}", Config::load(None).unwrap()), format!("{:?}", good("empty.yml")));
}

#[test]
fn the_reference_in_the_repository_is_current_and_names_every_key() {
    let path = root().join("docs/configuration.md");
    let page = fs::read_to_string(&path).unwrap();
    let (by_hand, _) = page.split_once(reference::MARKER).expect("the marker is on the page");
    let reference = reference::reference(&json_schema());
    for key in key_paths() {
        assert!(reference.contains(&format!("`{key}`")), "{key}");
    }
    assert_golden(&path, &format!("{by_hand}{}{reference}", reference::MARKER));
}

#[test]
fn the_digest_follows_the_meaning_and_not_the_text() {
    let digest = |yaml: &str| text(yaml).unwrap().engine.digest;
    let plain = digest("rules: [{ name: A, match: up }]");
    assert_eq!(plain.len(), 16);
    assert_eq!(plain, digest("# why\nrules:\n  - match: '{__name__=\"up\"}'\n    name: A\n"));
    assert_eq!(plain, digest("rules: [{ name: A, match: up, alert: { for: 120s } }]"));
    assert_eq!(plain, digest("rules: [{ name: A, match: up }]\nlog: { level: debug }"));
    assert_ne!(plain, digest("rules: [{ name: A, match: up, alert: { for: 3m } }]"));
    assert_ne!(plain, digest("rules: [{ name: B, match: up }]"));
    let with = |calendar: &str| {
        digest(&format!("rules: [{{ name: A, match: up }}]\ncalendar: {{ {calendar} }}"))
    };
    assert_eq!(plain, with("time_zone: utc, holidays: [], maintenance: []"));
    let calendars = [
        "time_zone: Europe/Berlin",
        "time_zone: Europe/Vienna",
        "holidays: [12-25]",
        "holidays: [2026-12-25]",
        "maintenance: [{ name: A, match: [up], time_intervals: [{ weekdays: [monday] }] }]",
        "maintenance: [{ name: A, match: [up], time_intervals: [{ weekdays: [sunday] }] }]",
        "maintenance: [{ name: A, match: [down], time_intervals: [{ weekdays: [sunday] }] }]",
    ];
    let digests: BTreeSet<_> = calendars.into_iter().map(with).chain([plain.clone()]).collect();
    assert_eq!(digests.len(), calendars.len() + 1);
    assert_ne!(plain, digest("rules: [{ name: A, match: up }]\nordering: { lateness: 1s }"));
    let with = |groups: &str| {
        digest(&format!("rules: [{{ name: A, match: up }}]\ngroups: {{ {groups} }}"))
    };
    assert_eq!(plain, with("by: [instance], detectors: [subspace], members_min: 5, rules: []"));
    let groups = [
        "by: [job]",
        "by: []",
        "detectors: []",
        "detectors: [isolation_forest]",
        "members_min: 6",
        "members_max: 95",
        "rules: [{ name: B, match: up }]",
        "rules: [{ name: C, match: up }]",
        "rules: [{ name: C, match: up, by: [__name__], detectors: [peer] }]",
    ];
    let digests: BTreeSet<_> = groups.into_iter().map(with).chain([plain.clone()]).collect();
    assert_eq!(digests.len(), groups.len() + 1);
    let limited = |max: u8| {
        digest(&format!("rules: [{{ name: A, match: up }}]\nseries: {{ per_metric_max: {max} }}"))
    };
    assert!(plain == limited(0) && plain != limited(1) && limited(1) != limited(2));
    let with = |ha: &str| digest(&format!("rules: [{{ name: A, match: up }}]\nha: {{ {ha} }}"));
    assert_eq!(plain, with("failover: 30000ms, clusters_max: 1000"));
    let pairs = [
        "cluster_labels: [cluster]",
        "replica_labels: [__replica__]",
        "cluster_labels: [cluster, replica]",
        "failover: 31s",
        "clusters_max: 999",
    ];
    let digests: BTreeSet<_> = pairs.into_iter().map(with).chain([plain.clone()]).collect();
    assert_eq!(digests.len(), pairs.len() + 1);
}

#[test]
fn rules_inherit_from_defaults() {
    let rules = good("rules.yml").engine.rules;
    let names: Vec<&str> = rules.iter().map(|rule| rule.name.as_ref()).collect();
    assert_eq!(names, ["CheckoutLatency", "QueueDrained", "Batch", "MetricAnomaly"]);
    assert_eq!(rules[1].alert.for_ms, 300_000);
    assert_eq!(rules[1].detectors, rules[3].detectors);
    assert_eq!(rules[0].min_deviation.at(1.0).to_bits(), 0.1_f64.to_bits());
}

#[test]
fn secrets_come_from_files_and_the_environment_and_stay_hidden() {
    let config = good("secrets.yml");
    let [first, second] = config.alertmanagers.targets.as_slice() else { panic!("{config:?}") };
    let (username, password) = first.basic_auth.as_ref().unwrap();
    assert_eq!((username.as_str(), password.expose()), ("bellwether", "not-a-real-password"));
    assert_eq!(token_of(second), "not-a-real-token");
    assert!(!format!("{config:?}").contains("not-a-real"));
}

fn token_of(endpoint: &Endpoint) -> &str {
    endpoint.authorization.as_ref().unwrap().credentials.expose()
}

#[test]
fn a_secret_that_looks_like_a_number_is_kept_as_it_is() {
    let numeric = HashMap::from([("TOKEN".to_owned(), "0012_0".to_owned())]);
    let yaml = "alerting:\n  alertmanagers:\n    - url: http://a\n      bearer_token: ${TOKEN}\n";
    let config = Config::parse(yaml, "test.yml", Path::new("."), &numeric).unwrap();
    assert_eq!(token_of(&config.alertmanagers.targets[0]), "0012_0");
}

#[test]
fn faults_know_line_and_column() {
    let faults = text("log:\n  level: info\n  größe: 1\n").unwrap_err();
    let fault = faults.iter().next().unwrap();
    assert_eq!((fault.field.as_str(), faults.position(fault)), ("log.größe", (3, 3)));
}

proptest::proptest! {
    #[test]
    fn no_text_makes_it_panic(yaml in "(rules|log|server|a|-|:|\\[|\\]|\\{|\\}|,|'|\"|\\$|#|&|\\*| |\n|é){0,40}") {
        _ = text(&yaml).map_err(|faults| faults.to_string());
    }
}
