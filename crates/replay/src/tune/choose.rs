//! Which candidate wins, and how sure that is.

use std::collections::BTreeSet;

use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{Rng, SeedableRng};

use super::score::{BLOCKS, Blocks, Score, Trial};

/// Series are drawn anew so many times.
const RESAMPLES: usize = 1000;

/// What was chosen. Trials are named by their index.
#[derive(Debug, Clone, PartialEq)]
pub struct Choice {
    /// The winner; 0, the default, where nothing is better for sure.
    pub winner: usize,
    /// The best by the rule, although it may not be better for sure; `None` if no trial stays within the limit.
    pub best: Option<usize>,
    /// With labels, on blocks that had no say in the choice.
    pub held_out: Option<HeldOut>,
}

/// How good the choice is on blocks that had no say in it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct HeldOut {
    /// F1 of the default.
    pub default_f1: f64,
    /// F1 of what the other blocks choose.
    pub chosen_f1: f64,
    /// The difference, from the 5th to the 95th in a hundred when series are drawn anew.
    pub gain: (f64, f64),
}

/// Chooses among `trials`, of which the first is the default and the others go from the most to the least sensitive.
/// `limit_per_day` is for false alarms with labels (`labelled`), for all alerts without.
pub fn choose(
    trials: &[Trial],
    blocks: &Blocks,
    limit_per_day: f64,
    labelled: bool,
    seed: u64,
) -> Choice {
    let limit = limit_per_day * blocks.days();
    let every: Vec<usize> = (0..BLOCKS).collect();
    let best = best_on(trials, &every, limit, labelled);
    if !labelled {
        return Choice { winner: best.unwrap_or(0), best, held_out: None };
    }
    let held_out = hold_out(trials, limit, seed);
    let is_sure = held_out.gain.0 > 0.0;
    Choice { winner: best.filter(|_| is_sure).unwrap_or(0), best, held_out: Some(held_out) }
}

/// The best of those that stay within the limit in each of `blocks`; of equal ones the first.
fn best_on(trials: &[Trial], blocks: &[usize], limit: f64, labelled: bool) -> Option<usize> {
    let is_within =
        |trial: &Trial| blocks.iter().all(|&block| trial.block(block).false_alarms as f64 <= limit);
    // Without labels the first is the most sensitive, and the default has its place among the others.
    let mut within = trials.iter().enumerate().filter(|(_, trial)| is_within(trial));
    if !labelled {
        return within.find(|&(index, _)| index > 0).map(|(index, _)| index);
    }
    let f1 = |trial: &Trial| sum(trial, blocks).f1();
    let better = |best: (usize, f64), one: (usize, f64)| if one.1 > best.1 { one } else { best };
    within.map(|(index, trial)| (index, f1(trial))).reduce(better).map(|(index, _)| index)
}

fn sum(trial: &Trial, blocks: &[usize]) -> Score {
    let mut sum = Score::default();
    for &block in blocks {
        sum += trial.block(block);
    }
    sum
}

/// Each block is scored under what the others choose.
fn hold_out(trials: &[Trial], limit: f64, seed: u64) -> HeldOut {
    let chosen: Vec<usize> = (0..BLOCKS)
        .map(|left_out| {
            let others: Vec<usize> = (0..BLOCKS).filter(|&block| block != left_out).collect();
            best_on(trials, &others, limit, true).unwrap_or(0)
        })
        .collect();
    let names: BTreeSet<&String> = trials.iter().flat_map(|trial| trial.series.keys()).collect();
    // Of each series the default's and the chosen ones' score over all blocks: a pair.
    let pairs: Vec<(Score, Score)> = names
        .into_iter()
        .map(|name| {
            let mut pair = (Score::default(), Score::default());
            for (block, &chosen) in chosen.iter().enumerate() {
                let of = |index: usize| {
                    let scores = trials.get(index).and_then(|trial| trial.series.get(name));
                    scores.map(|scores| scores[block]).unwrap_or_default()
                };
                pair.0 += of(0);
                pair.1 += of(chosen);
            }
            pair
        })
        .collect();
    let (default_f1, chosen_f1) = f1s(pairs.iter());
    let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
    let mut gains: Vec<f64> = (0..RESAMPLES)
        .map(|_| {
            let drawn = (0..pairs.len()).map(|_| {
                let index = random.next_u64() % pairs.len() as u64;
                &pairs[index as usize]
            });
            let (default, chosen) = f1s(drawn);
            chosen - default
        })
        .collect();
    gains.sort_by(f64::total_cmp);
    let gain = (gains[RESAMPLES / 20], gains[RESAMPLES - 1 - RESAMPLES / 20]);
    HeldOut { default_f1, chosen_f1, gain }
}

fn f1s<'a>(pairs: impl Iterator<Item = &'a (Score, Score)>) -> (f64, f64) {
    let mut sums = (Score::default(), Score::default());
    for &(default, chosen) in pairs {
        sums.0 += default;
        sums.1 += chosen;
    }
    (sums.0.f1(), sums.1.f1())
}

#[cfg(test)]
mod tests;
