//! A surprise of k happens once in 10^k observations: measured on stationary null series.
//!
//! 200 series of 20,000 scored observations after 2,000 of warm-up, 40 of each continuous class, and 80 discrete ones.
//! `cargo test --release -p bellwether-detect --test calibration -- --nocapture` prints the shares.

use bellwether_detect::calibrate::Calibration;
use bellwether_detect::fuse;
use bellwether_detect::ladder::{Ladder, Prior};

const WARM: usize = 2_000;
const SCORED: usize = 20_000;
const SERIES: u64 = 40;
const LEVELS: usize = 4;

/// Seeded noise (`SplitMix64`; Steele, Lea & Flood 2014).
struct Noise(u64);

impl Noise {
    fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn normal(&mut self) -> f64 {
        let radius = (-2.0 * libm::log(1.0 - self.uniform())).sqrt();
        radius * libm::cos(std::f64::consts::TAU * self.uniform())
    }

    fn chi_square(&mut self, degrees: usize) -> f64 {
        (0..degrees).map(|_| self.normal()).map(|x| x * x).sum()
    }

    fn poisson(&mut self, mean: f64) -> f64 {
        let (least, mut count, mut product) = (libm::exp(-mean), 0.0, self.uniform());
        while product > least {
            count += 1.0;
            product *= self.uniform();
        }
        count
    }
}

#[derive(Debug, Clone, Copy)]
enum Null {
    Gaussian,
    HeavyTailed,
    Autoregressive,
    Seasonal,
    Skewed,
    ChiSquare,
    RareCounts,
    Counts,
    Rounded,
    Binary,
}

const CONTINUOUS: [Null; 5] =
    [Null::Gaussian, Null::HeavyTailed, Null::Autoregressive, Null::Seasonal, Null::Skewed];
const DISCRETE: [Null; 4] = [Null::RareCounts, Null::Counts, Null::Rounded, Null::Binary];

impl Null {
    fn series(self, seed: u64) -> Vec<f64> {
        let mut noise = Noise(seed.wrapping_mul(7919).wrapping_add(13));
        let mut level = 0.0;
        let mut value = |index: usize| match self {
            Self::Gaussian => noise.normal(),
            Self::HeavyTailed => noise.normal() / (noise.chi_square(3) / 3.0).sqrt(),
            Self::Autoregressive => {
                level = 0.9 * level + noise.normal();
                level
            }
            Self::Seasonal => {
                3.0 * libm::sin(index as f64 * std::f64::consts::TAU / 1440.0) + noise.normal()
            }
            Self::Skewed => libm::exp(noise.normal()),
            Self::ChiSquare => noise.chi_square(10),
            Self::RareCounts => noise.poisson(0.01),
            Self::Counts => noise.poisson(5.0),
            Self::Rounded => libm::round(noise.normal()),
            Self::Binary => f64::from(u8::from(noise.uniform() < 0.002)),
        };
        (0..WARM + SCORED).map(&mut value).collect()
    }
}

/// Share of scored observations with a surprise of at least 1, 2, 3, 4 in units of 10^-1 to 10^-4; 1 is perfect.
fn shares(series: u64, surprises: impl Fn(u64) -> Vec<f64>) -> [f64; LEVELS] {
    let mut counts = [0_usize; LEVELS];
    for seed in 0..series {
        for surprise in surprises(seed).into_iter().skip(WARM) {
            for (level, count) in counts.iter_mut().enumerate() {
                *count += usize::from(surprise >= (level + 1) as f64);
            }
        }
    }
    let observations = series as f64 * SCORED as f64;
    std::array::from_fn(|level| {
        counts[level] as f64 / observations * libm::exp10((level + 1) as f64)
    })
}

/// Surprises of the magnitude of each value.
fn calibrated(values: &[f64]) -> Vec<f64> {
    let mut calibration = Calibration::default();
    values.iter().map(|x| calibration.observe(x.abs(), 1.0).unwrap_or(0.0)).collect()
}

#[test]
fn a_surprise_of_k_happens_once_in_ten_to_the_k() {
    for null in CONTINUOUS.into_iter().chain([Null::ChiSquare]) {
        let shares = shares(SERIES, |seed| calibrated(&null.series(seed)));
        println!("{null:?} {shares:.2?}");
        assert!(shares.iter().all(|share| (0.5..=2.0).contains(share)), "{null:?} {shares:?}");
    }
}

#[test]
fn a_surprise_about_discrete_scores_is_no_more_frequent() {
    for null in DISCRETE {
        let shares = shares(SERIES / 2, |seed| calibrated(&null.series(seed)));
        println!("{null:?} {shares:.2?}");
        assert!(shares.iter().all(|&share| share <= 2.0), "{null:?} {shares:?}");
    }
}

/// As a bank has it for the base tier.
const FUSED: Prior = Prior { slope: 0.95, rows: 3000.0, steadiness: 0.0 };

/// Fused surprises of three ways to look at a series that depend on each other.
fn fused(values: &[f64]) -> Vec<f64> {
    let (mut calibrations, mut ladder) = ([Calibration::default(); 3], Ladder::new(&FUSED));
    let (mut last, mut mean) = (values[0], values[0]);
    let mut surprise = |&value: &f64| {
        let scores = [value.abs(), (value - last).abs(), (value - mean).abs()];
        last = value;
        mean += (value - mean) / 100.0;
        let surprises =
            calibrations.iter_mut().zip(scores).filter_map(|(one, score)| one.observe(score, 1.0));
        fuse::of_signal(surprises).map_or(0.0, |fused| ladder.observe(fused, 1.0, &FUSED))
    };
    values.iter().map(&mut surprise).collect()
}

/// Surprises of a group of eight signals, half of what happens in each is common to all.
fn grouped(null: Null, seed: u64) -> Vec<f64> {
    let common = null.series(seed);
    let signals: Vec<Vec<f64>> = (1..9)
        .map(|own| {
            let mixed = null.series(1000 * own + seed).into_iter().zip(&common);
            calibrated(&mixed.map(|(own, common)| own + common).collect::<Vec<_>>())
        })
        .collect();
    let mut ladder = Ladder::new(&FUSED);
    let row = |row| fuse::of_group(signals.iter().map(|signal| signal[row])).unwrap_or(0.0);
    (0..common.len()).map(|index| ladder.observe(row(index), 1.0, &FUSED)).collect()
}

#[test]
fn what_is_fused_is_calibrated() {
    for null in CONTINUOUS {
        let signal = shares(SERIES, |seed| fused(&null.series(seed)));
        let group = shares(SERIES / 4, |seed| grouped(null, seed));
        println!("{null:?} signal {signal:.2?} group {group:.2?}");
        assert!(signal.iter().all(|share| (0.5..=2.0).contains(share)), "{null:?} {signal:?}");
        assert!(group[..3].iter().all(|share| (0.5..=2.0).contains(share)), "{null:?} {group:?}");
    }
}
