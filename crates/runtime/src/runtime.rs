//! The threads: recorder, sequencer, shards, collector, and the checkpointer beside them.
//!
//! ```text
//! submit ─▶ [queue] ─▶ recorder ─▶ [queue] ─▶ sequencer ─▶ [queue] ─▶ shard 0 … n ─▶ [queue] ─▶ collector ─▶ news
//!            bounded   (Journal)    bounded   (Intake)      bounded   (Partitions)    bounded   (AlertCap)
//! ```
//!
//! The recorder has a line for each tenant, and they take turns.
//! Every queue is bounded, the shards' in samples as well. When a shard cannot keep up the sequencer waits, then the recorder, its queue fills, and sources
//! hear [`SubmitError::Full`]: overload is refused at the door. The collector puts the outputs of a record together in one
//! order, whatever the number of shards.

use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use bellwether_engine::{SeriesView, Settings, Usage};
use crossbeam_channel::{Receiver, Sender, TrySendError, bounded, unbounded};
use parking_lot::RwLock;

use crate::api::{Clock, Ingest, Reply, Request, SubmitError};
use crate::checkpointer::{AskedNow, NoCheckpoint};
use crate::collector::OnNews;
use crate::durability::{Durability, Phase, Recovery, RecoveryError};
use crate::recorder::{Errand, Recorder, Submitted, ToRecorder};
use crate::sequencer::Caller;
use crate::stages::Stages;
use crate::start::{Begun, Run, Start};
use crate::stats::Stats;
use crate::views::{self, Wanted};

/// Records that may wait for a shard or for the collector.
const RECORDS_IN_FLIGHT_MAX: usize = 16;
/// When nothing is recorded for this long, a heartbeat is.
pub const HEARTBEAT: Duration = Duration::from_secs(10);

/// See [`Options::tenant_under_way_max`].
pub const TENANT_UNDER_WAY: usize = 2;

/// How the runtime is laid out; none of it shows in any event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// Shard threads: 1 to 64.
    pub shards: usize,
    /// Requests that may wait for the recorder.
    pub queue_requests_max: usize,
    /// Where there are tenants: requests of one of them that are being written or wait for the sequencer, at least 1; its others
    /// wait. So many of each other tenant is what whoever comes waits for: [`TENANT_UNDER_WAY`] unless told otherwise. The shards
    /// have a queue each, which lasts for the time that writing takes.
    pub tenant_under_way_max: usize,
    /// When nothing is recorded for this long, a heartbeat is: [`HEARTBEAT`], but for tests.
    pub heartbeat: Duration,
    /// Keys the look-up hash; differs between processes, never shows.
    pub hash_seed: u64,
}

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
    /// Requests that may wait for the recorder, in the queue before it and in its lines.
    requests_max: usize,
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

    /// Hands a request over without blocking.
    fn try_send(&self, submitted: Submitted) -> Result<(), SubmitError> {
        let message = ToRecorder::Request(submitted);
        let ways = self.0.read();
        let ways = ways.as_ref().ok_or(SubmitError::Stopping)?;
        ways.to_recorder.try_send(message).map_err(|error| match error {
            TrySendError::Full(_) => SubmitError::Full,
            TrySendError::Disconnected(_) => SubmitError::Stopping,
        })
    }

    /// Hands an errand over as soon as there is room. Nobody else waits for that.
    pub(crate) fn send(&self, errand: Errand) -> Result<(), SubmitError> {
        let message = ToRecorder::Errand(errand);
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
        let (handle, messages, asked) = Handle::new(options.queue_requests_max);
        let (done, recovered) = bounded(1);
        let start = Start {
            settings: Arc::clone(settings),
            options,
            clock,
            durability,
            stats: handle.shared_stats(),
        };
        let door = handle.door.clone();
        let thread = RecorderThread { start, door, messages, recovered: done };
        let recorder = spawn("recorder", move || thread.run(asked, on_news))?;
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
        handle.close();
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
    /// With what comes out on the other side, for the recorder and for the checkpointer.
    pub(crate) fn new(
        queue_requests_max: usize,
    ) -> (Self, Receiver<ToRecorder>, Receiver<AskedNow>) {
        let requests_max = queue_requests_max.max(1);
        let (to_recorder, messages) = bounded(requests_max);
        let (to_checkpointer, asked) = unbounded();
        let door = Door(Arc::new(RwLock::new(Some(Ways { to_recorder, to_checkpointer }))));
        (Self { door, requests_max, stats: Arc::default() }, messages, asked)
    }

    /// Nothing gets in any more.
    pub(crate) fn close(&self) {
        self.door.close();
    }

    /// The way to the recorder.
    #[cfg(any(test, feature = "testing"))]
    pub(crate) fn door(&self) -> Door {
        self.door.clone()
    }

    /// The same as [`Self::stats`], for whoever counts there as well.
    pub fn shared_stats(&self) -> Arc<Stats> {
        Arc::clone(&self.stats)
    }

    /// Makes `settings` the configuration from the next record on.
    ///
    /// # Errors
    /// When the runtime is stopping.
    pub fn configure(&self, settings: Arc<Settings>) -> Result<(), SubmitError> {
        self.door.send(Errand::Configure(settings))
    }

    /// At most `limit` of the series for which `wanted` holds, in order of their labels. Blocks until the
    /// shards have come to it.
    ///
    /// # Errors
    /// When the runtime is stopping, or recovering.
    pub fn view(&self, wanted: Wanted, limit: usize) -> Result<Vec<SeriesView>, SubmitError> {
        if self.stats.phase().is_recovering() {
            return Err(SubmitError::Recovering);
        }
        let (views, answers) = unbounded();
        self.door.send(Errand::View { wanted, limit, views })?;
        Ok(views::in_order(&answers, limit))
    }

    /// What the states of all series use memory for, and which metrics have the most. Blocks until the shards have come to it.
    ///
    /// # Errors
    /// When the runtime is stopping, or recovering.
    pub fn usage(&self) -> Result<Usage, SubmitError> {
        if self.stats.phase().is_recovering() {
            return Err(SubmitError::Recovering);
        }
        let (parts, answers) = unbounded();
        self.door.send(Errand::Usage(parts))?;
        Ok(views::in_all(&answers))
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
            Phase::Ready if self.stats.queue_depth() >= self.requests_max => Err(SubmitError::Full),
            Phase::Ready => self.door.check(),
            Phase::Restoring | Phase::Replaying { .. } => Err(SubmitError::Recovering),
            Phase::Unrecorded => Err(SubmitError::Unrecorded),
        }
    }

    fn submit(&self, request: Request, reply: Reply) -> Result<(), SubmitError> {
        self.check()?;
        let caller = Caller { reply, arrived: Instant::now() };
        let submitted = Submitted { request, caller };
        if !self.stats.enqueued(self.requests_max) {
            return Err(SubmitError::Full);
        }
        self.door.try_send(submitted).inspect_err(|_| self.stats.dequeued())
    }
}

fn spawn(name: &str, body: impl FnOnce() + Send + 'static) -> std::io::Result<JoinHandle<()>> {
    thread::Builder::new().name(name.to_owned()).spawn(body)
}

/// The stages behind the recorder, on threads of their own.
#[derive(Default)]
struct Threads(Vec<JoinHandle<()>>);

impl Run for Threads {
    const IN_FLIGHT_MAX: Option<usize> = Some(RECORDS_IN_FLIGHT_MAX);

    fn start(&mut self, stages: Stages) -> std::io::Result<()> {
        let Stages { sequencer, shards, collector } = stages;
        for (index, shard) in shards.into_iter().enumerate() {
            self.0.push(spawn(&format!("shard-{index}"), || shard.run())?);
        }
        self.0.push(spawn("sequencer", || sequencer.run())?);
        self.0.push(spawn("collector", || collector.run())?);
        Ok(())
    }

    fn wait(&mut self, done: &Receiver<()>) {
        // When the threads are gone, nobody is waited for.
        _ = done.recv();
    }
}

/// The recorder's thread: it recovers, starts the other threads, catches up, and records.
struct RecorderThread {
    start: Start,
    door: Door,
    messages: Receiver<ToRecorder>,
    recovered: Sender<Result<Recovery, RecoveryError>>,
}

impl RecorderThread {
    fn run(self, asked: Receiver<AskedNow>, on_news: OnNews) {
        let mut threads = Threads::default();
        match self.begin(&mut threads, asked, on_news) {
            Ok((found, recorder)) => {
                // Whoever started it may not want to know.
                _ = self.recovered.send(Ok(found));
                recorder.run(&self.messages);
                for thread in threads.0 {
                    _ = thread.join();
                }
            }
            Err(error) => {
                self.door.close();
                _ = self.recovered.send(Err(error));
            }
        }
    }

    /// Where nothing survives `asked` is dropped, so that nobody waits for an answer.
    fn begin(
        &self,
        threads: &mut Threads,
        asked: Receiver<AskedNow>,
        on_news: OnNews,
    ) -> Result<(Recovery, Recorder), RecoveryError> {
        let Begun { found, recorder, checkpointer } = self.start.begin(threads, on_news)?;
        if let Some(checkpointer) = checkpointer {
            let door = self.door.clone();
            threads.0.push(spawn("checkpointer", move || checkpointer.run(door, &asked))?);
        }
        Ok((found, recorder))
    }
}
