//! How far partitions are taken: committed to the group, or offered to whoever commits it together with events.

use std::time::{Duration, Instant};

use bellwether_runtime::TopicPartition;

use super::Worker;
use crate::kafka::describe;
use crate::source::kafka::line::Line;
use crate::source::kafka::reader::Reader;
use crate::source::kafka::stats::PartitionFigures;

/// Offsets are offered this often.
const OFFER_EVERY: Duration = Duration::from_millis(100);
/// Longest wait until the last offsets are committed.
const LAST_MAX: Duration = Duration::from_secs(2);

impl Worker {
    /// Tells the group how far we are, and whoever asks for our figures.
    pub(super) fn commit(&mut self, reader: &Reader) {
        let now = Instant::now();
        let is_due = now >= self.commit_due;
        if self.shared.group.is_some() && (is_due || now >= self.offer_due) {
            self.offer_due = now + OFFER_EVERY;
            self.offer(reader, is_due);
        }
        if !is_due {
            return;
        }
        self.commit_due = now + self.options.commit_every;
        if self.shared.group.is_none() {
            self.commit_taken(reader);
        }
        let figures_of = |(at, line): (&TopicPartition, &Line)| PartitionFigures {
            at: at.clone(),
            next: line.taken_next(),
            end: self.shared.end_of(at),
        };
        let partitions: Vec<_> = self.ours().map(figures_of).collect();
        self.shared.stats.count(|figures| figures.partitions = partitions);
    }

    /// Tells the group how far we are, if that is further than it was told. librdkafka keeps what it is told while no broker is there
    /// and sends it all in the end, perhaps in the name of a member that has joined anew by then, which is thrown out for that.
    fn commit_taken(&mut self, reader: &Reader) {
        let taken: Vec<_> = self.taken().map(|(at, next)| (at.clone(), next)).collect();
        let has_failed = self.shared.takes_commit_failure();
        if taken == self.committed && !has_failed {
            return;
        }
        if let Err(error) = reader.commit(&taken) {
            tracing::debug!(error = describe(&error), "offsets were not committed");
            self.shared.commit_failed();
        }
        self.committed = taken;
    }

    /// Waits until all that is taken is committed, if it is committed together with events.
    pub(super) fn commit_last(&mut self, reader: &Reader) {
        let Some(group) = self.shared.group.clone() else { return };
        // Twice: what was offered before may hide what is offered now.
        for _ in 0..2 {
            self.offer(reader, true);
            if !group.settle(LAST_MAX) {
                tracing::warn!("the last offsets are not committed");
                return;
            }
        }
    }

    fn offer(&self, reader: &Reader, is_due: bool) {
        let Some(group) = &self.shared.group else { return };
        reader.renew_pass();
        group.offer(self.taken().map(|(at, next)| (at.clone(), next)).collect(), is_due);
    }

    fn ours(&self) -> impl Iterator<Item = (&TopicPartition, &Line)> {
        self.lines.iter().filter(|(_, line)| line.is_assigned())
    }

    fn taken(&self) -> impl Iterator<Item = (&TopicPartition, i64)> {
        self.ours().filter_map(|(at, line)| Some((at, line.taken_next()?)))
    }
}
