//! An HTTP/1.1 server that no client can hold up.
//!
//! `axum::serve` sets no timeout at all, and hyper's own header timeout knows nothing of a slow body or
//! of a client that never reads its answer. So the accept loop is ours: each connection is always in one
//! phase with a deadline, and when that passes the socket is closed. At the cap on connections, the one
//! that has waited longest without a request makes room for the next.

mod connection;
mod pool;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use connection::{Connection, WatchedStream};
use pool::Pool;

/// Largest request head, and the read buffer of a connection, in bytes.
const HEAD_BYTES_MAX: usize = 64 * 1024;

/// Pause after the system refused a new connection, for want of file descriptors say.
const ACCEPT_RETRY: Duration = Duration::from_millis(200);

/// How long a client may take, and how many there may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServerLimits {
    /// From connecting, or from the first byte of a later request, to the end of the request's head.
    pub head: Duration,
    /// From the end of the head to the end of the body.
    pub body: Duration,
    /// From the handler's answer to its last byte.
    pub response: Duration,
    /// Between two requests of one connection.
    pub idle: Duration,
    /// Most connections at a time. At the cap the oldest one that waits for a request is closed for a
    /// new one; when all are being served the new one waits.
    pub connections_max: usize,
    /// How long requests in progress may take to end after shutdown began.
    pub drain: Duration,
}

impl Default for ServerLimits {
    fn default() -> Self {
        Self {
            head: Duration::from_secs(10),
            body: Duration::from_secs(30),
            response: Duration::from_mins(1),
            idle: Duration::from_mins(1),
            connections_max: 512,
            drain: Duration::from_secs(10),
        }
    }
}

/// Serves `app` on `listener` until `shutdown` is cancelled; then closes idle connections, lets requests
/// in progress end within `limits.drain`, and returns.
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
    shutdown: CancellationToken,
) -> io::Result<()> {
    tracing::debug!(address = %listener.local_addr()?, "serving HTTP");
    let pool = Arc::new(Pool::new(limits.connections_max));
    let tasks = TaskTracker::new();
    let overdue = CancellationToken::new();
    let accepting = accept(&listener, &pool, |stream, client, slot| {
        let connection = Arc::new(Connection::new(limits, client));
        let admitted = pool.insert(slot, Arc::clone(&connection));
        let (app, shutdown, overdue) = (app.clone(), shutdown.clone(), overdue.clone());
        tasks.spawn(async move {
            serve_connection(stream, app, &connection, &shutdown, &overdue).await;
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
    start: impl Fn(TcpStream, SocketAddr, pool::Slot),
) {
    loop {
        match listener.accept().await {
            Ok((stream, client)) => {
                let slot = pool.slot().await;
                start(stream, client, slot);
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(ACCEPT_RETRY).await;
            }
        }
    }
}

async fn serve_connection(
    stream: TcpStream,
    app: Router,
    connection: &Arc<Connection>,
    shutdown: &CancellationToken,
    overdue: &CancellationToken,
) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "cannot set TCP_NODELAY");
    }
    let service = hyper::service::service_fn(|request| connection.call(&app, request));
    let served = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(None) // `Connection` keeps the time
        .max_buf_size(HEAD_BYTES_MAX)
        .serve_connection(
            TokioIo::new(WatchedStream::new(stream, Arc::clone(connection))),
            service,
        );
    let mut served = std::pin::pin!(served);
    let mut draining = false;
    loop {
        tokio::select! {
            result = served.as_mut() => {
                if let Err(error) = result {
                    tracing::debug!(%error, "connection failed");
                }
                return;
            }
            () = connection.expired() => return,
            () = overdue.cancelled() => return,
            () = shutdown.cancelled(), if !draining => {
                draining = true;
                served.as_mut().graceful_shutdown();
            }
        }
    }
}
