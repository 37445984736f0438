//! How the values of one series come about.

use bellwether_series::Timestamp;

use super::driver::Driver;
use super::effect::Effect;
use super::gauge::Gauge;
use super::process::{Counter, Heap, Queue};
use super::random::Random;

/// What one step of a model depends on.
pub(super) struct Step<'a> {
    /// Time of the scrape round.
    pub(super) at: Timestamp,
    /// Milliseconds since the one before.
    pub(super) interval_ms: i64,
    /// Milliseconds since the fleet's start.
    pub(super) elapsed_ms: i64,
    /// The common causes, already at `at`.
    pub(super) drivers: &'a [Driver],
    /// What befalls this series.
    pub(super) effects: &'a [Effect],
}

/// How much of a driver a series takes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Input {
    /// Index of the driver.
    pub(super) driver: usize,
    /// What a driver at 1 adds.
    pub(super) gain: f64,
    /// Whether the contribution grows faster than the driver when that is near 1.
    pub(super) congested: bool,
}

/// A base level and what drivers add to it.
#[derive(Debug, Clone, Default)]
pub(super) struct Level {
    pub(super) base: f64,
    pub(super) inputs: Vec<Input>,
}

impl Level {
    pub(super) fn at(&self, drivers: &[Driver]) -> f64 {
        let added = self.inputs.iter().map(|input| {
            let value = drivers[input.driver].value();
            let squared = value * value;
            let queued =
                if input.congested { 1.2 * squared * squared * squared * squared } else { 0.0 };
            input.gain * (value + queued)
        });
        self.base + added.sum::<f64>()
    }

    /// The level with every driver at this value: for a plausible start.
    pub(super) fn with_drivers_at(&self, value: f64) -> f64 {
        self.base + self.inputs.iter().map(|input| input.gain * value).sum::<f64>()
    }
}

/// The kinds of series.
#[derive(Debug, Clone)]
pub(super) enum Model {
    /// Always the same value.
    Constant(f64),
    /// 1 while its target answers, else 0 or nothing.
    Up,
    /// A level with noise.
    Gauge(Gauge),
    /// A rate, added up.
    Counter(Counter),
    /// Memory that fills and is collected.
    Heap(Heap),
    /// Work that waits.
    Queue(Queue),
}

impl Model {
    /// The value at the next step.
    pub(super) fn advance(&mut self, step: &Step<'_>, random: &mut Random) -> f64 {
        match self {
            Self::Constant(value) => *value,
            Self::Up => 1.0,
            Self::Gauge(gauge) => gauge.advance(step, random),
            Self::Counter(counter) => counter.advance(step, random),
            Self::Heap(heap) => heap.advance(step, random),
            Self::Queue(queue) => queue.advance(step, random),
        }
    }

    /// The process behind the series has just been started again.
    pub(super) fn restart(&mut self) {
        match self {
            Self::Counter(counter) => counter.restart(),
            Self::Heap(heap) => heap.restart(),
            Self::Constant(_) | Self::Up | Self::Gauge(_) | Self::Queue(_) => {}
        }
    }

    /// The drivers that the series reads.
    pub(super) fn inputs(&self) -> &[Input] {
        match self {
            Self::Constant(_) | Self::Up => &[],
            Self::Gauge(gauge) => &gauge.level.inputs,
            Self::Counter(counter) => &counter.rate.inputs,
            Self::Heap(heap) => &heap.allocation.inputs,
            Self::Queue(queue) => &queue.arrivals.inputs,
        }
    }
}
