//! How much is tried.

use std::env;

/// `short` on every change, `full` before a release.
pub(crate) fn pick<T>(short: T, full: T) -> T {
    match env::var("BELLWETHER_RELIABILITY").as_deref() {
        Err(_) | Ok("" | "short") => short,
        Ok("full") => full,
        Ok(other) => panic!("BELLWETHER_RELIABILITY is `short` or `full`, not `{other}`"),
    }
}

/// Demands in full, and only tells of in short, a bound on time or throughput: on every change the machine has other things to
/// do as well.
pub(crate) fn demand(holds: bool, what: &str) {
    assert!(holds || !pick(false, true), "{what}");
    if !holds {
        println!("reliability: BEYOND ITS BOUND, which only the full setting demands: {what}");
    }
}
