//! A sink that keeps events in files, of whatever form.

use std::sync::Arc;
use std::time::Duration;

use bellwether_engine::Event;
use bellwether_runtime::{EventSink, SinkStats};

use crate::known::Known;
use crate::worker::Worker;

/// Keeps events in files: JSON lines ([`FileSink::json_lines`]) or Parquet ([`FileSink::event_log`]).
pub struct FileSink {
    pub(crate) worker: Worker,
    /// What is in its files already.
    pub(crate) known: Known,
}

impl EventSink for FileSink {
    fn name(&self) -> &str {
        self.worker.name()
    }

    fn publish(&self, event: &Arc<Event>) {
        self.worker.publish(event);
    }

    fn publish_again(&self, event: &Arc<Event>) {
        if !self.known.has(event) {
            self.worker.publish(event);
        }
    }

    fn settle(&self, limit: Duration) -> bool {
        self.worker.settle(limit)
    }

    fn stats(&self) -> SinkStats {
        self.worker.stats()
    }

    fn close(&self, limit: Duration) {
        self.worker.close(limit);
    }
}
