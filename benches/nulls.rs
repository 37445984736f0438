//! Seeded series in which nothing happens, of the classes that calibration and alert budget are measured on.

use std::f64::consts::TAU;

/// Samples of a daily wave at one a minute.
const DAY: f64 = 1440.0;

/// Seeded noise (`SplitMix64`; Steele, Lea & Flood 2014).
#[derive(Debug, Clone)]
pub struct Noise(u64);

impl Noise {
    /// Noise that follows from `seed` alone.
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(7919).wrapping_add(13))
    }

    /// A uniform number: 0 to, but not including, 1.
    pub fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// A standard normal number (Box & Muller 1958).
    pub fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.uniform()).ln()).sqrt();
        radius * (TAU * self.uniform()).cos()
    }

    fn chi_square(&mut self, degrees: usize) -> f64 {
        (0..degrees).map(|_| self.normal()).map(|x| x * x).sum()
    }

    fn poisson(&mut self, mean: f64) -> f64 {
        let (least, mut count, mut product) = ((-mean).exp(), 0.0, self.uniform());
        while product > least {
            count += 1.0;
            product *= self.uniform();
        }
        count
    }
}

/// A class of series in which nothing happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Null {
    /// Standard normal.
    Gaussian,
    /// Student's t with 3 degrees of freedom.
    HeavyTailed,
    /// 0.9 of the sample before and standard normal noise.
    Autoregressive,
    /// A daily wave of amplitude 3 and standard normal noise.
    Seasonal,
    /// Log-normal: the exponential of a standard normal number.
    Skewed,
    /// Poisson with mean 0.01.
    RareCounts,
    /// Poisson with mean 5.
    Counts,
    /// Standard normal, rounded to whole numbers.
    Rounded,
    /// 1 with a chance of 0.002, else 0.
    Binary,
}

impl Null {
    /// Those with a density.
    pub const CONTINUOUS: [Self; 5] =
        [Self::Gaussian, Self::HeavyTailed, Self::Autoregressive, Self::Seasonal, Self::Skewed];
    /// Those of whole numbers.
    pub const DISCRETE: [Self; 4] = [Self::RareCounts, Self::Counts, Self::Rounded, Self::Binary];

    /// 1.4826 times the median absolute deviation of what is normal around what is expected: of the values
    /// themselves or, with a season, of what remains without it. Only of those on which incidents are measured.
    pub fn robust_deviation(self) -> Option<f64> {
        match self {
            Self::Gaussian | Self::Seasonal => Some(1.0),
            Self::Autoregressive => Some(1.0 / 0.19_f64.sqrt()),
            _ => None,
        }
    }

    /// A series, sample by sample, one a minute.
    pub fn series(self, seed: u64) -> impl Iterator<Item = f64> {
        let (mut noise, mut level, mut index) = (Noise::new(seed), 0.0, (seed * 97) as f64 % DAY);
        std::iter::repeat_with(move || {
            index += 1.0;
            match self {
                Self::Gaussian => noise.normal(),
                Self::HeavyTailed => noise.normal() / (noise.chi_square(3) / 3.0).sqrt(),
                Self::Autoregressive => {
                    level = 0.9 * level + noise.normal();
                    level
                }
                Self::Seasonal => 3.0 * (index * TAU / DAY).sin() + noise.normal(),
                Self::Skewed => noise.normal().exp(),
                Self::RareCounts => noise.poisson(0.01),
                Self::Counts => noise.poisson(5.0),
                Self::Rounded => noise.normal().round(),
                Self::Binary => f64::from(u8::from(noise.uniform() < 0.002)),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn robust_deviations_are_those_of_the_series() {
        for null in [Null::Gaussian, Null::Autoregressive] {
            let mut sizes: Vec<f64> = null.series(5).map(f64::abs).take(200_000).collect();
            sizes.sort_by(f64::total_cmp);
            let ratio = 1.4826 * sizes[sizes.len() / 2] / null.robust_deviation().unwrap();
            assert!((ratio - 1.0).abs() < 0.03, "{null:?} {ratio}");
        }
    }
}
