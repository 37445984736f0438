//! Engine, receiver, sinks and HTTP server, put together: what `run` and `demo` both stand on.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use anyhow::Context;
use bellwether_connect::http::ServerLimits;
use bellwether_connect::sink::alertmanager::Alertmanagers;
use bellwether_connect::source::remote_write::Receiver;
use bellwether_engine::Event;
use bellwether_runtime::{Clock, Handle, Options, Runtime};
use bellwether_series::Timestamp;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::cli::RunArgs;
use crate::config::Config;
use crate::events::EventStore;
use crate::http;
use crate::http::health::Pulse;
use crate::run::live::LiveConfig;

/// Longest wait for requests in progress at the end.
const DRAIN_MAX: Duration = Duration::from_secs(3);
/// Longest wait for the engine to finish what it has taken.
const ENGINE_STOP_MAX: Duration = Duration::from_secs(3);
/// Longest wait for Alertmanagers to take the last changes.
const ALERTMANAGERS_STOP_MAX: Duration = Duration::from_secs(2);

/// What the HTTP handlers share.
pub(crate) struct App {
    pub(crate) engine: Handle,
    pub(crate) queue_requests_max: usize,
    pub(crate) receiver: Arc<Receiver>,
    pub(crate) alertmanagers: Arc<Alertmanagers>,
    pub(crate) events: Arc<EventStore>,
    pub(crate) live: LiveConfig,
    pub(crate) started_at: jiff::Timestamp,
    pub(crate) pulse: Pulse,
    /// Wall-clock time of the last request that could be decoded, in milliseconds; 0 before the first.
    last_received_ms: Arc<AtomicI64>,
    ready: AtomicBool,
}

impl App {
    /// Whether requests are welcome.
    pub(crate) fn is_ready(&self) -> bool {
        self.ready.load(Ordering::Relaxed)
    }

    /// Wall-clock time of the last request that could be decoded.
    pub(crate) fn last_received(&self) -> Option<jiff::Timestamp> {
        match self.last_received_ms.load(Ordering::Relaxed) {
            0 => None,
            ms => jiff::Timestamp::from_millisecond(ms).ok(),
        }
    }
}

/// Everything that runs.
pub(crate) struct Service {
    pub(crate) app: Arc<App>,
    /// Where it listens.
    pub(crate) address: SocketAddr,
    runtime: Runtime,
    server: JoinHandle<()>,
    shutdown: CancellationToken,
}

impl Service {
    /// Starts everything under `config`, which is what `args` asked for. `on_event` hears of every event,
    /// in log order, on a thread of the engine: it must not block.
    ///
    /// # Errors
    /// When the address is taken, or a thread or sink cannot be started.
    pub(crate) async fn start(
        args: RunArgs,
        mut config: Config,
        on_event: impl FnMut(&Event) + Send + 'static,
    ) -> anyhow::Result<Self> {
        let listen = config.server.listen;
        let listener = TcpListener::bind(listen)
            .await
            .with_context(|| format!("cannot listen: address=`{listen}`"))?;
        let address = listener.local_addr().context("cannot listen")?;
        let external_url =
            config.server.external_url.clone().unwrap_or_else(|| default_external_url(address));
        config.alertmanagers.external_url = Some(external_url);
        let alertmanagers = Arc::new(Alertmanagers::start(config.alertmanagers.clone())?);
        let events = Arc::new(EventStore::default());
        let options = Options {
            shards: config.runtime.shards,
            queue_requests_max: config.runtime.queue_requests_max,
            heartbeat: bellwether_runtime::HEARTBEAT,
            hash_seed: RandomState::new().build_hasher().finish(),
        };
        let runtime = Runtime::start(
            &Arc::new(config.engine.clone()),
            options,
            Arc::new(WallClock),
            Box::new(fan_out(Arc::clone(&events), Arc::clone(&alertmanagers), on_event)),
        )
        .context("cannot start the engine's threads")?;
        let last_received_ms = Arc::new(AtomicI64::new(0));
        let receiver = receiver(&config, runtime.handle(), Arc::clone(&last_received_ms));
        let limits = ServerLimits {
            drain: config.server.limits.drain.min(DRAIN_MAX),
            ..config.server.limits
        };
        let app = Arc::new(App {
            engine: runtime.handle(),
            queue_requests_max: options.queue_requests_max,
            receiver: Arc::new(receiver),
            alertmanagers,
            events,
            live: LiveConfig::new(args, config),
            started_at: jiff::Timestamp::now(),
            pulse: Pulse::default(),
            last_received_ms,
            ready: AtomicBool::new(true),
        });
        let shutdown = CancellationToken::new();
        let serving =
            bellwether_connect::http::serve(listener, http::router(&app), limits, shutdown.clone());
        let server = tokio::spawn(async move {
            if let Err(error) = serving.await {
                tracing::error!(%error, "HTTP server ended");
            }
        });
        Ok(Self { app, address, runtime, server, shutdown })
    }

    /// Ends everything in the order of the data: no new requests, those in progress, the engine, the
    /// sinks. Takes no longer than the limits above together.
    pub(crate) async fn stop(self) {
        self.app.ready.store(false, Ordering::Relaxed);
        self.shutdown.cancel();
        // The server keeps its own deadline.
        _ = self.server.await;
        let engine = tokio::task::spawn_blocking(|| self.runtime.stop());
        if tokio::time::timeout(ENGINE_STOP_MAX, engine).await.is_err() {
            tracing::warn!("the engine did not finish in time");
        }
        self.app.alertmanagers.shutdown(ALERTMANAGERS_STOP_MAX).await;
    }
}

/// Tells everybody of each event who wants to know.
fn fan_out(
    store: Arc<EventStore>,
    alertmanagers: Arc<Alertmanagers>,
    mut on_event: impl FnMut(&Event) + Send + 'static,
) -> impl FnMut(Vec<Event>) + Send {
    move |events| {
        for event in events {
            alertmanagers.publish(&event);
            on_event(&event);
            store.push(event);
        }
    }
}

fn receiver(config: &Config, engine: Handle, last_received_ms: Arc<AtomicI64>) -> Receiver {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    Receiver::new(Arc::new(engine), config.remote_write.clone(), 2 * cores, move || {
        let now = WallClock.now();
        last_received_ms.store(now.as_ms(), Ordering::Relaxed);
        now
    })
}

struct WallClock;

impl Clock for WallClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_ms(jiff::Timestamp::now().as_millisecond())
    }
}

/// Where people find a server that listens on `address`.
fn default_external_url(address: SocketAddr) -> String {
    if !address.ip().is_unspecified() {
        return format!("http://{address}");
    }
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let host = if host.trim().is_empty() { "localhost" } else { host.trim() };
    format!("http://{host}:{}", address.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_lead_to_where_it_listens() {
        let url = |address: &str| default_external_url(address.parse().unwrap());
        assert_eq!(url("127.0.0.1:2355"), "http://127.0.0.1:2355");
        assert_eq!(url("[::1]:2355"), "http://[::1]:2355");
        let anywhere = url("0.0.0.0:2355");
        assert!(anywhere.ends_with(":2355") && !anywhere.contains("0.0.0.0"), "{anywhere}");
    }
}
