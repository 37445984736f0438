//! Where a partition is read, when that is not simply behind what was read before.

use std::time::Instant;

use super::{RETRY_AFTER, Worker};
use crate::kafka::describe;
use crate::source::kafka::reader::Reader;
use crate::source::kafka::tenancy::anybody;

impl Worker {
    /// Partitions that begin at their end are told to the engine, so that a restart does not begin at another.
    pub(super) fn settle_positions(&mut self, reader: &Reader) {
        if self.without_position.is_empty() || Instant::now() < self.positions_due {
            return;
        }
        self.positions_due = Instant::now() + RETRY_AFTER;
        let Some(at) = self.without_position.pop_first() else { return };
        let mut line = self.lines.remove(&at).unwrap_or_default();
        if line.submit_next().is_none() && !line.has_next() && self.ingest.check().is_ok() {
            match reader.ends_of(&at) {
                Ok((_, end)) => {
                    self.positions_due = Instant::now();
                    let tenant = anybody(self.shared.tenants.read().as_ref());
                    line.note_submitted(end - 1, tenant.clone());
                    self.submit_empty(&at, &mut line, tenant, (end - 1, None), None);
                }
                Err(error) => {
                    tracing::debug!(error = describe(&error), "end of a partition is not known");
                    self.without_position.insert(at.clone());
                }
            }
        } else if line.submit_next().is_none() && !line.has_next() {
            self.without_position.insert(at.clone());
        }
        self.lines.insert(at, line);
    }

    /// Goes on with the oldest record of each partition whose next record does not exist.
    pub(super) fn find_lost_positions(&mut self, reader: &Reader) {
        for (at, line) in &mut self.lines {
            let Some(next) = line.read_next().filter(|_| line.is_assigned()) else { continue };
            let (oldest, end) = match reader.ends_of(at) {
                Ok(ends) => ends,
                Err(error) => {
                    tracing::warn!(error = describe(&error), "ends of a partition are not known");
                    continue;
                }
            };
            if (oldest..=end).contains(&next) {
                continue;
            }
            let (topic, partition) = (&*at.topic, at.partition);
            let lost_records = (oldest - next).max(0) as u64;
            tracing::error!(
                topic,
                partition,
                next,
                oldest,
                end,
                lost_records,
                "the next record of a partition does not exist, going on with the oldest"
            );
            if let Err(error) = reader.read_from(at, oldest) {
                tracing::warn!(error = describe(&error), "cannot go on there");
                continue;
            }
            line.skip_to(oldest);
            self.shared.stats.count(|figures| {
                figures.positions_lost += 1;
                figures.records_lost += lost_records;
            });
        }
    }
}
