//! OpenTelemetry metrics: what an exporter sends becomes series, and is there again after a crash.

use std::collections::BTreeSet;
use std::process::Command;

use serde_json::{Value, json};

use crate::exposition::total;
use crate::http::Answer;
use crate::server::{Server, steady};

const RESOURCE: &str = r#"{"attributes":[
    {"key":"service.namespace","value":{"stringValue":"web"}},
    {"key":"service.name","value":{"stringValue":"checkout"}},
    {"key":"service.instance.id","value":{"stringValue":"i-1"}},
    {"key":"telemetry.sdk.language","value":{"stringValue":"rust"}}]}"#;

/// A request with one point a minute up to now of a gauge and of a counter.
fn request(values: &[f64]) -> String {
    let now_ns = jiff::Timestamp::now().as_nanosecond();
    let mut count = 0.0;
    let (mut gauge, mut counter) = (Vec::new(), Vec::new());
    for (index, value) in values.iter().enumerate() {
        let at = now_ns - (values.len() - index) as i128 * 60_000_000_000;
        let attributes = json!([{ "key": "queue.name", "value": { "stringValue": "orders" } }]);
        let point = |value: f64| json!({ "timeUnixNano": at.to_string(), "asDouble": value, "attributes": attributes });
        count += value;
        gauge.push(point(*value));
        counter.push(point(count));
    }
    let resource: Value = serde_json::from_str(RESOURCE).unwrap();
    json!({ "resourceMetrics": [{ "resource": resource, "scopeMetrics": [{ "metrics": [
        { "name": "queue.depth", "unit": "{message}", "gauge": { "dataPoints": gauge } },
        { "name": "queue.bytes", "unit": "By", "sum": {
            "dataPoints": counter, "aggregationTemporality": 2, "isMonotonic": true } },
    ] }] }] })
    .to_string()
}

fn post(server: &Server, body: &str) -> Answer {
    let head = format!(
        "POST /v1/metrics HTTP/1.0\r\nContent-Type: application/json\r\nContent-Length: {}\r\n",
        body.len()
    );
    server.exchange(&head, body.as_bytes())
}

/// The labels of the series that are watched, and as what they are judged.
fn watched(server: &Server) -> BTreeSet<(String, String)> {
    let body = server.json("/api/v1/series");
    let series = body["series"].as_array().unwrap().iter();
    series.map(|series| (series["labels"].to_string(), series["signal"].to_string())).collect()
}

#[test]
fn what_an_exporter_sends_is_watched_and_comes_back_after_a_crash() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path(), "");
    let answer = post(&server, &request(&steady(100)));
    assert_eq!((answer.status, answer.body.as_str()), (200, "{}"));
    server.until_decided(1);
    let labels = |name: &str| {
        let labels = json!({ "__name__": name, "instance": "i-1", "job": "web/checkout", "queue_name": "orders" });
        labels.to_string()
    };
    let expected = BTreeSet::from([
        (labels("queue_depth"), r#""value""#.to_owned()),
        (labels("queue_bytes_total"), r#""rate""#.to_owned()),
    ]);
    assert_eq!(watched(&server), expected);
    let metrics = server.metrics();
    assert!(
        metrics.contains("bellwether_requests_total{protocol=\"otlp\",code=\"200\"} 1"),
        "{metrics}"
    );
    assert!(total(&metrics, "bellwether_samples_accepted_total") > 199.5);

    // Dropping it kills it: nothing is left but the journal.
    drop(server);
    let mut server = Server::start(dir.path(), "");
    assert_eq!(watched(&server), expected);
    assert!(server.terminate().success());

    // And the journal gives the same again and again, however its requests are cut.
    let mut verify = Command::new(env!("CARGO_BIN_EXE_bellwether"));
    let output =
        verify.current_dir(dir.path()).args(["replay", "--verify", "data"]).output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&said));
}

#[test]
fn a_point_that_cannot_be_taken_is_a_partial_success() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path(), "");
    let mut body: Value = serde_json::from_str(&request(&steady(3))).unwrap();
    let metrics = &mut body["resourceMetrics"][0]["scopeMetrics"][0]["metrics"];
    metrics[0]["gauge"]["dataPoints"][1]["asDouble"] = Value::Null;
    let answer = post(&server, &body.to_string());
    assert_eq!(answer.status, 200);
    let body: Value = serde_json::from_str(&answer.body).unwrap();
    let partial = &body["partialSuccess"];
    assert_eq!(partial["rejectedDataPoints"], "1");
    let message = partial["errorMessage"].as_str().unwrap();
    assert!(
        message.contains("metric=`queue.depth`, point=`2`, fault=`value is missing`"),
        "{message}"
    );
    assert!(server.metrics().contains("bellwether_points_invalid_total 1"));

    let answer = post(&server, "{");
    assert_eq!(answer.status, 400);
    assert!(answer.body.contains("body is not valid JSON"), "{}", answer.body);
}
