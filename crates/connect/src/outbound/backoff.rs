//! How long to wait before a request is tried again.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

/// Longest pause that a server may ask for: its clock, or ours, may be wrong.
const ASKED_MAX: Duration = Duration::from_mins(5);

/// Pauses that double.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Backoff {
    /// Pause after the first failure.
    pub(crate) first: Duration,
    /// Longest pause.
    pub(crate) longest: Duration,
}

impl Backoff {
    /// The pause after `failures` in a row, at least 1. What the server `asked` for, if
    /// that is any pause at all, replaces our own.
    pub(crate) fn pause(&self, failures: u32, asked: Option<Duration>) -> Duration {
        match asked {
            Some(asked) if !asked.is_zero() => asked.min(ASKED_MAX).max(self.first),
            _ => self.own_pause(failures, RandomState::new().hash_one(failures)),
        }
    }

    /// Between half of `first`, twice that and so on up to `longest`, and the whole, so that many who lost
    /// the same server do not come back at once.
    fn own_pause(&self, failures: u32, random: u64) -> Duration {
        let doubled = 2_u32.saturating_pow(failures.saturating_sub(1));
        let whole = self.first.saturating_mul(doubled).min(self.longest);
        let half_us = whole.as_micros() as u64 / 2;
        Duration::from_micros(half_us + random % (half_us + 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BACKOFF: Backoff =
        Backoff { first: Duration::from_secs(1), longest: Duration::from_mins(1) };

    #[test]
    fn pauses_double_up_to_the_longest_and_lie_in_the_upper_half() {
        let longest_s = |failures| {
            let half_us = BACKOFF.own_pause(failures, 0).as_micros() as u64;
            BACKOFF.own_pause(failures, half_us).as_secs()
        };
        let longest: Vec<u64> = (1..=9).map(longest_s).collect();
        assert_eq!(longest, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
        assert_eq!(BACKOFF.own_pause(u32::MAX, 0), Duration::from_secs(30));
        for random in [1, 30_000_000, 30_000_001, u64::MAX] {
            assert!((30..=60).contains(&BACKOFF.own_pause(99, random).as_secs()));
        }
    }

    #[test]
    fn a_server_may_ask_for_another_pause_within_reason() {
        let pause = |asked| BACKOFF.pause(9, Some(asked));
        assert_eq!(pause(Duration::from_secs(7)), Duration::from_secs(7));
        assert_eq!(pause(Duration::from_hours(24)), ASKED_MAX);
        // A date in the past says nothing.
        assert!(pause(Duration::ZERO) >= BACKOFF.longest / 2);
    }
}
