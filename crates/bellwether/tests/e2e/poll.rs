//! Waiting for something to become true, with a deadline.

use std::thread;
use std::time::{Duration, Instant};

/// How often a condition is looked at. Nothing depends on it but how soon a test is done.
const INTERVAL: Duration = Duration::from_millis(100);

/// A duration of `count` seconds.
pub(crate) const fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

/// What `probe` gives as soon as it gives something.
///
/// # Panics
/// When it has given nothing for `limit`; `what` says what was waited for.
pub(crate) fn until<T>(limit: Duration, what: &str, mut probe: impl FnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(found) = probe() {
            return found;
        }
        assert!(started.elapsed() < limit, "waited {limit:?} in vain for {what}");
        thread::sleep(INTERVAL);
    }
}
