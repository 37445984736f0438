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
