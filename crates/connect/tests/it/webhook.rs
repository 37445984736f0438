//! The webhook sink against receivers that are well, slow, fussy or gone.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Request, State};
use axum::http::header::{LOCATION, RETRY_AFTER};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use bellwether_connect::http::ServerLimits;
use bellwether_connect::sink::webhook::{Webhook, WebhookError, WebhookOptions};
use bellwether_connect::{Authorization, Endpoint, Secret};
use bellwether_detect::Severity;
use bellwether_engine::{ChangeKind, Event};
use bellwether_runtime::EventSink;
use hmac::{Hmac, Mac};
use http_body_util::BodyExt;
use parking_lot::Mutex;
use sha2::Sha256;
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::Notify;
use tokio::time::timeout;

use crate::support::{PATIENCE, Server, event, until};

const HOUR_MS: u64 = 3_600_000;
/// A first pause so long that a test would not see its end.
const FOREVER: Duration = Duration::from_hours(1);
/// A first pause so short that a test does not notice it.
const SHORT: Duration = Duration::from_millis(1);

/// What a receiver does with a request.
#[derive(Debug, Clone, Copy)]
enum Mood {
    Well,
    Says(u16),
    /// 503, come again after this many seconds.
    Busy(u32),
    Redirects,
    /// Answers once the test says so.
    Waits,
    Hangs,
}

/// A request as it arrived.
#[derive(Debug, Clone)]
struct Received {
    path: String,
    headers: HeaderMap,
    body: Bytes,
}

impl Received {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    fn id(&self) -> &str {
        self.header("idempotency-key")
    }

    fn timestamp_s(&self) -> i64 {
        self.header("x-bellwether-timestamp").parse().unwrap()
    }

    fn is_signed_with(&self, secret: &str) -> bool {
        let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
        mac.update(self.header("x-bellwether-timestamp").as_bytes());
        mac.update(b".");
        mac.update(&self.body);
        self.header("x-bellwether-signature") == format!("v1={:x}", mac.finalize().into_bytes())
    }
}

/// A receiver of webhooks.
struct Receiver {
    /// Moods of the requests to come; well afterwards.
    moods: Mutex<VecDeque<Mood>>,
    received: Mutex<Vec<Received>>,
    go_on: Notify,
}

impl Receiver {
    fn app(moods: impl IntoIterator<Item = Mood>) -> (Arc<Self>, Router) {
        let receiver = Arc::new(Self {
            moods: Mutex::new(moods.into_iter().collect()),
            received: Mutex::default(),
            go_on: Notify::new(),
        });
        let app = Router::new().fallback(receive).with_state(Arc::clone(&receiver));
        (receiver, app)
    }

    async fn start(moods: impl IntoIterator<Item = Mood>) -> (Arc<Self>, Server) {
        let (receiver, app) = Self::app(moods);
        (receiver, Server::start(app, ServerLimits::default()).await)
    }

    fn requests(&self) -> usize {
        self.received.lock().len()
    }

    /// The ids of all requests, in order.
    fn ids(&self) -> Vec<String> {
        self.received.lock().iter().map(|request| request.id().to_owned()).collect()
    }
}

async fn receive(State(receiver): State<Arc<Receiver>>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let mood = receiver.moods.lock().pop_front().unwrap_or(Mood::Well);
    // A nosy receiver: it repeats in its answer what it was told.
    let echo = format!("{} {:?}", head.uri, head.headers);
    let path = head.uri.to_string();
    receiver.received.lock().push(Received { path, headers: head.headers, body });
    match mood {
        Mood::Well => StatusCode::OK.into_response(),
        Mood::Says(status) => (StatusCode::from_u16(status).unwrap(), echo).into_response(),
        Mood::Busy(seconds) => {
            (StatusCode::SERVICE_UNAVAILABLE, [(RETRY_AFTER, seconds.to_string())]).into_response()
        }
        Mood::Redirects => {
            (StatusCode::TEMPORARY_REDIRECT, [(LOCATION, "/elsewhere")]).into_response()
        }
        Mood::Waits => {
            receiver.go_on.notified().await;
            StatusCode::OK.into_response()
        }
        Mood::Hangs => std::future::pending().await,
    }
}

fn options(url: String) -> WebhookOptions {
    WebhookOptions {
        name: "webhook_0".to_owned(),
        endpoint: Endpoint { url, ..Endpoint::default() },
        secret: None,
        severity: Severity::Info,
        timeout_ms: 60_000,
        give_up_after_ms: HOUR_MS,
        queue_events_max: 100,
    }
}

fn firing(instance: &str) -> Arc<Event> {
    Arc::new(event(instance, ChangeKind::Firing, Severity::Warning))
}

/// Publishes a firing event of each instance; returns their ids.
fn publish(webhook: &Webhook, instances: &[&str]) -> Vec<String> {
    let events: Vec<Arc<Event>> = instances.iter().map(|instance| firing(instance)).collect();
    for event in &events {
        webhook.publish(event);
    }
    events.iter().map(|event| event.id.clone()).collect()
}

/// Closes as the program does: on a thread for what blocks.
async fn close(webhook: Webhook, limit: Duration) -> Arc<Webhook> {
    let webhook = Arc::new(webhook);
    let closing = Arc::clone(&webhook);
    let closed = tokio::task::spawn_blocking(move || closing.close(limit));
    timeout(PATIENCE, closed).await.expect("close takes longer than its limit").unwrap();
    webhook
}

#[tokio::test]
async fn an_event_is_posted_as_its_json_with_id_kind_time_and_signature() {
    let (receiver, server) = Receiver::start([]).await;
    let webhook = Webhook::start(WebhookOptions {
        secret: Some(Secret::new("key")),
        ..options(server.url("/hook/T0?x=1"))
    })
    .unwrap();
    let before_s = jiff::Timestamp::now().as_second();
    let event = firing("a");
    webhook.publish(&event);
    until("delivered", || webhook.stats().delivered_events == 1).await;
    let request = receiver.received.lock()[0].clone();
    assert_eq!(request.body, serde_json::to_vec(&*event).unwrap());
    assert_eq!(request.path, "/hook/T0?x=1");
    assert_eq!(request.id(), event.id);
    assert_eq!(request.header("content-type"), "application/json");
    assert_eq!(request.header("x-bellwether-event"), "firing");
    assert!(request.header("user-agent").starts_with("bellwether/"));
    assert!((before_s..=before_s + 60).contains(&request.timestamp_s()));
    assert!(request.is_signed_with("key") && !request.is_signed_with("other"));
    let stats = webhook.stats();
    assert_eq!((stats.waiting_events, stats.failed_attempts, stats.dropped_events), (0, 0, 0));
    assert!(stats.last_success_ms.is_some() && stats.last_error.is_none());
    assert_eq!(webhook.name(), "webhook_0");
}

#[tokio::test]
async fn credentials_are_sent_and_without_a_secret_nothing_is_signed() {
    let (receiver, server) = Receiver::start([]).await;
    let mut options = options(server.url(""));
    options.endpoint.authorization = Some(Authorization::bearer(Secret::new("token")));
    let webhook = Webhook::start(options).unwrap();
    publish(&webhook, &["a"]);
    until("delivered", || webhook.stats().delivered_events == 1).await;
    let request = receiver.received.lock()[0].clone();
    assert_eq!(request.header("authorization"), "Bearer token");
    assert!(!request.headers.contains_key("x-bellwether-signature"));
}

#[tokio::test]
async fn what_failed_comes_again_with_the_same_id_a_new_time_and_before_the_others() {
    let (receiver, server) = Receiver::start([Mood::Busy(1)]).await;
    let secret = Some(Secret::new("key"));
    let webhook_options = WebhookOptions { secret, ..options(server.url("/")) };
    let webhook = Webhook::start_with_pause(webhook_options, SHORT).unwrap();
    let ids = publish(&webhook, &["a", "b", "c"]);
    until("all delivered", || webhook.stats().delivered_events == 3).await;
    assert_eq!(receiver.ids(), [&ids[0], &ids[0], &ids[1], &ids[2]].map(String::clone));
    let requests = receiver.received.lock();
    let (first, second) = (&requests[0], &requests[1]);
    assert_eq!(first.body, second.body);
    assert!(second.timestamp_s() > first.timestamp_s(), "Retry-After was not obeyed");
    assert_ne!(first.header("x-bellwether-signature"), second.header("x-bellwether-signature"));
    assert!(requests.iter().all(|request| request.is_signed_with("key")));
    let stats = webhook.stats();
    assert_eq!((stats.failed_attempts, stats.failures_in_a_row), (1, 0));
}

#[tokio::test]
async fn an_event_that_is_refused_is_dropped_and_the_next_one_arrives() {
    let moods = [Mood::Says(400), Mood::Redirects, Mood::Says(404)];
    let (receiver, server) = Receiver::start(moods).await;
    let webhook = Webhook::start_with_pause(options(server.url("/hook")), FOREVER).unwrap();
    let ids = publish(&webhook, &["a", "b", "c", "d"]);
    until("delivered", || webhook.stats().delivered_events == 1).await;
    assert_eq!(receiver.ids(), ids, "each was posted once");
    assert!(receiver.received.lock().iter().all(|request| request.path == "/hook"));
    let stats = webhook.stats();
    assert_eq!((stats.dropped_events, stats.failed_attempts, stats.waiting_events), (3, 3, 0));
    assert_eq!((stats.failures_in_a_row, stats.last_error), (0, None));
}

#[tokio::test]
async fn a_receiver_that_was_down_gets_everything_in_order_once_it_is_up() {
    // Bound and not listening: the port is taken, and connections are refused.
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let url = format!("http://{}/", socket.local_addr().unwrap());
    let webhook = Webhook::start_with_pause(options(url), SHORT).unwrap();
    let ids = publish(&webhook, &["a", "b"]);
    until("it fails again and again", || webhook.stats().failures_in_a_row >= 3).await;
    assert_eq!(webhook.stats().waiting_events, 2);
    let (receiver, app) = Receiver::app([]);
    let listener: TcpListener = socket.listen(64).unwrap();
    let _server = Server::on(listener, app, ServerLimits::default());
    until("all delivered", || webhook.stats().delivered_events == 2).await;
    assert_eq!(receiver.ids(), ids);
    assert_eq!(webhook.stats().dropped_events, 0);
}

#[tokio::test]
async fn a_full_queue_loses_its_oldest_event() {
    let (receiver, server) = Receiver::start([Mood::Waits]).await;
    let webhook_options = WebhookOptions { queue_events_max: 3, ..options(server.url("/")) };
    let webhook = Webhook::start(webhook_options).unwrap();
    let mut ids = publish(&webhook, &["a"]);
    until("the first one is under way", || receiver.requests() == 1).await;
    ids.extend(publish(&webhook, &["b", "c", "d", "e"]));
    let stats = webhook.stats();
    assert_eq!((stats.waiting_events, stats.queue_events_max, stats.dropped_events), (3, 3, 2));
    receiver.go_on.notify_one();
    until("the rest is delivered", || webhook.stats().delivered_events == 3).await;
    assert_eq!(receiver.ids(), [&ids[0], &ids[3], &ids[4]].map(String::clone));
}

#[tokio::test]
async fn a_receiver_that_hangs_times_out_and_delays_nobody_else() {
    let (hanging, hanging_server) = Receiver::start([Mood::Hangs, Mood::Hangs]).await;
    let (_, well_server) = Receiver::start([]).await;
    let hanging_options = WebhookOptions { timeout_ms: 100, ..options(hanging_server.url("/")) };
    let slow = Webhook::start_with_pause(hanging_options, SHORT).unwrap();
    let well = Webhook::start(options(well_server.url("/"))).unwrap();
    let ids = publish(&slow, &["a"]);
    until("it hangs", || hanging.requests() == 1).await;
    publish(&well, &["a", "b"]);
    until("the other one has it", || well.stats().delivered_events == 2).await;
    until("it is tried until it answers", || slow.stats().delivered_events == 1).await;
    // More often than twice on a machine so busy that it does not answer in time when it is well.
    assert!(slow.stats().failed_attempts >= 2);
    assert!(hanging.ids().iter().all(|id| *id == ids[0]));
}

#[tokio::test]
async fn what_is_tried_for_too_long_is_given_up() {
    let (receiver, server) = Receiver::start(std::iter::repeat_n(Mood::Says(503), 100_000)).await;
    let webhook_options = WebhookOptions { give_up_after_ms: 100, ..options(server.url("/")) };
    let webhook = Webhook::start_with_pause(webhook_options, SHORT).unwrap();
    publish(&webhook, &["a", "b"]);
    until("both are given up", || webhook.stats().dropped_events == 2).await;
    assert_eq!((webhook.stats().delivered_events, webhook.stats().waiting_events), (0, 0));
    receiver.moods.lock().clear();
    until("the next one arrives", || {
        // Again and again, since on a busy machine it may be too old before it is posted.
        publish(&webhook, &["c"]);
        webhook.stats().delivered_events > 0
    })
    .await;
}

#[tokio::test]
async fn an_episode_below_the_least_severity_is_not_posted_and_the_end_of_one_above_is() {
    use ChangeKind::{Escalated, Firing, Noticed, Resolved};
    let (receiver, server) = Receiver::start([]).await;
    let webhook_options =
        WebhookOptions { severity: Severity::Critical, ..options(server.url("/")) };
    let webhook = Webhook::start(webhook_options).unwrap();
    for (instance, change, severity) in [
        ("low", Noticed, Severity::Info),
        ("low", Firing, Severity::Warning),
        ("high", Firing, Severity::Warning),
        ("low", Resolved, Severity::Warning),
        ("high", Escalated, Severity::Critical),
        ("high", Resolved, Severity::Critical),
    ] {
        webhook.publish(&Arc::new(event(instance, change, severity)));
    }
    until("delivered", || webhook.stats().delivered_events == 2).await;
    let requests = receiver.received.lock();
    let kinds: Vec<&str> =
        requests.iter().map(|request| request.header("x-bellwether-event")).collect();
    assert_eq!(kinds, ["escalated", "resolved"]);
    assert_eq!(webhook.stats().dropped_events, 0, "what is not wanted is not lost");
}

#[tokio::test]
async fn close_tries_at_once_what_waits_for_another_attempt_and_what_is_behind_it() {
    let (receiver, server) = Receiver::start([Mood::Says(503)]).await;
    let webhook = Webhook::start_with_pause(options(server.url("/")), FOREVER).unwrap();
    let ids = publish(&webhook, &["a", "b", "c"]);
    until("it pauses", || webhook.stats().failures_in_a_row == 1).await;
    let webhook = close(webhook, PATIENCE).await;
    assert_eq!(receiver.ids(), [&ids[0], &ids[0], &ids[1], &ids[2]].map(String::clone));
    let stats = webhook.stats();
    assert_eq!((stats.delivered_events, stats.dropped_events, stats.waiting_events), (3, 0, 0));
    publish(&webhook, &["d"]);
    assert_eq!(webhook.stats().dropped_events, 1, "what comes after the end is lost");
    webhook.close(FOREVER);
}

#[tokio::test]
async fn close_tries_each_event_once_only() {
    let (receiver, server) = Receiver::start(std::iter::repeat_n(Mood::Says(503), 100)).await;
    let webhook = Webhook::start_with_pause(options(server.url("/")), FOREVER).unwrap();
    publish(&webhook, &["a", "b", "c"]);
    until("it pauses", || webhook.stats().failures_in_a_row == 1).await;
    let webhook = close(webhook, PATIENCE).await;
    assert_eq!((receiver.requests(), webhook.stats().dropped_events), (4, 3));
}

#[tokio::test]
async fn close_ends_at_its_limit_though_the_receiver_hangs() {
    let (receiver, server) = Receiver::start([Mood::Hangs]).await;
    let webhook = Webhook::start(options(server.url("/"))).unwrap();
    publish(&webhook, &["a", "b"]);
    until("it hangs", || receiver.requests() == 1).await;
    let webhook = close(webhook, Duration::from_millis(50)).await;
    let stats = webhook.stats();
    assert_eq!((stats.delivered_events, stats.dropped_events, stats.waiting_events), (0, 2, 0));
}

#[tokio::test]
async fn no_secret_shows_in_options_errors_or_statistics() {
    let (receiver, server) = Receiver::start([Mood::Says(400), Mood::Says(503)]).await;
    let mut webhook_options = WebhookOptions {
        secret: Some(Secret::new("canary")),
        ..options(server.url("/canary?token=canary"))
    };
    webhook_options.endpoint.authorization = Some(Authorization::bearer(Secret::new("canary")));
    assert!(!format!("{webhook_options:?}").contains("canary"));
    let webhook = Webhook::start_with_pause(webhook_options.clone(), FOREVER).unwrap();
    for requests in 1..=2 {
        publish(&webhook, &["a"]);
        until("it fails", || webhook.stats().failures_in_a_row == requests).await;
        let error = webhook.stats().last_error.unwrap();
        assert!(!error.contains("canary") && !error.is_empty(), "{error}");
    }
    assert_eq!(receiver.requests(), 2);

    let nobody = TcpSocket::new_v4().unwrap();
    nobody.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = nobody.local_addr().unwrap();
    webhook_options.endpoint.url = format!("http://{address}/canary?token=canary");
    let webhook = Webhook::start_with_pause(webhook_options, FOREVER).unwrap();
    publish(&webhook, &["a"]);
    until("it fails", || webhook.stats().failures_in_a_row == 1).await;
    let error = webhook.stats().last_error.unwrap();
    assert!(!error.contains("canary") && !error.is_empty(), "{error}");
}

#[tokio::test]
async fn options_that_cannot_work_are_refused() {
    let good = options("https://127.0.0.1/".to_owned());
    let bad = [
        WebhookOptions { secret: Some(Secret::new("")), ..good.clone() },
        WebhookOptions { timeout_ms: 0, ..good.clone() },
        WebhookOptions { give_up_after_ms: 0, ..good.clone() },
        WebhookOptions { queue_events_max: 0, ..good.clone() },
    ];
    for options in bad {
        assert!(matches!(Webhook::start(options), Err(WebhookError::OutOfRange { .. })));
    }
    let error = Webhook::start(options("ftp://a".to_owned())).err().unwrap();
    assert!(matches!(error, WebhookError::Endpoint(_)), "{error}");
}

#[test]
fn a_webhook_needs_a_runtime() {
    let started = Webhook::start(options("http://127.0.0.1:1/".to_owned()));
    assert!(matches!(started, Err(WebhookError::NoRuntime)));
}
