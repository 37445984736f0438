//! A bucket of permissions that fills by the clock.

use tokio::time::Instant;

use crate::http::options::Rate;

/// How many of a [`Rate`] were taken, as a time: until when, at the rate's pace, all of them are there again.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Bucket {
    /// `None` while nothing is missing.
    full_at: Option<Instant>,
}

impl Bucket {
    /// Takes one, if there is one at `now`.
    pub(super) fn take(&mut self, rate: Rate, now: Instant) -> bool {
        let has_one = !self.is_empty(rate, now);
        if has_one {
            let from = self.full_at.map_or(now, |at| at.max(now));
            // What cannot be expressed lies in no foreseeable future; then nothing is counted.
            self.full_at = from.checked_add(rate.interval);
        }
        has_one
    }

    /// Gives one back that was taken.
    pub(super) fn give_back(&mut self, rate: Rate) {
        self.full_at = self.full_at.and_then(|at| at.checked_sub(rate.interval));
    }

    /// Whether there is none at `now`.
    pub(super) fn is_empty(&self, rate: Rate, now: Instant) -> bool {
        let missing = self.full_at.map(|at| at.saturating_duration_since(now));
        missing.is_some_and(|missing| {
            missing > rate.interval.saturating_mul(rate.burst - rate.burst.min(1))
        })
    }

    /// Whether nothing is missing at `now`.
    pub(super) fn is_full(&self, now: Instant) -> bool {
        self.full_at.is_none_or(|at| at <= now)
    }

    /// When nothing is missing any more; `None` when nothing ever was.
    pub(super) fn full_at(&self) -> Option<Instant> {
        self.full_at
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_burst_passes_then_one_an_interval() {
        let rate = Rate { burst: 3, interval: Duration::from_secs(10) };
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut bucket = Bucket::default();
        assert_eq!([0; 4].map(|second| bucket.take(rate, at(second))), [true, true, true, false]);
        assert!(!bucket.take(rate, at(9)));
        assert!(bucket.take(rate, at(10)));
        assert!(!bucket.take(rate, at(10)));
        bucket.give_back(rate);
        assert!(bucket.take(rate, at(10)) && !bucket.take(rate, at(10)));
        assert!(!bucket.is_full(at(39)) && bucket.is_full(at(40)));
        assert_eq!([99; 4].map(|second| bucket.take(rate, at(second))), [true, true, true, false]);
    }

    proptest::proptest! {
        /// Against a list of all that were taken: in any stretch of time no more than the burst and what it refills.
        #[test]
        fn no_stretch_of_time_has_more_than_its_share(
            burst in 1_u32..5,
            interval_ms in 1_u64..50,
            steps_ms in proptest::collection::vec(0_u64..40, 1..60),
        ) {
            let rate = Rate { burst, interval: Duration::from_millis(interval_ms) };
            let start = Instant::now();
            let mut bucket = Bucket::default();
            let (mut now_ms, mut taken) = (0, Vec::new());
            for step_ms in steps_ms {
                now_ms += step_ms;
                let allowed = taken.iter().all(|&(first, count_before): &(u64, usize)| {
                    let since = taken.len() - count_before + 1;
                    (since as u64) <= u64::from(burst) + (now_ms - first) / interval_ms
                });
                let took = bucket.take(rate, start + Duration::from_millis(now_ms));
                proptest::prop_assert_eq!(took, allowed);
                if took {
                    taken.push((now_ms, taken.len()));
                }
            }
        }
    }
}
