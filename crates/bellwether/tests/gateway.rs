//! `bellwether gateway` as a process, where no broker is: it listens, says so, and acknowledges nothing. What it does with a real broker is
//! in `e2e/kafka/gateway.rs`.

#![cfg(feature = "kafka")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "e2e/http.rs"]
mod http;
#[path = "e2e/poll.rs"]
mod poll;
#[path = "e2e/process.rs"]
#[expect(dead_code, reason = "shared with a test that needs more of it")]
mod process;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use bellwether_series::{LabelSet, Timestamp};
use bellwether_wire::remote_write::{RawSample, WriteRequestBuilder, compress};
use poll::seconds;
use process::Process;

/// Nobody listens on the discard port of loopback.
const CONFIGURATION: &str = "server: { listen: '127.0.0.1:0' }
gateway: { brokers: ['127.0.0.1:9'], topic: metrics }
tenants: { header: X-Scope-OrgID, default: me, allow: [{ name: me }] }
log: { format: json }
";

fn command(dir: &Path, configuration: &str) -> Command {
    fs::write(dir.join("bellwether.yml"), configuration).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_bellwether"));
    command.current_dir(dir).args(["gateway", "--config", "bellwether.yml"]);
    command
}

#[test]
fn without_a_broker_it_lives_is_not_ready_and_tells_senders_to_come_back() {
    let dir = tempfile::tempdir().unwrap();
    let mut process =
        Process::start("gateway", dir.path(), &mut command(dir.path(), CONFIGURATION));
    let address = process.until("its address", |process| {
        let log = process.log();
        let (_, rest) = log.split_once(r#""address":""#)?;
        rest.split_once('"')?.0.parse().ok()
    });
    let get = |path| http::get(address, path).unwrap();
    assert_eq!((get("/-/healthy").status, get("/-/ready").status), (200, 503));
    let health = get("/health");
    assert!(health.status == 503 && health.body.contains("requests are refused"), "{health:?}");

    let mut builder = WriteRequestBuilder::default();
    let sample = RawSample { timestamp: Timestamp::from_ms(1), value: 1.0 };
    builder.series(&LabelSet::from_pairs([("__name__", "up")]).unwrap(), &[sample]);
    let body = compress(&builder.encode());
    let answer = http::post_remote_write(address, "/api/v1/write", &body).unwrap();
    assert_eq!(answer.status, 503, "{answer:?}");
    assert!(answer.body.contains("topic cannot be reached"), "{answer:?}");

    let metrics = get("/metrics").body;
    assert_eq!(documented(), gateway_families(&metrics));
    for family in ["bellwether_ready 0", "bellwether_gateway_partitions 0"] {
        assert!(metrics.contains(family), "{metrics}");
    }
    let refused = r#"bellwether_requests_total{protocol="remote_write",code="503"} 1"#;
    assert!(metrics.contains(refused), "{metrics}");

    fs::write(dir.path().join("bellwether.yml"), "gateway: {}\n").unwrap();
    process.signal("HUP");
    process.until("the reload to fail", |_| {
        let metrics = http::get(address, "/metrics").ok()?.body;
        metrics.contains("bellwether_config_last_reload_successful 0").then_some(())
    });
    assert_eq!(process.terminate(seconds(10)).code(), Some(0));
}

/// The families of the gateway's own that its page names.
fn documented() -> BTreeSet<String> {
    // Cargo runs tests in the folder of their package.
    let page = fs::read_to_string("../../docs/gateway.md").unwrap();
    own(page.lines().filter_map(|line| line.strip_prefix("| `")?.split_once('`')))
}

fn gateway_families(metrics: &str) -> BTreeSet<String> {
    own(metrics.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' ')))
}

fn own<'t>(lines: impl Iterator<Item = (&'t str, &'t str)>) -> BTreeSet<String> {
    let families = lines.map(|(family, _)| family.to_owned());
    families.filter(|family| family.starts_with("bellwether_gateway_")).collect()
}

#[test]
fn a_configuration_without_a_topic_for_it_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let output = command(dir.path(), "{}\n").output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(error.contains("the key `gateway` is missing"), "{error}");
}
