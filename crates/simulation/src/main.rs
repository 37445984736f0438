//! Runs many seeds: `--seeds COUNT` (500) `--from FIRST` (1). Ends with 1 when one of them fails, after naming it, and
//! when something that should happen in so many never did.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use bellwether_simulation::{Seen, run};

const USAGE: &str = "usage: bellwether-simulation [--seeds COUNT] [--from FIRST]";
/// From one line of progress to the next.
const PROGRESS_EVERY: Duration = Duration::from_secs(10);
/// Failures after which it makes no sense to go on.
const FAILURES_MAX: usize = 10;
/// In so many seeds everything happens that can, the rarest in one of a hundred.
const SEEDS_FOR_ALL: u64 = 500;

fn main() -> ExitCode {
    let Some((from, seeds)) = arguments(std::env::args().skip(1)) else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    let begun = Instant::now();
    let (mut seen, mut failures, mut ran) = (Seen::default(), Vec::new(), 0_u64);
    let mut progress_at = begun + PROGRESS_EVERY;
    for seed in (from..).take(usize::try_from(seeds).unwrap_or(usize::MAX)) {
        ran += 1;
        match run(seed) {
            Ok(passed) => {
                seen += passed.seen;
                if seeds == 1 {
                    println!("trace hash {:016x}", passed.trace_hash);
                }
            }
            Err(failed) => {
                println!("{failed}");
                failures.push(seed);
            }
        }
        if failures.len() >= FAILURES_MAX {
            break;
        }
        if Instant::now() >= progress_at {
            progress_at = Instant::now() + PROGRESS_EVERY;
            let failed = failures.len();
            println!("{ran} of {seeds} seeds, {failed} failed, {} s", begun.elapsed().as_secs());
        }
    }
    for (name, count) in seen.all() {
        println!("{count:>12} {name}");
    }
    println!("{ran} seeds in {} s, failed: {failures:?}", begun.elapsed().as_secs());
    let unseen = seen.all().into_iter().filter(|&(_, count)| count == 0);
    let unseen: Vec<_> = unseen.map(|(name, _)| name).filter(|_| ran >= SEEDS_FOR_ALL).collect();
    if !unseen.is_empty() {
        println!("never happened: {unseen:?}");
    }
    if failures.is_empty() && unseen.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// The first seed, and how many.
fn arguments(mut arguments: impl Iterator<Item = String>) -> Option<(u64, u64)> {
    let (mut from, mut seeds) = (1, 500);
    while let Some(name) = arguments.next() {
        let value = arguments.next()?.parse().ok()?;
        match name.as_str() {
            "--from" => from = value,
            "--seeds" => seeds = value,
            _ => return None,
        }
    }
    Some((from, seeds))
}
