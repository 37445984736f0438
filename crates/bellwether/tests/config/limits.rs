//! That each limit gets to where it holds.

use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

use bellwether::config::{Config, key_paths, web, web_key_paths};
use bellwether_connect::source::receiver::ReceiverOptions;
use bellwether_runtime::journal::{PAYLOAD_BYTES_MAX, SOURCE_BYTES_MAX, TENANT_BYTES_MAX};

fn config(text: &str) -> Config {
    Config::parse(text, "test", Path::new("."), &HashMap::new()).unwrap()
}

#[test]
fn limits_of_the_server_and_of_what_is_received_are_those_of_the_file() {
    let config = config(
        "server: { requests_per_connection_max: 7, head_bytes_max: 16KiB, events_max: 8, answers_bytes_max: 2MiB }\n\
         remote_write: { decodes_max: 3, bodies_bytes_max: 100MiB, refusal_delay: 1s }\n\
         runtime: { queue_requests_max: 9, tenant_under_way_max: 4 }\n",
    );
    let limits = config.server.limits;
    assert_eq!((limits.requests_per_connection_max, limits.head_bytes_max), (7, 16 << 10));
    assert_eq!((config.server.events_max, config.server.answers_bytes_max), (8, 2 << 20));
    let ReceiverOptions { decodes_max, bodies_bytes_max, refusal_delay, .. } = config.remote_write;
    assert_eq!((decodes_max, bodies_bytes_max), (3, Some(100 << 20)));
    assert_eq!(refusal_delay, Duration::from_secs(1));
    assert_eq!((config.runtime.queue_requests_max, config.runtime.tenant_under_way_max), (9, 4));
}

/// Else a body that is received would be answered 503 for ever.
#[test]
fn the_journal_takes_the_largest_body_that_can_be_allowed() {
    let largest =
        config("remote_write: { body_bytes_max: 60MiB }").remote_write.limits.body_bytes_max;
    let head_bytes = 2 * (TENANT_BYTES_MAX + SOURCE_BYTES_MAX);
    assert!(largest + head_bytes <= PAYLOAD_BYTES_MAX);
    let text = "remote_write: { body_bytes_max: 61MiB }";
    let refused = Config::parse(text, "test", Path::new("."), &HashMap::new()).unwrap_err();
    assert!(refused.to_string().contains("60MiB"), "{refused}");
}

#[test]
fn zero_bodies_and_decoders_follow_from_the_cores_and_the_largest_body() {
    let config = config("remote_write: { decodes_max: 0, bodies_bytes_max: 0 }");
    assert_eq!(config.remote_write, ReceiverOptions::default());
    assert!(config.remote_write.decodes_max >= 2);
}

#[test]
fn limits_of_what_is_kept_and_sent_are_those_of_the_file() {
    let config = config(
        "series: { cold_waiting_bytes_max: 2MiB }\n\
         alerting: { alerts_max: 5 }\n\
         log: { messages_max: 6 }\n",
    );
    assert_eq!(config.durability.unwrap().cold.waiting_bytes_max, 2 << 20);
    assert_eq!((config.alertmanagers.alerts_max, config.log.messages_max), (5, 6));
}

#[test]
fn limits_of_log_ins_are_those_of_the_web_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("web.yml");
    std::fs::write(&path, "auth_failure_limit: { addresses_max: 12 }\nauth_checks_max: 13\n")
        .unwrap();
    let options = web::load(&path).unwrap();
    assert_eq!((options.failure_addresses_max, options.password_checks_max), (12, 13));
}

/// Keys whose names end like that of a limit and are none: an edge of what a rule of threshold allows, and a size that requests
/// are cut into.
const NO_LIMITS: [&str; 3] = [
    "defaults.detectors[].threshold.valid_max",
    "rules[].detectors[].threshold.valid_max",
    "gauges.samples_per_request_max",
];

/// What stands between backticks.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

#[test]
fn the_page_for_operators_names_each_limit_that_has_a_key_and_what_counts_it() {
    let page = std::fs::read_to_string(super::root().join("docs/operating.md")).unwrap();
    let metrics: Vec<&str> = page
        .lines()
        .filter_map(|line| line.strip_prefix("| `bellwether_")?.split_once('`'))
        .map(|(name, _)| name.trim_end_matches("_total"))
        .collect();
    let (_, limits) = page.split_once("\n## Limits\n").unwrap();
    let (table, _) = limits.split_once("Some follow from those above").unwrap();
    let rows: Vec<Vec<&str>> = table
        .lines()
        .filter_map(|line| line.strip_prefix("| `"))
        .map(|row| row.split(" | ").collect())
        .collect();
    for row in &rows {
        let [key, _, _, counted_by] = row[..] else { panic!("{row:?}") };
        let names: Vec<&str> = quoted(counted_by)
            .map(|name| name.split('{').next().unwrap_or_default())
            .filter(|name| !name.is_empty())
            .collect();
        let is_counted = !names.is_empty() || counted_by.starts_with("as above");
        assert!(is_counted, "nothing counts {key}");
        for name in names {
            assert!(metrics.contains(&name), "{key} is counted by {name}, which is no metric");
        }
    }
    let named: Vec<String> = rows.iter().map(|row| format!("`{}", row[0])).collect();
    let is_named = |key: &str| named.iter().any(|cell| quoted(cell).any(|name| name == key));
    let keys = key_paths().into_iter().chain(web_key_paths());
    for key in keys.filter(|key| key.ends_with("_max") && !NO_LIMITS.contains(&&**key)) {
        assert!(is_named(&key), "{key} is not among the limits of docs/operating.md");
    }
}
