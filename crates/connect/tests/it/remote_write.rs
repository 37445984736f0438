//! The remote-write receiver: which request gets which answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bellwether_connect::http::{Guard, ServerLimits};
use bellwether_connect::source::otlp;
use bellwether_connect::source::receiver::{
    DECODE_REASONS, PROTOCOLS, Receiver, ReceiverOptions, STATUSES, UNAVAILABLE_REASONS,
};
use bellwether_connect::source::remote_write::{PATHS, router};
use bellwether_engine::{Outcome, RejectReason};
use bellwether_runtime::{Ingest, Reply, Request, SubmitError};
use bellwether_series::{LabelSet, Timestamp};
use bellwether_wire::remote_write::{Limits, RawSample, WriteRequestBuilder, compress};
use parking_lot::Mutex;
use reqwest::{Method, RequestBuilder, Response};

use crate::support::{Server, client, open_guard, until};

const REFUSAL_DELAY: Duration = Duration::from_millis(20);
const NOW: Timestamp = Timestamp::from_ms(1_700_000_000_000);

/// What the fake engine does with a request.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Behaviour {
    Accept,
    RejectOneOfThree,
    Full,
    /// Full by the time that a request was read.
    FullSoon,
    ForgetReply,
    /// Takes every request and does not answer yet.
    KeepReply,
}

pub(crate) struct FakeIngest {
    behaviour: Behaviour,
    pub(crate) requests: Mutex<Vec<Request>>,
    pub(crate) replies: Mutex<Vec<Reply>>,
}

impl Ingest for FakeIngest {
    fn check(&self) -> Result<(), SubmitError> {
        if self.behaviour == Behaviour::Full { Err(SubmitError::Full) } else { Ok(()) }
    }

    fn submit(&self, request: Request, reply: Reply) -> Result<(), SubmitError> {
        let accepted_samples = request.write.sample_count() as u64;
        let mut outcome = Outcome { accepted_samples, ..Outcome::default() };
        match self.behaviour {
            Behaviour::Accept => reply(Ok(outcome)),
            Behaviour::RejectOneOfThree => {
                outcome.accepted_samples = 2;
                outcome.reject(RejectReason::InvalidLabels, 1, || "no\nname".to_owned());
                reply(Ok(outcome));
            }
            Behaviour::Full | Behaviour::FullSoon => return Err(SubmitError::Full),
            Behaviour::ForgetReply => drop(reply),
            Behaviour::KeepReply => self.replies.lock().push(reply),
        }
        self.requests.lock().push(request);
        Ok(())
    }
}

/// A receiver behind a server.
pub(crate) struct Fixture {
    server: Server,
    pub(crate) receiver: Arc<Receiver>,
    pub(crate) ingest: Arc<FakeIngest>,
    client: reqwest::Client,
}

impl Fixture {
    pub(crate) async fn start(behaviour: Behaviour, limits: Limits) -> Self {
        Self::guarded(behaviour, limits, open_guard()).await
    }

    pub(crate) async fn guarded(behaviour: Behaviour, limits: Limits, guard: Arc<Guard>) -> Self {
        let (requests, replies) = (Mutex::default(), Mutex::default());
        let ingest = Arc::new(FakeIngest { behaviour, requests, replies });
        let options = ReceiverOptions {
            limits,
            decodes_max: 4,
            bodies_bytes_max: None,
            refusal_delay: REFUSAL_DELAY,
        };
        let receiver = Arc::new(Receiver::new(Arc::clone(&ingest) as _, options, || NOW));
        let app = router(Arc::clone(&receiver)).merge(otlp::router(Arc::clone(&receiver)));
        let server = Server::guarded(app, ServerLimits::default(), guard).await;
        Self { server, receiver, ingest, client: client() }
    }

    pub(crate) fn post(&self, body: Vec<u8>) -> RequestBuilder {
        self.client.post(self.server.url(PATHS[0])).body(body)
    }

    async fn status(&self, body: Vec<u8>) -> u16 {
        self.post(body).send().await.unwrap().status().as_u16()
    }

    pub(crate) fn post_otlp(&self, body: impl Into<reqwest::Body>) -> RequestBuilder {
        self.client.post(self.server.url(otlp::PATH)).body(body)
    }

    /// Of remote write.
    pub(crate) fn requests_by_status(&self) -> Vec<(u16, u64)> {
        self.requests_of("remote_write")
    }

    pub(crate) fn requests_of(&self, protocol: &str) -> Vec<(u16, u64)> {
        let index = PROTOCOLS.iter().position(|&known| known == protocol).unwrap();
        nonzero(&STATUSES, &self.receiver.stats().requests[index])
    }

    pub(crate) fn unavailable(&self) -> Vec<(&'static str, u64)> {
        nonzero(&UNAVAILABLE_REASONS, &self.receiver.stats().unavailable)
    }

    pub(crate) fn undecodable(&self) -> Vec<(&'static str, u64)> {
        nonzero(&DECODE_REASONS, &self.receiver.stats().undecodable)
    }
}

fn nonzero<T: Copy>(names: &[T], counters: &[AtomicU64]) -> Vec<(T, u64)> {
    let counts = counters.iter().map(|counter| counter.load(Ordering::Relaxed));
    names.iter().copied().zip(counts).filter(|&(_, count)| count > 0).collect()
}

fn load(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}

/// The protobuf of a request with `series` series of one sample each.
fn protobuf(series: usize) -> Vec<u8> {
    let mut builder = WriteRequestBuilder::default();
    for index in 0..series as u64 {
        // Does not compress well.
        let index = format!("{:016x}", index.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let labels = LabelSet::from_pairs([("__name__", "up"), ("i", index.as_str())]).unwrap();
        builder.series(&labels, &[RawSample { timestamp: NOW, value: 1.0 }]);
    }
    builder.encode()
}

pub(crate) fn body(series: usize) -> Vec<u8> {
    compress(&protobuf(series))
}

/// A header of the answer.
pub(crate) fn header<'a>(answer: &'a Response, name: &str) -> Option<&'a str> {
    answer.headers().get(name).map(|value| value.to_str().unwrap())
}

#[tokio::test]
async fn a_good_request_is_taken_on_both_paths() {
    let fixture = Fixture::start(Behaviour::Accept, Limits::default()).await;
    for path in PATHS {
        let request = fixture.client.post(fixture.server.url(path)).body(body(3));
        let answer = request
            .header("content-type", "application/x-protobuf")
            .header("content-encoding", "snappy")
            .header("x-prometheus-remote-write-version", "0.1.0")
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), 204);
        let written = answer.headers().keys().any(|name| name.as_str().contains("written"));
        assert!(!written, "a 1.0 answer has no such header");
        assert_eq!(answer.bytes().await.unwrap().len(), 0);
    }
    let received = fixture.ingest.requests.lock();
    assert_eq!(received.len(), 2);
    assert_eq!((received[0].write.sample_count(), received[0].received_at), (3, NOW));
    let stats = fixture.receiver.stats();
    assert_eq!((load(&stats.samples_received), load(&stats.samples_accepted)), (6, 6));
    assert_eq!(load(&stats.body_bytes), 2 * body(3).len() as u64);
    assert_eq!(fixture.requests_by_status(), [(204, 2)]);
}

#[tokio::test]
async fn headers_may_be_absent_and_a_request_without_series_is_taken() {
    let fixture = Fixture::start(Behaviour::Accept, Limits::default()).await;
    assert_eq!(fixture.status(body(1)).await, 204);
    assert_eq!(fixture.status(compress(&[])).await, 204);
}

#[tokio::test]
async fn a_large_body_is_decoded_as_well_as_a_small_one() {
    let fixture = Fixture::start(Behaviour::Accept, Limits::default()).await;
    let large = body(40_000);
    assert!(large.len() > 256 * 1024, "{}", large.len());
    assert_eq!(fixture.status(large).await, 204);
    assert_eq!(fixture.ingest.requests.lock()[0].write.sample_count(), 40_000);
}

#[tokio::test]
async fn only_post_is_allowed() {
    let fixture = Fixture::start(Behaviour::Accept, Limits::default()).await;
    for method in [Method::GET, Method::PUT, Method::DELETE] {
        let request = fixture.client.request(method, fixture.server.url(PATHS[0]));
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), 405);
        assert_eq!(header(&answer, "allow"), Some("POST"));
    }
    assert_eq!(fixture.requests_by_status(), [(405, 3)]);
}

#[tokio::test]
async fn other_content_types_and_encodings_are_415_even_with_a_corrupt_body() {
    let fixture = Fixture::start(Behaviour::Accept, Limits::default()).await;
    for (name, value) in [
        ("content-type", "application/json"),
        ("content-type", "image/png"),
        ("content-type", "application/x-protobuf;proto=io.prometheus.write.v3.Request"),
        ("content-encoding", "gzip"),
        ("content-encoding", "deflate"),
        ("content-encoding", "zstd"),
        ("content-encoding", "identity"),
    ] {
        let answer = fixture.post(vec![0xff; 100_000]).header(name, value).send().await.unwrap();
        assert_eq!(answer.status(), 415, "{value}");
        assert_eq!(header(&answer, "content-type"), Some("text/plain; charset=utf-8"));
    }
    assert_eq!(fixture.requests_by_status(), [(415, 7)]);
    assert_eq!(fixture.undecodable(), []);
}

#[tokio::test]
async fn what_cannot_be_decoded_is_400_and_counted_by_reason() {
    let limits = Limits {
        body_bytes_max: 10_000,
        decoded_bytes_max: 100_000,
        series_max: 2,
        ..Limits::default()
    };
    let fixture = Fixture::start(Behaviour::Accept, limits).await;
    let mut corrupt = body(1);
    corrupt[0] = 0xff; // a length that runs on into the data
    let huge_claim = vec![0xff, 0xff, 0xff, 0xff, 0x07, 0x00];
    let bomb = compress(&vec![0; 100_001]);
    let impossible = vec![0x80, 0x80, 0x04, 0x00];
    for bad in [
        corrupt,
        Vec::new(),
        impossible,
        huge_claim,
        bomb,
        vec![7; 10_001],
        compress(&[0x0a, 0x7f, 0x00]),
        body(3),
    ] {
        assert_eq!(fixture.status(bad).await, 400);
    }
    let expected = [("too_large", 3), ("snappy", 3), ("protobuf", 1), ("too_many_objects", 1)];
    assert_eq!(fixture.undecodable(), expected);
    assert_eq!(fixture.requests_by_status(), [(400, 8)]);
    assert!(fixture.ingest.requests.lock().is_empty());
}

#[tokio::test]
async fn a_body_over_the_limit_is_answered_and_not_reset() {
    let limits = Limits { body_bytes_max: 1 << 20, ..Limits::default() };
    let fixture = Fixture::start(Behaviour::Accept, limits).await;
    let answer = fixture.post(vec![7; (2 << 20) - 1]).send().await.unwrap();
    assert_eq!(answer.status(), 400);
    assert!(answer.text().await.unwrap().contains("too large"));
}

#[tokio::test]
async fn a_full_queue_is_503_with_a_pause_that_grows_with_the_attempts() {
    let fixture = Fixture::start(Behaviour::Full, Limits::default()).await;
    for (attempt, seconds) in [("", 6..=9), ("1", 6..=9), ("3", 24..=36), ("99", 96..=144)] {
        let request = fixture.post(body(1)).header("retry-attempt", attempt);
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), 503);
        let pause: u64 = header(&answer, "retry-after").unwrap().parse().unwrap();
        assert!(seconds.contains(&pause), "attempt {attempt}: {pause}");
    }
    assert_eq!(fixture.requests_by_status(), [(503, 4)]);
    assert_eq!(fixture.unavailable(), [("queue", 4)]);
    assert_eq!(load(&fixture.receiver.stats().samples_accepted), 0);
}

#[tokio::test]
async fn while_the_queue_is_full_no_body_is_decoded_and_the_answer_takes_its_time() {
    for (behaviour, decoded_samples) in [(Behaviour::Full, 0), (Behaviour::FullSoon, 1)] {
        let fixture = Fixture::start(behaviour, Limits::default()).await;
        let sent = Instant::now();
        let answer = fixture.post(body(1)).send().await.unwrap();
        assert_eq!(answer.status(), 503);
        assert!(sent.elapsed() >= REFUSAL_DELAY, "{:?}", sent.elapsed());
        assert!(header(&answer, "retry-after").is_some());
        assert_eq!(load(&fixture.receiver.stats().samples_received), decoded_samples);
    }
}

#[tokio::test]
async fn a_reply_that_never_comes_is_503() {
    let fixture = Fixture::start(Behaviour::ForgetReply, Limits::default()).await;
    let answer = fixture.post(body(1)).send().await.unwrap();
    assert_eq!(answer.status(), 503);
    assert_eq!(fixture.unavailable(), [("stopping", 1)]);
    assert!(header(&answer, "retry-after").is_some());
}

#[tokio::test]
async fn requests_that_wait_for_the_engine_count_against_the_memory_for_bodies() {
    // The budget is 4 requests of the largest size, as they came and their text: these are that large, and hold samples besides.
    let (body_bytes_max, decoded_bytes_max) = (body(50).len(), protobuf(50).len());
    let limits = Limits { body_bytes_max, decoded_bytes_max, ..Limits::default() };
    let fixture = Fixture::start(Behaviour::KeepReply, limits).await;
    let send = |body| tokio::spawn(fixture.post(body).send());
    let queued = || fixture.ingest.requests.lock().len();
    let mut waiting = Vec::new();
    while fixture.unavailable().is_empty() {
        waiting.push(send(body(50)));
        let is_answered = || queued() == waiting.len() || !fixture.unavailable().is_empty();
        until("it is in the queue, or refused", is_answered).await;
    }

    let answer = waiting.pop().unwrap().await.unwrap().unwrap();
    assert_eq!(answer.status(), 503);
    assert!(header(&answer, "retry-after").is_some());
    assert!((2..4).contains(&waiting.len()), "{} were taken", waiting.len());
    assert_eq!(queued(), waiting.len());
    assert_eq!(fixture.unavailable(), [("memory", 1)]);

    let replies = std::mem::take(&mut *fixture.ingest.replies.lock());
    for reply in replies {
        reply(Ok(Outcome::default()));
    }
    let taken = waiting.len();
    for answer in waiting {
        assert_eq!(answer.await.unwrap().unwrap().status(), 204);
    }
    let next = send(body(50));
    until("it is taken again", || queued() == taken + 1).await;
    next.abort();
}

#[tokio::test]
async fn a_partial_write_is_400_and_says_what_was_refused() {
    let fixture = Fixture::start(Behaviour::RejectOneOfThree, Limits::default()).await;
    let answer = fixture.post(body(3)).send().await.unwrap();
    assert_eq!(answer.status(), 400);
    let text = answer.text().await.unwrap();
    assert_eq!(text, "1 of 3 samples refused: invalid_labels=1\nno\\nname\n");
    let stats = fixture.receiver.stats();
    assert_eq!(load(&stats.samples_accepted), 2);
    assert_eq!(load(&stats.samples_rejected[RejectReason::InvalidLabels.index()]), 1);
}

#[tokio::test]
async fn a_histogram_that_contradicts_itself_is_400_with_the_samples_taken() {
    let fixture = Fixture::start(Behaviour::Accept, Limits::default()).await;
    let mut request = protobuf(2);
    // A series of no labels with one histogram: count_int 99, sum 1, schema 0, no buckets.
    let histogram = [0x08, 99, 0x19, 0, 0, 0, 0, 0, 0, 0xf0, 0x3f, 0x20, 0];
    request.extend([0x0a, histogram.len() as u8 + 2, 0x22, histogram.len() as u8]);
    request.extend(histogram);
    let answer = fixture.post(compress(&request)).send().await.unwrap();
    assert_eq!(answer.status(), 400);
    assert!(answer.text().await.unwrap().starts_with("1 histograms refused"));
    let stats = fixture.receiver.stats();
    assert_eq!((load(&stats.histograms_invalid), load(&stats.samples_accepted)), (1, 2));
}

/// `up{job="j"} 1` as a request of 2.0, with `more` in its series and another series that has no name.
fn body_2(more: &[u8], with_bad: bool) -> Vec<u8> {
    let mut body = b"\x22\x00\x22\x08__name__\x22\x02up\x22\x03job\x22\x01j".to_vec();
    let mut series =
        b"\x0a\x04\x01\x02\x03\x04\x12\x10\x09\0\0\0\0\0\0\xf0\x3f\x10\x80\xd0\x95\xff\xbc\x31"
            .to_vec();
    series.extend(more);
    body.extend([0x2A, series.len() as u8]);
    body.extend(series);
    if with_bad {
        body.extend(b"\x2a\x08\x0a\x02\x03\x04\x12\x02\x10\x07");
    }
    compress(&body)
}

/// The counts of what was written, as the headers of an answer say them.
fn written(answer: &Response) -> [Option<u64>; 3] {
    ["samples", "histograms", "exemplars"].map(|what| {
        let name = format!("x-prometheus-remote-write-{what}-written");
        header(answer, &name).map(|count| count.parse().unwrap())
    })
}

#[tokio::test]
async fn answers_to_2_0_say_how_much_was_written() {
    let fixture = Fixture::start(Behaviour::Accept, Limits::default()).await;
    let post = |body: Vec<u8>| {
        let content_type = "application/x-protobuf;proto=io.prometheus.write.v2.Request";
        let request = fixture.post(body).header("content-type", content_type);
        request.header("content-encoding", "snappy").send()
    };
    // An empty histogram and an exemplar without labels.
    let answer = post(body_2(b"\x1a\x00\x22\x00", false)).await.unwrap();
    assert_eq!((answer.status().as_u16(), written(&answer)), (204, [Some(1), Some(1), Some(1)]));
    let answer = post(body_2(b"", true)).await.unwrap();
    assert_eq!((answer.status().as_u16(), written(&answer)), (400, [Some(1), Some(0), Some(0)]));
    let text = answer.text().await.unwrap();
    assert!(text.starts_with("1 points refused\nseries is invalid: "), "{text}");
    let answer = post(vec![0x30]).await.unwrap();
    assert_eq!((answer.status().as_u16(), written(&answer)), (400, [Some(0); 3]));
    assert_eq!(fixture.ingest.requests.lock().len(), 2);
    let answer = fixture.post(body(1)).send().await.unwrap();
    assert_eq!((answer.status().as_u16(), written(&answer)), (204, [None; 3]));

    // Under the content type of the other version it would say nothing.
    for answer in [fixture.post(body_2(b"", false)).send().await, post(body(1)).await] {
        let answer = answer.unwrap();
        assert_eq!(answer.status(), 400);
        let text = answer.text().await.unwrap();
        assert!(text.contains("body is of remote write "), "{text}");
    }
    assert_eq!(fixture.ingest.requests.lock().len(), 3);

    let full = Fixture::start(Behaviour::Full, Limits::default()).await;
    let content_type = "application/x-protobuf;proto=io.prometheus.write.v2.Request";
    let request = full.post(body_2(b"", false)).header("content-type", content_type);
    let answer = request.send().await.unwrap();
    assert_eq!((answer.status().as_u16(), written(&answer)), (503, [Some(0); 3]));
}
