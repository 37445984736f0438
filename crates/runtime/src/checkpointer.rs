//! The checkpointer: gathers the state part by part, while everything goes on, and writes it down.
//!
//! No common stop is needed. The intake's part comes first, each partition's after any later record, the collector's last:
//! whoever reads them back applies the records after the intake's, and leaves out what a part has done already.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bellwether_engine::PARTITIONS;
use crossbeam_channel::{Receiver, Sender, bounded, select};

use crate::api::Clock;
use crate::checkpoint::{CheckpointError, Checkpoints, Position, Section, Writer};
use crate::cold::{ColdError, ColdFiles};
use crate::durability::Deliveries;
use crate::journal::JournalError;
use crate::recorder::Errand;
use crate::runtime::Door;
use crate::sequencer::{Part, Save, SavedIntake};
use crate::stats::Stats;
use crate::storage::{Reserve, Storage};
use crate::stored;

/// Rest between checkpoints that nobody asked for, when something says that one is due sooner than usual.
const REST: Duration = Duration::from_secs(10);

/// Asked to make a checkpoint now: hears whether there is one.
pub(crate) type AskedNow = Sender<Result<u64, NoCheckpoint>>;

/// Why there is no new checkpoint. The next one may succeed; until then the older ones and the journal hold everything.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NoCheckpoint {
    /// The runtime is stopping, or keeps nothing.
    #[error("engine is stopping, or keeps nothing")]
    Stopping,
    /// The configuration changed while it was made.
    #[error("configuration changed meanwhile")]
    Reconfigured,
    /// The journal failed while it was made, and has recovered.
    #[error("journal failed meanwhile")]
    Interrupted,
    /// A sink has not written what it was told.
    #[error("a sink has not written its events yet")]
    Unsettled,
    /// The journal cannot be made durable.
    #[error("journal cannot be made durable: {0}")]
    Journal(#[from] JournalError),
    /// The states of silent series cannot be made durable.
    #[error(transparent)]
    Cold(#[from] ColdError),
    /// The disk refuses.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
}

impl NoCheckpoint {
    /// Whether there was no room for it.
    fn is_disk_full(&self) -> bool {
        match self {
            Self::Checkpoint(error) => error.is_disk_full(),
            Self::Cold(error) => error.is_disk_full(),
            _ => false,
        }
    }
}

/// What the checkpointer works with.
pub(crate) struct Checkpointer {
    pub(crate) checkpoints: Checkpoints,
    pub(crate) cold: Arc<ColdFiles>,
    pub(crate) storage: Arc<dyn Storage>,
    pub(crate) reserve: Reserve,
    pub(crate) every: Duration,
    /// Whether there are records behind the newest checkpoint already: then the first one is due at once, or a process that is
    /// killed again and again would have more to read each time.
    pub(crate) is_behind: bool,
    /// Told when the journal goes on after a failure.
    pub(crate) woken: Receiver<()>,
    pub(crate) deliveries: Arc<dyn Deliveries>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) stats: Arc<Stats>,
}

/// How the checkpointer reaches the recorder, and through it everybody else.
pub(crate) trait Reach {
    /// Hands an errand over.
    fn ask(&mut self, errand: Errand) -> Result<(), NoCheckpoint>;

    /// Blocks until there is an answer.
    fn wait<T>(&mut self, answer: &Receiver<T>) -> Result<T, NoCheckpoint>;
}

impl Reach for Door {
    fn ask(&mut self, errand: Errand) -> Result<(), NoCheckpoint> {
        self.send(errand).map_err(|_| NoCheckpoint::Stopping)
    }

    fn wait<T>(&mut self, answer: &Receiver<T>) -> Result<T, NoCheckpoint> {
        answer.recv().map_err(|_| NoCheckpoint::Stopping)
    }
}

impl Checkpointer {
    /// Makes a checkpoint whenever it is time, somebody asks or the journal goes on after a failure, until nobody can ask any
    /// more.
    pub(crate) fn run(mut self, mut door: Door, asked: &Receiver<AskedNow>) {
        self.hold_reserve();
        let mut rested = Instant::now();
        let mut due = rested + if self.is_behind { Duration::ZERO } else { self.every };
        let woken = self.woken.clone();
        loop {
            let whoever = select! {
                recv(asked) -> whoever => match whoever {
                    Ok(whoever) => Some(whoever),
                    Err(_) => return,
                },
                recv(woken) -> woken => match woken {
                    Ok(()) => {
                        due = due.min(rested);
                        continue;
                    }
                    Err(_) => return,
                },
                default(due.saturating_duration_since(Instant::now())) => None,
            };
            let made = self.make(&mut door);
            let is_full = made.as_ref().is_err_and(NoCheckpoint::is_disk_full);
            let is_made = made.is_ok();
            if let Some(whoever) = whoever {
                // Whoever asked may have stopped waiting.
                _ = whoever.send(made);
            }
            if is_made {
                self.hold_reserve();
            }
            let now = Instant::now();
            rested = now + REST;
            due = now + if is_full { self.every.min(REST) } else { self.every };
        }
    }

    /// Has the reserve there, if there is room for it. That is done here because nobody who sends anything waits for it: where
    /// the file system can only be given room by writing, a large one takes a while.
    pub(crate) fn hold_reserve(&self) {
        if !self.stats.kept().journal.failed {
            self.stats.reserved(&self.reserve.refill(&*self.storage));
        }
    }

    /// Makes a checkpoint; its generation.
    pub(crate) fn make(&mut self, reach: &mut impl Reach) -> Result<u64, NoCheckpoint> {
        let begun = Instant::now();
        let made = self.try_to_make(reach);
        if made.as_ref().is_err_and(NoCheckpoint::is_disk_full) {
            // When the recorder is gone there will be no checkpoint.
            _ = reach.ask(Errand::DiskFull);
        }
        self.stats.checkpointed(&made, begun.elapsed(), self.clock.now());
        made
    }

    fn try_to_make(&mut self, reach: &mut impl Reach) -> Result<u64, NoCheckpoint> {
        let failures = self.stats.kept().journal.failures;
        let mut writer = self.checkpoints.begin(self.clock.now())?;
        self.cold.begin_checkpoint(writer.generation());
        let told_below = gather(reach, &mut writer)?;
        let undelivered = self.deliveries.settle().ok_or(NoCheckpoint::Unsettled)?;
        let position = Position::Journal { covered_below: told_below };
        writer.add(Section::Deliveries, &position, &undelivered)?;
        // Whatever a part refers to was put away before that part was saved.
        self.cold.sync()?;
        let (done, synced) = bounded(1);
        reach.ask(Errand::Sync(done))?;
        reach.wait(&synced)??;
        // A sync that failed is not made good by a later one. Were a record lost of which the intake knows nothing and some
        // partition does, the parts would not belong together; if it is older than all parts, they do not need it.
        if self.stats.kept().journal.failures != failures {
            return Err(NoCheckpoint::Interrupted);
        }
        let checkpoint = self.checkpoints.commit(writer)?;
        // It counts, whatever becomes of those that it replaces.
        self.stats.pruned(&self.checkpoints.prune());
        if let Some(oldest) = self.checkpoints.oldest_kept() {
            self.cold.release(oldest);
        }
        reach.ask(Errand::Covered(self.checkpoints.covered_below()))?;
        Ok(checkpoint.generation())
    }
}

/// Writes the parts of the engine, one at a time. Events of records below what it returns have been told.
fn gather(reach: &mut impl Reach, writer: &mut Writer) -> Result<u64, NoCheckpoint> {
    let intake = part(reach, Save::Intake)?;
    let SavedIntake { state, settings, offsets } = intake.content;
    let configurations = intake.at.configurations;
    let position = Position::Journal { covered_below: intake.at.below };
    writer.add(Section::Intake, &position, &state.encode())?;
    drop(state);
    writer.add(Section::Configuration, &position, &stored::encode_settings(&settings))?;
    writer.add(Section::Offsets, &position, &offsets.encode())?;
    let mut add = |section, part: Part<Vec<u8>>| {
        if part.at.configurations != configurations {
            return Err(NoCheckpoint::Reconfigured);
        }
        let position = Position::Journal { covered_below: part.at.below };
        Ok(writer.add(section, &position, &part.content)?)
    };
    for partition in 0..PARTITIONS {
        let part = part(reach, |part| Save::Partition(partition as u8, part))?;
        add(Section::Partition(partition as u16), part)?;
    }
    let collector = part(reach, Save::Collector)?;
    let told_below = collector.at.below;
    add(Section::Collector, collector)?;
    Ok(told_below)
}

fn part<T>(
    reach: &mut impl Reach,
    save: impl FnOnce(Sender<Part<T>>) -> Save,
) -> Result<Part<T>, NoCheckpoint> {
    let (part, answer) = bounded(1);
    reach.ask(Errand::Save(save(part)))?;
    reach.wait(&answer)
}
