//! Small first, then full: on which share of the input candidates are tried, and which of them go on.
//!
//! Method: successive halving (Jamieson & Talwalkar 2016), by thirds. So that blocks that judge a choice have no say in it, who
//! goes on is decided for each of them by the others alone ([`Field`]).

use std::collections::BTreeSet;

use serde::Serialize;

use super::choose::{Rule, ranked};
use super::score::{BLOCKS, Trial};

/// Of so many candidates one goes on.
const THIRD: usize = 3;
/// Fewest candidates that go on.
const KEPT_MIN: usize = 3;
/// Fewest units of a share.
const UNITS_MIN: usize = 8;
/// Fewest labelled windows of a share.
const WINDOWS_MIN: usize = 8;

/// A part of the input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Share {
    /// Of so many instances (series without one, files of a corpus) one.
    pub one_in: u64,
    /// The first so many blocks of time, and what is before them.
    pub blocks: usize,
}

impl Share {
    /// All of the input.
    pub const WHOLE: Self = Self { one_in: 1, blocks: BLOCKS };

    /// Whether an instance, a series without one or a file is in it.
    pub fn has(&self, unit: u64) -> bool {
        unit.is_multiple_of(self.one_in)
    }
}

/// What can be a share by itself.
#[derive(Debug, Clone, Copy)]
pub(super) struct Unit {
    pub(super) key: u64,
    /// Its windows by the block in which they begin.
    pub(super) windows: [usize; BLOCKS],
}

/// The shares to try candidates on, the last of which is the whole.
pub(super) fn shares(units: &[Unit], is_labelled: bool) -> Vec<Share> {
    let is_enough = |share: &Share| {
        let kept = || units.iter().filter(|unit| share.has(unit.key));
        let windows: usize =
            kept().map(|unit| unit.windows[..share.blocks].iter().sum::<usize>()).sum();
        let units_min = if share.one_in > 1 { UNITS_MIN } else { 1 };
        kept().count() >= units_min && (!is_labelled || windows >= WINDOWS_MIN)
    };
    let by_series = [9, 3].map(|one_in| Share { one_in, blocks: BLOCKS });
    let mut shares: Vec<Share> = by_series.into_iter().filter(is_enough).collect();
    if shares.is_empty() {
        shares.extend(Some(Share { one_in: 1, blocks: BLOCKS / 2 }).filter(is_enough));
    }
    shares.push(Share::WHOLE);
    shares
}

/// Who is still in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// By what all blocks say.
    pub by_all: BTreeSet<usize>,
    /// For each block by what the others say.
    pub without: [BTreeSet<usize>; BLOCKS],
}

impl Field {
    /// All of so many candidates.
    pub fn new(candidates: usize) -> Self {
        let all: BTreeSet<usize> = (0..candidates).collect();
        Self { without: std::array::from_fn(|_| all.clone()), by_all: all }
    }

    /// Whoever is in any part of it, the default first.
    pub fn everyone(&self) -> BTreeSet<usize> {
        let mut everyone = self.by_all.clone();
        everyone.extend(self.without.iter().flatten());
        everyone.insert(0);
        everyone
    }

    /// Keeps a third by their `trials`, which all that are in the field have.
    pub fn thin(&mut self, trials: &dyn Fn(usize) -> Option<Trial>, rule: &Rule) {
        let of = |some: &BTreeSet<usize>| -> Vec<(usize, Trial)> {
            some.iter().filter_map(|&index| Some((index, trials(index)?))).collect()
        };
        let best = |some: &BTreeSet<usize>, left_out: Option<usize>| {
            let trials = of(some);
            let trials: Vec<(usize, &Trial)> =
                trials.iter().map(|(index, trial)| (*index, trial)).collect();
            let covered = trials.first().map(|(_, trial)| trial.covered()).unwrap_or_default();
            let blocks: Vec<usize> =
                covered.into_iter().filter(|&block| Some(block) != left_out).collect();
            let kept = trials.len().div_ceil(THIRD).max(KEPT_MIN);
            let mut kept: BTreeSet<usize> =
                ranked(&trials, &blocks, rule).into_iter().take(kept).collect();
            kept.insert(0);
            kept
        };
        self.by_all = best(&self.by_all, None);
        for (block, some) in self.without.iter_mut().enumerate() {
            *some = best(some, Some(block));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::choose::Objective;
    use super::super::score::Score;
    use super::*;

    fn units(count: u64, windows: usize) -> Vec<Unit> {
        (0..count).map(|key| Unit { key, windows: [windows, 0, 0, 0] }).collect()
    }

    #[test]
    fn shares_are_as_small_as_there_is_enough_in_them() {
        let one_in = |units: &[Unit], is_labelled| -> Vec<(u64, usize)> {
            let shares = shares(units, is_labelled).into_iter();
            shares.map(|share| (share.one_in, share.blocks)).collect()
        };
        assert_eq!(one_in(&units(100, 0), false), [(9, 4), (3, 4), (1, 4)]);
        assert_eq!(one_in(&units(30, 0), false), [(3, 4), (1, 4)]);
        assert_eq!(one_in(&units(5, 0), false), [(1, 2), (1, 4)]);
        assert_eq!(one_in(&units(30, 1), true), [(3, 4), (1, 4)]);
        assert_eq!(one_in(&units(100, 0), true), [(1, 4)]);
        assert_eq!(one_in(&units(4, 2), true), [(1, 2), (1, 4)]);
    }

    #[test]
    fn who_goes_on_without_a_block_is_decided_by_the_others() {
        // Candidate 1 is good in block 0 alone, 2 in all others; of nine, three go on, and the default.
        let trial = |index: usize| {
            let found = |block: usize| match index {
                1 => u64::from(block == 0) * 20,
                2 => u64::from(block != 0) * 8,
                _ => index as u64 % 4,
            };
            let scores = std::array::from_fn(|block| Score {
                windows: 20,
                found: found(block),
                false_alarms: 0,
            });
            Some(Trial { series: BTreeMap::from([("a".to_owned(), scores)]), days: [1.0; BLOCKS] })
        };
        let rule = Rule { objective: Objective::Recall, limit_per_day: 1.0, is_lenient: true };
        let mut field = Field::new(9);
        field.thin(&trial, &rule);
        assert_eq!(field.by_all, BTreeSet::from([0, 1, 2, 3]));
        assert_eq!(field.without[0], BTreeSet::from([0, 2, 3, 7]));
        assert!(field.without[1].contains(&1));
        assert_eq!(field.everyone(), BTreeSet::from([0, 1, 2, 3, 7]));
    }
}
