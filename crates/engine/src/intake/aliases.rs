//! Series as replicas write them: with the label that is no part of their identity.
//!
//! An alias remembers for such label bytes which series is meant and where the replica stands, so that no label is
//! looked at while that holds. It decides nothing: whatever is forgotten is found out again from the labels and comes to the
//! same. So it is not saved, and may be forgotten at any time.

use hashbrown::HashTable;

use super::Entry;
use super::clusters::Standing;

/// An alias that was not used for this long is forgotten: senders write every few minutes at least.
const UNUSED_MS: i64 = 3_600_000;

/// All aliases that are remembered.
#[derive(Debug, Default)]
pub(super) struct Aliases {
    table: HashTable<Alias>,
}

/// Label bytes of a replica.
#[derive(Debug)]
pub(super) struct Alias {
    pub(super) wire: Box<[u8]>,
    pub(super) standing: Standing,
    /// The entry of the series, if the replica is elected.
    pub(super) series: Option<u32>,
    /// Record time of the last use.
    pub(super) used_ms: i64,
}

impl Aliases {
    /// The alias with these label bytes.
    #[inline]
    pub(super) fn find(&mut self, hash: u64, wire: &[u8]) -> Option<&mut Alias> {
        self.table.find_mut(hash, |alias| *alias.wire == *wire)
    }

    /// Remembers an alias, in place of what is known about its label bytes. If that makes more than `aliases_max`, all others are
    /// forgotten first.
    pub(super) fn put(&mut self, alias: Alias, aliases_max: usize, hash: impl Fn(&[u8]) -> u64) {
        let key = hash(&alias.wire);
        if let Some(known) = self.find(key, &alias.wire) {
            *known = alias;
            return;
        }
        if self.table.len() >= aliases_max {
            self.table.clear();
        }
        self.table.insert_unique(key, alias, |alias| hash(&alias.wire));
    }

    /// Forgets those that were not used for long, and those of series that are gone.
    pub(super) fn sweep(&mut self, now_ms: i64, entries: &[Option<Entry>]) {
        let is_there = |&index: &u32| entries.get(index as usize).is_some_and(Option::is_some);
        self.table.retain(|alias| {
            now_ms - alias.used_ms <= UNUSED_MS && alias.series.as_ref().is_none_or(is_there)
        });
    }

    /// Forgets all.
    pub(super) fn clear(&mut self) {
        self.table.clear();
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.table.len()
    }
}
