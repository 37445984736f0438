//! Series as replicas write them: with the label that is no part of their identity.
//!
//! An alias remembers for such label bytes which series is meant and where the replica stands, so that no label is
//! looked at while that holds. It decides nothing: whatever is forgotten is found out again from the labels and comes to the
//! same. So it is not saved, and may be forgotten at any time.
//!
//! Aliases are found as series are: by guessing the one that came after the previous one last time, else by their hash.

use bellwether_series::LabelSet;
use foldhash::quality::SeedableRandomState;
use hashbrown::HashTable;

use super::Entry;
use super::clusters::Standing;
use super::lookup::{Recognised, hash};

/// An alias that was not used for this long is forgotten: senders write every few minutes at least.
const UNUSED_MS: i64 = 3_600_000;

/// All aliases that are remembered.
#[derive(Debug, Default)]
pub(super) struct Aliases {
    all: Vec<Option<Alias>>,
    free: Vec<u32>,
    table: HashTable<u32>,
    /// The alias that is expected to come next.
    guess: usize,
}

/// Label bytes of a replica.
#[derive(Debug)]
pub(super) struct Alias {
    /// What the tenant's stamp says, of so many bytes, and then the labels as they were written.
    wire: Box<[u8]>,
    stamp_bytes: usize,
    pub(super) standing: Standing,
    /// The entry of the series and its labels, if the replica is elected. By now another series may be in that entry.
    pub(super) series: Option<(u32, LabelSet)>,
    /// Record time of the last use.
    pub(super) used_ms: i64,
}

impl Alias {
    /// What `wire` means where the stamp of the tenant is `stamp`.
    pub(super) fn new(
        (stamp, wire): (&[u8], &[u8]),
        standing: Standing,
        series: Option<(u32, LabelSet)>,
        used_ms: i64,
    ) -> Self {
        let stamp_bytes = stamp.len();
        Self { wire: [stamp, wire].concat().into(), stamp_bytes, standing, series, used_ms }
    }

    /// What it means, if that is still so.
    #[inline]
    pub(super) fn meaning(&self, entries: &[Option<Entry>]) -> Option<Recognised> {
        let Some((index, labels)) = &self.series else { return Some(Recognised::Unelected) };
        let index = *index as usize;
        let entry = entries.get(index)?.as_ref()?;
        entry.labels.is_clone_of(labels).then_some(Recognised::Series(index))
    }

    fn is(&self, stamp: &[u8], wire: &[u8]) -> bool {
        let (own_stamp, own_wire) = self.parts();
        own_wire == wire && own_stamp == stamp
    }

    fn parts(&self) -> (&[u8], &[u8]) {
        self.wire.split_at_checked(self.stamp_bytes).unwrap_or_default()
    }
}

impl Aliases {
    /// The alias with this stamp and these label bytes, if it is the one that is expected.
    #[inline]
    pub(super) fn next(&mut self, stamp: &[u8], wire: &[u8]) -> Option<&mut Alias> {
        let alias = self.all.get_mut(self.guess)?.as_mut().filter(|alias| alias.is(stamp, wire))?;
        self.guess += 1;
        Some(alias)
    }

    /// The alias with this stamp and these label bytes.
    pub(super) fn find(&mut self, hash: u64, stamp: &[u8], wire: &[u8]) -> Option<&mut Alias> {
        let is_it = |&index: &u32| {
            let alias = self.all.get(index as usize).and_then(Option::as_ref);
            alias.is_some_and(|alias| alias.is(stamp, wire))
        };
        let index = *self.table.find(hash, is_it)? as usize;
        self.guess = index + 1;
        self.all.get_mut(index)?.as_mut()
    }

    /// Remembers an alias, in place of what is known about its label bytes. If that makes more than `aliases_max`, all others are
    /// forgotten first.
    pub(super) fn put(&mut self, alias: Alias, aliases_max: usize, hasher: &SeedableRandomState) {
        let (stamp, wire) = alias.parts();
        let key = hash(hasher, stamp, wire);
        if let Some(known) = self.find(key, stamp, wire) {
            *known = alias;
            return;
        }
        if self.table.len() >= aliases_max {
            self.clear();
        }
        let index = if let Some(index) = self.free.pop() {
            self.all[index as usize] = Some(alias);
            index
        } else {
            self.all.push(Some(alias));
            (self.all.len() - 1) as u32
        };
        self.guess = index as usize + 1;
        let hash_of = |&index: &u32| {
            let alias = self.all.get(index as usize).and_then(Option::as_ref);
            alias.map(Alias::parts).map_or(0, |(stamp, wire)| hash(hasher, stamp, wire))
        };
        self.table.insert_unique(key, index, hash_of);
    }

    /// Places for aliases, also those that are empty.
    pub(super) fn places(&self) -> usize {
        self.all.len()
    }

    /// Of those in the places `due`, forgets those that were not used for long, and those of series that are gone.
    pub(super) fn sweep(
        &mut self,
        due: impl Iterator<Item = usize>,
        now_ms: i64,
        entries: &[Option<Entry>],
        hasher: &SeedableRandomState,
    ) {
        for index in due {
            let Some(place) = self.all.get_mut(index) else { return };
            let is_over = |alias: &mut Alias| {
                now_ms - alias.used_ms > UNUSED_MS || alias.meaning(entries).is_none()
            };
            let Some(alias) = place.take_if(is_over) else { continue };
            let (stamp, wire) = alias.parts();
            let key = hash(hasher, stamp, wire);
            if let Ok(found) = self.table.find_entry(key, |&other| other as usize == index) {
                found.remove();
            }
            self.free.push(index as u32);
        }
    }

    /// Forgets all.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.table.len()
    }
}
