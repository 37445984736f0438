//! The engine's door: which series there are, where each is kept, and what is refused.
//!
//! One intake sees all records in journal order, so every decision that it makes, above all the refusal
//! of new series over the limit, is the same in every replay and with every number of shards.
//!
//! A series that is known is recognised by its label bytes alone: first by guessing that it is the one that
//! came after the previous one last time, then by a keyed hash of the bytes, verified by comparison.
//! Labels are looked at once, when a series is created. What a replica of a pair writes is recognised in the
//! same way, by an alias of the series that is meant.

mod aliases;
mod clusters;
mod configuration;
mod families;
mod lookup;
mod numbered;
mod per_metric;
mod replicas;
mod state;
mod work;

use std::collections::BTreeMap;
use std::sync::Arc;

use bellwether_series::{Fingerprint, LabelSet, Timestamp};
use bellwether_signal::{FamilyKind, SeriesKind, series_kind};
use bellwether_wire::remote_write::{RawSample, WriteRequest};
use foldhash::SharedSeed;
use foldhash::quality::SeedableRandomState;
use hashbrown::HashTable;
use serde::{Deserialize, Serialize};

use crate::outcome::{Outcome, RejectReason};
use crate::outputs::{Counts, DropReason};
use crate::partition::{Input, PARTITIONS, Row};
use crate::record::{Record, RecordBody, RecordClock};
use crate::settings::Settings;
use crate::threshold::{Shares, firing_threshold, shortest_for_ms};
use crate::units::{Party, Units};

use self::aliases::Aliases;
use self::clusters::Clusters;
use self::lookup::{Recognised, hash};
use self::per_metric::PerMetric;

pub use self::state::IntakeState;
pub(crate) use self::state::free_places;
pub use self::work::Work;

/// Prefix of the metrics that bellwether writes out; they are never input.
const OWN_PREFIX: &str = "bellwether_";
/// Series that have outlived themselves are looked for this often.
const SWEEP_EVERY_MS: i64 = 60_000;

/// What an intake makes of one record.
#[derive(Debug)]
pub struct Routed {
    /// Record time: see [`Record::received_at`]; jumps of the wall clock do not count.
    pub elapsed_ms: i64,
    /// What became of the samples of a request.
    pub outcome: Outcome,
    /// Samples that were taken and that no partition needs to see.
    pub counts: Counts,
}

/// All series, in journal order.
#[derive(Debug)]
pub struct Intake {
    settings: Arc<Settings>,
    hasher: SeedableRandomState,
    clock: RecordClock,
    elapsed_ms: i64,
    swept_ms: i64,
    entries: Vec<Option<Entry>>,
    free: Vec<u32>,
    table: HashTable<u32>,
    /// The entry that is expected to come next.
    guess: usize,
    slots: Vec<Slots>,
    /// Shared with states that were saved and are not written yet.
    families: Arc<BTreeMap<Box<str>, FamilyKind>>,
    watched: usize,
    shares: Shares,
    units: Units,
    per_metric: PerMetric,
    clusters: Clusters,
    aliases: Aliases,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Entry {
    labels: LabelSet,
    seen_ms: i64,
    fate: Fate,
}

/// Why a series is refused, with words for the sender.
type Refusal = (RejectReason, String);

/// What happens to the samples of a series.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Fate {
    Watched { partition: u8, slot: u32, kind: SeriesKind },
    Dropped(DropReason),
}

/// Slots of a partition: which one the next series gets.
#[derive(Debug, Default, Clone, Serialize, Deserialize)]
struct Slots {
    next: u32,
    free: Vec<u32>,
}

impl Slots {
    fn take(&mut self) -> u32 {
        self.free.pop().unwrap_or_else(|| {
            self.next += 1;
            self.next - 1
        })
    }
}

impl Intake {
    /// An intake without series. `hash_seed` keys the look-up hash; it should differ between processes and
    /// never shows in any output.
    pub fn new(settings: Arc<Settings>, hash_seed: u64) -> Self {
        let shares = Shares::of(&settings.budget, 0, 0);
        let units = Units::new(&settings.groups);
        let per_metric = PerMetric::of(settings.series.per_metric_max, std::iter::empty());
        Self {
            settings,
            hasher: SeedableRandomState::with_seed(hash_seed, SharedSeed::global_fixed()),
            clock: RecordClock::default(),
            elapsed_ms: 0,
            swept_ms: 0,
            entries: Vec::new(),
            free: Vec::new(),
            table: HashTable::new(),
            guess: 0,
            slots: vec![Slots::default(); PARTITIONS],
            families: Arc::default(),
            watched: 0,
            shares,
            units,
            per_metric,
            clusters: Clusters::default(),
            aliases: Aliases::default(),
        }
    }

    /// The configuration in force.
    pub(crate) fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Series known at present, watched or not.
    pub fn series(&self) -> usize {
        self.table.len()
    }

    /// Series that are judged.
    pub fn watched(&self) -> usize {
        self.watched
    }

    /// How rare, as a surprise, something about a series has to be at present if it is sampled every minute; one that is
    /// sampled less often fires at less, and so does one that stays surprising for its rule's `for`.
    pub fn firing_threshold(&self) -> f64 {
        let for_ms = shortest_for_ms(&self.settings.rules);
        firing_threshold(self.shares.per_unit, for_ms, 60_000)
    }

    /// Takes a record in and appends to `work` what the shards must do; partition `p` belongs to shard
    /// `p % work.len()`. `work` must not be empty.
    pub fn apply(&mut self, record: &Record<'_>, work: &mut [Work]) -> Routed {
        self.advance(record.received_at, work);
        let mut routed = Routed {
            elapsed_ms: self.elapsed_ms,
            outcome: Outcome::default(),
            counts: Counts::default(),
        };
        match &record.body {
            RecordBody::Request(request) => {
                self.learn_metadata(request, work, &mut routed.outcome);
                self.route(request, work, &mut routed);
            }
            RecordBody::Samples(samples) => self.route_numbered(*samples, work, &mut routed),
            RecordBody::Configuration(settings) => self.configure(settings, work),
            RecordBody::Heartbeat => {}
        }
        routed
    }

    /// Does what is due as time goes by, before anything of the record itself: so it makes no difference into
    /// how many records of the same time a request was cut.
    fn advance(&mut self, received_at: Timestamp, work: &mut [Work]) {
        let before_ms = self.elapsed_ms;
        self.elapsed_ms = self.clock.advance(received_at);
        if self.elapsed_ms == before_ms {
            return;
        }
        if self.elapsed_ms - self.swept_ms >= SWEEP_EVERY_MS {
            self.swept_ms = self.elapsed_ms;
            self.sweep(work);
        }
        self.update_shares(work);
    }

    fn route(&mut self, request: &WriteRequest, work: &mut [Work], routed: &mut Routed) {
        let newest = self.clock.latest_now().plus_ms(self.settings.ordering.future_max_ms);
        for series in request.series() {
            let samples = series.samples.len() as u64;
            if !series.samples.iter().any(|sample| sample.timestamp <= newest) {
                routed.outcome.reject(RejectReason::Future, samples, || {
                    format!("timestamp is too far in the future: ahead of {newest}")
                });
                continue;
            }
            match self.recognise(series.labels, None, work, routed) {
                Ok(Recognised::Series(index)) => {
                    self.take(index, series.samples, newest, work, routed);
                }
                Ok(Recognised::Unelected) => Self::leave_out(series.samples, newest, routed),
                Err((reason, message)) => {
                    routed.outcome.reject(reason, samples, || message);
                }
            }
        }
    }

    /// Routes the samples of the series in entry `index`.
    #[inline]
    fn take(
        &mut self,
        index: usize,
        samples: &[RawSample],
        newest: Timestamp,
        work: &mut [Work],
        routed: &mut Routed,
    ) {
        let Some(entry) = &mut self.entries[index] else { return };
        entry.seen_ms = self.elapsed_ms;
        for sample in samples {
            if sample.timestamp > newest {
                let labels = &entry.labels;
                routed.outcome.reject(RejectReason::Future, 1, || {
                    format!("timestamp is too far in the future: series=`{labels}`")
                });
                continue;
            }
            routed.outcome.accepted_samples += 1;
            match entry.fate {
                Fate::Watched { partition, slot, .. } => {
                    let shard = usize::from(partition) % work.len();
                    let row = Row { slot, at: sample.timestamp, value: sample.value };
                    work[shard].rows[usize::from(partition)].push(row);
                }
                Fate::Dropped(reason) => routed.counts.drop_one(reason),
            }
        }
    }

    fn create(&mut self, labels: LabelSet, work: &mut [Work]) -> Result<usize, Refusal> {
        let limit = self.settings.series.active_max;
        if self.table.len() >= limit {
            let message =
                format!("limit on active series is reached: limit=`{limit}`, series=`{labels}`");
            return Err((RejectReason::SeriesLimit, message));
        }
        if self.per_metric.is_full(&labels) {
            let limit = self.settings.series.per_metric_max;
            let message = format!(
                "limit on series of one metric is reached: limit=`{limit}`, series=`{labels}`"
            );
            return Err((RejectReason::MetricLimit, message));
        }
        self.per_metric.enter(&labels);
        let fate = self.admit(&labels, work);
        let entry = Some(Entry { labels, seen_ms: self.elapsed_ms, fate });
        let index = if let Some(index) = self.free.pop() {
            self.entries[index as usize] = entry;
            index
        } else {
            self.entries.push(entry);
            (self.entries.len() - 1) as u32
        };
        let (entries, hasher) = (&self.entries, &self.hasher);
        let hash = |&index: &u32| {
            let entry = entries.get(index as usize).and_then(Option::as_ref);
            entry.map_or(0, |entry| hash(hasher, entry.labels.as_wire()))
        };
        self.table.insert_unique(hash(&index), index, hash);
        Ok(index as usize)
    }

    /// What the configuration and the metadata make of a series, before it has a slot.
    fn judge(&self, labels: &LabelSet) -> Result<SeriesKind, DropReason> {
        let name = labels.metric_name();
        if name.starts_with(OWN_PREFIX) {
            return Err(DropReason::OwnMetric);
        }
        if !self.settings.selection.selects(labels) {
            return Err(DropReason::Excluded);
        }
        match series_kind(name, |family| self.families.get(family).copied()) {
            SeriesKind::HistogramBucket => Err(DropReason::HistogramBucket),
            kind => Ok(kind),
        }
    }

    fn admit(&mut self, labels: &LabelSet, work: &mut [Work]) -> Fate {
        let kind = match self.judge(labels) {
            Ok(kind) => kind,
            Err(reason) => return Fate::Dropped(reason),
        };
        let fingerprint = labels.fingerprint();
        let party = Party::of(&self.settings, labels);
        let partition = partition_of(party.group.map_or(fingerprint, |(_, shared)| shared));
        let slot = self.slots[usize::from(partition)].take();
        self.watched += 1;
        self.units.enter(party);
        let labels = labels.clone();
        let shard = usize::from(partition) % work.len();
        let input = Input::Admit { slot, labels, fingerprint, kind };
        work[shard].inputs.push((partition, input));
        Fate::Watched { partition, slot, kind }
    }

    fn dismiss(&mut self, labels: &LabelSet, fate: Fate, work: &mut [Work]) {
        if let Fate::Watched { partition, slot, .. } = fate {
            self.units.withdraw(Party::of(&self.settings, labels));
            self.slots[usize::from(partition)].free.push(slot);
            self.watched -= 1;
            let shard = usize::from(partition) % work.len();
            work[shard].inputs.push((partition, Input::Evict { slot }));
        }
    }

    /// Forgets series from which nothing was received for longer than their time to live.
    fn sweep(&mut self, work: &mut [Work]) {
        let oldest_ms = self.elapsed_ms - self.settings.series.time_to_live_ms;
        for index in 0..self.entries.len() {
            if self.entries[index].as_ref().is_some_and(|entry| entry.seen_ms < oldest_ms) {
                self.forget(index, work);
            }
        }
        if self.clusters.forget_idle(oldest_ms) {
            self.aliases.clear();
        }
        self.aliases.sweep(self.elapsed_ms, &self.entries);
    }

    /// Forgets the series in entry `index`. Whoever calls this sees to it that no alias leads there any more.
    fn forget(&mut self, index: usize, work: &mut [Work]) {
        let Some(entry) = self.entries[index].take() else { return };
        let hash = hash(&self.hasher, entry.labels.as_wire());
        if let Ok(found) = self.table.find_entry(hash, |&other| other as usize == index) {
            found.remove();
        }
        self.free.push(index as u32);
        self.per_metric.withdraw(&entry.labels);
        self.dismiss(&entry.labels, entry.fate, work);
    }

    fn update_shares(&mut self, work: &mut [Work]) {
        let each = Shares::of(&self.settings.budget, self.watched, self.units.count());
        if each == self.shares {
            return;
        }
        self.shares = each;
        for partition in 0..PARTITIONS {
            let shard = partition % work.len();
            work[shard].inputs.push((partition as u8, Input::Share(each)));
        }
    }
}

/// The partition that owns a routing key: its first six bits.
fn partition_of(fingerprint: Fingerprint) -> u8 {
    (fingerprint.as_u128() >> (128 - PARTITIONS.trailing_zeros())) as u8
}

#[cfg(test)]
mod tests;
