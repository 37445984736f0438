//! The checkpointer: gathers the state part by part, while everything goes on, and writes it down.
//!
//! No common stop is needed. The intake's part comes first, each partition's after any later record, the collector's last:
//! whoever reads them back applies the records after the intake's, and leaves out what a part has done already.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bellwether_engine::PARTITIONS;
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};

use crate::api::Clock;
use crate::checkpoint::{CheckpointError, Checkpoints, Position, Section, Writer};
use crate::durability::Settle;
use crate::journal::JournalError;
use crate::recorder::ToRecorder;
use crate::runtime::Door;
use crate::sequencer::{Part, Save};
use crate::stats::Stats;
use crate::stored;

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
    /// A sink has not written what it was told.
    #[error("a sink has not written its events yet")]
    Unsettled,
    /// The journal cannot be made durable.
    #[error("journal cannot be made durable: {0}")]
    Journal(#[from] JournalError),
    /// The disk refuses.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
}

/// What the checkpointer works with.
pub(crate) struct Checkpointer {
    pub(crate) checkpoints: Checkpoints,
    pub(crate) every: Duration,
    pub(crate) settle: Settle,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) door: Door,
    pub(crate) stats: Arc<Stats>,
}

impl Checkpointer {
    /// Makes a checkpoint whenever it is time or somebody asks, until nobody can ask any more.
    pub(crate) fn run(mut self, asked: &Receiver<AskedNow>) {
        let mut due = Instant::now() + self.every;
        loop {
            let whoever = match asked.recv_deadline(due) {
                Ok(whoever) => Some(whoever),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => return,
            };
            let begun = Instant::now();
            let made = self.make();
            self.stats.checkpointed(&made, begun.elapsed(), self.clock.now());
            if let Some(whoever) = whoever {
                // Whoever asked may have stopped waiting.
                _ = whoever.send(made);
            }
            due = Instant::now() + self.every;
        }
    }

    /// Makes a checkpoint; its generation.
    fn make(&mut self) -> Result<u64, NoCheckpoint> {
        let mut writer = self.checkpoints.begin(self.clock.now())?;
        self.gather(&mut writer)?;
        if !(self.settle)() {
            return Err(NoCheckpoint::Unsettled);
        }
        let (done, synced) = bounded(1);
        self.ask(ToRecorder::Sync(done))?;
        synced.recv().map_err(|_| NoCheckpoint::Stopping)??;
        let checkpoint = self.checkpoints.commit(writer)?;
        self.checkpoints.prune()?;
        self.ask(ToRecorder::Covered(self.checkpoints.covered_below()))?;
        Ok(checkpoint.generation())
    }

    /// Writes all parts, one at a time.
    fn gather(&self, writer: &mut Writer) -> Result<(), NoCheckpoint> {
        let intake = self.part(Save::Intake)?;
        let (state, settings) = intake.content;
        let configurations = intake.at.configurations;
        let position = Position::Journal { covered_below: intake.at.below };
        writer.add(Section::Intake, &position, &state.encode())?;
        drop(state);
        writer.add(Section::Configuration, &position, &stored::encode_settings(&settings))?;
        let mut add = |section, part: Part<Vec<u8>>| {
            if part.at.configurations != configurations {
                return Err(NoCheckpoint::Reconfigured);
            }
            let position = Position::Journal { covered_below: part.at.below };
            Ok(writer.add(section, &position, &part.content)?)
        };
        for partition in 0..PARTITIONS {
            let part = self.part(|part| Save::Partition(partition as u8, part))?;
            add(Section::Partition(partition as u16), part)?;
        }
        add(Section::Collector, self.part(Save::Collector)?)
    }

    fn part<T>(&self, save: impl FnOnce(Sender<Part<T>>) -> Save) -> Result<Part<T>, NoCheckpoint> {
        let (part, answer) = bounded(1);
        self.ask(ToRecorder::Save(save(part)))?;
        answer.recv().map_err(|_| NoCheckpoint::Stopping)
    }

    fn ask(&self, message: ToRecorder) -> Result<(), NoCheckpoint> {
        self.door.send(message).map_err(|_| NoCheckpoint::Stopping)
    }
}
