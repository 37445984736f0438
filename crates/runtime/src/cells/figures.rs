//! How the cells of a worker are doing.

use std::collections::BTreeMap;
use std::time::Duration;

use bellwether_series::Timestamp;

use crate::source::TopicPartition;

/// How the cells of a worker are doing; counters are since its start.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CellsFigures {
    /// The cells that are open.
    pub open: BTreeMap<TopicPartition, CellFigures>,
    /// Cells opened.
    pub opened: u64,
    /// Attempts at opening one that failed; it is tried again.
    pub open_failures: u64,
    /// How long it took to open them, together.
    pub opening_took: Duration,
    /// How long the last one took.
    pub last_opening_took: Duration,
    /// Checkpoints that were found not to verify, so that an older one was taken.
    pub checkpoints_rejected: u64,
    /// Checkpoints made.
    pub checkpoints: u64,
    /// Bytes of these.
    pub checkpoint_bytes: u64,
    /// Attempts at one that failed; it is tried again.
    pub checkpoint_failures: u64,
    /// Cells that ended because somebody else had claimed their partition, or the membership was over.
    pub fenced: u64,
    /// Cells that had not made their last checkpoint when their partitions had to go.
    pub hand_overs_late: u64,
    /// Events that were not told to a topic because they were in it.
    pub events_known: u64,
    /// What went wrong last, if nothing has gone well since.
    pub last_error: Option<String>,
}

/// How one cell is doing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CellFigures {
    /// How often the partition has been claimed, by this claim.
    pub epoch: u64,
    /// The offset that comes next.
    pub next: Option<i64>,
    /// Series known.
    pub series: usize,
    /// Series that are judged.
    pub watched: usize,
    /// Wall-clock time of the newest checkpoint, be it the one that it was restored from; `None` when there is none.
    pub checkpoint_at: Option<Timestamp>,
}
