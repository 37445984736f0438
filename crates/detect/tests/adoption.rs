//! How long a new level is odd: 1,600 samples at most, where both tiers judge and where the base tier does alone. A calibration
//! takes an excursion of 1,440 for the new normal, and needs some more to know what that looks like. And how long it is so to
//! each detector of the base tier that is not asked together with others.

use bellwether_detect::{
    Bank, DetectorSpec, Direction, Judgement, LocalTime, MinDeviation, Tables,
};
use bellwether_series::{Sample, Timestamp};

/// After so many samples a new level is normal to all of them together.
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

/// Who judges what.
struct Scene {
    detectors: Vec<DetectorSpec>,
    is_deep: bool,
    interval_ms: i64,
    /// Height of the daily wave, in deviations of the noise on it.
    wave: f64,
    /// By how much the level moves, after how many days, and after how many samples that is to be normal.
    shift: f64,
    before_days: i64,
    adopted: i64,
}

impl Scene {
    /// The readings of a daily wave with noise from the sample on at which its level moves: what all say together, and each
    /// detector of the deep tier; without that tier, each of the base tier.
    fn readings(&self) -> Vec<Vec<(String, f64)>> {
        let (least, both) = (MinDeviation::default(), Direction::Both);
        let mut bank = Bank::new(&self.detectors, least, both, &Tables::default());
        bank.reset(0, self.is_deep.then_some(1));
        let mut noise = Noise(1);
        let before = self.before_days * DAY_MS / self.interval_ms;
        let mut reading = |index: i64| {
            let ms = index * self.interval_ms;
            let wave = self.wave * libm::sin(std::f64::consts::TAU * ms as f64 / DAY_MS as f64);
            let level = if index < before { 100.0 } else { 100.0 + self.shift };
            let timestamp = Timestamp::from_ms(START_MS + ms);
            let sample = Sample { timestamp, value: level + wave + noise.normal() };
            let judgement = bank.observe(0, sample, LocalTime::utc(timestamp), self.interval_ms);
            let all = match judgement {
                Judgement::Scored { surprise, .. } => surprise,
                Judgement::WarmingUp => 0.0,
            };
            // Those of the base tier have an expectation, and memories of their own.
            let each = bank.evidence().filter(|(.., band)| band.is_none() == self.is_deep);
            let each = each.map(|(name, surprise, _)| (name.to_string(), surprise));
            std::iter::once(("all".to_owned(), all)).chain(each).collect::<Vec<_>>()
        };
        let readings: Vec<_> = (0..before + self.adopted + LOOKED_AT).map(&mut reading).collect();
        readings.into_iter().skip(before as usize).collect()
    }

    /// Holds the reading at `place` to it: odd at once, and normal when it is to be.
    fn check(&self, readings: &[Vec<(String, f64)>], place: usize) {
        let (odd, adopted) = readings.split_at(self.adopted as usize);
        let (name, _) = &adopted[0][place];
        let label = format!("{} {} {name}", self.interval_ms, self.shift);
        // With the deep tier each says that an oddity is one in its own time.
        if place == 0 || !self.is_deep {
            let most = odd[..20].iter().map(|reading| reading[place].1).fold(0.0, f64::max);
            assert!(most >= 4.0, "{label} {most}");
        }
        let surprises = || adopted.iter().map(|reading| reading[place].1);
        let count = surprises().filter(|&surprise| surprise >= ODD).count();
        let largest = surprises().fold(0.0, f64::max);
        println!("{label}: {count} odd, {largest:.2} at most");
        assert!(count <= ODD_MAX, "{label} {count}");
    }
}

#[test]
fn a_new_level_is_odd_at_once_and_normal_after_1600_samples() {
    for (interval_ms, before_days) in [(60_000, 4), (300_000, 16)] {
        for shift in [8.0, -300.0] {
            let (detectors, is_deep, wave, adopted) =
                (DetectorSpec::defaults(), true, 10.0, ADOPTED);
            let scene =
                Scene { detectors, is_deep, interval_ms, wave, shift, before_days, adopted };
            let readings = scene.readings();
            (0..readings[0].len()).for_each(|place| scene.check(&readings, place));
        }
    }
}

/// Not of a level that moves by far more at one sample in five minutes: `seasonal` says why.
#[test]
fn to_the_base_tier_alone_it_is_so_as_well() {
    let cases = [(60_000, 4, [8.0, 30.0, -300.0]), (300_000, 16, [8.0, 30.0, -12.0])];
    for (interval_ms, before_days, shifts) in cases {
        for shift in shifts {
            let (detectors, is_deep, wave, adopted) =
                (DetectorSpec::defaults(), false, 10.0, ADOPTED);
            let scene =
                Scene { detectors, is_deep, interval_ms, wave, shift, before_days, adopted };
            scene.check(&scene.readings(), 0);
        }
    }
}

#[test]
fn each_detector_that_judges_by_default_adopts_it_in_its_own_time() {
    let [zscore, iqr, seasonal, ..] = DetectorSpec::defaults()[..] else {
        panic!("three at least")
    };
    // A window and a tenth, two windows, two days; the first two know no time of day.
    let cases = [(zscore, 0.0, 400), (iqr, 0.0, 720), (seasonal, 10.0, 2 * 1440)];
    for (detector, wave, adopted) in cases {
        for shift in [8.0, 30.0, -300.0] {
            let (detectors, is_deep, interval_ms, before_days) = (vec![detector], false, 60_000, 4);
            let scene =
                Scene { detectors, is_deep, interval_ms, wave, shift, before_days, adopted };
            scene.check(&scene.readings(), 1);
        }
    }
}
