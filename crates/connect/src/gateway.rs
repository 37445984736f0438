//! Takes requests in and hands them on to a topic of Kafka, from which workers read them.
//!
//! ```text
//! Receiver ─▶ bounded queue ─▶ split by routing key ─▶ librdkafka ─▶ broker
//!     ▲                        (threads)               (bounded)       │
//!     └──────────── the answer, once each record is confirmed ◀───────┘
//! ```
//!
//! A gateway is another [`Ingest`]: what it knows of a request is which partition of the topic owns each of its series, by the same
//! key that decides where the engine keeps it ([`Routing`]). So any number of gateways with the same configuration do
//! the same, and none has anything to lose. A request becomes one record for each partition that it touches, in the form
//! of remote write 1.0, and more where one would be too large.
//!
//! A sender hears that its request was taken only after the brokers have confirmed every record, on all replicas that are in
//! sync. Of a request that was not confirmed as a whole part may be in the topic; the sender is told to come back, and what it sends twice is
//! dropped as a duplicate by whoever reads it.

mod families;
mod options;
mod pending;
mod split;
mod stats;
mod topic;
mod worker;

use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError, SyncSender};
use std::time::{Duration, Instant};

use bellwether_engine::{Routing, Settings};
use bellwether_runtime::{Ingest, Reply, Request, SubmitError};
use bellwether_series::Timestamp;
use crossbeam_channel::{Sender, TrySendError};
use parking_lot::{Mutex, RwLock};

use crate::kafka::ClientError;
use crate::source::receiver::TenantOptions;
use families::Families;
pub use options::{GatewayOptions, GatewayOptionsError};
pub use split::partition_of;
use stats::Account;
pub use stats::GatewayFigures;
use topic::Topic;
use worker::InForce;

/// What the threads share.
struct Shared {
    options: GatewayOptions,
    account: Arc<Account>,
    families: Arc<Families>,
    topic: Topic,
    in_force: RwLock<Arc<InForce>>,
}

/// A gateway, and its threads.
pub struct Gateway {
    shared: Arc<Shared>,
    /// `None` once it takes nothing any more.
    queue: RwLock<Option<Sender<(Request, Reply)>>>,
    stop_keeper: Mutex<Option<SyncSender<()>>>,
    /// Disconnected once all threads that split have ended, however they did. Nothing is ever sent.
    ended: Mutex<mpsc::Receiver<()>>,
}

/// Why there is no gateway.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GatewayError {
    /// An option is unusable.
    #[error(transparent)]
    Options(#[from] GatewayOptionsError),
    /// librdkafka refuses something.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The system refuses a thread.
    #[error("cannot start a thread: {0}")]
    Thread(#[from] std::io::Error),
}

impl Gateway {
    /// Starts the threads. Brokers need not be there yet. `settings` say what belongs together, `tenants` how a record names
    /// its tenant; `clock` tells the wall-clock time.
    ///
    /// # Errors
    /// When an option is unusable.
    pub fn start(
        options: GatewayOptions,
        settings: Arc<Settings>,
        tenants: Option<&TenantOptions>,
        clock: impl Fn() -> Timestamp + Send + 'static,
    ) -> Result<Self, GatewayError> {
        options.check()?;
        let account = Arc::<Account>::default();
        let shared = Arc::new(Shared {
            families: Arc::new(Families::new(options.metadata_every)),
            topic: Topic::start(options.clone(), Arc::clone(&account))?,
            account,
            in_force: RwLock::new(Arc::new(in_force(settings, tenants))),
            options,
        });
        let (queue, waiting) = crossbeam_channel::bounded(shared.options.queue_requests_max);
        let (running, ended) = mpsc::sync_channel(0);
        for number in 0..shared.options.threads {
            let (shared, waiting) = (Arc::clone(&shared), waiting.clone());
            let running = SyncSender::clone(&running);
            std::thread::Builder::new().name(format!("gateway-{number}")).spawn(move || {
                worker::split_all(&shared, &waiting);
                drop(running);
            })?;
        }
        let (stop_keeper, stopped) = mpsc::sync_channel(1);
        let kept = Arc::clone(&shared);
        std::thread::Builder::new()
            .name("gateway-keeper".to_owned())
            .spawn(move || worker::keep(&kept, &stopped, &clock))?;
        Ok(Self {
            shared,
            queue: RwLock::new(Some(queue)),
            stop_keeper: Mutex::new(Some(stop_keeper)),
            ended: Mutex::new(ended),
        })
    }

    /// Splits the next requests by other settings. Those of workers must be the same.
    pub fn reconfigure(&self, settings: Arc<Settings>, tenants: Option<&TenantOptions>) {
        *self.shared.in_force.write() = Arc::new(in_force(settings, tenants));
    }

    /// Whether requests are welcome: a broker answers, and the topic exists.
    pub fn is_ready(&self) -> bool {
        self.queue.read().is_some() && self.shared.topic.partitions().is_some()
    }

    /// How it is going.
    pub fn figures(&self) -> GatewayFigures {
        GatewayFigures {
            partitions: self.shared.topic.partitions().map_or(0, |count| count.get() as usize),
            queue_depth: self.queue.read().as_ref().map_or(0, Sender::len),
            families: self.shared.families.count(),
            ..self.shared.account.figures()
        }
    }

    /// Takes nothing any more, and waits until what it has taken is confirmed, for `limit` at the most; whether it is.
    pub fn stop(&self, limit: Duration) -> bool {
        let until = Instant::now() + limit;
        drop(self.queue.write().take());
        let ended = self.ended.lock().recv_timeout(limit);
        let left = until.saturating_duration_since(Instant::now());
        let is_flushed = self.shared.topic.flush(left);
        drop(self.stop_keeper.lock().take());
        ended == Err(RecvTimeoutError::Disconnected) && is_flushed
    }
}

impl Ingest for Gateway {
    fn check(&self) -> Result<(), SubmitError> {
        let queue = self.queue.read();
        let Some(queue) = &*queue else { return Err(SubmitError::Stopping) };
        if self.shared.topic.partitions().is_none() {
            return Err(SubmitError::Unreachable);
        }
        let buffer_bytes_max = self.shared.options.buffer_bytes_max;
        if queue.is_full() || self.shared.account.under_way_bytes() >= buffer_bytes_max {
            return Err(SubmitError::Full);
        }
        Ok(())
    }

    fn submit(&self, request: Request, reply: Reply) -> Result<(), SubmitError> {
        self.check()?;
        let queue = self.queue.read();
        let Some(queue) = &*queue else { return Err(SubmitError::Stopping) };
        queue.try_send((request, reply)).map_err(|error| match error {
            TrySendError::Full(_) => SubmitError::Full,
            TrySendError::Disconnected(_) => SubmitError::Stopping,
        })
    }
}

fn in_force(settings: Arc<Settings>, tenants: Option<&TenantOptions>) -> InForce {
    InForce {
        routing: Routing::new(settings),
        tenant_header: tenants.map(|tenants| tenants.header.as_str().to_owned()),
    }
}
