//! Receiver, gateway and HTTP server, put together.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use anyhow::{Context, bail};
use bellwether_connect::gateway::Gateway;
use bellwether_connect::http::{Guard, ServerLimits, serve};
use bellwether_connect::source::receiver::Receiver;
use bellwether_runtime::Clock;
use parking_lot::Mutex;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::cli::GatewayArgs;
use crate::config::{Config, ConfigError, GatewayConfig};
use crate::http;
use crate::logging;
use crate::process::{self, Signals};
use crate::run::web::{self, LiveWeb};
use crate::service::{DRAIN_MAX, WallClock};

/// Longest wait until what was taken is confirmed, at the end.
const CONFIRMED_MAX: Duration = Duration::from_secs(3);

/// What the HTTP handlers share.
pub(crate) struct GatewayApp {
    pub(crate) gateway: Arc<Gateway>,
    pub(crate) options: GatewayConfig,
    pub(crate) receiver: Arc<Receiver>,
    pub(crate) guard: Arc<Guard>,
    pub(crate) web: LiveWeb,
    pub(crate) started_at: jiff::Timestamp,
    args: GatewayArgs,
    /// Whether the last attempt to read the configuration succeeded, and when the one in force was read.
    last_reload: Mutex<(bool, jiff::Timestamp)>,
    /// Wall-clock time of the last request that could be decoded, in milliseconds; 0 before the first.
    last_received_ms: Arc<AtomicI64>,
}

impl GatewayApp {
    /// Wall-clock time of the last request that could be decoded.
    pub(crate) fn last_received(&self) -> Option<jiff::Timestamp> {
        match self.last_received_ms.load(Ordering::Relaxed) {
            0 => None,
            ms => jiff::Timestamp::from_millisecond(ms).ok(),
        }
    }

    /// Whether the last attempt to read the configuration succeeded, and when the one in force was read.
    pub(crate) fn last_reload(&self) -> (bool, jiff::Timestamp) {
        *self.last_reload.lock()
    }

    /// Reads the configuration again: how series belong together, and tenants. How it went is in the log.
    fn reload(&self) {
        match load(&self.args) {
            Ok(config) => {
                self.receiver.tell_apart(config.tenants.clone());
                self.gateway.reconfigure(Arc::new(config.engine), config.tenants.as_ref());
                *self.last_reload.lock() = (true, jiff::Timestamp::now());
                tracing::info!("configuration reloaded");
            }
            Err(error) => {
                self.last_reload.lock().0 = false;
                tracing::error!("configuration not reloaded, the old one stays in force: {error}");
            }
        }
        self.web.reload(&self.guard);
    }
}

/// The configuration that `args` ask for.
fn load(args: &GatewayArgs) -> Result<Config, ConfigError> {
    let mut config = Config::load(Some(&args.config))?;
    if let Some(listen) = args.listen {
        config.server.listen = listen;
    }
    // Once more, for the command line may have changed the address.
    config.server.check_exposure(&config.security)?;
    Ok(config)
}

pub(super) fn run(args: GatewayArgs) -> anyhow::Result<()> {
    let config = load(&args)?;
    let _logging = logging::init(config.log)?;
    process::attend(attend(args, config))
}

async fn attend(args: GatewayArgs, config: Config) -> anyhow::Result<()> {
    let mut signals = Signals::listen()?;
    let service = Service::start(args, config).await?;
    tracing::info!(address = %service.address, topic = service.app.options.topic, "listening");
    let app = Arc::clone(&service.app);
    signals.reload_until_stopped(move || app.reload()).await;
    signals.stop_with(service.stop()).await;
    Ok(())
}

/// Everything that runs.
struct Service {
    app: Arc<GatewayApp>,
    /// Where it listens.
    address: SocketAddr,
    server: JoinHandle<()>,
    web: JoinHandle<()>,
    shutdown: CancellationToken,
}

impl Service {
    async fn start(args: GatewayArgs, config: Config) -> anyhow::Result<Self> {
        let Some(options) = config.gateway else {
            bail!("the key `gateway` is missing: path=`{}`", args.config.display())
        };
        let listen = config.server.listen;
        if !config.server.is_local() && !config.security.authenticates() {
            tracing::warn!(address = %listen, "whoever can reach this address may write");
        }
        let guard = config.server.guard(config.security).context("cannot start the server")?;
        let guard = Arc::new(guard);
        let listener = TcpListener::bind(listen)
            .await
            .with_context(|| format!("cannot listen: address=`{listen}`"))?;
        let address = listener.local_addr().context("cannot listen")?;
        let settings = Arc::new(config.engine);
        let gateway =
            Gateway::start(options.clone(), settings, config.tenants.as_ref(), || WallClock.now());
        let gateway = Arc::new(gateway.context("gateway cannot start")?);
        let last_received_ms = Arc::new(AtomicI64::new(0));
        let received_ms = Arc::clone(&last_received_ms);
        let receiver = Receiver::new(Arc::clone(&gateway) as _, config.remote_write, move || {
            let now = WallClock.now();
            received_ms.store(now.as_ms(), Ordering::Relaxed);
            now
        });
        receiver.tell_apart(config.tenants.clone());
        let limits = config.server.limits;
        let limits = ServerLimits { drain: limits.drain.min(DRAIN_MAX), ..limits };
        let now = jiff::Timestamp::now();
        let app = Arc::new(GatewayApp {
            gateway,
            options,
            receiver: Arc::new(receiver),
            guard: Arc::clone(&guard),
            web: LiveWeb::new(config.server),
            started_at: now,
            args,
            last_reload: Mutex::new((true, now)),
            last_received_ms,
        });
        let shutdown = CancellationToken::new();
        let router = http::gateway::router(&app);
        let serving = serve(listener, router, limits, guard, shutdown.clone());
        let server = tokio::spawn(async move {
            if let Err(error) = serving.await {
                tracing::error!(%error, "HTTP server ended");
            }
        });
        let followed = Arc::clone(&app);
        let reload = move || followed.web.reload(&followed.guard);
        let web = tokio::spawn(web::follow(reload, shutdown.clone()));
        Ok(Self { app, address, server, web, shutdown })
    }

    /// Takes no new requests, and ends once those in progress are answered. Takes no longer than the limits above together.
    async fn stop(self) {
        self.shutdown.cancel();
        // The server keeps its own deadline.
        _ = self.server.await;
        _ = self.web.await;
        let gateway = Arc::clone(&self.app.gateway);
        let stopped = tokio::task::spawn_blocking(move || gateway.stop(CONFIRMED_MAX)).await;
        if !stopped.unwrap_or(false) {
            tracing::warn!(
                "brokers have not confirmed everything in time; nothing of it was acknowledged"
            );
        }
    }
}
