//! Engine, receiver, sinks and HTTP server, put together: what `run` and `demo` both stand on.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use anyhow::Context;
use bellwether_connect::http::{Guard, ServerLimits, serve};
use bellwether_connect::source::receiver::Receiver;
use bellwether_engine::{SeriesView, Usage};
use bellwether_runtime::checkpoint::Rejected;
use bellwether_runtime::journal::{Gap, TornTail};
use bellwether_runtime::storage::DiskStorage;
use bellwether_runtime::{
    Clock, Deliveries, Durability, EventSink, Handle, News, Options, Phase, Recovery, Runtime,
    SubmitError, Wanted, with_causes,
};
use bellwether_series::Timestamp;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::cli::RunArgs;
use crate::config::Config;
use crate::health::Pulse;
use crate::health::alert_file::AlertFile;
use crate::health::watch::{self, HealthWatch};
use crate::http;
use crate::http::answers::Answers;
use crate::outlets::Outlets;
use crate::run::live::{LiveConfig, ReloadError, Reloaded};
use crate::run::web::{self, LiveWeb};
use crate::topics::Topics;

/// Longest wait for requests in progress at the end.
pub(crate) const DRAIN_MAX: Duration = Duration::from_secs(3);
/// When, counted from the beginning of a stop, nobody waits for its checkpoint any more.
const CHECKPOINT_STOP_MAX: Duration = Duration::from_secs(4);
/// Longest wait for the engine to finish what it has taken.
const ENGINE_STOP_MAX: Duration = Duration::from_secs(3);
/// While it recovers it says so this often.
const PROGRESS_EVERY: Duration = Duration::from_secs(2);
/// Longest wait for Alertmanagers and sinks to take the last changes.
const OUTLETS_STOP_MAX: Duration = Duration::from_secs(2);

/// What the HTTP handlers share.
pub(crate) struct App {
    pub(crate) engine: Handle,
    pub(crate) queue_requests_max: usize,
    pub(crate) receiver: Arc<Receiver>,
    pub(crate) topics: Topics,
    pub(crate) outlets: Arc<Outlets>,
    pub(crate) health_watch: HealthWatch,
    pub(crate) live: LiveConfig,
    pub(crate) web: LiveWeb,
    pub(crate) guard: Arc<Guard>,
    pub(crate) answers: Answers,
    pub(crate) started_at: jiff::Timestamp,
    pub(crate) pulse: Pulse,
    /// Whether what it learns survives.
    pub(crate) is_durable: bool,
    /// Wall-clock time of the last request that could be decoded, in milliseconds; 0 before the first.
    last_received_ms: Arc<AtomicI64>,
    ready: AtomicBool,
}

impl App {
    /// Whether requests are welcome.
    pub(crate) fn is_ready(&self) -> bool {
        self.ready.load(Ordering::Relaxed) && self.engine.stats().phase() == Phase::Ready
    }

    /// Reads the configuration again, that of the web included. Blocks for as long as the engine's queue is full.
    ///
    /// # Errors
    /// When the old configuration stays in force.
    pub(crate) fn reload(&self) -> Result<Reloaded, ReloadError> {
        let reloaded = self.live.reload(self);
        self.web.reload(&self.guard);
        reloaded
    }

    /// At most `limit` of the series for which `wanted` holds, in order of their labels. Blocks until whoever judges has come to
    /// it.
    ///
    /// # Errors
    /// When the engine is stopping, or recovering.
    pub(crate) fn view(
        &self,
        wanted: Wanted,
        limit: usize,
    ) -> Result<Vec<SeriesView>, SubmitError> {
        match self.topics.cells() {
            Some(cells) => Ok(cells.view(&wanted, limit)),
            None => self.engine.view(wanted, limit),
        }
    }

    /// What the states of all series use memory for, and how many series these are. Blocks likewise.
    ///
    /// # Errors
    /// When the engine is stopping, or recovering.
    pub(crate) fn usage(&self) -> Result<(usize, Usage), SubmitError> {
        match self.topics.cells() {
            Some(cells) => {
                let series = cells.figures().open.values().map(|cell| cell.series).sum();
                Ok((series, cells.usage()))
            }
            None => Ok((self.engine.stats().series(), self.engine.usage()?)),
        }
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
    watch: JoinHandle<()>,
    web: JoinHandle<()>,
    shutdown: CancellationToken,
}

impl Service {
    /// Starts everything under `config`, which is what `args` asked for. `sinks` are told of every event besides
    /// those that `config` names; `alert` is where the alert about health is kept.
    ///
    /// # Errors
    /// When the address is taken, or a thread or sink cannot be started.
    pub(crate) async fn start(
        args: RunArgs,
        mut config: Config,
        sinks: Vec<Arc<dyn EventSink>>,
        alert: AlertFile,
    ) -> anyhow::Result<Self> {
        let listen = config.server.listen;
        let guard = config.server.guard(config.security.clone());
        let guard = Arc::new(guard.context("cannot start the server")?);
        if !config.server.is_local() && !config.security.authenticates() {
            tracing::warn!(address = %listen, "whoever can reach this address may do everything");
        }
        let listener = TcpListener::bind(listen)
            .await
            .with_context(|| format!("cannot listen: address=`{listen}`"))?;
        let address = listener.local_addr().context("cannot listen")?;
        let scheme = if config.security.tls.is_some() { "https" } else { "http" };
        let external_url = config.server.external_url.clone();
        let external_url = external_url.unwrap_or_else(|| default_external_url(scheme, address));
        let instance = url_host(&external_url).to_owned();
        config.alertmanagers.external_url = Some(external_url);
        let outlets = Arc::new(Outlets::start(&config, sinks)?);
        let options = Options {
            shards: config.runtime.shards,
            queue_requests_max: config.runtime.queue_requests_max,
            tenant_under_way_max: config.runtime.tenant_under_way_max,
            heartbeat: bellwether_runtime::HEARTBEAT,
            hash_seed: RandomState::new().build_hasher().finish(),
        };
        let runtime = Runtime::open(
            &Arc::new(config.engine.clone()),
            options,
            Arc::new(WallClock),
            Box::new(tell(Arc::clone(&outlets))),
            durability(&config, Arc::clone(&outlets) as Arc<dyn Deliveries>),
        )
        .context("cannot start the engine's threads")?;
        let is_durable = config.durability.is_some();
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
            topics: Topics::new(&config),
            outlets,
            health_watch: HealthWatch::new(config.health, instance),
            web: LiveWeb::new(config.server.clone()),
            guard: Arc::clone(&guard),
            answers: Answers::new(config.server.answers_bytes_max),
            live: LiveConfig::new(args, config),
            started_at: jiff::Timestamp::now(),
            pulse: Pulse::default(),
            is_durable,
            last_received_ms,
            ready: AtomicBool::new(true),
        });
        let shutdown = CancellationToken::new();
        let serving = serve(listener, http::router(&app), limits, guard, shutdown.clone());
        let server = tokio::spawn(async move {
            if let Err(error) = serving.await {
                tracing::error!(%error, "HTTP server ended");
            }
        });
        let watch = tokio::spawn(watch::watch(Arc::clone(&app), alert, shutdown.clone()));
        let followed = Arc::clone(&app);
        let reload = move || followed.web.reload(&followed.guard);
        let web = tokio::spawn(web::follow(reload, shutdown.clone()));
        Ok(Self { app, address, runtime, server, watch, web, shutdown })
    }

    /// Waits until the engine goes on where the last one ended, and says in the log how far it is.
    ///
    /// # Errors
    /// When that cannot be had.
    pub(crate) async fn recover(&self) -> anyhow::Result<()> {
        let recovering = self.runtime.recovering();
        let mut recovered = tokio::task::spawn_blocking(move || recovering.wait());
        let mut ticks = tokio::time::interval(PROGRESS_EVERY);
        ticks.tick().await;
        let found = loop {
            tokio::select! {
                found = &mut recovered => break found,
                _ = ticks.tick() => log_progress(self.app.engine.stats().phase()),
            }
        };
        let found = found.context("recovery ended early")?;
        let found = found.context("what was learned before cannot be read")?;
        if self.app.is_durable {
            log_recovery(&found);
        }
        let app = &self.app;
        let (settings, outlets) = (app.live.engine(), Arc::clone(&app.outlets));
        app.topics.start(&found.offsets, app.engine.clone(), settings, outlets, Arc::new(WallClock))
    }

    /// Ends everything in the order of the data: no new requests, those in progress, a last checkpoint, the engine, the
    /// sinks. Takes no longer than the limits above together.
    pub(crate) async fn stop(self) {
        let checkpoint_by = Instant::now() + CHECKPOINT_STOP_MAX;
        self.app.ready.store(false, Ordering::Relaxed);
        self.shutdown.cancel();
        let app = Arc::clone(&self.app);
        // What it has submitted is finished by the engine, as are requests; it has ended when the server has.
        let topics = tokio::task::spawn_blocking(move || app.topics.stop(DRAIN_MAX));
        // The server keeps its own deadline.
        _ = self.server.await;
        // It keeps its own deadline as well.
        _ = topics.await;
        // It waits for nobody but, for a second at the most, the disk.
        _ = self.watch.await;
        _ = self.web.await;
        if self.app.is_durable {
            last_checkpoint(self.app.engine.clone(), checkpoint_by).await;
        }
        let engine = tokio::task::spawn_blocking(|| self.runtime.stop());
        if tokio::time::timeout(ENGINE_STOP_MAX, engine).await.is_err() {
            tracing::warn!("the engine did not finish in time");
        }
        self.app.outlets.close(OUTLETS_STOP_MAX).await;
    }
}

/// Makes a checkpoint, so that the next start has little to read and sinks are not told again what they have. Not having
/// it costs no more than that.
async fn last_checkpoint(engine: Handle, by: Instant) {
    let making = tokio::task::spawn_blocking(move || engine.checkpoint());
    match tokio::time::timeout_at(by, making).await {
        Ok(Ok(Ok(generation))) => tracing::info!(generation, "checkpoint made at the end"),
        Ok(Ok(Err(error))) => {
            tracing::warn!(error = with_causes(&error), "no checkpoint at the end");
        }
        // A panic has been printed by then.
        Ok(Err(_)) => {}
        Err(_) => tracing::warn!("no checkpoint at the end: it takes too long"),
    }
}

/// What of `config` survives a restart.
pub(crate) fn durability(config: &Config, deliveries: Arc<dyn Deliveries>) -> Option<Durability> {
    let durability = config.durability.clone()?;
    Some(Durability {
        storage: Arc::new(DiskStorage::new(&config.data_dir)),
        journal: durability.journal,
        checkpoints: durability.checkpoints,
        cold: durability.cold,
        checkpoint_every: Duration::from_millis(durability.checkpoint_every_ms.max(1) as u64),
        reserve: durability.reserve,
        deliveries,
        id_seed: RandomState::new().build_hasher().finish(),
    })
}

/// Says in the log how far the recovery is.
fn log_progress(phase: Phase) {
    match phase {
        Phase::Restoring => tracing::info!("reading the newest checkpoint"),
        Phase::Replaying { records, of } => tracing::info!(records, of, "reading the journal"),
        Phase::Ready | Phase::Unrecorded => {}
    }
}

/// Says in the log what was found.
fn log_recovery(found: &Recovery) {
    let Recovery { generation, rejected, records, torn_tail, gaps, unreadable, took, .. } = found;
    for Rejected { file, reason, .. } in rejected {
        let reason = with_causes(reason);
        tracing::error!(file, reason, "checkpoint is not valid");
    }
    match generation {
        _ if rejected.is_empty() => {}
        Some(generation) => tracing::warn!(generation, "an older checkpoint is taken"),
        None => tracing::error!(
            "no checkpoint is valid: what was learned before the journal begins is lost, the rest is learned from it again"
        ),
    }
    match torn_tail {
        Some(TornTail { file, offset, bytes, is_damaged: true }) => tracing::error!(
            file,
            offset,
            bytes,
            "journal is damaged at its end: what does not verify there may have been acknowledged"
        ),
        Some(TornTail { file, offset, bytes, is_damaged: false }) => tracing::warn!(
            file,
            offset,
            bytes,
            "journal ends within a record, which a crash cut short"
        ),
        None => {}
    }
    for gap in gaps {
        let Gap { file, offset, first_missing, missing, .. } = gap;
        tracing::error!(
            file,
            offset,
            first_missing,
            missing,
            "journal is damaged, records are missing"
        );
    }
    for (sequence, reason) in unreadable {
        let reason = with_causes(reason);
        tracing::error!(sequence, reason, "journal holds what this version does not understand");
    }
    let took_ms = took.as_millis() as u64;
    tracing::info!(generation, records, took_ms, "recovered");
}

/// Tells everybody what the engine says.
fn tell(outlets: Arc<Outlets>) -> impl FnMut(News) + Send {
    move |news| {
        for event in news.events {
            outlets.publish(news.told, event);
        }
        if !news.gauges.is_empty() {
            outlets.publish_gauges(news.gauges);
        }
    }
}

/// Host and port of a URL.
fn url_host(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.split('/').next().unwrap_or(rest)
}

fn receiver(config: &Config, engine: Handle, last_received_ms: Arc<AtomicI64>) -> Receiver {
    let options = config.remote_write.clone();
    let receiver = Receiver::new(Arc::new(engine), options, move || {
        let now = WallClock.now();
        last_received_ms.store(now.as_ms(), Ordering::Relaxed);
        now
    });
    receiver.tell_apart(config.tenants.clone());
    receiver
}

pub(crate) struct WallClock;

impl Clock for WallClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_ms(jiff::Timestamp::now().as_millisecond())
    }
}

/// Where people find a server that listens on `address`.
fn default_external_url(scheme: &str, address: SocketAddr) -> String {
    if !address.ip().is_unspecified() {
        return format!("{scheme}://{address}");
    }
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let host = if host.trim().is_empty() { "localhost" } else { host.trim() };
    format!("{scheme}://{host}:{}", address.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instance_is_named_by_host_and_port() {
        assert_eq!(url_host("https://bellwether.example:2355/prefix"), "bellwether.example:2355");
        assert_eq!(url_host("http://[::1]:2355"), "[::1]:2355");
    }

    #[test]
    fn links_lead_to_where_it_listens() {
        let url = |address: &str| default_external_url("http", address.parse().unwrap());
        assert_eq!(url("127.0.0.1:2355"), "http://127.0.0.1:2355");
        assert_eq!(url("[::1]:2355"), "http://[::1]:2355");
        let anywhere = url("0.0.0.0:2355");
        assert!(anywhere.ends_with(":2355") && !anywhere.contains("0.0.0.0"), "{anywhere}");
    }
}
