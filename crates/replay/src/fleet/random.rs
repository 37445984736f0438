//! Seeded randomness: one independent stream per series, driver and plan.

use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{Rng, SeedableRng};

/// What a stream of random numbers is for. Streams of different purposes are independent, so that
/// one more draw in one of them changes no other.
#[derive(Debug, Clone, Copy)]
pub(super) enum Purpose {
    /// Levels and gains of the series.
    Catalogue,
    /// Times, places and sizes of incidents and of upkeep.
    Schedule,
    /// The noise of the driver with this index.
    Driver(usize),
    /// The noise of the series with this index.
    Series(usize),
}

/// A stream of random numbers: equal seeds and purposes give equal numbers.
#[derive(Debug, Clone)]
pub(super) struct Random {
    core: Xoshiro256PlusPlus,
    spare_normal: Option<f64>,
}

impl Random {
    pub(super) fn new(seed: u64, purpose: Purpose) -> Self {
        let (domain, index) = match purpose {
            Purpose::Catalogue => (1, 0),
            Purpose::Schedule => (2, 0),
            Purpose::Driver(index) => (3, index as u64),
            Purpose::Series(index) => (4, index as u64),
        };
        let root = Xoshiro256PlusPlus::seed_from_u64(seed).next_u64();
        let domain = Xoshiro256PlusPlus::seed_from_u64(root.wrapping_add(domain)).next_u64();
        Self {
            core: Xoshiro256PlusPlus::seed_from_u64(domain.wrapping_add(index)),
            spare_normal: None,
        }
    }

    /// Uniform, `0 <= x < 1`.
    pub(super) fn uniform(&mut self) -> f64 {
        (self.core.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Uniform, `low <= x < high`.
    pub(super) fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.uniform()
    }

    /// Log-uniform, `low <= x < high`, both positive: 2 to 4 is as likely as 4 to 8.
    pub(super) fn between_log(&mut self, low: f64, high: f64) -> f64 {
        low * libm::exp(self.uniform() * libm::log(high / low))
    }

    /// Uniform over `0..count`; `count` is small, so the bias is not measurable.
    pub(super) fn below(&mut self, count: usize) -> usize {
        (self.uniform() * count as f64) as usize
    }

    /// One of `choices`, or none if there are none.
    pub(super) fn choose<T: Copy>(&mut self, choices: &[T]) -> Option<T> {
        choices.get(self.below(choices.len())).copied()
    }

    /// Puts `items` in random order (Fisher and Yates).
    pub(super) fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last + 1));
        }
    }

    /// Standard normal (Marsaglia and Bray 1964, polar).
    pub(super) fn normal(&mut self) -> f64 {
        if let Some(spare) = self.spare_normal.take() {
            return spare;
        }
        let (u, v, w) = self.in_unit_disc();
        let factor = (-2.0 * libm::log(w) / w).sqrt();
        self.spare_normal = Some(v * factor);
        u * factor
    }

    /// Student's t, scaled to variance 1; `freedom` above 2 (Bailey 1994, polar).
    pub(super) fn student(&mut self, freedom: f64) -> f64 {
        let (u, _, w) = self.in_unit_disc();
        let t = u * (freedom * (libm::pow(w, -2.0 / freedom) - 1.0) / w).sqrt();
        t * ((freedom - 2.0) / freedom).sqrt()
    }

    /// A count with this mean; from 30 up the normal approximation.
    pub(super) fn poisson(&mut self, mean: f64) -> f64 {
        if mean >= 30.0 {
            return (mean + mean.sqrt() * self.normal()).round().max(0.0);
        }
        let floor = libm::exp(-mean);
        let mut product = self.uniform();
        let mut count = 0.0;
        while product > floor {
            product *= self.uniform();
            count += 1.0;
        }
        count
    }

    /// A point of the unit disc other than its centre, and its squared radius.
    fn in_unit_disc(&mut self) -> (f64, f64, f64) {
        loop {
            let (u, v) = (self.between(-1.0, 1.0), self.between(-1.0, 1.0));
            let w = u * u + v * v;
            if 0.0 < w && w < 1.0 {
                return (u, v, w);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moments(mut draw: impl FnMut(&mut Random) -> f64) -> (f64, f64) {
        let mut random = Random::new(7, Purpose::Series(3));
        let draws: Vec<f64> = (0..40_000).map(|_| draw(&mut random)).collect();
        let mean = draws.iter().sum::<f64>() / draws.len() as f64;
        let squares = draws.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>();
        (mean, squares / draws.len() as f64)
    }

    #[test]
    fn normal_and_student_have_mean_zero_and_variance_one() {
        let (mean, variance) = moments(Random::normal);
        assert!(mean.abs() < 0.02 && (variance - 1.0).abs() < 0.03, "{mean} {variance}");
        let (mean, variance) = moments(|random| random.student(5.0));
        assert!(mean.abs() < 0.02 && (variance - 1.0).abs() < 0.1, "{mean} {variance}");
    }

    #[test]
    fn student_has_the_heavier_tail() {
        let mut random = Random::new(7, Purpose::Schedule);
        let far = |x: f64| usize::from(x.abs() > 4.0);
        let student: usize = (0..40_000).map(|_| far(random.student(4.0))).sum();
        let normal: usize = (0..40_000).map(|_| far(random.normal())).sum();
        assert!(student > 10 * normal.max(5), "{student} {normal}");
    }

    #[test]
    fn counts_have_their_mean_and_the_same_variance_on_both_sides_of_the_approximation() {
        for expected in [0.1, 4.0, 29.0, 31.0, 400.0] {
            let (mean, variance) = moments(|random| random.poisson(expected));
            assert!((mean / expected - 1.0).abs() < 0.05, "{expected}: {mean}");
            assert!((variance / expected - 1.0).abs() < 0.08, "{expected}: {variance}");
        }
    }

    #[test]
    fn streams_of_other_seeds_and_purposes_differ() {
        let first = |seed, purpose| Random::new(seed, purpose).uniform();
        let draws = [
            first(1, Purpose::Series(0)),
            first(1, Purpose::Series(1)),
            first(2, Purpose::Series(0)),
            first(1, Purpose::Driver(0)),
            first(1, Purpose::Schedule),
            first(1, Purpose::Catalogue),
        ];
        for (i, a) in draws.iter().enumerate() {
            assert!(draws[..i].iter().all(|b| (a - b).abs() > 1e-9), "{draws:?}");
        }
    }
}
