//! Partitions whose state is in a cell: opened once they are assigned, read once they are open.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use bellwether_runtime::TopicPartition;

use super::{RETRY_AFTER, Worker};
use crate::kafka::describe;
use crate::source::kafka::StartAt;
use crate::source::kafka::line::Line;
use crate::source::kafka::reader::Reader;

/// Partitions that are ours and not read yet.
#[derive(Default)]
pub(super) struct Holding {
    /// Their cells are not asked for yet.
    unopened: BTreeSet<TopicPartition>,
    /// Their cells are open, and where they go on.
    open: BTreeMap<TopicPartition, Option<i64>>,
    /// Nothing is tried before.
    due: Option<Instant>,
}

impl Holding {
    pub(super) fn assigned(&mut self, partitions: Vec<TopicPartition>) {
        self.unopened.extend(partitions);
        self.due = None;
    }

    pub(super) fn revoked(&mut self, at: &TopicPartition) {
        self.unopened.remove(at);
        self.open.remove(at);
    }
}

impl Worker {
    /// Opens cells of what was assigned, and reads partitions whose cells are open.
    pub(super) fn open_cells(&mut self, reader: &Reader) {
        let Some(cells) = self.shared.cells.clone() else { return };
        self.holding.open.extend(cells.take_opened());
        let held = cells.partitions();
        // One may have gone in the moment in which it was opened.
        self.holding.open.retain(|at, _| held.contains(at));
        if self.holding.due.is_some_and(|due| Instant::now() < due) {
            return;
        }
        while let Some(at) = self.holding.unopened.pop_first() {
            let partitions = reader.partitions_of(&at.topic);
            let opened = partitions.map_err(|error| describe(&error));
            let membership = self.shared.membership();
            let opened = opened.and_then(|partitions| {
                cells.open(&at, partitions, &membership).map_err(|error| error.to_string())
            });
            if let Err(error) = opened {
                self.not_yet(&error);
                self.holding.unopened.insert(at);
                return;
            }
            membership.beat();
        }
        while let Some((at, next)) = self.holding.open.pop_first() {
            if let Err(error) = self.begin(reader, &at, next) {
                self.not_yet(&error);
                self.holding.open.insert(at, next);
                return;
            }
            self.shared.membership().beat();
        }
    }

    /// Reads `at` from `next` on, or from where the topic is to be begun.
    fn begin(
        &mut self,
        reader: &Reader,
        at: &TopicPartition,
        next: Option<i64>,
    ) -> Result<(), String> {
        let failed = |error| describe(&error);
        let (oldest, end) = reader.ends_of(at).map_err(failed)?;
        let is_latest = self.options.start == StartAt::Latest;
        let from = next.unwrap_or(if is_latest { end } else { oldest });
        // First, so that no record is passed over.
        let mut line = Line::new(next);
        line.assign();
        line.skip_to(from);
        self.lines.insert(at.clone(), line);
        self.shared.goes_on_at(at, from);
        if let Some(group) = &self.shared.group {
            group.begin(at, from);
        }
        if let Some(cells) = &self.shared.cells {
            cells.begin(at, end);
        }
        if next.is_none() && is_latest {
            self.without_position.insert(at.clone());
        }
        tracing::info!(
            topic = &*at.topic,
            partition = at.partition,
            from,
            end,
            "partition is ours"
        );
        reader.begin_at(at, from).map_err(failed)
    }

    fn not_yet(&mut self, error: &str) {
        tracing::warn!(error, "a partition cannot be read yet");
        self.shared.stats.failed(error);
        self.holding.due = Some(Instant::now() + RETRY_AFTER);
    }

    /// This consumer is no member any more: whatever it has is somebody else's. Whether another one may join at once.
    pub(super) fn lose_all(&mut self) -> bool {
        let Some(cells) = &self.shared.cells else { return false };
        let membership = self.shared.membership();
        let was_stopped = !membership.is_alive();
        membership.end();
        cells.drop_lost(&cells.partitions());
        _ = cells.take_opened();
        self.holding = Holding::default();
        self.lines.clear();
        was_stopped
    }

    /// Whoever comes next goes on where we end.
    pub(super) fn hand_over_all(&mut self) {
        if let Some(cells) = &self.shared.cells {
            cells.hand_over(&cells.partitions());
            self.hear(Duration::ZERO);
        }
    }
}
