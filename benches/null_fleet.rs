//! A fleet in which nothing happens: how many alarms it raises under a budget of one a day, and how many injected
//! incidents are found how soon. Fails when there are more than two alarms a day, when fewer than 95 of 100
//! incidents are found, or when half of the alerts come after more than two samples.
//!
//! ```sh
//! cargo run --release -p bellwether-benches --example null_fleet -- [SERIES] [DAYS] [FOR_MINUTES] [TIER]
//! ```
//!
//! TIER is `base` for the base tier alone, or `both`, as by default.

use std::process::ExitCode;

use bellwether_benches::{Outcome, Trial};

const FOUND_MIN: f64 = 0.95;
const DELAY_MAX: usize = 2;

fn argument(position: usize) -> Option<usize> {
    std::env::args().nth(position).and_then(|text| text.parse().ok())
}

/// Whether the deep tier judges, by the fourth argument; `None` if that is no tier.
fn has_deep_tier() -> Option<bool> {
    match std::env::args().nth(4).as_deref() {
        None | Some("both") => Some(true),
        Some("base") => Some(false),
        Some(_) => None,
    }
}

fn print(name: &str, outcome: &Outcome) {
    println!("{name}: {} false alarms", outcome.false_alarms());
    for ((null, detector), count) in &outcome.false_alarms {
        let loudest = detector.map_or("no detector".to_owned(), |detector| detector.to_string());
        println!("  {null:?}, loudest {loudest}: {count}");
    }
    for (null, surprises) in &outcome.surprises {
        let (all, found) = outcome.incidents[null];
        let mut sorted = surprises.clone();
        sorted.sort_by(f64::total_cmp);
        let [low, median] = [20, 2].map(|part| sorted[sorted.len() / part]);
        println!(
            "  {null:?}: {found} of {all} incidents found; surprise at the second sample {low:.2} (5 %), \
             {median:.2} (median), threshold {:.2}",
            outcome.threshold
        );
    }
}

fn main() -> ExitCode {
    let Some(has_deep_tier) = has_deep_tier() else {
        eprintln!("tier is neither `base` nor `both`");
        return ExitCode::FAILURE;
    };
    let trial = Trial {
        series: argument(1).unwrap_or(1000),
        days: argument(2).unwrap_or(7),
        for_minutes: argument(3).unwrap_or(2) as i64,
        has_incidents: false,
        has_deep_tier,
    };
    let quiet = trial.run();
    print("quiet", &quiet);
    let loud = Trial { has_incidents: true, ..trial }.run();
    print("with incidents", &loud);
    let (alarms, alarms_max) = (quiet.false_alarms(), trial.false_alarms_max());
    let (found, delay) = (loud.found(), loud.median_delay());
    println!(
        "{} series, {} days, for {} min, {}: {alarms} false alarms (at most {alarms_max}), {:.1} % of incidents \
         found (at least {:.0}), median delay {delay:?} samples (at most {DELAY_MAX})",
        trial.series,
        trial.days,
        trial.for_minutes,
        if has_deep_tier { "both tiers" } else { "base tier" },
        100.0 * found,
        100.0 * FOUND_MIN,
    );
    let keeps = alarms <= alarms_max
        && found >= FOUND_MIN
        && delay.is_some_and(|samples| samples <= DELAY_MAX);
    if keeps { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
