//! Groups: series of one instance, judged together.
//!
//! An incident moves many metrics of an instance a little before it moves one of them a lot, and whoever is paged wants one
//! alert for it. So the judgements of a group's series at one time make a row, and the row has a surprise of its own: from
//! the most surprised series by their own past and by the population's, and from how well the values fit together.
//!
//! A row is closed when as many series have been judged as usual, or when a sample comes that belongs to a later one. One
//! that comes after its row was closed is not part of it; the next row waits for one more. It makes no difference into how many requests the samples were cut.

use std::collections::BTreeMap;

use bellwether_detect::population::Population;
use bellwether_detect::subspace::{GroupState, GroupSubspace};
use bellwether_detect::{GroupDetector, Severity, fuse};
use bellwether_series::{Fingerprint, LabelSet, Timestamp};

use super::series::Series;
use crate::lifecycle::{Episode, Pending};
use crate::settings::{GROUP_MEMBERS_MAX, GROUP_MEMBERS_MIN, Settings};

/// What the population says of a group's signals counts so many times: it is what a group does not unlearn.
const POPULATION_READINGS: usize = 3;
/// A fused reading of a group that a population of groups exceeds once in ten, per unit: the readings are of the
/// same incident, so that their mean square says less than independent ones would.
const READING_PER_SURPRISE: f64 = 0.87;
/// A series of a group that is this surprising by itself is unusual.
pub(super) const UNUSUAL: f32 = 2.0;
/// Series that an event names.
const TOP: usize = 3;
/// Where a series is that is in no group.
pub(super) const NO_GROUP: Place = Place { group: u32::MAX, member: 0 };

/// Where a series is among the groups.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    group: u32,
    member: u16,
}

/// What became of one series' sample.
#[derive(Debug, Clone, Copy)]
pub(super) struct Told {
    pub(super) at: Timestamp,
    pub(super) value: f64,
    pub(super) interval_ms: i64,
    pub(super) own: f32,
    pub(super) base: f32,
    pub(super) population: f32,
}

/// One member's part of a row.
#[derive(Debug, Clone, Copy)]
struct Member {
    /// The series; `None` in a place that is free.
    slot: Option<u32>,
    told: Option<Told>,
}

/// The judgement of a row.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct RowReading {
    pub(super) at: Timestamp,
    pub(super) interval_ms: i64,
    pub(super) surprise: f64,
    /// By what the base tier says of the series.
    pub(super) base: f64,
    /// Series that were judged, and how many of them are unusual by themselves.
    pub(super) judged: usize,
    pub(super) unusual: usize,
    /// The most surprised series, at most three, most surprised first.
    pub(super) top: Vec<u32>,
}

/// An open episode with the newest judgement of its group.
#[derive(Debug)]
pub(super) struct OpenEpisode {
    pub(super) episode: Episode,
    pub(super) at: Timestamp,
    pub(super) surprise: f64,
    pub(super) threshold: f64,
}

/// Series that share an instance.
#[derive(Debug)]
pub(super) struct Group {
    /// The labels that they share.
    pub(super) labels: LabelSet,
    pub(super) fingerprint: Fingerprint,
    pub(super) pending: Pending,
    pub(super) echoes: bool,
    pub(super) open: Option<OpenEpisode>,
    pub(super) last: Option<RowReading>,
    members: Vec<Member>,
    /// The time of the open row, and how many are in it.
    row_at: Option<Timestamp>,
    present: usize,
    /// The time of the row before.
    closed_at: Option<Timestamp>,
    /// How many make a row complete; 0 until a row was closed because a later one began.
    usual: usize,
    /// Begins when the members are known, and anew when there are more.
    state: Option<(usize, GroupState)>,
}

/// The groups of a partition.
#[derive(Debug, Default)]
pub(super) struct Groups {
    places: BTreeMap<Fingerprint, u32>,
    all: Vec<Option<Group>>,
    free: Vec<u32>,
}

impl Groups {
    /// Takes the series in `slot` into the group that has `labels`; [`NO_GROUP`] if that is full.
    pub(super) fn join(&mut self, labels: &LabelSet, slot: u32) -> Place {
        let fingerprint = labels.fingerprint();
        let group = *self.places.entry(fingerprint).or_insert_with(|| {
            let group = Some(Group::new(labels.clone(), fingerprint));
            if let Some(index) = self.free.pop() {
                self.all[index as usize] = group;
                return index;
            }
            self.all.push(group);
            (self.all.len() - 1) as u32
        });
        let Some(Some(joined)) = self.all.get_mut(group as usize) else { return NO_GROUP };
        let newcomer = Member { slot: Some(slot), told: None };
        if let Some(free) = joined.members.iter().position(|member| member.slot.is_none()) {
            joined.members[free] = newcomer;
            return Place { group, member: free as u16 };
        }
        if joined.members.len() >= GROUP_MEMBERS_MAX {
            return NO_GROUP;
        }
        joined.members.push(newcomer);
        Place { group, member: (joined.members.len() - 1) as u16 }
    }

    /// Takes a series out of its group. Returns the group if that was its last one.
    pub(super) fn leave(&mut self, place: Place) -> Option<Group> {
        let group = self.all.get_mut(place.group as usize)?.as_mut()?;
        group.members[usize::from(place.member)] = Member { slot: None, told: None };
        if group.members.iter().any(|member| member.slot.is_some()) {
            return None;
        }
        self.places.remove(&group.fingerprint);
        self.free.push(place.group);
        self.all[place.group as usize].take()
    }

    /// The group at `place`, if it has enough members to be judged.
    pub(super) fn at(&mut self, place: Place) -> Option<&mut Group> {
        let group = self.all.get_mut(place.group as usize)?.as_mut()?;
        (group.members.len() >= GROUP_MEMBERS_MIN).then_some(group)
    }

    /// The group that a series leaves alerting to, if there is one. What an operator asked for by name rings by itself,
    /// whatever group it is in.
    pub(super) fn alerting_for(
        &mut self,
        series: &Series,
        settings: &Settings,
    ) -> Option<&mut Group> {
        if settings.is_named(usize::from(series.rule)) { None } else { self.at(series.place) }
    }

    /// All groups.
    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Group> {
        self.all.iter_mut().flatten()
    }

    /// Bytes that the groups occupy, without labels.
    pub(super) fn bytes(&self) -> usize {
        let of = |group: &Group| {
            let state =
                group.state.as_ref().map_or(0, |(_, state)| GroupSubspace.state_bytes(state));
            size_of::<Group>() + group.members.capacity() * size_of::<Member>() + state
        };
        self.all.iter().flatten().map(of).sum()
    }
}

impl Group {
    fn new(labels: LabelSet, fingerprint: Fingerprint) -> Self {
        Self {
            labels,
            fingerprint,
            pending: Pending::default(),
            echoes: false,
            open: None,
            last: None,
            members: Vec::new(),
            row_at: None,
            present: 0,
            closed_at: None,
            usual: 0,
            state: None,
        }
    }

    /// How many series it has or had.
    pub(super) fn members(&self) -> usize {
        self.members.len()
    }

    /// Whether it alerts at present.
    pub(super) fn is_alerting(&self) -> bool {
        self.open.as_ref().is_some_and(|open| open.episode.severity > Severity::Info)
    }

    /// Closes the open row if what comes at `told` belongs to a later one.
    pub(super) fn close_before(&mut self, place: Place, told: &Told) -> Option<RowReading> {
        let row_at = self.row_at?;
        let again = self.members.get(usize::from(place.member))?.told.is_some();
        let is_later = !is_same_row(row_at, told);
        if !again && !is_later {
            return None;
        }
        self.usual = self.present;
        self.close()
    }

    /// Puts what was judged into the open row, and closes the row if it is complete.
    pub(super) fn tell(&mut self, place: Place, told: Told) -> Option<RowReading> {
        if self.row_at.is_none() && self.closed_at.is_some_and(|at| is_same_row(at, &told)) {
            self.usual += 1;
            return None;
        }
        let member = self.members.get_mut(usize::from(place.member))?;
        self.present += usize::from(member.told.replace(told).is_none());
        self.row_at.get_or_insert(told.at);
        let is_complete = self.usual > 0 && self.present >= self.usual;
        if is_complete { self.close() } else { None }
    }

    /// Judges the row and begins a new one.
    fn close(&mut self) -> Option<RowReading> {
        self.present = 0;
        self.closed_at = self.row_at.take();
        let joint = self.joint();
        let mut told: Vec<(u32, Told)> = self
            .members
            .iter_mut()
            .filter_map(|member| Some((member.slot?, member.told.take()?)))
            .collect();
        if told.len() < GROUP_MEMBERS_MIN {
            return None;
        }
        told.sort_by(|(_, one), (_, other)| other.own.total_cmp(&one.own));
        let (_, newest) = told.iter().max_by_key(|(_, told)| told.at)?;
        let of = |part: fn(&Told) -> f32| {
            fuse::of_group(told.iter().map(|(_, told)| f64::from(part(told))))
        };
        let (own, population) = (of(|told| told.own)?, of(|told| told.population)?);
        let readings =
            std::iter::repeat_n(population, POPULATION_READINGS).chain([own]).chain(joint);
        let base = of(|told| told.base)?;
        let surprise = fuse::of_signal(readings)? / READING_PER_SURPRISE;
        let reading = RowReading {
            at: newest.at,
            interval_ms: newest.interval_ms,
            surprise: surprise.min(fuse::of_tiers(surprise, base)),
            base,
            judged: told.len(),
            unusual: told.iter().filter(|(_, told)| told.own >= UNUSUAL).count(),
            top: told.iter().take(TOP).map(|(slot, _)| *slot).collect(),
        };
        self.last = Some(reading.clone());
        Some(reading)
    }

    /// How badly the values of the row fit together, as a surprise.
    fn joint(&mut self) -> Option<f64> {
        let width = self.members.len();
        if self.state.as_ref().is_none_or(|(known, _)| *known != width) {
            let seed = self.fingerprint.as_u128() as u64;
            self.state = Some((width, GroupSubspace.begin(width, seed)));
        }
        let (_, state) = self.state.as_mut()?;
        let value = |member: &Member| member.told.map_or(f64::NAN, |told| told.value);
        let row: Vec<f64> = self.members.iter().map(value).collect();
        let score = GroupSubspace.score(state, &row, 1.0)?;
        Some(Population::GROUP_SUBSPACE.surprise(score))
    }
}

/// Whether a sample belongs to the row that began at `row_at`: targets are scraped at one time, not at one instant.
fn is_same_row(row_at: Timestamp, told: &Told) -> bool {
    2 * told.at.ms_since(row_at) < told.interval_ms.max(1)
}
