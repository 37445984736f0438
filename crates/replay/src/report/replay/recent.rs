//! The newest judgements of all series, within a bound on memory: what there was before an alert fired.

use std::collections::VecDeque;

use bellwether_engine::Score;
use bellwether_series::Fingerprint;

use super::judgements::Judgements;

/// A window over the judgements of all series. It goes by all that came at once, so that the order in which threads are done
/// with their parts of it does not show.
#[derive(Debug)]
pub(super) struct Recent {
    /// What came last, by shard.
    newest: Vec<Judgements>,
    /// What came before, oldest first.
    older: VecDeque<Vec<Judgements>>,
    older_scores: usize,
    scores_max: usize,
}

impl Recent {
    pub(super) fn new(memory_bytes: usize) -> Self {
        let scores_max = memory_bytes / size_of::<Score>();
        Self { newest: Vec::new(), older: VecDeque::new(), older_scores: 0, scores_max }
    }

    /// Takes the judgements of some records, by shard, those of each series in the order of time. They stay until others come,
    /// however many they are.
    pub(super) fn push(&mut self, judgements: Vec<Judgements>) {
        let mut before = std::mem::replace(&mut self.newest, judgements);
        before.iter_mut().for_each(Judgements::forget_records);
        if len(&before) > 0 {
            self.older_scores += len(&before);
            self.older.push_back(before);
        }
        let newest_scores = len(&self.newest);
        while self.older_scores + newest_scores > self.scores_max
            && let Some(oldest) = self.older.pop_front()
        {
            self.older_scores -= len(&oldest);
        }
    }

    /// The judgements of one of the records that came last.
    pub(super) fn judged(&self, record: usize) -> impl Iterator<Item = &[Score]> {
        self.newest.iter().flat_map(move |part| part.of(record))
    }

    /// The newest judgements of a series, at most `count_max`, oldest first, up to one of the records that came last.
    pub(super) fn of(&self, series: Fingerprint, count_max: usize, record: usize) -> Vec<Score> {
        if self.scores_max == 0 {
            return Vec::new();
        }
        let is_own = |score: &&Score| score.fingerprint == series;
        let newest = self.newest.iter().flat_map(|part| part.until(record)).flatten();
        let mut own: Vec<_> = newest.filter(is_own).copied().collect();
        for parts in self.older.iter().rev() {
            if own.len() >= count_max {
                break;
            }
            let before = parts.iter().flat_map(Judgements::all).filter(is_own).copied();
            own.splice(..0, before);
        }
        own.drain(..own.len().saturating_sub(count_max));
        own
    }
}

fn len(parts: &[Judgements]) -> usize {
    parts.iter().map(Judgements::len).sum()
}

#[cfg(test)]
mod tests {
    use bellwether_series::Timestamp;

    use super::super::testing::score;
    use super::*;

    const SERIES: [Fingerprint; 2] = [Fingerprint::from_u128(1), Fingerprint::from_u128(2)];

    /// Two records, at `minute` and the one after it, of a shard with two partitions, each of one series.
    fn pair(minute: i64) -> Vec<Judgements> {
        let of = |series: Fingerprint| {
            [minute, minute + 1].map(|at| score(series, Timestamp::from_ms(at), 0.0))
        };
        vec![Judgements::new(SERIES.map(of).concat(), vec![1, 2, 3, 4], 2)]
    }

    fn times(recent: &Recent, count_max: usize, record: usize) -> Vec<i64> {
        let of = recent.of(SERIES[0], count_max, record);
        of.iter().map(|score| score.at.as_ms()).collect()
    }

    #[test]
    fn what_came_first_goes_first_and_as_a_whole_when_memory_is_full() {
        let mut recent = Recent::new(9 * size_of::<Score>());
        (0..4).for_each(|number| recent.push(pair(2 * number)));
        assert_eq!(times(&recent, 9, 1), [4, 5, 6, 7]);
        assert_eq!(times(&recent, 9, 0), [4, 5, 6], "later records did not happen yet");
        assert_eq!(times(&recent, 2, 0), [5, 6]);
        let now: Vec<_> = recent.judged(1).flatten().map(|score| score.fingerprint).collect();
        assert_eq!(now, SERIES);
        let many = vec![score(SERIES[0], Timestamp::from_ms(9), 0.0); 10];
        recent.push(vec![Judgements::of_record(many)]);
        assert_eq!(times(&recent, 99, 0), [9; 10], "what came last stays");
    }

    #[test]
    fn without_memory_nothing_is_kept() {
        let mut recent = Recent::new(0);
        recent.push(pair(0));
        assert!(recent.of(SERIES[0], 9, 1).is_empty());
    }
}
