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
mod cold;
mod configuration;
mod families;
mod lookup;
mod numbered;
mod per_metric;
mod replicas;
mod routing;
mod state;
mod sweep;
mod table;
mod tenants;
mod trace;
mod work;

use std::collections::BTreeMap;
use std::sync::Arc;

use bellwether_series::{Fingerprint, LabelSet, Timestamp};
use bellwether_signal::{FamilyKind, SeriesKind, series_kind};
use bellwether_wire::remote_write::{RawSample, WriteRequest};
use foldhash::SharedSeed;
use foldhash::quality::SeedableRandomState;
use serde::{Deserialize, Serialize};

use crate::memory::{METRICS_SHOWN, MemoryUse, Usage};
use crate::outcome::{Outcome, RejectReason};
use crate::outputs::{Counts, DropReason};
use crate::partition::{Input, PARTITIONS, Row};
use crate::record::{Record, RecordBody, RecordClock};
use crate::settings::Settings;
use crate::threshold::{Shares, firing_threshold, shortest_for_ms};
use crate::trace::{Gate, Traces};
use crate::units::Units;

use self::aliases::Aliases;
use self::clusters::Clusters;
use self::cold::ColdSeries;
use self::lookup::Recognised;
use self::per_metric::PerMetric;
use self::table::Table;
use self::tenants::{Holdings, Stamp, StampPlace, qualified};

pub use self::routing::{Routing, TenantRouting};
pub use self::state::IntakeState;
pub(crate) use self::state::free_places;
pub use self::work::Work;

/// Prefix of the metrics that bellwether writes out; they are never input.
const OWN_PREFIX: &str = "bellwether_";

/// Of the limit on series, one in so many is added for those that were silent and come back.
const SPARE_PER: usize = 10;

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
    /// When so many series have gone for a record, the rest waits for the next one.
    batch_series: usize,
    entries: Vec<Option<Entry>>,
    free: Vec<u32>,
    table: Table,
    /// The entry that is expected to come next.
    guess: usize,
    slots: Vec<Slots>,
    /// Shared with states that were saved and are not written yet.
    families: Arc<BTreeMap<Box<str>, FamilyKind>>,
    watched: usize,
    shares: Shares,
    units: Units,
    per_metric: PerMetric,
    holdings: Holdings,
    cold: ColdSeries,
    clusters: Clusters,
    aliases: Aliases,
    /// Lent for the time of a record by whoever wants to know what became of samples.
    traces: Option<Box<Traces>>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Entry {
    labels: LabelSet,
    /// Follows from the labels.
    #[serde(skip)]
    stamped: StampPlace,
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
            batch_series: sweep::BATCH_SERIES,
            entries: Vec::new(),
            free: Vec::new(),
            table: Table::default(),
            guess: 0,
            slots: vec![Slots::default(); PARTITIONS],
            families: Arc::default(),
            watched: 0,
            shares,
            units,
            per_metric,
            holdings: Holdings::default(),
            cold: ColdSeries::default(),
            clusters: Clusters::default(),
            aliases: Aliases::default(),
            traces: None,
        }
    }

    /// The configuration in force.
    pub(crate) fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Series known at present, watched or not, without those that are silent.
    pub fn series(&self) -> usize {
        self.table.len()
    }

    /// Series that are judged.
    pub fn watched(&self) -> usize {
        self.watched
    }

    /// The bytes of all labels and of what finds series by them, and the metrics with the most series. Goes through all series.
    pub fn usage(&self) -> Usage {
        // Counters of references stand before the bytes.
        let labels = |entry: &Entry| entry.labels.as_wire().len() + 2 * size_of::<usize>();
        let mut memory = MemoryUse::default();
        memory.add("labels", self.entries.iter().flatten().map(labels).sum());
        let entries = self.entries.capacity() * size_of::<Option<Entry>>();
        memory.add("look_up", entries + self.table.bytes());
        memory.add("cold", self.cold.bytes());
        Usage { memory, metrics: self.per_metric.largest(METRICS_SHOWN) }
    }

    /// Silent series that are remembered.
    pub fn cold(&self) -> usize {
        self.cold.len()
    }

    /// How often what a replica writes was read label by label because no more such series can be remembered. It is
    /// no part of the state, and decides nothing.
    pub fn aliases_refused(&self) -> u64 {
        self.aliases.refused()
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
        let mut counts = Counts::default();
        self.advance(record.received_at, work, &mut counts);
        let elapsed_ms = self.elapsed_ms;
        let mut routed = Routed { elapsed_ms, outcome: Outcome::default(), counts };
        match &record.body {
            RecordBody::Request { tenant, write } => {
                self.request(tenant, write, work, &mut routed);
            }
            RecordBody::Samples(samples) => self.route_numbered(*samples, work, &mut routed),
            RecordBody::Configuration(settings) => self.configure(settings, work),
            RecordBody::Heartbeat => {}
        }
        routed
    }

    /// Does what is due as time goes by, before anything of the record itself: so it makes no difference into
    /// how many records of the same time a request was cut.
    fn advance(&mut self, received_at: Timestamp, work: &mut [Work], counts: &mut Counts) {
        let before_ms = self.elapsed_ms;
        self.elapsed_ms = self.clock.advance(received_at);
        if self.elapsed_ms == before_ms {
            return;
        }
        self.sweep(work, counts);
        self.update_shares(work);
    }

    fn request(
        &mut self,
        tenant: &str,
        write: &WriteRequest,
        work: &mut [Work],
        routed: &mut Routed,
    ) {
        let Some(stamp) = Stamp::of(&self.settings, tenant) else {
            let samples = write.sample_count() as u64;
            routed.outcome.reject(RejectReason::UnknownTenant, samples, || {
                format!("there is no such tenant: tenant=`{tenant}`")
            });
            for series in write.series() {
                self.note_refused(None, &series, RejectReason::UnknownTenant);
            }
            return;
        };
        let tenant = stamp.tenant().unwrap_or_default();
        self.learn_metadata(tenant, write, work, &mut routed.outcome);
        self.route(&stamp, write, work, routed);
    }

    fn route(
        &mut self,
        stamp: &Stamp<'_>,
        request: &WriteRequest,
        work: &mut [Work],
        routed: &mut Routed,
    ) {
        let newest = self.clock.latest_now().plus_ms(self.settings.ordering.future_max_ms);
        for series in request.series() {
            self.prefetch_labels();
            let samples = series.samples.len() as u64;
            if !series.samples.iter().any(|sample| sample.timestamp <= newest) {
                routed.outcome.reject(RejectReason::Future, samples, || {
                    format!("timestamp is too far in the future: ahead of {newest}")
                });
                self.note_refused(Some(stamp), &series, RejectReason::Future);
                continue;
            }
            match self.recognise(stamp, series.labels, None, work, routed) {
                Ok(Recognised::Series(index)) => {
                    self.take(index, series.samples, newest, work, routed);
                }
                Ok(Recognised::Unelected) => {
                    Self::leave_out(series.samples, newest, routed);
                    self.note_unelected(stamp, &series, newest);
                }
                Err((reason, message)) => {
                    self.note_refused(Some(stamp), &series, reason);
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
                if let Some(traces) = &mut self.traces {
                    let gate = Gate::Refused(RejectReason::Future);
                    traces.at_the_door(labels, *sample, gate, &self.settings.digest);
                }
                continue;
            }
            routed.outcome.accepted_samples += 1;
            match entry.fate {
                Fate::Watched { partition, slot, .. } => {
                    // In 32 bits, of which a division is shorter.
                    let shard = (u32::from(partition) % work.len() as u32) as usize;
                    let row = Row { slot, at: sample.timestamp, value: sample.value };
                    work[shard].rows[usize::from(partition)].push(row);
                }
                Fate::Dropped(reason) => {
                    routed.counts.drop_one(reason);
                    if let Some(traces) = &mut self.traces {
                        let (labels, gate) = (&entry.labels, Gate::Dropped(reason));
                        traces.at_the_door(labels, *sample, gate, &self.settings.digest);
                    }
                }
            }
        }
    }

    fn create(
        &mut self,
        labels: LabelSet,
        stamped: StampPlace,
        hash: u64,
        work: &mut [Work],
    ) -> Result<usize, Refusal> {
        self.check_tenant_limit(&labels)?;
        let limit = self.settings.series.active_max;
        // Those that come back are known: what is new must not keep them out.
        let is_full = match self.table.len().checked_sub(limit) {
            None => false,
            Some(beyond) => beyond >= limit / SPARE_PER || !self.cold.knows(labels.fingerprint()),
        };
        if is_full {
            let message =
                format!("limit on active series is reached: limit=`{limit}`, series=`{labels}`");
            return Err((RejectReason::SeriesLimit, message));
        }
        if self.per_metric.is_full(self.settings.tenant_of(&labels), &labels) {
            let limit = self.settings.series.per_metric_max;
            let message = format!(
                "limit on series of one metric is reached: limit=`{limit}`, series=`{labels}`"
            );
            return Err((RejectReason::MetricLimit, message));
        }
        let tenant = self.settings.tenant_of(&labels);
        self.per_metric.enter(tenant, &labels);
        self.holdings.of_mut(tenant).series += 1;
        let fate = self.admit(&labels, work);
        let entry = Some(Entry { labels, stamped, seen_ms: self.elapsed_ms, fate });
        let index = if let Some(index) = self.free.pop() {
            self.entries[index as usize] = entry;
            index as usize
        } else {
            self.entries.push(entry);
            self.entries.len() - 1
        };
        // Whoever creates it has looked: none is the same.
        self.table.enter(hash, index, |_| false);
        Ok(index)
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
        let tenant = self.settings.tenant_of(labels);
        let family = |family: &str| self.families.get(&*qualified(tenant, family)).copied();
        match series_kind(name, family) {
            SeriesKind::HistogramBucket => Err(DropReason::HistogramBucket),
            kind => Ok(kind),
        }
    }

    fn admit(&mut self, labels: &LabelSet, work: &mut [Work]) -> Fate {
        let kind = match self.judge(labels) {
            Ok(kind) => kind,
            Err(reason) => {
                self.forget_cold(labels.fingerprint(), work);
                return Fate::Dropped(reason);
            }
        };
        let fingerprint = labels.fingerprint();
        let party = self.units.party_of(&self.settings, labels);
        let partition = partition_of(routing::routing_key(party, fingerprint));
        let slot = self.slots[usize::from(partition)].take();
        self.watched += 1;
        if !self.cold.take_back(fingerprint) {
            self.units.enter(party);
        }
        let labels = labels.clone();
        let shard = usize::from(partition) % work.len();
        let input = Input::Admit { slot, labels, fingerprint, kind };
        work[shard].inputs.push((partition, input));
        Fate::Watched { partition, slot, kind }
    }

    fn dismiss(&mut self, labels: &LabelSet, fate: Fate, work: &mut [Work]) {
        if let Fate::Watched { partition, slot, .. } = fate {
            let party = self.units.party_of(&self.settings, labels);
            self.units.withdraw(party);
            self.slots[usize::from(partition)].free.push(slot);
            self.watched -= 1;
            let shard = usize::from(partition) % work.len();
            work[shard].inputs.push((partition, Input::Evict { slot }));
        }
    }

    /// Forgets the series in entry `index`.
    fn forget(&mut self, index: usize, work: &mut [Work]) {
        if let Some(entry) = self.take_out(index) {
            self.dismiss(&entry.labels, entry.fate, work);
        }
    }

    /// Makes entry `index` free: what was in it.
    fn take_out(&mut self, index: usize) -> Option<Entry> {
        let entry = self.entries[index].take()?;
        let hash = entry.hash(&self.hasher);
        self.table.remove(hash, index);
        self.free.push(index as u32);
        let tenant = self.settings.tenant_of(&entry.labels);
        self.per_metric.withdraw(tenant, &entry.labels);
        let holding = self.holdings.of_mut(tenant);
        holding.series = holding.series.saturating_sub(1);
        Some(entry)
    }

    fn update_shares(&mut self, work: &mut [Work]) {
        // Whoever is silent may come back: its share stays its own.
        let series = self.watched + self.cold.len();
        let each = Shares::of(&self.settings.budget, series, self.units.count());
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
