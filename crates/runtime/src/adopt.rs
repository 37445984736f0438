//! Adoption: what was learned elsewhere becomes the state that an engine goes on with.
//!
//! It is written down as the newest checkpoint, at the end of the journal, so a start finds it as it finds any other. What
//! was learned before is the generation below it.
//!
//! Nobody was told of the alerts of what was learned elsewhere, and those that somebody was told of are not in it. So all
//! alerts end here: the former without a word, the latter with an event that the checkpoint holds and the next start tells
//! ([`Told::Overdue`](crate::Told::Overdue)). What still is wrong then fires anew.

use std::sync::Arc;

use bellwether_engine::{
    ChangeKind, Event, Intake, Outputs, Partition, ResolveReason, Settings, Shard, Work,
    next_own_event,
};
use bellwether_series::Timestamp;
use parking_lot::Mutex;

use crate::alerts::AlertFigures;
use crate::checkpoint::{CheckpointError, Position, Section};
use crate::cold::{ColdError, ColdFiles};
use crate::collector::{Collector, Header};
use crate::durability::{Deliveries, Durability, RecoveryError};
use crate::offsets::Offsets;
use crate::recovery::{Kept, State, Tail};
use crate::sequencer::Sequencer;
use crate::stats::Stats;
use crate::stored;

/// Keys the look-up hash of an engine that nobody sends anything to.
const HASH_SEED: u64 = 3;
/// What the last event of an alert says that ended because the state was replaced.
const REPLACED: &str = "What had been learned was replaced, so nothing is known of this alert any more. If something is \
                        still wrong, it fires again.";

/// What an engine has learned, all of it after the same record.
#[derive(Debug)]
pub struct Learned {
    /// The configuration that it stands under.
    pub settings: Arc<Settings>,
    /// Which series there are.
    pub intake: Intake,
    /// What is known of them: all partitions, in the order of their numbers.
    pub partitions: Vec<Partition>,
}

/// What was adopted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Adopted {
    /// The generation of its checkpoint.
    pub generation: u64,
    /// The next start reads the journal from this record on.
    pub next: u64,
    /// Alerts that the next start will resolve.
    pub ended_alerts: u64,
}

/// Why nothing was adopted. What was there before is still in force.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AdoptError {
    /// The state of before cannot be had, and with it the alerts that stand.
    #[error(transparent)]
    Recovery(#[from] RecoveryError),
    /// The states of silent series cannot be written.
    #[error(transparent)]
    Cold(#[from] ColdError),
    /// The checkpoint cannot be written.
    #[error("checkpoint cannot be written: {0}")]
    Checkpoint(#[from] CheckpointError),
}

/// Makes `learned` what the next start goes on with that `durability` is given, at `now`. No other process may use the same
/// files meanwhile. The `deliveries` of `durability` are not asked: what waits for delivery goes on waiting.
///
/// # Errors
/// Whatever [`AdoptError`] lists.
pub fn adopt(
    learned: Learned,
    durability: &Durability,
    now: Timestamp,
) -> Result<Adopted, AdoptError> {
    let Learned { settings, intake, mut partitions } = learned;
    let waiting = Arc::new(Waiting::default());
    let deliveries = Arc::clone(&waiting) as Arc<dyn Deliveries>;
    let durability = Durability { deliveries, ..durability.clone() };
    let kept = Kept::open(&durability, &settings, HASH_SEED, &Arc::new(Stats::default()))?;
    let Kept { state, mut checkpoints, cold, mut journal, mut tail, mut figures } = kept;
    let Present { mut collector, offsets, next_cold_numbers } =
        catch_up(state, &mut tail, &mut figures)?;
    let ended_alerts = collector.replace(&settings, |alert| ended(alert, now)) as u64;
    partitions.iter_mut().for_each(Partition::forget_alerts);

    let mut writer = checkpoints.begin(now)?;
    cold.begin_checkpoint(writer.generation());
    // What is in force stays so if this fails, and is what is fallen back to: nothing takes the place of its states.
    for (partition, number) in partitions.iter_mut().zip(next_cold_numbers) {
        partition.renumber_cold(number);
    }
    put_cold(&partitions, &cold);
    let position = Position::Journal { covered_below: tail.end };
    writer.add(Section::Intake, &position, &intake.save().encode())?;
    writer.add(Section::Configuration, &position, &stored::encode_settings(&settings))?;
    writer.add(Section::Offsets, &position, &offsets.encode())?;
    let mut content = Vec::new();
    for (number, partition) in (0..).zip(&partitions) {
        content.clear();
        partition.save(&mut content);
        writer.add(Section::Partition(number), &position, &content)?;
    }
    writer.add(Section::Collector, &position, &collector.save())?;
    if let Some(undelivered) = waiting.settle() {
        writer.add(Section::Deliveries, &position, &undelivered)?;
    }
    cold.sync()?;
    // What the checkpoint covers is read again by whoever replays it.
    journal.sync().map_err(RecoveryError::from)?;
    let checkpoint = checkpoints.commit(writer)?;
    // One that is damaged would be taken for one that can be fallen back to by whoever does not look at it, and the journal behind
    // the one that really is would go. It counts, whatever becomes of them.
    _ = checkpoints.prune();
    Ok(Adopted { generation: checkpoint.generation(), next: tail.end, ended_alerts })
}

/// What is in force, as it is after the last record of the journal.
struct Present {
    collector: Collector,
    offsets: Offsets,
    /// Of each partition, what silent series come next there.
    next_cold_numbers: Vec<u64>,
}

/// Applies the rest of the journal. What came of records behind the checkpoint is overdue.
fn catch_up(
    state: State,
    tail: &mut Tail,
    figures: &mut AlertFigures,
) -> Result<Present, RecoveryError> {
    let State { settings, intake, offsets, next, partitions, done_below, mut collector } = state;
    let mut sequencer = Sequencer::new(intake, settings, offsets, next, &done_below);
    let mut shards = Shard::deal(partitions, 1);
    let mut work = [Work::default()];
    while let Some((sequence, received_at, body)) = tail.next()? {
        let routed = sequencer.apply(sequence, received_at, &body, &mut work);
        let mut outputs = Outputs::default();
        for (shard, work) in shards.iter_mut().zip(&mut work) {
            shard.apply(routed.elapsed_ms, work, &mut outputs);
        }
        let header = Header {
            sequence,
            is_replayed: true,
            elapsed_ms: routed.elapsed_ms,
            counts: routed.counts,
            arrived: None,
            settings: body.into_settings(),
        };
        // Of these a process may have told that did not come to its next checkpoint.
        if let Some(collected) = collector.take(&header, outputs, figures) {
            collector.owe(collected.events);
        }
    }
    let partitions = shards.iter_mut().flat_map(Shard::partitions);
    let next_cold_numbers = partitions.map(|partition| partition.next_cold_number()).collect();
    Ok(Present { collector, offsets: sequencer.offsets().clone(), next_cold_numbers })
}

/// The event that ends `alert` because what was known of it is replaced.
pub(crate) fn ended(alert: &Event, now: Timestamp) -> Event {
    Event {
        reason: Some(ResolveReason::Unwatched),
        detectors: Vec::new(),
        explanation: REPLACED.to_owned(),
        ..next_own_event(alert, ChangeKind::Resolved, now)
    }
}

/// Puts the states of silent series where a start looks for them.
fn put_cold(partitions: &[Partition], cold: &ColdFiles) {
    for (partition, state) in (0..).zip(partitions) {
        for (number, bytes) in state.cold_states() {
            cold.put((partition, number), bytes);
        }
    }
}

/// Keeps what waits for delivery as it is.
#[derive(Default)]
struct Waiting(Mutex<Option<Vec<u8>>>);

impl Deliveries for Waiting {
    fn settle(&self) -> Option<Vec<u8>> {
        self.0.lock().clone()
    }

    fn resume(&self, undelivered: &[u8]) {
        *self.0.lock() = Some(undelivered.to_owned());
    }
}
