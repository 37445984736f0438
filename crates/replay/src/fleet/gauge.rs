//! Gauges: a level that follows its drivers, with noise, bounds and a resolution.

use super::effect::{changed_level, changed_spread};
use super::model::{Input, Level, Step};
use super::noise::{Noise, NoiseState};
use super::random::Random;
use super::season::DAY_MS;

/// A level with noise.
#[derive(Debug, Clone)]
pub(super) struct Gauge {
    pub(super) level: Level,
    trend_per_day: f64,
    /// Time after which a share of 1/e of a change of the level is still to come.
    inertia_ms: i64,
    lagging: Option<f64>,
    noise: Noise,
    noise_state: Option<NoiseState>,
    resolution: f64,
    min: f64,
    max: f64,
    complement: bool,
}

impl Gauge {
    /// A gauge about `base`, without limits.
    pub(super) fn about(base: f64, noise: Noise) -> Self {
        Self {
            level: Level { base, inputs: Vec::new() },
            trend_per_day: 0.0,
            inertia_ms: 0,
            lagging: None,
            noise,
            noise_state: None,
            resolution: 0.0,
            min: f64::NEG_INFINITY,
            max: f64::INFINITY,
            complement: false,
        }
    }

    /// Follows a driver as well.
    pub(super) fn following(mut self, driver: usize, gain: f64) -> Self {
        self.level.inputs.push(Input { driver, gain, congested: false });
        self
    }

    /// Follows a driver as well, more than in proportion when that is nearly saturated.
    pub(super) fn congested_by(mut self, driver: usize, gain: f64) -> Self {
        self.level.inputs.push(Input { driver, gain, congested: true });
        self
    }

    /// Grows by so much a day.
    pub(super) fn growing(self, trend_per_day: f64) -> Self {
        Self { trend_per_day, ..self }
    }

    /// Follows only slowly.
    pub(super) fn lagging(self, inertia_ms: i64) -> Self {
        Self { inertia_ms, ..self }
    }

    /// Stays between two values.
    pub(super) fn within(self, min: f64, max: f64) -> Self {
        Self { min, max, ..self }
    }

    /// Takes only multiples of a resolution.
    pub(super) fn in_steps_of(self, resolution: f64) -> Self {
        Self { resolution, ..self }
    }

    /// Reports 1 minus the value: a hit ratio, where level, noise and effects are about misses.
    pub(super) fn complemented(self) -> Self {
        Self { complement: true, ..self }
    }

    pub(super) fn advance(&mut self, step: &Step<'_>, random: &mut Random) -> f64 {
        let days = step.elapsed_ms as f64 / DAY_MS as f64;
        let driven = self.level.at(step.drivers) + self.trend_per_day * days;
        let level = changed_level(step.effects, step.at, self.follow(driven, step.interval_ms));
        let spread = changed_spread(step.effects, step.at);
        let noise =
            self.noise_state.get_or_insert_with(|| NoiseState::new(self.noise, step.interval_ms));
        let value = noise.on(level, spread, random).clamp(self.min, self.max);
        let value = if self.complement { 1.0 - value } else { value };
        if self.resolution > 0.0 {
            (value / self.resolution).round() * self.resolution
        } else {
            value
        }
    }

    fn follow(&mut self, driven: f64, interval_ms: i64) -> f64 {
        if self.inertia_ms == 0 {
            return driven;
        }
        let keep = libm::exp(-(interval_ms as f64) / self.inertia_ms as f64);
        let value = self.lagging.map_or(driven, |lagging| driven + keep * (lagging - driven));
        self.lagging = Some(value);
        value
    }
}
