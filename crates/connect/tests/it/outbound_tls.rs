//! What sinks send over TLS: whom they trust, who they are, through which proxy.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::http::StatusCode;
use axum::routing::{any, post};
use bellwether_connect::http::{ClientAuth, Guard, SecurityOptions, ServerLimits, TlsOptions};
use bellwether_connect::sink::webhook::{Webhook, WebhookOptions};
use bellwether_connect::{ClientTls, Endpoint};
use bellwether_detect::Severity;
use bellwether_engine::ChangeKind;
use bellwether_runtime::EventSink;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::authority::{Authority, Identity};
use crate::support::{Server, event, until};

/// A server that takes every POST to `/hook` and counts it.
async fn hook(tls: TlsOptions) -> (Server, Arc<AtomicUsize>) {
    let taken = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&taken);
    let take = move || async move {
        counter.fetch_add(1, Ordering::Relaxed);
    };
    let app = Router::new().route("/hook", post(take));
    let options = SecurityOptions { tls: Some(tls), ..SecurityOptions::default() };
    let guard = Arc::new(Guard::new(options).unwrap());
    (Server::guarded(app, ServerLimits::default(), guard).await, taken)
}

/// Posts an event to `/hook` of `server`, trusting and being what `tls` says.
fn posts(server: &Server, tls: ClientTls) -> Webhook {
    let url = format!("https://{}/hook", server.address);
    post_to(Endpoint { url, tls, ..Endpoint::default() })
}

fn post_to(endpoint: Endpoint) -> Webhook {
    let webhook = Webhook::start(WebhookOptions {
        name: "webhook_0".to_owned(),
        endpoint,
        secret: None,
        severity: Severity::Info,
        timeout_ms: 5_000,
        give_up_after_ms: 3_600_000,
        queue_events_max: 10,
    })
    .unwrap();
    webhook.publish(&Arc::new(event("a", ChangeKind::Firing, Severity::Critical)));
    webhook
}

fn trusting(authority: &Authority) -> ClientTls {
    ClientTls { ca_pem: Some(authority.pem.clone()), ..ClientTls::default() }
}

fn being(identity: &Identity, tls: ClientTls) -> ClientTls {
    let Identity { certificate_pem, key_pem } = identity.clone();
    ClientTls { identity: Some((certificate_pem, key_pem)), ..tls }
}

async fn is_taken(webhook: &Webhook, taken: &AtomicUsize, before: usize) {
    until("it is taken", || webhook.stats().delivered_events >= 1).await;
    assert_eq!(taken.load(Ordering::Relaxed), before + 1);
}

async fn fails(webhook: &Webhook, taken: &AtomicUsize) -> String {
    until("it fails", || webhook.stats().last_error.is_some()).await;
    assert_eq!(taken.load(Ordering::Relaxed), 0);
    webhook.stats().last_error.unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_is_trusted_if_its_authority_is_and_its_name_fits() {
    let (ours, theirs) = (Authority::new(), Authority::new());
    let (server, taken) = hook(ours.sign(&["127.0.0.1"]).tls()).await;
    let error = fails(&posts(&server, trusting(&theirs)), &taken).await;
    assert!(error.contains("invalid peer certificate"), "{error}");
    let error = fails(&posts(&server, ClientTls::default()), &taken).await;
    assert!(error.contains("certificate"), "{error}");
    is_taken(&posts(&server, trusting(&ours)), &taken, 0).await;
    let careless = ClientTls { insecure_skip_verify: true, ..ClientTls::default() };
    is_taken(&posts(&server, careless), &taken, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_of_another_name_is_trusted_only_under_that_name() {
    let authority = Authority::new();
    let (server, taken) = hook(authority.sign(&["hooks.example"]).tls()).await;
    let error = fails(&posts(&server, trusting(&authority)), &taken).await;
    assert!(error.contains("not valid for name"), "{error}");
    let named = |name: &str| {
        let server_name = Some(name.to_owned());
        posts(&server, ClientTls { server_name, ..trusting(&authority) })
    };
    let error = fails(&named("other.example"), &taken).await;
    assert!(error.contains("not valid for name"), "{error}");
    is_taken(&named("hooks.example"), &taken, 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_wants_a_certificate_gets_ours() {
    let (authority, other) = (Authority::new(), Authority::new());
    let client_auth = Some(ClientAuth { ca_pem: authority.pem.clone(), allowed_sans: Vec::new() });
    let tls = TlsOptions { client_auth, ..authority.sign(&["127.0.0.1"]).tls() };
    let (server, taken) = hook(tls).await;
    fails(&posts(&server, trusting(&authority)), &taken).await;
    let stranger = being(&other.sign(&["bellwether"]), trusting(&authority));
    fails(&posts(&server, stranger), &taken).await;
    let known = being(&authority.sign(&["bellwether"]), trusting(&authority));
    is_taken(&posts(&server, known), &taken, 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redirect_is_not_followed() {
    let asked = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&asked);
    let elsewhere = any(move || async move {
        counter.fetch_add(1, Ordering::Relaxed);
    });
    let moved = || async { (StatusCode::TEMPORARY_REDIRECT, [("location", "/elsewhere")]) };
    let app = Router::new().route("/hook", post(moved)).route("/elsewhere", elsewhere);
    let server = Server::start(app, ServerLimits::default()).await;
    let webhook = post_to(Endpoint { url: server.url("/hook"), ..Endpoint::default() });
    until("it is over", || {
        let stats = webhook.stats();
        stats.last_error.is_some() || stats.dropped_events > 0
    })
    .await;
    assert_eq!(asked.load(Ordering::Relaxed), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endless_answer_is_not_read_to_its_end() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    let _webhook = post_to(Endpoint { url, ..Endpoint::default() });
    let (mut stream, _) = listener.accept().await.unwrap();
    _ = stream.read(&mut [0; 512]).await.unwrap();
    stream.write_all(b"HTTP/1.1 500 No\r\ncontent-length: 99999999999\r\n\r\n").await.unwrap();
    // What the sockets hold is sent as well. In the five seconds that a request may take it would be gigabytes.
    let mut sent_bytes = 0;
    let chunk = vec![b'x'; 65_536];
    while stream.write_all(&chunk).await.is_ok() {
        sent_bytes += 65_536;
        assert!(sent_bytes < 64 << 20, "it reads on and on");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_is_asked_instead_of_the_server() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let proxy_url = Some(format!("http://{}", listener.local_addr().unwrap()));
    let url = "http://nobody.invalid/hook?token=1".to_owned();
    let webhook = post_to(Endpoint { url, proxy_url, ..Endpoint::default() });
    let (mut stream, _) = listener.accept().await.unwrap();
    let mut head = vec![0; 512];
    let bytes = stream.read(&mut head).await.unwrap();
    let head = String::from_utf8_lossy(&head[..bytes]).into_owned();
    assert!(head.starts_with("POST http://nobody.invalid/hook?token=1 HTTP/1.1\r\n"), "{head}");
    stream.write_all(b"HTTP/1.1 204 No Content\r\ncontent-length: 0\r\n\r\n").await.unwrap();
    until("it is taken", || webhook.stats().delivered_events == 1).await;
    webhook.close(Duration::from_secs(1));
}
