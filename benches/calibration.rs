//! How the default chain is calibrated, with and without the deep tier: see [`Shares`]. Fails where a share is not within a
//! factor of two, or on whole numbers more than twice what it should be.
//!
//! ```sh
//! cargo run --release -p bellwether-benches --example calibration -- [SERIES] [SERIES_OF_THE_DEEP_TIER]
//! ```

use std::process::ExitCode;

use bellwether_benches::{Null, Shares};

/// Series of a class: of the nine classes 360, of the continuous ones 200.
const SERIES: u64 = 40;

fn main() -> ExitCode {
    let argument = |place| std::env::args().nth(place).and_then(|text| text.parse().ok());
    let series: u64 = argument(1).unwrap_or(SERIES);
    let series_deep: u64 = argument(2).unwrap_or(series);
    println!("| tier | series | k = 1 | 2 | 3 | 4 | |");
    println!("| --- | --- | --- | --- | --- | --- | --- |");
    let mut all_hold = true;
    for (tier, series, has_deep_tier) in [("base", series, false), ("both", series_deep, true)] {
        for null in Null::CONTINUOUS.into_iter().chain(Null::DISCRETE) {
            let shares = Shares::of(null, series, has_deep_tier);
            let cells = shares.0.map(|share| format!("{share:.2}")).join(" | ");
            let verdict = if shares.hold(null) { "" } else { "does not hold" };
            all_hold &= shares.hold(null);
            println!("| {tier} | {null:?} | {cells} | {verdict} |");
        }
    }
    if all_hold { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
