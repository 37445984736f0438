//! How long a new level is odd: the time after which it is the new normal, for both tiers together.

use std::collections::BTreeMap;

use bellwether_detect::{
    Bank, DetectorName, DetectorSpec, Direction, Judgement, LocalTime, MinDeviation, Tables,
};
use bellwether_series::{Sample, Timestamp};

const DAY_MS: i64 = 86_400_000;
/// A Monday.
const START_MS: i64 = 1_767_571_200_000;

/// Seeded noise, nearly normal: the sum of twelve uniform numbers (SplitMix64; Steele, Lea & Flood 2014).
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

#[test]
fn explore() {
    for (interval_ms, before, after) in [(60_000, 8, 6), (300_000, 24, 12)] {
        for wave in [0.0, 10.0] {
            for shift in [8.0, 30.0, 300.0] {
                let mut bank = Bank::new(&DetectorSpec::defaults(), MinDeviation::default(), Direction::Both, &Tables::default());
                bank.reset(0, Some(1));
                let mut noise = Noise(1);
                let mut last: BTreeMap<String, (f64, usize)> = BTreeMap::new();
                let per_day = DAY_MS / interval_ms;
                for index in 0..(before + after) * per_day {
                    let ms = index * interval_ms;
                    let since = index - before * per_day;
                    let day = libm::sin(std::f64::consts::TAU * ms as f64 / DAY_MS as f64);
                    let value = 100.0 + wave * day + noise.normal() + if since >= 0 { shift } else { 0.0 };
                    let timestamp = Timestamp::from_ms(START_MS + ms);
                    let judgement = bank.observe(0, Sample { timestamp, value }, LocalTime::utc(timestamp), interval_ms);
                    if since < 0 { continue }
                    let mut note = |name: String, surprise: f64| {
                        if surprise >= 3.0 {
                            let e = last.entry(name).or_default();
                            e.0 = since as f64 / per_day as f64; e.1 += 1;
                        }
                    };
                    if let Judgement::Scored { surprise, base, deep, .. } = judgement {
                        note("all".into(), surprise);
                        if surprise >= 4.0 { note("all4".into(), surprise); }
                        note("base".into(), base);
                        note("deepown".into(), deep.map_or(0.0, |d| d.own));
                        note("population".into(), deep.map_or(0.0, |d| d.population));
                    }
                    for (name, surprise, _) in bank.evidence() { note(format!("{name}"), surprise); }
                }
                println!("{} wave {wave} shift {shift}: {last:.2?}", interval_ms / 60_000);
            }
        }
    }
}
