//! The judgements of some records, in the order in which a shard makes them: partition by partition.

use bellwether_engine::Score;
use serde::{Deserialize, Serialize};

/// Judgements of some records.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Judgements {
    scores: Vec<Score>,
    /// Where those of each record end, partition by partition.
    ends: Vec<usize>,
    records: usize,
}

impl Judgements {
    /// `scores` of so many `records`; those of a partition go by record, and each of these ends where `ends` says.
    pub(crate) fn new(scores: Vec<Score>, ends: Vec<usize>, records: usize) -> Self {
        Self { scores, ends, records }
    }

    /// Those of one record.
    pub(crate) fn of_record(scores: Vec<Score>) -> Self {
        let ends = vec![scores.len()];
        Self { scores, ends, records: 1 }
    }

    /// All of them; those of a series in the order of time.
    pub(crate) fn all(&self) -> &[Score] {
        &self.scores
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.scores.len()
    }

    /// Of how many records they are.
    pub(super) fn records(&self) -> usize {
        self.records
    }

    /// Those of a record, by partition.
    pub(super) fn of(&self, record: usize) -> impl Iterator<Item = &[Score]> {
        self.between(record, record)
    }

    /// Those of the records from `first` to `last`, by partition.
    pub(super) fn between(&self, first: usize, last: usize) -> impl Iterator<Item = &[Score]> {
        let end = |place: usize| self.ends.get(place).copied().unwrap_or(0);
        let of_partition = move |place: usize| {
            let begin = (place + first).checked_sub(1).map_or(0, end);
            // What was read back may be anything.
            self.scores.get(begin..end(place + last)).unwrap_or_default()
        };
        (0..self.ends.len()).step_by(self.records.max(1)).map(of_partition)
    }
}
