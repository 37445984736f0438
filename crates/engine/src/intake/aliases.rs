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
/// When there are too many, one that was not used for this long makes room for another. One that was stays: whoever writes
/// more than can be remembered in turn would else find nothing of it.
const UNUSED_AT_LIMIT_MS: i64 = 300_000;

/// All aliases that are remembered.
#[derive(Debug, Default)]
pub(super) struct Aliases {
    all: Vec<Option<Alias>>,
    free: Vec<u32>,
    table: HashTable<u32>,
    /// The alias that is expected to come next.
    guess: usize,
    /// Which alias is looked at next when there is no room for another.
    hand: usize,
    /// How often there was no room for one.
    refused: u64,
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

    /// Remembers an alias that is used now, in place of what is known about its label bytes. If that makes more than `aliases_max`,
    /// in place of another one that is not in use; if the one that is looked at for that is, it is not remembered.
    pub(super) fn put(&mut self, alias: Alias, aliases_max: usize, hasher: &SeedableRandomState) {
        let (stamp, wire) = alias.parts();
        let key = hash(hasher, stamp, wire);
        if let Some(known) = self.find(key, stamp, wire) {
            *known = alias;
            return;
        }
        if self.table.len() >= aliases_max {
            let place = self.hand;
            self.hand = (place + 1) % self.all.len().max(1);
            let since_ms = alias.used_ms - UNUSED_AT_LIMIT_MS;
            if !self.forget_if(place, |known| known.used_ms < since_ms, hasher) {
                self.refused += 1;
                return;
            }
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
            let is_over = |alias: &mut Alias| {
                now_ms - alias.used_ms > UNUSED_MS || alias.meaning(entries).is_none()
            };
            self.forget_if(index, is_over, hasher);
        }
    }

    /// Forgets the alias in that place if there is one of which `is_over` says so; whether it did.
    fn forget_if(
        &mut self,
        index: usize,
        is_over: impl FnOnce(&mut Alias) -> bool,
        hasher: &SeedableRandomState,
    ) -> bool {
        let place = self.all.get_mut(index);
        let Some(alias) = place.and_then(|place| place.take_if(is_over)) else { return false };
        let (stamp, wire) = alias.parts();
        let key = hash(hasher, stamp, wire);
        if let Ok(found) = self.table.find_entry(key, |&other| other as usize == index) {
            found.remove();
        }
        self.free.push(index as u32);
        true
    }

    /// How often an alias was not remembered because of the limit.
    pub(super) fn refused(&self) -> u64 {
        self.refused
    }

    /// Forgets all.
    pub(super) fn clear(&mut self) {
        *self = Self { refused: self.refused, ..Self::default() };
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.table.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALIASES_MAX: usize = 3;

    struct Rig {
        aliases: Aliases,
        hasher: SeedableRandomState,
    }

    impl Rig {
        /// Writes these, each of which is remembered if it is not; says which were.
        fn write(&mut self, wires: &str, now_ms: i64) -> String {
            let mut known = String::new();
            for wire in wires.chars() {
                let bytes = [wire as u8];
                let key = hash(&self.hasher, b"", &bytes);
                if let Some(alias) = self.aliases.find(key, b"", &bytes) {
                    alias.used_ms = now_ms;
                    known.push(wire);
                    continue;
                }
                let standing = Standing { cluster: 0, term: 0, is_elected: false };
                let alias = Alias::new((b"", &bytes), standing, None, now_ms);
                self.aliases.put(alias, ALIASES_MAX, &self.hasher);
            }
            known
        }
    }

    fn rig() -> Rig {
        use foldhash::SharedSeed;
        let hasher = SeedableRandomState::with_seed(1, SharedSeed::global_fixed());
        Rig { aliases: Aliases::default(), hasher }
    }

    #[test]
    fn what_is_in_use_stays_when_there_is_no_room_for_more() {
        let mut rig = rig();
        rig.write("abcde", 0);
        assert_eq!((rig.aliases.len(), rig.aliases.refused()), (ALIASES_MAX, 2));
        for now_ms in [60_000, 120_000] {
            assert_eq!(rig.write("abcde", now_ms), "abc");
        }
    }

    #[test]
    fn what_was_not_used_for_long_makes_room_one_at_a_time() {
        let mut rig = rig();
        rig.write("abc", 0);
        let later_ms = UNUSED_AT_LIMIT_MS + 1;
        assert_eq!(rig.write("b", later_ms), "b");
        rig.write("d", later_ms);
        assert_eq!(rig.write("bcd", later_ms), "bcd");
        rig.write("e", later_ms);
        assert_eq!((rig.aliases.len(), rig.aliases.refused()), (ALIASES_MAX, 1), "it was b's turn");
        rig.write("f", later_ms + later_ms);
        assert_eq!(rig.write("bdf", later_ms + later_ms), "bdf");
        rig.aliases.clear();
        assert_eq!((rig.aliases.len(), rig.aliases.refused()), (0, 1));
    }
}
