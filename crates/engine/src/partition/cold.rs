//! Silent series: out of memory until they come back, and then as if they had never been away.
//!
//! The intake says who is silent; such a series is *parked*, aside, where it keeps everything and needs no slot. Once a minute
//! whoever can leaves memory: a series that is in no group, nothing of it held back and no episode open; a group with all of its
//! members, if that holds for each. So an alert of a silent series ends as it always does, and a group never misses
//! anybody. What they may take in the deep tier stays reserved.
//!
//! A series comes back by being admitted, with its whole group; the others of it are parked then.

use std::collections::{BTreeMap, BTreeSet};

use bellwether_series::{Fingerprint, LabelSet};
use bellwether_signal::SeriesKind;

use super::cold_index::{GroupKey, Returning};
use super::groups::Group;
use super::series::Series;
use super::{PARTITIONS, Partition};
use crate::cold::ColdStore;
use crate::outputs::Outputs;
use crate::state::{Reader, StateError, Writer};

/// Units that leave at a time: samples that come should not wait long for those that do not.
const LEAVING_MAX: usize = 1024;

/// What is to leave memory: the place of a group, if it is one, and the slots of the series.
type Leaving = (Option<u32>, Vec<u32>);

impl Partition {
    /// Keeps the states of silent series in `store` from now on, which must hold what was put into the store before.
    pub fn keep_cold_in(&mut self, store: Box<dyn ColdStore>) {
        self.cold.keep_in(store);
    }

    /// Series that are out of memory.
    pub fn cold_series(&self) -> usize {
        self.cold.series_count()
    }

    /// Bytes that their states take where they are kept.
    pub fn cold_bytes(&self) -> u64 {
        self.cold.bytes()
    }

    /// The numbers under which they are kept.
    pub fn cold_numbers(&self) -> impl Iterator<Item = u64> {
        self.cold.numbers()
    }

    /// All that is kept, by number.
    pub fn cold_states(&self) -> Vec<(u64, Vec<u8>)> {
        self.cold.states()
    }

    /// No number of these, nor of any that come, is below this.
    pub fn next_cold_number(&self) -> u64 {
        self.cold.next_number()
    }

    /// Makes all these numbers higher by `by`, so that they are none that somebody else has given out.
    pub fn renumber_cold(&mut self, by: u64) {
        self.cold.renumber(by);
    }

    /// Puts that where it belongs, after [`Partition::restore`].
    pub fn fill_cold(&mut self, states: Vec<(u64, Vec<u8>)>) {
        self.cold.fill(states);
    }

    /// Takes a silent series out of its slot.
    pub(super) fn park(&mut self, slot: u32, outputs: &mut Outputs) {
        let Some(series) = self.series.get_mut(slot) else { return };
        series.withdraw(&self.settings, outputs);
        let fingerprint = series.fingerprint;
        let aside = self.series.free_aside();
        self.relocate(slot, aside);
        self.parked.insert(fingerprint, aside);
        self.series_count -= 1;
    }

    /// Brings the series back into `slot` if it was silent and nothing has changed about what its values mean.
    pub(super) fn come_back(
        &mut self,
        slot: u32,
        (labels, fingerprint, kind): (&LabelSet, Fingerprint, SeriesKind),
        outputs: &mut Outputs,
    ) -> bool {
        if let Some(number) = self.cold.unit_of(fingerprint) {
            self.warm(number, outputs);
        }
        let Some(aside) = self.parked.remove(&fingerprint) else { return false };
        let Some(series) = self.series.get_mut(aside) else { return false };
        if series.kind != kind {
            self.remove(aside, outputs);
            return false;
        }
        series.labels = labels.clone();
        self.relocate(aside, slot);
        true
    }

    /// Forgets a silent series.
    pub(super) fn forget(&mut self, fingerprint: Fingerprint, outputs: &mut Outputs) {
        if let Some(aside) = self.parked.remove(&fingerprint) {
            self.remove(aside, outputs);
        } else {
            let reserved = self.cold.forget(fingerprint);
            self.judges.release(reserved);
        }
    }

    /// Forgets all silent series: what is kept of them means nothing under another configuration.
    pub(super) fn forget_cold(&mut self, outputs: &mut Outputs) {
        for (_, aside) in std::mem::take(&mut self.parked) {
            outputs.counts.cold_forgotten += 1;
            self.remove(aside, outputs);
        }
        while self.forget_oldest(outputs) {}
    }

    /// Forgets those that left first while there are too many bytes.
    pub(super) fn limit_cold(&mut self, outputs: &mut Outputs) {
        let bytes_max = self.settings.series.cold_bytes_max / PARTITIONS as u64;
        while self.cold.bytes() > bytes_max && self.forget_oldest(outputs) {}
    }

    fn forget_oldest(&mut self, outputs: &mut Outputs) -> bool {
        let Some(gone) = self.cold.drop_oldest() else { return false };
        outputs.counts.cold_forgotten += gone.series.len() as u64;
        self.judges.release(gone.deep_bytes);
        true
    }

    /// Lets leave memory who can, up to a bound; whether that were all.
    pub(super) fn cool(&mut self, outputs: &mut Outputs) -> bool {
        let leaving = self.leaving();
        let is_all = leaving.len() <= LEAVING_MAX;
        for (group, slots) in leaving.into_iter().take(LEAVING_MAX) {
            let group = group.and_then(|index| self.groups.take_out(index));
            self.put_away(group, &slots, outputs);
        }
        self.limit_cold(outputs);
        is_all
    }

    /// Who can, in an order that follows from who is parked.
    fn leaving(&mut self) -> Vec<Leaving> {
        let Self { parked, series, groups, held, .. } = self;
        let (mut leaving, mut seen): (Vec<Leaving>, _) = (Vec::new(), BTreeSet::new());
        for &slot in parked.values() {
            let Some(place) = series.get_mut(slot).map(|series| series.place.group()) else {
                continue;
            };
            match place {
                None => leaving.push((None, vec![slot])),
                Some(group) if seen.insert(group) => {
                    leaving.extend(groups.slots_aside(group).map(|slots| (place, slots)));
                }
                Some(_) => {}
            }
        }
        let mut is_done = |&slot: &u32| {
            !held.holds(slot) && series.get_mut(slot).is_some_and(|series| !series.is_open)
        };
        leaving.retain(|(_, slots)| slots.iter().all(&mut is_done));
        leaving
    }

    /// Writes a unit down, and frees its memory.
    fn put_away(&mut self, group: Option<Group>, slots: &[u32], outputs: &mut Outputs) {
        let (mut state, mut members) = (Vec::new(), Vec::with_capacity(slots.len()));
        let mut writer = Writer::bare(&mut state);
        writer.put(&group);
        writer.put_count(slots.len());
        for &slot in slots {
            let Some(series) = self.series.remove(slot) else { continue };
            writer.put(&slot);
            writer.put(&series);
            writer.put(&self.judges.saved(series.seat));
            self.parked.remove(&series.fingerprint);
            members.push((series.fingerprint, self.judges.leave_for_a_while(series.seat)));
        }
        outputs.counts.cold_evicted += members.len() as u64;
        self.cold.put(group.map(|group| group.key()), &members, state);
    }

    /// Brings a group back into memory if it is out of it.
    pub(super) fn warm_group(&mut self, group: GroupKey, outputs: &mut Outputs) {
        if let Some(number) = self.cold.unit_of_group(group) {
            self.warm(number, outputs);
        }
    }

    /// Brings a unit back into memory; its series are parked then.
    fn warm(&mut self, number: u64, outputs: &mut Outputs) {
        let Some(Returning { state, series, deep_bytes }) = self.cold.take(number) else { return };
        self.judges.release(deep_bytes);
        let mut moved = BTreeMap::new();
        let read = state.map(|state| self.read_unit(&state, &mut moved));
        let is_whole = matches!(read, Some(Ok(())));
        let count = if is_whole {
            &mut outputs.counts.cold_reloaded
        } else {
            &mut outputs.counts.cold_lost
        };
        *count += series.len() as u64;
        for &aside in moved.values() {
            let Some(known) = self.series.get_mut(aside) else { continue };
            if is_whole && series.contains(&known.fingerprint) {
                known.export = known.export.adopt(self.settings.exports(&known.labels));
                self.parked.insert(known.fingerprint, aside);
            } else {
                // Forgotten meanwhile, or one of a unit that is damaged.
                self.remove(aside, outputs);
            }
        }
    }

    /// Reads a unit that was written by [`Partition::put_away`]; the new slots of its series, by the old ones, go to `moved`.
    fn read_unit(
        &mut self,
        state: &[u8],
        moved: &mut BTreeMap<u32, u32>,
    ) -> Result<(), StateError> {
        let mut reader = Reader::bare(state, "silent series");
        let group: Option<Group> = reader.take()?;
        for _ in 0..reader.take_count()? {
            let before: u32 = reader.take()?;
            let series: Series = reader.take()?;
            let aside = self.series.free_aside();
            self.take_in(aside, series, &mut reader)?;
            moved.insert(before, aside);
        }
        if let Some(group) = group {
            let members = (&*self.settings, &mut self.series);
            self.groups.put_back(group, moved, members, &reader)?;
        }
        reader.end()
    }

    /// Moves a series from one slot to another one, where nothing is.
    fn relocate(&mut self, from: u32, to: u32) {
        let Some(series) = self.series.remove(from) else { return };
        self.groups.rename(series.place, from, to);
        self.series.insert(to, series);
        self.held.rename(from, to);
        self.note_demotion(from);
        self.note_demotion(to);
        if let Some(open) = self.episodes.remove(&from) {
            self.episodes.insert(to, open);
        }
    }
}

#[cfg(test)]
mod tests;
