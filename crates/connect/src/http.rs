//! An HTTP server that no client can hold up and nobody enters who may not.
//!
//! `axum::serve` sets no timeout at all, and hyper's own header timeout knows nothing of a slow body or
//! of a client that never reads its answer. So the accept loop is ours: each connection is always in one
//! phase with a deadline, and when that passes the socket is closed; those of handshake, head and body count from
//! when the client began, so that being slow in each of them is no use. At the cap on connections, the one
//! that has waited longest without a request makes room for the next.
//!
//! A [`Guard`] says whether there is TLS and who may come in. HTTP/2 is spoken over TLS only, where both sides
//! agree on it before the first byte of a request.

mod connection;
mod guard;
mod network;
mod options;
mod pool;
mod stats;
mod streams;
mod tls;

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use connection::{Connection, Phase, WatchedStream};
use pool::Pool;
use streams::Streams;

pub use guard::{Guard, User, check_password_hash};
pub use options::{
    ClientAuth, OPEN_PATHS, Rate, SecurityError, SecurityOptions, TlsOptions, TlsVersion,
};
pub use stats::{CLOSE_REASONS, REFUSALS, ServerStats};

/// Least that [`ServerLimits::head_bytes_max`] can be: whatever is less counts as this.
pub const HEAD_BYTES_MIN: usize = 8 * 1024;

/// Pause after the system refused a new connection, for want of file descriptors say.
const ACCEPT_RETRY: Duration = Duration::from_millis(200);

/// How long a client may take, and how many there may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServerLimits {
    /// From connecting to the end of the TLS handshake.
    pub handshake: Duration,
    /// From connecting, or from the first byte of a later request, to the end of the request's head.
    pub head: Duration,
    /// From there, and not from the end of the head, to the end of the body.
    pub body: Duration,
    /// From the handler's answer to its last byte.
    pub response: Duration,
    /// Between two requests of one connection.
    pub idle: Duration,
    /// Most connections at a time. At the cap the oldest one that waits for a request is closed for a
    /// new one; when all are being served the new one waits.
    pub connections_max: usize,
    /// Most connections of one address at a time. At the cap its oldest one that waits for a request is closed
    /// for a new one; when all are being served the new one is closed.
    pub connections_per_address_max: usize,
    /// Largest head of a request, and the read buffer of a connection, in bytes; at least [`HEAD_BYTES_MIN`]. A little more
    /// may be taken. The answer to what is larger is 431.
    pub head_bytes_max: usize,
    /// Most requests at a time on one connection of HTTP/2, at least 1; the protocol has the client wait with further ones.
    pub requests_per_connection_max: u32,
    /// How long requests in progress may take to end after shutdown began.
    pub drain: Duration,
}

impl Default for ServerLimits {
    fn default() -> Self {
        Self {
            handshake: Duration::from_secs(10),
            head: Duration::from_secs(10),
            body: Duration::from_secs(12),
            response: Duration::from_mins(1),
            idle: Duration::from_mins(1),
            connections_max: 512,
            connections_per_address_max: 256,
            head_bytes_max: 64 * 1024,
            requests_per_connection_max: 100,
            drain: Duration::from_secs(10),
        }
    }
}

/// Serves `app` on `listener` to whom `guard` admits until `shutdown` is cancelled; then closes idle connections,
/// lets requests in progress end within `limits.drain`, and returns.
///
/// Every request carries [`ConnectInfo`](axum::extract::ConnectInfo) with the address of its client. A
/// failure to accept one connection is survived.
///
/// # Errors
/// When `listener` is not bound to an address.
pub async fn serve(
    listener: TcpListener,
    app: Router,
    limits: ServerLimits,
    guard: Arc<Guard>,
    shutdown: CancellationToken,
) -> io::Result<()> {
    tracing::debug!(address = %listener.local_addr()?, "serving HTTP");
    let pool = Arc::new(Pool::new(limits.connections_max, limits.connections_per_address_max));
    let tasks = TaskTracker::new();
    let overdue = CancellationToken::new();
    let server =
        Server { app, guard, limits, shutdown: shutdown.clone(), overdue: overdue.clone() };
    let accepting = accept(&listener, &pool, server.guard.stats(), |stream, client, slot| {
        let phase =
            if server.guard.rules().tls().is_some() { Phase::Handshake } else { Phase::Head };
        let connection = Arc::new(Connection::new(limits, client, phase));
        let admitted = pool.insert(slot, Arc::clone(&connection));
        let server = server.clone();
        tasks.spawn(async move {
            server.guard.stats().connections.fetch_add(1, Ordering::Relaxed);
            server.serve_connection(stream, &connection).await;
            server.guard.stats().connections.fetch_sub(1, Ordering::Relaxed);
            drop(admitted);
        });
    });
    tokio::select! {
        () = shutdown.cancelled() => {}
        () = accepting => {}
    }
    drop(listener);
    tasks.close();
    if tokio::time::timeout(limits.drain, tasks.wait()).await.is_err() {
        tracing::warn!(connections = tasks.len(), "closing connections that did not end in time");
        overdue.cancel();
        tasks.wait().await;
    }
    Ok(())
}

/// Accepts connections for ever and starts each one that finds a place.
async fn accept(
    listener: &TcpListener,
    pool: &Arc<Pool>,
    stats: &ServerStats,
    start: impl Fn(TcpStream, SocketAddr, pool::Slot),
) {
    loop {
        match listener.accept().await {
            Ok((stream, client)) if pool.allows(client.ip()) => {
                let slot = pool.slot().await;
                start(stream, client, slot);
            }
            Ok(_) => stats.count_refused_address(),
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(ACCEPT_RETRY).await;
            }
        }
    }
}

/// What all connections share.
#[derive(Clone)]
struct Server {
    app: Router,
    guard: Arc<Guard>,
    limits: ServerLimits,
    shutdown: CancellationToken,
    /// Cancelled when requests in progress have had their time.
    overdue: CancellationToken,
}

impl Server {
    async fn serve_connection(&self, stream: TcpStream, connection: &Arc<Connection>) {
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "cannot set TCP_NODELAY");
        }
        let Some(tls) = self.guard.rules().tls().cloned() else {
            return self.serve_http1(stream, connection).await;
        };
        let handshake = TlsAcceptor::from(tls).accept(stream);
        let stream = tokio::select! {
            stream = handshake => stream,
            () = connection.expired() => {
                return self.guard.stats().count_closed(connection.phase());
            }
            () = self.shutdown.cancelled() => return,
        };
        match stream {
            Ok(stream) => {
                connection.step(Phase::Handshake, Phase::Head);
                if stream.get_ref().1.alpn_protocol() == Some(tls::ALPN_HTTP2) {
                    self.serve_http2(stream, connection).await;
                } else {
                    self.serve_http1(stream, connection).await;
                }
            }
            Err(error) => {
                self.guard.stats().handshakes_failed.fetch_add(1, Ordering::Relaxed);
                tracing::debug!(client = %connection.client(), %error, "TLS handshake failed");
            }
        }
    }

    async fn serve_http1<S>(&self, stream: S, connection: &Arc<Connection>)
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let service = service_fn(|request| connection.call(&self.app, &self.guard, request));
        let served = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(None) // `Connection` keeps the time
            .max_buf_size(self.limits.head_bytes_max.max(HEAD_BYTES_MIN))
            .serve_connection(
                TokioIo::new(WatchedStream::new(stream, Arc::clone(connection))),
                service,
            );
        self.drive(served, http1::Connection::graceful_shutdown, connection).await;
    }

    async fn serve_http2<S>(&self, stream: S, connection: &Arc<Connection>)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let streams = Streams::new(Arc::clone(connection), &self.limits);
        let service = service_fn(|request| {
            Arc::clone(&streams).call(self.app.clone(), Arc::clone(&self.guard), request)
        });
        let served = streams::builder(&self.limits).serve_connection(TokioIo::new(stream), service);
        self.drive(served, http2::Connection::graceful_shutdown, connection).await;
    }

    /// Serves a connection until it ends, its time is over, or everything ends.
    async fn drive<C>(&self, served: C, end: impl Fn(Pin<&mut C>), connection: &Connection)
    where
        C: Future<Output = Result<(), hyper::Error>>,
    {
        let mut served = std::pin::pin!(served);
        let mut draining = false;
        loop {
            tokio::select! {
                result = served.as_mut() => {
                    if let Err(error) = result {
                        self.guard.stats().count_failed(&error);
                        tracing::debug!(%error, "connection failed");
                    }
                    return;
                }
                () = connection.expired() => {
                    return self.guard.stats().count_closed(connection.phase());
                }
                () = self.overdue.cancelled() => return,
                () = self.shutdown.cancelled(), if !draining => {
                    draining = true;
                    end(served.as_mut());
                }
            }
        }
    }
}
