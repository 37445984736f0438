//! The sequencer: decides about each record in order, and hands its work to the shards.

use std::sync::Arc;
use std::time::Instant;

use bellwether_engine::{
    Intake, IntakeState, PARTITIONS, Record, Routed, SeriesView, Settings, Usage, Work,
};
use bellwether_series::Timestamp;
use crossbeam_channel::{Receiver, Sender};

use crate::api::Reply;
use crate::collector::{Header, ToCollector};
use crate::offsets::Offsets;
use crate::outlet::Outlet;
use crate::shard::ToShard;
use crate::stats::Stats;
use crate::stored::StoredBody;
use crate::views::Wanted;

/// A record with its place in the order.
pub(crate) struct Sequenced {
    pub(crate) sequence: u64,
    pub(crate) received_at: Timestamp,
    pub(crate) body: StoredBody,
    /// Whoever waits for it.
    pub(crate) caller: Option<Caller>,
    /// Whether it was read from the journal.
    pub(crate) is_replayed: bool,
}

/// Whoever waits for what becomes of a request.
pub(crate) struct Caller {
    pub(crate) reply: Reply,
    pub(crate) arrived: Instant,
}

/// What the sequencer is told.
#[expect(clippy::large_enum_variant, reason = "nearly every message is a record")]
pub(crate) enum ToSequencer {
    Record(Sequenced),
    View {
        wanted: Wanted,
        limit: usize,
        views: Sender<Vec<SeriesView>>,
    },
    Usage(Sender<Usage>),
    Save(Save),
    /// All records that were kept have come, and what is missing of those below `next` never will. Answered when they are done
    /// with.
    CaughtUp {
        next: u64,
        done: Sender<()>,
    },
}

/// Asks for one part of the state.
pub(crate) enum Save {
    Intake(Sender<Part<SavedIntake>>),
    Partition(u8, Sender<Part<Vec<u8>>>),
    Collector(Sender<Part<Vec<u8>>>),
}

/// What the sequencer knows.
pub(crate) struct SavedIntake {
    pub(crate) state: IntakeState,
    /// The configuration that it stands under.
    pub(crate) settings: Arc<Settings>,
    pub(crate) offsets: Offsets,
}

/// A part of the state, as it is after some record.
pub(crate) struct Part<T> {
    pub(crate) at: Position,
    pub(crate) content: T,
}

/// Where in the order of records a part of the state stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Position {
    /// Records with a lower sequence are in it, and no others.
    pub(crate) below: u64,
    /// Configurations that were applied since the start.
    pub(crate) configurations: u64,
}

/// The sequencer's state.
pub(crate) struct Sequencer {
    intake: Intake,
    settings: Arc<Settings>,
    /// How far the topics were taken by the records so far.
    offsets: Offsets,
    at: Position,
    /// Below these sequences partitions have done their work already; empty once all have caught up.
    done_below: Vec<u64>,
    work: Vec<Work>,
}

impl Sequencer {
    /// A sequencer of `shards` shards, whose next record is `next`. Partition `p` was saved when all below
    /// `done_below[p]` was done.
    pub(crate) fn new(
        intake: Intake,
        settings: Arc<Settings>,
        offsets: Offsets,
        next: u64,
        done_below: &[u64; PARTITIONS],
    ) -> Self {
        let at = Position { below: next, configurations: 0 };
        Self { intake, settings, offsets, at, done_below: done_below.to_vec(), work: Vec::new() }
    }

    /// Decides about a record, and leaves what each shard must do in `work`, one for each.
    pub(crate) fn apply(
        &mut self,
        sequence: u64,
        received_at: Timestamp,
        body: &StoredBody,
        work: &mut [Work],
    ) -> Routed {
        if let StoredBody::Configuration(settings) = body {
            self.settings = Arc::clone(settings);
            self.at.configurations += 1;
        }
        if let Some(record) = body.kafka() {
            self.offsets.take(record);
        }
        let body = body.as_record_body();
        let routed = self.intake.apply(&Record { received_at, body }, work);
        self.at.below = sequence + 1;
        if !self.done_below.is_empty() {
            let shards = work.len();
            for (partition, &below) in self.done_below.iter().enumerate() {
                if sequence < below {
                    work[partition % shards].leave_out(partition as u8);
                }
            }
            if self.done_below.iter().all(|&below| below <= sequence + 1) {
                self.done_below = Vec::new();
            }
        }
        routed
    }

    /// No record below `next` comes any more. What is saved says so, or the records that are lost would be looked for by whoever
    /// begins with it.
    fn caught_up(&mut self, next: u64) {
        self.at.below = self.at.below.max(next);
    }

    /// Its state, and where it stands.
    pub(crate) fn save(&self) -> Part<SavedIntake> {
        let (settings, offsets) = (Arc::clone(&self.settings), self.offsets.clone());
        Part { at: self.at, content: SavedIntake { state: self.intake.save(), settings, offsets } }
    }

    /// How far the topics were taken.
    pub(crate) fn offsets(&self) -> &Offsets {
        &self.offsets
    }

    /// Where it stands.
    pub(crate) fn position(&self) -> Position {
        self.at
    }

    /// The intake, for its counts.
    pub(crate) fn intake(&self) -> &Intake {
        &self.intake
    }
}

/// The sequencer's channels.
pub(crate) struct Outlets {
    pub(crate) to_shards: Vec<Outlet>,
    pub(crate) to_collector: Sender<ToCollector>,
    pub(crate) stats: Arc<Stats>,
}

/// The sequencer, and whom it hears and tells.
pub(crate) struct SequencerStage {
    pub(crate) sequencer: Sequencer,
    pub(crate) messages: Receiver<ToSequencer>,
    pub(crate) outlets: Outlets,
}

impl SequencerStage {
    /// Sequences until the recorder is gone or the other threads are.
    pub(crate) fn run(mut self) {
        while let Ok(message) = self.messages.recv() {
            if !self.take(message) {
                return;
            }
        }
    }

    /// Takes a message; false when the other threads are gone.
    pub(crate) fn take(&mut self, message: ToSequencer) -> bool {
        let Self { sequencer, outlets, .. } = self;
        match message {
            ToSequencer::Record(record) => outlets.record(sequencer, record),
            ToSequencer::View { wanted, limit, views } => outlets.view(&wanted, limit, &views),
            ToSequencer::Usage(answer) => outlets.usage(sequencer, &answer),
            ToSequencer::Save(save) => outlets.save(sequencer, save),
            ToSequencer::CaughtUp { next, done } => {
                sequencer.caught_up(next);
                outlets.to_collector.send(ToCollector::Barrier(done)).is_ok()
            }
        }
    }
}

impl Outlets {
    /// False when the other threads are gone.
    fn record(&mut self, sequencer: &mut Sequencer, record: Sequenced) -> bool {
        let Sequenced { sequence, received_at, body, caller, is_replayed } = record;
        let mut work = std::mem::take(&mut sequencer.work);
        work.extend(self.to_shards.iter_mut().map(Outlet::buffers));
        let routed = sequencer.apply(sequence, received_at, &body, &mut work);
        self.stats.sequenced(&routed.outcome, sequencer.intake());
        let settings = body.into_settings();
        let (elapsed_ms, arrived) =
            (routed.elapsed_ms, caller.as_ref().map(|caller| caller.arrived));
        let header =
            Header { sequence, is_replayed, elapsed_ms, counts: routed.counts, arrived, settings };
        let alive = self.to_collector.send(ToCollector::Record(header)).is_ok()
            && self
                .to_shards
                .iter_mut()
                .zip(work.drain(..))
                .all(|(shard, work)| shard.work(elapsed_ms, work));
        sequencer.work = work;
        if let Some(Caller { reply, .. }) = caller {
            reply(Ok(routed.outcome));
        }
        alive
    }

    fn view(&self, wanted: &Wanted, limit: usize, views: &Sender<Vec<SeriesView>>) -> bool {
        self.to_shards.iter().all(|shard| {
            let (wanted, views) = (Arc::clone(wanted), views.clone());
            shard.send(ToShard::View { wanted, limit, views })
        })
    }

    /// Whoever asked may have stopped waiting for it.
    fn usage(&self, sequencer: &Sequencer, answer: &Sender<Usage>) -> bool {
        _ = answer.send(sequencer.intake().usage());
        self.to_shards.iter().all(|shard| shard.send(ToShard::Usage(answer.clone())))
    }

    /// Whoever asked may have stopped waiting for it.
    fn save(&self, sequencer: &Sequencer, save: Save) -> bool {
        let at = sequencer.position();
        match save {
            Save::Intake(part) => {
                _ = part.send(sequencer.save());
                true
            }
            Save::Partition(partition, part) => {
                let shard = usize::from(partition) % self.to_shards.len();
                self.to_shards[shard].send(ToShard::Save { partition, at, part })
            }
            Save::Collector(part) => self.to_collector.send(ToCollector::Save { at, part }).is_ok(),
        }
    }
}
