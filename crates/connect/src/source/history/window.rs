//! Which window of time is asked for next, and how long it is.

use bellwether_series::Timestamp;

use super::{Method, POINTS_MAX};

/// The first window is no longer than this, unless a single step is.
const FIRST_MS: i64 = 600_000;
/// No window is longer than this, however little is in it.
const LONGEST_MS: i64 = 7 * 86_400_000;

/// A window that moves from the beginning of a history to its end, without gap or overlap.
#[derive(Debug)]
pub(super) struct Window {
    next_ms: i64,
    end_ms: i64,
    /// Its length is a multiple of this: one step, or a millisecond.
    unit_ms: i64,
    units: i64,
    units_max: i64,
}

impl Window {
    pub(super) fn new(start: Timestamp, end: Timestamp, method: Method) -> Self {
        let (unit_ms, units_max) = match method {
            Method::RemoteRead => (1, LONGEST_MS),
            Method::QueryRange { step_ms } => (step_ms.max(1), POINTS_MAX),
        };
        let units = (FIRST_MS / unit_ms).clamp(1, units_max);
        Self { next_ms: start.as_ms(), end_ms: end.as_ms(), unit_ms, units, units_max }
    }

    /// The first and the last millisecond of it; `None` at the end.
    pub(super) fn now(&self) -> Option<(Timestamp, Timestamp)> {
        (self.next_ms < self.end_ms)
            .then(|| (Timestamp::from_ms(self.next_ms), Timestamp::from_ms(self.until_ms() - 1)))
    }

    /// The next one, which is longer if there was `little` in this one.
    pub(super) fn advance(&mut self, little: bool) {
        self.next_ms = self.until_ms();
        if little {
            self.units = (self.units * 2).min(self.units_max);
        }
    }

    /// Half of it; false if that is nothing.
    pub(super) fn halve(&mut self) -> bool {
        // What is left of the history may be shorter than the window.
        let left = (self.until_ms() - self.next_ms + self.unit_ms - 1) / self.unit_ms;
        let is_shorter = left > 1;
        self.units = (left / 2).max(1);
        is_shorter
    }

    fn until_ms(&self) -> i64 {
        self.next_ms.saturating_add(self.units.saturating_mul(self.unit_ms)).min(self.end_ms)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn window(start_ms: i64, end_ms: i64, method: Method) -> Window {
        Window::new(Timestamp::from_ms(start_ms), Timestamp::from_ms(end_ms), method)
    }

    proptest! {
        #[test]
        fn all_windows_together_are_the_whole_and_each_has_no_more_points_than_it_may(
            start_ms in -1_000_000_i64..1_000_000,
            length_ms in 0_i64..2_000_000_000,
            step_ms in prop_oneof![Just(None), (1_i64..100_000).prop_map(Some)],
            answers in proptest::collection::vec(0..3, 1..60),
        ) {
            let method = step_ms.map_or(Method::RemoteRead, |step_ms| Method::QueryRange { step_ms });
            let end_ms = start_ms + length_ms;
            let mut window = window(start_ms, end_ms, method);
            let mut until_ms = start_ms;
            for answer in answers.into_iter().chain([0; 60]) {
                let Some((first, last)) = window.now() else { break };
                prop_assert_eq!(first.as_ms(), until_ms);
                prop_assert!(first <= last && last.as_ms() < end_ms);
                if let Some(step_ms) = step_ms {
                    prop_assert_eq!((first.as_ms() - start_ms) % step_ms, 0);
                    prop_assert!((last.as_ms() - first.as_ms()) / step_ms < POINTS_MAX);
                }
                if answer == 2 {
                    let before = last.as_ms() - first.as_ms();
                    let halved = window.halve();
                    let after = window.now().map(|(first, last)| last.as_ms() - first.as_ms());
                    let is_shorter = after < Some(before);
                    prop_assert_eq!(is_shorter, halved);
                } else {
                    window.advance(answer == 0);
                    until_ms = last.as_ms() + 1;
                }
            }
        }
    }

    #[test]
    fn a_quiet_history_is_asked_for_in_few_windows() {
        let mut window = window(0, 365 * 86_400_000, Method::RemoteRead);
        let mut count = 0;
        while window.now().is_some() {
            window.advance(true);
            count += 1;
        }
        assert!(count < 70, "{count}");
    }
}
