//! Whether a worker is still a member of its group, by its own clock.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// Whether a worker is still a member of its group, as far as it can know without asking.
///
/// A member that is not heard of for the session's time is taken for dead, and others get its partitions. So whoever was
/// stopped for about that long must do nothing more in the name of that membership, whichever of its threads wakes up first. The
/// clock goes on while the machine sleeps.
#[derive(Debug)]
pub struct Membership {
    silence_max_ms: u64,
    last_beat_ms: AtomicU64,
    is_over: AtomicBool,
}

impl Membership {
    /// A membership that begins now, and is over after `silence_max` without a [beat](Self::beat). That must be less than the group's
    /// session: the last thing that the group has heard is older than the last beat.
    pub fn begin(silence_max: Duration) -> Self {
        Self::begin_at(silence_max, now_ms())
    }

    fn begin_at(silence_max: Duration, now_ms: u64) -> Self {
        Self {
            silence_max_ms: u64::try_from(silence_max.as_millis()).unwrap_or(u64::MAX),
            last_beat_ms: AtomicU64::new(now_ms),
            is_over: AtomicBool::new(false),
        }
    }

    /// The thread that talks to the group runs. False when it did not for too long: the membership is over then, for good.
    pub fn beat(&self) -> bool {
        self.beat_at(now_ms())
    }

    fn beat_at(&self, now_ms: u64) -> bool {
        let is_alive = self.is_alive_at(now_ms);
        if is_alive {
            self.last_beat_ms.store(now_ms, Ordering::SeqCst);
        }
        is_alive
    }

    /// Whether anything may be done in its name.
    pub fn is_alive(&self) -> bool {
        self.is_alive_at(now_ms())
    }

    fn is_alive_at(&self, now_ms: u64) -> bool {
        let silent_ms = now_ms.saturating_sub(self.last_beat_ms.load(Ordering::SeqCst));
        if silent_ms >= self.silence_max_ms {
            // For good: what is alive again a moment later is another membership.
            self.end();
        }
        !self.is_over.load(Ordering::SeqCst)
    }

    /// It is over: the group says so.
    pub fn end(&self) {
        self.is_over.store(true, Ordering::SeqCst);
    }
}

/// Milliseconds since the machine was started, those in which it slept included.
fn now_ms() -> u64 {
    let now = clock_gettime(ClockId::Boottime);
    now.tv_sec as u64 * 1000 + now.tv_nsec as u64 / 1_000_000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_was_silent_for_too_long_is_no_member_whoever_notices_first() {
        let silence_max = Duration::from_secs(6);
        let membership = Membership::begin_at(silence_max, 1_000);
        assert!(membership.beat_at(6_999));
        assert!(membership.is_alive_at(12_998));
        assert!(!membership.beat_at(12_999), "the thread that talks to the group wakes up first");
        assert!(!membership.is_alive_at(7_000), "for good");

        let membership = Membership::begin_at(silence_max, 1_000);
        assert!(!membership.is_alive_at(7_000), "another thread wakes up first");
        assert!(!membership.beat_at(7_001));

        let membership = Membership::begin(silence_max);
        assert!(membership.is_alive());
        membership.end();
        assert!(!membership.is_alive() && !membership.beat());
    }
}
