//! How well surprise is calibrated: how often it is at least 1, 2, 3, 4 on series in which nothing happens, over how often
//! it should be.

use bellwether_detect::{
    Bank, DetectorSpec, Direction, Judgement, LocalTime, MinDeviation, Tables,
};
use bellwether_series::{Sample, Timestamp};

use crate::Null;

const WARM: usize = 2_000;
const SCORED: usize = 20_000;
const LEVELS: usize = 4;
const START: Timestamp = Timestamp::from_ms(1_767_571_200_000);

/// Shares of observations with a surprise of at least 1, 2, 3, 4, over 10^-1 to 10^-4.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Shares(pub [f64; LEVELS]);

impl Shares {
    /// Of the default chain on `series` series of a kind, 20,000 observations each after 2,000 of warm-up.
    ///
    /// # Panics
    /// Never: no smallest departure is a valid one.
    pub fn of(null: Null, series: u64, has_deep_tier: bool) -> Self {
        let any_size = MinDeviation::new(0.0, 0.0).expect("zero is allowed");
        let (tables, mut counts) = (Tables::default(), [0_usize; LEVELS]);
        for seed in 0..series {
            let mut bank = Bank::new(&DetectorSpec::defaults(), any_size, Direction::Both, &tables);
            bank.reset(0, has_deep_tier.then_some(seed + 1));
            for (index, value) in null.series(seed).take(WARM + SCORED).enumerate() {
                let timestamp = START.plus_ms(index as i64 * 60_000);
                let sample = Sample { timestamp, value: 100.0 + value };
                let judgement = bank.observe(0, sample, LocalTime::utc(timestamp), 60_000);
                let Judgement::Scored { surprise, .. } = judgement else { continue };
                if index >= WARM {
                    let levels = (surprise as usize).min(LEVELS);
                    counts[..levels].iter_mut().for_each(|count| *count += 1);
                }
            }
        }
        let observations = series as f64 * SCORED as f64;
        Self(std::array::from_fn(|level| {
            counts[level] as f64 / (observations * 10_f64.powi(-(level as i32) - 1))
        }))
    }

    /// Whether they are within a factor of two, or at most twice as many where values are whole numbers.
    pub fn hold(&self, null: Null) -> bool {
        let least = if Null::CONTINUOUS.contains(&null) { 0.5 } else { 0.0 };
        self.0.iter().all(|share| (least..=2.0).contains(share))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_chain_of_the_base_tier_is_calibrated() {
        for null in Null::CONTINUOUS.into_iter().chain(Null::DISCRETE) {
            let shares = Shares::of(null, 10, false);
            assert!(shares.hold(null), "{null:?} {shares:.2?}");
        }
    }
}
