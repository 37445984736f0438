use super::*;

/// A trial of four days in which each of ten series has the same score in each block.
fn trial(windows: u64, found: u64, false_alarms: u64) -> Trial {
    let score = [Score { windows, found, false_alarms }; BLOCKS];
    let series: BTreeMap<_, _> = (0..10).map(|index| (format!("s{index}"), score)).collect();
    Trial { series, days: [1.0; BLOCKS] }
}

fn rule(objective: Objective, limit_per_day: f64) -> Rule {
    Rule { objective, limit_per_day, is_lenient: false }
}

fn chosen(trials: &[Trial], rule: &Rule, seed: u64) -> Choice {
    let all: BTreeMap<usize, Trial> = trials.iter().cloned().enumerate().collect();
    choose(&all, &Field::new(trials.len()), rule, seed)
}

#[test]
fn the_best_f1_wins_when_it_is_better_for_sure() {
    let trials = [trial(2, 1, 0), trial(2, 2, 0), trial(2, 2, 1)];
    let choice = chosen(&trials, &rule(Objective::F1, 100.0), 1);
    assert_eq!((choice.winner, choice.best, choice.verdict), (1, Some(1), Verdict::Better));
    let held_out = choice.held_out.expect("labels");
    assert_eq!((held_out.default_value, held_out.chosen_value), (2.0 / 3.0, 1.0));
    assert!(held_out.gain.0 > 0.3 && held_out.gain.1 < 0.4, "{held_out:?}");
    assert_eq!(held_out.drawn, Drawn::Series);
}

#[test]
fn what_rings_too_often_in_one_block_does_not_win() {
    let mut loud = trial(2, 2, 0);
    loud.series.get_mut("s3").expect("a series")[2].false_alarms = 6;
    let trials = [trial(2, 1, 0), loud];
    let best = |limit| chosen(&trials, &rule(Objective::F1, limit), 1).best;
    assert_eq!((best(5.0), best(6.0)), (Some(0), Some(1)));
}

#[test]
fn days_that_lack_their_last_interval_are_days() {
    let alarming = |false_alarms: u64| {
        let mut trial = trial(2, 2, 0);
        trial.days = [1439.0 / 1440.0, 23.75 / 24.0, 1.0, 1.0];
        for block in 0..2 {
            trial.series.get_mut("s3").expect("a series")[block].false_alarms = false_alarms;
        }
        trial
    };
    let one_a_day = rule(Objective::F1, 1.0);
    assert!(one_a_day.allows(&alarming(1), &[0, 1, 2, 3]));
    assert!(!one_a_day.allows(&alarming(2), &[0, 1, 2, 3]));
}

#[test]
fn a_gain_on_one_series_is_not_for_sure_and_the_default_stays() {
    let mut lucky = trial(2, 1, 0);
    lucky.series.get_mut("s3").expect("a series")[2].found = 2;
    let choice = chosen(&[trial(2, 1, 0), lucky], &rule(Objective::F1, 100.0), 1);
    assert_eq!((choice.winner, choice.best), (0, Some(1)));
    assert_eq!(choice.verdict, Verdict::DefaultStays);
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
    let choice = chosen(&[trial(2, 1, 0), trap], &rule(Objective::F1, 100.0), 1);
    let held_out = choice.held_out.expect("labels");
    assert!(held_out.chosen_value < held_out.default_value, "{held_out:?}");
    assert_eq!(choice.winner, 0);
}

#[test]
fn who_did_not_go_on_without_a_block_is_not_chosen_for_it() {
    let trials: BTreeMap<usize, Trial> =
        [trial(2, 1, 0), trial(2, 2, 0)].into_iter().enumerate().collect();
    let mut field = Field::new(2);
    for without in &mut field.without {
        without.remove(&1);
    }
    let choice = choose(&trials, &field, &rule(Objective::F1, 100.0), 1);
    let held_out = choice.held_out.expect("labels");
    assert_eq!(held_out.gain, (0.0, 0.0));
    assert_eq!((choice.best, choice.winner), (Some(1), 0));
}

#[test]
fn a_default_beyond_the_limit_gives_way_and_one_that_nothing_undercuts_stays() {
    let trials = [trial(2, 2, 2), trial(2, 1, 0)];
    let choice = chosen(&trials, &rule(Objective::F1, 5.0), 1);
    assert_eq!((choice.winner, choice.verdict), (1, Verdict::WithinLimit));
    let choice = chosen(&[trial(2, 2, 2), trial(2, 1, 1)], &rule(Objective::F1, 5.0), 1);
    assert_eq!((choice.winner, choice.verdict, choice.best), (0, Verdict::NoneWithin, None));
}

#[test]
fn where_nothing_can_be_found_as_many_alerts_as_the_limit_allows_win() {
    let trials = [trial(0, 0, 1), trial(0, 0, 3), trial(0, 0, 2)];
    let winner = |limit| {
        let choice = chosen(&trials, &rule(Objective::Alerts, limit), 1);
        assert_eq!(choice.held_out, None);
        (choice.winner, choice.verdict)
    };
    assert_eq!(winner(30.0), (1, Verdict::MostAlerts));
    assert_eq!(winner(29.0), (2, Verdict::MostAlerts));
    assert_eq!(winner(9.0), (0, Verdict::NoneWithin));
}

#[test]
fn equal_seeds_give_equal_intervals_and_no_series_give_one_too() {
    let mut uneven = trial(50, 40, 1);
    for (index, scores) in (0..).zip(uneven.series.values_mut()) {
        scores[0].found = 4 * index + index % 3;
        scores[1].false_alarms = 3 * index;
    }
    let trials = [trial(50, 10, 2), uneven];
    let of = |seed| chosen(&trials, &rule(Objective::F1, 1e9), seed).held_out;
    assert_eq!(of(1), of(1));
    assert!((2..10).any(|seed| of(seed) != of(1)));
    let empty = Trial { series: BTreeMap::new(), ..trial(0, 0, 0) };
    let held_out = chosen(&[empty], &rule(Objective::F1, 1.0), 1).held_out.expect("labels");
    assert_eq!((held_out.gain, held_out.drawn), ((0.0, 0.0), Drawn::BlocksOfSeries));
}

#[test]
fn those_within_the_limit_come_first_and_a_share_has_its_part_of_the_days() {
    let share = |false_alarms| Trial { days: [0.5; BLOCKS], ..trial(2, 1, false_alarms) };
    let (quiet, loud) = (share(0), Trial { ..share(1) });
    let better = Trial { days: [0.5; BLOCKS], ..trial(2, 2, 1) };
    let trials = [(4, &loud), (5, &quiet), (6, &better)];
    assert_eq!(ranked(&trials, &[0, 1], &rule(Objective::F1, 10.0)), [5, 6, 4]);
    assert_eq!(ranked(&trials, &[0, 1], &rule(Objective::F1, 20.0)), [6, 5, 4]);
    let lenient = Rule { is_lenient: true, ..rule(Objective::F1, 10.0) };
    assert_eq!(ranked(&trials, &[0, 1], &lenient), [6, 5, 4]);
}
