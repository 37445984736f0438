//! Counters as rates.

use bellwether_series::{Sample, Timestamp};
use serde::{Deserialize, Serialize};

/// Increase of a counter per second between two neighbouring samples, `previous` being the older one.
///
/// `None` after a reset: how much was counted before and after a restart nobody knows, and a guess
/// would look like a drop.
pub fn rate(previous: Sample, sample: Sample) -> Option<f64> {
    let elapsed_ms = sample.timestamp.ms_since(previous.timestamp);
    let increase = sample.value - previous.value;
    (increase >= 0.0 && elapsed_ms > 0).then(|| increase * 1000.0 / elapsed_ms as f64)
}

/// The sampling interval of a series, learned from the distances of its samples.
///
/// Method: a median tracked by steps of a sixteenth (stochastic approximation of the median, Robbins &
/// Monro 1951), so that gaps and bursts move it little.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    estimate_ms: u32,
}

impl Interval {
    /// What is assumed before two samples were seen.
    const UNKNOWN_MS: i64 = 60_000;

    /// Learns from two neighbouring samples, `later` being the later one.
    #[inline]
    pub fn learn(&mut self, earlier: Timestamp, later: Timestamp) {
        let distance_ms = later.ms_since(earlier).clamp(1, i64::from(u32::MAX)) as u32;
        let estimate_ms = self.estimate_ms;
        if distance_ms == estimate_ms {
            return;
        }
        let step_ms = estimate_ms / 16 + 1;
        self.estimate_ms = if estimate_ms == 0 || distance_ms.abs_diff(estimate_ms) <= step_ms {
            distance_ms
        } else if distance_ms > estimate_ms {
            estimate_ms.saturating_add(step_ms)
        } else {
            estimate_ms - step_ms.min(estimate_ms - 1)
        };
    }

    /// The interval in milliseconds; a minute as long as nothing is known.
    #[inline]
    pub fn as_ms(self) -> i64 {
        if self.estimate_ms == 0 { Self::UNKNOWN_MS } else { i64::from(self.estimate_ms) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample((ms, value): (i64, f64)) -> Sample {
        Sample { timestamp: Timestamp::from_ms(ms), value }
    }

    #[test]
    fn a_rate_is_the_increase_per_second() {
        assert_eq!(rate(sample((0, 10.0)), sample((15_000, 40.0))), Some(2.0));
        assert_eq!(rate(sample((0, 10.0)), sample((15_000, 10.0))), Some(0.0));
    }

    #[test]
    fn a_reset_has_no_rate() {
        assert_eq!(rate(sample((0, 10.0)), sample((1000, 3.0))), None);
    }

    fn learned(distances_ms: &[i64]) -> i64 {
        let (mut interval, mut now) = (Interval::default(), Timestamp::from_ms(0));
        for &distance_ms in distances_ms {
            interval.learn(now, now.plus_ms(distance_ms));
            now = now.plus_ms(distance_ms);
        }
        interval.as_ms()
    }

    #[test]
    fn an_interval_survives_gaps_and_follows_changes() {
        assert_eq!(learned(&[]), 60_000);
        assert_eq!(learned(&[15_000; 5]), 15_000);
        assert_eq!(learned(&[1]), 1);
        let mut gaps = vec![15_000; 20];
        gaps.extend([3_600_000, 15_000, 15_000]);
        assert_eq!(learned(&gaps), 15_000);
        let mut slower = vec![15_000; 20];
        slower.extend([60_000; 40]);
        assert_eq!(learned(&slower), 60_000);
    }
}
