//! Reads topics of Kafka, and hands each record to the engine as a request.
//!
//! A record takes the same way as a request over HTTP: it gets its place in the one order of everything that happens, and is in
//! the journal before anybody acts on it. The journal says which record of which partition each request was, so the engine itself
//! knows how far it has taken each partition ([`bellwether_runtime::Offsets`]), and that is where reading goes on, after a crash
//! as after a rebalance. What the group has committed is for tools that show lag. So Kafka delivers at least once, and each
//! record counts once.
//!
//! ```text
//! broker ─▶ librdkafka ─▶ line of its partition, decoded ahead ──────────────────┬─▶ Ingest ─▶ taken
//!                         (bounded; when all are full   └─▶ dead-letter topic ─▶ ┘ an empty request in its place
//!                          those that are stuck pause)
//! ```
//!
//! Within a partition records are submitted in order, many at a time. When one is refused, those behind it are as well, and
//! reading begins again with it. Nothing is skipped but what is *poison*, which will never be a request: that goes to the
//! dead-letter topic while the records before it are with the engine, and once the broker has confirmed it an empty request takes its
//! place in the order.
//!
//! As a *worker* ([`KafkaSource::start_worker`]) it shares the group with others, and the topic is the journal: a record goes to
//! the [cell](bellwether_runtime::cells) of its partition, with its own timestamp as the time of receipt.

mod context;
mod form;
mod headers;
mod letter;
mod line;
mod options;
mod poison;
mod reader;
mod stats;
mod tenancy;
mod worker;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use bellwether_runtime::cells::Cells;
use bellwether_runtime::{Ingest, Offsets};
use bellwether_series::Timestamp;
use parking_lot::Mutex;

use crate::kafka::{ClientError, Group};
use crate::source::receiver::TenantOptions;
use context::Shared;
pub use options::{KafkaOptions, KafkaOptionsError, StartAt, TenantFrom, WorkerOptions};
pub use poison::POISON_REASONS;
pub use stats::{PartitionFigures, SourceFigures, SourceStats};
use worker::Worker;

/// Reads topics on a thread of its own until it is stopped.
pub struct KafkaSource {
    shared: Arc<Shared>,
    stop: Arc<AtomicBool>,
    /// Disconnected once the thread has ended, however it did. Nothing is ever sent.
    ended: Mutex<mpsc::Receiver<()>>,
}

/// Why a source cannot start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KafkaSourceError {
    /// An option is unusable.
    #[error(transparent)]
    Options(#[from] KafkaOptionsError),
    /// librdkafka refuses something.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The system refuses a thread.
    #[error("cannot start a thread: {0}")]
    Thread(#[from] std::io::Error),
}

impl KafkaSource {
    /// Starts to read what `options` say, from where `taken` says that the engine stands, and hands it to `ingest`. Brokers need
    /// not be there yet. `clock` tells the wall-clock time of receipt. What is taken is committed by itself, or with the events of
    /// the sink that shares `group`.
    ///
    /// # Errors
    /// When an option is unusable.
    pub fn start(
        options: KafkaOptions,
        tenants: Option<TenantOptions>,
        taken: &Offsets,
        ingest: Arc<dyn Ingest>,
        group: Option<Arc<Group>>,
        clock: impl Fn() -> Timestamp + Send + 'static,
    ) -> Result<Self, KafkaSourceError> {
        options.check()?;
        let shared = Arc::new(Shared::new(&options, tenants, taken, None, group));
        Self::start_with(options, shared, taken, ingest, clock)
    }

    /// Starts to read the part of a topic that the group gives us: each record goes to the cell of its partition, which says
    /// from where that is read. `options` say how the group is shared. What is taken is committed by itself, or with the events of
    /// the sink that shares `group`.
    ///
    /// # Errors
    /// When an option is unusable.
    pub fn start_worker(
        options: KafkaOptions,
        tenants: Option<TenantOptions>,
        cells: Arc<Cells>,
        group: Option<Arc<Group>>,
        clock: impl Fn() -> Timestamp + Send + 'static,
    ) -> Result<Self, KafkaSourceError> {
        options.check()?;
        let ingest = Arc::clone(&cells) as Arc<dyn Ingest>;
        let taken = Offsets::default();
        let shared = Arc::new(Shared::new(&options, tenants, &taken, Some(cells), group));
        Self::start_with(options, shared, &taken, ingest, clock)
    }

    fn start_with(
        options: KafkaOptions,
        shared: Arc<Shared>,
        taken: &Offsets,
        ingest: Arc<dyn Ingest>,
        clock: impl Fn() -> Timestamp + Send + 'static,
    ) -> Result<Self, KafkaSourceError> {
        let stop = Arc::new(AtomicBool::new(false));
        let (running, ended) = mpsc::sync_channel(0);
        let worker = Worker::new(
            options,
            Arc::clone(&shared),
            ingest,
            Box::new(clock),
            Arc::clone(&stop),
            taken,
        )?;
        std::thread::Builder::new().name("kafka-source".to_owned()).spawn(move || {
            worker.run();
            drop(running);
        })?;
        Ok(Self { shared, stop, ended: Mutex::new(ended) })
    }

    /// Tells tenants apart from the next record on, as `options` say; `None`: everything is of one.
    pub fn tell_apart(&self, options: Option<TenantOptions>) {
        *self.shared.tenants.write() = options;
    }

    /// Counters since the start.
    pub fn stats(&self) -> &SourceStats {
        &self.shared.stats
    }

    /// Reads no more, and leaves the group. Blocks for `limit` at the most; whether it ended by then. What was submitted is the
    /// engine's.
    pub fn stop(&self, limit: Duration) -> bool {
        self.stop.store(true, Ordering::Relaxed);
        self.ended.lock().recv_timeout(limit) == Err(mpsc::RecvTimeoutError::Disconnected)
    }
}

impl Drop for KafkaSource {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}
