//! What holds for all detectors of the base tier that watch more than one sample: they are silent on noise, and any
//! finite input gives a finite verdict.

use bellwether_series::Timestamp;
use proptest::prelude::*;

use crate::absent::{self, Absent, Arrivals};
use crate::changepoint::{self, Changepoint};
use crate::flatline::{self, Flatline};
use crate::local_time::LocalTime;
use crate::params::MinDeviation;
use crate::scatter::Scatter;
use crate::tail::SURPRISE_MAX;
use crate::testing::{Noise, run, surprise_at};
use crate::trend::Trend;
use crate::verdict::{Detector, Observation, Verdict};

#[derive(Debug, Clone, Copy)]
enum Null {
    Gaussian,
    Autoregressive,
    Seasonal,
    StrongSeason,
    HeavyTailed,
    RandomWalk,
}

impl Null {
    fn series(self, seed: u64, samples: usize) -> Vec<f64> {
        let mut noise = Noise::new(seed);
        let mut state = 0.0;
        let mut value = |index: usize| {
            let normal = noise.normal();
            let season = libm::sin(std::f64::consts::TAU * index as f64 / 1440.0 + seed as f64);
            match self {
                Self::Gaussian => normal,
                Self::Autoregressive => {
                    state = 0.9 * state + 0.19_f64.sqrt() * normal;
                    state
                }
                Self::Seasonal => 1.4 * season + normal,
                Self::StrongSeason => 5.0 * season + normal,
                Self::HeavyTailed => {
                    let square: f64 = (0..3).map(|_| noise.normal()).map(|x| x * x).sum();
                    normal / (square / 3.0).sqrt()
                }
                Self::RandomWalk => {
                    state += normal;
                    state
                }
            }
        };
        (0..samples).map(|index| 100.0 + 10.0 * value(index)).collect()
    }
}

/// Share of samples with a surprise of at least 4, over 50 series of 20,000 samples.
fn false_alarms<D: Detector>(detector: &D, null: Null) -> f64 {
    let (series, samples) = (50, 20_000);
    let alarms = |seed| {
        let verdicts = run(detector, &null.series(seed, samples));
        (0..samples).filter(|&index| surprise_at(&verdicts, index) >= 4.0).count()
    };
    (0..series).map(alarms).sum::<usize>() as f64 / (series as usize * samples) as f64
}

#[test]
fn noise_of_any_kind_is_no_change_point() {
    let detector = Changepoint::new(changepoint::Params::default(), MinDeviation::default());
    for null in [
        Null::Gaussian,
        Null::Autoregressive,
        Null::Seasonal,
        Null::StrongSeason,
        Null::HeavyTailed,
        Null::RandomWalk,
    ] {
        let share = false_alarms(&detector, null);
        assert!(share <= 2e-4, "{null:?}: {share}");
    }
}

#[test]
fn noise_is_neither_stuck_nor_absent_nor_a_trend_nor_restless() {
    let deviation = MinDeviation::default();
    let stuck = Flatline::new(flatline::Params::default(), deviation);
    let absent = Absent::new(absent::Params::default(), deviation);
    let (trend, scatter) = (Trend::new(deviation), Scatter::new(deviation));
    for null in [Null::Gaussian, Null::Autoregressive, Null::StrongSeason, Null::HeavyTailed] {
        let shares = [
            false_alarms(&stuck, null),
            false_alarms(&absent, null),
            false_alarms(&trend, null),
            false_alarms(&scatter, null),
        ];
        assert!(shares.iter().all(|&share| share <= 2e-4), "{null:?}: {shares:?}");
    }
}

#[test]
fn a_change_point_depends_neither_on_unit_nor_on_origin_and_one_outlier_is_none() {
    let deviation = MinDeviation::new(0.0, 0.0).expect("both are 0");
    let detector = Changepoint::new(changepoint::Params::default(), deviation);
    let mut values = Null::Gaussian.series(3, 3000);
    values[1500] = 1e6;
    values[2000..].iter_mut().for_each(|value| *value += 20.0);
    let ours = run(&detector, &values);
    assert!((1000..2000).all(|index| surprise_at(&ours, index) < 4.0));
    for (factor, offset) in [(1e6, 0.0), (1e-3, 0.0), (-1.0, 0.0), (1.0, 1e4)] {
        let moved: Vec<f64> = values.iter().map(|value| factor * value + offset).collect();
        let theirs = run(&detector, &moved);
        for index in 0..values.len() {
            let (a, b) = (surprise_at(&ours, index), surprise_at(&theirs, index));
            assert!((a - b).abs() < 0.01, "{factor} {offset} {index}: {a} {b}");
        }
    }
}

#[test]
fn a_change_points_state_fits_its_budget() {
    assert!(size_of::<changepoint::State>() <= 96);
}

fn is_sound(verdict: &Verdict) -> bool {
    let Verdict::Scored { surprise, expected } = verdict else { return true };
    let widths = [expected.scale_below, expected.scale_above];
    (0.0..=SURPRISE_MAX).contains(surprise)
        && expected.center.is_finite()
        && widths.iter().all(|width| width.is_finite() && *width > 0.0)
}

fn check<D: Detector>(detector: &D, inputs: &[(f64, i64)], scale_floor: f64) -> bool {
    let mut state = D::State::default();
    let mut time_ms = 1_767_571_200_000;
    inputs.iter().all(|&(value, elapsed_ms)| {
        time_ms += elapsed_ms;
        let timestamp = Timestamp::from_ms(time_ms);
        let interval_ms = 600_000;
        let observation = Observation {
            timestamp,
            local: LocalTime::utc(timestamp),
            value,
            interval_ms,
            scale_floor,
        };
        is_sound(&detector.observe(&mut state, &observation))
    })
}

/// Runs of values of any size, of the same value, and of noise.
fn inputs() -> impl Strategy<Value = Vec<(f64, i64)>> {
    let value = prop_oneof![
        -1e120..1e120_f64,
        -1e-300..1e-300_f64,
        -10.0..10.0_f64,
        Just(0.0),
        Just(1e120),
        Just(-1e120),
    ];
    let elapsed = prop_oneof![Just(600_000_i64), Just(0), -1000..100_000_000_i64];
    let stretch = (proptest::collection::vec(value, 1..4), 1..200_usize, elapsed);
    proptest::collection::vec(stretch, 1..12).prop_map(|stretches| {
        let repeat = |(values, length, elapsed): (Vec<f64>, usize, i64)| {
            (0..length).map(move |index| (values[index % values.len()], elapsed))
        };
        stretches.into_iter().flat_map(repeat).collect()
    })
}

proptest! {
    #[test]
    fn any_finite_input_gives_a_finite_verdict(
        inputs in inputs(), floor in prop_oneof![Just(0.0), 0.0..1e120_f64, Just(1e-300)],
    ) {
        for deviation in [MinDeviation::default(), MinDeviation::new(0.0, 0.0).expect("both are 0")] {
            let changepoint = Changepoint::new(changepoint::Params::default(), deviation);
            prop_assert!(check(&changepoint, &inputs, floor));
            prop_assert!(check(&Flatline::new(flatline::Params::default(), deviation), &inputs, floor));
            prop_assert!(check(&Absent::new(absent::Params::default(), deviation), &inputs, floor));
            prop_assert!(check(&Trend::new(deviation), &inputs, floor));
            prop_assert!(check(&Scatter::new(deviation), &inputs, floor));
        }
    }

    #[test]
    fn any_silence_has_a_finite_surprise(
        elapsed in proptest::collection::vec(any::<i64>(), 0..100), silence in any::<i64>(),
    ) {
        let mut arrivals = Arrivals::default();
        for elapsed_ms in elapsed {
            arrivals.learn(elapsed_ms);
            let surprise = arrivals.surprise(silence).unwrap_or(0.0);
            prop_assert!((0.0..=SURPRISE_MAX).contains(&surprise));
        }
    }
}
