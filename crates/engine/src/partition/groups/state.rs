//! The state of a partition's groups. Which series is where among them follows from who their members are.

use std::sync::Arc;

use super::super::series::Series;
use super::{Group, Groups, NO_GROUP, Place};
use crate::intake::free_places;
use crate::settings::Settings;
use crate::slab::Slab;
use crate::state::{Reader, StateError, Writer};

impl Groups {
    /// Appends the groups.
    pub(in crate::partition) fn save(&self, writer: &mut Writer<'_>) {
        writer.put_count(self.all.len());
        for group in &self.all {
            writer.put(group);
        }
        writer.put(&self.free);
    }

    /// Reads the groups, and tells those of `series` that are in one.
    pub(in crate::partition) fn restore(
        settings: &Settings,
        series: &mut Slab<Series>,
        reader: &mut Reader<'_>,
    ) -> Result<Self, StateError> {
        let mut groups = Self::default();
        let count = reader.take_count()?;
        for index in (0..).take(count) {
            let read: Option<Group> = reader.take()?;
            let group = match read {
                Some(group) => Some(group.restored(index, settings, series, reader)?),
                None => None,
            };
            if let Some(group) = &group {
                let is_new = groups.places.insert((group.index, group.fingerprint), index);
                reader.check(is_new.is_none(), "a group occurs twice")?;
            }
            groups.all.push(group);
        }
        groups.free = reader.take()?;
        let free = free_places(&groups.all, &groups.free);
        reader.check(free, "not every free place of the list of groups is free once")?;
        Ok(groups)
    }
}

impl Group {
    /// The group at `index` as it was read, with its rule, and known to its members.
    pub(super) fn restored(
        mut self,
        index: u32,
        settings: &Settings,
        series: &mut Slab<Series>,
        reader: &Reader<'_>,
    ) -> Result<Self, StateError> {
        let rule = reader.must(settings.groups.get(usize::from(self.index)), "no such rule")?;
        self.rule = Arc::clone(rule);
        self.fingerprint = self.labels.fingerprint();
        reader
            .check(self.members.len() <= rule.members_max, "more members than the rule allows")?;
        let seed = self.fingerprint.as_u128() as u64;
        let is_bank = self.bank.is_of(&rule.detectors, rule.members_max, seed);
        reader.check(is_bank, "the rule has other detectors")?;
        for (member, slot) in (0..).zip(self.members.iter().map(|member| member.slot)) {
            let Some(slot) = slot else { continue };
            let place = series.get_mut(slot).map(|series| &mut series.place);
            let place = reader.must(place, "a member is no series")?;
            reader.check(*place == NO_GROUP, "a series is in two places")?;
            *place = Place { group: index, member };
        }
        Ok(self)
    }
}
