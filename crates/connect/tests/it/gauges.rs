//! The derived gauges against remote-write receivers that are well, slow, fussy or gone.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, StatusCode};
use axum::response::{IntoResponse, Response};
use bellwether_connect::http::{ServerLimits, serve};
use bellwether_connect::sink::gauges::{GAUGE_NAMES, Gauges, GaugesOptions};
use bellwether_connect::{Endpoint, Secret};
use bellwether_engine::{Gauge, GaugeReading};
use bellwether_series::{LabelLimits, LabelSet, STALE_NAN_BITS, Timestamp};
use bellwether_wire::remote_write::{Limits, WriteRequest, decompress};
use bytes::Bytes;
use http_body_util::BodyExt;
use parking_lot::Mutex;
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::support::{PATIENCE, Server, open_guard, until};

const HOUR_MS: u64 = 3_600_000;
const STALE: f64 = f64::from_bits(STALE_NAN_BITS);

/// How the fake receiver answers a request.
enum Answer {
    Status(u16),
    RetryAfter(String),
    /// Takes it once the gate was opened.
    Waits,
    Never,
}

/// A request as it was received.
#[derive(Clone)]
struct Received {
    path: String,
    headers: HeaderMap,
    body: Bytes,
    at: Instant,
}

/// A fake receiver; it takes everything that no answer was set for.
#[derive(Default)]
struct Fake {
    answers: Mutex<VecDeque<Answer>>,
    gate: Notify,
    received: Mutex<Vec<Received>>,
}

impl Fake {
    async fn start(answers: impl IntoIterator<Item = Answer>) -> (Arc<Self>, Server) {
        let fake = Arc::new(Self {
            answers: Mutex::new(answers.into_iter().collect()),
            ..Self::default()
        });
        let server = Server::start(fake.router(), ServerLimits::default()).await;
        (fake, server)
    }

    fn router(self: &Arc<Self>) -> Router {
        Router::new().fallback(receive).with_state(Arc::clone(self))
    }

    fn requests(&self) -> usize {
        self.received.lock().len()
    }

    fn received(&self, index: usize) -> Received {
        self.received.lock()[index].clone()
    }

    /// All samples of all requests in order, as gauge labels, time and value.
    fn samples(&self) -> Vec<(String, i64, f64)> {
        self.received.lock().iter().flat_map(|received| samples(&received.body)).collect()
    }

    /// Times and surprises of `instance`.
    fn surprises(&self, instance: &str) -> Vec<(i64, f64)> {
        let labels = surprise_of(instance);
        let own = self.samples().into_iter().filter(|(gauge, ..)| *gauge == labels);
        own.map(|(_, at_ms, value)| (at_ms, value)).collect()
    }
}

async fn receive(State(fake): State<Arc<Fake>>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let answer = fake.answers.lock().pop_front().unwrap_or(Answer::Status(204));
    let path = head.uri.path().to_owned();
    let received = Received { path, headers: head.headers, body, at: Instant::now() };
    fake.received.lock().push(received);
    match answer {
        Answer::Status(status) => {
            (StatusCode::from_u16(status).unwrap(), "as told").into_response()
        }
        Answer::RetryAfter(value) => {
            let header = [(HeaderName::from_static("retry-after"), value)];
            (StatusCode::SERVICE_UNAVAILABLE, header).into_response()
        }
        Answer::Waits => {
            fake.gate.notified().await;
            StatusCode::OK.into_response()
        }
        Answer::Never => std::future::pending().await,
    }
}

fn samples(body: &[u8]) -> Vec<(String, i64, f64)> {
    let limits = Limits::default();
    let request = WriteRequest::decode(decompress(body, &limits).unwrap(), &limits).unwrap();
    let mut samples = Vec::new();
    for series in request.series() {
        let labels = LabelSet::from_wire(series.labels, &LabelLimits::default()).unwrap();
        assert_eq!(labels.as_wire(), series.labels, "labels come sorted");
        samples.extend(
            series
                .samples
                .iter()
                .map(|sample| (labels.to_string(), sample.timestamp.as_ms(), sample.value)),
        );
    }
    samples
}

fn surprise_of(instance: &str) -> String {
    format!(r#"bellwether_surprise{{instance="{instance}",metric="load",rule="r"}}"#)
}

/// News of `instance`; without a surprise it is the end.
pub(crate) fn news(instance: &str, at_ms: i64, surprise: Option<f64>) -> Gauge {
    let labels = LabelSet::from_pairs([("__name__", "load"), ("instance", instance)]).unwrap();
    let reading = |surprise| GaugeReading { surprise, expected: 2.0, lower: 1.0, upper: 3.0 };
    Gauge {
        fingerprint: labels.fingerprint(),
        labels,
        rule: Arc::from("r"),
        at: Timestamp::from_ms(at_ms),
        reading: surprise.map(reading),
    }
}

fn reading(instance: &str, at_ms: i64) -> Gauge {
    news(instance, at_ms, Some(0.5))
}

/// Options that send at once.
fn options(servers: &[&Server]) -> GaugesOptions {
    let target = |server: &&Server| Endpoint { url: server.url("/write"), ..Endpoint::default() };
    GaugesOptions {
        targets: servers.iter().map(target).collect(),
        flush_interval_ms: 1,
        timeout_ms: 60_000,
        ..GaugesOptions::default()
    }
}

/// Equal by bits, since a stale marker is not equal to itself.
fn bits(samples: &[(i64, f64)]) -> Vec<(i64, u64)> {
    samples.iter().map(|(at_ms, value)| (*at_ms, value.to_bits())).collect()
}

#[tokio::test]
async fn a_reading_arrives_as_four_samples_in_a_request_of_remote_write_1() {
    let (fake, server) = Fake::start([]).await;
    let mut options = options(&[&server]);
    options.targets[0].basic_auth = Some(("user".to_owned(), Secret::new("pass")));
    let gauges = Gauges::start(options).unwrap();
    gauges.publish(vec![reading("a", 1_000)]);
    until("taken", || gauges.stats().targets[0].sent_samples == 4).await;
    let request = fake.received(0);
    assert_eq!(request.path, "/write");
    let header = |name: &str| request.headers[name].to_str().unwrap();
    assert_eq!(header("content-type"), "application/x-protobuf");
    assert_eq!(header("content-encoding"), "snappy");
    assert_eq!(header("x-prometheus-remote-write-version"), "0.1.0");
    assert_eq!(header("authorization"), "Basic dXNlcjpwYXNz");
    assert!(header("user-agent").starts_with("bellwether/"));
    assert!(!request.headers.contains_key("retry-attempt"));
    let sent = [0.5, 2.0, 1.0, 3.0].into_iter().zip(GAUGE_NAMES).map(|(value, name)| {
        (format!(r#"{name}{{instance="a",metric="load",rule="r"}}"#), 1_000, value)
    });
    assert_eq!(fake.samples(), sent.collect::<Vec<_>>());
    let target = &gauges.stats().targets[0];
    assert_eq!(target.url, server.url("/write"));
    assert_eq!((target.dropped_samples, target.failed_requests, target.pending_samples), (0, 0, 0));
    assert!(target.last_success_ms.is_some());
}

#[tokio::test]
async fn what_is_shown_is_sorted_legal_and_fresh() {
    let now_ms = Arc::new(Mutex::new(0));
    let clock = Arc::clone(&now_ms);
    let gauges = Gauges::start_with_clock(options(&[]), move || *clock.lock()).unwrap();
    gauges.publish(vec![reading("b", 1_000), reading("a", 1_000)]);
    let odd_twins = ["a.b", "a-b"].map(|name| {
        let labels = LabelSet::from_pairs([("__name__", "load"), (name, "z")]).unwrap();
        Gauge { fingerprint: labels.fingerprint(), labels, ..reading("", 1_000) }
    });
    gauges.publish(odd_twins.to_vec());
    let first_values = || -> Vec<String> {
        gauges.shown().iter().map(|gauge| gauge.labels[0].1.clone()).collect()
    };
    assert_eq!(gauges.shown()[0].labels[0], ("a_b".to_owned(), "z".to_owned()));
    assert_eq!(first_values(), ["z", "a", "b"], "two that look alike are shown once");
    *now_ms.lock() = 300_000;
    gauges.publish(vec![reading("b", 2_000)]);
    assert_eq!(first_values().len(), 3);
    *now_ms.lock() += 1;
    assert_eq!(first_values(), ["b"]);
    let stats = gauges.stats();
    assert_eq!((stats.series, stats.series_max, stats.refused_series_total), (4, 1_000, 0));
}

#[tokio::test]
async fn requests_go_when_they_are_full_with_every_series_in_order() {
    let (fake, server) = Fake::start([]).await;
    let patient = GaugesOptions { flush_interval_ms: HOUR_MS, ..options(&[&server]) };
    let gauges = Gauges::start(patient).unwrap();
    for (at_ms, sent_samples) in [(1_000, 2_000), (2_000, 4_000)] {
        gauges.publish((0..600).map(|instance| reading(&instance.to_string(), at_ms)).collect());
        until("it is full", || gauges.stats().targets[0].sent_samples == sent_samples).await;
    }
    assert_eq!(gauges.stats().targets[0].pending_samples, 800, "no full request, so it waits");
    gauges.shutdown(PATIENCE).await;
    let sizes: Vec<usize> =
        (0..fake.requests()).map(|index| samples(&fake.received(index).body).len()).collect();
    assert_eq!(sizes, [2_000, 2_000, 2_000, 1_200], "800 readings and 2,400 ends");
    let mut times: BTreeMap<String, Vec<i64>> = BTreeMap::new();
    for (gauge, at_ms, _) in fake.samples() {
        times.entry(gauge).or_default().push(at_ms);
    }
    assert_eq!(times.len(), 2_400);
    assert!(times.values().all(|times| times == &[1_000, 2_000, 2_001]));
}

#[tokio::test]
async fn a_request_that_fails_is_tried_again_unchanged_and_says_so() {
    let failures = [500, 429, 502].map(Answer::Status);
    let (fake, server) = Fake::start(failures).await;
    let gauges = Gauges::start(options(&[&server])).unwrap();
    gauges.publish(vec![reading("a", 1_000)]);
    until("it failed", || gauges.stats().targets[0].failed_requests > 0).await;
    gauges.publish(vec![reading("a", 2_000)]);
    until("both are taken", || gauges.stats().targets[0].sent_samples == 8).await;
    let attempt = |index| fake.received(index).headers.get("retry-attempt").cloned();
    let attempts: Vec<_> = (0..5).map(attempt).collect();
    let expected = [None, Some("1"), Some("2"), Some("3"), None];
    assert_eq!(attempts, expected.map(|attempt| attempt.map(|text| text.parse().unwrap())));
    assert!((1..4).all(|index| fake.received(index).body == fake.received(0).body));
    let target = &gauges.stats().targets[0];
    assert_eq!((target.failed_requests, target.failures_in_a_row), (3, 0));
    assert_eq!((target.dropped_samples, target.last_error.as_ref()), (0, None));
}

#[tokio::test]
async fn a_server_says_when_to_come_back_in_seconds_or_by_date() {
    let date = "Thu, 01 Jan 1970 00:00:03 GMT".to_owned();
    let (by_seconds, seconds_server) = Fake::start([Answer::RetryAfter("1".to_owned())]).await;
    let (by_date, date_server) = Fake::start([Answer::RetryAfter(date)]).await;
    let options = options(&[&seconds_server, &date_server]);
    let gauges = Gauges::start_with_clock(options, || 2_000).unwrap();
    gauges.publish(vec![reading("a", 1_000)]);
    for fake in [by_seconds, by_date] {
        until("it came back", || fake.requests() == 2).await;
        let waited = fake.received(1).at - fake.received(0).at;
        assert!(waited >= Duration::from_secs(1), "{waited:?}");
    }
}

#[tokio::test]
async fn what_a_server_refuses_is_dropped_and_counted_and_the_next_arrives() {
    for status in [400, 401, 404, 307] {
        let (fake, server) = Fake::start([Answer::Status(status)]).await;
        let gauges = Gauges::start(options(&[&server])).unwrap();
        gauges.publish(vec![reading("a", 1_000)]);
        until("refused", || gauges.stats().targets[0].dropped_samples == 4).await;
        let target = gauges.stats().targets.remove(0);
        assert_eq!((target.failed_requests, target.failures_in_a_row), (1, 1));
        assert!(target.last_error.unwrap().starts_with(&status.to_string()));
        gauges.publish(vec![reading("a", 2_000)]);
        until("taken", || gauges.stats().targets[0].sent_samples == 4).await;
        assert_eq!(fake.surprises("a"), [(1_000, 0.5), (2_000, 0.5)], "{status}: sent once each");
        assert_eq!(gauges.stats().targets[0].failures_in_a_row, 0);
    }
}

#[tokio::test]
async fn what_was_judged_while_the_server_was_down_arrives_when_it_is_up() {
    let (_, mut gone) = Fake::start([]).await;
    gone.stop.cancel();
    (&mut gone.task).await.unwrap().unwrap();
    let gauges = Gauges::start(options(&[&gone])).unwrap();
    gauges.publish(vec![reading("a", 1_000)]);
    until("it failed twice", || gauges.stats().targets[0].failures_in_a_row >= 2).await;
    gauges.publish(vec![reading("a", 2_000)]);
    assert!(gauges.stats().targets[0].last_error.is_some());
    let fake = Arc::new(Fake::default());
    let listener = TcpListener::bind(gone.address).await.unwrap();
    let stop = CancellationToken::new();
    tokio::spawn(serve(listener, fake.router(), ServerLimits::default(), open_guard(), stop));
    until("both are taken", || gauges.stats().targets[0].sent_samples == 8).await;
    assert_eq!(fake.surprises("a"), [(1_000, 0.5), (2_000, 0.5)]);
}

#[tokio::test]
async fn the_oldest_of_too_many_samples_are_dropped_and_counted() {
    let (fake, server) = Fake::start([Answer::Waits]).await;
    let options = GaugesOptions { queue_samples_max: 8, ..options(&[&server]) };
    let gauges = Gauges::start(options).unwrap();
    gauges.publish(vec![reading("a", 0)]);
    until("it hangs", || fake.requests() == 1).await;
    for at_ms in 1..=5 {
        gauges.publish(vec![reading("a", at_ms)]);
        assert!(gauges.stats().targets[0].pending_samples <= 8 + 4);
    }
    assert_eq!(gauges.stats().targets[0].dropped_samples, 12);
    fake.gate.notify_one();
    until("the rest is taken", || gauges.stats().targets[0].sent_samples == 12).await;
    assert_eq!(fake.surprises("a"), [(0, 0.5), (4, 0.5), (5, 0.5)]);
}

#[tokio::test]
async fn the_end_of_a_series_and_of_the_program_are_stale_markers() {
    let (fake, server) = Fake::start([]).await;
    let gauges = Gauges::start(options(&[&server])).unwrap();
    gauges.publish(vec![reading("a", 1_000), reading("b", 1_000)]);
    gauges.publish(vec![news("a", 9_000, None)]);
    until("a is over", || gauges.stats().targets[0].sent_samples == 12).await;
    assert_eq!(bits(&fake.surprises("a")), bits(&[(1_000, 0.5), (9_000, STALE)]));
    assert_eq!((gauges.stats().series, gauges.shown().len()), (1, 1));
    gauges.publish(vec![reading("b", 2_000)]);
    gauges.shutdown(PATIENCE).await;
    gauges.publish(vec![reading("c", 3_000)]);
    assert_eq!(bits(&fake.surprises("b")), bits(&[(1_000, 0.5), (2_000, 0.5), (2_001, STALE)]));
    assert_eq!(fake.surprises("a").len(), 2, "it ended before");
    assert!(
        fake.samples().iter().filter(|(.., value)| value.is_nan()).count() == 8,
        "all gauges end"
    );
    let stats = gauges.stats();
    assert_eq!((stats.series, stats.targets[0].pending_samples), (0, 0));
}

#[tokio::test]
async fn one_that_hangs_does_not_delay_the_other() {
    let (hanging, hanging_server) = Fake::start([Answer::Never]).await;
    let (well, well_server) = Fake::start([]).await;
    let gauges = Gauges::start(options(&[&hanging_server, &well_server])).unwrap();
    gauges.publish(vec![reading("a", 1_000)]);
    until("the first one hangs", || hanging.requests() == 1).await;
    gauges.publish(vec![reading("a", 2_000)]);
    until("the second one knows", || gauges.stats().targets[1].sent_samples == 8).await;
    assert_eq!(well.surprises("a"), [(1_000, 0.5), (2_000, 0.5)]);
    assert_eq!(gauges.stats().targets[0].pending_samples, 8);
    let stopping = gauges.shutdown(Duration::from_millis(50));
    assert!(timeout(PATIENCE, stopping).await.is_ok(), "nor the end");
    assert_eq!(hanging.requests(), 1);
}

#[tokio::test]
async fn a_request_without_an_answer_is_given_up_and_tried_again() {
    let (fake, server) = Fake::start([Answer::Never]).await;
    let hasty = GaugesOptions { timeout_ms: 20, ..options(&[&server]) };
    let gauges = Gauges::start(hasty).unwrap();
    gauges.publish(vec![reading("a", 1_000)]);
    until("taken", || gauges.stats().targets[0].sent_samples == 4).await;
    assert!(gauges.stats().targets[0].failed_requests >= 1);
    assert_eq!(fake.received(1).headers["retry-attempt"], "1");
}

#[tokio::test]
async fn the_end_does_not_wait_for_a_server_that_is_gone() {
    let (_, mut gone) = Fake::start([]).await;
    gone.stop.cancel();
    (&mut gone.task).await.unwrap().unwrap();
    let gauges = Gauges::start(options(&[&gone])).unwrap();
    gauges.publish(vec![reading("a", 1_000)]);
    let stopping = gauges.shutdown(Duration::from_millis(HOUR_MS));
    assert!(timeout(PATIENCE, stopping).await.is_ok());
    let target = &gauges.stats().targets[0];
    assert_eq!((target.dropped_samples, target.pending_samples), (8, 0));
}

#[tokio::test]
async fn bad_options_are_refused_at_the_start() {
    let target = Endpoint { url: "http://u:canary@a".to_owned(), ..Endpoint::default() };
    let bad_target = GaugesOptions { targets: vec![target], ..GaugesOptions::default() };
    let error = Gauges::start(bad_target).err().unwrap();
    assert_eq!(error.to_string(), "remote-write target is invalid: index=`0`");
    assert!(!format!("{error:?}").contains("canary"));
    let no_place = GaugesOptions { series_max: 0, ..GaugesOptions::default() };
    assert!(Gauges::start(no_place).is_err());
}
