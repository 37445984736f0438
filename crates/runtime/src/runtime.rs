//! The threads: recorder, sequencer, shards, collector, and the checkpointer beside them.
//!
//! ```text
//! submit ─▶ [queue] ─▶ recorder ─▶ [queue] ─▶ sequencer ─▶ [queue] ─▶ shard 0 … n ─▶ [queue] ─▶ collector ─▶ news
//!            bounded   (Journal)    bounded   (Intake)      bounded   (Partitions)    bounded   (AlertCap)
//! ```
//!
//! Every queue is bounded. When a shard cannot keep up the sequencer waits, then the recorder, its queue fills, and sources
//! hear [`SubmitError::Full`]: overload is refused at the door. The collector puts the outputs of a
//! record together in one order, whatever the number of shards.

use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use bellwether_engine::{PARTITIONS, SeriesView, Settings, Shard};
use bellwether_series::LabelSet;
use crossbeam_channel::{Receiver, Sender, TrySendError, bounded, unbounded};
use parking_lot::RwLock;

use crate::api::{Clock, Ingest, Reply, Request, SubmitError};
use crate::checkpointer::{AskedNow, Checkpointer, NoCheckpoint};
use crate::collector::{self, OnNews, ToCollector};
use crate::durability::{Durability, Phase, Recovery, RecoveryError};
use crate::recorder::{Log, Recorder, ToRecorder};
use crate::recovery::{Kept, State, Tail};
use crate::sequencer::{self, Outlets, Sequenced, Sequencer, ToSequencer};
use crate::shard;
use crate::stats::Stats;
use crate::storage::Reserve;
use crate::stored::{self, StoredBody};

/// Records that may wait for a shard or for the collector.
const RECORDS_IN_FLIGHT_MAX: usize = 16;
/// When nothing is recorded for this long, a heartbeat is.
pub const HEARTBEAT: Duration = Duration::from_secs(10);

/// How the runtime is laid out; none of it shows in any event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// Shard threads: 1 to 64.
    pub shards: usize,
    /// Requests that may wait for the recorder.
    pub queue_requests_max: usize,
    /// When nothing is recorded for this long, a heartbeat is: [`HEARTBEAT`], but for tests.
    pub heartbeat: Duration,
    /// Keys the look-up hash; differs between processes, never shows.
    pub hash_seed: u64,
}

/// Chooses series by their labels.
pub type Wanted = Arc<dyn Fn(&LabelSet) -> bool + Send + Sync>;

/// A running engine. Dropping it without [`Runtime::stop`] leaves its threads to end by themselves.
pub struct Runtime {
    handle: Handle,
    recorder: JoinHandle<()>,
    recovered: Receiver<Result<Recovery, RecoveryError>>,
}

/// What sources and operators hold of a running engine. Cheap to clone.
#[derive(Clone)]
pub struct Handle {
    door: Door,
    stats: Arc<Stats>,
}

/// The way to the recorder and to the checkpointer. Once it is closed nothing gets in any more, and they end when they
/// have finished what was in by then.
#[derive(Clone)]
pub(crate) struct Door(Arc<RwLock<Option<Ways>>>);

struct Ways {
    to_recorder: Sender<ToRecorder>,
    to_checkpointer: Sender<AskedNow>,
}

impl Door {
    /// Whether there is room for a message.
    fn check(&self) -> Result<(), SubmitError> {
        match &*self.0.read() {
            None => Err(SubmitError::Stopping),
            Some(ways) if ways.to_recorder.is_full() => Err(SubmitError::Full),
            Some(_) => Ok(()),
        }
    }

    /// Hands a message over without blocking.
    fn try_send(&self, message: ToRecorder) -> Result<(), SubmitError> {
        let ways = self.0.read();
        let ways = ways.as_ref().ok_or(SubmitError::Stopping)?;
        ways.to_recorder.try_send(message).map_err(|error| match error {
            TrySendError::Full(_) => SubmitError::Full,
            TrySendError::Disconnected(_) => SubmitError::Stopping,
        })
    }

    /// Hands a message over as soon as there is room. Nobody else waits for that.
    pub(crate) fn send(&self, message: ToRecorder) -> Result<(), SubmitError> {
        let to_recorder = self.0.read().as_ref().map(|ways| ways.to_recorder.clone());
        to_recorder.ok_or(SubmitError::Stopping)?.send(message).map_err(|_| SubmitError::Stopping)
    }

    fn ask_checkpointer(&self, asked: AskedNow) -> Result<(), NoCheckpoint> {
        let ways = self.0.read();
        let ways = ways.as_ref().ok_or(NoCheckpoint::Stopping)?;
        ways.to_checkpointer.send(asked).map_err(|_| NoCheckpoint::Stopping)
    }

    fn close(&self) {
        *self.0.write() = None;
    }
}

impl Runtime {
    /// Starts an engine that forgets everything when it ends.
    ///
    /// # Errors
    /// When the system refuses a thread.
    pub fn start(
        settings: &Arc<Settings>,
        options: Options,
        clock: Arc<dyn Clock>,
        on_news: OnNews,
    ) -> std::io::Result<Self> {
        let runtime = Self::open(settings, options, clock, on_news, None)?;
        match runtime.recovering().wait() {
            Err(RecoveryError::Threads(error)) => Err(error),
            _ => Ok(runtime),
        }
    }

    /// Starts an engine that goes on where the last one ended that kept what `durability` names. Until it has caught up,
    /// requests are refused; [`Runtime::recovering`] waits for that.
    ///
    /// # Errors
    /// When the system refuses a thread.
    pub fn open(
        settings: &Arc<Settings>,
        options: Options,
        clock: Arc<dyn Clock>,
        on_news: OnNews,
        durability: Option<Durability>,
    ) -> std::io::Result<Self> {
        let stats = Arc::new(Stats::default());
        let (to_recorder, messages) = bounded(options.queue_requests_max.max(1));
        let (to_checkpointer, asked) = unbounded();
        let door = Door(Arc::new(RwLock::new(Some(Ways { to_recorder, to_checkpointer }))));
        let handle = Handle { door, stats };
        let (done, recovered) = bounded(1);
        let start = Start {
            settings: Arc::clone(settings),
            options,
            clock,
            durability,
            door: handle.door.clone(),
            stats: Arc::clone(&handle.stats),
        };
        let recorder = spawn("recorder", move || start.run(&messages, asked, on_news, &done))?;
        Ok(Self { handle, recorder, recovered })
    }

    /// To wait until the engine has caught up with what was kept.
    pub fn recovering(&self) -> Recovering {
        Recovering(self.recovered.clone())
    }

    /// What sources and operators hold.
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// Finishes every request that was taken, then ends the threads. Later requests are refused.
    pub fn stop(self) {
        let Self { handle, recorder, .. } = self;
        handle.door.close();
        // A panic has been printed by then; there is nobody left to tell.
        _ = recorder.join();
    }
}

/// An engine that catches up with what was kept.
pub struct Recovering(Receiver<Result<Recovery, RecoveryError>>);

impl Recovering {
    /// Blocks until it has: what was found. Whoever waits first is told, others find nothing.
    ///
    /// # Errors
    /// When the state of before cannot be had. The engine has ended then.
    pub fn wait(self) -> Result<Recovery, RecoveryError> {
        self.0.recv().unwrap_or_else(|_| Ok(Recovery::default()))
    }
}

impl Handle {
    /// Makes `settings` the configuration from the next record on.
    ///
    /// # Errors
    /// When the runtime is stopping.
    pub fn configure(&self, settings: Arc<Settings>) -> Result<(), SubmitError> {
        self.door.send(ToRecorder::Configure(settings))
    }

    /// At most `limit` of the series for which `wanted` holds, in order of their labels. Blocks until the
    /// shards have come to it.
    ///
    /// # Errors
    /// When the runtime is stopping.
    pub fn view(&self, wanted: Wanted, limit: usize) -> Result<Vec<SeriesView>, SubmitError> {
        let (views, answers) = unbounded();
        self.door.send(ToRecorder::View { wanted, limit, views })?;
        let mut all: Vec<SeriesView> = answers.iter().flatten().collect();
        all.sort_by(|a, b| a.labels.cmp(&b.labels));
        all.truncate(limit);
        Ok(all)
    }

    /// Makes a checkpoint now, and waits for it: its generation.
    ///
    /// # Errors
    /// Why there is none.
    pub fn checkpoint(&self) -> Result<u64, NoCheckpoint> {
        let (asked, answer) = bounded(1);
        self.door.ask_checkpointer(asked)?;
        answer.recv().unwrap_or(Err(NoCheckpoint::Stopping))
    }

    /// The runtime's own figures.
    pub fn stats(&self) -> &Stats {
        &self.stats
    }
}

impl Ingest for Handle {
    fn check(&self) -> Result<(), SubmitError> {
        match self.stats.phase() {
            Phase::Ready => self.door.check(),
            Phase::Restoring | Phase::Replaying { .. } => Err(SubmitError::Recovering),
            Phase::Unrecorded => Err(SubmitError::Unrecorded),
        }
    }

    fn submit(&self, request: Request, reply: Reply) -> Result<(), SubmitError> {
        self.check()?;
        let message = ToRecorder::Request { request, reply, arrived: Instant::now() };
        self.stats.enqueued();
        self.door.try_send(message).inspect_err(|_| self.stats.dequeued())
    }
}

fn spawn(name: &str, body: impl FnOnce() + Send + 'static) -> std::io::Result<JoinHandle<()>> {
    thread::Builder::new().name(name.to_owned()).spawn(body)
}

/// What the recorder's thread begins with: it recovers, starts the other threads, catches up, and records.
struct Start {
    settings: Arc<Settings>,
    options: Options,
    clock: Arc<dyn Clock>,
    durability: Option<Durability>,
    door: Door,
    stats: Arc<Stats>,
}

/// The other threads.
struct Threads {
    to_sequencer: Sender<ToSequencer>,
    to_collector: Sender<ToCollector>,
    handles: Vec<JoinHandle<()>>,
}

impl Start {
    fn run(
        self,
        messages: &Receiver<ToRecorder>,
        asked: Receiver<AskedNow>,
        on_news: OnNews,
        recovered: &Sender<Result<Recovery, RecoveryError>>,
    ) {
        match self.begin(asked, on_news) {
            Ok((found, recorder, handles)) => {
                // Whoever started it may not want to know.
                _ = recovered.send(Ok(found));
                recorder.run(messages);
                for handle in handles {
                    _ = handle.join();
                }
            }
            Err(error) => {
                self.door.close();
                _ = recovered.send(Err(error));
            }
        }
    }

    fn begin(
        &self,
        asked: Receiver<AskedNow>,
        on_news: OnNews,
    ) -> Result<(Recovery, Recorder, Vec<JoinHandle<()>>), RecoveryError> {
        let begun = Instant::now();
        let hash_seed = self.options.hash_seed;
        let Some(durability) = &self.durability else {
            let state = State::new(&self.settings, hash_seed, 1);
            let threads = self.threads(state, on_news)?;
            self.stats.set_phase(Phase::Ready);
            return Ok((Recovery::default(), self.recorder(None, 1, &threads), threads.handles));
        };
        let Kept { state, checkpoints, journal, mut tail, figures } =
            Kept::open(durability, &self.settings, hash_seed)?;
        self.stats.decide(|decided| decided.alerts = figures);
        let mut in_force =
            Some(Arc::clone(&state.settings)).filter(|_| tail.found.generation.is_some());
        let mut threads = self.threads(state, on_news)?;
        self.catch_up(&mut tail, &threads, &mut in_force)?;
        // Whoever is told is told of what stands now, not of what stood then.
        if threads.to_collector.send(ToCollector::Standing).is_err() {
            self.stats.set_phase(Phase::Unrecorded);
        }
        let log = Log {
            journal,
            storage: Arc::clone(&durability.storage),
            reserve: Reserve::new(durability.reserve),
            sync: durability.journal.sync,
        };
        let mut recorder = self.recorder(Some(log), tail.end, &threads);
        match in_force {
            Some(settings)
                if settings.digest == self.settings.digest
                    && settings.gauges == self.settings.gauges =>
            {
                recorder.restate(stored::encode_settings(&settings));
            }
            _ => recorder.waiting = Some(Arc::clone(&self.settings)),
        }
        recorder.begin();
        let checkpointer = Checkpointer {
            checkpoints,
            every: durability.checkpoint_every,
            settle: Arc::clone(&durability.settle),
            clock: Arc::clone(&self.clock),
            door: self.door.clone(),
            stats: Arc::clone(&self.stats),
        };
        threads.handles.push(spawn("checkpointer", move || checkpointer.run(&asked))?);
        self.stats.set_phase(Phase::Ready);
        Ok((Recovery { took: begun.elapsed(), ..tail.found }, recorder, threads.handles))
    }

    /// Applies the records that come after the state, and waits until they are done with.
    fn catch_up(
        &self,
        tail: &mut Tail,
        threads: &Threads,
        in_force: &mut Option<Arc<Settings>>,
    ) -> Result<(), RecoveryError> {
        let of = tail.end.saturating_sub(tail.first);
        self.stats.set_phase(Phase::Replaying { records: 0, of });
        while let Some((sequence, received_at, body)) = tail.next()? {
            if let StoredBody::Configuration(settings) = &body {
                *in_force = Some(Arc::clone(settings));
            }
            let record = Sequenced { sequence, received_at, body, caller: None, is_replayed: true };
            if threads.to_sequencer.send(ToSequencer::Record(record)).is_err() {
                return Ok(());
            }
            let records = (sequence + 1).saturating_sub(tail.first);
            self.stats.set_phase(Phase::Replaying { records, of });
        }
        let (done, all_done) = bounded(1);
        if threads.to_sequencer.send(ToSequencer::Barrier(done)).is_ok() {
            _ = all_done.recv();
        }
        Ok(())
    }

    fn recorder(&self, log: Option<Log>, next: u64, threads: &Threads) -> Recorder {
        Recorder {
            log,
            next,
            settings: Arc::clone(&self.settings),
            waiting: None,
            clock: Arc::clone(&self.clock),
            heartbeat: self.options.heartbeat,
            to_sequencer: threads.to_sequencer.clone(),
            stats: Arc::clone(&self.stats),
            group: Vec::new(),
        }
    }

    fn threads(&self, state: State, on_news: OnNews) -> std::io::Result<Threads> {
        let State { settings, intake, next, partitions, done_below, collector } = state;
        self.stats.observe_intake(&intake);
        let shards = self.options.shards.clamp(1, PARTITIONS);
        let (to_sequencer, records) = bounded(RECORDS_IN_FLIGHT_MAX);
        let (to_collector, headers) = bounded(RECORDS_IN_FLIGHT_MAX);
        let (recycle, recycled) = unbounded();
        let (mut to_shards, mut dones, mut handles) = (Vec::new(), Vec::new(), Vec::new());
        for (index, shard) in Shard::deal(partitions, shards).into_iter().enumerate() {
            let (to_shard, work) = bounded(RECORDS_IN_FLIGHT_MAX);
            let (done, from_shard) = bounded(RECORDS_IN_FLIGHT_MAX);
            to_shards.push(to_shard);
            dones.push(from_shard);
            let recycle = recycle.clone();
            handles.push(spawn(&format!("shard-{index}"), move || {
                shard::run(shard, &work, &done, &recycle);
            })?);
        }
        let sequencer = Sequencer::new(intake, settings, next, done_below);
        let outlets = Outlets {
            to_shards,
            to_collector: to_collector.clone(),
            recycled,
            stats: Arc::clone(&self.stats),
        };
        handles.push(spawn("sequencer", move || sequencer::run(sequencer, &records, &outlets))?);
        let stats = Arc::clone(&self.stats);
        handles.push(spawn("collector", move || {
            collector::run(collector, &headers, &dones, &stats, on_news);
        })?);
        Ok(Threads { to_sequencer, to_collector, handles })
    }
}
