//! What is left of a series when everything that explains it is taken away.

use super::random::Random;

/// A wandering number of mean 0 and variance 1 that forgets over a time (autoregressive, order 1).
#[derive(Debug, Clone, Copy)]
pub(super) struct Memory {
    /// Share kept from one step to the next.
    keep: f64,
    state: f64,
}

impl Memory {
    /// `memory_ms` is the time after which a share of 1/e is left; 0 means white noise.
    pub(super) fn new(memory_ms: i64, interval_ms: i64) -> Self {
        let keep =
            if memory_ms == 0 { 0.0 } else { libm::exp(-(interval_ms as f64) / memory_ms as f64) };
        Self { keep, state: 0.0 }
    }

    pub(super) fn next(&mut self, random: &mut Random) -> f64 {
        self.state =
            self.keep * self.state + (1.0 - self.keep * self.keep).sqrt() * random.normal();
        self.state
    }
}

/// What noise looks like.
#[derive(Debug, Clone, Copy)]
pub(super) struct Noise {
    pub(super) spread: Spread,
    /// Degrees of freedom of Student's t for the part without memory; none means normal.
    pub(super) student: Option<f64>,
    /// How long the part with memory remembers.
    pub(super) memory_ms: i64,
    /// Share of the variance that the part with memory has, 0 to 1.
    pub(super) memory_share: f64,
}

/// How large noise is.
#[derive(Debug, Clone, Copy)]
pub(super) enum Spread {
    /// Standard deviation in the unit of the series; symmetric.
    Absolute(f64),
    /// Standard deviation of the logarithm; skewed, never negative.
    Relative(f64),
}

impl Noise {
    /// White Gaussian noise in the unit of the series.
    pub(super) const fn absolute(deviation: f64) -> Self {
        let spread = Spread::Absolute(deviation);
        Self { spread, student: None, memory_ms: 0, memory_share: 0.0 }
    }

    /// White log-normal noise.
    pub(super) const fn relative(deviation: f64) -> Self {
        let spread = Spread::Relative(deviation);
        Self { spread, student: None, memory_ms: 0, memory_share: 0.0 }
    }

    /// The same with heavy tails.
    pub(super) const fn heavy(self, freedom: f64) -> Self {
        Self { student: Some(freedom), ..self }
    }

    /// The same with this share of its variance remembered for so long.
    pub(super) const fn remembering(self, memory_ms: i64, memory_share: f64) -> Self {
        Self { memory_ms, memory_share, ..self }
    }
}

/// Noise and where it stands.
#[derive(Debug, Clone)]
pub(super) struct NoiseState {
    noise: Noise,
    memory: Memory,
}

impl NoiseState {
    pub(super) fn new(noise: Noise, interval_ms: i64) -> Self {
        Self { noise, memory: Memory::new(noise.memory_ms, interval_ms) }
    }

    /// `level` with noise of `factor` times the usual size.
    pub(super) fn on(&mut self, level: f64, factor: f64, random: &mut Random) -> f64 {
        let share = self.noise.memory_share;
        let remembered = if share > 0.0 { share.sqrt() * self.memory.next(random) } else { 0.0 };
        let shock = match self.noise.student {
            None => random.normal(),
            Some(freedom) => random.student(freedom),
        };
        let deviation = factor * (remembered + (1.0 - share).sqrt() * shock);
        match self.noise.spread {
            Spread::Absolute(unit) => level + unit * deviation,
            Spread::Relative(unit) => level * libm::exp(unit * deviation),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::random::Purpose;
    use super::*;

    #[test]
    fn noise_with_memory_keeps_its_variance_and_correlates_with_its_past() {
        let noise = Noise::absolute(2.0).remembering(10 * 60_000, 1.0);
        let mut state = NoiseState::new(noise, 60_000);
        let mut random = Random::new(1, Purpose::Series(0));
        let values: Vec<f64> = (0..60_000).map(|_| state.on(5.0, 1.0, &mut random) - 5.0).collect();
        let moment = |lag: usize| {
            let products = values.iter().zip(&values[lag..]).map(|(a, b)| a * b);
            products.sum::<f64>() / (values.len() - lag) as f64
        };
        assert!((moment(0) / 4.0 - 1.0).abs() < 0.08, "{}", moment(0));
        let correlation = moment(10) / moment(0);
        assert!((correlation - libm::exp(-1.0)).abs() < 0.05, "{correlation}");
    }

    #[test]
    fn relative_noise_keeps_the_median_and_is_never_negative() {
        let mut state = NoiseState::new(Noise::relative(0.8).heavy(5.0), 60_000);
        let mut random = Random::new(1, Purpose::Series(0));
        let mut values: Vec<f64> = (0..10_001).map(|_| state.on(3.0, 1.0, &mut random)).collect();
        values.sort_by(f64::total_cmp);
        assert!(values[0] > 0.0);
        assert!((values[5000] - 3.0).abs() < 0.1, "{}", values[5000]);
    }
}
