//! HTTP/2: many requests on one connection, each with deadlines of its own.
//!
//! A request that takes too long ends the whole connection: it is the client that is slow, whatever the request.

use std::convert::Infallible;
use std::sync::Arc;

use axum::Router;
use axum::response::Response;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use parking_lot::Mutex;

use super::ServerLimits;
use super::connection::{Connection, Phase};
use super::guard::Guard;

/// Most resets of requests that nobody has looked at yet (CVE-2023-44487).
const RESETS_WAITING_MAX: usize = 20;

/// A server side of HTTP/2 with every bound that it has.
pub(super) fn builder(limits: &ServerLimits) -> http2::Builder<TokioExecutor> {
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .max_concurrent_streams(limits.requests_per_connection_max.max(1))
        .max_pending_accept_reset_streams(RESETS_WAITING_MAX)
        // What is larger than that the protocol refuses by itself; in between it is refused here, where it is counted.
        .max_header_list_size(u32::try_from(2 * limits.head_bytes_max).unwrap_or(u32::MAX));
    builder
}

/// A connection and the requests on it. The connection is idle while there are none.
pub(super) struct Streams {
    connection: Arc<Connection>,
    /// How many there are. It is locked while the connection moves on because of them, so that it is never idle beside one.
    active: Mutex<usize>,
    active_max: usize,
    head_bytes_max: usize,
}

impl Streams {
    pub(super) fn new(connection: Arc<Connection>, limits: &ServerLimits) -> Arc<Self> {
        let active_max = limits.requests_per_connection_max.max(1) as usize;
        let head_bytes_max = limits.head_bytes_max;
        Arc::new(Self { connection, active: Mutex::new(0), active_max, head_bytes_max })
    }

    /// Answers one request.
    pub(super) async fn call(
        self: Arc<Self>,
        app: Router,
        guard: Arc<Guard>,
        request: Request<Incoming>,
    ) -> Result<Response, Infallible> {
        let stream = Arc::new(self.connection.stream());
        let ends = EndsUnanswered(Some(Arc::clone(&stream)));
        if head_bytes(&request) > self.head_bytes_max {
            return Ok(guard.refuse_head());
        }
        tokio::spawn(self.watch(Arc::clone(&stream), Arc::clone(&guard)));
        let response = stream.call(&app, &guard, request).await;
        ends.answered();
        response
    }

    /// Keeps the time of a request.
    async fn watch(self: Arc<Self>, stream: Arc<Connection>, guard: Arc<Guard>) {
        self.begin(&guard);
        tokio::select! {
            () = stream.expired() => self.connection.expire_in(stream.phase()),
            () = stream.ended() => {}
        }
        self.end();
    }

    fn begin(&self, guard: &Guard) {
        let mut active = self.active.lock();
        if *active == 0 {
            self.connection.step(Phase::Head, Phase::Handling);
            self.connection.step(Phase::Idle, Phase::Handling);
        }
        *active += 1;
        if *active == self.active_max {
            guard.stats().count_full();
        }
    }

    fn end(&self) {
        let mut active = self.active.lock();
        *active -= 1;
        if *active == 0 {
            self.connection.step(Phase::Handling, Phase::Idle);
        }
    }
}

/// Size of a request's head as HTTP/2 counts it (RFC 9113, section 6.5.2): 32 bytes a field besides its name and value.
fn head_bytes(request: &Request<Incoming>) -> usize {
    let path = request.uri().path_and_query().map_or(0, |path| path.as_str().len());
    let fields = request.headers().iter();
    fields.map(|(name, value)| name.as_str().len() + value.len() + 32).sum::<usize>() + path
}

/// Ends a request whose handler is given up, because the client has reset it say.
struct EndsUnanswered(Option<Arc<Connection>>);

impl EndsUnanswered {
    /// From now on the answer's body says when it ends.
    fn answered(mut self) {
        self.0 = None;
    }
}

impl Drop for EndsUnanswered {
    fn drop(&mut self) {
        if let Some(stream) = &self.0 {
            stream.end();
        }
    }
}
