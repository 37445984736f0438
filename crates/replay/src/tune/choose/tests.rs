use std::collections::BTreeMap;

use super::*;
use crate::tune::Candidate;

/// Days are blocks.
fn blocks() -> Blocks {
    Blocks::new(0, 5 * 86_400_000).expect("five days")
}

/// A trial in which each of ten series has the same score in each block.
fn trial(windows: u64, found: u64, false_alarms: u64) -> Trial {
    let score = [Score { windows, found, false_alarms }; BLOCKS];
    let series: BTreeMap<_, _> = (0..10).map(|index| (format!("s{index}"), score)).collect();
    Trial { candidate: Candidate::all()[0], series }
}

#[test]
fn the_best_f1_wins_when_it_is_better_for_sure() {
    let trials = [trial(2, 1, 0), trial(2, 2, 0), trial(2, 2, 1)];
    let choice = choose(&trials, &blocks(), 100.0, true, 1);
    assert_eq!((choice.winner, choice.best), (1, Some(1)));
    let held_out = choice.held_out.expect("labels");
    assert_eq!((held_out.default_f1, held_out.chosen_f1), (2.0 / 3.0, 1.0));
    assert!(held_out.gain.0 > 0.3 && held_out.gain.1 < 0.4, "{held_out:?}");
}

#[test]
fn what_rings_too_often_in_one_block_does_not_win() {
    let mut loud = trial(2, 2, 0);
    loud.series.get_mut("s3").expect("a series")[2].false_alarms = 6;
    let trials = [trial(2, 1, 0), loud];
    assert_eq!(choose(&trials, &blocks(), 5.0, true, 1).best, Some(0));
    assert_eq!(choose(&trials, &blocks(), 6.0, true, 1).best, Some(1));
}

#[test]
fn a_gain_on_one_series_is_not_for_sure_and_the_default_stays() {
    let mut lucky = trial(2, 1, 0);
    lucky.series.get_mut("s3").expect("a series")[2].found = 2;
    let choice = choose(&[trial(2, 1, 0), lucky], &blocks(), 100.0, true, 1);
    assert_eq!((choice.winner, choice.best), (0, Some(1)));
    assert!(choice.held_out.expect("labels").gain.0.abs() < 1e-12);
}

#[test]
fn blocks_are_scored_under_what_the_others_choose() {
    // Best by one block alone, which is a trap for the other three.
    let mut trap = trial(2, 1, 0);
    for scores in trap.series.values_mut() {
        scores[0].found = 0;
        scores[3].found = 2;
    }
    let choice = choose(&[trial(2, 1, 0), trap], &blocks(), 100.0, true, 1);
    let held_out = choice.held_out.expect("labels");
    assert!(held_out.chosen_f1 < held_out.default_f1, "{held_out:?}");
    assert_eq!(choice.winner, 0);
}

#[test]
fn without_labels_the_most_sensitive_within_the_limit_wins() {
    let trials = [trial(0, 0, 1), trial(0, 0, 3), trial(0, 0, 2), trial(0, 0, 1)];
    let choose = |limit| choose(&trials, &blocks(), limit, false, 1);
    assert_eq!(choose(30.0).winner, 1);
    assert_eq!(choose(29.0).winner, 2);
    assert_eq!(choose(10.0).winner, 3);
    assert_eq!((choose(9.0).winner, choose(9.0).best), (0, None));
}

#[test]
fn equal_seeds_give_equal_intervals_and_no_series_give_one_too() {
    let mut uneven = trial(2, 1, 1);
    for (index, scores) in (0..).zip(uneven.series.values_mut()) {
        scores[0].false_alarms = index;
    }
    let trials = [trial(2, 1, 2), uneven];
    let of = |seed| choose(&trials, &blocks(), 1000.0, true, seed).held_out;
    assert_eq!(of(1), of(1));
    assert_ne!(of(1), of(2));
    let empty = Trial { series: BTreeMap::new(), ..trial(0, 0, 0) };
    let held_out = choose(&[empty], &blocks(), 1.0, true, 1).held_out.expect("labels");
    assert_eq!(held_out.gain, (0.0, 0.0));
}
