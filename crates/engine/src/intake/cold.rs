//! Series that are silent: they have no entry, take no place from others, and are remembered by their fingerprint until they
//! come back or have outlived themselves.
//!
//! They go on counting where false alarms are shared out, so that it makes no difference to anybody whether they
//! are in memory.

use std::collections::BTreeMap;
use std::sync::Arc;

use bellwether_series::Fingerprint;
use serde::{Deserialize, Serialize};

use super::{Fate, Intake, Work, partition_of};
use crate::partition::Input;
use crate::units::Party;

/// All series that are silent. A copy shares them until either changes.
#[derive(Debug, Default, Clone)]
pub(super) struct ColdSeries(Arc<BTreeMap<Fingerprint, Silent>>);

/// What is remembered of one.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Silent {
    seen_ms: i64,
    party: Party,
}

impl ColdSeries {
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether the series was silent; it is not any more.
    pub(super) fn take_back(&mut self, fingerprint: Fingerprint) -> bool {
        self.remove(fingerprint).is_some()
    }

    /// Whom they share their alerts with.
    pub(super) fn parties(&self) -> impl Iterator<Item = Party> {
        self.0.values().map(|silent| silent.party)
    }

    fn remove(&mut self, fingerprint: Fingerprint) -> Option<Silent> {
        // Most of those who ask are new, and what is shared should stay so.
        self.0
            .contains_key(&fingerprint)
            .then(|| Arc::make_mut(&mut self.0).remove(&fingerprint))?
    }

    /// Those that were not heard since `oldest_ms`, by age; then, beyond `count_max`, those that were silent for longest.
    fn outlived(&self, oldest_ms: i64, count_max: usize) -> (Vec<Fingerprint>, Vec<Fingerprint>) {
        let by_age =
            |(&fingerprint, silent): (&Fingerprint, &Silent)| (silent.seen_ms, fingerprint);
        let is_in_question =
            |&(seen_ms, _): &(i64, _)| seen_ms < oldest_ms || self.len() > count_max;
        let mut oldest: Vec<_> = self.0.iter().map(by_age).filter(is_in_question).collect();
        oldest.sort_unstable();
        let dead = oldest.partition_point(|&(seen_ms, _)| seen_ms < oldest_ms);
        oldest.truncate(dead.max(self.len().saturating_sub(count_max)));
        let mut dead_ones: Vec<_> =
            oldest.into_iter().map(|(_, fingerprint)| fingerprint).collect();
        let beyond = dead_ones.split_off(dead);
        (dead_ones, beyond)
    }
}

impl Serialize for ColdSeries {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.as_ref().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for ColdSeries {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        BTreeMap::deserialize(deserializer).map(|all| Self(Arc::new(all)))
    }
}

impl Intake {
    /// Lets go of the series in entry `index`, which is silent. One that is not watched has nothing that it could come back to.
    pub(super) fn let_go(&mut self, index: usize, work: &mut [Work]) {
        let Some(entry) = self.take_out(index) else { return };
        let Fate::Watched { partition, slot, .. } = entry.fate else { return };
        let party = Party::of(&self.settings, &entry.labels);
        let silent = Silent { seen_ms: entry.seen_ms, party };
        Arc::make_mut(&mut self.cold.0).insert(entry.labels.fingerprint(), silent);
        self.slots[usize::from(partition)].free.push(slot);
        self.watched -= 1;
        let shard = usize::from(partition) % work.len();
        work[shard].inputs.push((partition, Input::Park { slot }));
    }

    /// Forgets silent series that have outlived themselves, and those that are too many: how many these were.
    pub(super) fn sweep_cold(&mut self, oldest_ms: i64, work: &mut [Work]) -> u64 {
        let (dead, beyond) = self.cold.outlived(oldest_ms, self.settings.series.cold_max);
        for &fingerprint in dead.iter().chain(&beyond) {
            self.forget_cold(fingerprint, work);
        }
        beyond.len() as u64
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
