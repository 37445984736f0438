//! What moves many series at once: the load of a service, how busy a node is, a nightly job.

use bellwether_series::Timestamp;

use super::effect::{Change, Effect, changed_level};
use super::noise::Memory;
use super::random::{Purpose, Random};
use super::season::{DAY_MS, MINUTE_MS, Season};

/// One common cause. Its value is computed once a step and read by every series that depends on it.
#[derive(Debug, Clone)]
pub(super) struct Driver {
    pub(super) cause: Cause,
    pub(super) effects: Vec<Effect>,
    /// The wander of hours, that of minutes.
    wander: (Memory, Memory),
    random: Random,
    value: f64,
}

/// Where a driver's value comes from.
#[derive(Debug, Clone, Copy)]
pub(super) enum Cause {
    /// Visitors: 1 at about the peak of a weekday.
    Load(Season),
    /// Work that a node has to do, as a share of what its processors can: `base` plus a share of
    /// another driver, if any.
    Work {
        base: f64,
        /// Index of the driver behind it, which comes earlier, and how much of it.
        load: Option<(usize, f64)>,
    },
    /// Share of a node's processors in use: its work, and whatever else runs there in an incident.
    Processors {
        /// Index of the driver that is the node's work, which comes earlier.
        work: usize,
    },
    /// A job that runs every night at about the same time: 0 or 1.
    Nightly {
        start_minute: i64,
        minutes: i64,
        /// How many minutes later than planned it may start.
        delay_minutes_max: f64,
        /// Decides how late it is each night.
        seed: u64,
    },
}

impl Driver {
    pub(super) fn new(cause: Cause, seed: u64, index: usize, interval_ms: i64) -> Self {
        Self {
            cause,
            effects: Vec::new(),
            wander: (
                Memory::new(6 * 60 * MINUTE_MS, interval_ms),
                Memory::new(8 * MINUTE_MS, interval_ms),
            ),
            random: Random::new(seed, Purpose::Driver(index)),
            value: 0.0,
        }
    }

    /// The driver behind this one, if any.
    pub(super) fn source(&self) -> Option<usize> {
        match self.cause {
            Cause::Work { load: Some((source, _)), .. } | Cause::Processors { work: source } => {
                Some(source)
            }
            _ => None,
        }
    }

    /// The value at the current step.
    pub(super) fn value(&self) -> f64 {
        self.value
    }

    /// Moves on to `at`; `earlier` holds the drivers that come before this one.
    pub(super) fn advance(&mut self, at: Timestamp, earlier: &[Driver]) {
        let slow = self.wander.0.next(&mut self.random);
        let fast = self.wander.1.next(&mut self.random);
        self.value = match self.cause {
            Cause::Load(season) => {
                let load = self.shifted(&season, at) * libm::exp(0.04 * slow + 0.02 * fast);
                changed_level(&self.effects, at, load)
            }
            Cause::Work { base, load } => {
                let load = load.map_or(0.0, |(source, gain)| gain * earlier[source].value);
                ((base + load) * libm::exp(0.04 * slow + 0.07 * fast)).clamp(0.005, 0.985)
            }
            Cause::Processors { work } => {
                changed_level(&self.effects, at, earlier[work].value).clamp(0.005, 0.985)
            }
            Cause::Nightly { start_minute, minutes, delay_minutes_max, seed } => {
                let (day, passed_ms) =
                    (at.as_ms().div_euclid(DAY_MS), at.as_ms().rem_euclid(DAY_MS));
                let delay_ms = (MINUTE_MS as f64 * delay_minutes_max * of_day(seed, day)) as i64;
                let running_ms = passed_ms - start_minute * MINUTE_MS - delay_ms;
                f64::from(u8::from((0..minutes * MINUTE_MS).contains(&running_ms)))
            }
        };
    }

    /// The season, or that of another time while an effect says so.
    fn shifted(&self, season: &Season, at: Timestamp) -> f64 {
        self.effects.iter().fold(season.at(at), |load, effect| match effect.change {
            Change::Shift(later_ms) => {
                load + (season.at(at.plus_ms(later_ms)) - load) * effect.strength(at)
            }
            _ => load,
        })
    }
}

/// A number from 0 to 1 that differs from day to day without needing a state.
fn of_day(seed: u64, day: i64) -> f64 {
    Random::new(seed.wrapping_add(day as u64), Purpose::Schedule).uniform()
}
