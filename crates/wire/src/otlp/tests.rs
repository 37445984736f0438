//! What becomes of metrics of each kind. Requests are written in JSON, which goes through the same decoder as protobuf.

use bellwether_series::{LabelLimits, LabelSet, STALE_NAN_BITS};
use serde_json::{Value, json};

use super::*;
use crate::remote_write::MetricType;

/// 2023-11-14T22:13:20Z.
const AT_MS: i64 = 1_700_000_000_000;
const AT_NS: &str = "1700000000000000000";

fn decode(body: &Value) -> WriteRequest {
    decode_json(body.to_string().as_bytes(), &Limits::default()).unwrap()
}

/// A request with one resource, of these attributes and metrics.
fn request(attributes: &Value, metrics: &Value) -> Value {
    json!({ "resourceMetrics": [{
        "scopeMetrics": [{ "scope": { "name": "test" }, "metrics": metrics }],
        "resource": { "attributes": attributes },
    }] })
}

/// A metric of a service called `shop`.
fn metric(metric: &Value) -> WriteRequest {
    decode(&request(&json!([text("service.name", "shop")]), &json!([metric])))
}

fn text(key: &str, value: &str) -> Value {
    json!({ "key": key, "value": { "stringValue": value } })
}

/// Each sample as (series, value), all at the same time.
fn shown(request: &WriteRequest) -> Vec<(String, f64)> {
    let mut all = Vec::new();
    for series in request.series() {
        let labels = LabelSet::from_wire(series.labels, &LabelLimits::default()).unwrap();
        assert_eq!(labels.as_wire(), series.labels, "not canonical");
        for sample in series.samples {
            assert_eq!(sample.timestamp.as_ms(), AT_MS);
            all.push((labels.to_string(), sample.value));
        }
    }
    all
}

fn families(request: &WriteRequest) -> Vec<(String, MetricType)> {
    request.metadata().map(|of| (of.family.to_owned(), of.kind)).collect()
}

fn faults(request: &WriteRequest) -> Vec<&str> {
    request.invalid_points().messages().iter().map(String::as_str).collect()
}

fn named(series: &str, value: f64) -> (String, f64) {
    (series.to_owned(), value)
}

#[test]
fn a_gauge_is_a_series_with_the_labels_of_its_resource_and_its_point() {
    let attributes = json!([
        text("service.namespace", "web"),
        text("service.name", "shop"),
        text("service.instance.id", "i-1"),
        text("host.name", "node-7"),
        text("k8s.pod.name", "shop-0"),
        text("telemetry.sdk.name", "x"),
    ]);
    let metrics = json!([{ "name": "process.cpu.utilization", "unit": "1", "description": "d", "gauge": { "dataPoints": [
        { "timeUnixNano": AT_NS, "asDouble": 0.5, "attributes": [
            text("cpu.mode", "user"),
            { "key": "cpu", "value": { "intValue": "3" } },
            { "key": "hot", "value": { "boolValue": true } },
            { "key": "list", "value": { "arrayValue": { "values": [{ "doubleValue": 1.5 }, {}] } } },
        ] },
        { "timeUnixNano": 1_700_000_000_000_000_000_i64, "asInt": "-7" },
    ] } }]);
    let of_resource = r#"host_name="node-7",instance="i-1",job="web/shop",k8s_pod_name="shop-0""#;
    let request = decode(&request(&attributes, &metrics));
    let first = r#"process_cpu_utilization_ratio{cpu="3",cpu_mode="user",host_name="node-7",hot="true",instance="i-1",job="web/shop",k8s_pod_name="shop-0",list="[1.5,null]"}"#;
    let second = format!("process_cpu_utilization_ratio{{{of_resource}}}");
    assert_eq!(shown(&request), [named(first, 0.5), named(&second, -7.0)]);
    assert_eq!(
        families(&request),
        [("process_cpu_utilization_ratio".to_owned(), MetricType::Gauge)]
    );
    assert!(request.invalid_points().is_empty());
}

#[test]
fn what_only_rises_is_a_counter_and_nothing_else_is() {
    let sum = |temporality: Value, is_monotonic: bool| {
        metric(&json!({ "name": "http.requests", "unit": "{request}", "sum": {
            "dataPoints": [{ "timeUnixNano": AT_NS, "asInt": 5 }],
            "aggregationTemporality": temporality, "isMonotonic": is_monotonic,
        } }))
    };
    let counter = r#"http_requests_total{job="shop"}"#;
    let gauge = r#"http_requests{job="shop"}"#;
    for (temporality, is_monotonic, series, kind) in [
        (json!(2), true, counter, MetricType::Counter),
        (json!("AGGREGATION_TEMPORALITY_CUMULATIVE"), true, counter, MetricType::Counter),
        (json!(2), false, gauge, MetricType::Gauge),
        (json!(1), true, gauge, MetricType::Gauge),
        (json!(1), false, gauge, MetricType::Gauge),
    ] {
        let request = sum(temporality, is_monotonic);
        assert_eq!(shown(&request), [named(series, 5.0)]);
        let family = series.split('{').next().unwrap().to_owned();
        assert_eq!(families(&request), [(family, kind)]);
    }
    let unknown = sum(json!(0), true);
    assert_eq!(unknown.sample_count(), 0);
    let fault =
        "metric is invalid: metric=`http.requests`, fault=`aggregation temporality is not known`";
    assert_eq!(faults(&unknown), [fault]);
}

fn histogram(temporality: u8, point: &Value) -> WriteRequest {
    metric(&json!({ "name": "http.duration", "unit": "s", "histogram": {
        "aggregationTemporality": temporality, "dataPoints": [point] } }))
}

#[test]
fn a_histogram_is_its_buckets_its_sum_and_its_count() {
    let point = json!({ "timeUnixNano": AT_NS, "count": "6", "sum": 1.25, "bucketCounts": ["1", 2, "3"],
        "explicitBounds": [0.005, 10], "attributes": [text("http.method", "GET")], "min": 0, "max": 9 });
    let request = histogram(2, &point);
    let labels = r#"http_method="GET",job="shop""#;
    let bucket = |le: &str, count| {
        (
            format!(r#"http_duration_seconds_bucket{{http_method="GET",job="shop",le="{le}"}}"#),
            count,
        )
    };
    let expected = [
        (format!("http_duration_seconds_count{{{labels}}}"), 6.0),
        (format!("http_duration_seconds_sum{{{labels}}}"), 1.25),
        bucket("0.005", 1.0),
        bucket("10", 3.0),
        bucket("+Inf", 6.0),
    ];
    assert_eq!(shown(&request), expected);
    assert_eq!(families(&request), [("http_duration_seconds".to_owned(), MetricType::Histogram)]);

    let delta = histogram(1, &point);
    assert_eq!(shown(&delta), expected[..2]);
    let gauges = ["_count", "_sum"]
        .map(|suffix| (format!("http_duration_seconds{suffix}"), MetricType::Gauge));
    assert_eq!(families(&delta), gauges);

    let without_sum = histogram(2, &json!({ "timeUnixNano": AT_NS, "count": 6 }));
    assert_eq!(shown(&without_sum).len(), 2, "count and the bucket of everything");
}

#[test]
fn an_exponential_histogram_is_its_sum_and_its_count() {
    let request =
        metric(&json!({ "name": "x", "exponentialHistogram": { "aggregationTemporality": 2,
        "dataPoints": [{ "timeUnixNano": AT_NS, "count": 3, "sum": 9, "scale": 2, "zeroCount": 1,
            "positive": { "offset": 1, "bucketCounts": ["1", "1"] } }] } }));
    let expected = [named(r#"x_count{job="shop"}"#, 3.0), named(r#"x_sum{job="shop"}"#, 9.0)];
    assert_eq!(shown(&request), expected);
    assert_eq!(request.histogram_count(), 1);
}

#[test]
fn a_summary_is_its_quantiles_its_sum_and_its_count() {
    let request = metric(&json!({ "name": "rpc", "unit": "ms", "summary": { "dataPoints": [{
        "timeUnixNano": AT_NS, "count": 3, "sum": 9,
        "quantileValues": [{ "quantile": 0.5, "value": 2 }, { "quantile": 1, "value": 4 }] }] } }));
    let expected = [
        named(r#"rpc_milliseconds_count{job="shop"}"#, 3.0),
        named(r#"rpc_milliseconds_sum{job="shop"}"#, 9.0),
        named(r#"rpc_milliseconds{job="shop",quantile="0.5"}"#, 2.0),
        named(r#"rpc_milliseconds{job="shop",quantile="1"}"#, 4.0),
    ];
    assert_eq!(shown(&request), expected);
    assert_eq!(families(&request), [("rpc_milliseconds".to_owned(), MetricType::Summary)]);
}

#[test]
fn a_point_without_a_recorded_value_ends_its_series() {
    let end = json!({ "timeUnixNano": AT_NS, "flags": 1, "explicitBounds": [1] });
    for request in [
        metric(&json!({ "name": "x", "gauge": { "dataPoints": [end] } })),
        metric(&json!({ "name": "x", "summary": { "dataPoints": [end] } })),
        histogram(2, &end),
    ] {
        assert!(request.sample_count() > 0 && request.invalid_points().is_empty());
        let mut samples = request.series().flat_map(|series| series.samples);
        assert!(samples.all(|sample| sample.value.to_bits() == STALE_NAN_BITS));
    }
}

#[test]
fn labels_of_the_resource_win_and_attributes_that_become_one_label_are_joined() {
    let request = metric(
        &json!({ "name": "x", "gauge": { "dataPoints": [{ "timeUnixNano": AT_NS, "asInt": 1,
        "attributes": [text("job", "other"), text("a.b", "2"), text("a_b", "1"), text("", "x"), text("c", "")] }] } }),
    );
    assert_eq!(shown(&request), [named(r#"x{a_b="1;2",job="shop"}"#, 1.0)]);
}

#[test]
fn of_an_attribute_that_a_resource_says_twice_the_first_counts() {
    let attributes =
        json!([text("host.name", "a"), text("host.name", "b"), text("service.name", "s")]);
    let point = json!({ "timeUnixNano": AT_NS, "asInt": 1 });
    let metrics = json!([{ "name": "x", "gauge": { "dataPoints": [point] } }]);
    let request = decode(&request(&attributes, &metrics));
    assert_eq!(shown(&request), [named(r#"x{host_name="a",job="s"}"#, 1.0)]);
}

#[test]
fn a_bad_point_is_named_and_the_rest_is_taken() {
    let good = json!({ "timeUnixNano": AT_NS, "asInt": 1 });
    for (bad, fault) in [
        (json!({ "asInt": 1 }), "time is missing"),
        (json!({ "timeUnixNano": "soon", "asInt": 1 }), "time is missing"),
        (json!({ "timeUnixNano": AT_NS }), "value is missing"),
        (json!({ "timeUnixNano": AT_NS, "asInt": "1.5" }), "value is missing"),
    ] {
        let request = metric(&json!({ "name": "x", "gauge": { "dataPoints": [good, bad, good] } }));
        assert_eq!(shown(&request).len(), 2, "{bad}");
        let message = format!("data point is invalid: metric=`x`, point=`2`, fault=`{fault}`");
        assert_eq!(faults(&request), [message], "{bad}");
    }
    for (bad, fault) in [
        (json!({ "count": 1 }), "time is missing"),
        (
            json!({ "timeUnixNano": AT_NS, "bucketCounts": [1], "explicitBounds": [1] }),
            "histogram has not one bucket more than bounds",
        ),
        (
            json!({ "timeUnixNano": AT_NS, "bucketCounts": [1, 1, 1], "explicitBounds": [1, 1] }),
            "bounds are not increasing",
        ),
        (
            json!({ "timeUnixNano": AT_NS, "bucketCounts": [1, 1], "explicitBounds": ["NaN"] }),
            "bounds are not increasing",
        ),
        (
            json!({ "timeUnixNano": AT_NS, "bucketCounts": vec![1; 1001] }),
            "histogram has too many buckets",
        ),
    ] {
        let request = histogram(2, &bad);
        assert_eq!(request.sample_count(), 0, "{bad}");
        let message =
            format!("data point is invalid: metric=`http.duration`, point=`1`, fault=`{fault}`");
        assert_eq!(faults(&request), [message], "{bad}");
    }
    let nameless = metric(&json!({ "name": "..", "gauge": { "dataPoints": [good] } }));
    assert_eq!(
        faults(&nameless),
        ["metric is invalid: metric=`..`, fault=`name has no letter or digit`"]
    );
}

#[test]
fn the_order_of_fields_makes_no_difference() {
    // `serde_json` sorts keys: `dataPoints` before `isMonotonic`, `gauge` before `name`, and above `resource` is behind its metrics.
    let body = r#"{"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"sum":{"dataPoints":[
        {"asInt":1,"timeUnixNano":"1700000000000000000"}],"isMonotonic":true,"aggregationTemporality":2},"unit":"By","name":"x"}]}],
        "resource":{"attributes":[{"value":{"stringValue":"shop"},"key":"service.name"}]}}]}"#;
    let request = decode_json(body.as_bytes(), &Limits::default()).unwrap();
    assert_eq!(shown(&request), [named(r#"x_bytes_total{job="shop"}"#, 1.0)]);
}

#[test]
fn what_is_not_json_is_refused_and_what_means_nothing_is_skipped() {
    for (body, fault) in [
        ("{", "text ends within an object or array"),
        ("[]", "an object is expected"),
        ("{} {}", "text is behind the request"),
        (
            r#"{"resourceMetrics":[{"scopeMetrics":[1}]}"#,
            "a comma or the end of the items is expected",
        ),
    ] {
        let error = decode_json(body.as_bytes(), &Limits::default()).unwrap_err();
        assert!(
            matches!(error, DecodeError::NotJson { fault: found, .. } if found == fault),
            "{error}"
        );
    }
    for body in [
        "",
        " ",
        "{}",
        r#"{"other":[{"a":null}],"resourceMetrics":null}"#,
        r#"{"resourceMetrics":[1,{"resource":[]}]}"#,
    ] {
        assert_eq!(decode_json(body.as_bytes(), &Limits::default()).unwrap().sample_count(), 0);
    }
}

#[test]
fn short_requests_that_mean_a_lot_are_refused() {
    // Labels of the resource are said once and written for each point.
    let attributes = json!([text("host.name", &"x".repeat(1000))]);
    let point = json!({ "timeUnixNano": AT_NS, "asInt": 1, "attributes": [text("a", "1")] });
    let other = json!({ "timeUnixNano": AT_NS, "asInt": 1 });
    let points: Vec<_> =
        (0..200).map(|index| if index % 2 == 0 { &point } else { &other }).collect();
    let body = request(&attributes, &json!([{ "name": "x", "gauge": { "dataPoints": points } }]));
    let limits = Limits { decoded_bytes_max: 50_000, ..Limits::default() };
    let error = decode_json(body.to_string().as_bytes(), &limits).unwrap_err();
    assert!(matches!(error, DecodeError::TooLarge { part: "labels", .. }), "{error}");
    let limits = Limits { objects_max: 300, ..Limits::default() };
    let error = decode_json(body.to_string().as_bytes(), &limits).unwrap_err();
    assert_eq!(error.reason(), "too_many_objects");
    // Two bytes of JSON are eight of protobuf.
    let counts = format!(
        r#"{{"resourceMetrics":[{{"scopeMetrics":[{{"metrics":[{{"histogram":{{"dataPoints":[{{"bucketCounts":[{}]}}]}}}}]}}]}}]}}"#,
        vec!["1"; 10_000].join(",")
    );
    let error = decode_json(counts.as_bytes(), &limits_of(30_000)).unwrap_err();
    assert!(matches!(error, DecodeError::TooLarge { part: "decoded", .. }), "{error}");
}

fn limits_of(decoded_bytes_max: usize) -> Limits {
    Limits { decoded_bytes_max, ..Limits::default() }
}

#[test]
fn attributes_nested_without_end_are_no_danger() {
    let mut value = json!({ "stringValue": "deep" });
    for _ in 0..40 {
        value = json!({ "arrayValue": { "values": [value] } });
    }
    let point = json!({ "timeUnixNano": AT_NS, "asInt": 1, "attributes": [{ "key": "a", "value": value }] });
    let request = metric(&json!({ "name": "x", "gauge": { "dataPoints": [point] } }));
    assert!(shown(&request)[0].0.starts_with(r#"x{a="[[[["#));
    let bottomless = r#"{"arrayValue":{"values":["#.repeat(100_000);
    let body = format!(
        r#"{{"resourceMetrics":[{{"resource":{{"attributes":[{{"key":"a","value":{bottomless}"#
    );
    assert!(decode_json(body.as_bytes(), &Limits::default()).is_err());
}
