//! The newest judgements of all series, within a bound on memory: what there was before an alert fired.

use std::collections::VecDeque;

use bellwether_engine::Score;
use bellwether_series::Fingerprint;
use serde::{Deserialize, Serialize};

use super::judgements::Judgements;

/// A window over the judgements of all series. It goes by whole records, so that neither threads nor what came at once show: of
/// the records up to some one, it holds the newest that fit together. In memory there is a little more, since what came at once
/// goes at once.
#[derive(Debug, Serialize, Deserialize)]
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

    /// Takes the judgements of some records, by shard, those of each series in the order of time.
    pub(super) fn push(&mut self, judgements: Vec<Judgements>) {
        let before = std::mem::replace(&mut self.newest, judgements);
        if len(&before) > 0 {
            self.older_scores += len(&before);
            self.older.push_back(before);
        }
        // Gone is what does not even fit behind the first record of what came now.
        while let Some(oldest) = self.older.front().map(|parts| len(parts))
            && self.older_scores.saturating_sub(oldest) >= self.scores_max
        {
            self.older_scores = self.older_scores.saturating_sub(oldest);
            self.older.pop_front();
        }
    }

    /// The judgements of one of the records that came last.
    pub(super) fn judged(&self, record: usize) -> impl Iterator<Item = &[Score]> {
        self.newest.iter().flat_map(move |part| part.of(record))
    }

    /// The newest judgements of a series, at most `count_max`, oldest first, up to one of the records that came last.
    pub(super) fn of(&self, series: Fingerprint, count_max: usize, record: usize) -> Vec<Score> {
        let mut own = Vec::new();
        let (mut room, mut last) = (self.scores_max, Some(record));
        for parts in std::iter::once(&self.newest).chain(self.older.iter().rev()) {
            let last = last.take().or_else(|| parts.first()?.records().checked_sub(1));
            let Some(last) = last else { continue };
            let first = first_that_fits(parts, last, &mut room);
            if first <= last {
                let scores = parts.iter().flat_map(|part| part.between(first, last)).flatten();
                let before: Vec<_> =
                    scores.filter(|score| score.fingerprint == series).copied().collect();
                own.splice(..0, before);
            }
            if first > 0 || own.len() >= count_max {
                break;
            }
        }
        own.drain(..own.len().saturating_sub(count_max));
        own
    }
}

/// The first of the records up to `last` that, with all that follow up to there, fit into `room`, which shrinks by as many; the
/// one behind `last` if not even that fits.
fn first_that_fits(parts: &[Judgements], last: usize, room: &mut usize) -> usize {
    for record in (0..=last).rev() {
        let count: usize = parts.iter().flat_map(|part| part.of(record)).map(<[_]>::len).sum();
        match room.checked_sub(count) {
            Some(rest) => *room = rest,
            None => return record + 1,
        }
    }
    0
}

fn len(parts: &[Judgements]) -> usize {
    parts.iter().map(Judgements::len).sum()
}

#[cfg(test)]
mod tests {
    use bellwether_series::Timestamp;
    use proptest::prelude::*;

    use super::super::testing::score;
    use super::*;

    const SERIES: [Fingerprint; 3] =
        [Fingerprint::from_u128(1), Fingerprint::from_u128(2), Fingerprint::from_u128(3)];

    /// What the first series has in a window of `scores_max`, record by record, by definition.
    fn by_definition(records: &[Vec<Score>], scores_max: usize, count_max: usize) -> Vec<Score> {
        let fits =
            |&first: &usize| records[first..].iter().map(Vec::len).sum::<usize>() <= scores_max;
        let first = (0..records.len()).find(fits).unwrap_or(records.len());
        let own = records[first..].iter().flatten().filter(|score| score.fingerprint == SERIES[0]);
        let own: Vec<_> = own.copied().collect();
        own[own.len().saturating_sub(count_max)..].to_vec()
    }

    /// Records as a shard with a partition for each series judges them.
    fn judgements(records: &[Vec<Score>]) -> Judgements {
        let (mut scores, mut ends) = (Vec::new(), Vec::new());
        for series in SERIES {
            for record in records {
                scores.extend(record.iter().filter(|score| score.fingerprint == series));
                ends.push(scores.len());
            }
        }
        Judgements::new(scores, ends, records.len())
    }

    proptest! {
        #[test]
        fn it_holds_the_newest_records_that_fit_however_they_come(
            batches in prop::collection::vec(
                prop::collection::vec(prop::collection::vec(0..3_usize, 0..5), 1..5), 1..8,
            ),
            scores_max in 0..20_usize, count_max in 1..9_usize,
        ) {
            let mut recent = Recent::new(scores_max * size_of::<Score>());
            let (mut all, mut minute) = (Vec::new(), 0);
            for batch in batches {
                let records: Vec<Vec<Score>> = batch.into_iter().map(|record| {
                    record.into_iter().map(|series| {
                        minute += 1;
                        score(SERIES[series], Timestamp::from_ms(minute), 0.0)
                    }).collect()
                }).collect();
                recent.push(vec![judgements(&records), Judgements::new(Vec::new(), vec![0; records.len()], records.len())]);
                for (place, record) in records.into_iter().enumerate() {
                    let now: usize = recent.judged(place).map(<[_]>::len).sum();
                    prop_assert_eq!(now, record.len());
                    all.push(record);
                    let expected = by_definition(&all, scores_max, count_max);
                    prop_assert_eq!(recent.of(SERIES[0], count_max, place), expected);
                }
            }
            let kept: usize = recent.older.iter().map(|parts| len(parts)).sum();
            prop_assert_eq!(kept, recent.older_scores);
            prop_assert!(kept <= scores_max + 20, "{}", kept);
        }
    }
}
