//! A few seeds on each change; `.ci/run simulation` runs 500, and the binary any number.

use bellwether_simulation::{Seen, run};

/// So many take about half a minute without optimisation.
const SEEDS: u64 = 40;
/// What is too rare for so few; the binary sees to it.
const RARE: [&str; 1] = ["cold_failures"];

#[test]
fn whatever_happens_everybody_has_what_the_model_says() {
    let mut seen = Seen::default();
    for seed in 1..=SEEDS {
        match run(seed) {
            Ok(passed) => seen += passed.seen,
            Err(failed) => panic!("{failed}"),
        }
    }
    // All of it did happen.
    for (name, count) in seen.all() {
        assert!(count > 0 || RARE.contains(&name), "{name} never happened: {seen:?}");
    }
}

#[test]
fn a_seed_repeats_a_run() {
    let [first, second] = [7, 7].map(|seed| run(seed).expect("a run that passes"));
    assert_eq!(first, second);
    assert_ne!(first.trace_hash, run(8).expect("a run that passes").trace_hash);
}
