//! OpenTelemetry's exporters at the receiver: which request gets which answer.

use std::io::Write;
use std::sync::atomic::Ordering;

use bellwether_engine::RejectReason;
use bellwether_runtime::Request;
use bellwether_series::{LabelLimits, LabelSet};
use bellwether_wire::remote_write::Limits;
use bellwether_wire::{Compression, Format, Message};
use flate2::write::GzEncoder;
use reqwest::{Method, Response};
use serde_json::{Value, json};

use crate::remote_write::{Behaviour, Fixture, header};

const PROTOBUF: &str = "application/x-protobuf";
const JSON: &str = "application/json";

/// A gauge called `up` of a resource without attributes, 1 at 2023-11-14T22:13:20Z.
const UP: &[u8] =
    b"\x0a\x20\x12\x1e\x12\x1c\x0a\x02up\x2a\x16\x0a\x14\x19\0\0\x10\x63\x8e\x5c\x97\x17\
    \x21\0\0\0\0\0\0\xf0\x3f\x40\0";

/// As many points of a gauge called `up`.
fn up(points: usize) -> Value {
    let point = json!({ "timeUnixNano": "1700000000000000000", "asInt": "1" });
    let metric = json!({ "name": "up", "gauge": { "dataPoints": vec![point; points] } });
    json!({ "resourceMetrics": [{ "scopeMetrics": [{ "metrics": [metric] }] }] })
}

fn gzip(body: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(body).unwrap();
    encoder.finish().unwrap()
}

async fn post(fixture: &Fixture, content_type: &str, body: Vec<u8>) -> Response {
    fixture.post_otlp(body).header("content-type", content_type).send().await.unwrap()
}

fn series(request: &Request) -> Vec<String> {
    let text = |labels| LabelSet::from_wire(labels, &LabelLimits::default()).unwrap().to_string();
    request.write.series().map(|series| text(series.labels)).collect()
}

#[tokio::test]
async fn a_request_is_taken_in_protobuf_and_in_json_compressed_or_not() {
    let fixture = Fixture::start(Behaviour::Accept, Limits::default()).await;
    let json_body = up(1).to_string().into_bytes();
    for (content_type, body, message) in
        [(PROTOBUF, UP.to_vec(), Message::Otlp), (JSON, json_body, Message::OtlpJson)]
    {
        let compressed = gzip(&body);
        for (compression, sent) in [(Compression::None, body), (Compression::Gzip, compressed)] {
            let mut request = fixture.post_otlp(sent.clone()).header("content-type", content_type);
            if compression == Compression::Gzip {
                request = request.header("content-encoding", "gzip");
            }
            let answer = request.send().await.unwrap();
            assert_eq!(answer.status(), 200, "{content_type} {compression:?}");
            assert_eq!(header(&answer, "content-type"), Some(content_type));
            let expected = if content_type == JSON { "{}" } else { "" };
            assert_eq!(answer.text().await.unwrap(), expected);
            let taken = fixture.ingest.requests.lock().pop().unwrap();
            assert_eq!(series(&taken), ["up"]);
            let received = taken.received.unwrap();
            assert_eq!(received.format, Format::new(message, compression));
            assert_eq!(received.body, sent, "the journal keeps what came");
        }
    }
    assert_eq!(fixture.requests_of("otlp"), [(200, 4)]);
    assert_eq!(fixture.requests_of("remote_write"), []);
}

#[tokio::test]
async fn a_request_without_points_is_taken() {
    let fixture = Fixture::start(Behaviour::Accept, Limits::default()).await;
    for (content_type, body) in [(PROTOBUF, Vec::new()), (JSON, b"{}".to_vec())] {
        assert_eq!(post(&fixture, content_type, body).await.status(), 200);
    }
}

#[tokio::test]
async fn what_the_engine_and_the_decoder_refuse_is_a_partial_success() {
    let fixture = Fixture::start(Behaviour::RejectOneOfThree, Limits::default()).await;
    let mut body = up(3);
    let points =
        &mut body["resourceMetrics"][0]["scopeMetrics"][0]["metrics"][0]["gauge"]["dataPoints"];
    points[1]["timeUnixNano"] = Value::Null;
    let answer = post(&fixture, JSON, body.to_string().into_bytes()).await;
    assert_eq!(answer.status(), 200);
    let body: Value = answer.json().await.unwrap();
    let partial = &body["partialSuccess"];
    assert_eq!(partial["rejectedDataPoints"], "2");
    let message = partial["errorMessage"].as_str().unwrap();
    let expected = "1 of 3 samples refused: invalid_labels=1; 1 points refused\n\
        data point is invalid: metric=`up`, point=`2`, fault=`time is missing`\nno\\nname";
    assert_eq!(message, expected);
    let stats = fixture.receiver.stats();
    assert_eq!(stats.points_invalid.load(Ordering::Relaxed), 1);
    let rejected = &stats.samples_rejected[RejectReason::InvalidLabels.index()];
    assert_eq!(rejected.load(Ordering::Relaxed), 1);

    let answer = post(&fixture, PROTOBUF, UP.to_vec()).await;
    assert_eq!(answer.status(), 200);
    let body = answer.bytes().await.unwrap();
    assert!(body.starts_with(b"\x0a") && body[2..].starts_with(b"\x08\x01\x12"), "{body:?}");
}

#[tokio::test]
async fn what_cannot_be_decoded_is_400_or_413_with_a_status() {
    let limits = Limits { body_bytes_max: 5_000, decoded_bytes_max: 10_000, ..Limits::default() };
    let fixture = Fixture::start(Behaviour::Accept, limits).await;
    for (content_type, encoding, body, status, fault) in [
        (JSON, "identity", b"{".to_vec(), 400, "not valid JSON"),
        (PROTOBUF, "identity", b"\x0a\x05".to_vec(), 400, "not valid protobuf"),
        (JSON, "gzip", b"{}".to_vec(), 400, "not valid gzip"),
        (JSON, "identity", vec![b' '; 5_001], 413, "too large"),
        (JSON, "gzip", gzip(&vec![b' '; 10_001]), 413, "too large"),
    ] {
        let request = fixture.post_otlp(body).header("content-encoding", encoding);
        let answer = request.header("content-type", content_type).send().await.unwrap();
        assert_eq!(answer.status(), status, "{fault}");
        assert_eq!(header(&answer, "content-type"), Some(content_type));
        let text = answer.text().await.unwrap();
        assert!(text.contains(fault), "{text}");
        if content_type == JSON {
            let body: Value = serde_json::from_str(&text).unwrap();
            assert!(body["message"].as_str().unwrap().starts_with("request refused: "), "{text}");
        }
    }
    assert!(fixture.ingest.requests.lock().is_empty());
    let expected = [("too_large", 2), ("gzip", 1), ("protobuf", 1), ("json", 1)];
    assert_eq!(fixture.undecodable(), expected);
    assert_eq!(fixture.requests_of("otlp"), [(400, 3), (413, 2)]);
}

#[tokio::test]
async fn other_content_types_encodings_and_methods_are_refused() {
    let fixture = Fixture::start(Behaviour::Accept, Limits::default()).await;
    for (content_type, encoding) in [
        ("text/plain", "identity"),
        ("application/grpc", "identity"),
        (JSON, "zstd"),
        (PROTOBUF, "snappy"),
    ] {
        let request = fixture.post_otlp(vec![0xFF; 10]).header("content-type", content_type);
        let answer = request.header("content-encoding", encoding).send().await.unwrap();
        assert_eq!(answer.status(), 415, "{content_type} {encoding}");
        assert!(answer.text().await.unwrap().contains("expected content"));
    }
    let request = fixture.post_otlp("").build().unwrap();
    let get = reqwest::Client::new().request(Method::GET, request.url().clone());
    let answer = get.send().await.unwrap();
    assert_eq!((answer.status().as_u16(), header(&answer, "allow")), (405, Some("POST")));
}

#[tokio::test]
async fn a_full_queue_is_503_with_a_pause() {
    for behaviour in [Behaviour::Full, Behaviour::FullSoon] {
        let fixture = Fixture::start(behaviour, Limits::default()).await;
        let answer = post(&fixture, JSON, up(1).to_string().into_bytes()).await;
        assert_eq!(answer.status(), 503);
        let pause: u64 = header(&answer, "retry-after").unwrap().parse().unwrap();
        assert!((6..=9).contains(&pause), "{pause}");
        let body: Value = answer.json().await.unwrap();
        assert_eq!(body["message"], "queue is full");
        assert_eq!(fixture.requests_of("otlp"), [(503, 1)]);
    }
}
