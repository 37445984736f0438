//! The whole engine on one thread: what replay and tests run, and what the runtime spreads over shards.

mod state;

use std::collections::BTreeMap;
use std::sync::Arc;

use bellwether_detect::Tables;
use bellwether_series::LabelSet;

use crate::cap::AlertCap;
use crate::intake::{Intake, Work};
use crate::memory::Usage;
use crate::outcome::Outcome;
use crate::outputs::Outputs;
use crate::partition::{Input, PARTITIONS, Partition, SeriesView};
use crate::record::{Record, RecordBody};
use crate::settings::Settings;

/// A set of partitions that one thread owns: all of them, or every n-th.
#[derive(Debug)]
pub struct Shard {
    /// By partition number divided by `stride`.
    partitions: Vec<Partition>,
    first: usize,
    stride: usize,
}

impl Shard {
    /// The shard `index` of `count`: it owns the partitions `p` with `p % count == index`.
    pub fn new(settings: &Arc<Settings>, tables: &Tables, index: usize, count: usize) -> Self {
        let owned = (0..PARTITIONS).filter(|partition| partition % count == index);
        let partitions =
            owned.map(|_| Partition::new(Arc::clone(settings), tables.clone())).collect();
        Self { partitions, first: index, stride: count }
    }

    /// Deals all partitions, in the order of their numbers, to `count` shards, as [`Shard::new`] makes them.
    pub fn deal(partitions: Vec<Partition>, count: usize) -> Vec<Self> {
        let shard = |first| Self { partitions: Vec::new(), first, stride: count };
        let mut shards: Vec<Self> = (0..count).map(shard).collect();
        for (number, partition) in partitions.into_iter().enumerate() {
            shards[number % count].partitions.push(partition);
        }
        shards
    }

    /// The partitions of all `shards`, as [`Shard::deal`] or [`Shard::new`] made them, in the order of their numbers; `None`
    /// if one of them is missing.
    pub fn gather(shards: Vec<Self>) -> Option<Vec<Partition>> {
        let mut numbered = BTreeMap::new();
        for Self { partitions, first, stride } in shards {
            numbered.extend((first..).step_by(stride).zip(partitions));
        }
        (numbered.len() == PARTITIONS).then(|| numbered.into_values().collect())
    }

    /// The partition of that number, if it is one of its own.
    pub fn partition(&self, number: u8) -> Option<&Partition> {
        let number = usize::from(number);
        let owned = number % self.stride == self.first;
        owned.then(|| self.partitions.get(number / self.stride)).flatten()
    }

    /// Does the work of one record at record time `elapsed_ms`, leaving `work` empty.
    pub fn apply(&mut self, elapsed_ms: i64, work: &mut Work, outputs: &mut Outputs) {
        for partition in &mut self.partitions {
            partition.step(elapsed_ms, Input::Tick, outputs);
        }
        for (partition, input) in work.inputs.drain(..) {
            self.at(partition).step(elapsed_ms, input, outputs);
        }
        let owned = work.rows.iter_mut().skip(self.first).step_by(self.stride);
        for (partition, rows) in self.partitions.iter_mut().zip(owned) {
            partition.samples(elapsed_ms, rows, outputs);
            rows.clear();
        }
    }

    /// As [`Shard::apply`] with the work of several records, at the record times `elapsed_ms`, but partition by partition: what
    /// is known of its series stays at hand meanwhile. `ended` hears whenever a partition is done with a record, with the place
    /// of that among the others.
    pub fn apply_all(
        &mut self,
        elapsed_ms: &[i64],
        work: &mut [Work],
        outputs: &mut Outputs,
        mut ended: impl FnMut(usize, &mut Outputs),
    ) {
        let by_partition = |work: &mut Work| {
            work.inputs.sort_by_key(|(partition, _)| *partition);
            std::mem::take(&mut work.inputs).into_iter().peekable()
        };
        let mut inputs: Vec<_> = work.iter_mut().map(by_partition).collect();
        for (place, partition) in self.partitions.iter_mut().enumerate() {
            let number = self.first + place * self.stride;
            let records = elapsed_ms.iter().zip(work.iter_mut()).zip(&mut inputs).enumerate();
            for (record, ((&elapsed_ms, work), inputs)) in records {
                partition.step(elapsed_ms, Input::Tick, outputs);
                while let Some((_, input)) = inputs.next_if(|(of, _)| usize::from(*of) == number) {
                    partition.step(elapsed_ms, input, outputs);
                }
                partition.samples(elapsed_ms, &work.rows[number], outputs);
                work.rows[number].clear();
                ended(record, outputs);
            }
        }
    }

    /// The partitions.
    pub fn partitions(&mut self) -> &mut [Partition] {
        &mut self.partitions
    }

    /// The partitions with their numbers.
    pub fn numbered_partitions(&mut self) -> impl Iterator<Item = (usize, &mut Partition)> {
        (self.first..).step_by(self.stride).zip(&mut self.partitions)
    }

    /// At most `limit` of its series for which `wanted` holds.
    pub fn view(&mut self, wanted: &dyn Fn(&LabelSet) -> bool, limit: usize) -> Vec<SeriesView> {
        let views = self.partitions.iter_mut().flat_map(|partition| partition.view(wanted, limit));
        views.take(limit).collect()
    }

    /// What the states of its series use memory for.
    pub fn usage(&self) -> Usage {
        let mut usage = Usage::default();
        self.partitions.iter().for_each(|partition| partition.memory(&mut usage.memory));
        usage
    }

    #[inline]
    fn at(&mut self, partition: u8) -> &mut Partition {
        &mut self.partitions[usize::from(partition) / self.stride]
    }
}

/// The engine on one thread.
#[derive(Debug)]
pub struct Engine {
    intake: Intake,
    shard: Shard,
    cap: AlertCap,
    work: [Work; 1],
}

impl Engine {
    /// An engine without series. `hash_seed`: see [`Intake::new`].
    pub fn new(settings: &Arc<Settings>, hash_seed: u64) -> Self {
        Self {
            intake: Intake::new(Arc::clone(settings), hash_seed),
            shard: Shard::new(settings, &Tables::default(), 0, 1),
            cap: AlertCap::new(Arc::clone(settings)),
            work: [Work::default()],
        }
    }

    /// Applies a record. `outputs` is emptied first; it is sorted: see [`Outputs::sort`].
    pub fn apply(&mut self, record: &Record<'_>, outputs: &mut Outputs) -> Outcome {
        outputs.clear();
        if let RecordBody::Configuration(settings) = &record.body {
            self.cap.configure(settings);
        }
        self.intake.lend(outputs.traces.take());
        let routed = self.intake.apply(record, &mut self.work);
        outputs.traces = self.intake.give_back();
        self.shard.apply(routed.elapsed_ms, &mut self.work[0], outputs);
        outputs.counts.add(&routed.counts);
        outputs.sort();
        outputs.events = self.cap.apply(std::mem::take(&mut outputs.events), routed.elapsed_ms);
        if let Some(traces) = &mut outputs.traces {
            traces.hold_back(|episode| self.cap.holds_back(episode));
        }
        routed.outcome
    }

    /// The intake, for its counts.
    pub fn intake(&self) -> &Intake {
        &self.intake
    }

    /// At most `limit` of the series for which `wanted` holds.
    pub fn view(&mut self, wanted: &dyn Fn(&LabelSet) -> bool, limit: usize) -> Vec<SeriesView> {
        self.shard.view(wanted, limit)
    }

    /// What memory is used for, and which metrics have the most series.
    pub fn usage(&self) -> Usage {
        let mut usage = self.intake.usage();
        usage.merge(self.shard.usage());
        usage
    }

    /// The partitions, for their counts and views.
    pub fn partitions(&mut self) -> &mut [Partition] {
        self.shard.partitions()
    }

    /// Goes on with what another engine has learned under `settings`, as [`Engine::into_learned`] gives it. No alert stands then, and
    /// silent series have numbers that were not given out here.
    pub fn adopt(
        &mut self,
        settings: &Arc<Settings>,
        (intake, mut partitions): (Intake, Vec<Partition>),
    ) {
        for (partition, before) in partitions.iter_mut().zip(&self.shard.partitions) {
            partition.forget_alerts();
            partition.renumber_cold(before.next_cold_number());
        }
        self.cap.configure(settings);
        self.cap.forget_alerts();
        self.intake = intake;
        self.shard.partitions = partitions;
    }

    /// What it has learned: the intake, and the partitions in the order of their numbers.
    pub fn into_learned(self) -> (Intake, Vec<Partition>) {
        (self.intake, self.shard.partitions)
    }
}
