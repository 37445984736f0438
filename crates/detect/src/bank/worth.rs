//! What a claim is worth: the last step to a surprise, of series that the deep tier judges.
//!
//! A claim is what both tiers together make of a sample. It is calibrated as well as protection allows: what learns from a fault as
//! from any other row takes the next one for ordinary, so ladders before this one learn faults in part. A claim of four is
//! therefore exceeded more often than once in 10,000 rows where a series is often odd without a fault, as one that wanders is.
//! Here every row counts in full, so that the surprise that is shown has the frequency that it promises. Alerts are decided
//! on claims, and what a claim and the threshold are worth is shown beside them: worth grows with the claim, so neither is
//! over the other in one and under it in the other.
//!
//! State: 36 bytes. Cost: some 15 ns, beside a deep tier of microseconds.
//! Blind spot: a series that has had many faults shows small surprises at the next one, and alerts all the same.

use serde::{Deserialize, Serialize};

use crate::ladder::{Ladder, Prior};

/// A claim is worth what it says, as far as is known of series in general.
const PRIOR: Prior = Prior { slope: 1.0, rows: 3_000.0, steadiness: 0.5 };

/// What claims of one series are worth, by how often it made greater ones.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Worth {
    ladder: Ladder,
    /// The newest claim. It is learned when the next one comes, so that until then everything is measured alike.
    newest: Option<f32>,
}

impl Default for Worth {
    fn default() -> Self {
        Self { ladder: Ladder::new(&PRIOR), newest: None }
    }
}

impl Worth {
    /// The surprise that `claim`, 0 and up, is worth: 0 to [`crate::tail::SURPRISE_MAX`].
    pub fn of(&self, claim: f64) -> f64 {
        self.ladder.surprise(claim)
    }

    /// The claim that is worth `surprise`, 0 and up.
    pub fn claim_of(&self, surprise: f64) -> f64 {
        self.ladder.value_at(surprise)
    }

    /// What the claim that comes next is worth.
    pub(super) fn judge(&mut self, claim: f64) -> f64 {
        if let Some(before) = self.newest.replace(claim as f32) {
            self.ladder.teach(f64::from(before), 1.0, &PRIOR);
        }
        self.of(claim)
    }
}

#[cfg(test)]
mod tests {
    use bellwether_series::{Sample, Timestamp};

    use super::*;
    use crate::lasting::Habits;
    use crate::testing::Noise;
    use crate::{Bank, DetectorSpec, Direction, LocalTime, MinDeviation, Tables};

    #[test]
    fn what_is_claimed_too_often_is_worth_less_and_order_stays() {
        let (mut worth, mut noise) = (Worth::default(), Noise::new(3));
        assert!((worth.of(4.0) - 4.0).abs() < 1e-12 && (worth.claim_of(4.0) - 4.0).abs() < 1e-12);
        // Claims twice as large as they should be.
        let (mut over, rows) = ([0.0; 2], 40_000);
        for row in 0..2 * rows {
            let surprise = worth.judge(-2.0 * libm::log10(noise.uniform()));
            if row >= rows {
                over[0] += f64::from(u8::from(surprise >= 1.0));
                over[1] += f64::from(u8::from(surprise >= 3.0));
            }
        }
        let of_promised = [over[0] / f64::from(rows) * 1e1, over[1] / f64::from(rows) * 1e3];
        assert!(of_promised.iter().all(|of| (0.5..2.0).contains(of)), "{of_promised:?}");
        assert!((1.7..2.3).contains(&worth.of(4.0)), "{}", worth.of(4.0));
        for tenths in 0..100 {
            let claim = f64::from(tenths) / 10.0;
            assert!(worth.of(claim) < worth.of(claim + 0.1));
            assert!((worth.claim_of(worth.of(claim)) - claim).abs() < 1e-9);
        }
    }

    #[test]
    fn only_what_the_deep_tier_judges_is_worth_something_else_and_steady_only_where_its_base_tier_agrees()
     {
        let tables = Tables::default();
        let any_size = MinDeviation::new(0.0, 0.0).unwrap();
        let mut bank = Bank::new(&DetectorSpec::defaults(), any_size, Direction::Both, &tables);
        bank.reset(0, Some(1));
        bank.reset(1, None);
        let mut noise = Noise::new(5);
        for index in 0..3000 {
            let timestamp = Timestamp::from_ms(index * 60_000);
            let sample = Sample { timestamp, value: 100.0 + noise.normal() };
            for slot in [0, 1] {
                bank.observe(slot, sample, LocalTime::utc(timestamp), 60_000);
            }
        }
        assert!((bank.worth(0, 5.0) - 5.0).abs() > 1e-6);
        assert!((bank.worth(1, 5.0) - 5.0).abs() < 1e-12);
        let steady = [(0, 3.0), (0, 0.2), (1, 3.0), (1, 0.2)];
        let expected = [Habits::Steady, Habits::Bursty, Habits::Steady, Habits::Steady];
        assert_eq!(steady.map(|(slot, base)| bank.habits(slot, base)), expected);
    }

    #[test]
    fn a_claim_counts_from_the_next_one_on() {
        let mut worth = Worth::default();
        worth.judge(9.0);
        assert!((worth.of(9.0) - 9.0).abs() < 1e-12);
        worth.judge(1.0);
        assert!(worth.of(9.0) < 8.9);
    }
}
