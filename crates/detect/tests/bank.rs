//! A whole bank, both tiers: whatever comes in, what comes out is a judgement, and the slot it comes from is no part of it.

use bellwether_detect::tail::SURPRISE_MAX;
use bellwether_detect::{
    Bank, DetectorName, DetectorSpec, Direction, Expected, Judgement, LocalTime, MinDeviation,
    Tables, absent, changepoint, flatline, forecast, threshold, zscore,
};
use bellwether_series::{Sample, Timestamp};
use postcard::Deserializer;
use proptest::collection::vec;
use proptest::prelude::*;

/// The detectors that judge by default, and the rest of the deep tier.
fn bank(direction: Direction) -> Bank {
    let mut detectors = DetectorSpec::defaults();
    let mut add = |spec: DetectorSpec| {
        if detectors.iter().all(|present| present.name() != spec.name()) {
            detectors.push(spec);
        }
    };
    add(DetectorSpec::IsolationForest);
    add(DetectorSpec::Autoencoder);
    bank_of(&detectors, direction)
}

/// All detectors that have a state.
fn every_detector() -> Vec<DetectorSpec> {
    let mut detectors = DetectorSpec::defaults();
    detectors.extend([
        DetectorSpec::Exhaustion(forecast::ExhaustionParams::default()),
        DetectorSpec::Changepoint(changepoint::Params::default()),
        DetectorSpec::Trend,
        DetectorSpec::Flatline(flatline::Params::default()),
        DetectorSpec::Absent(absent::Params::default()),
        DetectorSpec::IsolationForest,
        DetectorSpec::Autoencoder,
    ]);
    detectors
}

/// Those and the rule that a human wrote: together, or one of them by itself.
fn any_detectors() -> impl Strategy<Value = Vec<DetectorSpec>> {
    let raw = threshold::RawParams {
        above: Some(9.0),
        valid_min: Some(-9.0),
        ..threshold::RawParams::default()
    };
    let rule = threshold::Params::try_from(raw).expect("a sound rule");
    let mut all = every_detector();
    all.push(DetectorSpec::Threshold(rule));
    let mut each = all.clone();
    let robust = zscore::Params { robust: true, ..zscore::Params::default() };
    each.push(DetectorSpec::Zscore(robust));
    let alone = proptest::sample::select(each).prop_map(|spec| vec![spec]);
    prop_oneof![1 => Just(all), 1 => alone]
}

fn bank_of(detectors: &[DetectorSpec], direction: Direction) -> Bank {
    Bank::new(detectors, MinDeviation::default(), direction, &Tables::default())
}

/// One sample with the interval of its series.
#[derive(Debug, Clone, Copy)]
struct Input {
    at_ms: i64,
    interval_ms: i64,
    value: f64,
}

fn judge(bank: &mut Bank, slot: usize, input: Input) -> Judgement {
    let Input { at_ms, interval_ms, value } = input;
    let timestamp = Timestamp::from_ms(at_ms);
    bank.observe(slot, Sample { timestamp, value }, LocalTime::utc(timestamp), interval_ms)
}

/// Noise on waves, which every detector judges sooner or later, an hour apart.
fn ordinary(count: i64) -> impl Strategy<Value = Vec<Input>> {
    vec(-1.0..1.0_f64, count as usize).prop_map(|noise| {
        let input = |(hour, noise): (i64, f64)| {
            let value = 5.0 * libm::sin(hour as f64 / 5.0) + noise;
            Input { at_ms: hour * 3_600_000, interval_ms: 3_600_000, value }
        };
        (0..).zip(noise).map(input).collect()
    })
}

/// Stretches of numbers of any size and of what is no number, at any time.
fn wild() -> impl Strategy<Value = Vec<Input>> {
    let value = prop_oneof![
        3 => -9.0..9.0_f64,
        1 => proptest::num::f64::ANY,
        1 => -1e120..1e120_f64,
        1 => proptest::num::f64::SUBNORMAL,
        1 => proptest::sample::select(vec![
            0.0, 1.0, f64::MAX, f64::MIN, 5e-324, f64::NAN, f64::INFINITY, f64::NEG_INFINITY,
        ]),
    ];
    let pace = prop_oneof![
        3 => Just((3_600_000_i64, 3_600_000_i64)),
        1 => Just((0, 1)),
        1 => (any::<i64>(), 1..i64::MAX),
    ];
    vec((vec(value, 1..5), 1..80_usize, pace), 1..8).prop_map(|stretches| {
        let (mut at_ms, mut inputs) = (0_i64, Vec::new());
        for (values, length, (step_ms, interval_ms)) in stretches {
            for value in values.into_iter().cycle().take(length) {
                at_ms = at_ms.wrapping_add(step_ms);
                inputs.push(Input { at_ms, interval_ms, value });
            }
        }
        inputs
    })
}

/// Ordinary inputs, then wild ones, then ordinary ones.
fn inputs() -> impl Strategy<Value = Vec<Input>> {
    (ordinary(150), wild(), ordinary(60)).prop_map(|(one, two, three)| [one, two, three].concat())
}

fn is_sound(expected: &Expected) -> bool {
    let scales = [expected.scale_below, expected.scale_above];
    expected.center.is_finite() && scales.iter().all(|scale| scale.is_finite() && *scale > 0.0)
}

fn saved(bank: &Bank, slot: usize) -> Vec<u8> {
    postcard::to_stdvec(&bank.saved(slot)).expect("memory is enough")
}

fn evidence(bank: &Bank) -> Vec<(DetectorName, f64, Option<Expected>)> {
    bank.evidence().collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn whatever_comes_in_a_finite_judgement_comes_out(
        inputs in inputs(), detectors in any_detectors(), seed in proptest::option::of(any::<u64>()),
        direction in proptest::sample::select(vec![Direction::Both, Direction::Up, Direction::Down]),
    ) {
        let mut bank = bank_of(&detectors, direction);
        bank.reset(0, seed);
        let range = 0.0..=SURPRISE_MAX;
        for input in inputs {
            let judgement = judge(&mut bank, 0, input);
            for (name, surprise, expected) in bank.evidence() {
                prop_assert!(range.contains(&surprise), "{} {} {:?}", name, surprise, input);
                prop_assert!(expected.is_none_or(|expected| is_sound(&expected)), "{} {:?} {:?}", name, expected, input);
            }
            prop_assert!(bank.raw_scores().all(|(_, raw)| raw >= 0.0 && raw.is_finite()), "{:?}", input);
            let Judgement::Scored { surprise, claim, base, deep, .. } = judgement else { continue };
            let expected = bank.expected().expect("somebody is warm");
            // Whatever is said of the newest sample is measured alike.
            prop_assert_eq!(bank.worth(0, claim).to_bits(), surprise.to_bits());
            let population = deep.map(|oddity| oddity.population);
            let surprises = [surprise, claim, base, population.unwrap_or(0.0)];
            prop_assert!(surprises.iter().all(|surprise| range.contains(surprise)), "{:?} {:?}", judgement, input);
            prop_assert!(is_sound(&expected), "{:?} {:?}", judgement, input);
        }
    }

    #[test]
    fn neither_the_slot_nor_the_neighbours_are_part_of_a_judgement(
        inputs in inputs(), others in inputs(), seed in any::<u64>(), slot in 1..3_000_usize,
    ) {
        let (mut alone, mut among) = (bank(Direction::Both), bank(Direction::Both));
        alone.reset(0, Some(seed));
        among.reset(slot, Some(seed));
        among.reset(slot - 1, Some(!seed));
        among.reset(slot + 1, None);
        for (&input, &other) in inputs.iter().zip(others.iter().cycle()) {
            judge(&mut among, slot - 1, other);
            judge(&mut among, slot + 1, other);
            prop_assert_eq!(judge(&mut alone, 0, input), judge(&mut among, slot, input));
            prop_assert_eq!(evidence(&alone), evidence(&among));
        }
        prop_assert_eq!(alone.state_text(0), among.state_text(slot));
    }

    #[test]
    fn states_that_are_written_and_read_back_into_any_slot_go_on_as_the_original_would(
        inputs in inputs(), seed in proptest::option::of(any::<u64>()),
        slot in 0..3_000_usize, cut in any::<proptest::sample::Index>(),
    ) {
        let mut original = bank_of(&every_detector(), Direction::Both);
        let mut restored = bank_of(&every_detector(), Direction::Both);
        original.reset(1, seed);
        let (before, after) = inputs.split_at(cut.index(inputs.len()));
        for &input in before {
            judge(&mut original, 1, input);
        }
        let bytes = saved(&original, 1);
        restored.restore(slot, seed.is_some(), &mut Deserializer::from_bytes(&bytes)).unwrap();
        prop_assert_eq!(&bytes, &saved(&restored, slot));
        for &input in after {
            prop_assert_eq!(judge(&mut original, 1, input), judge(&mut restored, slot, input));
            prop_assert_eq!(evidence(&original), evidence(&restored));
        }
        prop_assert_eq!(original.state_text(1), restored.state_text(slot));
        prop_assert_eq!(saved(&original, 1), saved(&restored, slot));
    }

    #[test]
    fn what_is_no_number_is_as_if_it_were_missing(
        inputs in ordinary(200), gaps in vec(any::<proptest::sample::Index>(), 1..40), seed in any::<u64>(),
    ) {
        let (mut with, mut without) = (bank(Direction::Both), bank(Direction::Both));
        with.reset(0, Some(seed));
        without.reset(0, Some(seed));
        let gaps: Vec<usize> = gaps.iter().map(|gap| gap.index(inputs.len())).collect();
        for (index, input) in inputs.into_iter().enumerate() {
            if gaps.contains(&index) {
                let hole = Input { value: f64::NAN, ..input };
                prop_assert_eq!(judge(&mut with, 0, hole), Judgement::WarmingUp);
                prop_assert_eq!(with.evidence().count(), 0);
            } else {
                prop_assert_eq!(judge(&mut with, 0, input), judge(&mut without, 0, input));
            }
        }
        prop_assert_eq!(with.state_text(0), without.state_text(0));
    }
}
