//! Whom cells tell what they find.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::Tenure;
use crate::collector::News;
use crate::source::TopicPartition;

/// Who had a partition before, and may not have finished.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Predecessors {
    /// The partition.
    pub at: TopicPartition,
    /// Names of [workers](super::CellsOptions::worker), oldest first; perhaps not all of them. Each has handed the partition over
    /// or is no member of the group.
    pub workers: Vec<String>,
}

/// Whom the cells of a worker tell what they find: its sinks, as cells see them. Called on the threads of cells.
pub trait CellOutput: Send + Sync {
    /// Where the sinks stand that can be asked later what they have taken since then. Blocks for some seconds at the most.
    ///
    /// # Errors
    /// When one of them does not say.
    fn marks(&self) -> Result<String, String>;

    /// Blocks until nothing will be delivered any more of what `before` told. What comes of it later is not delivered. Blocks for
    /// some ten seconds at the most.
    ///
    /// # Errors
    /// When that cannot be said yet.
    fn supersede(&self, before: &Predecessors) -> Result<(), String>;

    /// The ids of the events that these sinks have taken since they stood at `marks`, whoever told them. Blocks for as long as
    /// it takes to read them.
    ///
    /// # Errors
    /// When one of them does not say.
    fn taken_since(&self, marks: &str) -> Result<BTreeSet<String>, String>;

    /// Tells the sinks, in the name of `tenure`. Those that can be asked are not told of events in `taken`. Once the tenure is over,
    /// whoever repeats what fires repeats it no more, and does not end it: somebody else has it.
    fn tell(&self, news: News, taken: &BTreeSet<String>, tenure: &Arc<Tenure>);

    /// Blocks until all who keep events, and all who can be asked, have those of the events `ids` that are for them. What of
    /// these the others have not delivered yet, for [`Self::resume`]: the ids and the bytes. `None` when it takes too long.
    fn settle(&self, ids: &BTreeSet<String>) -> Option<(BTreeSet<String>, Vec<u8>)>;

    /// Goes on with what [`Self::settle`] gave to a checkpoint; the ids of it.
    fn resume(&self, undelivered: &[u8]) -> BTreeSet<String>;
}
