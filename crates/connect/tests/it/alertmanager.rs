//! The Alertmanager sink against servers that are well, slow, fussy or gone.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use axum::{Json, Router};
use bellwether_connect::http::ServerLimits;
use bellwether_connect::sink::alertmanager::{AlertmanagerOptions, Alertmanagers};
use bellwether_connect::{Authorization, Endpoint, Secret};
use bellwether_detect::Severity;
use bellwether_engine::{ChangeKind, Event};
use http_body_util::BodyExt;
use parking_lot::Mutex;
use serde_json::Value;
use tokio::time::timeout;

use crate::support::{PATIENCE, Server, event, until};

/// How the fake Alertmanager behaves.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Mood {
    Well,
    Hangs,
    Fails,
    /// Refuses the alert of instance `bad` with this status, the whole batch with it if it is 422.
    Fussy(u16),
    Redirects,
    /// Fails with an answer that never ends.
    Babbles,
    /// Fails with the request's headers as its answer.
    Echoes,
}

/// A fake Alertmanager.
struct Fake {
    mood: Mutex<Mood>,
    /// The last post of each instance and severity.
    alerts: Mutex<BTreeMap<(String, String), Value>>,
    requests: AtomicU64,
    last_request: Mutex<Option<(String, HeaderMap)>>,
}

impl Fake {
    async fn start(mood: Mood) -> (Arc<Self>, Server) {
        let fake = Arc::new(Self {
            mood: Mutex::new(mood),
            alerts: Mutex::default(),
            requests: AtomicU64::new(0),
            last_request: Mutex::default(),
        });
        let app = Router::new().fallback(receive).with_state(Arc::clone(&fake));
        (fake, Server::start(app, ServerLimits::default()).await)
    }

    fn requests(&self) -> u64 {
        self.requests.load(Ordering::SeqCst)
    }

    fn count(&self) -> usize {
        self.alerts.lock().len()
    }

    fn alert(&self, instance: &str, severity: &str) -> Option<Value> {
        self.alerts.lock().get(&(instance.to_owned(), severity.to_owned())).cloned()
    }
}

async fn receive(State(fake): State<Arc<Fake>>, request: Request) -> Response {
    fake.requests.fetch_add(1, Ordering::SeqCst);
    let (head, body) = request.into_parts();
    *fake.last_request.lock() = Some((head.uri.path().to_owned(), head.headers));
    let mood = *fake.mood.lock();
    let echo = format!("{:?}", fake.last_request.lock());
    let body = body.collect().await.unwrap().to_bytes();
    let alerts: Vec<Value> = serde_json::from_slice(&body).unwrap();
    let is_bad = |alert: &Value| alert["labels"]["instance"] == "bad";
    let refused = match mood {
        Mood::Hangs => std::future::pending().await,
        Mood::Fails => return StatusCode::SERVICE_UNAVAILABLE.into_response(),
        Mood::Redirects => return Redirect::temporary("/elsewhere").into_response(),
        Mood::Babbles => return (StatusCode::BAD_GATEWAY, Body::new(Endless)).into_response(),
        Mood::Echoes => return (StatusCode::INTERNAL_SERVER_ERROR, echo).into_response(),
        Mood::Fussy(status) if alerts.iter().any(is_bad) => Some(status),
        Mood::Well | Mood::Fussy(_) => None,
    };
    if refused != Some(422) {
        let mut known = fake.alerts.lock();
        for alert in alerts.into_iter().filter(|alert| refused.is_none() || !is_bad(alert)) {
            let label = |name: &str| alert["labels"][name].as_str().unwrap().to_owned();
            known.insert((label("instance"), label("severity")), alert);
        }
    }
    match refused {
        Some(status) => (StatusCode::from_u16(status).unwrap(), Json("bad alert")).into_response(),
        None => StatusCode::OK.into_response(),
    }
}

/// A body without an end.
struct Endless;

impl hyper::body::Body for Endless {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<hyper::body::Frame<Bytes>, Self::Error>>> {
        Poll::Ready(Some(Ok(hyper::body::Frame::data(Bytes::from_static(&[b'x'; 4096])))))
    }
}

fn firing(instance: &str) -> Event {
    event(instance, ChangeKind::Firing, Severity::Warning)
}

fn options(servers: &[&Server]) -> AlertmanagerOptions {
    let target = |server: &&Server| Endpoint { url: server.url(""), ..Endpoint::default() };
    AlertmanagerOptions {
        targets: servers.iter().map(target).collect(),
        timeout_ms: 60_000,
        ..AlertmanagerOptions::default()
    }
}

#[tokio::test]
async fn an_alert_fires_escalates_is_repeated_and_ends() {
    let (fake, server) = Fake::start(Mood::Well).await;
    let alertmanagers =
        Alertmanagers::start(AlertmanagerOptions { resend_ms: 20, ..options(&[&server]) }).unwrap();
    alertmanagers.publish(&firing("a"));
    until("firing", || fake.alert("a", "warning").is_some()).await;
    let first = fake.alert("a", "warning").unwrap();
    until("repeated", || fake.alert("a", "warning").unwrap()["endsAt"] != first["endsAt"]).await;
    alertmanagers.publish(&event("a", ChangeKind::Escalated, Severity::Critical));
    until("escalated", || fake.alert("a", "critical").is_some()).await;
    let (warning, critical) =
        (fake.alert("a", "warning").unwrap(), fake.alert("a", "critical").unwrap());
    assert_eq!(warning["endsAt"], "1970-01-01T00:17:40.000Z");
    assert_eq!(warning["startsAt"], critical["startsAt"]);
    assert_eq!(warning["annotations"]["episode_id"], critical["annotations"]["episode_id"]);
    alertmanagers.publish(&event("a", ChangeKind::Resolved, Severity::Critical));
    until("over", || fake.alert("a", "critical").unwrap()["endsAt"] == warning["endsAt"]).await;
    until("all is counted", || alertmanagers.stats()[0].sent_alerts >= 5).await;
    let stats = &alertmanagers.stats()[0];
    assert!(stats.last_success_ms.is_some(), "{stats:?}");
    assert_eq!((stats.failed_requests, stats.rejected_alerts, stats.dropped_alerts), (0, 0, 0));
}

#[tokio::test]
async fn one_that_hangs_and_one_that_is_gone_do_not_delay_the_third() {
    let (hanging, hanging_server) = Fake::start(Mood::Hangs).await;
    let (_, mut gone_server) = Fake::start(Mood::Well).await;
    gone_server.stop.cancel();
    (&mut gone_server.task).await.unwrap().unwrap();
    let (well, well_server) = Fake::start(Mood::Well).await;
    let servers = [&hanging_server, &gone_server, &well_server];
    let alertmanagers = Alertmanagers::start(options(&servers)).unwrap();
    alertmanagers.publish(&firing("a"));
    until("the first one hangs", || hanging.requests() == 1).await;
    until("the third one knows", || well.alert("a", "warning").is_some()).await;
    alertmanagers.publish(&firing("b"));
    until("the third one knows both", || well.alert("b", "warning").is_some()).await;
    until("its answer is noted", || alertmanagers.stats()[2].pending_alerts == 0).await;
    until("the second one failed", || alertmanagers.stats()[1].failures_in_a_row > 0).await;
    let stats = alertmanagers.stats();
    assert_eq!((stats[0].sent_alerts, stats[1].sent_alerts), (0, 0));
    assert_eq!(stats[0].pending_alerts, 2);
    assert!(stats[1].last_error.is_some() && stats[2].last_error.is_none());
}

#[tokio::test]
async fn one_bad_alert_of_many_is_dropped_and_the_others_arrive() {
    for status in [400, 422] {
        let (fake, server) = Fake::start(Mood::Fails).await;
        let alertmanagers = Alertmanagers::start(options(&[&server])).unwrap();
        for index in 0..255 {
            let instance = if index == 100 { "bad".to_owned() } else { index.to_string() };
            alertmanagers.publish(&firing(&instance));
        }
        *fake.mood.lock() = Mood::Fussy(status);
        until("all settled", || alertmanagers.stats()[0].pending_alerts == 0).await;
        assert_eq!((fake.count(), alertmanagers.stats()[0].rejected_alerts), (254, 1), "{status}");
        // The alert that was dropped is no reason to stop: others still arrive.
        alertmanagers.publish(&firing("later"));
        until("later", || fake.alert("later", "warning").is_some()).await;
        assert_eq!(alertmanagers.stats()[0].rejected_alerts, 1);
    }
}

#[tokio::test]
async fn when_a_failing_server_recovers_it_hears_the_current_state() {
    let (fake, server) = Fake::start(Mood::Well).await;
    let alertmanagers = Alertmanagers::start(options(&[&server])).unwrap();
    alertmanagers.publish(&firing("ends"));
    until("ends is known", || fake.alert("ends", "warning").is_some()).await;
    *fake.mood.lock() = Mood::Fails;
    alertmanagers.publish(&firing("lasts"));
    until("a failure", || alertmanagers.stats()[0].failures_in_a_row > 0).await;
    alertmanagers.publish(&event("ends", ChangeKind::Resolved, Severity::Warning));
    *fake.mood.lock() = Mood::Well;
    until("lasts is known", || fake.alert("lasts", "warning").is_some()).await;
    until("ends is over", || {
        fake.alert("ends", "warning").unwrap()["endsAt"] == "1970-01-01T00:17:40.000Z"
    })
    .await;
    until("it is well again", || alertmanagers.stats()[0].failures_in_a_row == 0).await;
    assert_eq!(alertmanagers.stats()[0].last_error, None);
}

#[tokio::test]
async fn a_redirect_is_not_followed_and_an_endless_answer_not_read() {
    for mood in [Mood::Redirects, Mood::Babbles] {
        let (fake, server) = Fake::start(mood).await;
        let alertmanagers = Alertmanagers::start(options(&[&server])).unwrap();
        alertmanagers.publish(&firing("a"));
        until("a failure", || alertmanagers.stats()[0].failed_requests > 0).await;
        assert_eq!(fake.last_request.lock().as_ref().unwrap().0, "/api/v2/alerts");
        assert!(alertmanagers.stats()[0].last_error.as_ref().unwrap().len() <= 256);
    }
}

#[tokio::test]
async fn shutdown_sends_the_last_change() {
    let (fake, server) = Fake::start(Mood::Well).await;
    let alertmanagers = Alertmanagers::start(options(&[&server])).unwrap();
    alertmanagers.publish(&firing("a"));
    alertmanagers.shutdown(PATIENCE).await;
    let alert = fake.alert("a", "warning").unwrap();
    let ends_at: jiff::Timestamp = alert["endsAt"].as_str().unwrap().parse().unwrap();
    assert!(ends_at > jiff::Timestamp::now(), "shutdown resolves nothing");
}

#[tokio::test]
async fn shutdown_ends_at_its_deadline_though_a_server_hangs() {
    let (fake, server) = Fake::start(Mood::Hangs).await;
    let alertmanagers = Alertmanagers::start(options(&[&server])).unwrap();
    alertmanagers.publish(&firing("a"));
    until("it hangs", || fake.requests() == 1).await;
    let stopping = alertmanagers.shutdown(Duration::from_millis(50));
    assert!(timeout(PATIENCE, stopping).await.is_ok());
}

#[tokio::test]
async fn credentials_prefix_and_content_type_are_sent() {
    let (fake, server) = Fake::start(Mood::Well).await;
    let url = server.url("/alertmanager/");
    let basic = Endpoint {
        basic_auth: Some(("user".to_owned(), Secret::new("pass"))),
        url: url.clone(),
        ..Endpoint::default()
    };
    let other = |scheme: &str| {
        let (scheme, credentials) = (scheme.to_owned(), Secret::new("token"));
        let authorization = Some(Authorization { scheme, credentials });
        Endpoint { url: url.clone(), authorization, ..Endpoint::default() }
    };
    for (target, expected) in [
        (basic, "Basic dXNlcjpwYXNz"),
        (other("Bearer"), "Bearer token"),
        (other("ApiKey"), "ApiKey token"),
    ] {
        let options = AlertmanagerOptions { targets: vec![target], ..options(&[]) };
        let alertmanagers = Alertmanagers::start(options).unwrap();
        alertmanagers.publish(&firing("a"));
        until("sent", || alertmanagers.stats()[0].sent_alerts == 1).await;
        let (path, headers) = fake.last_request.lock().clone().unwrap();
        assert_eq!(path, "/alertmanager/api/v2/alerts");
        assert_eq!(headers["authorization"], expected);
        assert_eq!(headers["content-type"], "application/json");
        assert!(headers["user-agent"].to_str().unwrap().starts_with("bellwether/"));
    }
}

#[tokio::test]
async fn a_bad_target_is_refused_at_the_start() {
    let target = Endpoint { url: "ftp://a".to_owned(), ..Endpoint::default() };
    let options = AlertmanagerOptions { targets: vec![target], ..AlertmanagerOptions::default() };
    assert!(Alertmanagers::start(options).is_err());
}

#[tokio::test]
async fn a_target_that_is_added_learns_what_fires_and_the_others_hear_nothing_again() {
    let (old, old_server) = Fake::start(Mood::Well).await;
    let (new, new_server) = Fake::start(Mood::Well).await;
    let alertmanagers = Alertmanagers::start(options(&[&old_server])).unwrap();
    alertmanagers.publish(&firing("a"));
    alertmanagers.publish(&firing("b"));
    until("the first one knows", || old.count() == 2).await;
    alertmanagers.publish(&event("b", ChangeKind::Resolved, Severity::Warning));
    until("the end is taken", || alertmanagers.stats()[0].pending_alerts == 0).await;
    let requests = old.requests();
    alertmanagers.reconfigure(options(&[&new_server, &old_server])).unwrap();
    until("the second one knows", || new.alert("a", "warning").is_some()).await;
    assert_eq!((new.count(), old.requests()), (1, requests));
    let stats = alertmanagers.stats();
    assert_eq!(stats[0].url, new_server.url(""));
    assert!(stats[1].sent_alerts >= 3, "{stats:?}");
    let end = event("a", ChangeKind::Resolved, Severity::Warning);
    alertmanagers.publish(&end);
    let ended = "1970-01-01T00:17:40.000Z";
    for fake in [&old, &new] {
        until("over", || fake.alert("a", "warning").unwrap()["endsAt"] == ended).await;
    }
}

#[tokio::test]
async fn the_first_target_learns_what_fired_before_there_was_one_and_a_removed_one_nothing_more() {
    let (fake, server) = Fake::start(Mood::Well).await;
    let alertmanagers = Alertmanagers::start(options(&[])).unwrap();
    alertmanagers.publish(&firing("a"));
    alertmanagers.reconfigure(options(&[&server])).unwrap();
    until("it knows", || fake.alert("a", "warning").is_some()).await;
    alertmanagers.reconfigure(options(&[])).unwrap();
    alertmanagers.publish(&firing("b"));
    assert!(alertmanagers.stats().is_empty());
    alertmanagers.reconfigure(options(&[&server])).unwrap();
    until("it knows the other", || fake.alert("b", "warning").is_some()).await;
    timeout(PATIENCE, alertmanagers.shutdown(PATIENCE)).await.unwrap();
}

#[tokio::test]
async fn another_password_is_used_at_once_and_a_bad_option_changes_nothing() {
    let (fake, server) = Fake::start(Mood::Well).await;
    let with_token = |token: &str| {
        let mut options = options(&[&server]);
        options.targets[0].authorization = Some(Authorization::bearer(Secret::new(token)));
        options
    };
    let alertmanagers = Alertmanagers::start(with_token("old")).unwrap();
    alertmanagers.publish(&firing("a"));
    until("sent", || alertmanagers.stats()[0].sent_alerts == 1).await;
    alertmanagers.reconfigure(with_token("new")).unwrap();
    until("sent again", || alertmanagers.stats()[0].sent_alerts == 2).await;
    let (_, headers) = fake.last_request.lock().clone().unwrap();
    assert_eq!(headers["authorization"], "Bearer new");

    let bad = AlertmanagerOptions { targets: Vec::new(), resend_ms: 0, ..with_token("bad") };
    assert!(alertmanagers.reconfigure(bad).is_err());
    assert!(alertmanagers.reconfigure(with_token("\n")).is_err());
    assert_eq!(alertmanagers.stats()[0].sent_alerts, 2);

    // What fails for want of the right token is tried again as soon as there is another.
    *fake.mood.lock() = Mood::Fails;
    alertmanagers.publish(&firing("b"));
    until("failed", || alertmanagers.stats()[0].failures_in_a_row >= 1).await;
    *fake.mood.lock() = Mood::Well;
    alertmanagers.reconfigure(with_token("newest")).unwrap();
    until("taken", || fake.alert("b", "warning").is_some()).await;
}

#[tokio::test]
async fn an_answer_that_repeats_what_logs_in_is_not_quoted() {
    let (fake, server) = Fake::start(Mood::Echoes).await;
    let url = || server.url("");
    let endpoint = || Endpoint { url: url(), ..Endpoint::default() };
    let basic_auth = Some(("user".to_owned(), Secret::new("canary")));
    let authorization = Some(Authorization::bearer(Secret::new("canary")));
    let targets = vec![
        endpoint(),
        Endpoint { basic_auth, ..endpoint() },
        Endpoint { authorization, ..endpoint() },
    ];
    let alertmanagers =
        Alertmanagers::start(AlertmanagerOptions { targets, ..options(&[]) }).unwrap();
    alertmanagers.publish(&firing("a"));
    let error = |index: usize| alertmanagers.stats()[index].last_error.clone();
    until("all failed", || (0..3).all(|index| error(index).is_some())).await;
    assert!(error(0).unwrap().contains("user-agent"), "what is harmless helps");
    for error in [error(1), error(2)].map(Option::unwrap) {
        assert!(error.starts_with("500") && error.contains("not shown"), "{error}");
        assert!(!error.contains("canary") && !error.contains("dXNlcjpjYW5hcnk="), "{error}");
    }
    assert!(fake.requests() >= 3);
}
