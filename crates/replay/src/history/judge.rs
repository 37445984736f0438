//! Shards that judge records: on the caller's thread, or each on its own.
//!
//! Records go to them in batches, since one may be a single sample. What comes out is put together record by record, in the
//! order of the records, so neither batches nor shards show in the results.
//!
//! A batch may ask for the state behind it: each shard saves its partitions when it is done with the batch, and whoever collects gets
//! them with what was judged. So all parts of a state stand after the same record, and nobody waits for anybody.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{Scope, ScopedJoinHandle};

use bellwether_engine::{Counts, Event, Outputs, Shard, Work};
use bellwether_series::Timestamp;

use super::checkpoint::SavedPartition;
use super::error::HistoryError;
use super::records::SavedRecords;
use crate::report::Judgements;

/// Batches that wait for a shard, and for whoever puts their results together.
const WAITING_MAX: usize = 2;

/// A record as the intake left it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Step {
    pub(super) received_at: Timestamp,
    pub(super) elapsed_ms: i64,
}

/// Some records, with what each shard must do for each.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub(super) steps: Vec<Step>,
    /// By shard, then by record.
    pub(super) work: Vec<Vec<Work>>,
    /// What a state behind it begins with, if one is asked for.
    pub(super) saved: Option<Box<SavedRecords>>,
}

/// What one shard made of a batch.
#[derive(Debug, Default)]
pub(super) struct Judged {
    /// Each with the place of its record in the batch.
    pub(super) events: Vec<(usize, Event)>,
    pub(super) scores: Judgements,
    pub(super) counts: Counts,
    /// The state of the shard behind the batch, if it was asked for.
    pub(super) saved: Vec<SavedPartition>,
}

/// Takes what all shards made of a batch.
pub(super) trait Collect: Send {
    /// With `saved` everybody has saved the state behind the batch.
    fn collect(
        &mut self,
        steps: &[Step],
        judged: Vec<Judged>,
        saved: Option<Box<SavedRecords>>,
    ) -> Result<(), HistoryError>;
}

/// Judges `work`, which is empty afterwards and can be used again.
fn judge(shard: &mut Shard, steps: &[Step], work: &mut [Work], to_be_saved: bool) -> Judged {
    // Most samples are judged, and what grows step by step is copied over and over.
    let samples = work.iter().map(Work::samples).sum();
    let mut outputs = Outputs { scores: Some(Vec::with_capacity(samples)), ..Outputs::default() };
    let (mut events, mut ends) = (Vec::new(), Vec::new());
    let elapsed_ms: Vec<_> = steps.iter().map(|step| step.elapsed_ms).collect();
    shard.apply_all(&elapsed_ms, work, &mut outputs, |record, outputs| {
        // Nobody takes gauges here.
        outputs.gauges.clear();
        events.extend(outputs.events.drain(..).map(|event| (record, event)));
        ends.push(outputs.scores.as_ref().map_or(0, Vec::len));
    });
    let scores = Judgements::new(outputs.scores.unwrap_or_default(), ends, steps.len());
    let saved = if to_be_saved { save(shard) } else { Vec::new() };
    Judged { events, scores, counts: outputs.counts, saved }
}

fn save(shard: &mut Shard) -> Vec<SavedPartition> {
    let partitions = shard.numbered_partitions();
    let saved = partitions.map(|(number, partition)| {
        let mut state = Vec::new();
        partition.save(&mut state);
        SavedPartition { number, state, cold: partition.cold_states() }
    });
    saved.collect()
}

/// Where batches go.
pub(super) enum Judges<'scope> {
    /// To a shard on this thread.
    Here { shard: Box<Shard>, collect: &'scope mut dyn Collect },
    /// To shards on threads of their own; what they have judged is collected on yet another one.
    There(Threads<'scope>),
}

/// What a shard is given of a batch, and whether it saves its state then.
type ForShard = (Vec<Step>, Vec<Work>, bool);
/// What whoever collects is given of it.
type ForCollector = (Vec<Step>, Option<Box<SavedRecords>>);

/// The threads that judge.
pub(super) struct Threads<'scope> {
    shards: Vec<SyncSender<ForShard>>,
    collected: SyncSender<ForCollector>,
    /// Work that was done and can be used again.
    done: Receiver<Vec<Work>>,
    judging: Vec<ScopedJoinHandle<'scope, Shard>>,
    collector: ScopedJoinHandle<'scope, Result<(), HistoryError>>,
}

impl<'scope> Judges<'scope> {
    /// Shards on threads of `scope` if there are several, else on this one.
    pub(super) fn start(
        scope: &'scope Scope<'scope, '_>,
        mut shards: Vec<Shard>,
        collect: &'scope mut dyn Collect,
    ) -> Self {
        if shards.len() > 1 {
            return Self::There(Threads::start(scope, shards, collect));
        }
        let shard = Box::new(shards.remove(0));
        Self::Here { shard, collect }
    }

    /// Hands a batch over and empties it; work that can be used again goes to `pool`. False when nobody collects any more,
    /// which [`Judges::finish`] gives the reason for.
    pub(super) fn hand_over(
        &mut self,
        batch: &mut Batch,
        pool: &mut Vec<Work>,
    ) -> Result<bool, HistoryError> {
        match self {
            Self::Here { shard, collect } => {
                let mut saved = batch.saved.take();
                for work in &mut batch.work {
                    let judged = judge(shard, &batch.steps, work, saved.is_some());
                    collect.collect(&batch.steps, vec![judged], saved.take())?;
                    pool.append(work);
                }
                batch.steps.clear();
                Ok(true)
            }
            Self::There(threads) => {
                pool.extend(threads.done.try_iter().flatten());
                let saved = batch.saved.take();
                for (shard, work) in threads.shards.iter().zip(&mut batch.work) {
                    let work = std::mem::take(work);
                    if shard.send((batch.steps.clone(), work, saved.is_some())).is_err() {
                        return Ok(false);
                    }
                }
                let steps = std::mem::take(&mut batch.steps);
                Ok(threads.collected.send((steps, saved)).is_ok())
            }
        }
    }

    /// Waits until everything is collected: the shards.
    pub(super) fn finish(self) -> Result<Vec<Shard>, HistoryError> {
        match self {
            Self::Here { shard, .. } => Ok(vec![*shard]),
            Self::There(Threads { shards, collected, done, judging, collector }) => {
                drop((shards, collected, done));
                collector.join().unwrap_or(Err(HistoryError::Thread))?;
                let shards: Result<_, _> =
                    judging.into_iter().map(ScopedJoinHandle::join).collect();
                shards.map_err(|_| HistoryError::Thread)
            }
        }
    }
}

impl<'scope> Threads<'scope> {
    fn start(
        scope: &'scope Scope<'scope, '_>,
        shards: Vec<Shard>,
        collect: &'scope mut dyn Collect,
    ) -> Self {
        let (recycle, done) = sync_channel(2 * WAITING_MAX * shards.len());
        let (mut inboxes, mut outboxes, mut judging) = (Vec::new(), Vec::new(), Vec::new());
        for mut shard in shards {
            let (inbox, batches) = sync_channel::<ForShard>(WAITING_MAX);
            let (outbox, judged) = sync_channel(WAITING_MAX);
            inboxes.push(inbox);
            outboxes.push(judged);
            let recycle = recycle.clone();
            judging.push(scope.spawn(move || {
                while let Ok((steps, mut work, saves)) = batches.recv() {
                    let judged = judge(&mut shard, &steps, &mut work, saves);
                    // What there is no room for is dropped.
                    _ = recycle.try_send(work);
                    if outbox.send(judged).is_err() {
                        break;
                    }
                }
                shard
            }));
        }
        let (collected, batches) = sync_channel::<ForCollector>(WAITING_MAX);
        let collector = scope.spawn(move || {
            while let Ok((steps, saved)) = batches.recv() {
                let judged: Result<_, _> = outboxes.iter().map(Receiver::recv).collect();
                collect.collect(&steps, judged.map_err(|_| HistoryError::Thread)?, saved)?;
            }
            Ok(())
        });
        Self { shards: inboxes, collected, done, judging, collector }
    }
}
