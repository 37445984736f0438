//! The state of an intake.

use std::collections::BTreeMap;
use std::sync::Arc;

use bellwether_series::{LabelSet, prefetch};
use bellwether_signal::FamilyKind;

use super::clusters::{Clusters, Elected};
use super::cold::SilentSeries;
use super::table::Table;
use super::tenants::StampPlace;
use super::{Entry, Fate, Intake, Slots};
use crate::partition::{PARTITIONS, Partition};
use crate::record::RecordClock;
use crate::settings::Settings;
use crate::state::{Kind, Reader, StateError, Writer};
use crate::threshold::Shares;

/// So many entries ahead memory is asked for.
const AHEAD: usize = 24;

/// What an intake knew after some record. Holds its own copy of the list of series, not of their labels.
#[derive(Debug, Clone)]
pub struct IntakeState {
    digest: Arc<str>,
    clock: RecordClock,
    swept_ms: i64,
    shares: Shares,
    entries: Vec<Option<Entry>>,
    /// Places of `entries` that are free: the next one to be taken is the last.
    free: Vec<u32>,
    slots: Vec<Slots>,
    families: Arc<BTreeMap<Box<str>, FamilyKind>>,
    cold: SilentSeries,
    clusters: Clusters,
}

/// A copy of `entries`. Each label set is counted up where it lies, and everybody waits meanwhile: of a large fleet each would
/// have to be waited for.
fn copied(entries: &[Option<Entry>]) -> Vec<Option<Entry>> {
    let mut copy = Vec::with_capacity(entries.len());
    for (index, entry) in entries.iter().enumerate() {
        if let Some(Some(ahead)) = entries.get(index + AHEAD)
            && let Some(first) = ahead.labels.as_wire().first()
        {
            prefetch(first);
        }
        copy.push(entry.clone());
    }
    copy
}

impl Intake {
    /// What it knows now. Copies some 40 bytes for each series; what takes long is left to [`IntakeState::encode`].
    pub fn save(&self) -> IntakeState {
        IntakeState {
            digest: Arc::clone(&self.settings.digest),
            clock: self.clock,
            swept_ms: self.swept_ms,
            shares: self.shares,
            entries: copied(&self.entries),
            free: self.free.clone(),
            slots: self.slots.clone(),
            families: Arc::clone(&self.families),
            cold: self.cold.known().clone(),
            clusters: self.clusters.clone(),
        }
    }

    /// The intake that was saved as `bytes` under these `settings`. `hash_seed`: see [`Intake::new`].
    ///
    /// # Errors
    /// Whatever [`StateError`] lists.
    pub fn restore(
        settings: Arc<Settings>,
        hash_seed: u64,
        bytes: &[u8],
    ) -> Result<Self, StateError> {
        let mut reader = Reader::begin(bytes, Kind::Intake, &settings)?;
        let mut intake = Self::new(settings, hash_seed);
        reader.part("intake");
        (intake.clock, intake.swept_ms, intake.shares) = reader.take()?;
        intake.elapsed_ms = intake.clock.elapsed_ms();
        let is_past = (0..=intake.elapsed_ms).contains(&intake.swept_ms);
        reader.check(is_past, "the last sweep is not of the past")?;
        reader.part("families");
        intake.families = Arc::new(reader.take()?);
        reader.part("series");
        let count = reader.take_count()?;
        intake.entries.reserve_exact(count);
        for _ in 0..count {
            let mut entry: Option<Entry> = reader.take()?;
            if let Some(entry) = &mut entry {
                let stamped = StampPlace::find(&intake.settings, &entry.labels);
                entry.stamped = reader.must(stamped, "a series has no tenant")?;
            }
            intake.entries.push(entry);
        }
        intake.free = reader.take()?;
        let free = free_places(&intake.entries, &intake.free);
        reader.check(free, "not every free place of the list of series is free once")?;
        let table = intake.look_up();
        intake.table = reader.must(table, "a series occurs twice")?;
        reader.part("slots");
        intake.slots = reader.take()?;
        reader.check(intake.slots_are_sound(), "not every slot is either taken or free, once")?;
        intake.watched = intake.watched_labels().count();
        reader.part("silent series");
        intake.cold = reader.take::<SilentSeries>()?.into();
        intake.count_units();
        intake.count_per_metric();
        intake.count_holdings();
        reader.part("clusters");
        let saved: Vec<Elected> = reader.take()?;
        let is_known = |(name, _, heard_ms): &Elected| {
            name.len() == intake.settings.cluster_parts() && *heard_ms <= intake.elapsed_ms
        };
        reader
            .check(saved.iter().all(is_known), "a cluster has another name or is of the future")?;
        intake.clusters = reader.must(Clusters::restored(saved), "a cluster occurs twice")?;
        reader.end()?;
        Ok(intake)
    }

    /// Makes `partitions`, all of them in the order of their numbers, share the labels of their series with this intake: what
    /// was read twice is kept once. Says whether they know the same series, as they do after the same record.
    pub fn share_labels(&self, partitions: &mut [Partition]) -> bool {
        let mut known = 0;
        for (partition, slot, labels) in self.watched_labels() {
            let partition = partitions.get_mut(usize::from(partition));
            known += usize::from(partition.is_some_and(|known| known.share_labels(slot, labels)));
        }
        let present: usize = partitions.iter().map(Partition::series_count).sum();
        known == self.watched && present == self.watched
    }

    /// The labels of all watched series, with the partition and the slot where each is kept.
    fn watched_labels(&self) -> impl Iterator<Item = (u8, u32, &LabelSet)> {
        self.entries.iter().flatten().filter_map(|entry| match entry.fate {
            Fate::Watched { partition, slot, .. } => Some((partition, slot, &entry.labels)),
            Fate::Dropped(_) => None,
        })
    }

    /// The table of `entries`; `None` if a label set is in two of them.
    fn look_up(&self) -> Option<Table> {
        let mut table = Table::with_capacity(self.entries.len() - self.free.len());
        for (index, entry) in self.entries.iter().enumerate() {
            let Some(entry) = entry else { continue };
            let is_same = |other: usize| {
                self.entries[other].as_ref().is_some_and(|other| other.labels == entry.labels)
            };
            if !table.enter(entry.hash(&self.hasher), index, is_same) {
                return None;
            }
        }
        Some(table)
    }

    /// Whether every slot of every partition belongs to one series or is free.
    fn slots_are_sound(&self) -> bool {
        let mut taken = vec![Vec::new(); PARTITIONS];
        for (partition, slot, _) in self.watched_labels() {
            let Some(taken) = taken.get_mut(usize::from(partition)) else { return false };
            taken.push(slot);
        }
        let is_sound = |(slots, mut taken): (&Slots, Vec<u32>)| {
            taken.extend(&slots.free);
            taken.sort_unstable();
            taken.into_iter().eq(0..slots.next)
        };
        self.slots.len() == PARTITIONS && self.slots.iter().zip(taken).all(is_sound)
    }
}

impl IntakeState {
    /// The bytes for [`Intake::restore`]; equal states give equal bytes. Some 200 ns a series, and a dozen bytes
    /// besides its labels.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        let mut writer = Writer::begin(&mut out, Kind::Intake, &self.digest);
        writer.put(&(self.clock, self.swept_ms, self.shares));
        writer.put(&*self.families);
        writer.put_count(self.entries.len());
        for entry in &self.entries {
            writer.put(entry);
        }
        writer.put(&self.free);
        writer.put(&self.slots);
        writer.put(&self.cold);
        writer.put(&self.clusters.elected());
        out
    }
}

/// Whether `free` are the places of `all` where nothing is, each once.
pub(crate) fn free_places<T>(all: &[Option<T>], free: &[u32]) -> bool {
    let mut named = free.to_vec();
    named.sort_unstable();
    let empty = all.iter().zip(0..).filter(|(one, _)| one.is_none()).map(|(_, place)| place);
    named.into_iter().eq(empty)
}
