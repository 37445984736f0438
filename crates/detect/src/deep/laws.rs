//! What holds for all detectors of the deep tier, for signals and for groups.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

use crate::testing::{Case, GROUP, Moment, Noise, deep_tier, largest};

const HOUR_MS: i64 = 3_600_000;
/// An interval at which the warm-up of all takes three days.
const ORDINARY: Moment =
    Moment { at_ms: 0, interval_ms: HOUR_MS, values: [0.0; GROUP], scale_floor: 0.0, weight: 1.0 };

/// Waves with noise every hour.
fn ordinary(seed: u64, count: i64) -> Vec<Moment> {
    let mut noise = Noise::new(seed);
    let mut moment = |hour: i64| {
        let wave = 5.0 * libm::sin(hour as f64 / 5.0);
        let values = std::array::from_fn(|_| wave + noise.normal());
        Moment { at_ms: hour * HOUR_MS, values, ..ORDINARY }
    };
    (0..count).map(&mut moment).collect()
}

/// Numbers of any size, and what is no number.
fn value() -> impl Strategy<Value = f64> {
    prop_oneof![
        4 => -9.0..9.0_f64,
        1 => proptest::num::f64::ANY,
        1 => -1e120..1e120_f64,
        1 => -1e-300..1e-300_f64,
        1 => proptest::sample::select(vec![
            0.0, -0.0, 1.0, f64::MAX, f64::MIN, f64::MIN_POSITIVE, 5e-324, f64::NAN, f64::INFINITY, f64::NEG_INFINITY,
        ]),
    ]
}

/// Stretches in which a few values repeat at one pace, whatever the clock does.
fn wild() -> impl Strategy<Value = Vec<Moment>> {
    let pace = prop_oneof![
        3 => Just((HOUR_MS, HOUR_MS)),
        1 => Just((0, 1)),
        1 => (any::<i64>(), 1..i64::MAX),
        1 => (-100_000_000..100_000_000_i64, 1..200_000_000_i64),
    ];
    let floor = prop_oneof![Just(0.0), Just(1e-300), 0.0..1e120_f64, Just(f64::MAX)];
    let stretch = (vec([value(), value(), value()], 1..5), 1..80_usize, pace, floor, 0.0..=1.0_f64);
    vec(stretch, 1..9).prop_map(|stretches| {
        let mut at_ms = 0_i64;
        let mut moments = Vec::new();
        for (values, length, (step_ms, interval_ms), scale_floor, weight) in stretches {
            for values in values.into_iter().cycle().take(length) {
                at_ms = at_ms.wrapping_add(step_ms);
                moments.push(Moment { at_ms, interval_ms, values, scale_floor, weight });
            }
        }
        moments
    })
}

fn scores(mut case: Case, moments: &[Moment]) -> Vec<Option<f64>> {
    moments.iter().map(|moment| case.subject.score(moment)).collect()
}

/// Equal to the bit.
fn bits(scores: &[Option<f64>]) -> Vec<Option<u64>> {
    scores.iter().map(|score| score.map(f64::to_bits)).collect()
}

/// `moments` with each signal in a unit and from an origin of its own.
fn moved(moments: &[Moment], units: [f64; GROUP], origin: f64) -> Vec<Moment> {
    let moved = |moment: &Moment| {
        let values = std::array::from_fn(|signal| (moment.values[signal] + origin) * units[signal]);
        Moment { values, ..*moment }
    };
    moments.iter().map(moved).collect()
}

#[test]
fn a_constant_is_ordinary_for_months_until_it_moves() {
    for constant in [0.0, 7.0, -3e9, 1e-200] {
        let mut moments = ordinary(0, 2_000);
        for (hour, moment) in moments.iter_mut().enumerate() {
            moment.values = [constant; GROUP];
            if hour >= 1_990 {
                moment.values[0] += 1.0 + constant.abs();
            }
        }
        for case in deep_tier(3) {
            let (name, most, least) = (case.name, case.constant_max, case.move_min);
            let scores = scores(case, &moments);
            assert!(scores[150..].iter().all(Option::is_some), "{name} {constant}");
            assert!(scores.iter().flatten().all(|score| score.is_finite()), "{name} {constant}");
            let (before, after) = scores.split_at(1_990);
            let (before, after) = (largest(before), largest(after));
            assert!(before <= most && after >= least, "{name} {constant}: {before} {after}");
        }
    }
}

#[test]
fn a_state_whose_memory_is_full_is_read_back_as_well() {
    // The longest ring holds 8,192 samples.
    let moments = ordinary(5, 8_500);
    for mut case in deep_tier(5) {
        for (index, moment) in moments.iter().enumerate() {
            let score = case.subject.score(moment);
            if index % 997 == 0 || (8_180..8_260).contains(&index) {
                let bytes = case.subject.state_bytes();
                case.subject = case.subject.reread().0;
                assert_eq!(case.subject.state_bytes(), bytes, "{} {index}", case.name);
            }
            assert!(index < 200 || score.is_some(), "{} {index}", case.name);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn whatever_comes_gives_no_score_or_a_finite_one(moments in wild(), seed in any::<u64>()) {
        for case in deep_tier(seed) {
            let (name, most) = (case.name, case.score_max);
            for (score, moment) in scores(case, &moments).into_iter().zip(&moments) {
                prop_assert!(score.is_none_or(|score| (0.0..=most).contains(&score)), "{} {:?} {:?}", name, score, moment);
            }
        }
    }

    #[test]
    fn a_copy_of_the_state_goes_on_as_the_original_would(
        before in wild(), seed in any::<u64>(), cut in any::<Index>(),
    ) {
        let moments = [ordinary(seed, 200), before, ordinary(!seed, 200)].concat();
        let (before, after) = moments.split_at(cut.index(moments.len()));
        for (case, mut cut) in deep_tier(seed).into_iter().zip(deep_tier(seed)) {
            let name = case.name;
            let straight = scores(case, &moments);
            let mut scores: Vec<_> = before.iter().map(|moment| cut.subject.score(moment)).collect();
            let mut copy = cut.subject.fork();
            let original: Vec<_> = after.iter().map(|moment| cut.subject.score(moment)).collect();
            scores.extend(after.iter().map(|moment| copy.score(moment)));
            prop_assert_eq!(bits(&straight), bits(&scores), "{}", name);
            prop_assert_eq!(bits(&original), bits(&straight[before.len()..]), "{}", name);
        }
    }

    #[test]
    fn a_state_that_is_written_and_read_back_goes_on_as_the_original_would(
        before in wild(), seed in any::<u64>(), cut in any::<Index>(),
    ) {
        let moments = [ordinary(seed, 200), before, ordinary(!seed, 200)].concat();
        let (before, after) = moments.split_at(cut.index(moments.len()));
        for mut case in deep_tier(seed) {
            let name = case.name;
            for moment in before {
                case.subject.score(moment);
            }
            let (mut read, bytes) = case.subject.reread();
            prop_assert_eq!(read.state_bytes(), case.subject.state_bytes(), "{}", name);
            prop_assert_eq!(&bytes, &read.reread().1, "{}", name);
            let original: Vec<_> = after.iter().map(|moment| case.subject.score(moment)).collect();
            let theirs: Vec<_> = after.iter().map(|moment| read.score(moment)).collect();
            prop_assert_eq!(bits(&original), bits(&theirs), "{}", name);
            prop_assert_eq!(case.subject.reread().1, read.reread().1, "{}", name);
        }
    }

    #[test]
    fn a_state_with_another_byte_is_refused_or_scores_without_a_panic(
        seed in any::<u64>(), count in 30..200_i64, changes in vec((any::<Index>(), any::<u8>()), 8),
    ) {
        let (before, after) = (ordinary(seed, count), ordinary(!seed, count + 30));
        for mut case in deep_tier(seed) {
            for moment in &before {
                case.subject.score(moment);
            }
            let (_, bytes) = case.subject.reread();
            for (place, byte) in &changes {
                let mut changed = bytes.clone();
                changed[place.index(bytes.len())] = *byte;
                let Some(mut subject) = case.subject.read(&changed) else { continue };
                for moment in &after[count as usize..] {
                    subject.score(moment);
                }
            }
        }
    }

    #[test]
    fn what_is_no_number_is_as_if_it_were_missing(
        seed in any::<u64>(),
        gaps in vec((any::<Index>(), proptest::sample::select(vec![f64::NAN, f64::INFINITY, f64::NEG_INFINITY])), 1..60),
    ) {
        let moments = ordinary(seed, 300);
        let (mut holes, mut missing) = (moments.clone(), moments);
        for (index, hole) in gaps {
            holes[index.index(300)].values[0] = hole;
            missing[index.index(300)].values[0] = f64::NAN;
        }
        for (case, without) in deep_tier(seed).into_iter().zip(deep_tier(seed)) {
            let (name, is_group) = (case.name, case.is_group);
            let is_there = |moment: &Moment| is_group || moment.values[0].is_finite();
            let present: Vec<_> = missing.iter().copied().filter(is_there).collect();
            let scores = scores(case, &holes).into_iter().zip(&missing);
            let (there, holes): (Vec<_>, Vec<_>) = scores.partition(|(_, moment)| is_there(moment));
            prop_assert!(holes.iter().all(|(score, _)| score.is_none()), "{}", name);
            let there: Vec<_> = there.into_iter().map(|(score, _)| score).collect();
            prop_assert_eq!(bits(&there), bits(&self::scores(without, &present)), "{}", name);
        }
    }

    #[test]
    fn units_that_are_powers_of_two_change_no_bit(seed in any::<u64>(), units in [-30_i32..30, -30..30, -30..30]) {
        let moments = ordinary(seed, 400);
        let theirs = moved(&moments, units.map(|unit| libm::ldexp(1.0, unit)), 0.0);
        for (case, other) in deep_tier(seed).into_iter().zip(deep_tier(seed)) {
            let name = case.name;
            prop_assert_eq!(bits(&scores(case, &moments)), bits(&scores(other, &theirs)), "{}", name);
        }
    }

    #[test]
    fn unit_and_origin_matter_by_less_than_a_thousandth_where_the_method_says_so(
        seed in any::<u64>(), units in [1e-9..1e9_f64, 1e-9..1e9_f64, 1e-9..1e9_f64], origin in -1e3..1e3_f64,
    ) {
        let moments = ordinary(seed, 400);
        let theirs = moved(&moments, units, origin);
        for (case, other) in deep_tier(seed).into_iter().zip(deep_tier(seed)) {
            let Some(tolerance) = case.origin_tolerance else { continue };
            let name = case.name;
            for (ours, theirs) in scores(case, &moments).into_iter().zip(scores(other, &theirs)) {
                let (ours, theirs) = (ours.unwrap_or(0.0), theirs.unwrap_or(0.0));
                prop_assert!((ours - theirs).abs() <= tolerance * (1.0 + ours), "{} {} {}", name, ours, theirs);
            }
        }
    }
}
