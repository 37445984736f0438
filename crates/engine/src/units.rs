//! How many may alert: what the budget of false alarms is shared by.
//!
//! A series is a unit, unless it leaves alerting to its group. One that a rule names never does: it rings by itself,
//! so it is a unit besides its group.

use std::collections::BTreeMap;
use std::sync::Arc;

use bellwether_series::{Fingerprint, LabelSet};
use serde::{Deserialize, Serialize};

use crate::group_rule::GroupRule;
use crate::settings::Settings;

/// Whom a series shares its alerts with.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Party {
    /// The group that it is in, if it is in one: the index of its rule, and its labels.
    pub(crate) group: Option<(u16, Fingerprint)>,
    /// Whether another rule than the default one judges it.
    pub(crate) is_named: bool,
}

impl Party {
    /// That of a series with these labels.
    pub(crate) fn of(settings: &Settings, labels: &LabelSet) -> Self {
        let group = settings.group_of(labels).map(|(rule, shared)| (rule, shared.fingerprint()));
        Self::in_group(group, settings, labels)
    }

    fn in_group(group: Option<(u16, Fingerprint)>, settings: &Settings, labels: &LabelSet) -> Self {
        // Whoever is in no group is a unit whatever its rule.
        let is_named = group.is_some() && settings.is_named(settings.rule_index(labels));
        Self { group, is_named }
    }
}

/// The units of a fleet, counted as series come and go.
#[derive(Debug, Default)]
pub(crate) struct Units {
    rules: Vec<Arc<GroupRule>>,
    groups: BTreeMap<(u16, Fingerprint), Members>,
    count: usize,
    /// The group that was asked for last: its rule's index, the labels that its series share, and their fingerprint, which takes
    /// longer than all the rest. Series of an instance come one after the other.
    last: Option<(u16, LabelSet, Fingerprint)>,
}

/// Series of one group.
#[derive(Debug, Default, Clone, Copy)]
struct Members {
    all: usize,
    named: usize,
}

impl Units {
    /// Of a fleet without series whose groups `rules` make.
    pub(crate) fn new(rules: &[Arc<GroupRule>]) -> Self {
        Self { rules: rules.to_vec(), ..Self::default() }
    }

    /// That of a series with these labels, as [`Party::of`] the settings that the rules are from.
    pub(crate) fn party_of(&mut self, settings: &Settings, labels: &LabelSet) -> Party {
        let is_it =
            |(rule, shared, _): &(u16, LabelSet, _)| settings.is_in_group(labels, (*rule, shared));
        if !self.last.as_ref().is_some_and(is_it) {
            self.last = settings.group_of(labels).map(|(rule, shared)| {
                let fingerprint = shared.fingerprint();
                (rule, shared, fingerprint)
            });
        }
        let group = self.last.as_ref().map(|&(rule, _, fingerprint)| (rule, fingerprint));
        Party::in_group(group, settings, labels)
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// Counts a series in.
    pub(crate) fn enter(&mut self, party: Party) {
        let Some(group) = party.group else {
            self.count += 1;
            return;
        };
        let Some(rule) = self.rules.get(usize::from(group.0)) else { return };
        let members = self.groups.entry(group).or_default();
        let before = members.units(rule);
        members.all += 1;
        members.named += usize::from(party.is_named);
        self.count = self.count + members.units(rule) - before;
    }

    /// Counts a series out that was counted in as the same.
    pub(crate) fn withdraw(&mut self, party: Party) {
        let Some(group) = party.group else {
            self.count = self.count.saturating_sub(1);
            return;
        };
        let Some(rule) = self.rules.get(usize::from(group.0)) else { return };
        let Some(members) = self.groups.get_mut(&group) else { return };
        let before = members.units(rule);
        members.all = members.all.saturating_sub(1);
        members.named = members.named.saturating_sub(usize::from(party.is_named));
        self.count = (self.count + members.units(rule)).saturating_sub(before);
        if members.all == 0 {
            self.groups.remove(&group);
        }
    }
}

impl Members {
    /// Each by itself, or a group, those of it that ring by themselves, and what is too many for it.
    fn units(self, rule: &GroupRule) -> usize {
        if self.all < rule.members_min {
            return self.all;
        }
        let beyond = self.all.saturating_sub(rule.members_max);
        (self.named + beyond).min(self.all) + 1
    }
}

#[cfg(test)]
mod tests {
    use bellwether_series::{METRIC_NAME, MatchOp, Matcher, Matchers};

    use super::*;
    use crate::tenants::Tenants;

    const GROUP: Option<(u16, Fingerprint)> = Some((0, Fingerprint::from_u128(1)));

    fn entered(units: &mut Units, count: usize, party: Party) -> usize {
        (0..count).for_each(|_| units.enter(party));
        units.count()
    }

    #[test]
    fn a_group_is_one_unit_and_whoever_rings_by_itself_another() {
        let mut units = Units::new(&[Arc::default()]);
        let member = Party { group: GROUP, is_named: false };
        assert_eq!(entered(&mut units, 4, member), 4, "too few for a group");
        assert_eq!(entered(&mut units, 1, member), 1);
        assert_eq!(entered(&mut units, 3, Party { is_named: true, ..member }), 1 + 3);
        assert_eq!(entered(&mut units, 2, Party { group: None, is_named: true }), 1 + 3 + 2);
        assert_eq!(entered(&mut units, GroupRule::default().members_max - 8, member), 1 + 3 + 2);
        assert_eq!(entered(&mut units, 1, member), 1 + 3 + 2 + 1, "too many for a group");
    }

    #[test]
    fn who_left_is_not_counted() {
        let mut units = Units::new(&[Arc::default()]);
        let all = [(GROUP, true), (GROUP, false), (None, false)]
            .map(|(group, is_named)| Party { group, is_named });
        for party in all {
            entered(&mut units, 7, party);
        }
        for party in all {
            (0..7).for_each(|_| units.withdraw(party));
        }
        units.withdraw(all[0]);
        assert_eq!((units.count(), units.groups.len()), (0, 0));
    }

    #[test]
    fn a_party_does_not_depend_on_whose_was_asked_for_before() {
        let matcher = Matcher::new(METRIC_NAME, MatchOp::Equal, "step").unwrap();
        let matchers = Matchers::new(vec![matcher]);
        let by_job = GroupRule { matchers, by: vec!["job".into()], ..GroupRule::default() };
        let groups = vec![Arc::new(by_job), Arc::default()];
        let names = ["step", "load"];
        // Without a value there is no such label.
        let all: Vec<_> = (0..64)
            .map(|bits: usize| {
                let value = |bit: usize| ["", "a", "b"][(bits >> bit & 3).min(2)];
                let pairs = [
                    (METRIC_NAME, names[bits & 1]),
                    ("instance", value(1)),
                    ("job", value(3)),
                    ("tenant", ["", "a"][bits >> 5]),
                ];
                LabelSet::from_pairs(pairs).unwrap()
            })
            .collect();
        for tenants in [None, Some(Tenants::default())] {
            let settings = Settings { groups: groups.clone(), tenants, ..Settings::default() };
            let mut units = Units::new(&settings.groups);
            for (one, other) in all.iter().flat_map(|one| all.iter().map(move |other| (one, other)))
            {
                for labels in [one, other] {
                    assert_eq!(
                        units.party_of(&settings, labels),
                        Party::of(&settings, labels),
                        "{one:?}, {other:?}"
                    );
                }
            }
        }
    }
}
