//! Tenants of a server that runs.

use crate::LEARNED;
use crate::exposition::total;
use crate::http::Answer;
use crate::poll::{seconds, until};
use crate::server::{Server, samples, steady};

fn config(allowed: &str) -> String {
    format!("tenants: {{ header: X-Scope-OrgID, allow: [{allowed}] }}\n")
}

fn write_as(server: &Server, tenant: &str, body: &[u8]) -> Answer {
    let head = format!(
        "POST /api/v1/push HTTP/1.0\r\nX-Scope-OrgID: {tenant}\r\nContent-Length: {}\r\n",
        body.len()
    );
    server.exchange(&head, body)
}

#[test]
fn equal_series_of_two_tenants_are_apart_from_the_request_to_the_event() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path(), &config("{ name: bank }, { name: shop }"));
    let mut values = steady(LEARNED);
    values.extend([400.0; 10]);
    assert_eq!(write_as(&server, "bank", &samples("queue_depth", &steady(LEARNED))).status, 204);
    assert_eq!(write_as(&server, "shop", &samples("queue_depth", &values)).status, 204);
    assert_eq!(write_as(&server, "mill", &samples("queue_depth", &values)).status, 403);
    let fired = until(seconds(20), "an alert to fire", || {
        let anomalies = server.json("/api/v1/anomalies");
        let anomalies = anomalies["anomalies"].as_array().unwrap();
        anomalies.iter().find(|event| event["change"] == "firing").cloned()
    });
    assert_eq!(fired["labels"]["tenant"], "shop", "{fired}");
    let metrics = server.metrics();
    for line in [
        "bellwether_tenant_series_active{tenant=\"bank\"} 1",
        "bellwether_tenant_series_active{tenant=\"shop\"} 1",
        "bellwether_tenant_series_limit{tenant=\"shop\"} 150000",
        "bellwether_tenant_headers_refused_total{reason=\"forbidden\"} 1",
        "bellwether_tenant_samples_accepted_total{tenant=\"shop\"} 160",
    ] {
        let is_there = |shown: &str| shown.trim_end_matches(".0") == line;
        assert!(metrics.lines().any(is_there), "{line} in {metrics}");
    }
    assert!(!metrics.contains("mill"));
}

#[test]
fn a_reload_changes_who_there_is_and_what_each_may_have() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path(), &config("{ name: bank }"));
    assert_eq!(write_as(&server, "bank", &samples("a", &[1.0])).status, 204);
    assert_eq!(write_as(&server, "shop", &samples("a", &[1.0])).status, 403);
    server.configure(&config("{ name: bank, series_max: 1 }, { name: shop }"));
    let answer = server.reload();
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert!(!answer.body.contains("restart"), "{}", answer.body);
    // The engine may not have come to it yet, and says so.
    until(seconds(20), "the shop to be let in", || {
        (write_as(&server, "shop", &samples("a", &[1.0])).status == 204).then_some(())
    });
    let refused = write_as(&server, "bank", &samples("b", &[1.0]));
    assert_eq!(refused.status, 400, "{}", refused.body);
    assert!(refused.body.contains("tenant_limit=1"), "{}", refused.body);
    assert_eq!(write_as(&server, "bank", &samples("a", &[2.0])).status, 204);
    let metrics = server.metrics();
    assert!((total(&metrics, "bellwether_series_active") - 2.0).abs() < 0.5, "{metrics}");
}
