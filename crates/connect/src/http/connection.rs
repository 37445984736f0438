//! One connection: what it is waiting for and until when.

use std::convert::Infallible;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use hyper::Request;
use hyper::body::{Body as HttpBody, Frame, Incoming, SizeHint};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::watch;
use tokio::time::Instant;
use tower::ServiceExt;

use super::ServerLimits;
use super::guard::Guard;

/// What a connection is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// Both sides agree on keys.
    Handshake,
    /// The head of a request is awaited.
    Head,
    /// The body of a request is being read.
    Body,
    /// The handler is working; it bounds its own time.
    Handling,
    /// The answer is being sent.
    Response,
    /// The next request is awaited; no byte of it has come.
    Idle,
    /// To be closed.
    Expired,
}

/// The phase of a connection and its deadline.
pub(super) struct Connection {
    limits: ServerLimits,
    client: SocketAddr,
    state: watch::Sender<State>,
}

#[derive(Clone, Copy)]
struct State {
    phase: Phase,
    /// When the client connected, or sent the first byte of a later request.
    begun: Instant,
    since: Instant,
    /// `None` when the phase has no deadline or one so far away that it cannot be expressed.
    deadline: Option<Instant>,
}

impl State {
    /// In `phase` from now on, of a request that began at `begun`. The client has the time for handshake, head and body from
    /// there on, so that whoever is slow in each of them gains none.
    fn enter(phase: Phase, begun: Instant, limits: &ServerLimits) -> Self {
        let since = Instant::now();
        let deadline = match phase {
            Phase::Handshake => begun.checked_add(limits.handshake),
            Phase::Head => begun.checked_add(limits.head),
            Phase::Body => begun.checked_add(limits.body),
            Phase::Response => since.checked_add(limits.response),
            Phase::Idle => since.checked_add(limits.idle),
            Phase::Handling => None,
            Phase::Expired => Some(since),
        };
        Self { phase, begun, since, deadline }
    }
}

impl Connection {
    /// A connection of `client` that begins with `phase`.
    pub(super) fn new(limits: ServerLimits, client: SocketAddr, phase: Phase) -> Self {
        Self::begun(limits, client, phase, Instant::now())
    }

    fn begun(limits: ServerLimits, client: SocketAddr, phase: Phase, begun: Instant) -> Self {
        let state = State::enter(phase, begun, &limits);
        Self { limits, client, state: watch::Sender::new(state) }
    }

    pub(super) fn client(&self) -> SocketAddr {
        self.client
    }

    pub(super) fn phase(&self) -> Phase {
        self.state.borrow().phase
    }

    /// For how long the client has been sending a body or reading an answer; `None` if it does neither.
    pub(super) fn client_takes(&self) -> Option<Duration> {
        let State { phase, since, .. } = *self.state.borrow();
        matches!(phase, Phase::Body | Phase::Response).then(|| since.elapsed())
    }

    /// Lets [`Self::expired`] return now.
    pub(super) fn expire(&self) {
        self.enter(Phase::Expired);
    }

    /// Lets [`Self::expired`] return now, for want of time in `phase`.
    pub(super) fn expire_in(&self, phase: Phase) {
        let since = Instant::now();
        self.state.send_modify(|state| {
            *state = State { phase, begun: state.begun, since, deadline: Some(since) };
        });
    }

    /// One of several requests on this connection, as if it were a connection of its own. The first began when the client
    /// connected.
    pub(super) fn stream(&self) -> Self {
        let State { phase, begun, .. } = *self.state.borrow();
        let begun = if phase == Phase::Head { begun } else { Instant::now() };
        Self::begun(self.limits, self.client, Phase::Body, begun)
    }

    /// Ends it, whatever it is doing.
    pub(super) fn end(&self) {
        self.enter(Phase::Idle);
    }

    fn enter(&self, phase: Phase) {
        self.state.send_modify(|state| *state = State::enter(phase, state.begun, &self.limits));
    }

    /// Waits until it is idle.
    pub(super) async fn ended(&self) {
        // The sender lives as long as `self`, so this ends with the phase only.
        _ = self.state.subscribe().wait_for(|state| state.phase == Phase::Idle).await;
    }

    /// Waits until the deadline of the current phase, whichever that is by then, has passed.
    pub(super) async fn expired(&self) {
        let mut state = self.state.subscribe();
        loop {
            let deadline = state.borrow_and_update().deadline;
            let passed = async {
                match deadline {
                    Some(deadline) => tokio::time::sleep_until(deadline).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = passed => return,
                _ = state.changed() => {}
            }
        }
    }

    /// Moves on to phase `to` if the current phase is `from`.
    pub(super) fn step(&self, from: Phase, to: Phase) {
        self.state.send_if_modified(|state| {
            let moves = state.phase == from;
            if moves {
                let begun = if from == Phase::Idle { Instant::now() } else { state.begun };
                *state = State::enter(to, begun, &self.limits);
            }
            moves
        });
    }

    /// Answers one request, keeping track of the phase.
    pub(super) async fn call(
        self: &Arc<Self>,
        app: &Router,
        guard: &Guard,
        request: Request<Incoming>,
    ) -> Result<Response, Infallible> {
        // Pipelined requests are parsed from what was read before, without passing through `Head`.
        self.step(Phase::Idle, Phase::Body);
        self.step(Phase::Head, Phase::Body);
        let mut request = request
            .map(|body| Body::new(TrackedBody::new(body, self, Phase::Body, Phase::Handling)));
        request.extensions_mut().insert(ConnectInfo(self.client));
        let (mut parts, body) = request.into_parts();
        let admitted = match guard.refuse_name(&parts.uri, &parts.headers) {
            Some(refusal) => Err(refusal),
            None => guard.admit(parts.uri.path(), &parts.headers, self.client).await,
        };
        let mut response = match admitted {
            Ok(user) => {
                if let Some(user) = user {
                    parts.extensions.insert(user);
                }
                answered(app.clone().oneshot(Request::from_parts(parts, body))).await?
            }
            Err(refusal) => refusal,
        };
        guard.finish(response.headers_mut());
        self.step(Phase::Body, Phase::Response);
        self.step(Phase::Handling, Phase::Response);
        Ok(response
            .map(|body| Body::new(TrackedBody::new(body, self, Phase::Response, Phase::Idle))))
    }
}

/// The answer of a handler; 500 if it panics, so that nobody else is concerned and the client hears of it.
async fn answered(
    answering: impl Future<Output = Result<Response, Infallible>>,
) -> Result<Response, Infallible> {
    let mut answering = std::pin::pin!(answering);
    poll_fn(|cx| {
        let polled = catch_unwind(AssertUnwindSafe(|| answering.as_mut().poll(cx)));
        polled.unwrap_or_else(|_| {
            let text = "a fault of Bellwether: its log says more\n";
            Poll::Ready(Ok((StatusCode::INTERNAL_SERVER_ERROR, text).into_response()))
        })
    })
    .await
}

/// A body at whose end the connection moves on from one phase to the next.
struct TrackedBody<B> {
    body: B,
    connection: Arc<Connection>,
    during: Phase,
    after: Phase,
}

impl<B: HttpBody> TrackedBody<B> {
    fn new(body: B, connection: &Arc<Connection>, during: Phase, after: Phase) -> Self {
        if body.is_end_stream() {
            connection.step(during, after);
        }
        Self { body, connection: Arc::clone(connection), during, after }
    }
}

impl<B: HttpBody<Data = Bytes> + Unpin> HttpBody for TrackedBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        if matches!(polled, Poll::Ready(None)) || self.body.is_end_stream() {
            self.connection.step(self.during, self.after);
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl<B> Drop for TrackedBody<B> {
    fn drop(&mut self) {
        self.connection.step(self.during, self.after);
    }
}

/// A socket that notices the first byte of a new request.
pub(super) struct WatchedStream<S> {
    stream: S,
    connection: Arc<Connection>,
}

impl<S> WatchedStream<S> {
    pub(super) fn new(stream: S, connection: Arc<Connection>) -> Self {
        Self { stream, connection }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for WatchedStream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let filled_before = buffer.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(cx, buffer);
        if buffer.filled().len() > filled_before {
            self.connection.step(Phase::Idle, Phase::Head);
        }
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for WatchedStream<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, buffers)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: ServerLimits = ServerLimits {
        handshake: Duration::from_secs(3),
        head: Duration::from_secs(4),
        body: Duration::from_secs(5),
        response: Duration::from_secs(6),
        idle: Duration::from_secs(7),
        connections_max: 1,
        connections_per_address_max: 1,
        head_bytes_max: 1,
        requests_per_connection_max: 1,
        drain: Duration::ZERO,
    };

    fn connection() -> Connection {
        Connection::new(LIMITS, ([127, 0, 0, 1], 1).into(), Phase::Handshake)
    }

    fn state(connection: &Connection) -> State {
        *connection.state.borrow()
    }

    #[test]
    fn whoever_is_slow_in_several_phases_has_the_time_of_one_request() {
        let connection = connection();
        let connected = state(&connection).begun;
        assert_eq!(state(&connection).deadline, Some(connected + LIMITS.handshake));
        connection.step(Phase::Handshake, Phase::Head);
        assert_eq!(state(&connection).deadline, Some(connected + LIMITS.head));
        assert_eq!(state(&connection.stream()).deadline, Some(connected + LIMITS.body));
        connection.step(Phase::Head, Phase::Body);
        assert_eq!(state(&connection).deadline, Some(connected + LIMITS.body));
    }

    #[test]
    fn each_further_request_has_all_of_its_time() {
        let connection = connection();
        for (from, to) in [
            (Phase::Handshake, Phase::Head),
            (Phase::Head, Phase::Body),
            (Phase::Body, Phase::Handling),
        ] {
            connection.step(from, to);
        }
        assert_eq!(state(&connection).deadline, None);
        let before = Instant::now();
        assert!(state(&connection.stream()).begun >= before);
        connection.step(Phase::Handling, Phase::Response);
        assert!(state(&connection).deadline >= Some(before + LIMITS.response));
        connection.step(Phase::Response, Phase::Idle);
        assert!(state(&connection).deadline >= Some(before + LIMITS.idle));
        let before = Instant::now();
        connection.step(Phase::Idle, Phase::Head);
        let begun = state(&connection).begun;
        assert!(begun >= before);
        connection.step(Phase::Head, Phase::Body);
        assert_eq!(state(&connection).deadline, Some(begun + LIMITS.body));
    }
}
