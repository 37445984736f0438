//! How a source is doing.

use bellwether_engine::{Outcome, RejectReason};
use bellwether_runtime::TopicPartition;
use bellwether_wire::remote_write::WriteRequest;
use parking_lot::Mutex;

use super::poison::POISON_REASONS;

/// Records over which the share of poison is taken.
const SHARE_RECORDS: u64 = 1000;

/// How a source is doing.
#[derive(Debug, Default)]
pub struct SourceStats(Mutex<SourceFigures>);

/// Counters since the start, and how things stand.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SourceFigures {
    /// Records read, whatever became of them.
    pub records: u64,
    /// Bytes of their values.
    pub record_bytes: u64,
    /// Records that the engine took, those in whose place an empty request came included.
    pub records_taken: u64,
    /// Records left out because the engine had taken them before.
    pub records_known: u64,
    /// Heartbeats among the records that the engine took: they hold nothing.
    pub heartbeats: u64,
    /// Samples of records that could be decoded.
    pub samples_received: u64,
    /// Samples that the engine took.
    pub samples_accepted: u64,
    /// Samples that the engine refused, by [`RejectReason`].
    pub samples_rejected: [u64; RejectReason::ALL.len()],
    /// Parts of records that could not be taken; the rest of the record was.
    pub parts_invalid: u64,
    /// Poison, by [`POISON_REASONS`].
    pub poison: [u64; POISON_REASONS.len()],
    /// Dead letters that a broker has confirmed.
    pub dead_letters: u64,
    /// Times that a dead letter was not taken; it is sent again, unless it is given up.
    pub dead_letter_failures: u64,
    /// Dead letters that the topic will never take, however little is in them. Their records are left out all the same.
    pub dead_letters_given_up: u64,
    /// Poison among what waits whose dead letter is not confirmed.
    pub letters_under_way: usize,
    /// Times that a partition was paused because what was read of it was not taken for a while.
    pub pauses: u64,
    /// Whether one is paused.
    pub is_paused: bool,
    /// Times that partitions came or went.
    pub rebalances: u64,
    /// Times that a partition was read again from a record that the engine had refused.
    pub rereads: u64,
    /// Times that the next record of a partition did not exist any more.
    pub positions_lost: u64,
    /// Records that had gone by then.
    pub records_lost: u64,
    /// Commits to the group that failed.
    pub commit_failures: u64,
    /// Errors of the client: connections, topics, permissions.
    pub client_errors: u64,
    /// Brokers to which there is a connection, as of the last few seconds.
    pub brokers_up: usize,
    /// Our partitions.
    pub partitions: Vec<PartitionFigures>,
    /// Wall-clock time of the last record that had a value, in milliseconds.
    pub last_record_ms: Option<i64>,
    /// What went wrong last, if no record came since.
    pub last_error: Option<String>,
    /// Of the last thousand records, how many were poison.
    pub poison_per_thousand: u64,
    /// Since that was last taken: records, and poison among them.
    pub recent: (u64, u64),
}

/// How far a partition is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartitionFigures {
    /// Which one.
    pub at: TopicPartition,
    /// The offset that comes next; `None` when nothing was taken.
    pub next: Option<i64>,
    /// The offset after the last record that may be read, as of the last few seconds; `None` before it is known.
    pub end: Option<i64>,
}

impl PartitionFigures {
    /// Records that are there and not taken; `None` before it is known.
    pub fn lag(&self) -> Option<u64> {
        let behind = self.end?.saturating_sub(self.next.unwrap_or_default());
        Some(behind.max(0) as u64)
    }
}

impl SourceStats {
    /// As they are now.
    pub fn figures(&self) -> SourceFigures {
        self.0.lock().clone()
    }

    pub(super) fn count(&self, count: impl FnOnce(&mut SourceFigures)) {
        count(&mut self.0.lock());
    }

    /// A record with a value of so many bytes, or without one, was read at `now_ms`.
    pub(super) fn read(&self, bytes: Option<usize>, now_ms: i64) {
        let mut figures = self.0.lock();
        figures.records += 1;
        if let Some(bytes) = bytes {
            figures.record_bytes += bytes as u64;
            // That a heartbeat comes does not say that anybody measures.
            figures.last_record_ms = Some(now_ms);
        }
        figures.last_error = None;
    }

    /// A record was decoded.
    pub(super) fn decoded(&self, write: &WriteRequest) {
        let mut figures = self.0.lock();
        figures.samples_received += write.sample_count() as u64;
        figures.parts_invalid += (write.invalid_histograms().count()
            + write.invalid_exemplars().count()
            + write.invalid_points().count()
            + write.invalid_metadata().count()) as u64;
        figures.judge(false);
    }

    /// A record is poison for the reason with this index.
    pub(super) fn poison(&self, reason: usize) {
        let mut figures = self.0.lock();
        figures.poison[reason] += 1;
        figures.judge(true);
    }

    /// The engine has taken a record.
    pub(super) fn taken(&self, outcome: &Outcome) {
        let mut figures = self.0.lock();
        figures.records_taken += 1;
        figures.samples_accepted += outcome.accepted_samples;
        for (sum, samples) in figures.samples_rejected.iter_mut().zip(&outcome.rejected_samples) {
            *sum += samples;
        }
    }

    /// The client complains.
    pub(super) fn failed(&self, error: &str) {
        let mut figures = self.0.lock();
        figures.client_errors += 1;
        figures.last_error = Some(error.to_owned());
    }
}

impl SourceFigures {
    fn judge(&mut self, is_poison: bool) {
        self.recent.0 += 1;
        self.recent.1 += u64::from(is_poison);
        if self.recent.0 == SHARE_RECORDS {
            self.poison_per_thousand = self.recent.1;
            self.recent = (0, 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_share_of_poison_is_that_of_the_last_thousand() {
        let stats = SourceStats::default();
        (0..999).for_each(|_| stats.poison(0));
        assert_eq!(stats.figures().poison_per_thousand, 0);
        stats.poison(1);
        assert_eq!(stats.figures().poison_per_thousand, 1000);
        assert_eq!(stats.figures().poison, [999, 1, 0, 0, 0]);
    }

    #[test]
    fn lag_is_what_is_there_and_not_taken() {
        let at = TopicPartition { topic: "m".into(), partition: 0 };
        let lag = |next, end| PartitionFigures { at: at.clone(), next, end }.lag();
        assert_eq!(lag(Some(3), Some(10)), Some(7));
        assert_eq!(lag(None, Some(10)), Some(10));
        // What is known of the end is some seconds old.
        assert_eq!(lag(Some(12), Some(10)), Some(0));
        assert_eq!(lag(Some(3), None), None);
    }
}
