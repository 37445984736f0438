//! A score that rises with a single odd observation and higher with a run of them.

use super::SCORE_MAX;

/// Share of the present observation in the score; the rest is the average.
const PRESENT_SHARE: f64 = 0.3;

/// Exponential average of past scores.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Follow {
    level: f64,
}

impl Follow {
    /// The score of an observation of oddity `odd`; `gain`, 0 to 1, is its weight in the average.
    pub(super) fn score(&mut self, odd: f64, gain: f64) -> f64 {
        let odd = odd.min(SCORE_MAX);
        self.level += gain * (odd - self.level);
        PRESENT_SHARE * odd + (1.0 - PRESENT_SHARE) * self.level
    }
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
