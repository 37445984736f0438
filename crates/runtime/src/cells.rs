//! Cells: one engine for each partition of a topic that a worker owns, with the partition itself as its journal.
//!
//! Several workers share a topic as members of one consumer group. Whoever is assigned a partition *opens* its cell: it claims
//! the partition in an object store, restores the newest checkpoint that counts, and reads the partition from the offset
//! behind that. State and events follow from the partition's records alone, so who owned it when makes no difference, and
//! ids are the same.
//!
//! ```text
//! assigned ─▶ claim ─▶ outlast whoever had it ─▶ ask sinks what they have ─▶ restore ─▶ read on ─▶ apply, tell, checkpoint … ─▶ hand over or drop
//! ```
//!
//! A worker that was stopped may believe that it owns a partition that somebody else has. It cannot tell anybody anything,
//! because its [`Membership`] is over by its own clock before it is by the group's, and it cannot do harm to the state,
//! because what it writes is read by nobody once the partition is claimed again.

mod cell;
mod figures;
mod keeper;
mod ledger;
mod membership;
mod objects;
mod output;
mod share;
mod snapshot;
mod tenure;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bellwether_engine::{SeriesView, Settings, Usage};
use crossbeam_channel::{Receiver, RecvTimeoutError, SendError, Sender, bounded, unbounded};
use parking_lot::Mutex;

use crate::api::{Clock, Ingest, Reply, Request, SubmitError};
use crate::source::{Source, TopicPartition};
use crate::stats::Stats;
use crate::views::{self, Wanted};

pub use figures::{CellFigures, CellsFigures};
pub use membership::Membership;
pub use objects::{MemoryObjects, Objects, ObjectsError};
pub use output::{CellOutput, Predecessors};
pub use tenure::Tenure;

use keeper::{Answer, Keeper, ToCell};

/// How the cells of a worker are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CellsOptions {
    /// Folder of all cells in the store: the same for all workers of a group, and for no other group.
    pub folder: String,
    /// Who this worker is; no two processes say the same.
    pub worker: String,
    /// From one checkpoint of a cell to the next. Above 0.
    pub checkpoint_every: Duration,
    /// Checkpoints of each cell that are kept: 1 or more, 2 or more to have one to fall back to.
    pub generations_kept: usize,
    /// Longest wait for the last checkpoints of partitions that go to somebody else.
    pub hand_over_max: Duration,
    /// See [`bellwether_engine::Intake::new`].
    pub hash_seed: u64,
}

/// The cells of a worker.
pub struct Cells {
    shared: Arc<Shared>,
    held: Mutex<BTreeMap<TopicPartition, Held>>,
}

/// What the threads of the cells share.
struct Shared {
    options: CellsOptions,
    /// What is for the topic as a whole.
    fleet: Arc<Settings>,
    objects: Arc<dyn Objects>,
    output: Arc<dyn CellOutput>,
    clock: Arc<dyn Clock>,
    stats: Arc<Stats>,
    figures: Mutex<CellsFigures>,
    /// Cells that are open and not read yet.
    opened: Mutex<Vec<(TopicPartition, Option<i64>)>>,
}

/// A cell, as seen from outside its thread.
struct Held {
    messages: Sender<ToCell>,
    /// When it is over the cell must do nothing more.
    tenure: Arc<Tenure>,
    /// Disconnected once its thread has ended.
    ended: Receiver<()>,
}

impl Cells {
    /// No cells yet. `fleet` is the configuration of all cells together: each has its part of what is for the fleet. Figures
    /// of samples and alerts are counted in `stats`.
    pub fn new(
        options: CellsOptions,
        fleet: Arc<Settings>,
        objects: Arc<dyn Objects>,
        output: Arc<dyn CellOutput>,
        clock: Arc<dyn Clock>,
        stats: Arc<Stats>,
    ) -> Self {
        let (figures, opened) = (Mutex::default(), Mutex::default());
        let shared = Shared { options, fleet, objects, output, clock, stats, figures, opened };
        Self { shared: Arc::new(shared), held: Mutex::default() }
    }

    /// Opens the cell of `at`, one of so many `partitions` of its topic, in the name of `membership`, on a thread of its own.
    /// Once that is done [`Self::take_opened`] says so.
    ///
    /// # Errors
    /// When the system refuses a thread.
    pub fn open(
        &self,
        at: &TopicPartition,
        partitions: usize,
        membership: &Arc<Membership>,
    ) -> io::Result<()> {
        let (messages, inbox) = unbounded();
        let (running, ended) = bounded(0);
        let tenure = Arc::new(Tenure::begin(at.clone(), Arc::clone(membership)));
        let settings = Arc::new(share::share_of(&self.shared.fleet, partitions));
        let keeper = Keeper::new(settings, Arc::clone(&self.shared), Arc::clone(&tenure), inbox);
        std::thread::Builder::new().name(format!("cell-{}", at.partition)).spawn(move || {
            keeper.run();
            drop(running);
        })?;
        let held = Held { messages, tenure, ended };
        if let Some(before) = self.held.lock().insert(at.clone(), held) {
            before.tenure.end();
        }
        Ok(())
    }

    /// Cells that are open now and were not when this was last asked, each with the offset that comes next; `None`: it has seen
    /// nothing, and begins where the topic is to be begun.
    pub fn take_opened(&self) -> Vec<(TopicPartition, Option<i64>)> {
        std::mem::take(&mut *self.shared.opened.lock())
    }

    /// The cell of `at` gets records from now on. Those below `told_below` were there when it was opened: whoever owned it
    /// before may have told of them.
    pub fn begin(&self, at: &TopicPartition, told_below: i64) {
        if let Some(held) = self.held.lock().get(at) {
            // When its thread has ended it needs nothing.
            _ = held.messages.send(ToCell::Begin { told_below });
        }
    }

    /// The partitions `all` go to somebody else: their cells make their last checkpoints and end. Blocks until they have, for
    /// [`CellsOptions::hand_over_max`] at the most.
    pub fn hand_over(&self, all: &[TopicPartition]) {
        let deadline = Instant::now() + self.shared.options.hand_over_max;
        let going = self.take(all);
        for held in &going {
            _ = held.messages.send(ToCell::HandOver { deadline });
        }
        for held in going {
            if held.ended.recv_deadline(deadline) == Err(RecvTimeoutError::Timeout) {
                self.shared.figures.lock().hand_overs_late += 1;
            }
            held.tenure.end();
        }
    }

    /// The partitions `all` are somebody else's already: their cells end, and say and write nothing more.
    pub fn drop_lost(&self, all: &[TopicPartition]) {
        for held in self.take(all) {
            held.tenure.end();
        }
    }

    /// All partitions that are held.
    pub fn partitions(&self) -> Vec<TopicPartition> {
        self.held.lock().keys().cloned().collect()
    }

    /// How they are doing.
    pub fn figures(&self) -> CellsFigures {
        self.shared.figures.lock().clone()
    }

    /// At most `limit` of the series for which `wanted` holds, in order of their labels. Blocks until all open cells have come to
    /// it.
    pub fn view(&self, wanted: &Wanted, limit: usize) -> Vec<SeriesView> {
        let (views, answers) = unbounded();
        self.ask_open(|| ToCell::View { wanted: Arc::clone(wanted), limit, views: views.clone() });
        drop(views);
        views::in_order(&answers, limit)
    }

    /// What the states of all series use memory for, and which metrics have the most: of the ten largest of each cell. Blocks
    /// until all open cells have come to it.
    pub fn usage(&self) -> Usage {
        let (parts, answers) = unbounded();
        self.ask_open(|| ToCell::Usage(parts.clone()));
        drop(parts);
        views::in_all(&answers)
    }

    /// Those that are being opened would answer much later.
    fn ask_open(&self, question: impl Fn() -> ToCell) {
        let figures = self.figures();
        for (_, held) in self.held.lock().iter().filter(|(at, _)| figures.open.contains_key(at)) {
            // When its thread has ended it knows nothing.
            _ = held.messages.send(question());
        }
    }

    fn take(&self, all: &[TopicPartition]) -> Vec<Held> {
        let mut held = self.held.lock();
        self.shared.opened.lock().retain(|(at, _)| !all.contains(at));
        all.iter().filter_map(|at| held.remove(at)).collect()
    }
}

impl Drop for Cells {
    fn drop(&mut self) {
        self.drop_lost(&self.partitions());
    }
}

impl Ingest for Cells {
    fn check(&self) -> Result<(), SubmitError> {
        Ok(())
    }

    fn submit(&self, request: Request, reply: Reply) -> Result<(), SubmitError> {
        let source = request.received.as_ref().map(|received| &received.source);
        let Some(Source::Kafka { record, expected }) = source else {
            return Err(SubmitError::Unrecorded);
        };
        let (at, offset, expected) = (record.at.clone(), record.offset, *expected);
        let Request { tenant, write, received_at, .. } = request;
        let held = self.held.lock();
        let cell = held.get(&at).ok_or(SubmitError::OutOfTurn)?;
        let answer = Answer::new(reply);
        let message = ToCell::Record { offset, expected, received_at, tenant, write, answer };
        cell.messages.send(message).map_err(|SendError(message)| {
            if let ToCell::Record { answer, .. } = message {
                answer.forget();
            }
            SubmitError::Stopping
        })
    }
}
