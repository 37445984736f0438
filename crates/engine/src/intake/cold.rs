//! Series that are silent: they have no entry, take no place from others, and are remembered by their fingerprint until they
//! come back or have outlived themselves.
//!
//! They go on counting where false alarms are shared out, so that it makes no difference to anybody whether they
//! are in memory.

use std::collections::BTreeSet;

use bellwether_series::Fingerprint;
use serde::{Deserialize, Serialize};

use super::silent::SilentSeries;
use super::{Fate, Intake, Work, partition_of};
use crate::partition::Input;
use crate::units::Party;

/// All series that are silent.
#[derive(Debug, Default)]
pub(super) struct ColdSeries {
    known: SilentSeries,
    /// The same, those first that were silent for longest.
    by_age: BTreeSet<(i64, Fingerprint)>,
}

/// What is remembered of one.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub(super) struct Silent {
    pub(super) seen_ms: i64,
    pub(super) party: Party,
}

impl ColdSeries {
    pub(super) fn len(&self) -> usize {
        self.known.len()
    }

    /// All of them, to be saved.
    pub(super) fn known(&self) -> &SilentSeries {
        &self.known
    }

    /// Whether the series is silent.
    pub(super) fn knows(&self, fingerprint: Fingerprint) -> bool {
        self.known.contains(fingerprint)
    }

    /// Whether the series was silent; it is not any more.
    pub(super) fn take_back(&mut self, fingerprint: Fingerprint) -> bool {
        self.remove(fingerprint).is_some()
    }

    /// Whom they share their alerts with.
    pub(super) fn parties(&self) -> impl Iterator<Item = Party> {
        self.known.iter().map(|(_, silent)| silent.party)
    }

    fn insert(&mut self, fingerprint: Fingerprint, silent: Silent) {
        if let Some(before) = self.known.insert(fingerprint, silent) {
            self.by_age.remove(&(before.seen_ms, fingerprint));
        }
        self.by_age.insert((silent.seen_ms, fingerprint));
    }

    fn remove(&mut self, fingerprint: Fingerprint) -> Option<Silent> {
        let silent = self.known.remove(fingerprint)?;
        self.by_age.remove(&(silent.seen_ms, fingerprint));
        Some(silent)
    }

    /// The one that was silent for longest: since when, and which.
    fn oldest(&self) -> Option<(i64, Fingerprint)> {
        self.by_age.first().copied()
    }
}

impl From<SilentSeries> for ColdSeries {
    fn from(known: SilentSeries) -> Self {
        let by_age =
            known.iter().map(|(fingerprint, silent)| (silent.seen_ms, fingerprint)).collect();
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
