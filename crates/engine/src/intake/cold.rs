//! Series that are silent: they have no entry, take no place from others, and are remembered by their fingerprint until they
//! come back or have outlived themselves.
//!
//! They go on counting where false alarms are shared out, so that it makes no difference to anybody whether they
//! are in memory.

use std::collections::BTreeSet;

use bellwether_series::{BareFingerprint, Chunked, Fingerprint};
use serde::{Deserialize, Serialize};

use super::{Fate, Intake, Work, partition_of};
use crate::partition::Input;
use crate::units::Party;

/// All series that are silent, by their fingerprints.
pub(super) type SilentSeries = Chunked<BareFingerprint, BareSilent>;

/// The same, with what finds the one that was silent for longest.
#[derive(Debug, Default)]
pub(super) struct ColdSeries {
    known: SilentSeries,
    /// Of each chunk since when one of it was not heard, and where it begins.
    by_age: BTreeSet<(i64, BareFingerprint)>,
}

/// What is remembered of one.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) struct Silent {
    pub(super) seen_ms: i64,
    pub(super) party: Party,
}

/// The same with nothing in between, since there are millions.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(from = "Silent", into = "Silent")]
#[repr(Rust, packed)]
pub(super) struct BareSilent {
    seen_ms: i64,
    group: Option<BareGroup>,
    is_named: bool,
}

#[derive(Debug, Clone, Copy)]
#[repr(Rust, packed)]
struct BareGroup {
    rule: u16,
    shared: BareFingerprint,
}

impl From<Silent> for BareSilent {
    fn from(Silent { seen_ms, party: Party { group, is_named } }: Silent) -> Self {
        let group = group.map(|(rule, shared)| BareGroup { rule, shared: shared.into() });
        Self { seen_ms, group, is_named }
    }
}

impl From<BareSilent> for Silent {
    fn from(BareSilent { seen_ms, group, is_named }: BareSilent) -> Self {
        let group = group.map(|BareGroup { rule, shared }| (rule, shared.into()));
        Self { seen_ms, party: Party { group, is_named } }
    }
}

impl ColdSeries {
    pub(super) fn len(&self) -> usize {
        self.known.len()
    }

    /// All of them, to be saved.
    pub(super) fn known(&self) -> &SilentSeries {
        &self.known
    }

    /// Bytes that they take.
    pub(super) fn bytes(&self) -> usize {
        // A third of the places of such a set are empty.
        self.known.bytes() + self.by_age.len() * size_of::<(i64, BareFingerprint)>() * 3 / 2
    }

    /// Whether the series is silent.
    pub(super) fn knows(&self, fingerprint: Fingerprint) -> bool {
        self.known.get(fingerprint.into()).is_some()
    }

    /// Whether the series was silent; it is not any more.
    pub(super) fn take_back(&mut self, fingerprint: Fingerprint) -> bool {
        self.remove(fingerprint).is_some()
    }

    /// Whom they share their alerts with.
    pub(super) fn parties(&self) -> impl Iterator<Item = Party> {
        self.known.iter().map(|&(_, silent)| Silent::from(silent).party)
    }

    fn insert(&mut self, fingerprint: Fingerprint, silent: Silent) {
        let key = fingerprint.into();
        self.change(key, |known| known.insert(key, silent.into()));
    }

    fn remove(&mut self, fingerprint: Fingerprint) -> Option<Silent> {
        // Most of those who ask are new.
        let key = fingerprint.into();
        self.known.get(key)?;
        self.change(key, |known| known.remove(key)).map(Silent::from)
    }

    /// Changes what is known of one, and with it what is known of its chunk.
    fn change<R>(
        &mut self,
        key: BareFingerprint,
        change: impl FnOnce(&mut SilentSeries) -> R,
    ) -> R {
        let reach = self.known.reach(key);
        for (begins, chunk) in self.known.chunks(reach) {
            self.by_age.remove(&(oldest_ms(chunk), begins));
        }
        let changed = change(&mut self.known);
        for (begins, chunk) in self.known.chunks(reach) {
            self.by_age.insert((oldest_ms(chunk), begins));
        }
        changed
    }

    /// The one that was silent for longest: since when, and which; of several the least.
    fn oldest(&self) -> Option<(i64, Fingerprint)> {
        let &(seen_ms, begins) = self.by_age.first()?;
        let (_, chunk) = self.known.chunks((begins, None)).next()?;
        let (fingerprint, _) = chunk.iter().find(|(_, silent)| silent.seen_ms == seen_ms)?;
        Some((seen_ms, (*fingerprint).into()))
    }
}

/// Since when one of a chunk was not heard.
fn oldest_ms(chunk: &[(BareFingerprint, BareSilent)]) -> i64 {
    chunk.iter().map(|(_, silent)| silent.seen_ms).min().unwrap_or(i64::MAX)
}

impl From<SilentSeries> for ColdSeries {
    fn from(known: SilentSeries) -> Self {
        let all = known.chunks((BareFingerprint::default(), None));
        let by_age = all.map(|(begins, chunk)| (oldest_ms(chunk), begins)).collect();
        Self { known, by_age }
    }
}

impl Intake {
    /// Lets go of the series in entry `index`, which is silent. One that is not watched has nothing that it could come back to.
    pub(super) fn let_go(&mut self, index: usize, work: &mut [Work]) {
        let Some(entry) = self.take_out(index) else { return };
        let Fate::Watched { partition, slot, .. } = entry.fate else { return };
        let party = self.units.party_of(&self.settings, &entry.labels);
        let silent = Silent { seen_ms: entry.seen_ms, party };
        self.cold.insert(entry.labels.fingerprint(), silent);
        self.slots[usize::from(partition)].free.push(slot);
        self.watched -= 1;
        let shard = usize::from(partition) % work.len();
        work[shard].inputs.push((partition, Input::Park { slot }));
    }

    /// Forgets silent series that have outlived themselves, which were not heard since `oldest_ms`, and those that are too many:
    /// how many these were. At most `batch_series` of them; the rest is there the next time.
    pub(super) fn sweep_cold(
        &mut self,
        oldest_ms: i64,
        batch_series: usize,
        work: &mut [Work],
    ) -> u64 {
        let mut beyond = 0;
        for _ in 0..batch_series {
            let Some((seen_ms, fingerprint)) = self.cold.oldest() else { break };
            let is_dead = seen_ms < oldest_ms;
            if !is_dead && self.cold.len() <= self.settings.series.cold_max {
                break;
            }
            self.forget_cold(fingerprint, work);
            beyond += u64::from(!is_dead);
        }
        beyond
    }

    /// Forgets the series if it is silent.
    pub(super) fn forget_cold(&mut self, fingerprint: Fingerprint, work: &mut [Work]) {
        let Some(silent) = self.cold.remove(fingerprint) else { return };
        self.units.withdraw(silent.party);
        let partition = partition_of(silent.party.group.map_or(fingerprint, |(_, shared)| shared));
        let shard = usize::from(partition) % work.len();
        work[shard].inputs.push((partition, Input::Forget { fingerprint }));
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_remembered_of_a_series_has_nothing_in_between() {
        assert_eq!(size_of::<(BareFingerprint, BareSilent)>(), 16 + 8 + 1 + 2 + 16 + 1);
        let group = Some((7, Fingerprint::from_u128(u128::MAX - 3)));
        for party in [Party { group, is_named: true }, Party { group: None, is_named: false }] {
            let read = Silent::from(BareSilent::from(Silent { seen_ms: -5, party }));
            assert_eq!((read.seen_ms, read.party), (-5, party));
        }
    }

    proptest! {
        #[test]
        fn the_one_that_was_silent_for_longest_is_known_whoever_comes_and_goes(
            changes in prop::collection::vec((0..600_u128, 0..40_i64, any::<bool>()), 0..1500),
        ) {
            let (mut cold, mut model) = (ColdSeries::default(), BTreeMap::new());
            for (number, seen_ms, comes) in changes {
                let fingerprint = Fingerprint::from_u128(number << 100);
                if comes {
                    cold.insert(fingerprint, Silent { seen_ms, party: Party::default() });
                    model.insert(fingerprint, seen_ms);
                } else {
                    let before = model.remove(&fingerprint);
                    prop_assert_eq!(cold.remove(fingerprint).map(|silent| silent.seen_ms), before);
                }
                let oldest = model.iter().map(|(fingerprint, seen_ms)| (*seen_ms, *fingerprint)).min();
                prop_assert_eq!(cold.oldest(), oldest);
            }
            prop_assert_eq!(ColdSeries::from(cold.known.clone()).by_age, cold.by_age);
        }
    }
}
