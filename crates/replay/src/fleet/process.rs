//! Series that accumulate: counters, a garbage-collected heap, a queue.

use super::effect::{changed_level, changed_spread};
use super::model::{Level, Step};
use super::noise::{Noise, NoiseState};
use super::random::Random;
use super::season::DAY_MS;

/// What a counter counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unit {
    /// Single events that do not know of each other: whole numbers, Poisson about the rate.
    Events,
    /// Seconds in hundredths.
    Seconds,
    /// Bytes.
    Bytes,
}

/// A rate, added up.
#[derive(Debug, Clone)]
pub(super) struct Counter {
    unit: Unit,
    /// Per second.
    pub(super) rate: Level,
    noise: NoiseState,
    /// Most per second.
    rate_max: f64,
    total: f64,
    /// Whether the process started since the last step, so that only a part of it counts.
    fresh: bool,
}

impl Counter {
    /// A counter that has been running for `uptime_days`.
    pub(super) fn new(
        unit: Unit,
        rate: Level,
        noise: Noise,
        uptime_days: f64,
        interval_ms: i64,
    ) -> Self {
        let total = uptime_days * DAY_MS as f64 / 1000.0 * rate.with_drivers_at(0.5).max(0.0);
        Self {
            unit,
            rate,
            noise: NoiseState::new(noise, interval_ms),
            rate_max: f64::INFINITY,
            total: total.floor(),
            fresh: false,
        }
    }

    /// Never counts more than this a second.
    pub(super) fn at_most(self, rate_max: f64) -> Self {
        Self { rate_max, ..self }
    }

    pub(super) fn restart(&mut self) {
        self.total = 0.0;
        self.fresh = true;
    }

    pub(super) fn advance(&mut self, step: &Step<'_>, random: &mut Random) -> f64 {
        let rate = changed_level(step.effects, step.at, self.rate.at(step.drivers)).max(0.0);
        let spread = changed_spread(step.effects, step.at);
        let rate = self.noise.on(rate, spread, random).clamp(0.0, self.rate_max);
        let counted = if self.fresh { random.between(0.1, 0.9) } else { 1.0 };
        self.fresh = false;
        let amount = rate * counted * step.interval_ms as f64 / 1000.0;
        self.total += match self.unit {
            Unit::Events => random.poisson(amount),
            Unit::Seconds => amount,
            Unit::Bytes => amount.floor(),
        };
        if self.unit == Unit::Seconds { (self.total * 100.0).floor() / 100.0 } else { self.total }
    }
}

/// Bytes in a page of memory.
const PAGE_BYTES: f64 = 4096.0;

/// Memory of a process with a garbage collector: grows with the work done, falls when collected.
#[derive(Debug, Clone)]
pub(super) struct Heap {
    /// Bytes right after a collection; `live_growth_per_day` is the share by which they grow.
    live_bytes: f64,
    live_growth_per_day: f64,
    /// Garbage that makes the collector run, as a share of what is live.
    garbage_share: f64,
    /// How often garbage is collected at this load, per hour.
    pub(super) allocation: Level,
    /// Progress to the next collection, 0 to about 1.
    filled: f64,
    limit: f64,
    warm: f64,
}

impl Heap {
    pub(super) fn new(live_bytes: f64, garbage_share: f64, allocation: Level, filled: f64) -> Self {
        let live_growth_per_day = 0.004;
        Self {
            live_bytes,
            live_growth_per_day,
            garbage_share,
            allocation,
            filled,
            limit: 1.0,
            warm: 1.0,
        }
    }

    pub(super) fn restart(&mut self) {
        self.filled = 0.0;
        self.warm = 0.9;
    }

    pub(super) fn advance(&mut self, step: &Step<'_>, random: &mut Random) -> f64 {
        let hours = step.interval_ms as f64 / 3_600_000.0;
        self.filled += self.allocation.at(step.drivers).max(0.0) * hours * random.between(0.4, 1.6);
        self.warm += (1.0 - self.warm) * (hours * 3.0).min(1.0);
        if self.filled >= self.limit {
            self.filled = random.between(0.0, 0.15);
            self.limit = random.between(0.9, 1.1);
        }
        let days = step.elapsed_ms as f64 / DAY_MS as f64;
        let live = self.live_bytes * (1.0 + self.live_growth_per_day * days) * self.warm;
        let bytes = live * (1.0 + self.garbage_share * self.filled + 0.004 * random.normal());
        let bytes = changed_level(step.effects, step.at, bytes);
        (bytes / PAGE_BYTES).round() * PAGE_BYTES
    }
}

/// Messages that wait: arrivals and bursts in, consumers out.
#[derive(Debug, Clone)]
pub(super) struct Queue {
    /// Per second.
    pub(super) arrivals: Level,
    /// Messages a second that the consumers can take; effects act on this.
    capacity: f64,
    /// How often somebody enqueues a batch, per hour, and its mean size in messages.
    bursts_per_hour: f64,
    burst_size: f64,
    waiting: f64,
}

impl Queue {
    pub(super) fn new(
        arrivals: Level,
        capacity: f64,
        bursts_per_hour: f64,
        burst_size: f64,
    ) -> Self {
        Self { arrivals, capacity, bursts_per_hour, burst_size, waiting: 0.0 }
    }

    pub(super) fn advance(&mut self, step: &Step<'_>, random: &mut Random) -> f64 {
        let seconds = step.interval_ms as f64 / 1000.0;
        let arrivals = self.arrivals.at(step.drivers).max(0.0);
        let mut coming = random.poisson(arrivals * seconds);
        if random.uniform() < self.bursts_per_hour * seconds / 3600.0 {
            let size = self.burst_size * libm::exp(0.6 * random.normal());
            coming += random.poisson(size);
        }
        let capacity = changed_level(step.effects, step.at, self.capacity).max(0.0);
        let taken = random.poisson(capacity * seconds);
        self.waiting = (self.waiting + coming - taken).max(0.0);
        self.waiting + random.poisson(arrivals * 0.6)
    }
}
