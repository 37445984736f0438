//! Unit and origin are no part of a verdict: of `a x + b` a detector says what it says of `x`.
//!
//! Factors are powers of two, so that only the origin costs digits. What a departure must be in the unit of the signal
//! is off, as it is meant to know unit and origin.

use proptest::prelude::*;

use crate::changepoint::{self, Changepoint};
use crate::iqr::{self, Iqr};
use crate::params::MinDeviation;
use crate::predictor::Alone;
use crate::scatter::Scatter;
use crate::seasonal::{self, Seasonal};
use crate::tail::Tail;
use crate::testing::{Noise, run_every};
use crate::trend::Trend;
use crate::verdict::{Detector, Verdict};
use crate::zscore::{self, RobustZscore, Zscore};

const DAY: usize = 144;
const DAYS: usize = 9;
const INTERVAL_MS: i64 = 600_000;

/// A daily wave with noise, spikes, and a slope and wider noise from the middle on.
fn values(seed: u64) -> Vec<f64> {
    let mut noise = Noise::new(seed);
    let value = |index: usize| {
        let wave = libm::sin(std::f64::consts::TAU * index as f64 / DAY as f64);
        let late = index.saturating_sub(DAY * DAYS / 2) as f64;
        let wide = if late > 400.0 { 6.0 } else { 1.0 };
        let spike = if index % 211 == 210 { 30.0 } else { 0.0 };
        5.0 * wave + 0.01 * late + spike + wide * noise.normal()
    };
    (0..DAY * DAYS).map(value).collect()
}

/// Largest difference in surprise, and in the centre in scales; `None` unless both say something, and of the same samples.
fn differences<D: Detector>(detector: &D, seed: u64, a: f64, b: f64) -> Option<(f64, f64)> {
    differences_above(1.0, detector, seed, a, b)
}

/// The same where both are to say something once that is more surprising than `surprise_min`.
fn differences_above<D: Detector>(
    surprise_min: f64,
    detector: &D,
    seed: u64,
    a: f64,
    b: f64,
) -> Option<(f64, f64)> {
    let plain = values(seed);
    let moved: Vec<f64> = plain.iter().map(|value| a * value + b).collect();
    let verdicts = [plain, moved].map(|values| run_every(detector, INTERVAL_MS, &values));
    let (mut most, mut scored) = ((0.0_f64, 0.0_f64), false);
    for (ours, theirs) in verdicts[0].iter().zip(&verdicts[1]) {
        match (ours, theirs) {
            (
                Verdict::Scored { surprise, expected },
                Verdict::Scored { surprise: other, expected: moved },
            ) => {
                scored |= *surprise > surprise_min;
                let center = (a * expected.center + b - moved.center).abs() / moved.scale_above;
                most = (most.0.max((surprise - other).abs()), most.1.max(center));
            }
            (ours, theirs) if ours == theirs => {}
            _ => return None,
        }
    }
    scored.then_some(most)
}

proptest! {
    #![proptest_config(ProptestConfig { max_shrink_iters: 20, ..ProptestConfig::with_cases(6) })]

    #[test]
    fn unit_and_origin_are_no_part_of_a_verdict(
        seed in any::<u64>(), power in -12..12_i32, origin in -1000.0..1000.0_f64,
    ) {
        let a = f64::from(2.0_f32.powi(power));
        let b = a * origin;
        let min_deviation = MinDeviation::new(0.0, 0.0).expect("nothing is too small");
        let tail = Tail::new();
        let zscore = Alone::new(Zscore(zscore::Params::default()), min_deviation, tail.clone());
        let params = zscore::Params { robust: true, ..zscore::Params::default() };
        let robust = Alone::new(RobustZscore(params), min_deviation, tail.clone());
        let iqr = Alone::new(Iqr(iqr::Params::default()), min_deviation, tail.clone());
        let seasonal = Alone::new(Seasonal(seasonal::Params::default()), min_deviation, tail);
        let changepoint = Changepoint::new(changepoint::Params::default(), min_deviation);
        let all = [
            ("zscore", differences(&zscore, seed, a, b)),
            ("robust", differences(&robust, seed, a, b)),
            ("iqr", differences(&iqr, seed, a, b)),
            ("seasonal", differences(&seasonal, seed, a, b)),
            // How much a trend surprises depends on the noise.
            ("trend", differences_above(0.0, &Trend::new(min_deviation), seed, a, b)),
            ("changepoint", differences(&changepoint, seed, a, b)),
            ("scatter", differences(&Scatter::new(min_deviation), seed, a, b)),
        ];
        for (name, differences) in all {
            let within = differences.is_some_and(|(surprise, center)| surprise < 0.05 && center < 0.05);
            prop_assert!(within, "{name} {differences:?}");
        }
    }
}
