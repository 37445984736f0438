use proptest::prelude::*;
use proptest::sample::subsequence;

use super::*;

fn interval() -> TimeInterval {
    TimeInterval {
        times: Vec::new(),
        weekdays: Vec::new(),
        days_of_month: Vec::new(),
        months: Vec::new(),
        years: Vec::new(),
        zone: Zone::UTC,
    }
}

fn takes(interval: &TimeInterval, local: &str) -> bool {
    match interval.takes(local.parse().unwrap()) {
        Answer::Day(takes) | Answer::Minute(takes) => takes,
    }
}

#[test]
fn a_time_range_begins_at_its_start_and_ends_before_its_end() {
    let times = vec![TimeRange::parse("09:00", "17:30").unwrap()];
    let office = TimeInterval { times, ..interval() };
    for (local, is_in) in [
        ("2026-03-02T08:59:59.999", false),
        ("2026-03-02T09:00", true),
        ("2026-03-02T17:29:59.999", true),
        ("2026-03-02T17:30", false),
    ] {
        assert_eq!(takes(&office, local), is_in, "{local}");
    }
    let times = vec![TimeRange::parse("00:00", "24:00").unwrap()];
    assert!(takes(&TimeInterval { times, ..interval() }, "2026-03-02T23:59:59.999"));
}

#[test]
fn a_night_belongs_to_the_day_on_which_it_begins() {
    let saturday_night = TimeInterval {
        times: vec![TimeRange::parse("22:00", "02:00").unwrap()],
        weekdays: vec![Weekdays::parse("saturday").unwrap()],
        ..interval()
    };
    // 2026-03-07 is a Saturday.
    for (local, is_in) in [
        ("2026-03-07T01:00", false),
        ("2026-03-07T21:59", false),
        ("2026-03-07T22:00", true),
        ("2026-03-08T01:59", true),
        ("2026-03-08T02:00", false),
        ("2026-03-08T22:00", false),
    ] {
        assert_eq!(takes(&saturday_night, local), is_in, "{local}");
    }
}

#[test]
fn days_count_from_the_end_of_each_month_too() {
    let takes = |text, date: &str| DaysOfMonth::parse(text).unwrap().takes(date.parse().unwrap());
    for (text, date, is_in) in [
        ("-1", "2026-02-28", true),
        ("-1", "2024-02-28", false),
        ("-1", "2024-02-29", true),
        ("-3:-1", "2026-04-27", false),
        ("-3:-1", "2026-04-28", true),
        ("29:31", "2026-02-28", false),
        ("31", "2026-04-30", false),
        ("25:-1", "2026-02-25", true),
        ("-31:-1", "2026-02-01", true),
        ("1:-28", "2026-02-01", true),
        ("1:-28", "2026-02-02", false),
    ] {
        assert_eq!(takes(text, date), is_in, "{text} {date}");
    }
}

#[test]
fn weekdays_and_months_may_wrap_around() {
    let weekend = Weekdays::parse("Friday:monday").unwrap();
    // 2026-03-02 is a Monday.
    let days = (2..9).map(|day| weekend.takes(jiff::civil::date(2026, 3, day)));
    assert_eq!(days.collect::<Vec<_>>(), [true, false, false, false, true, true, true]);
    let winter = Months::parse("november:2").unwrap();
    let months = (1..=12).filter(|&month| winter.takes(jiff::civil::date(2026, month, 1)));
    assert_eq!(months.collect::<Vec<_>>(), [1, 2, 11, 12]);
}

#[test]
fn what_is_no_range_is_refused() {
    for (start, end) in [
        ("9", "10"),
        ("09:00", "09:00"),
        ("24:00", "01:00"),
        ("25:00", "26:00"),
        ("09:60", "10:00"),
        ("09:00", "24:01"),
        ("-1:00", "01:00"),
        ("+1:00", "02:00"),
        ("", "01:00"),
    ] {
        assert_eq!(TimeRange::parse(start, end), None, "{start} {end}");
    }
    for text in ["", "mon", "monday:", "monday:tuesday:friday", "1"] {
        assert_eq!(Weekdays::parse(text), None, "{text}");
    }
    for text in ["0", "32", "-32", "5:1", "-3:2", "-1:-3", "20:-20", "x"] {
        assert_eq!(DaysOfMonth::parse(text), None, "{text}");
    }
    for text in ["0", "13", "jan", "may:", ":may"] {
        assert_eq!(Months::parse(text), None, "{text}");
    }
    for text in ["2026:2025", "x", "0", "10000"] {
        assert_eq!(Years::parse(text), None, "{text}");
    }
}

/// The minutes of a range on the day on which it begins and on the next, by walking from its start to its end.
fn walked(range: TimeRange) -> (Vec<u16>, Vec<u16>) {
    let steps = (range.end + DAY_MINUTES - range.start - 1) % DAY_MINUTES + 1;
    let minutes = range.start..range.start + steps;
    let (same_day, next_day): (Vec<u16>, Vec<u16>) =
        minutes.partition(|&minute| minute < DAY_MINUTES);
    (same_day, next_day.into_iter().map(|minute| minute - DAY_MINUTES).collect())
}

/// The days of a month's list, by counting them off.
fn counted(days: DaysOfMonth, year: i16, month: i8) -> Vec<i8> {
    let all: Vec<i8> =
        (1..=31).filter(|&day| jiff::civil::Date::new(year, month, day).is_ok()).collect();
    let named =
        |number: i8| -> i8 { if number > 0 { number } else { all.len() as i8 + number + 1 } };
    all.iter().copied().filter(|&day| named(days.0) <= day && day <= named(days.1)).collect()
}

/// Names of a ring from one to another, by walking it.
fn ring(names: &[&str], first: usize, last: usize) -> Vec<String> {
    let mut at = first;
    let mut passed = vec![names[at].to_owned()];
    while at != last {
        at = (at + 1) % names.len();
        passed.push(names[at].to_owned());
    }
    passed
}

/// The definition: some range takes the minute on a day that every list takes.
fn by_definition(interval: &TimeInterval, local: DateTime) -> bool {
    let day_is_in = |date: Date| {
        let weekday = format!("{:?}", date.weekday()).to_lowercase();
        let month = MONTHS[date.month() as usize - 1].to_owned();
        let weekdays: Vec<_> =
            interval.weekdays.iter().map(|d| ring(&WEEKDAYS, d.0 as usize, d.1 as usize)).collect();
        let months: Vec<_> = interval
            .months
            .iter()
            .map(|m| ring(&MONTHS, m.0 as usize - 1, m.1 as usize - 1))
            .collect();
        let days: Vec<_> =
            interval.days_of_month.iter().map(|&d| counted(d, date.year(), date.month())).collect();
        (weekdays.is_empty() || weekdays.concat().contains(&weekday))
            && (months.is_empty() || months.concat().contains(&month))
            && (days.is_empty() || days.concat().contains(&date.day()))
            && (interval.years.is_empty()
                || interval.years.iter().any(|y| (y.0..=y.1).any(|year| year == date.year())))
    };
    let minute = local.hour() as u16 * 60 + local.minute() as u16;
    if interval.times.is_empty() {
        return day_is_in(local.date());
    }
    interval.times.iter().any(|&range| {
        let (same_day, next_day) = walked(range);
        (same_day.contains(&minute) && day_is_in(local.date()))
            || (next_day.contains(&minute) && day_is_in(local.date().yesterday().unwrap()))
    })
}

fn any_interval() -> impl Strategy<Value = TimeInterval> {
    let times = (0..DAY_MINUTES, 0..=DAY_MINUTES).prop_filter_map("empty", |(start, end)| {
        (start != end).then_some(TimeRange { start, end })
    });
    let days = ((1..=31_i8, any::<bool>()), (1..=31_i8, any::<bool>())).prop_filter_map(
        "no range",
        |((a, from_end), (b, to_end))| {
            let sign = |day: i8, negative| if negative { -day } else { day };
            DaysOfMonth::parse(&format!("{}:{}", sign(a, from_end), sign(b, to_end)))
        },
    );
    let weekdays = (0..7_u8, 0..7_u8).prop_map(|(a, b)| Weekdays(a, b));
    let months = (1..=12_u8, 1..=12_u8).prop_map(|(a, b)| Months(a, b));
    let years = (2024..2030_i16, 0..3_i16).prop_map(|(a, b)| Years(a, a + b));
    let up_to = 0..3_usize;
    (
        proptest::collection::vec(times, up_to.clone()),
        proptest::collection::vec(weekdays, up_to.clone()),
        proptest::collection::vec(days, up_to.clone()),
        proptest::collection::vec(months, up_to.clone()),
        proptest::collection::vec(years, up_to),
        subsequence(vec![0, 1, 2, 3, 4], 0..=5),
    )
        .prop_map(|(times, weekdays, days_of_month, months, years, kept)| {
            let keep = |which: usize| kept.contains(&which);
            let mut interval =
                TimeInterval { times, weekdays, days_of_month, months, years, zone: Zone::UTC };
            // All lists at once hardly ever take anything.
            if !keep(0) {
                interval.times.clear();
            }
            if !keep(1) {
                interval.weekdays.clear();
            }
            if !keep(2) {
                interval.days_of_month.clear();
            }
            if !keep(3) {
                interval.months.clear();
            }
            if !keep(4) {
                interval.years.clear();
            }
            interval
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn a_time_is_in_an_interval_if_it_is_by_definition(
        interval in any_interval(),
        day in 0..2500_i32,
        minute in 0..1440_i64,
    ) {
        let date = jiff::civil::date(2023, 12, 30) + jiff::Span::new().days(day);
        let local = date.at(0, 0, 0, 0) + jiff::Span::new().minutes(minute);
        let expected = by_definition(&interval, local);
        match interval.takes(local) {
            Answer::Minute(takes) => prop_assert_eq!(takes, expected),
            Answer::Day(takes) => {
                for minute in [0, minute, 719, 1439] {
                    let local = date.at(0, 0, 0, 0) + jiff::Span::new().minutes(minute);
                    prop_assert_eq!(takes, by_definition(&interval, local));
                }
            }
        }
    }
}
