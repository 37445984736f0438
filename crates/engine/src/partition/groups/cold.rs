//! Groups whose series leave memory: a group goes with all of its members or not at all, so that nobody of it can tell.

use std::collections::BTreeMap;

use bellwether_series::Fingerprint;

use super::super::series::Series;
use super::{Group, Groups, NO_GROUP, Place};
use crate::settings::Settings;
use crate::slab::{ASIDE, Slab};
use crate::state::{Reader, StateError};

impl Place {
    /// The group's place among the groups; `None` in no group.
    pub(in crate::partition) fn group(self) -> Option<u32> {
        (self != NO_GROUP).then_some(self.group)
    }
}

impl Groups {
    /// The slots of the members of the group at `index`, if all of them wait aside and the group has no open episode.
    pub(in crate::partition) fn slots_aside(&self, index: u32) -> Option<Vec<u32>> {
        let group = self.all.get(index as usize)?.as_ref().filter(|group| group.open.is_none())?;
        let slots: Vec<u32> = group.members.iter().filter_map(|member| member.slot).collect();
        slots.iter().all(|&slot| slot >= ASIDE).then_some(slots)
    }

    /// Takes the group at `index` out, with its members in it.
    pub(in crate::partition) fn take_out(&mut self, index: u32) -> Option<Group> {
        let group = self.all.get_mut(index as usize)?.take()?;
        self.places.remove(&group.key());
        self.free.push(index);
        Some(group)
    }

    /// Puts a group back that was taken out, whose members are in other slots now: `moved` has the new ones by the old.
    pub(in crate::partition) fn put_back(
        &mut self,
        mut group: Group,
        moved: &BTreeMap<u32, u32>,
        (settings, series): (&Settings, &mut Slab<Series>),
        reader: &Reader<'_>,
    ) -> Result<(), StateError> {
        group.rename(|slot| moved.get(&slot).copied().unwrap_or(slot));
        let index = self.free.last().copied().unwrap_or(self.all.len() as u32);
        let group = group.restored(index, settings, series, reader)?;
        reader.check(!self.places.contains_key(&group.key()), "a group is there twice")?;
        self.places.insert(group.key(), index);
        if self.free.pop().is_some() {
            self.all[index as usize] = Some(group);
        } else {
            self.all.push(Some(group));
        }
        Ok(())
    }

    /// The member at `place` is in slot `to` instead of `from`.
    pub(in crate::partition) fn rename(&mut self, place: Place, from: u32, to: u32) {
        if let Some(Some(group)) = self.all.get_mut(place.group as usize) {
            group.rename(|slot| if slot == from { to } else { slot });
        }
    }
}

impl Group {
    /// What it is found by.
    pub(in crate::partition) fn key(&self) -> (u16, Fingerprint) {
        (self.index, self.fingerprint)
    }

    fn rename(&mut self, renamed: impl Fn(u32) -> u32) {
        let slots = self.members.iter_mut().filter_map(|member| member.slot.as_mut());
        let top = self.last.iter_mut().flat_map(|last| last.top.iter_mut());
        slots.chain(top).for_each(|slot| *slot = renamed(*slot));
    }
}
