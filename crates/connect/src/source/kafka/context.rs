//! What librdkafka tells a consumer besides records, on the thread that polls.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bellwether_runtime::cells::{Cells, Membership};
use bellwether_runtime::{Offsets, TopicPartition};
use parking_lot::{Mutex, RwLock};
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext, RebalanceProtocol};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::statistics::{Partition, Statistics};
use rdkafka::types::RDKafkaRespErr;
use rdkafka::{Offset, TopicPartitionList};

use super::options::{KafkaOptions, StartAt};
use super::stats::SourceStats;
use crate::kafka::{Group, describe, log};
use crate::source::receiver::TenantOptions;
use crate::text::printable;

/// Longest reason that is logged, in bytes.
const REASON_BYTES_MAX: usize = 512;

/// What the source, its thread and librdkafka share.
pub(super) struct Shared {
    pub(super) stats: SourceStats,
    /// `None`: everything is of one.
    pub(super) tenants: RwLock<Option<TenantOptions>>,
    /// Whoever has the state of each partition, where processes share the group.
    pub(super) cells: Option<Arc<Cells>>,
    /// Where offsets go to be committed together with events; `None`: they are committed by themselves.
    pub(super) group: Option<Arc<Group>>,
    /// Ours in the group, as of the consumer that reads now.
    membership: RwLock<Arc<Membership>>,
    /// See [`super::WorkerOptions::silence_max`].
    silence_max: Duration,
    start: StartAt,
    /// Where each partition is to be read from when it is assigned.
    next: Mutex<BTreeMap<TopicPartition, i64>>,
    /// What has changed and is not noticed yet.
    changes: Mutex<Vec<Change>>,
    /// The end of each partition, as of the last statistics.
    ends: Mutex<BTreeMap<(String, i32), i64>>,
    /// What the group was told last it may not have.
    has_commit_failed: AtomicBool,
}

/// Partitions that came or went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Change {
    Assigned(Vec<TopicPartition>),
    Revoked(Vec<TopicPartition>),
}

impl Shared {
    pub(super) fn new(
        options: &KafkaOptions,
        tenants: Option<TenantOptions>,
        taken: &Offsets,
        cells: Option<Arc<Cells>>,
        group: Option<Arc<Group>>,
    ) -> Self {
        let silence_max = options.workers.map_or(Duration::MAX, |workers| workers.silence_max());
        Self {
            stats: SourceStats::default(),
            tenants: RwLock::new(tenants),
            cells,
            group,
            membership: RwLock::new(Arc::new(Membership::begin(silence_max))),
            silence_max,
            start: options.start,
            next: Mutex::new(taken.iter().map(|(at, next)| (at.clone(), next)).collect()),
            changes: Mutex::default(),
            ends: Mutex::default(),
            has_commit_failed: AtomicBool::new(false),
        }
    }

    /// Another consumer joins the group.
    pub(super) fn begin_membership(&self) {
        *self.membership.write() = Arc::new(Membership::begin(self.silence_max));
    }

    /// In whose name we read.
    pub(super) fn membership(&self) -> Arc<Membership> {
        Arc::clone(&self.membership.read())
    }

    /// Transactions are in the name of what `consumer` knows of the group from now on, if it is certainly a member.
    pub(super) fn renew_pass(&self, consumer: &BaseConsumer<Context>) {
        let Some(group) = &self.group else { return };
        let pass = consumer.group_metadata();
        // After it: what was known before was known to a member. A consumer that the group has thrown out joins it again under
        // another name, but not before it was told that its partitions are lost.
        if !consumer.assignment_lost()
            && self.membership().beat()
            && let Some(pass) = pass
        {
            group.renew(pass);
        }
    }

    /// When `at` is assigned again, it is to be read from `next`.
    pub(super) fn goes_on_at(&self, at: &TopicPartition, next: i64) {
        let mut all = self.next.lock();
        match all.get_mut(at) {
            Some(known) => *known = next,
            None => _ = all.insert(at.clone(), next),
        }
    }

    /// What has changed since this was last asked, oldest first.
    pub(super) fn take_changes(&self) -> Vec<Change> {
        std::mem::take(&mut *self.changes.lock())
    }

    /// The end of a partition, as far as is known.
    pub(super) fn end_of(&self, at: &TopicPartition) -> Option<i64> {
        self.ends.lock().get(&(at.topic.to_string(), at.partition)).copied()
    }

    /// From where a partition is read.
    pub(super) fn start_of(&self, at: &TopicPartition) -> Offset {
        match (self.next.lock().get(at), self.start) {
            (Some(&next), _) => Offset::Offset(next),
            (None, StartAt::Earliest) => Offset::Beginning,
            (None, StartAt::Latest) => Offset::End,
        }
    }

    /// The group may not have what it was told.
    pub(super) fn commit_failed(&self) {
        self.stats.count(|figures| figures.commit_failures += 1);
        self.has_commit_failed.store(true, Ordering::Relaxed);
    }

    /// Whether that happened since this was last asked.
    pub(super) fn takes_commit_failure(&self) -> bool {
        self.has_commit_failed.swap(false, Ordering::Relaxed)
    }

    fn changed(&self, change: Change) {
        self.stats.count(|figures| figures.rebalances += 1);
        self.changes.lock().push(change);
    }
}

/// A consumer's context.
pub(super) struct Context(pub(super) Arc<Shared>);

impl Context {
    /// Partitions are read from where the engine stands, whatever the group has committed.
    fn assign(
        &self,
        consumer: &BaseConsumer<Self>,
        partitions: &mut TopicPartitionList,
    ) -> KafkaResult<()> {
        let all = listed(partitions);
        for at in &all {
            let start = self.0.start_of(at);
            partitions.set_partition_offset(&at.topic, at.partition, start)?;
        }
        match consumer.rebalance_protocol() {
            RebalanceProtocol::Cooperative => consumer.incremental_assign(partitions)?,
            RebalanceProtocol::Eager | RebalanceProtocol::None => consumer.assign(partitions)?,
        }
        if self.0.cells.is_some() {
            // Where it is to be read from is known once its cell is open.
            consumer.pause(partitions)?;
        } else {
            // One that went while it was paused is still: librdkafka takes that off nobody.
            consumer.resume(partitions)?;
        }
        self.0.changed(Change::Assigned(all));
        Ok(())
    }

    fn revoke(
        &self,
        consumer: &BaseConsumer<Self>,
        partitions: &TopicPartitionList,
    ) -> KafkaResult<()> {
        let all = listed(partitions);
        if let Some(cells) = &self.0.cells {
            if consumer.assignment_lost() {
                cells.drop_lost(&all);
                // What is under way must not be committed in the name of what this consumer becomes.
                if self.0.group.is_some() {
                    self.0.membership().end();
                }
            } else {
                // What cells tell now is committed in the name of what the group was told last.
                self.0.renew_pass(consumer);
                // Nobody else gets them before we say so below.
                cells.hand_over(&all);
                self.0.membership().beat();
            }
        }
        if let Some(group) = &self.0.group {
            group.revoke(&all);
        }
        // First: whatever goes wrong below, they are not ours.
        self.0.changed(Change::Revoked(all));
        match consumer.rebalance_protocol() {
            RebalanceProtocol::Cooperative => consumer.incremental_unassign(partitions),
            RebalanceProtocol::Eager | RebalanceProtocol::None => consumer.unassign(),
        }
    }
}

impl ClientContext for Context {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, line: &str) {
        log(level, facility, line);
    }

    fn stats(&self, statistics: Statistics) {
        let up = statistics
            .brokers
            .values()
            .filter(|broker| broker.nodeid >= 0 && broker.state == "UP")
            .count();
        self.0.stats.count(|figures| figures.brokers_up = up);
        // Records of open transactions may not be read yet; below 0 it is not known.
        let ends = statistics.topics.into_iter().flat_map(|(topic, figures)| {
            let known =
                |partition: &Partition| partition.partition >= 0 && partition.ls_offset >= 0;
            let ends = figures.partitions.into_values().filter(known);
            ends.map(move |known| ((topic.clone(), known.partition), known.ls_offset))
        });
        *self.0.ends.lock() = ends.collect();
    }

    fn error(&self, error: KafkaError, reason: &str) {
        let reason = printable(reason, REASON_BYTES_MAX);
        tracing::debug!(error = describe(&error), reason, "consumer");
    }
}

impl ConsumerContext for Context {
    fn rebalance(
        &self,
        consumer: &BaseConsumer<Self>,
        what: RDKafkaRespErr,
        partitions: &mut TopicPartitionList,
    ) {
        let done = match what {
            RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS => {
                self.assign(consumer, partitions)
            }
            _ => self.revoke(consumer, partitions),
        };
        if let Err(error) = done {
            let error = describe(&error);
            tracing::error!(error, "partitions of Kafka cannot be assigned");
            self.0.stats.failed(&error);
        }
    }

    fn commit_callback(&self, result: KafkaResult<()>, _: &TopicPartitionList) {
        if let Err(error) = result {
            // Nothing depends on it, and while brokers are away it is not news.
            tracing::debug!(error = describe(&error), "offsets were not committed");
            self.0.commit_failed();
        }
    }
}

/// The partitions of a list.
pub(super) fn listed(partitions: &TopicPartitionList) -> Vec<TopicPartition> {
    let elements = partitions.elements();
    let at = elements.iter().map(|element| TopicPartition {
        topic: element.topic().into(),
        partition: element.partition(),
    });
    at.collect()
}
