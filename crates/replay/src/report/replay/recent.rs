//! The newest judgements of all series, within a bound on memory: what there was before an alert fired.

use std::collections::VecDeque;

use bellwether_engine::Score;
use bellwether_series::Fingerprint;
use serde::{Deserialize, Serialize};

/// A window over the judgements of all series. It goes by whole records, so that the order in which threads are done with
/// one does not show.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Recent {
    scores: VecDeque<Score>,
    /// How many of them are of each record.
    records: VecDeque<usize>,
    scores_max: usize,
}

impl Recent {
    pub(super) fn new(memory_bytes: usize) -> Self {
        let scores_max = memory_bytes / size_of::<Score>();
        Self { scores: VecDeque::new(), records: VecDeque::new(), scores_max }
    }

    /// Takes the judgements of a record, those of each series in the order of time.
    pub(super) fn push(&mut self, scores: &[Score]) {
        if scores.is_empty() {
            return;
        }
        while self.scores.len() + scores.len() > self.scores_max {
            let Some(oldest) = self.records.pop_front() else { return };
            self.scores.drain(..oldest);
        }
        self.scores.extend(scores);
        self.records.push_back(scores.len());
    }

    /// The newest judgements of a series, at most `count_max`, oldest first.
    pub(super) fn of(&self, series: Fingerprint, count_max: usize) -> Vec<Score> {
        let own = self.scores.iter().rev().filter(|score| score.fingerprint == series);
        let mut own: Vec<_> = own.take(count_max).copied().collect();
        own.reverse();
        own
    }
}

#[cfg(test)]
mod tests {
    use bellwether_series::Timestamp;

    use super::*;

    #[test]
    fn the_oldest_records_go_as_a_whole_when_memory_is_full() {
        let score = |series: u128, at_ms| Score {
            fingerprint: Fingerprint::from_u128(series),
            at: Timestamp::from_ms(at_ms),
            value: 0.0,
            surprise: 0.0,
            expected: 0.0,
            lower: 0.0,
            upper: 0.0,
        };
        let mut recent = Recent::new(5 * size_of::<Score>());
        for minute in 0..4 {
            recent.push(&[score(1, minute), score(2, minute)]);
        }
        let times = |recent: &Recent, count_max| -> Vec<_> {
            let of = recent.of(Fingerprint::from_u128(1), count_max);
            of.iter().map(|score| score.at.as_ms()).collect()
        };
        assert_eq!(times(&recent, 9), [2, 3]);
        assert_eq!(times(&recent, 1), [3]);
        recent.push(&[score(1, 9); 6]);
        assert!(
            times(&recent, 9).is_empty(),
            "a record that is too large leaves nothing of the others"
        );
        assert!(Recent::new(0).of(Fingerprint::from_u128(1), 9).is_empty());
    }
}
