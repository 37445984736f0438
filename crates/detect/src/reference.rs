//! Streaming detectors against somebody who keeps all samples and does it the slow and obvious way.

use proptest::collection::vec;
use proptest::prelude::*;

use crate::absent::{self, Absent};
use crate::flatline::{self, Flatline};
use crate::iqr::{self, Iqr};
use crate::params::{MinDeviation, WarmUp, Window};
use crate::predictor::Alone;
use crate::seasonal::{self, Seasonal};
use crate::tail::Tail;
use crate::testing::{Noise, run, run_every, surprise_at};
use crate::trend::Trend;
use crate::verdict::{Detector, Expected, Verdict};
use crate::window::QuantileWindow;
use crate::zscore::{self, RobustZscore, Zscore};

/// Samples a day where there is one in a quarter of an hour.
const DAY: usize = 96;
/// Median distance of a standard normal number from its mean.
const NORMAL_MAD: f64 = 0.674_489_750_196_082;

fn any_departure() -> MinDeviation {
    MinDeviation::new(0.0, 0.0).expect("nothing is too small")
}

fn warm_up(samples: usize) -> WarmUp {
    WarmUp::try_from(samples as u32).expect("within its range")
}

/// What is expected of the sample after `values`, while nothing was judged before.
fn expected_after<D: Detector>(detector: &D, values: &[f64]) -> Option<Expected> {
    let mut values = values.to_vec();
    values.push(1e9);
    match run(detector, &values).pop() {
        Some(Verdict::Scored { expected, .. }) => Some(expected),
        _ => None,
    }
}

/// The value below which a `share` of them lies, one of `values`.
fn quantile(values: &[f64], share: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    sorted[((sorted.len() - 1) as f64 * share) as usize]
}

fn is_near(one: f64, other: f64, scale: f64) -> bool {
    (one - other).abs() <= 1e-9 * scale.abs()
}

/// Lengths of the runs of equal values that are over before sample `index`, and of the one that it is in.
fn runs(values: &[f64], index: usize) -> (Vec<f64>, f64) {
    let mut lengths: Vec<f64> = values[..=index]
        .chunk_by(|a, b| a.to_bits() == b.to_bits())
        .map(|run| run.len() as f64)
        .collect();
    let present = lengths.pop().unwrap_or_default();
    (lengths, present)
}

/// Whether some run gets just as long as one has to be that begins to be long: then rounding decides.
fn hangs_in_the_balance(values: &[f64]) -> bool {
    let (mut lengths, last) = runs(values, values.len() - 1);
    lengths.push(last);
    (1..lengths.len()).any(|at| {
        let start = 2.0 * lengths[..at].iter().sum::<f64>() / at as f64;
        start > 5.0 && (start - start.round()).abs() < 1e-3 && lengths[at] >= start.round()
    })
}

/// Surprise of `flatline` at sample `index`, if nothing is ever forgotten and no run surprised.
fn stuck(values: &[f64], index: usize) -> f64 {
    let (finished, run) = runs(values, index);
    let start = |runs: &[f64]| {
        let mean = runs.iter().sum::<f64>() / runs.len().max(1) as f64;
        (2.0 * mean).max(5.0)
    };
    if run < start(&finished) {
        return 0.0;
    }
    let long = (0..finished.len()).map(|at| (finished[at], start(&finished[..at])));
    let long: Vec<_> = long.filter(|(length, start)| length >= start).collect();
    let beyond: f64 = long.iter().map(|(length, start)| length - start + 1.0).sum();
    let logs: f64 = long.iter().map(|(length, start)| libm::log(length / start)).sum();
    let share = (1.0 + beyond) / (50.0 + (index + 1) as f64 - run);
    let hill = (4.0 + long.len() as f64) / (2.0 + logs);
    -libm::log10(share.min(1.0)) + hill * libm::log10(run / start(&finished))
}

/// Surprises of `absent` for values that are 0 at their bottom, if nothing is ever forgotten.
fn dropped(values: &[f64]) -> Vec<f64> {
    // Weight of each sample, whether it was at the bottom, and whether the one before was.
    let mut seen: Vec<(f64, bool, bool)> = Vec::new();
    let mut surprises = Vec::new();
    for (index, &value) in values.iter().enumerate() {
        let stay = values[..=index].iter().rev().take_while(|value| **value == 0.0).count();
        let sum = |counts: fn(&(f64, bool, bool)) -> bool| -> f64 {
            seen.iter().filter(|row| counts(row)).map(|row| row.0).sum()
        };
        let bottom = sum(|row| row.1);
        let share = (1.0 + bottom) / (50.0 + sum(|_| true));
        let stays = (1.0 + sum(|row| row.2)) / (2.0 + bottom);
        let surprise = if value > 0.0 || share > 0.2 || index < 20 {
            0.0
        } else {
            -libm::log10(share) - (stay - 1) as f64 * libm::log10(stays)
        };
        let weight = if surprise >= 3.0 && stay > 1 { 0.1 } else { 1.0 };
        seen.push((weight, stay > 0, stay > 1));
        surprises.push(surprise);
    }
    surprises
}

/// Origin and scatter of the line through the means of finished blocks, as `trend` has them at sample `index`, five minutes
/// apart.
fn line(values: &[f64], index: usize) -> (f64, f64) {
    let mut block = 18;
    while index / block >= 32 && block < 288 {
        block *= 2;
    }
    let means: Vec<f64> = values[..index / block * block]
        .chunks(block)
        .map(|block| block.iter().sum::<f64>() / block.len() as f64)
        .collect();
    let means = &means[means.len().saturating_sub(32)..];
    let middle = |mut all: Vec<f64>| {
        all.sort_unstable_by(f64::total_cmp);
        all[all.len() / 2]
    };
    let slopes = (0..means.len()).flat_map(|later| {
        (0..later).map(move |before| (means[later] - means[before]) / (later - before) as f64)
    });
    let slope = middle(slopes.collect());
    let rest: Vec<f64> =
        means.iter().enumerate().map(|(place, mean)| mean - slope * place as f64).collect();
    let origin = middle(rest.clone());
    (origin, middle(rest.iter().map(|left| (left - origin).abs()).collect()) / NORMAL_MAD)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn zscore_has_the_weighted_mean_and_variance(
        values in vec(-50.0..90.0_f64, 10..400), window in 60..200_u32,
    ) {
        let params = zscore::Params {
            window: Window::try_from(window).expect("within its range"),
            warm_up_samples: warm_up(values.len()),
            robust: false,
        };
        let zscore = Alone::new(Zscore(params), any_departure(), Tail::new());
        let expected = expected_after(&zscore, &values).expect("warm");
        // The weight of a sample: what it was given, and what those after it left of that.
        let given = |index: usize| 1.0 / (f64::from(window + 1) / 2.0).min((index + 1) as f64);
        let weight = |index| given(index) * (index + 1..values.len()).map(|later| 1.0 - given(later)).product::<f64>();
        let weighted = |of: &dyn Fn(f64) -> f64| -> f64 {
            values.iter().enumerate().map(|(index, &value)| weight(index) * of(value)).sum()
        };
        let mean = weighted(&|value| value);
        let deviation = weighted(&|value| (value - mean) * (value - mean)).sqrt();
        prop_assert!(is_near(expected.center, mean, 100.0), "{expected:?} {mean}");
        prop_assert!(is_near(expected.scale_above, deviation, 100.0), "{expected:?} {deviation}");
    }

    #[test]
    fn few_values_have_their_exact_quartiles_and_median_deviation(values in vec(-50.0..90.0_f64, 10..48)) {
        let params = zscore::Params { robust: true, warm_up_samples: warm_up(values.len()), ..zscore::Params::default() };
        let robust = Alone::new(RobustZscore(params), any_departure(), Tail::new());
        let params = iqr::Params { warm_up_samples: warm_up(values.len()), ..iqr::Params::default() };
        let iqr = Alone::new(Iqr(params), any_departure(), Tail::new());
        let [first, median, third] = [0.25, 0.5, 0.75].map(|share| quantile(&values, share));
        let mut distances: Vec<f64> = values.iter().map(|value| (value - median).abs()).collect();
        distances.sort_unstable_by(f64::total_cmp);
        let expected = expected_after(&robust, &values).expect("warm");
        prop_assert!(is_near(expected.center, median, 1.0));
        prop_assert!(is_near(expected.scale_above, distances[values.len() / 2] / NORMAL_MAD, 100.0));
        let expected = expected_after(&iqr, &values).expect("warm");
        let least = (third - first) / 4.0;
        let [below, above] = [median - first, third - median].map(|side| side.max(least) / NORMAL_MAD);
        prop_assert!(is_near(expected.center, median, 1.0));
        prop_assert!(is_near(expected.scale_below, below, 100.0), "{expected:?} {below}");
        prop_assert!(is_near(expected.scale_above, above, 100.0), "{expected:?} {above}");
    }

    #[test]
    fn many_values_have_their_quartiles_within_two_buckets(
        seed in any::<u64>(), level in -1e4..1e4_f64, deviation in 0.1..1e3_f64, skewed in any::<bool>(),
    ) {
        let (mut window, mut noise) = (QuantileWindow::default(), Noise::new(seed));
        let mut seen = Vec::new();
        for _ in 0..1000 {
            let normal = noise.normal();
            let shape = if skewed { libm::exp(0.8 * normal) } else { normal };
            seen.push(level + deviation * shape);
            window.insert(seen[seen.len() - 1], 360);
            // Quartiles are read at every eighth sample.
            if seen.len() < 100 || seen.len() % 8 > 0 {
                continue;
            }
            let held = &seen[seen.len().saturating_sub(360)..];
            let [first, median, third] = [0.25, 0.5, 0.75].map(|share| quantile(held, share));
            let read = window.quartiles().expect("not empty");
            // One that a value is in, and one that it was in before buckets were laid anew; an eighth of the spread each.
            let bound = (third - first) / 4.0;
            for (ours, theirs) in [(read.first, first), (read.median, median), (read.third, third)] {
                prop_assert!((ours - theirs).abs() <= bound, "{} {ours} {theirs} {bound}", seen.len());
            }
        }
    }

    #[test]
    fn flatline_says_what_the_list_of_all_runs_says(lengths in vec(1..=7_usize, 20..60)) {
        let run_of = |(at, &length): (usize, &usize)| std::iter::repeat_n((at % 3) as f64, length);
        let values: Vec<f64> = lengths.iter().enumerate().flat_map(run_of).collect();
        prop_assume!(!hangs_in_the_balance(&values));
        let params = flatline::Params { warm_up_samples: warm_up(10) };
        let verdicts = run(&Flatline::new(params, any_departure()), &values);
        for index in 10..values.len() {
            let (ours, theirs) = (surprise_at(&verdicts, index), stuck(&values, index));
            // What is forgotten of some hundred samples is less than that.
            prop_assert!((ours - theirs).abs() < 0.02, "{index} {ours} {theirs}");
        }
    }

    #[test]
    fn absent_says_what_the_list_of_all_samples_says(
        stays in vec((1..40_usize, 1..5_usize), 5..25),
    ) {
        let usual = [3.0, 5.0, 4.0];
        let values: Vec<f64> = std::iter::repeat_n(usual, 7).flatten()
            .chain(stays.iter().flat_map(|&(up, down)| {
                (0..up).map(|at| usual[at % 3]).chain(std::iter::repeat_n(0.0, down)).collect::<Vec<_>>()
            }))
            .map(|value| if value > 0.0 { value + 1.0 } else { 0.0 })
            .collect();
        let params = absent::Params { warm_up_samples: warm_up(20) };
        // The first value is above the smallest but one, so nothing but 0 is ever the bottom from the second on.
        let mut values = values;
        values[0] = 9.0;
        let mut all = vec![0.0, 9.0];
        all.extend(values);
        let verdicts = run(&Absent::new(params, any_departure()), &all);
        for (index, theirs) in dropped(&all).into_iter().enumerate().skip(20) {
            let ours = surprise_at(&verdicts, index);
            prop_assert!((ours - theirs).abs() < 0.05, "{index} {ours} {theirs}");
        }
    }

    #[test]
    fn trend_lays_its_line_through_the_means_of_all_blocks(
        seed in any::<u64>(), slope in -0.01..0.01_f64, length in 600..11_000_usize,
    ) {
        let mut noise = Noise::new(seed);
        let values: Vec<f64> = (0..length).map(|index| slope * index as f64 + noise.normal()).collect();
        let verdicts = run_every(&Trend::new(any_departure()), 300_000, &values);
        let last = length - 1;
        let Verdict::Scored { expected, .. } = verdicts[last] else { panic!("{:?}", verdicts[last]) };
        let (origin, scatter) = line(&values, last);
        prop_assert!(is_near(expected.center, origin, 100.0), "{expected:?} {origin}");
        prop_assert!(is_near(expected.scale_above, scatter, 100.0), "{expected:?} {scatter}");
    }

    #[test]
    fn seasonal_knows_the_mean_day(hours in vec(-20.0..20.0_f64, 24), seed in any::<u64>()) {
        let seasonal = Alone::new(Seasonal(seasonal::Params::default()), any_departure(), Tail::new());
        let mut noise = Noise::new(seed);
        // Linear between hours, four samples each.
        let day = |at: usize| {
            let (hour, part) = (at / 4 % 24, (at % 4) as f64 / 4.0);
            hours[hour] * (1.0 - part) + hours[(hour + 1) % 24] * part
        };
        let values: Vec<f64> = (0..29 * DAY).map(|index| day(index + 94) + 0.3 * noise.normal()).collect();
        let verdicts = run_every(&seasonal, 900_000, &values);
        for at in 28 * DAY..29 * DAY {
            let days: Vec<f64> = (1..=14).map(|day| values[at - day * DAY]).collect();
            let mean = days.iter().sum::<f64>() / days.len() as f64;
            let Verdict::Scored { expected, .. } = verdicts[at] else { panic!("{:?}", verdicts[at]) };
            // Newer days count for more, and hours may be 40 apart.
            prop_assert!((expected.center - mean).abs() < 3.0, "{at} {} {mean}", expected.center);
        }
    }
}
