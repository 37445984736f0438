//! The threads: one sequencer, shards, one collector.
//!
//! ```text
//! submit ─▶ [queue] ─▶ sequencer ─▶ [queue] ─▶ shard 0 … n ─▶ [queue] ─▶ collector ─▶ news
//!            bounded   (Intake)      bounded   (Partitions)    bounded   (AlertCap)
//! ```
//!
//! Every queue is bounded. When a shard cannot keep up the sequencer waits, its queue fills, and sources hear
//! [`SubmitError::Full`]: overload is refused at the door. The collector puts the outputs of a
//! record together in one order, whatever the number of shards.

use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use bellwether_detect::Tables;
use bellwether_engine::{
    AlertCap, Intake, Outputs, Partition, Record, RecordBody, SeriesView, Settings, Shard, Work,
};
use bellwether_series::LabelSet;
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, TrySendError, bounded, unbounded};
use parking_lot::RwLock;

use crate::api::{Clock, Ingest, Reply, Request, SubmitError};
use crate::collector::{Done, Header, OnNews, collect};
use crate::stats::Stats;

/// Records that may wait for a shard or for the collector.
const RECORDS_IN_FLIGHT_MAX: usize = 16;
/// When nothing is recorded for this long, a heartbeat is.
pub const HEARTBEAT: Duration = Duration::from_secs(10);

/// How the runtime is laid out; none of it shows in any event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// Shard threads: 1 to 64.
    pub shards: usize,
    /// Requests that may wait for the sequencer.
    pub queue_requests_max: usize,
    /// When nothing is recorded for this long, a heartbeat is: [`HEARTBEAT`], but for tests.
    pub heartbeat: Duration,
    /// Keys the look-up hash; differs between processes, never shows.
    pub hash_seed: u64,
}

/// Chooses series by their labels.
pub type Wanted = Arc<dyn Fn(&LabelSet) -> bool + Send + Sync>;

#[expect(clippy::large_enum_variant, reason = "nearly every message is a request")]
enum ToSequencer {
    Request { request: Request, reply: Reply, arrived: Instant },
    Configure(Arc<Settings>),
    View { wanted: Wanted, limit: usize, views: Sender<Vec<SeriesView>> },
}

enum ToShard {
    Work { elapsed_ms: i64, work: Work },
    View { wanted: Wanted, limit: usize, views: Sender<Vec<SeriesView>> },
}

/// A running engine. Dropping it without [`Runtime::stop`] leaves its threads to end by themselves.
pub struct Runtime {
    handle: Handle,
    threads: Vec<JoinHandle<()>>,
}

/// What sources and operators hold of a running engine. Cheap to clone.
#[derive(Clone)]
pub struct Handle {
    door: Door,
    stats: Arc<Stats>,
}

/// The way to the sequencer. Once it is closed nothing gets in any more, and the sequencer ends when it
/// has finished what was in by then.
#[derive(Clone)]
struct Door(Arc<RwLock<Option<Sender<ToSequencer>>>>);

impl Door {
    /// Hands a message over without blocking.
    fn try_send(&self, message: ToSequencer) -> Result<(), SubmitError> {
        let sender = self.0.read();
        sender.as_ref().ok_or(SubmitError::Stopping)?.try_send(message).map_err(|error| match error
        {
            TrySendError::Full(_) => SubmitError::Full,
            TrySendError::Disconnected(_) => SubmitError::Stopping,
        })
    }

    /// Hands a message over as soon as there is room. Nobody else waits for that.
    fn send(&self, message: ToSequencer) -> Result<(), SubmitError> {
        let sender = self.0.read().clone().ok_or(SubmitError::Stopping)?;
        sender.send(message).map_err(|_| SubmitError::Stopping)
    }

    fn close(&self) {
        *self.0.write() = None;
    }
}

impl Runtime {
    /// Starts the threads.
    ///
    /// # Errors
    /// When the system refuses a thread.
    pub fn start(
        settings: &Arc<Settings>,
        options: Options,
        clock: Arc<dyn Clock>,
        on_news: OnNews,
    ) -> std::io::Result<Self> {
        let shards = options.shards.clamp(1, bellwether_engine::PARTITIONS);
        let intake = Intake::new(Arc::clone(settings), options.hash_seed);
        let stats = Arc::new(Stats::default());
        stats.observe_intake(&intake);
        let (to_sequencer, from_sources) = bounded(options.queue_requests_max.max(1));
        let (to_collector, headers) = bounded(RECORDS_IN_FLIGHT_MAX);
        let (recycle, recycled) = unbounded();
        let tables = Tables::default();
        let mut threads = Vec::new();
        let (mut to_shards, mut dones) = (Vec::new(), Vec::new());
        for index in 0..shards {
            let (to_shard, work) = bounded(RECORDS_IN_FLIGHT_MAX);
            let (done, from_shard) = bounded(RECORDS_IN_FLIGHT_MAX);
            to_shards.push(to_shard);
            dones.push(from_shard);
            let shard = Shard::new(settings, &tables, index, shards);
            let recycle = recycle.clone();
            threads.push(spawn(&format!("shard-{index}"), move || {
                run_shard(shard, &work, &done, &recycle);
            })?);
        }
        let sequencer = Sequencer {
            intake,
            clock,
            heartbeat: options.heartbeat,
            to_shards,
            to_collector,
            recycled,
            work: Vec::new(),
            stats: Arc::clone(&stats),
        };
        threads.push(spawn("sequencer", move || sequencer.run(&from_sources))?);
        let cap = AlertCap::new(Arc::clone(settings));
        let collector_stats = Arc::clone(&stats);
        threads.push(spawn("collector", move || {
            collect(cap, &headers, &dones, &collector_stats, on_news);
        })?);
        let door = Door(Arc::new(RwLock::new(Some(to_sequencer))));
        Ok(Self { handle: Handle { door, stats }, threads })
    }

    /// What sources and operators hold.
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// Finishes every request that was taken, then ends the threads. Later requests are refused.
    pub fn stop(self) {
        self.handle.door.close();
        for thread in self.threads {
            // A panic has been printed by then; there is nobody left to tell.
            _ = thread.join();
        }
    }
}

impl Handle {
    /// Makes `settings` the configuration from the next record on.
    ///
    /// # Errors
    /// When the runtime is stopping.
    pub fn configure(&self, settings: Arc<Settings>) -> Result<(), SubmitError> {
        self.door.send(ToSequencer::Configure(settings))
    }

    /// At most `limit` of the series for which `wanted` holds, in order of their labels. Blocks until the
    /// shards have come to it.
    ///
    /// # Errors
    /// When the runtime is stopping.
    pub fn view(&self, wanted: Wanted, limit: usize) -> Result<Vec<SeriesView>, SubmitError> {
        let (views, answers) = unbounded();
        self.door.send(ToSequencer::View { wanted, limit, views })?;
        let mut all: Vec<SeriesView> = answers.iter().flatten().collect();
        all.sort_by(|a, b| a.labels.cmp(&b.labels));
        all.truncate(limit);
        Ok(all)
    }

    /// The runtime's own figures.
    pub fn stats(&self) -> &Stats {
        &self.stats
    }
}

impl Ingest for Handle {
    fn submit(&self, request: Request, reply: Reply) -> Result<(), SubmitError> {
        let message = ToSequencer::Request { request, reply, arrived: Instant::now() };
        self.stats.enqueued();
        self.door.try_send(message).inspect_err(|_| self.stats.dequeued())
    }
}

fn spawn(name: &str, body: impl FnOnce() + Send + 'static) -> std::io::Result<JoinHandle<()>> {
    thread::Builder::new().name(name.to_owned()).spawn(body)
}

struct Sequencer {
    intake: Intake,
    clock: Arc<dyn Clock>,
    heartbeat: Duration,
    to_shards: Vec<Sender<ToShard>>,
    to_collector: Sender<Header>,
    recycled: Receiver<Work>,
    work: Vec<Work>,
    stats: Arc<Stats>,
}

impl Sequencer {
    fn run(mut self, from_sources: &Receiver<ToSequencer>) {
        // Questions make no record, so they must not put the heartbeat off.
        let mut next_heartbeat = Instant::now() + self.heartbeat;
        loop {
            let message = from_sources.recv_deadline(next_heartbeat);
            if !matches!(message, Ok(ToSequencer::View { .. })) {
                next_heartbeat = Instant::now() + self.heartbeat;
            }
            let alive = match message {
                Ok(ToSequencer::Request { request, reply, arrived }) => {
                    self.stats.dequeued();
                    self.request(&request, reply, arrived)
                }
                Ok(ToSequencer::Configure(settings)) => {
                    let body = RecordBody::Configuration(Arc::clone(&settings));
                    self.record(body, None, Some(settings))
                }
                Ok(ToSequencer::View { wanted, limit, views }) => self.view(&wanted, limit, &views),
                Err(RecvTimeoutError::Timeout) => self.record(RecordBody::Heartbeat, None, None),
                Err(RecvTimeoutError::Disconnected) => false,
            };
            if !alive {
                return;
            }
        }
    }

    fn request(&mut self, request: &Request, reply: Reply, arrived: Instant) -> bool {
        let record =
            Record { received_at: request.received_at, body: RecordBody::Request(&request.write) };
        let routed = self.apply(&record);
        let outcome = routed.outcome.clone();
        let alive = self.dispatch(&routed, Some(arrived), None);
        reply(outcome);
        alive
    }

    fn record(
        &mut self,
        body: RecordBody<'_>,
        arrived: Option<Instant>,
        settings: Option<Arc<Settings>>,
    ) -> bool {
        let routed = self.apply(&Record { received_at: self.clock.now(), body });
        self.dispatch(&routed, arrived, settings)
    }

    fn apply(&mut self, record: &Record<'_>) -> bellwether_engine::Routed {
        while self.work.len() < self.to_shards.len() {
            self.work.push(self.recycled.try_recv().unwrap_or_default());
        }
        let routed = self.intake.apply(record, &mut self.work);
        self.stats.sequenced(&routed.outcome, &self.intake);
        routed
    }

    /// Hands the work of a record out; false when the other threads are gone.
    fn dispatch(
        &mut self,
        routed: &bellwether_engine::Routed,
        arrived: Option<Instant>,
        settings: Option<Arc<Settings>>,
    ) -> bool {
        let elapsed_ms = routed.elapsed_ms;
        let header = Header { elapsed_ms, counts: routed.counts, arrived, settings };
        if self.to_collector.send(header).is_err() {
            return false;
        }
        self.to_shards
            .iter()
            .zip(self.work.drain(..))
            .all(|(shard, work)| shard.send(ToShard::Work { elapsed_ms, work }).is_ok())
    }

    fn view(&self, wanted: &Wanted, limit: usize, views: &Sender<Vec<SeriesView>>) -> bool {
        self.to_shards.iter().all(|shard| {
            let (wanted, views) = (Arc::clone(wanted), views.clone());
            shard.send(ToShard::View { wanted, limit, views }).is_ok()
        })
    }
}

fn run_shard(
    mut shard: Shard,
    messages: &Receiver<ToShard>,
    done: &Sender<Done>,
    recycle: &Sender<Work>,
) {
    for message in messages {
        match message {
            ToShard::Work { elapsed_ms, mut work } => {
                let mut outputs = Outputs::default();
                shard.apply(elapsed_ms, &mut work, &mut outputs);
                // When the sequencer has stopped, nobody wants the buffers back.
                _ = recycle.send(work);
                let partitions = shard.partitions();
                let open_episodes = partitions.iter().map(Partition::open_episodes).sum();
                let state_bytes = partitions.iter().map(Partition::state_bytes).sum();
                if done.send(Done { outputs, open_episodes, state_bytes }).is_err() {
                    return;
                }
            }
            ToShard::View { wanted, limit, views } => {
                let partitions = shard.partitions();
                let chosen =
                    partitions.iter_mut().flat_map(|p| p.view(&*wanted, limit)).take(limit);
                // Whoever asked may have stopped waiting.
                _ = views.send(chosen.collect());
            }
        }
    }
}
