//! Letting go of series bit by bit, held against what must become of each by its age alone, and against doing it all at once.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

const IDLE_MS: i64 = 3 * MINUTE_MS;
const LIVE_MS: i64 = 12 * MINUTE_MS;
const SERIES: usize = 200;
/// So many of a list that short are in one part, which is not cut.
const PART_MAX: usize = 64;

fn rig(cold_max: usize, batch_series: usize) -> Rig {
    let mut settings = Settings::default();
    settings.series.idle_after_ms = IDLE_MS;
    settings.series.time_to_live_ms = LIVE_MS;
    settings.series.cold_max = cold_max;
    let mut rig = Rig::new(settings);
    rig.intake.batch_series = batch_series;
    rig
}

impl Rig {
    fn in_memory(&self) -> BTreeSet<LabelSet> {
        self.intake.entries.iter().flatten().map(|entry| entry.labels.clone()).collect()
    }

    fn silent(&self) -> BTreeSet<Fingerprint> {
        self.intake.cold.known().iter().map(|(fingerprint, _)| (*fingerprint).into()).collect()
    }

    /// How many the last record let go of or forgot, and how many of those out of memory it forgot.
    fn gone(&self) -> (usize, usize) {
        let count = |is_it: fn(&Input) -> bool| {
            self.work[0].inputs.iter().filter(|(_, input)| is_it(input)).count()
        };
        let left = count(|input| matches!(input, Input::Park { .. } | Input::Evict { .. }));
        (left, count(|input| matches!(input, Input::Forget { .. })))
    }
}

fn all_series() -> Vec<LabelSet> {
    (0..SERIES).map(|number| series("up", &number.to_string())).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn whoever_is_silent_goes_in_time_and_never_too_many_for_one_record(
        steps in prop::collection::vec((1..90_000_i64, 0..SERIES, 0..SERIES), 1..30),
        batch_series in prop::sample::select(vec![8, 64, 100]),
        cold_max in prop::sample::select(vec![50, SERIES]),
    ) {
        let all = all_series();
        let fingerprints: Vec<_> = all.iter().map(LabelSet::fingerprint).collect();
        let (mut bit_by_bit, mut at_once) = (rig(cold_max, batch_series), rig(cold_max, usize::MAX));
        let mut seen_ms = [None; SERIES];
        // At the end the last ones keep sending, every minute, and all others fall silent for good.
        let kept = 190..SERIES;
        let quiet = (1..=60).map(|step| (5000, if step % 12 == 0 { kept.clone() } else { 0..0 }));
        let steps = steps.into_iter().map(|(ms, from, count)| (ms, from..(from + count).min(SERIES)));
        for (step_ms, touched) in steps.chain(quiet) {
            let senders: Vec<_> = all[touched.clone()].iter().collect();
            for rig in [&mut bit_by_bit, &mut at_once] {
                rig.now_ms += step_ms;
                rig.touch(&senders);
            }
            let now_ms = bit_by_bit.intake.elapsed_ms;
            seen_ms[touched].fill(Some(now_ms));
            let (left, forgotten) = bit_by_bit.gone();
            prop_assert!(left < batch_series + PART_MAX, "{} left for one record", left);
            prop_assert!(forgotten <= left.max(batch_series), "{} were forgotten", forgotten);
            prop_assert!(bit_by_bit.intake.cold() <= cold_max);
            let (in_memory, silent) = (bit_by_bit.in_memory(), bit_by_bit.silent());
            for (number, seen_ms) in seen_ms.iter().enumerate() {
                let Some(seen_ms) = seen_ms else { continue };
                let age_ms = now_ms - seen_ms;
                let is_in_memory = in_memory.contains(&all[number]);
                let is_silent = silent.contains(&fingerprints[number]);
                prop_assert!(!(is_in_memory && is_silent));
                prop_assert!(is_in_memory || age_ms > IDLE_MS, "gone after {} ms", age_ms);
                let is_known = is_in_memory || is_silent;
                prop_assert!(is_known || age_ms > LIVE_MS || cold_max < SERIES);
            }
        }
        prop_assert_eq!(bit_by_bit.in_memory().len(), kept.len());
        prop_assert_eq!(bit_by_bit.in_memory(), at_once.in_memory());
        if cold_max == SERIES {
            // Whoever has outlived itself may wait for its turn, bit by bit.
            let now_ms = bit_by_bit.intake.elapsed_ms;
            let (bit_by_bit, at_once) = (bit_by_bit.silent(), at_once.silent());
            for (fingerprint, seen_ms) in fingerprints.iter().zip(seen_ms) {
                let is_old = seen_ms.is_some_and(|seen_ms| now_ms - seen_ms > LIVE_MS);
                let are_alike = bit_by_bit.contains(fingerprint) == at_once.contains(fingerprint);
                prop_assert!(are_alike || (is_old && bit_by_bit.contains(fingerprint)));
            }
        }
    }
}
