//! Which candidate wins, and how sure that is.

use std::collections::{BTreeMap, BTreeSet};

use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{Rng, SeedableRng};
use serde::Serialize;

use super::halving::Field;
use super::score::{BLOCKS, Score, Trial};
use crate::report::SHORT_OF;

/// Pairs are drawn anew so many times.
const RESAMPLES: usize = 2000;
/// With fewer series than this the pairs are of series and block, not of series.
const SERIES_MIN: usize = 10;

/// What is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Objective {
    /// The best F1 of labelled windows.
    F1,
    /// The largest share of faults that were put in.
    Recall,
    /// As many alerts as the limit allows: where nothing is labelled and nothing can be put in.
    Alerts,
}

impl Objective {
    /// How good `score` is; more is better.
    pub fn value(self, score: &Score) -> f64 {
        match self {
            Self::F1 => score.f1(),
            Self::Recall => score.recall(),
            Self::Alerts => score.false_alarms as f64,
        }
    }
}

/// By what candidates are compared.
#[derive(Debug, Clone, Copy)]
pub struct Rule {
    /// What is looked for.
    pub objective: Objective,
    /// Most false alarms a day in each block; of a share, its part of them.
    pub limit_per_day: f64,
    /// Whether a block may have as many more as chance may bring: on a share, that is.
    pub is_lenient: bool,
}

impl Rule {
    /// How many false alarms a block of `days` may have, 0 or more.
    pub fn allowed(&self, days: f64) -> f64 {
        self.limit_per_day * days * (1.0 + SHORT_OF)
    }

    /// How many false alarms there are beyond the limit, in the worst of `blocks`; 0 or less is within it.
    fn excess(&self, trial: &Trial, blocks: &[usize]) -> f64 {
        let of = |&block: &usize| {
            let allowed = self.allowed(trial.days[block]);
            let chance = if self.is_lenient { 1.0 + 2.0 * allowed.sqrt() } else { 0.0 };
            trial.block(block).false_alarms as f64 - allowed - chance
        };
        blocks.iter().map(of).fold(f64::NEG_INFINITY, f64::max)
    }

    /// Whether `trial` stays within the limit in each of `blocks`.
    pub fn allows(&self, trial: &Trial, blocks: &[usize]) -> bool {
        self.excess(trial, blocks) <= 0.0
    }
}

/// The `trials`, best first: those within the limit by what is looked for, then the others by how far they are beyond it.
pub fn ranked(trials: &[(usize, &Trial)], blocks: &[usize], rule: &Rule) -> Vec<usize> {
    let key = |trial: &Trial| {
        let sum = trial.sum(blocks);
        let value = rule.objective.value(&sum);
        (rule.excess(trial, blocks).max(0.0), value, sum.false_alarms)
    };
    let mut all: Vec<_> = trials.iter().map(|&(index, trial)| (index, key(trial))).collect();
    all.sort_by(
        |(one, (over, value, alarms)), (other, (other_over, other_value, other_alarms))| {
            over.total_cmp(other_over)
                .then(other_value.total_cmp(value))
                .then(alarms.cmp(other_alarms))
                .then(one.cmp(other))
        },
    );
    all.into_iter().map(|(index, _)| index).collect()
}

/// What was chosen. Candidates are named by their index; 0 is the default.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Choice {
    /// What is written.
    pub winner: usize,
    /// Why.
    pub verdict: Verdict,
    /// The best within the limit, although it may not be better for sure; `None` if none stays within it.
    pub best: Option<usize>,
    /// On blocks that had no say in the choice; `None` where there is nothing to find.
    pub held_out: Option<HeldOut>,
}

/// Why the winner is what it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Better than the default on blocks that had no say, beyond the uncertainty.
    Better,
    /// The default goes beyond the limit, and this is the best that does not.
    WithinLimit,
    /// Nothing is better than the default beyond the uncertainty: it stays.
    DefaultStays,
    /// No candidate stays within the limit: the default stays.
    NoneWithin,
    /// Nothing says what is better: the one with as many alerts as the limit allows.
    MostAlerts,
}

/// How good the choice is on blocks that had no say in it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct HeldOut {
    /// What is looked for, of the default.
    pub default_value: f64,
    /// The same of what the other blocks choose.
    pub chosen_value: f64,
    /// The difference, from the 5th to the 95th in a hundred when pairs are drawn anew.
    pub gain: (f64, f64),
    /// False alarms a day, of the default and of what was chosen.
    pub false_alarms_per_day: (f64, f64),
    /// What was drawn anew.
    pub drawn: Drawn,
}

/// What is drawn anew for an interval.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Drawn {
    /// Series, each with all of its blocks.
    Series,
    /// Blocks of series, because there are few series.
    BlocksOfSeries,
}

/// Chooses among `trials`, those of the whole input.
pub fn choose(trials: &BTreeMap<usize, Trial>, field: &Field, rule: &Rule, seed: u64) -> Choice {
    let every: Vec<usize> = (0..BLOCKS).collect();
    let best = best_on(trials, &field.by_all, &every, rule);
    let default_is_within = trials.get(&0).is_some_and(|trial| rule.allows(trial, &every));
    if rule.objective == Objective::Alerts {
        let verdict = if best.is_some() { Verdict::MostAlerts } else { Verdict::NoneWithin };
        return Choice { winner: best.unwrap_or(0), verdict, best, held_out: None };
    }
    let held_out = hold_out(trials, field, rule, seed);
    let (winner, verdict) = match best {
        None => (0, Verdict::NoneWithin),
        Some(best) if !default_is_within => (best, Verdict::WithinLimit),
        Some(best) if best > 0 && held_out.gain.0 > 0.0 => (best, Verdict::Better),
        Some(_) => (0, Verdict::DefaultStays),
    };
    Choice { winner, verdict, best, held_out: Some(held_out) }
}

/// The best of `some` that stays within the limit in each of `blocks`.
fn best_on(
    trials: &BTreeMap<usize, Trial>,
    some: &BTreeSet<usize>,
    blocks: &[usize],
    rule: &Rule,
) -> Option<usize> {
    let within = |&index: &usize| {
        let trial = trials.get(&index)?;
        rule.allows(trial, blocks).then_some((index, trial))
    };
    let within: Vec<(usize, &Trial)> = some.iter().filter_map(within).collect();
    ranked(&within, blocks, rule).first().copied()
}

/// Each block is scored under what the others choose.
fn hold_out(trials: &BTreeMap<usize, Trial>, field: &Field, rule: &Rule, seed: u64) -> HeldOut {
    let chosen: [usize; BLOCKS] = std::array::from_fn(|left_out| {
        let others: Vec<usize> = (0..BLOCKS).filter(|&block| block != left_out).collect();
        best_on(trials, &field.without[left_out], &others, rule).unwrap_or(0)
    });
    let names: BTreeSet<&String> = trials.values().flat_map(|trial| trial.series.keys()).collect();
    // Of each series and block the default's score and that of what was chosen.
    let cells: Vec<[(Score, Score); BLOCKS]> = names
        .into_iter()
        .map(|name| {
            std::array::from_fn(|block| {
                let of = |index: usize| {
                    let scores = trials.get(&index).and_then(|trial| trial.series.get(name));
                    scores.map(|scores| scores[block]).unwrap_or_default()
                };
                (of(0), of(chosen[block]))
            })
        })
        .collect();
    let (pairs, drawn): (Vec<Vec<(Score, Score)>>, Drawn) = if cells.len() >= SERIES_MIN {
        (cells.iter().map(|blocks| blocks.to_vec()).collect(), Drawn::Series)
    } else {
        (cells.iter().flatten().map(|&pair| vec![pair]).collect(), Drawn::BlocksOfSeries)
    };
    let sums = sums(pairs.iter());
    let days: f64 = trials.get(&0).map_or(0.0, |trial| trial.days.iter().sum());
    let per_day = |score: &Score| score.false_alarms as f64 / days.max(f64::MIN_POSITIVE);
    HeldOut {
        default_value: rule.objective.value(&sums.0),
        chosen_value: rule.objective.value(&sums.1),
        gain: interval(&pairs, rule.objective, seed),
        false_alarms_per_day: (per_day(&sums.0), per_day(&sums.1)),
        drawn,
    }
}

/// How much better the second of the pairs are than the first, when they are drawn anew.
fn interval(pairs: &[Vec<(Score, Score)>], objective: Objective, seed: u64) -> (f64, f64) {
    let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
    let mut gains: Vec<f64> = (0..RESAMPLES)
        .map(|_| {
            let drawn = (0..pairs.len()).map(|_| {
                let index = random.next_u64() % pairs.len() as u64;
                &pairs[index as usize]
            });
            let (default, chosen) = sums(drawn);
            objective.value(&chosen) - objective.value(&default)
        })
        .collect();
    gains.sort_by(f64::total_cmp);
    (gains[RESAMPLES / 20], gains[RESAMPLES - 1 - RESAMPLES / 20])
}

fn sums<'a>(pairs: impl Iterator<Item = &'a Vec<(Score, Score)>>) -> (Score, Score) {
    let mut sums = (Score::default(), Score::default());
    for &(default, chosen) in pairs.flatten() {
        sums.0 += default;
        sums.1 += chosen;
    }
    sums
}

#[cfg(test)]
mod tests;
