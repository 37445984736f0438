//! Logging in over a socket: every path of an application, and what changes while it runs.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use bellwether_connect::Secret;
use bellwether_connect::http::{Guard, SecurityOptions, ServerLimits};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::support::{PATIENCE, Server, client};

fn app() -> Router {
    Router::new().route("/", get(|| async { "hello" })).route("/live", get(|| async { "live" }))
}

/// Users `user` with the password `secret`, and the token `a-token`.
fn options() -> SecurityOptions {
    SecurityOptions {
        users: BTreeMap::from([(
            "user".to_owned(),
            Secret::new(bcrypt::hash("secret", 4).unwrap()),
        )]),
        bearer_tokens: vec![Secret::new("a-token")],
        ..SecurityOptions::default()
    }
}

async fn start(options: SecurityOptions) -> Server {
    let guard = Arc::new(Guard::new(options).unwrap());
    Server::guarded(app(), ServerLimits::default(), guard).await
}

#[tokio::test]
async fn who_knows_a_password_or_a_token_comes_in() {
    let server = start(options()).await;
    let get = |path: &str| client().get(server.url(path));
    for (request, expected) in [
        (get("/"), 401),
        (get("/nowhere"), 401),
        (get("/live"), 200),
        (get("/").basic_auth("user", Some("secret")), 200),
        (get("/nowhere").basic_auth("user", Some("secret")), 404),
        (get("/").basic_auth("user", Some("wrong")), 401),
        (get("/").basic_auth("other", Some("secret")), 401),
        (get("/").bearer_auth("a-token"), 200),
        (get("/").bearer_auth("another"), 401),
        (get("/").header("authorization", "nonsense"), 401),
    ] {
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), expected);
        assert_eq!(answer.headers()["x-content-type-options"], "nosniff");
    }
}

#[tokio::test]
async fn what_is_asked_changes_within_a_connection() {
    let server = start(SecurityOptions::default()).await;
    let client = client();
    let status = || async { client.get(server.url("/")).send().await.unwrap().status().as_u16() };
    assert_eq!(status().await, 200);
    server.guard.replace(options()).unwrap();
    assert_eq!(status().await, 401);
}

#[tokio::test]
async fn a_refused_body_is_not_waited_for() {
    let server = start(options()).await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let head = b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1000000\r\n\r\n";
    stream.write_all(head).await.unwrap();
    let mut answer = vec![0; 12];
    timeout(PATIENCE, stream.read_exact(&mut answer)).await.unwrap().unwrap();
    assert_eq!(answer, b"HTTP/1.1 401");
}

#[tokio::test]
async fn one_address_cannot_take_all_connections() {
    let limits = ServerLimits {
        connections_per_address_max: 2,
        head: Duration::from_hours(1),
        ..ServerLimits::default()
    };
    let server = Server::start(app(), limits).await;
    let connect = || TcpStream::connect(server.address);
    let mut first = connect().await.unwrap();
    let (mut second, mut third) = (connect().await.unwrap(), connect().await.unwrap());
    // Two may be there, so the oldest of those that say nothing goes.
    let closed = timeout(PATIENCE, first.read(&mut [0; 1])).await.expect("never closed");
    assert!(matches!(closed, Ok(0) | Err(_)));
    for stream in [&mut second, &mut third] {
        stream.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
        let mut answer = vec![0; 12];
        timeout(PATIENCE, stream.read_exact(&mut answer)).await.unwrap().unwrap();
        assert_eq!(answer, b"HTTP/1.1 200");
    }
}
