//! Timeouts, the cap on connections and shutdown.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::routing::{get, post};
use bellwether_connect::http::{REFUSALS, ServerLimits};
use http_body_util::BodyExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::time::timeout;

use crate::support::{PATIENCE, Server, client, until};

const SHORT: Duration = Duration::from_millis(100);
const LONG: Duration = Duration::from_hours(1);

/// Limits that nothing runs into.
fn generous() -> ServerLimits {
    ServerLimits { head: LONG, body: LONG, response: LONG, idle: LONG, ..ServerLimits::default() }
}

fn app() -> Router {
    Router::new()
        .route("/", get(|| async { "hello" }))
        .route("/body", post(|body: Bytes| async move { body.len().to_string() }))
        .route("/big", get(|| async { vec![0_u8; 64 << 20] }))
}

/// A request to [`dripping`] whose body does not end.
const DRIPS: &str = "POST /drip HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\n\r\n1234";

/// Besides what [`app`] answers, `/drip`, and who is told when the body of such a request is awaited.
fn dripping() -> (Router, Arc<Notify>) {
    let entered = Arc::new(Notify::new());
    let told = Arc::clone(&entered);
    let handler = move |body: Body| async move {
        told.notify_one();
        _ = body.collect().await;
    };
    (app().route("/drip", post(handler)), entered)
}

/// Sends `text`, then waits until the server closes the connection.
async fn closed_after(server: &Server, text: &str) -> String {
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(text.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    // A reset is as good an end as any.
    let _ = timeout(PATIENCE, stream.read_to_end(&mut answer)).await.expect("never closed");
    String::from_utf8_lossy(&answer).into_owned()
}

/// Sends a request on `stream` and reads the short answer.
async fn request(stream: &mut TcpStream) -> String {
    stream.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    while !answer.ends_with("hello") {
        let mut buffer = [0; 1024];
        let bytes = timeout(PATIENCE, stream.read(&mut buffer)).await.unwrap().unwrap();
        assert_ne!(bytes, 0, "closed after {answer:?}");
        answer.push_str(std::str::from_utf8(&buffer[..bytes]).unwrap());
    }
    answer
}

#[tokio::test]
async fn a_client_that_says_nothing_is_closed() {
    let server = Server::start(app(), ServerLimits { head: SHORT, ..generous() }).await;
    assert_eq!(closed_after(&server, "").await, "");
}

#[tokio::test]
async fn a_client_that_never_ends_its_head_is_closed() {
    let server = Server::start(app(), ServerLimits { head: SHORT, ..generous() }).await;
    assert_eq!(closed_after(&server, "GET / HTTP/1.1\r\nhost: a\r\nx:").await, "");
}

#[tokio::test]
async fn a_client_that_drips_its_head_gains_no_time() {
    let server = Server::start(app(), ServerLimits { head: SHORT, ..generous() }).await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let dripping = async {
        // Ends with an error once the server has closed.
        while stream.write_all(b"x").await.is_ok() {
            tokio::time::sleep(SHORT / 10).await;
        }
    };
    assert!(timeout(PATIENCE, dripping).await.is_ok(), "never closed");
}

#[tokio::test]
async fn a_client_that_never_ends_its_body_is_closed() {
    let server = Server::start(app(), ServerLimits { body: SHORT, ..generous() }).await;
    let head = "POST /body HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\n\r\n1234";
    assert_eq!(closed_after(&server, head).await, "");
}

#[tokio::test]
async fn a_client_that_is_slow_in_head_and_body_gains_no_time() {
    let (app, entered) = dripping();
    let body = Duration::from_secs(1);
    let server = Server::start(app, ServerLimits { body, ..generous() }).await;
    let (begin, end) = DRIPS.split_at(DRIPS.len() - 5);
    let mut slow = TcpStream::connect(server.address).await.unwrap();
    slow.write_all(begin.as_bytes()).await.unwrap();
    // A witness that comes later is closed: the time for bodies has passed for both.
    assert_eq!(closed_after(&server, DRIPS).await, "");
    entered.notified().await;
    let mut witness = TcpStream::connect(server.address).await.unwrap();
    witness.write_all(DRIPS.as_bytes()).await.unwrap();
    timeout(PATIENCE, entered.notified()).await.expect("its body is awaited");
    // If it counted from here, the witness would be closed before.
    slow.write_all(end.as_bytes()).await.unwrap();
    let (mut of_slow, mut of_witness) = ([0; 1], [0; 1]);
    tokio::select! {
        biased;
        _ = timeout(PATIENCE, slow.read(&mut of_slow)) => {}
        _ = witness.read(&mut of_witness) => panic!("it has gained time by its slow head"),
    }
}

#[tokio::test]
async fn a_client_that_never_reads_its_answer_is_closed() {
    let limits = ServerLimits { response: SHORT, idle: SHORT, drain: LONG, ..generous() };
    let mut server = Server::start(app(), limits).await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(b"GET /big HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    // The server stops by itself, long before the drain ends, once that connection is closed.
    server.stop.cancel();
    timeout(PATIENCE, &mut server.task).await.unwrap().unwrap().unwrap();
    let mut answer = Vec::new();
    let _ = timeout(PATIENCE, stream.read_to_end(&mut answer)).await.expect("never closed");
    assert!(answer.len() < 64 << 20);
}

#[tokio::test]
async fn an_idle_connection_has_its_own_limit() {
    let server = Server::start(app(), ServerLimits { idle: SHORT, ..generous() }).await;
    let answer = closed_after(&server, "GET / HTTP/1.1\r\nhost: a\r\n\r\n").await;
    assert!(answer.ends_with("hello"), "{answer}");
}

#[tokio::test]
async fn a_kept_connection_outlives_the_limit_on_heads_but_its_next_head_does_not() {
    let server = Server::start(app(), ServerLimits { head: SHORT, ..generous() }).await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    request(&mut stream).await;
    // A silent witness that comes later is closed: the limit on heads has passed for both.
    assert_eq!(closed_after(&server, "").await, "");
    request(&mut stream).await;
    stream.write_all(b"GET").await.unwrap();
    let mut rest = Vec::new();
    let _ = timeout(PATIENCE, stream.read_to_end(&mut rest)).await.expect("never closed");
    assert!(rest.is_empty());
}

#[tokio::test]
async fn at_the_cap_the_oldest_connection_without_a_request_makes_room() {
    let server = Server::start(app(), ServerLimits { connections_max: 2, ..generous() }).await;
    let mut kept = TcpStream::connect(server.address).await.unwrap();
    request(&mut kept).await;
    let mut silent = TcpStream::connect(server.address).await.unwrap();
    let mut newcomer = TcpStream::connect(server.address).await.unwrap();
    request(&mut newcomer).await;
    let closed = timeout(PATIENCE, silent.read(&mut [0; 1])).await.expect("never closed");
    assert!(matches!(closed, Ok(0) | Err(_)));
    request(&mut kept).await;
    // With no silent one left, the oldest idle one goes.
    let mut next = TcpStream::connect(server.address).await.unwrap();
    request(&mut next).await;
    let closed = timeout(PATIENCE, kept.read(&mut [0; 1])).await.expect("never closed");
    assert!(matches!(closed, Ok(0) | Err(_)));
}

#[tokio::test]
async fn many_silent_clients_do_not_keep_a_healthy_one_out() {
    let server = Server::start(app(), ServerLimits { connections_max: 8, ..generous() }).await;
    let mut silent = Vec::new();
    for _ in 0..64 {
        silent.push(TcpStream::connect(server.address).await.unwrap());
    }
    let answer = timeout(PATIENCE, client().get(server.url("/")).send()).await.unwrap().unwrap();
    assert_eq!(answer.status(), 200);
}

#[tokio::test]
async fn a_handler_that_panics_answers_500_and_the_connection_goes_on() {
    let app = app().route("/panics", get(|| async { panic!("on purpose") as &'static str }));
    let server = Server::start(app, generous()).await;
    let client = client();
    let answer = client.get(server.url("/panics")).send().await.unwrap();
    assert_eq!(answer.status(), 500);
    assert!(answer.text().await.unwrap().contains("fault of Bellwether"));
    assert_eq!(client.get(server.url("/")).send().await.unwrap().text().await.unwrap(), "hello");
}

#[tokio::test]
async fn clients_that_drip_bodies_do_not_keep_a_healthy_one_out() {
    let (app, entered) = dripping();
    let server = Server::start(app, ServerLimits { connections_max: 3, ..generous() }).await;
    let mut slow = Vec::new();
    for _ in 0..3 {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        stream.write_all(DRIPS.as_bytes()).await.unwrap();
        timeout(PATIENCE, entered.notified()).await.expect("its body is awaited");
        slow.push(stream);
    }
    let answer = timeout(PATIENCE, client().get(server.url("/")).send()).await.unwrap().unwrap();
    assert_eq!(answer.status(), 200);
    let closed = timeout(PATIENCE, slow[0].read(&mut [0; 1])).await.expect("never closed");
    assert!(matches!(closed, Ok(0) | Err(_)), "the slowest made room");
}

#[tokio::test]
async fn a_head_that_is_too_large_is_refused_and_counted() {
    let head = |bytes| format!("GET / HTTP/1.1\r\nhost: a\r\nx: {}\r\n\r\n", "x".repeat(bytes));
    for head_bytes_max in [16 << 10, 128 << 10] {
        let server = Server::start(app(), ServerLimits { head_bytes_max, ..generous() }).await;
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        stream.write_all(head(head_bytes_max - 1024).as_bytes()).await.unwrap();
        request(&mut stream).await;
        let refused = || {
            let refused = REFUSALS.iter().zip(&server.guard.stats().refused);
            let refused = refused.map(|(reason, count)| (*reason, count.load(Ordering::Relaxed)));
            refused.collect::<Vec<_>>()
        };
        let count = |count| {
            Vec::from_iter(
                REFUSALS.map(|reason| (reason, if reason == "head_too_large" { count } else { 0 })),
            )
        };
        assert_eq!(refused(), count(0));
        let answer = closed_after(&server, &head(2 * head_bytes_max)).await;
        // What was not read resets the connection, and may take the answer with it.
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 431"), "{answer}");
        until("it is counted", || refused() == count(1)).await;
    }
}

#[tokio::test]
async fn shutdown_lets_a_request_end_and_closes_idle_connections() {
    let (entered, release) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let handler = {
        let (entered, release) = (Arc::clone(&entered), Arc::clone(&release));
        move || async move {
            entered.notify_one();
            release.notified().await;
            "done"
        }
    };
    let app = app().route("/slow", get(handler));
    let mut server = Server::start(app, ServerLimits { drain: LONG, ..generous() }).await;
    let mut idle = TcpStream::connect(server.address).await.unwrap();
    request(&mut idle).await;
    let slow = tokio::spawn(client().get(server.url("/slow")).send());
    entered.notified().await;
    server.stop.cancel();
    let closed = timeout(PATIENCE, idle.read(&mut [0; 1])).await.expect("never closed");
    assert!(matches!(closed, Ok(0) | Err(_)));
    assert!(!server.task.is_finished());
    release.notify_one();
    assert_eq!(slow.await.unwrap().unwrap().text().await.unwrap(), "done");
    timeout(PATIENCE, &mut server.task).await.unwrap().unwrap().unwrap();
}

#[tokio::test]
async fn shutdown_does_not_wait_longer_than_its_deadline() {
    let entered = Arc::new(Notify::new());
    let handler = {
        let entered = Arc::clone(&entered);
        move || async move {
            entered.notify_one();
            std::future::pending::<()>().await;
        }
    };
    let app = Router::new().route("/stuck", get(handler));
    let mut server = Server::start(app, ServerLimits { drain: SHORT, ..generous() }).await;
    let stuck = tokio::spawn(client().get(server.url("/stuck")).send());
    entered.notified().await;
    server.stop.cancel();
    timeout(PATIENCE, &mut server.task).await.unwrap().unwrap().unwrap();
    assert!(stuck.await.unwrap().is_err());
}
