//! How long a new level is odd where both tiers judge: 1,600 samples at most. A calibration takes an excursion of 1,440
//! for the new normal, and needs some more to know what that looks like.

use bellwether_detect::{
    Bank, DetectorSpec, Direction, Judgement, LocalTime, MinDeviation, Tables,
};
use bellwether_series::{Sample, Timestamp};

/// After so many samples a new level is normal.
const ADOPTED: i64 = 1600;
/// Samples that are then looked at, and how many of them may be odd: no more than of any series in that time.
const LOOKED_AT: i64 = 1440;
const ODD_MAX: usize = 15;
/// Surprise of what is odd: one in a thousand.
const ODD: f64 = 3.0;
const DAY_MS: i64 = 86_400_000;
/// A Monday.
const START_MS: i64 = 1_767_571_200_000;

/// Seeded noise, nearly normal: the sum of twelve uniform numbers (`SplitMix64`; Steele, Lea & Flood 2014).
struct Noise(u64);

impl Noise {
    fn normal(&mut self) -> f64 {
        let mut uniform = || {
            self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut z = self.0;
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
        };
        (0..12).map(|_| uniform()).sum::<f64>() - 6.0
    }
}

/// The readings of a daily wave with noise from the sample on at which its level moves by `shift`: what both tiers say
/// together, and each detector of the deep one.
fn readings(interval_ms: i64, shift: f64, before: i64) -> Vec<Vec<(String, f64)>> {
    let (least, both) = (MinDeviation::default(), Direction::Both);
    let mut bank = Bank::new(&DetectorSpec::defaults(), least, both, &Tables::default());
    bank.reset(0, Some(1));
    let mut noise = Noise(1);
    let mut reading = |index: i64| {
        let ms = index * interval_ms;
        let wave = 10.0 * libm::sin(std::f64::consts::TAU * ms as f64 / DAY_MS as f64);
        let level = if index < before { 100.0 } else { 100.0 + shift };
        let timestamp = Timestamp::from_ms(START_MS + ms);
        let sample = Sample { timestamp, value: level + wave + noise.normal() };
        let judgement = bank.observe(0, sample, LocalTime::utc(timestamp), interval_ms);
        let all = match judgement {
            Judgement::Scored { surprise, .. } => surprise,
            Judgement::WarmingUp => 0.0,
        };
        // Those of the base tier have an expectation, and memories of their own.
        let deep = bank.evidence().filter(|(.., expected)| expected.is_none());
        let each = deep.map(|(name, surprise, _)| (name.to_string(), surprise));
        std::iter::once(("all".to_owned(), all)).chain(each).collect::<Vec<_>>()
    };
    let readings: Vec<_> = (0..before + ADOPTED + LOOKED_AT).map(&mut reading).collect();
    readings.into_iter().skip(before as usize).collect()
}

#[test]
fn a_new_level_is_odd_at_once_and_normal_after_1600_samples() {
    for (interval_ms, before_days) in [(60_000, 4), (300_000, 16)] {
        for shift in [8.0, -300.0] {
            let readings = readings(interval_ms, shift, before_days * DAY_MS / interval_ms);
            let (odd, adopted) = readings.split_at(ADOPTED as usize);
            let most = odd[..20].iter().map(|reading| reading[0].1).fold(0.0, f64::max);
            assert!(most >= 4.0, "{interval_ms} {shift} {most}");
            let names = adopted[0].iter().map(|(name, _)| name);
            for (place, name) in names.enumerate() {
                let surprises = || adopted.iter().map(|reading| reading[place].1);
                let count = surprises().filter(|&surprise| surprise >= ODD).count();
                let largest = surprises().fold(0.0, f64::max);
                println!("{interval_ms} {shift} {name}: {count} odd, {largest:.2} at most");
                assert!(count <= ODD_MAX, "{interval_ms} {shift} {name} {count}");
            }
        }
    }
}
