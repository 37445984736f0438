//! A shard: judges the samples of its partitions.

use bellwether_engine::{Outputs, Partition, SeriesView, Shard, Usage, Work};
use crossbeam_channel::{Receiver, Sender};

use crate::collector::Done;
use crate::outlet::Finished;
use crate::sequencer::{Part, Position};
use crate::views::Wanted;

/// What a shard is told.
pub(crate) enum ToShard {
    Work { elapsed_ms: i64, work: Work },
    View { wanted: Wanted, limit: usize, views: Sender<Vec<SeriesView>> },
    Usage(Sender<Usage>),
    Save { partition: u8, at: Position, part: Sender<Part<Vec<u8>>> },
}

/// Record time from one weighing to the next: it looks at every series of the deep tier.
const WEIGH_EVERY_MS: i64 = 1000;

/// A shard, and whom it hears and tells.
pub(crate) struct ShardStage {
    pub(crate) shard: Shard,
    pub(crate) messages: Receiver<ToShard>,
    pub(crate) done: Sender<Done>,
    pub(crate) finish: Sender<Finished>,
    pub(crate) weight: Weight,
}

/// What the states of a shard weighed when that was last looked at.
#[derive(Debug, Default)]
pub(crate) struct Weight {
    bytes: usize,
    /// Record time of the next look.
    due_ms: i64,
}

impl Weight {
    fn at(&mut self, elapsed_ms: i64, partitions: &[Partition]) -> usize {
        if elapsed_ms >= self.due_ms {
            self.bytes = partitions.iter().map(Partition::state_bytes).sum();
            self.due_ms = elapsed_ms + WEIGH_EVERY_MS;
        }
        self.bytes
    }
}

impl ShardStage {
    /// Works until the sequencer is gone or the collector is.
    pub(crate) fn run(mut self) {
        while let Ok(message) = self.messages.recv() {
            if !self.take(message) {
                return;
            }
        }
    }

    /// Takes a message; false when the collector is gone.
    pub(crate) fn take(&mut self, message: ToShard) -> bool {
        match message {
            ToShard::Work { elapsed_ms, mut work } => {
                let mut outputs = Outputs::default();
                let samples = work.samples();
                self.shard.apply(elapsed_ms, &mut work, &mut outputs);
                // When the sequencer has stopped, nobody wants the buffers back.
                _ = self.finish.send(Finished { work, samples });
                let partitions = self.shard.partitions();
                let open_episodes = partitions.iter().map(Partition::open_episodes).sum();
                let demoted_series = partitions.iter().map(Partition::demoted_series).sum();
                let state_bytes = self.weight.at(elapsed_ms, partitions);
                let cold_bytes = partitions.iter().map(Partition::cold_bytes).sum();
                let done = Done { outputs, open_episodes, demoted_series, state_bytes, cold_bytes };
                return self.done.send(done).is_ok();
            }
            // Whoever asked may have stopped waiting.
            ToShard::View { wanted, limit, views } => {
                _ = views.send(self.shard.view(&*wanted, limit));
            }
            ToShard::Usage(answer) => {
                _ = answer.send(self.shard.usage());
            }
            ToShard::Save { partition, at, part } => {
                if let Some(partition) = self.shard.partition(partition) {
                    let mut content = Vec::new();
                    partition.save(&mut content);
                    _ = part.send(Part { at, content });
                }
            }
        }
        true
    }
}
