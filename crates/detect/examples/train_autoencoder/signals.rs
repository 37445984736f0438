//! Signals that look like those of machines and services, and what spoils them.

use std::f64::consts::TAU;

/// Seeded numbers (`SplitMix64`; Steele, Lea & Flood 2014).
#[derive(Debug, Clone)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// From 0 to 1, without 1.
    pub(crate) fn unit(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }

    pub(crate) fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.unit()
    }

    pub(crate) fn below(&mut self, count: usize) -> usize {
        (self.unit() * count as f64) as usize
    }

    /// Evenly over orders of magnitude.
    fn period(&mut self, low: f64, high: f64) -> f64 {
        low * libm::pow(high / low, self.unit())
    }

    /// A standard normal number (Box & Muller 1958).
    pub(crate) fn normal(&mut self) -> f64 {
        let radius = (-2.0 * libm::log(1.0 - self.unit())).sqrt();
        radius * libm::cos(TAU * self.unit())
    }

    fn poisson(&mut self, mean: f64) -> f64 {
        let (least, mut count, mut product) = (libm::exp(-mean), 0.0, self.unit());
        while product > least {
            count += 1.0;
            product *= self.unit();
        }
        count
    }
}

/// Makes a signal of a length.
type Kind = fn(&mut Random, usize) -> Vec<f64>;

/// The kinds of signals.
pub(crate) const KINDS: [(&str, Kind); 8] = [
    ("seasonal", seasonal),
    ("working day", working_day),
    ("autoregressive", autoregressive),
    ("steps", steps),
    ("sawtooth", sawtooth),
    ("duty cycle", duty_cycle),
    ("spiky counts", spiky_counts),
    ("noise", noise),
];

/// `values` with Gaussian noise of up to `most` of their deviation.
fn noisy(mut values: Vec<f64>, random: &mut Random, most: f64) -> Vec<f64> {
    let (_, deviation) = moments(&values);
    let noise = deviation * random.between(0.0, most);
    for value in &mut values {
        *value += noise * random.normal();
    }
    values
}

fn seasonal(random: &mut Random, length: usize) -> Vec<f64> {
    let waves: Vec<[f64; 3]> = (0..=random.below(3))
        .map(|_| [random.period(8.0, 500.0), random.unit(), random.between(0.2, 1.0)])
        .collect();
    let wave = |t: f64| {
        waves.iter().map(|[period, phase, size]| size * libm::sin(TAU * (t / period + phase))).sum()
    };
    noisy((0..length).map(|t| wave(t as f64)).collect(), random, 0.5)
}

/// A wave that is flat for part of its period.
fn working_day(random: &mut Random, length: usize) -> Vec<f64> {
    let (period, phase) = (random.period(24.0, 500.0), random.unit());
    let (floor, sharpness) = (random.between(-0.8, 0.5), random.between(0.5, 2.0));
    let value = |t: usize| {
        let wave = libm::sin(TAU * (t as f64 / period + phase));
        libm::pow((wave - floor).max(0.0), sharpness)
    };
    noisy((0..length).map(value).collect(), random, 0.3)
}

fn autoregressive(random: &mut Random, length: usize) -> Vec<f64> {
    let radius = 1.0 - random.period(0.01, 0.5);
    let angle = if random.below(2) == 0 { 0.0 } else { TAU / random.period(6.0, 100.0) };
    let (first, second) = if angle == 0.0 {
        (radius, 0.0)
    } else {
        (2.0 * radius * libm::cos(angle), -radius * radius)
    };
    let (mut before, mut last) = (0.0, 0.0);
    let mut value = || {
        let value = first * last + second * before + random.normal();
        (before, last) = (last, value);
        value
    };
    (0..length).map(|_| value()).collect()
}

fn steps(random: &mut Random, length: usize) -> Vec<f64> {
    let (stay, mut level) = (random.period(20.0, 300.0), random.normal());
    let mut values = Vec::with_capacity(length);
    for _ in 0..length {
        if random.unit() < 1.0 / stay {
            level = random.normal();
        }
        values.push(level);
    }
    noisy(values, random, 0.5)
}

fn sawtooth(random: &mut Random, length: usize) -> Vec<f64> {
    let (period, phase) = (random.period(8.0, 300.0), random.unit());
    let (sign, rounded) = (if random.below(2) == 0 { 1.0 } else { -1.0 }, random.between(0.5, 2.0));
    let value = |t: usize| {
        let place = t as f64 / period + phase;
        sign * libm::pow(place - libm::floor(place), rounded)
    };
    noisy((0..length).map(value).collect(), random, 0.3)
}

fn duty_cycle(random: &mut Random, length: usize) -> Vec<f64> {
    let (period, phase, share) =
        (random.period(8.0, 200.0), random.unit(), random.between(0.1, 0.9));
    let settling = random.between(0.0, 0.9);
    let mut level = 0.0;
    let value = |t: usize| {
        let place = t as f64 / period + phase;
        let aim = if place - libm::floor(place) < share { 1.0 } else { 0.0 };
        level = settling * level + (1.0 - settling) * aim;
        level
    };
    noisy((0..length).map(value).collect(), random, 0.3)
}

/// Rare events, some of which bring others after them.
fn spiky_counts(random: &mut Random, length: usize) -> Vec<f64> {
    let (mean, burst, decay) =
        (random.period(0.1, 10.0), random.between(2.0, 20.0), random.between(0.0, 0.9));
    let mut load = 0.0;
    let mut values = Vec::with_capacity(length);
    for _ in 0..length {
        load *= decay;
        if random.unit() < 0.02 {
            load += burst * mean * random.unit();
        }
        values.push(random.poisson((mean + load).min(300.0)));
    }
    values
}

/// Gaussian, heavy-tailed or skewed.
fn noise(random: &mut Random, length: usize) -> Vec<f64> {
    let kind = random.below(3);
    let mut value = || {
        let normal = random.normal();
        match kind {
            0 => normal,
            1 => {
                let square: f64 = (0..3).map(|_| random.normal()).map(|x| x * x).sum();
                normal / (square / 3.0).sqrt()
            }
            _ => libm::exp(0.7 * normal),
        }
    };
    (0..length).map(|_| value()).collect()
}

/// Mean and standard deviation.
pub(crate) fn moments(values: &[f64]) -> (f64, f64) {
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    let square = values.iter().map(|value| (value - mean) * (value - mean)).sum::<f64>() / count;
    (mean, square.sqrt())
}

/// Spoils a window, newest first: a spike, a new level of the newest samples, or samples that are missing.
pub(crate) fn spoil(window: &mut [f32], random: &mut Random) {
    let size = (random.between(1.0, 3.0) * if random.below(2) == 0 { 1.0 } else { -1.0 }) as f32;
    let length = 1 + random.below(12);
    match random.below(3) {
        0 => window[random.below(window.len())] += size,
        1 => window[..length].iter_mut().for_each(|value| *value += size),
        _ => window[..length].fill(0.0),
    }
}
