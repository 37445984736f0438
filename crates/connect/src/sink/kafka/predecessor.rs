//! Workers that had a partition before, and may have been killed or stopped in the middle of a transaction.
//!
//! Nothing of theirs may be committed once somebody else has asked the topic what it has. A transaction ends by itself in some
//! milliseconds, and that of a worker that was killed when brokers have lost patience. Nobody waits for that: a producer that
//! calls itself as theirs did ends what that left, and is the last one whose commits count (KIP-98).

use std::time::{Duration, Instant};

use bellwether_runtime::cells::Predecessors;
use parking_lot::Mutex;
use rdkafka::TopicPartitionList;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::topic_partition_list::TopicPartitionListElem;

use super::brokers::own_properties;
use super::taken::{Ends, Records, consumer, ends_by, reaches};
use super::{KafkaEventsOptions, TransactionOptions};
use crate::kafka::{Cluster, Producer, describe};

/// What a transaction of a worker that is alive takes at the most, nearly always. One that lasts longer is ended.
const FENCE_AFTER: Duration = Duration::from_secs(1);
/// Longest wait for brokers to end one.
const FENCE_MAX: Duration = Duration::from_secs(5);
/// Longest wait in all, but for that. The cell tries again then, unless the partition is to go elsewhere.
const SUPERSEDE_MAX: Duration = Duration::from_secs(5);
/// Longest wait for one answer.
const ANSWER_MAX: Duration = Duration::from_millis(500);
/// As often it is looked whether transactions have ended.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Ends transactions of workers that are no members of the group any more.
pub(super) struct Fence {
    cluster: Cluster,
    topic: String,
    transactions: TransactionOptions,
    /// Partitions of one worker come together; one of them ends its transaction for all.
    in_turn: Mutex<()>,
}

impl Fence {
    pub(super) fn new(options: &KafkaEventsOptions, transactions: &TransactionOptions) -> Self {
        Self {
            cluster: options.cluster.clone(),
            topic: options.topic.clone(),
            transactions: transactions.clone(),
            in_turn: Mutex::default(),
        }
    }

    /// Blocks until no transaction is under way that `before` may have begun, and ends it if it takes long.
    pub(super) fn supersede(&self, before: &Predecessors) -> Result<(), String> {
        let began = Instant::now();
        // Where the topic ends now, whatever is under way.
        let all = consumer(&self.cluster, Records::All, &self.transactions.id)?;
        let ends = ends_by(&all, &self.topic)?;
        let asked = consumer(&self.cluster, Records::Committed, &self.transactions.id)?;
        let is_over = || self.is_over(&asked, before, &ends);
        let mut workers = before.workers.iter();
        loop {
            let blocked_by = match is_over() {
                Ok(()) => return Ok(()),
                Err(error) => error,
            };
            if began.elapsed() >= SUPERSEDE_MAX {
                return Err(blocked_by);
            }
            if began.elapsed() >= FENCE_AFTER
                && let Some(worker) = workers.next()
            {
                let _in_turn = self.in_turn.lock();
                if is_over().is_err() {
                    self.fence(worker);
                }
                continue;
            }
            std::thread::sleep(LOOK_EVERY);
        }
    }

    /// Whether no transaction is under way that commits an offset of the partition, or has a record below `ends`.
    fn is_over(
        &self,
        asked: &BaseConsumer,
        before: &Predecessors,
        ends: &Ends,
    ) -> Result<(), String> {
        let failed = |error| describe(&error);
        let mut list = TopicPartitionList::new();
        list.add_partition(&before.at.topic, before.at.partition);
        // Brokers do not say it of an offset that a transaction may still change (KIP-447).
        let offsets = asked.committed_offsets(list, ANSWER_MAX).map_err(failed)?;
        let mut offsets = offsets.elements().into_iter();
        offsets.try_for_each(|offset| TopicPartitionListElem::error(&offset)).map_err(failed)?;
        if reaches(&ends_by(asked, &self.topic)?, ends) {
            return Ok(());
        }
        Err(format!("a transaction does not end: topic=`{}`", self.topic))
    }

    /// Ends the transaction of `worker`, if one is under way. That it does not succeed is no error: brokers end it later.
    fn fence(&self, worker: &str) {
        let began = Instant::now();
        let id = self.transactions.id_of(worker);
        let producer =
            Producer::<()>::start(&self.cluster, &own_properties(&id), Box::new(|(), _| ()));
        let ended = producer.map_err(|error| error.to_string()).and_then(|producer| {
            let is_over = || began.elapsed() >= FENCE_MAX;
            producer.init(is_over).map_err(|uncommitted| uncommitted.error)
        });
        match ended {
            Ok(()) => tracing::info!(
                worker,
                "ended the transaction of a worker that had a partition before"
            ),
            Err(error) => tracing::warn!(
                worker,
                error,
                "transaction of a worker that had a partition before cannot be ended"
            ),
        }
    }
}
