//! TLS of the server: versions, client certificates, reloading, HTTP/2, and clients that never end a handshake.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::routing::{get, post};
use bellwether_connect::http::{
    ClientAuth, Guard, REFUSALS, SecurityOptions, ServerLimits, TlsOptions, TlsVersion,
};
use http_body_util::{BodyExt, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion, version};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::authority::{Authority, Identity};
use crate::support::{PATIENCE, Server, until};

const SHORT: Duration = Duration::from_millis(100);
const LONG: Duration = Duration::from_hours(1);

fn app() -> Router {
    Router::new()
        .route("/", get(|| async { "hello" }))
        .route("/held", get(|| async { std::future::pending::<()>().await }))
        .route("/body", post(|body: Bytes| async move { body.len().to_string() }))
}

async fn start(tls: TlsOptions, limits: ServerLimits) -> Server {
    let options = SecurityOptions { tls: Some(tls), ..SecurityOptions::default() };
    Server::guarded(app(), limits, Arc::new(Guard::new(options).unwrap())).await
}

/// A client that trusts one authority.
struct Client {
    authority: String,
    identity: Option<Identity>,
    versions: Vec<&'static SupportedProtocolVersion>,
    alpn: Vec<Vec<u8>>,
}

impl Client {
    fn of(authority: &Authority) -> Self {
        Self {
            authority: authority.pem.clone(),
            identity: None,
            versions: vec![&version::TLS12, &version::TLS13],
            alpn: Vec::new(),
        }
    }

    fn being(self, identity: Identity) -> Self {
        Self { identity: Some(identity), ..self }
    }

    fn speaking(self, version: &'static SupportedProtocolVersion) -> Self {
        Self { versions: vec![version], ..self }
    }

    fn offering(self, protocol: &[u8]) -> Self {
        Self { alpn: vec![protocol.to_vec()], ..self }
    }

    async fn connect(self, server: &Server) -> std::io::Result<TlsStream<TcpStream>> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(self.authority.as_bytes()).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&self.versions)
            .unwrap()
            .with_root_certificates(roots);
        let mut config = match self.identity {
            None => config.with_no_client_auth(),
            Some(Identity { certificate_pem, key_pem }) => {
                let certificate = CertificateDer::from_pem_slice(certificate_pem.as_bytes());
                let key = PrivateKeyDer::from_pem_slice(key_pem.expose().as_bytes());
                config.with_client_auth_cert(vec![certificate.unwrap()], key.unwrap()).unwrap()
            }
        };
        config.alpn_protocols = self.alpn;
        let stream = TcpStream::connect(server.address).await?;
        let name = ServerName::try_from("127.0.0.1").unwrap();
        TlsConnector::from(Arc::new(config)).connect(name, stream).await
    }

    /// Whether a request is answered. With TLS 1.3 a client learns only from the answer that its certificate was refused.
    async fn gets_served(self, server: &Server) -> bool {
        let Ok(mut stream) = self.connect(server).await else { return false };
        let asked =
            stream.write_all(b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await;
        let mut answer = Vec::new();
        let read = timeout(PATIENCE, stream.read_to_end(&mut answer)).await.expect("never closed");
        asked.is_ok() && read.is_ok() && answer.ends_with(b"hello")
    }
}

#[tokio::test]
async fn both_safe_versions_are_spoken_and_a_narrower_range_holds() {
    let authority = Authority::new();
    let tls = authority.sign(&["127.0.0.1"]).tls();
    let client = || Client::of(&authority);
    let server = start(tls.clone(), ServerLimits::default()).await;
    assert!(client().speaking(&version::TLS12).gets_served(&server).await);
    assert!(client().speaking(&version::TLS13).gets_served(&server).await);
    let only_13 = TlsOptions { min_version: TlsVersion::Tls13, ..tls.clone() };
    let server = start(only_13, ServerLimits::default()).await;
    assert!(!client().speaking(&version::TLS12).gets_served(&server).await);
    assert!(client().speaking(&version::TLS13).gets_served(&server).await);
    let only_12 = TlsOptions { max_version: TlsVersion::Tls12, ..tls };
    let server = start(only_12, ServerLimits::default()).await;
    assert!(client().speaking(&version::TLS12).gets_served(&server).await);
    assert!(!client().speaking(&version::TLS13).gets_served(&server).await);
}

#[tokio::test]
async fn a_client_certificate_must_be_signed_by_the_authority_and_named() {
    let (ours, theirs) = (Authority::new(), Authority::new());
    let with = |sans: &[&str]| {
        let allowed_sans = sans.iter().map(|name| (*name).to_owned()).collect();
        let client_auth = Some(ClientAuth { ca_pem: ours.pem.clone(), allowed_sans });
        TlsOptions { client_auth, ..ours.sign(&["127.0.0.1"]).tls() }
    };
    let client = || Client::of(&ours);
    let any_name = start(with(&[]), ServerLimits::default()).await;
    assert!(!client().gets_served(&any_name).await, "without a certificate");
    assert!(!client().being(theirs.sign(&["prometheus"])).gets_served(&any_name).await);
    assert!(client().being(ours.sign(&["prometheus"])).gets_served(&any_name).await);
    assert_eq!(any_name.guard.stats().handshakes_failed.load(Ordering::Relaxed), 2);

    let named =
        start(with(&["prometheus.example", "10.0.0.9", "spiffe://a/b"]), ServerLimits::default())
            .await;
    for (names, expected) in [
        (vec!["prometheus.example"], true),
        (vec!["other.example", "prometheus.example"], true),
        (vec!["10.0.0.9"], true),
        (vec!["spiffe://a/b"], true),
        (vec!["other.example"], false),
        (vec!["*.example"], false),
        (vec!["10.0.0.8"], false),
        (vec!["spiffe://a/b/c"], false),
        (vec![], false),
    ] {
        let identity = ours.sign(&names);
        assert_eq!(client().being(identity).gets_served(&named).await, expected, "{names:?}");
    }
}

#[tokio::test]
async fn a_new_certificate_is_shown_from_the_next_connection_on() {
    let (before, after) = (Authority::new(), Authority::new());
    let server = start(before.sign(&["127.0.0.1"]).tls(), ServerLimits::default()).await;
    let mut open = Client::of(&before).connect(&server).await.unwrap();
    let tls = Some(after.sign(&["127.0.0.1"]).tls());
    server.guard.replace(SecurityOptions { tls, ..SecurityOptions::default() }).unwrap();
    assert!(!Client::of(&before).gets_served(&server).await);
    assert!(Client::of(&after).gets_served(&server).await);
    // What was open stays open.
    open.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    let mut answer = [0; 12];
    timeout(PATIENCE, open.read_exact(&mut answer)).await.unwrap().unwrap();
    assert_eq!(&answer, b"HTTP/1.1 200");
}

#[tokio::test]
async fn a_handshake_that_does_not_end_is_closed_and_counted() {
    let authority = Authority::new();
    let tls = authority.sign(&["127.0.0.1"]).tls();
    let limits = ServerLimits { handshake: SHORT, head: LONG, ..ServerLimits::default() };
    let server = start(tls, limits).await;
    // Silence, and the beginning of a ClientHello.
    for said in [&b""[..], &[0x16, 0x03, 0x01, 0x01, 0x00]] {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        stream.write_all(said).await.unwrap();
        let mut answer = Vec::new();
        let _ = timeout(PATIENCE, stream.read_to_end(&mut answer)).await.expect("never closed");
        assert!(answer.is_empty());
    }
    assert_eq!(server.guard.stats().closed[0].load(Ordering::Relaxed), 2);
}

#[tokio::test]
async fn the_limit_on_heads_holds_after_the_handshake() {
    let authority = Authority::new();
    let tls = authority.sign(&["127.0.0.1"]).tls();
    let limits = ServerLimits { handshake: LONG, head: SHORT, ..ServerLimits::default() };
    let server = start(tls, limits).await;
    for protocol in [&b"http/1.1"[..], b"h2"] {
        let client = Client::of(&authority).offering(protocol);
        let mut stream = client.connect(&server).await.unwrap();
        let mut answer = Vec::new();
        let _ = timeout(PATIENCE, stream.read_to_end(&mut answer)).await.expect("never closed");
    }
    assert_eq!(server.guard.stats().closed[1].load(Ordering::Relaxed), 2);
}

#[tokio::test]
async fn plain_http_is_not_spoken_where_tls_is() {
    let authority = Authority::new();
    let server = start(authority.sign(&["127.0.0.1"]).tls(), ServerLimits::default()).await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    let _ = timeout(PATIENCE, stream.read_to_end(&mut answer)).await.expect("never closed");
    assert!(!answer.starts_with(b"HTTP"));
}

type Sender = hyper::client::conn::http2::SendRequest<Full<Bytes>>;

/// A connection of HTTP/2.
async fn http2(server: &Server, authority: &Authority) -> Sender {
    let stream = Client::of(authority).offering(b"h2").connect(server).await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let io = TokioIo::new(stream);
    let (sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await.unwrap();
    tokio::spawn(connection);
    sender
}

fn request(server: &Server, path: &str, body: &'static [u8]) -> hyper::Request<Full<Bytes>> {
    let method = if body.is_empty() { "GET" } else { "POST" };
    let uri = format!("https://{}{path}", server.address);
    let body = Full::new(Bytes::from_static(body));
    hyper::Request::builder().method(method).uri(uri).body(body).unwrap()
}

#[tokio::test]
async fn http2_is_spoken_over_tls_with_the_same_rules() {
    let authority = Authority::new();
    let options = SecurityOptions {
        tls: Some(authority.sign(&["127.0.0.1"]).tls()),
        bearer_tokens: vec![bellwether_connect::Secret::new("a-token")],
        ..SecurityOptions::default()
    };
    let guard = Arc::new(Guard::new(options.clone()).unwrap());
    let server = Server::guarded(app(), ServerLimits::default(), guard).await;
    let mut sender = http2(&server, &authority).await;
    let answer = sender.send_request(request(&server, "/", b"")).await.unwrap();
    assert_eq!(answer.status(), 401);
    let mut known = request(&server, "/body", b"12345");
    known.headers_mut().insert("authorization", "Bearer a-token".parse().unwrap());
    let answer = sender.send_request(known).await.unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.into_body().collect().await.unwrap().to_bytes(), "5");
    server.guard.replace(SecurityOptions { http2: false, ..options }).unwrap();
    // No protocol in common.
    assert!(Client::of(&authority).offering(b"h2").connect(&server).await.is_err());
}

#[tokio::test]
async fn an_http2_connection_without_requests_is_closed_and_one_with_them_is_not() {
    let authority = Authority::new();
    let tls = authority.sign(&["127.0.0.1"]).tls();
    let limits = ServerLimits { idle: SHORT, head: LONG, ..ServerLimits::default() };
    let server = start(tls, limits).await;
    let mut sender = http2(&server, &authority).await;
    for _ in 0..3 {
        let answer = sender.send_request(request(&server, "/", b"")).await.unwrap();
        assert_eq!(answer.into_body().collect().await.unwrap().to_bytes(), "hello");
    }
    until("it is closed", || sender.is_closed()).await;
    assert_eq!(server.guard.stats().closed[4].load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn a_connection_of_http2_that_has_as_many_requests_as_it_may_is_counted() {
    let authority = Authority::new();
    let tls = authority.sign(&["127.0.0.1"]).tls();
    let limits = ServerLimits { requests_per_connection_max: 2, ..ServerLimits::default() };
    let server = start(tls, limits).await;
    let mut sender = http2(&server, &authority).await;
    let full = || server.guard.stats().connections_full.load(Ordering::Relaxed);
    for _ in 0..3 {
        let answer = sender.send_request(request(&server, "/", b"")).await.unwrap();
        assert_eq!(answer.into_body().collect().await.unwrap().to_bytes(), "hello");
    }
    assert_eq!(full(), 0, "one at a time is none too many");
    let waits =
        |sender: &mut Sender| tokio::spawn(sender.send_request(request(&server, "/held", b"")));
    let held: Vec<_> = (0..5).map(|_| waits(&mut sender)).collect();
    until("two are served at a time", || full() == 1).await;
    for request in held {
        request.abort();
    }
}

#[tokio::test]
async fn a_head_of_http2_that_is_too_large_is_refused_and_counted() {
    let authority = Authority::new();
    let tls = authority.sign(&["127.0.0.1"]).tls();
    let limits = ServerLimits { head_bytes_max: 8 << 10, ..ServerLimits::default() };
    let server = start(tls, limits).await;
    let mut sender = http2(&server, &authority).await;
    let refused = || {
        let index = REFUSALS.iter().position(|&reason| reason == "head_too_large").unwrap();
        server.guard.stats().refused[index].load(Ordering::Relaxed)
    };
    for (bytes, status, count) in [(7 << 10, 200, 0), (9 << 10, 431, 1), (7 << 10, 200, 1)] {
        let mut request = request(&server, "/", b"");
        request.headers_mut().insert("x", "x".repeat(bytes).parse().unwrap());
        let answer = sender.send_request(request).await.unwrap();
        assert_eq!((answer.status().as_u16(), refused()), (status, count));
        assert!(answer.headers().get("retry-after").is_none());
    }
}

#[tokio::test]
async fn a_body_of_http2_that_never_ends_closes_its_connection() {
    let authority = Authority::new();
    let tls = authority.sign(&["127.0.0.1"]).tls();
    let limits = ServerLimits { body: SHORT, idle: LONG, ..ServerLimits::default() };
    let server = start(tls, limits).await;
    let stream = Client::of(&authority).offering(b"h2").connect(&server).await.unwrap();
    let io = TokioIo::new(stream);
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await.unwrap();
    tokio::spawn(connection);
    let body = http_body_util::combinators::BoxBody::<Bytes, std::io::Error>::new(Endless);
    let uri = format!("https://{}/body", server.address);
    let request = hyper::Request::builder().method("POST").uri(uri).body(body).unwrap();
    let answer = timeout(PATIENCE, sender.send_request(request)).await.expect("never answered");
    assert!(answer.is_err() || !answer.unwrap().status().is_success());
    until("it is closed", || sender.is_closed()).await;
    assert_eq!(server.guard.stats().closed[2].load(Ordering::Relaxed), 1);
}

/// A body of which nothing ever comes.
struct Endless;

impl hyper::body::Body for Endless {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<hyper::body::Frame<Bytes>, std::io::Error>>> {
        std::task::Poll::Pending
    }
}

#[tokio::test]
async fn shutdown_ends_an_http2_connection_that_is_idle() {
    let authority = Authority::new();
    let tls = authority.sign(&["127.0.0.1"]).tls();
    let limits = ServerLimits { idle: LONG, head: LONG, drain: LONG, ..ServerLimits::default() };
    let mut server = start(tls, limits).await;
    let mut sender = http2(&server, &authority).await;
    let answer = sender.send_request(request(&server, "/", b"")).await.unwrap();
    answer.into_body().collect().await.unwrap();
    server.stop.cancel();
    timeout(PATIENCE, &mut server.task).await.unwrap().unwrap().unwrap();
}

#[test]
fn what_cannot_be_served_is_refused_and_not_shown() {
    let authority = Authority::new();
    let good = authority.sign(&["a"]).tls();
    let other_key = authority.sign(&["b"]).key_pem;
    let client_auth = ClientAuth { ca_pem: "canary".to_owned(), allowed_sans: Vec::new() };
    let bad = [
        TlsOptions { certificate_pem: "canary".to_owned(), ..good.clone() },
        TlsOptions { key_pem: bellwether_connect::Secret::new("canary"), ..good.clone() },
        TlsOptions { key_pem: other_key, ..good.clone() },
        TlsOptions {
            min_version: TlsVersion::Tls13,
            max_version: TlsVersion::Tls12,
            ..good.clone()
        },
        TlsOptions { client_auth: Some(client_auth), ..good.clone() },
    ];
    for tls in bad {
        let shown = format!("{tls:?}");
        let options = SecurityOptions { tls: Some(tls), ..SecurityOptions::default() };
        let error = Guard::new(options).unwrap_err();
        assert!(!format!("{error} {error:?} {shown}").contains("canary"), "{error:?}");
    }
    let options = SecurityOptions { tls: Some(good), ..SecurityOptions::default() };
    let guard = Guard::new(options).unwrap();
    assert!(!format!("{guard:?}").contains("PRIVATE KEY"));
}
