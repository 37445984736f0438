//! Both shapes of records, and what becomes of those that are none.

use bellwether_series::{LabelLimits, LabelSet};
use proptest::prelude::*;

use super::*;
use crate::remote_write::RawSample;

/// Each series by its text, with its samples as (milliseconds, value).
fn shown(request: &WriteRequest) -> Vec<(String, Vec<(i64, f64)>)> {
    let sample = |sample: &RawSample| (sample.timestamp.as_ms(), sample.value);
    let series = request.series().map(|series| {
        let labels = LabelSet::from_wire(series.labels, &LabelLimits::default()).unwrap();
        assert_eq!(labels.as_wire(), series.labels, "not canonical");
        (labels.to_string(), series.samples.iter().map(sample).collect())
    });
    series.collect()
}

fn series(body: &str) -> WriteRequest {
    decode_series(body.as_bytes(), &Limits::default()).unwrap()
}

fn telegraf(body: &str) -> WriteRequest {
    decode_telegraf(body.as_bytes(), Precision::Seconds, &Limits::default()).unwrap()
}

#[test]
fn every_way_to_write_a_sample_says_the_same() {
    let expected = [(r#"up{job="j"}"#.to_owned(), vec![(1_700_000_000_000, 1.5)])];
    for body in [
        r#"{"labels":{"job":"j","__name__":"up"},"timestamp_ms":1700000000000,"value":1.5}"#,
        r#"[{"value":"1.5","timestamp_ms":"1700000000000","name":"up","labels":{"job":"j"}}]"#,
        r#"{"metric":"up","labels":{"job":"j"},"timestamp":"2023-11-14T22:13:20Z","value":1.5}"#,
        r#"{"metric":"up","labels":{"job":"j"},"samples":[[1700000000000,1.5]]}"#,
        r#"{"name":"up","labels":{"job":"j","x":null,"y":""},"samples":[
            {"timestamp_ms":1700000000000,"value":"1.5","more":[{}]}],"more":{"a":[1]}}"#,
    ] {
        assert_eq!(shown(&series(body)), expected, "{body}");
    }
}

#[test]
fn records_of_prometheus_kafka_adapter_are_read() {
    let body = concat!(
        r#"{"timestamp":"2023-11-14T22:13:20Z","value":"9.8","name":"up","labels":{"__name__":"up","job":"j"}}"#,
        "\n",
        r#"{"timestamp":"2023-11-14T22:13:30Z","value":"+Inf","name":"up","labels":{"__name__":"up","job":"j"}}"#,
        "\n",
    );
    let samples = vec![(1_700_000_000_000, 9.8), (1_700_000_010_000, f64::INFINITY)];
    assert_eq!(shown(&series(body)), [(r#"up{job="j"}"#.to_owned(), samples)]);
}

#[test]
fn a_bad_record_is_named_and_the_rest_is_taken() {
    let good = r#"{"name":"up","timestamp_ms":1,"value":1}"#;
    let cases = [
        (
            "{\"name\":\"up\",",
            "record is not JSON: line=`2`, offset=`55`, fault=`a string is expected`",
        ),
        ("nonsense", "record is not JSON: line=`2`, offset=`41`, fault=`an object is expected`"),
        (r#"{"name":"up","value":1}"#, "record is invalid: line=`2`, fault=`timestamp is missing`"),
        (
            r#"{"name":"up","timestamp_ms":1}"#,
            "record is invalid: line=`2`, fault=`value is missing`",
        ),
        (
            r#"{"name":"up","timestamp_ms":1,"value":null}"#,
            "record is invalid: line=`2`, fault=`value is missing`",
        ),
        (
            r#"{"name":"up","timestamp_ms":1.5,"value":1}"#,
            "record is invalid: line=`2`, fault=`timestamp is not an integer`",
        ),
        (
            r#"{"labels":{"__name__":"up","a":1},"timestamp_ms":1,"value":1}"#,
            "record is invalid: line=`2`, fault=`label value is not a string`",
        ),
        (r#"{"labels":[]}"#, "record is invalid: line=`2`, fault=`labels are not an object`"),
        (r#"{"name":1,"samples":[]}"#, "record is invalid: line=`2`, fault=`name is not a string`"),
        (r#"{"samples":1}"#, "record is invalid: line=`2`, fault=`samples are not an array`"),
        (
            r#"{"name":"up","samples":[[1,2,3]]}"#,
            "sample is invalid: line=`2`, sample=`1`, fault=`sample is not a pair`",
        ),
        (
            r#"{"name":"up","samples":[7]}"#,
            "sample is invalid: line=`2`, sample=`1`, fault=`sample is neither an object nor a pair`",
        ),
    ];
    for (bad, message) in cases {
        let request = series(&format!("{good}\n{bad}\n{good}\n"));
        assert_eq!(request.sample_count(), 2, "{bad}");
        assert_eq!(request.invalid_points().messages(), [message], "{bad}");
    }
    let request = series(r#"[{"name":"up","samples":[[1,2],[2],[3,4]]},{}]"#);
    assert_eq!(request.sample_count(), 2);
    let messages = [
        "sample is invalid: element=`1`, sample=`2`, fault=`value is missing`",
        "record is invalid: element=`2`, fault=`timestamp is missing`",
    ];
    assert_eq!(request.invalid_points().messages(), messages);
}

#[test]
fn an_array_that_is_not_json_is_refused_as_a_whole() {
    let good = r#"{"name":"up","timestamp_ms":1,"value":1}"#;
    for (body, fault) in [
        (format!("[{good}"), "text ends within an object or array"),
        (format!("[{good}] {good}"), "text is behind the array"),
        (format!("[{good},1]"), "an object is expected"),
    ] {
        let error = decode_series(body.as_bytes(), &Limits::default()).unwrap_err();
        assert!(
            matches!(error, DecodeError::NotJson { fault: found, .. } if found == fault),
            "{error}"
        );
    }
}

#[test]
fn nothing_is_an_empty_request() {
    for body in ["", " \n\n", "[]"] {
        let request = series(body);
        assert_eq!((request.sample_count(), request.invalid_points().count()), (0, 0));
    }
}

#[test]
fn metrics_of_telegraf_are_a_series_for_each_field_that_is_a_number() {
    let metric = r#"{"fields":{"n_images":660,"used":1.5,"on":true,"off":false,"os":"linux","value":7},
        "name":"docker","tags":{"host":"raynor","empty":""},"timestamp":1458229140}"#;
    let at = 1_458_229_140_000;
    let named = |name: &str, value| (format!("{name}{{host=\"raynor\"}}"), vec![(at, value)]);
    let expected = [
        named("docker_n_images", 660.0),
        named("docker_used", 1.5),
        named("docker_on", 1.0),
        named("docker_off", 0.0),
        named("docker", 7.0),
    ];
    assert_eq!(shown(&telegraf(metric)), expected);
    assert_eq!(shown(&telegraf(&format!("{{\"metrics\":[{metric}]}}"))), expected);
    assert_eq!(shown(&telegraf(&format!("[{metric}]"))), expected);
    let twice = telegraf(&format!("{metric}\n{metric}"));
    assert_eq!((twice.series_count(), twice.sample_count()), (10, 10));
}

#[test]
fn a_bad_metric_of_telegraf_is_named_and_the_rest_is_taken() {
    let good = r#"{"fields":{"a":1},"name":"m","timestamp":1}"#;
    for (bad, fault) in [
        (r#"{"fields":{"a":1},"name":"m"}"#, "timestamp is missing"),
        (r#"{"fields":{"a":1},"timestamp":1}"#, "name is missing"),
        (
            r#"{"fields":{"a":1},"name":"m","timestamp":9223372036854775807}"#,
            "timestamp is out of range",
        ),
        (r#"{"fields":[],"name":"m","timestamp":1}"#, "fields are not an object"),
        (r#"{"fields":{},"tags":1,"name":"m","timestamp":1}"#, "tags are not an object"),
        (r#"{"fields":{},"tags":{"a":1},"name":"m","timestamp":1}"#, "tag is not a string"),
        (r#"{"fields":{},"name":null,"timestamp":1}"#, "name is not a string"),
    ] {
        let request = telegraf(&format!("{{\"metrics\":[{good},{bad},{good}]}}"));
        let message = format!("metric is invalid: element=`2`, fault=`{fault}`");
        assert_eq!(request.invalid_points().messages(), [message], "{bad}");
        assert_eq!(request.sample_count(), 2, "{bad}");
    }
}

#[test]
fn what_labels_and_samples_cost_is_counted() {
    let record = r#"{"labels":{"__name__":"up","a":"1"},"samples":[[1,2],[2,3]]}"#;
    let at_most = |objects_max| {
        let limits = Limits { objects_max, ..Limits::default() };
        decode_series(record.as_bytes(), &limits).map(|request| request.sample_count())
    };
    assert_eq!(at_most(5), Ok(2));
    assert_eq!(at_most(4).unwrap_err().reason(), "too_many_objects");
}

proptest! {
    #[test]
    fn what_is_written_is_read_to_the_same_samples(
        labels in proptest::collection::btree_map("[a-z_]{1,8}|.{1,4}", ".{1,9}", 1..5),
        samples in proptest::collection::vec((any::<i64>(), any::<f64>()), 1..5),
        as_array: bool,
    ) {
        let number = |value: f64| {
            if value.is_finite() { serde_json::Value::from(value) } else { value.to_string().into() }
        };
        let mut labels: std::collections::BTreeMap<_, _> = labels.into_iter().collect();
        labels.insert("__name__".to_owned(), "m".to_owned());
        let pairs: Vec<_> = samples.iter().map(|&(ms, value)| serde_json::json!([ms, number(value)])).collect();
        let record = serde_json::json!({ "samples": pairs, "labels": labels });
        let body = if as_array { format!("[{record}]") } else { record.to_string() };
        let request = series(&body);
        let all: Vec<_> = request.series().collect();
        let expected = LabelSet::from_pairs(labels.iter().map(|(a, b)| (a.as_str(), b.as_str()))).unwrap();
        prop_assert_eq!(all[0].labels, expected.as_wire());
        let same = |read: &RawSample, &(ms, value): &(i64, f64)| {
            let is_same = read.value.to_bits() == value.to_bits();
            read.timestamp.as_ms() == ms && (is_same || read.value.is_nan() && value.is_nan())
        };
        prop_assert!(all[0].samples.iter().zip(&samples).all(|(read, sent)| same(read, sent)));
        prop_assert_eq!(all[0].samples.len(), samples.len());
    }

    #[test]
    fn no_bytes_panic(body in proptest::collection::vec(any::<u8>(), 0..200), precision in 0..4_usize) {
        _ = decode_series(&body, &Limits::default());
        _ = decode_telegraf(&body, Precision::ALL[precision], &Limits::default());
    }

    #[test]
    fn a_changed_byte_never_panics(place: prop::sample::Index, byte: u8) {
        let mut body = br#"[{"labels":{"__name__":"up","a":"1"},"samples":[[1,"2"]],"timestamp":"2023-11-14T22:13:20Z","value":1}]"#.to_vec();
        let place = place.index(body.len());
        body[place] = byte;
        _ = decode_series(&body, &Limits::default());
        _ = decode_telegraf(&body, Precision::Seconds, &Limits::default());
    }
}
