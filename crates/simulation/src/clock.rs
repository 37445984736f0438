//! The wall clock of the simulated machine: it goes, and sometimes it is set.

use std::sync::atomic::{AtomicI64, Ordering};

use bellwether_runtime::Clock;
use bellwether_series::Timestamp;

/// A wall clock.
#[derive(Debug)]
pub(crate) struct WallClock(AtomicI64);

impl WallClock {
    pub(crate) fn new(at: Timestamp) -> Self {
        Self(AtomicI64::new(at.as_ms()))
    }

    pub(crate) fn get(&self) -> Timestamp {
        Timestamp::from_ms(self.0.load(Ordering::Relaxed))
    }

    /// So much time passes.
    pub(crate) fn advance(&self, ms: i64) {
        self.0.fetch_add(ms, Ordering::Relaxed);
    }

    /// Somebody sets it.
    pub(crate) fn jump(&self, ms: i64) {
        self.advance(ms);
    }
}

impl Clock for WallClock {
    fn now(&self) -> Timestamp {
        self.get()
    }
}
