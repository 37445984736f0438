//! A score that rises with a single odd observation and higher with a run of them.

use serde::{Deserialize, Serialize};

use super::SCORE_MAX;

/// Share of the present observation in the score; the rest is the average.
const PRESENT_SHARE: f64 = 0.3;
/// How long the score of a signal remembers, and the most samples that it does.
const FOLLOW_MS: f64 = 7_200_000.0;
const FOLLOW_SAMPLES_MAX: f64 = 32.0;

/// Exponential average of past scores.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub(crate) struct Follow {
    level: f64,
}

impl Follow {
    /// The score of an observation of oddity `odd`; `gain`, 0 to 1, is its weight in the average.
    pub(crate) fn score(&mut self, odd: f64, gain: f64) -> f64 {
        let odd = odd.min(SCORE_MAX);
        self.level += gain * (odd - self.level);
        PRESENT_SHARE * odd + (1.0 - PRESENT_SHARE) * self.level
    }
}

/// Weight of one observation in the average of a signal's scores.
pub(crate) fn follow_gain(interval_ms: i64) -> f64 {
    (interval_ms as f64 / FOLLOW_MS).clamp(1.0 / FOLLOW_SAMPLES_MAX, 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_scores_higher_than_a_single_oddity() {
        let mut follow = Follow::default();
        let first = follow.score(10.0, 0.1);
        assert!((first - 3.7).abs() < 1e-12);
        let later = (0..10).map(|_| follow.score(10.0, 0.1)).last().unwrap();
        assert!(later > first);
        assert!(follow.score(f64::INFINITY, 1.0) <= SCORE_MAX);
    }
}
