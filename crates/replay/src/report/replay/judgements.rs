//! The judgements of some records, in the order in which a shard makes them: partition by partition.

use bellwether_engine::Score;

/// Judgements of some records.
#[derive(Debug, Default)]
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
    pub(crate) fn len(&self) -> usize {
        self.scores.len()
    }

    /// Those of a record, by partition.
    pub(super) fn of(&self, record: usize) -> impl Iterator<Item = &[Score]> {
        self.partitions().map(move |first| {
            let place = first + record;
            &self.scores[self.begin(place)..self.ends[place]]
        })
    }

    /// Those of all records up to and with `record`, by partition.
    pub(super) fn until(&self, record: usize) -> impl Iterator<Item = &[Score]> {
        self.partitions()
            .map(move |first| &self.scores[self.begin(first)..self.ends[first + record]])
    }

    /// Forgets which records they are of.
    pub(super) fn forget_records(&mut self) {
        (self.ends, self.records) = (Vec::new(), 0);
    }

    /// The place of the first record of each partition.
    fn partitions(&self) -> impl Iterator<Item = usize> {
        (0..self.ends.len()).step_by(self.records.max(1))
    }

    /// Where those of the record at `place` begin.
    fn begin(&self, place: usize) -> usize {
        if place == 0 { 0 } else { self.ends[place - 1] }
    }
}
