//! What may happen a million times and is logged once a minute at most.

use std::time::{Duration, Instant};

/// It is logged at most this often.
const LOGGED_EVERY: Duration = Duration::from_mins(1);

/// When it was logged, and how often it has happened since.
#[derive(Debug, Default)]
pub(super) struct Seldom {
    logged: Option<Instant>,
    count: u64,
}

impl Seldom {
    /// It has happened again. How often since it was logged, if it is to be logged now.
    pub(super) fn seen(&mut self) -> Option<u64> {
        self.count += 1;
        if self.logged.is_some_and(|logged| logged.elapsed() < LOGGED_EVERY) {
            return None;
        }
        self.logged = Some(Instant::now());
        Some(std::mem::take(&mut self.count))
    }
}
