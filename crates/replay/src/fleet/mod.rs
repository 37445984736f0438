//! A synthetic fleet: two weeks of the metrics of a small web shop, with labelled incidents.
//!
//! What it contains, what is realistic about it and what is not: `docs/demo-fleet.md`. Pure: the same
//! configuration gives the same samples, bit for bit, on every run. Every series, common cause and
//! plan has a random stream of its own.
//!
//! Nothing about incidents can be read off labels, timestamps or the order of samples.
//!
//! ```
//! use bellwether_replay::fleet::{Fleet, FleetConfig};
//!
//! let mut fleet = Fleet::new(&FleetConfig::default());
//! assert_eq!(fleet.incidents().len(), 14);
//! let mut round = Vec::new();
//! let at = fleet.next_step(&mut round).expect("a fleet of 14 days has a first minute");
//! assert!(round.len() > 200 && round.iter().all(|observation| observation.timestamp >= at));
//! ```

mod backing;
mod blueprint;
mod driver;
mod effect;
mod gauge;
mod incidents;
mod model;
mod nodes;
mod noise;
mod process;
mod random;
mod recipes;
mod season;
mod services;
mod target;
mod upkeep;

#[cfg(test)]
mod tests;

use bellwether_series::{LabelSet, STALE_NAN_BITS, Timestamp};

use self::blueprint::{Blueprint, Generator};
use self::driver::Cause;
use self::model::{Model, Step};
use self::random::{Purpose, Random};
use self::season::{DAY_MS, MINUTE_MS, Season};
use self::target::Scrape;

/// Which fleet to generate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FleetConfig {
    /// Decides levels, noise, and when and where incidents strike.
    pub seed: u64,
    /// Length in days. Incidents start after the third day; a fleet of less than 14 days may have
    /// fewer of them, one of 3 days or less has none.
    pub days: u32,
    /// Milliseconds from scrape to scrape; above 0.
    pub interval_ms: i64,
    /// Time of the first scrape round; days and nights are those of UTC.
    pub start: Timestamp,
    /// How many nodes there are.
    pub nodes: usize,
    /// How many instances each service has.
    pub instances_per_service: usize,
}

impl Default for FleetConfig {
    /// Two weeks at one minute from Monday 2026-01-05T00:00:00Z, 267 series.
    fn default() -> Self {
        Self {
            seed: 1,
            days: 14,
            interval_ms: MINUTE_MS,
            start: Timestamp::from_ms(1_767_571_200_000),
            nodes: 9,
            instances_per_service: 2,
        }
    }
}

/// How a series is meant to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MetricKind {
    /// The value itself matters.
    Gauge,
    /// Only increases matter; falls to near 0 when its process restarts.
    Counter,
}

/// One series of the fleet.
#[derive(Debug, Clone)]
pub struct FleetSeries {
    /// Its labels, unique within the fleet.
    pub labels: LabelSet,
    /// How it is meant to be read.
    pub kind: MetricKind,
}

/// Something that went wrong, and that a person would want to know of.
#[derive(Debug, Clone, PartialEq)]
pub struct Incident {
    /// What kind of incident; no two of a fleet are of one kind.
    pub kind: &'static str,
    /// What happened, in one phrase for people.
    pub description: String,
    /// The first scrape round that may show it.
    pub start: Timestamp,
    /// The first scrape round that is as usual again.
    pub end: Timestamp,
    /// The series that it changed: ascending positions in [`Fleet::series`], at least one.
    pub series: Vec<usize>,
}

/// What one scrape yielded for one series.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Observation {
    /// Position in [`Fleet::series`].
    pub series: usize,
    /// Event time: that of the scrape round plus the offset of the target, less than an interval.
    pub timestamp: Timestamp,
    /// A finite number, or the stale marker [`STALE_NAN_BITS`].
    pub value: f64,
}

/// A generator of samples; see the module.
#[derive(Debug, Clone)]
pub struct Fleet {
    config: FleetConfig,
    blueprint: Blueprint,
    incidents: Vec<Incident>,
    /// How many scrape rounds are over.
    step: i64,
}

impl Fleet {
    /// Lays out the fleet of a configuration; samples are generated as they are asked for.
    pub fn new(config: &FleetConfig) -> Self {
        let mut blueprint = Blueprint::new(config);
        services::add_loads(&mut blueprint);
        let site = blueprint.driver(Cause::Load(Season {
            night: 0.18,
            peak_hours: (12.0, 20.0),
            evening: 0.8,
            weekend: 0.72,
        }));
        nodes::add_nodes(&mut blueprint, config.nodes, site);
        services::add_instances(&mut blueprint, config.instances_per_service);
        services::add_rules(&mut blueprint);
        backing::add_backing(&mut blueprint, site, config.instances_per_service);

        let mut random = Random::new(config.seed, Purpose::Schedule);
        let mut calendar = incidents::Calendar::default();
        let incidents = incidents::plan(&mut blueprint, &mut random, config, &mut calendar);
        upkeep::plan(&mut blueprint, &mut random, config, &mut calendar);
        Self { config: *config, blueprint, incidents, step: 0 }
    }

    /// Every series of the fleet, whether it has samples all of the time or not.
    pub fn series(&self) -> &[FleetSeries] {
        &self.blueprint.series
    }

    /// The incidents in order of time; they do not overlap.
    pub fn incidents(&self) -> &[Incident] {
        &self.incidents
    }

    /// How many scrape rounds there are from start to end.
    pub fn steps_total(&self) -> u64 {
        (i64::from(self.config.days) * DAY_MS / self.config.interval_ms) as u64
    }

    /// Replaces the content of `out` by what the next scrape round yields, at most one observation
    /// per series, in their order. Returns the time of the round; none when the fleet is at its end.
    pub fn next_step(&mut self, out: &mut Vec<Observation>) -> Option<Timestamp> {
        out.clear();
        if self.step >= self.steps_total() as i64 {
            return None;
        }
        let elapsed_ms = self.step * self.config.interval_ms;
        let at = self.config.start.plus_ms(elapsed_ms);
        self.step += 1;

        let Blueprint { drivers, targets, generators, .. } = &mut self.blueprint;
        for index in 0..drivers.len() {
            let (earlier, rest) = drivers.split_at_mut(index);
            rest[0].advance(at, earlier);
        }
        let scrapes: Vec<Scrape> = targets.iter_mut().map(|target| target.scrape(at)).collect();
        for (series, generator) in generators.iter_mut().enumerate() {
            let interval_ms = self.config.interval_ms;
            let Generator { target, model, effects, random } = generator;
            let step = Step { at, interval_ms, elapsed_ms, drivers, effects };
            if let Some(value) = observe(model, scrapes[*target], &step, random) {
                let timestamp = at.plus_ms(targets[*target].offset_ms);
                out.push(Observation { series, timestamp, value });
            }
        }
        Some(at)
    }
}

/// Moves a series on by a step; what arrives of it, if anything.
fn observe(model: &mut Model, scrape: Scrape, step: &Step<'_>, random: &mut Random) -> Option<f64> {
    match scrape {
        Scrape::Answered => Some(model.advance(step, random)),
        Scrape::Restarted => {
            model.restart();
            Some(model.advance(step, random))
        }
        Scrape::Lost => {
            model.advance(step, random);
            None
        }
        Scrape::Down { dead: true, .. } if matches!(model, Model::Up) => Some(0.0),
        Scrape::Down { first: true, .. } => Some(f64::from_bits(STALE_NAN_BITS)),
        Scrape::Down { first: false, .. } => None,
    }
}
