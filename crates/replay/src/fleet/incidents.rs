//! When incidents happen: which kinds there are, and a place in time for each.

use bellwether_series::Timestamp;

use super::blueprint::Blueprint;
use super::random::Random;
use super::recipes;
use super::season::{DAY_MS, HOUR_MS, MINUTE_MS};
use super::{FleetConfig, Incident};

/// Nothing happens before: time to learn a few days.
const FIRST_DAY: f64 = 3.0;
/// How many incidents of a full fleet lie in its first half.
const EARLY_COUNT: usize = 4;
/// Least time between two incidents.
const QUIET_MS: i64 = HOUR_MS;
/// Attempts at finding a free place in time for one incident.
const ATTEMPTS_MAX: usize = 2_000;

/// A kind of incident.
pub(super) struct Recipe {
    pub(super) kind: &'static str,
    /// Hours of the day within which it starts.
    pub(super) start_hours: (f64, f64),
    /// Shortest and longest, in minutes.
    pub(super) minutes: (f64, f64),
    /// How long its traces last after it, in minutes; part of the label.
    pub(super) trace_minutes: i64,
    /// Makes it happen from a time to another, if the fleet has what it strikes. Says what it did and
    /// which series it did it to.
    pub(super) strike: fn(&mut Blueprint, &mut Random, Timestamp, Timestamp) -> Option<Struck>,
}

/// What an incident did.
pub(super) struct Struck {
    pub(super) description: String,
    pub(super) series: Vec<usize>,
}

/// Times that are taken, with what must stay free around them.
#[derive(Debug, Default)]
pub(super) struct Calendar(Vec<(Timestamp, Timestamp)>);

impl Calendar {
    /// Draws starts until the time from there on is free; takes it.
    pub(super) fn book(
        &mut self,
        length_ms: i64,
        mut draw: impl FnMut() -> Option<Timestamp>,
    ) -> Option<Timestamp> {
        for _ in 0..ATTEMPTS_MAX {
            let Some(start) = draw() else { continue };
            let end = start.plus_ms(length_ms);
            let free = |&(from, until): &(Timestamp, Timestamp)| {
                end.plus_ms(QUIET_MS) <= from || until.plus_ms(QUIET_MS) <= start
            };
            if self.0.iter().all(free) {
                self.0.push((start, end));
                return Some(start);
            }
        }
        None
    }
}

/// Places one incident of every kind that fits, most of them in the second half, and lets them act
/// on the blueprint. In order of time.
pub(super) fn plan(
    blueprint: &mut Blueprint,
    random: &mut Random,
    config: &FleetConfig,
    calendar: &mut Calendar,
) -> Vec<Incident> {
    let days = f64::from(config.days);
    let mut order: Vec<&Recipe> = recipes::ALL.iter().collect();
    random.shuffle(&mut order);
    let mut incidents = Vec::new();
    for (position, recipe) in order.into_iter().enumerate() {
        let window = if position < EARLY_COUNT {
            (FIRST_DAY, days / 2.0)
        } else {
            (FIRST_DAY.max(days / 2.0), days - 0.2)
        };
        let length_ms = round_up(random.between(recipe.minutes.0, recipe.minutes.1), config);
        let label_ms = length_ms + recipe.trace_minutes * MINUTE_MS + config.interval_ms;
        let booked = calendar.book(label_ms, || {
            let start = step_within(random, config, window)?;
            let hour = start.as_ms().rem_euclid(DAY_MS) as f64 / HOUR_MS as f64;
            let fits = recipe.start_hours.0 <= hour && hour < recipe.start_hours.1;
            let in_time = start.plus_ms(label_ms) <= day(config, window.1);
            (fits && in_time).then_some(start)
        });
        let Some(start) = booked else { continue };
        let end = start.plus_ms(length_ms);
        let Some(struck) = (recipe.strike)(blueprint, random, start, end) else { continue };
        let Struck { description, mut series } = struck;
        series.sort_unstable();
        series.dedup();
        let end = start.plus_ms(label_ms);
        incidents.push(Incident { kind: recipe.kind, description, start, end, series });
    }
    incidents.sort_by_key(|incident| incident.start);
    incidents
}

/// The time of a scrape round between two days since the start, or none if there is none.
pub(super) fn step_within(
    random: &mut Random,
    config: &FleetConfig,
    (first, last): (f64, f64),
) -> Option<Timestamp> {
    if last <= first {
        return None;
    }
    let at = day(config, random.between(first, last));
    let steps = at.ms_since(config.start) / config.interval_ms;
    Some(config.start.plus_ms(steps * config.interval_ms))
}

fn day(config: &FleetConfig, days: f64) -> Timestamp {
    config.start.plus_ms((days * DAY_MS as f64) as i64)
}

fn round_up(minutes: f64, config: &FleetConfig) -> i64 {
    let steps = (minutes * MINUTE_MS as f64 / config.interval_ms as f64).ceil() as i64;
    steps * config.interval_ms
}
