//! Groups: series of one instance, judged together.
//!
//! An incident moves many metrics of an instance a little before it moves one of them a lot, and whoever is paged wants one
//! alert for it. So the judgements of a group's series at one time make a row, and the row has a surprise of its own: from
//! the most surprised series by their own past and by the population's, and from how well the values fit together.
//!
//! A row is closed when as many series have been judged as usual, or when a sample comes that belongs to a later one. One
//! that comes after its row was closed is not part of it; the next row waits for one more. It makes no difference into how many requests the samples were cut.
//!
//! Series of one metric are of many instances, each of which is scraped at its own time: a row of theirs takes a whole interval.

mod cold;
mod state;

use std::collections::BTreeMap;
use std::sync::Arc;

use bellwether_detect::group::{GroupBank, GroupJudgement};
use bellwether_detect::peer::{PeerFinding, PeerReading};
use bellwether_detect::{Severity, fuse};
use bellwether_series::{Fingerprint, LabelSet, Timestamp};
use serde::{Deserialize, Serialize};

use super::series::Series;
use crate::group_rule::GroupRule;
use crate::lifecycle::{Episode, Pending};
use crate::settings::Settings;
use crate::state::unknown_fingerprint;

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
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) struct Told {
    pub(super) at: Timestamp,
    pub(super) value: f64,
    pub(super) interval_ms: i64,
    pub(super) own: f32,
    pub(super) base: f32,
    pub(super) population: f32,
}

/// One member's part of a row.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Member {
    /// The series; `None` in a place that is free.
    slot: Option<u32>,
    told: Option<Told>,
}

/// What is unusual about a row.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) enum Finding {
    /// Series, by their own past and together.
    Unusual,
    /// Series, by comparison with the others.
    Odd,
    /// The number of series, of which there usually are so many.
    TooFew {
        /// How many.
        usual: f64,
    },
}

/// The judgement of a row.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct RowReading {
    pub(super) at: Timestamp,
    pub(super) interval_ms: i64,
    pub(super) surprise: f64,
    /// By what remembers no faults that are over: the base tier of the series, and the comparison with each other.
    pub(super) base: f64,
    pub(super) finding: Finding,
    /// Series that were judged, and how many of them are what was found.
    pub(super) judged: usize,
    pub(super) unusual: usize,
    /// The series that are most so, at most three, those first that are more; where there are too few, missing ones.
    pub(super) top: Vec<u32>,
}

/// An open episode with the newest judgement of its group.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct OpenEpisode {
    pub(super) episode: Episode,
    pub(super) at: Timestamp,
    pub(super) surprise: f64,
    pub(super) threshold: f64,
}

/// Series that share an instance, or a metric.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Group {
    #[serde(skip)]
    pub(super) rule: Arc<GroupRule>,
    index: u16,
    /// The labels that they share.
    pub(super) labels: LabelSet,
    /// That of `labels`.
    #[serde(skip, default = "unknown_fingerprint")]
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
    bank: GroupBank,
}

/// The groups of a partition.
#[derive(Debug, Default)]
pub(super) struct Groups {
    /// By their rule's index and the labels that their series share.
    places: BTreeMap<(u16, Fingerprint), u32>,
    all: Vec<Option<Group>>,
    free: Vec<u32>,
}

impl Groups {
    /// Takes the series in `slot` into the group that `rule`, the one at `index`, makes of those with `labels`, whose
    /// `fingerprint` that is;
    /// [`NO_GROUP`] if that is full.
    pub(super) fn join(
        &mut self,
        (index, rule): (u16, &Arc<GroupRule>),
        (labels, fingerprint): (&LabelSet, Fingerprint),
        slot: u32,
    ) -> Place {
        let group = *self.places.entry((index, fingerprint)).or_insert_with(|| {
            let group = Some(Group::new(index, Arc::clone(rule), labels.clone(), fingerprint));
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
            joined.bank.replace(free);
            return Place { group, member: free as u16 };
        }
        if joined.members.len() >= rule.members_max {
            return NO_GROUP;
        }
        joined.members.push(newcomer);
        Place { group, member: (joined.members.len() - 1) as u16 }
    }

    /// Takes a series out of its group. Returns the group if that was its last one.
    pub(super) fn leave(&mut self, place: Place) -> Option<Group> {
        let group = self.all.get_mut(place.group as usize)?.as_mut()?;
        let member = &mut group.members[usize::from(place.member)];
        let left = std::mem::replace(member, Member { slot: None, told: None }).slot;
        if let Some(last) = &mut group.last {
            // Somebody else may get the slot, and is not meant.
            last.top.retain(|&slot| Some(slot) != left);
        }
        if group.members.iter().any(|member| member.slot.is_some()) {
            return None;
        }
        self.places.remove(&(group.index, group.fingerprint));
        self.free.push(place.group);
        self.all[place.group as usize].take()
    }

    /// The group at `place`, if it has enough members to be judged.
    pub(super) fn at(&mut self, place: Place) -> Option<&mut Group> {
        let group = self.all.get_mut(place.group as usize)?.as_mut()?;
        (group.members.len() >= group.rule.members_min).then_some(group)
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
            let members = group.members.capacity() * size_of::<Member>();
            size_of::<Group>() + members + group.bank.heap_bytes()
        };
        self.all.iter().flatten().map(of).sum()
    }
}

impl Group {
    fn new(index: u16, rule: Arc<GroupRule>, labels: LabelSet, fingerprint: Fingerprint) -> Self {
        let seed = fingerprint.as_u128() as u64;
        Self {
            bank: GroupBank::new(&rule.detectors, rule.members_max, seed),
            rule,
            index,
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
        let is_later = !self.is_same_row(row_at, told);
        if !again && !is_later {
            return None;
        }
        self.usual = self.present;
        self.close()
    }

    /// Puts what was judged into the open row, and closes the row if it is complete.
    pub(super) fn tell(&mut self, place: Place, told: Told) -> Option<RowReading> {
        if self.row_at.is_none() && self.closed_at.is_some_and(|at| self.is_same_row(at, &told)) {
            self.usual += 1;
            return None;
        }
        let member = self.members.get_mut(usize::from(place.member))?;
        self.present += usize::from(member.told.replace(told).is_none());
        self.row_at.get_or_insert(told.at);
        let is_complete = self.usual > 0 && self.present >= self.usual;
        if is_complete { self.close() } else { None }
    }

    /// Whether a sample belongs to the row that began at `row_at`: targets are scraped at one time, not at one instant.
    fn is_same_row(&self, row_at: Timestamp, told: &Told) -> bool {
        let parts = if self.rule.is_of_one_metric() { 1 } else { 2 };
        parts * told.at.ms_since(row_at) < told.interval_ms.max(1)
    }

    /// Judges the row and begins a new one.
    fn close(&mut self) -> Option<RowReading> {
        self.present = 0;
        self.closed_at = self.row_at.take();
        let value = |member: &Member| member.told.map_or(f64::NAN, |told| told.value);
        let row: Vec<f64> = self.members.iter().map(value).collect();
        let GroupJudgement { joint, peer } = self.bank.observe(&row);
        let mut told: Vec<(u32, Told)> = self
            .members
            .iter_mut()
            .filter_map(|member| Some((member.slot?, member.told.take()?)))
            .collect();
        told.sort_by(|(_, one), (_, other)| other.own.total_cmp(&one.own));
        let (_, newest) = *told.iter().max_by_key(|(_, told)| told.at)?;
        let together = (told.len() >= self.rule.members_min)
            .then(|| together(&told, joint.into_iter().flatten()))
            .flatten();
        // Which one is unlike the others is lost among all readings, so it counts by itself.
        let (surprise, base) = match (together, peer) {
            (None, None) => return None,
            (Some(both), None) => both,
            (None, Some(peer)) => (peer.surprise, peer.surprise),
            (Some((surprise, base)), Some(peer)) => {
                (surprise.max(peer.surprise), base.max(peer.surprise))
            }
        };
        let peer =
            peer.filter(|peer| together.is_none_or(|(surprise, _)| peer.surprise > surprise));
        let (finding, unusual, top) = self.found(&told, peer, &row);
        let (at, interval_ms, judged) = (newest.at, newest.interval_ms, told.len());
        let reading = RowReading { at, interval_ms, surprise, base, finding, judged, unusual, top };
        self.last = Some(reading.clone());
        Some(reading)
    }

    /// What is unusual about a row, how many series are, and which ones above all.
    fn found(
        &self,
        told: &[(u32, Told)],
        peer: Option<PeerReading>,
        row: &[f64],
    ) -> (Finding, usize, Vec<u32>) {
        let Some(peer) = peer else {
            let unusual = told.iter().filter(|(_, told)| told.own >= UNUSUAL).count();
            let top = told.iter().take(TOP).map(|(slot, _)| *slot).collect();
            return (Finding::Unusual, unusual, top);
        };
        match peer.finding {
            PeerFinding::Odd => {
                let surprises = self.bank.peer_surprises().iter().zip(&self.members);
                let mut odd: Vec<(f64, u32)> = surprises
                    .filter(|&(&surprise, _)| surprise >= f64::from(UNUSUAL))
                    .filter_map(|(&surprise, member)| Some((surprise, member.slot?)))
                    .collect();
                odd.sort_by(|(one, _), (other, _)| other.total_cmp(one));
                let top = odd.iter().take(TOP).map(|(_, slot)| *slot).collect();
                (Finding::Odd, odd.len(), top)
            }
            PeerFinding::TooFew => {
                let members = row.iter().zip(&self.members);
                let missing = members.filter(|(value, _)| !value.is_finite());
                let top = missing.filter_map(|(_, member)| member.slot).take(TOP).collect();
                (Finding::TooFew { usual: peer.usual }, told.len(), top)
            }
        }
    }
}

/// The surprise of a row by what was said of each series and by `joint` readings; and that by the base tier.
fn together(told: &[(u32, Told)], joint: impl Iterator<Item = f64>) -> Option<(f64, f64)> {
    let of =
        |part: fn(&Told) -> f32| fuse::of_group(told.iter().map(|(_, told)| f64::from(part(told))));
    let (own, population) = (of(|told| told.own)?, of(|told| told.population)?);
    let readings = std::iter::repeat_n(population, POPULATION_READINGS).chain([own]).chain(joint);
    let base = of(|told| told.base)?;
    let surprise = fuse::of_signal(readings)? / READING_PER_SURPRISE;
    Some((surprise.min(fuse::of_tiers(surprise, base)), base))
}
