//! What time it is for repetitions, and for an Alertmanager.
//!
//! Whether something is due is told by a clock that runs evenly, whatever becomes of that of the machine. An alert is told to expire
//! after the later one of both: if that of the machine is set back, or was wrong when the process began, another host must
//! not take what fires as over.

use std::time::Instant;

/// Runs evenly from when it was made.
pub(super) struct Clock {
    began: Instant,
    began_ms: i64,
}

/// A time, in milliseconds since the Unix epoch.
#[derive(Debug, Clone, Copy)]
pub(super) struct Now {
    /// By the clock that runs evenly.
    pub(super) steady_ms: i64,
    /// By that of the machine.
    pub(super) wall_ms: i64,
}

impl Clock {
    pub(super) fn start() -> Self {
        Self { began: Instant::now(), began_ms: wall_clock_ms() }
    }

    pub(super) fn now(&self) -> Now {
        let since_ms = i64::try_from(self.began.elapsed().as_millis()).unwrap_or(i64::MAX);
        Now { steady_ms: self.began_ms.saturating_add(since_ms), wall_ms: wall_clock_ms() }
    }
}

impl Now {
    /// By the clock that is ahead.
    pub(super) fn latest_ms(self) -> i64 {
        self.steady_ms.max(self.wall_ms)
    }
}

#[cfg(test)]
impl From<i64> for Now {
    /// Both clocks agree.
    fn from(now_ms: i64) -> Self {
        Self { steady_ms: now_ms, wall_ms: now_ms }
    }
}

fn wall_clock_ms() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}
