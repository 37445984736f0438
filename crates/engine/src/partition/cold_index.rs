//! What a partition must remember of the series that are out of memory to find them again.
//!
//! A *unit* is what leaves and comes back together: a series that is in no group, or a group with all of its members. Units
//! are numbered in the order in which they left, so the oldest is the first. The bytes are kept by a [`ColdStore`].

use std::collections::BTreeMap;

use bellwether_series::{BareFingerprint, Chunked, Fingerprint};
use serde::{Deserialize, Serialize};

use crate::cold::{ColdMemory, ColdStore};
use crate::state::{Reader, StateError, Writer};

/// What a group is found by: the index of its rule, and the fingerprint of the labels that its series share.
pub(super) type GroupKey = (u16, Fingerprint);

/// The series of a partition that are out of memory.
#[derive(Debug)]
pub(super) struct ColdIndex {
    store: Box<dyn ColdStore>,
    /// The number of the next unit; none is used twice.
    next: u64,
    units: Chunked<u64, Unit>,
    series: Chunked<BareFingerprint, Cooled>,
    groups: BTreeMap<GroupKey, u64>,
    /// Bytes of all units.
    bytes: u64,
}

/// What leaves and comes back together.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Unit {
    bytes: u32,
    /// Of the bytes: what comes back must be what was put away.
    check: u64,
    members: Members,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
enum Members {
    Lone(BareFingerprint),
    Group(Box<(GroupKey, Box<[BareFingerprint]>)>),
}

/// A series of a unit; with nothing in between, since there are millions.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[repr(Rust, packed)]
struct Cooled {
    number: u64,
    /// What it has reserved in the deep tier.
    deep_bytes: u32,
}

/// A unit that is to come back.
pub(super) struct Returning {
    /// `None` when they cannot be had.
    pub(super) state: Option<Vec<u8>>,
    /// Its series, but for those that were forgotten meanwhile.
    pub(super) series: Vec<Fingerprint>,
    /// What these have reserved in the deep tier.
    pub(super) deep_bytes: usize,
}

impl Default for ColdIndex {
    fn default() -> Self {
        Self {
            store: Box::new(ColdMemory::default()),
            next: 0,
            units: Chunked::default(),
            series: Chunked::default(),
            groups: BTreeMap::new(),
            bytes: 0,
        }
    }
}

impl ColdIndex {
    pub(super) fn keep_in(&mut self, store: Box<dyn ColdStore>) {
        self.store = store;
    }

    /// Puts a unit away: the `state` of `series`, each with what it has reserved in the deep tier, and of their group.
    pub(super) fn put(
        &mut self,
        group: Option<GroupKey>,
        series: &[(Fingerprint, usize)],
        state: Vec<u8>,
    ) {
        let number = self.next;
        self.next += 1;
        let all = series.iter().map(|&(fingerprint, _)| fingerprint.into());
        let members = match (group, series) {
            (None, &[(fingerprint, _)]) => Members::Lone(fingerprint.into()),
            (group, _) => {
                let group = group.unwrap_or((u16::MAX, Fingerprint::from_u128(0)));
                self.groups.insert(group, number);
                Members::Group(Box::new((group, all.collect())))
            }
        };
        for &(fingerprint, deep_bytes) in series {
            let cooled = Cooled { number, deep_bytes: deep_bytes as u32 };
            self.series.insert(fingerprint.into(), cooled);
        }
        let (bytes, check) = (state.len() as u32, check(&state));
        self.bytes += u64::from(bytes);
        self.units.insert(number, Unit { bytes, check, members });
        self.store.put(number, state);
    }

    /// The unit that a series is in.
    pub(super) fn unit_of(&self, fingerprint: Fingerprint) -> Option<u64> {
        self.series.get(fingerprint.into()).map(|cooled| cooled.number)
    }

    /// The unit of a group.
    pub(super) fn unit_of_group(&self, group: GroupKey) -> Option<u64> {
        self.groups.get(&group).copied()
    }

    /// Takes a unit back.
    pub(super) fn take(&mut self, number: u64) -> Option<Returning> {
        let expected = self.units.get(number)?.check;
        let state = self.store.get(number);
        let is_another = state.as_ref().is_some_and(|state| check(state) != expected);
        let state = state.filter(|_| !is_another);
        if is_another {
            self.store.reject(number);
        }
        let mut returning = self.drop_unit(number)?;
        returning.state = state;
        Some(returning)
    }

    /// Forgets the unit that was put away first.
    pub(super) fn drop_oldest(&mut self) -> Option<Returning> {
        let &(number, _) = self.units.first()?;
        self.drop_unit(number)
    }

    fn drop_unit(&mut self, number: u64) -> Option<Returning> {
        let unit = self.units.remove(number)?;
        self.bytes -= u64::from(unit.bytes);
        self.store.forget(number);
        let members = match unit.members {
            Members::Lone(fingerprint) => Box::from([fingerprint]),
            Members::Group(group) => {
                self.groups.remove(&group.0);
                group.1
            }
        };
        let (mut series, mut deep_bytes) = (Vec::new(), 0);
        for bare in members {
            let fingerprint = bare.into();
            // Whoever was forgotten may be in another unit by now.
            if self.unit_of(fingerprint) == Some(number)
                && let Some(cooled) = self.series.remove(bare)
            {
                series.push(fingerprint);
                deep_bytes += cooled.deep_bytes as usize;
            }
        }
        Some(Returning { state: None, series, deep_bytes })
    }

    /// Forgets a series, and its unit if that was the last one in it: what it had reserved in the deep tier.
    pub(super) fn forget(&mut self, fingerprint: Fingerprint) -> usize {
        let Some(Cooled { number, deep_bytes }) = self.series.remove(fingerprint.into()) else {
            return 0;
        };
        let is_empty = match self.units.get(number).map(|unit| &unit.members) {
            Some(Members::Group(group)) => {
                group.1.iter().all(|&member| self.unit_of(member.into()) != Some(number))
            }
            _ => true,
        };
        if is_empty {
            self.drop_unit(number);
        }
        deep_bytes as usize
    }

    /// What all series have reserved in the deep tier.
    pub(super) fn deep_bytes(&self) -> usize {
        self.series.iter().map(|(_, cooled)| cooled.deep_bytes as usize).sum()
    }

    pub(super) fn series_count(&self) -> usize {
        self.series.len()
    }

    /// Bytes of all units where they are kept.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Bytes that the index and its store occupy, about.
    pub(super) fn memory_bytes(&self) -> usize {
        // A third of the places of such a map are empty.
        let groups = self.groups.len() * size_of::<(GroupKey, u64)>() * 3 / 2;
        let lone = self.units.len().saturating_sub(self.groups.len());
        let members = self.groups.len() * size_of::<(GroupKey, Box<[BareFingerprint]>)>()
            + self.series.len().saturating_sub(lone) * size_of::<BareFingerprint>();
        self.series.bytes() + self.units.bytes() + groups + members + self.store.memory_bytes()
    }

    /// The numbers of all units.
    pub(super) fn numbers(&self) -> impl Iterator<Item = u64> {
        self.units.iter().map(|(number, _)| *number)
    }

    /// All units with their states, as far as they can be had.
    pub(super) fn states(&self) -> Vec<(u64, Vec<u8>)> {
        self.numbers().filter_map(|number| Some((number, self.store.get(number)?))).collect()
    }

    /// The number of the next unit.
    pub(super) fn next_number(&self) -> u64 {
        self.next
    }

    /// Gives all units numbers that are `by` higher.
    pub(super) fn renumber(&mut self, by: u64) {
        let states = self.states();
        let units = std::mem::take(&mut self.units);
        for (number, unit) in units.iter() {
            self.store.forget(*number);
            self.units.insert(number.saturating_add(by), unit.clone());
        }
        let series = std::mem::take(&mut self.series);
        for &(series, Cooled { number, deep_bytes }) in series.iter() {
            let number = number.saturating_add(by);
            self.series.insert(series, Cooled { number, deep_bytes });
        }
        self.groups.values_mut().for_each(|number| *number = number.saturating_add(by));
        self.next = self.next.saturating_add(by);
        self.fill(
            states.into_iter().map(|(number, state)| (number.saturating_add(by), state)).collect(),
        );
    }

    /// Puts states where units will look for them.
    pub(super) fn fill(&mut self, states: Vec<(u64, Vec<u8>)>) {
        for (number, state) in states {
            self.store.put(number, state);
        }
    }

    /// Appends the index.
    pub(super) fn save(&self, writer: &mut Writer<'_>) {
        writer.put(&(self.next, &self.units, &self.series));
    }

    /// Reads the index.
    pub(super) fn restore(reader: &mut Reader<'_>) -> Result<Self, StateError> {
        let mut index = Self::default();
        (index.next, index.units, index.series) = reader.take()?;
        for (number, unit) in index.units.iter() {
            let number = *number;
            reader.check(number < index.next, "a number that was not given out yet")?;
            index.bytes += u64::from(unit.bytes);
            if let Members::Group(group) = &unit.members {
                let before = index.groups.insert(group.0, number);
                reader.check(before.is_none(), "a group is out of memory twice")?;
            }
        }
        let is_there = |(_, cooled): &(_, Cooled)| index.units.get(cooled.number).is_some();
        reader.check(index.series.iter().all(is_there), "a series of no unit")?;
        Ok(index)
    }
}

fn check(state: &[u8]) -> u64 {
    Fingerprint::of_parts(&[state]).as_u128() as u64
}
