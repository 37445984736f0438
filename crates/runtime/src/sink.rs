//! What the runtime's user hands events to, and how such a sink says how it is doing.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use bellwether_engine::Event;

use crate::cells::{Predecessors, Tenure};

/// Takes events to somebody outside. A sink has a queue and a worker of its own: whatever happens out there,
/// nobody waits for it and its memory is bounded.
pub trait EventSink: Send + Sync {
    /// What metrics and health call it: lower case, unique among the sinks of a process.
    fn name(&self) -> &str;

    /// Takes `event` over. Never blocks; what there is no room for is counted and lost to this sink.
    ///
    /// Events come in log order.
    fn publish(&self, event: &Arc<Event>);

    /// Takes an event over that a process before this one may have published: see [`Told::Again`](crate::Told::Again). A sink
    /// that can look up what it has already leaves it out then.
    fn publish_again(&self, event: &Arc<Event>) {
        self.publish(event);
    }

    /// Takes an event over in the name of `tenure`. A sink that can be asked may withdraw it when that is over: whoever has the
    /// partition then publishes it.
    fn publish_held(&self, event: &Arc<Event>, _tenure: &Arc<Tenure>) {
        self.publish(event);
    }

    /// Blocks until what was published before the call is where it must survive, for `limit` at the most; whether it is. A
    /// sink that keeps nothing has nothing to wait for.
    fn settle(&self, _limit: Duration) -> bool {
        true
    }

    /// What it was told, may deliver in a later process as well, and has not delivered yet, oldest first.
    fn undelivered(&self) -> Vec<Arc<Event>> {
        Vec::new()
    }

    /// Whether it can be asked what it has, whoever delivered it.
    fn can_be_asked(&self) -> bool {
        false
    }

    /// Where it stands, for [`Self::taken_since`]; `None` when it cannot be asked what it has. Blocks for some seconds at the
    /// most.
    ///
    /// # Errors
    /// When it can be asked and does not answer.
    fn marks(&self) -> Result<Option<String>, String> {
        Ok(None)
    }

    /// Blocks until nothing will be delivered any more of what the same sinks of `before` were told. A sink that cannot call
    /// anything back has nothing to wait for.
    ///
    /// # Errors
    /// When that cannot be said yet.
    fn supersede(&self, _before: &Predecessors) -> Result<(), String> {
        Ok(())
    }

    /// The ids of the events that it has taken since it, or the same sink of another process, stood at `marks`. Blocks for as
    /// long as it takes to read them.
    ///
    /// # Errors
    /// When it does not answer.
    fn taken_since(&self, _marks: &str) -> Result<BTreeSet<String>, String> {
        Ok(BTreeSet::new())
    }

    /// What a checkpoint that is being made is to keep, so that a later process can look up what this one was told behind it;
    /// `None` when that is of no use. Asked once for each checkpoint. Blocks for some seconds at the most.
    fn bookmark(&self) -> Option<String> {
        None
    }

    /// What [`Self::bookmark`] gave to the checkpoint that this process goes on from. Told before anything is published.
    fn return_to(&self, _bookmark: &str) {}

    /// How it is doing.
    fn stats(&self) -> SinkStats;

    /// Delivers what waits, and ends. Blocks for `limit` at the most; what is published afterwards is lost.
    fn close(&self, limit: Duration);
}

/// How a sink is doing; counters are since its start.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SinkStats {
    /// Events delivered.
    pub delivered_events: u64,
    /// Events lost: no room in the queue, refused for good, or given up.
    pub dropped_events: u64,
    /// Attempts at delivery that failed, tried again or not.
    pub failed_attempts: u64,
    /// Events that were taken back, because whoever has their partition now publishes them; 0 but for a topic with transactions.
    pub withdrawn_events: u64,
    /// Transactions that were committed; 0 but for a topic with transactions.
    pub committed_transactions: u64,
    /// Transactions that were aborted, or whose producer failed; what was in them is tried again.
    pub aborted_transactions: u64,
    /// Files removed because no more are kept; 0 for a sink without files.
    pub removed_files: u64,
    /// Events that wait.
    pub waiting_events: usize,
    /// Events that may wait.
    pub queue_events_max: usize,
    /// Failed attempts since the last one that succeeded; above 0 the sink is unwell.
    pub failures_in_a_row: u32,
    /// Wall-clock time of the last delivery, in milliseconds.
    pub last_success_ms: Option<i64>,
    /// What went wrong last, if it was after the last success.
    pub last_error: Option<String>,
}
