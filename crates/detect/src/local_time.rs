//! What clock and calendar say where the people are whose work gives a signal its rhythm.

use bellwether_series::Timestamp;

const DAY_MS: i64 = 86_400_000;
/// The Unix epoch was a Thursday; days since then of the first Sunday.
const FIRST_SUNDAY: i64 = 3;

/// A time of day on a calendar: plain data, so that detectors need no time zones.
///
/// ```
/// use bellwether_detect::LocalTime;
///
/// let tuesday_noon = 5 * 86_400_000 + 43_200_000;
/// let holiday = LocalTime { ms: tuesday_noon, is_holiday: true };
/// assert_eq!(holiday.in_week_ms(), 10 * 86_400_000 + 43_200_000); // noon of that week's Sunday
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LocalTime {
    /// Event time plus the offset from UTC that is in force then, in milliseconds since the Unix epoch. Steps
    /// forwards and back where clocks are changed.
    pub ms: i64,
    /// Whether the day is a holiday.
    pub is_holiday: bool,
}

impl LocalTime {
    /// The time in UTC, on a calendar without holidays.
    pub fn utc(timestamp: Timestamp) -> Self {
        Self { ms: timestamp.as_ms(), is_holiday: false }
    }

    /// Whether the day is a Sunday or as good as one.
    pub(crate) fn is_sunday(self) -> bool {
        self.is_holiday || self.days_to_sunday() == 0
    }

    /// The time by which the hour of the week is told: on a holiday the same hour of that week's Sunday.
    pub fn in_week_ms(self) -> i64 {
        if !self.is_holiday {
            return self.ms;
        }
        self.ms.saturating_add(self.days_to_sunday() * DAY_MS)
    }

    /// Days until the Sunday that ends the week, which begins on Monday: 0 to 6.
    pub(crate) fn days_to_sunday(self) -> i64 {
        (FIRST_SUNDAY - self.ms.div_euclid(DAY_MS)).rem_euclid(7)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_holiday_is_the_sunday_of_its_week() {
        // 2026-12-25 was a Friday; 2026-12-27 the Sunday after it.
        let at = |day: i64| LocalTime { ms: day * DAY_MS + 5, is_holiday: true };
        let christmas = 20_812;
        assert_eq!(at(christmas).in_week_ms(), at(christmas + 2).ms);
        assert_eq!(at(christmas + 2).in_week_ms(), at(christmas + 2).ms);
        assert_eq!(at(christmas + 3).in_week_ms(), at(christmas + 9).ms);
        let workday = LocalTime { is_holiday: false, ..at(christmas) };
        assert_eq!(workday.in_week_ms(), workday.ms);
        assert!(at(christmas).is_sunday() && !workday.is_sunday());
        assert!(LocalTime { is_holiday: false, ..at(christmas + 2) }.is_sunday());
    }

    #[test]
    fn any_time_has_a_place_in_the_week() {
        for ms in [i64::MIN, -1, 0, i64::MAX] {
            let time = LocalTime { ms, is_holiday: true };
            assert!((0..7).contains(&time.days_to_sunday()));
            assert!(time.in_week_ms() >= ms);
        }
    }
}
