//! How counts, and figures by day, are said to people.

use super::period::{DAY_MS, duration_text};

/// Share by which a length may be short of what it stands for: of days with a sample a minute or an hour the last interval is
/// missing.
pub(crate) const SHORT_OF: f64 = 0.02;

/// `count` with its noun, which an `s` makes more of, as in `1 alert` and `2 alerts`.
pub fn counted(count: u64, noun: &str) -> String {
    format!("{count} {noun}{}", agreeing(count, "", "s"))
}

/// What agrees with `count`: `one` with 1, `many` with all others.
pub fn agreeing<'a>(count: u64, one: &'a str, many: &'a str) -> &'a str {
    if count == 1 { one } else { many }
}

/// Whether nobody has seen a day in `over_ms` milliseconds, so that what was counted in them is extrapolated where it is said by
/// day.
pub fn is_extrapolated(over_ms: i64) -> bool {
    (over_ms as f64) < DAY_MS as f64 * (1.0 - SHORT_OF)
}

/// What belongs behind a figure by day that was counted over `over_ms` milliseconds: nothing if that is a day or more, else
/// how little it is, as in `, extrapolated from 10m`.
pub fn extrapolated(over_ms: i64) -> String {
    if is_extrapolated(over_ms) {
        format!(", extrapolated from {}", duration_text(over_ms))
    } else {
        String::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_no_plural() {
        assert_eq!(
            [0, 1, 2].map(|count| counted(count, "alert")),
            ["0 alerts", "1 alert", "2 alerts"]
        );
        assert_eq!([0, 1, 2].map(|count| agreeing(count, "is", "are")), ["are", "is", "are"]);
    }

    #[test]
    fn less_than_a_day_is_said_and_a_day_may_lack_its_last_interval() {
        const MINUTE_MS: i64 = 60_000;
        assert_eq!(extrapolated(10 * MINUTE_MS), ", extrapolated from 10m");
        assert_eq!(extrapolated(0), ", extrapolated from 0s");
        for over_ms in [DAY_MS - MINUTE_MS, DAY_MS, 7 * DAY_MS] {
            assert_eq!(extrapolated(over_ms), "");
        }
    }
}
