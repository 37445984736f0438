use bellwether_series::{MatchOp, Matcher, Matchers};
use proptest::prelude::*;

use super::super::{Holiday, TimeInterval, TimeRange, Weekdays, Zone, instant};
use super::*;
use crate::testing::series;

const HOUR_MS: i64 = 3_600_000;

fn at(text: &str) -> Timestamp {
    instant(text).unwrap()
}

fn every_day(zone: Zone, times: &[(&str, &str)]) -> TimeInterval {
    let times = times.iter().map(|(start, end)| TimeRange::parse(start, end).unwrap()).collect();
    let (weekdays, days_of_month, months, years) = Default::default();
    TimeInterval { times, weekdays, days_of_month, months, years, zone }
}

fn window(times: Vec<MaintenanceTime>) -> Maintenance {
    Maintenance { name: "work".into(), matchers: vec![Matchers::default()], times }
}

fn berlin() -> Zone {
    Zone::named("Europe/Berlin").unwrap()
}

fn is_in_force(calendar: &Calendar, clock: &mut Clock, at: Timestamp) -> bool {
    let labels = series("depth", "a");
    let windows = clock.windows_of(calendar, &labels);
    clock.in_force(calendar, windows, &labels, at).is_some()
}

#[test]
fn local_time_follows_the_zone() {
    let calendar = Calendar { zone: berlin(), ..Calendar::default() };
    let mut clock = Clock::default();
    for (text, hours) in [
        ("2026-01-15T12:00:00Z", 1),
        ("2026-03-29T00:59:59Z", 1),
        ("2026-03-29T01:00:00Z", 2),
        ("2026-10-25T00:59:59Z", 2),
        ("2026-10-25T01:00:00Z", 1),
        ("2026-07-01T00:00:00Z", 2),
    ] {
        let LocalTime { ms, is_holiday } = clock.local(&calendar, at(text));
        assert_eq!((ms - at(text).as_ms(), is_holiday), (hours * HOUR_MS, false), "{text}");
    }
}

#[test]
fn without_a_zone_local_time_is_that_of_utc_for_ever() {
    let (calendar, mut clock) = (Calendar::default(), Clock::default());
    for ms in [0, i64::MIN, -1, 1_774_746_000_000, i64::MAX] {
        let timestamp = Timestamp::from_ms(ms);
        assert_eq!(clock.local(&calendar, timestamp), LocalTime::utc(timestamp));
        assert_eq!((clock.local.from_ms, clock.local.until_ms), (i64::MIN, i64::MAX));
    }
}

#[test]
fn a_holiday_lasts_from_local_midnight_to_local_midnight() {
    let holidays = ["2026-12-25", "10-25"].map(|text| Holiday::parse(text).unwrap()).to_vec();
    let calendar = Calendar { zone: berlin(), holidays, ..Calendar::default() };
    let mut clock = Clock::default();
    for (text, is_holiday) in [
        ("2026-12-24T22:59:59.999Z", false),
        ("2026-12-24T23:00:00Z", true),
        ("2026-12-25T22:59:59.999Z", true),
        ("2026-12-25T23:00:00Z", false),
        ("2027-12-25T12:00:00Z", false),
        // Twenty-five hours, every year.
        ("2026-10-24T21:59:59Z", false),
        ("2026-10-24T22:00:00Z", true),
        ("2026-10-25T22:59:59Z", true),
        ("2026-10-25T23:00:00Z", false),
        ("2031-10-25T12:00:00Z", true),
    ] {
        assert_eq!(clock.local(&calendar, at(text)).is_holiday, is_holiday, "{text}");
    }
}

#[test]
fn a_window_follows_the_clocks_of_its_zone() {
    let nights = every_day(berlin(), &[("02:00", "03:00")]);
    let maintenance = vec![window(vec![MaintenanceTime::Recurring(nights)])];
    let calendar = Calendar { maintenance, ..Calendar::default() };
    let mut clock = Clock::default();
    for (text, is_in) in [
        ("2026-03-28T00:59:59Z", false),
        ("2026-03-28T01:00:00Z", true),
        ("2026-03-28T02:00:00Z", false),
        // There is no such hour on the day on which clocks go forward,
        ("2026-03-29T00:30:00Z", false),
        ("2026-03-29T01:30:00Z", false),
        ("2026-03-30T00:30:00Z", true),
        // and there are two of them on the day on which they go back.
        ("2026-10-24T23:59:59Z", false),
        ("2026-10-25T00:00:00Z", true),
        ("2026-10-25T01:59:59.999Z", true),
        ("2026-10-25T02:00:00Z", false),
    ] {
        assert_eq!(is_in_force(&calendar, &mut clock, at(text)), is_in, "{text}");
    }
}

#[test]
fn a_window_is_in_force_at_any_of_its_times() {
    let once = MaintenanceTime::once("2026-03-04T05:06:07.008Z", "2026-03-04T06:00:00Z").unwrap();
    let mut sundays = every_day(Zone::UTC, &[]);
    sundays.weekdays.push(Weekdays::parse("sunday").unwrap());
    let maintenance = vec![window(vec![once, MaintenanceTime::Recurring(sundays)])];
    let calendar = Calendar { maintenance, ..Calendar::default() };
    let mut clock = Clock::default();
    for (text, is_in) in [
        ("2026-03-04T05:06:07.007Z", false),
        ("2026-03-04T05:06:07.008Z", true),
        ("2026-03-04T05:59:59.999Z", true),
        ("2026-03-04T06:00:00Z", false),
        ("2026-03-08T00:00:00Z", true),
        ("2026-03-07T23:59:59.999Z", false),
    ] {
        assert_eq!(is_in_force(&calendar, &mut clock, at(text)), is_in, "{text}");
    }
}

#[test]
fn only_the_windows_of_a_series_count() {
    let about = |name: &str, times| {
        let matcher = Matcher::new("__name__", MatchOp::Equal, name).unwrap();
        Maintenance { matchers: vec![Matchers::new(vec![matcher])], ..window(times) }
    };
    let always = || vec![MaintenanceTime::Recurring(every_day(Zone::UTC, &[]))];
    let maintenance = vec![
        about("depth", Vec::new()),
        about("depth", always()),
        about("width", always()),
        about("height", Vec::new()),
        about("width", always()),
    ];
    let calendar = Calendar { maintenance, ..Calendar::default() };
    let mut clock = Clock::default();
    for (name, index) in [("depth", Some(1)), ("width", Some(2)), ("height", None), ("up", None)] {
        let labels = series(name, "a");
        let windows = clock.windows_of(&calendar, &labels);
        let in_force = clock.in_force(&calendar, windows, &labels, Timestamp::from_ms(0));
        assert_eq!(in_force, index, "{name}");
        assert_eq!(windows == WindowSet::EMPTY, name == "up");
    }
}

proptest! {
    #[test]
    fn what_is_remembered_is_what_is_looked_up(
        steps in proptest::collection::vec(-4 * HOUR_MS..6 * HOUR_MS, 1..200),
        jump in any::<i64>(),
        zone in proptest::sample::select(&["Europe/Berlin", "America/New_York", "Asia/Kathmandu"]),
    ) {
        let zone = Zone::named(zone).unwrap();
        let mut nights = every_day(zone.clone(), &[("22:30", "02:15"), ("09:00", "09:01")]);
        nights.weekdays.push(Weekdays::parse("saturday:monday").unwrap());
        let calendar = Calendar {
            zone,
            holidays: vec![Holiday::parse("10-25").unwrap(), Holiday::parse("2026-11-01").unwrap()],
            maintenance: vec![window(vec![MaintenanceTime::Recurring(nights)])],
        };
        let mut clock = Clock::default();
        let mut at_ms = at("2026-10-20T00:00:00Z").as_ms();
        for step in steps.into_iter().map(Some).chain([None]) {
            at_ms = step.map_or(jump, |step| at_ms + step);
            let timestamp = Timestamp::from_ms(at_ms);
            let fresh = &mut Clock::default();
            prop_assert_eq!(clock.local(&calendar, timestamp), fresh.local(&calendar, timestamp));
            prop_assert_eq!(
                is_in_force(&calendar, &mut clock, timestamp),
                is_in_force(&calendar, fresh, timestamp)
            );
        }
    }
}
