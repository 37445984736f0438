//! How a gateway is doing.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use parking_lot::Mutex;

use crate::kafka::Undelivered;

/// Counters since the start, and how things stand.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GatewayFigures {
    /// Requests of which all records were confirmed, those without any included.
    pub requests_confirmed: u64,
    /// Requests that were answered 503 because a record of theirs was not confirmed.
    pub requests_unconfirmed: u64,
    /// Records with series or metadata that brokers have confirmed.
    pub records_confirmed: u64,
    /// Bytes of their values, before compression.
    pub record_bytes: u64,
    /// Records that were not confirmed.
    pub records_failed: u64,
    /// Those among them that the topic does not take because of their size: nobody will, until it is told to.
    pub records_too_large: u64,
    /// Heartbeats that brokers have confirmed.
    pub heartbeats: u64,
    /// Heartbeats that were not.
    pub heartbeats_failed: u64,
    /// Families of which all partitions were told.
    pub families_told: u64,
    /// Families that nobody was told of because of the limit.
    pub families_refused: u64,
    /// Times that the number of partitions changed.
    pub partition_changes: u64,
    /// Times that the producer failed for good and another one was started.
    pub producer_restarts: u64,
    /// Partitions of the topic; 0 while it cannot be reached.
    pub partitions: usize,
    /// Requests that wait to be split.
    pub queue_depth: usize,
    /// Bytes of records that wait for their confirmation.
    pub under_way_bytes: usize,
    /// Families that are remembered.
    pub families: usize,
    /// What went wrong last, if no record was confirmed since.
    pub last_error: Option<String>,
}

/// What is counted, and what is under way. It is told by the threads of the producer, too.
#[derive(Debug, Default)]
pub(super) struct Account {
    figures: Mutex<GatewayFigures>,
    under_way_bytes: AtomicUsize,
    under_way_heartbeats: AtomicUsize,
    /// The producer takes nothing any more.
    has_failed: AtomicBool,
}

/// What a record is, for counting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// It has so many bytes.
    Part(usize),
    Heartbeat,
}

impl Account {
    pub(super) fn count(&self, count: impl FnOnce(&mut GatewayFigures)) {
        count(&mut self.figures.lock());
    }

    pub(super) fn figures(&self) -> GatewayFigures {
        let under_way_bytes = self.under_way_bytes();
        GatewayFigures { under_way_bytes, ..self.figures.lock().clone() }
    }

    pub(super) fn under_way_bytes(&self) -> usize {
        self.under_way_bytes.load(Ordering::Relaxed)
    }

    pub(super) fn under_way_heartbeats(&self) -> usize {
        self.under_way_heartbeats.load(Ordering::Relaxed)
    }

    /// Whether the producer has failed since this was last asked.
    pub(super) fn take_failure(&self) -> bool {
        self.has_failed.swap(false, Ordering::Relaxed)
    }

    /// A record is on its way.
    pub(super) fn sent(&self, kind: Kind) {
        match kind {
            Kind::Part(bytes) => self.under_way_bytes.fetch_add(bytes, Ordering::Relaxed),
            Kind::Heartbeat => self.under_way_heartbeats.fetch_add(1, Ordering::Relaxed),
        };
    }

    /// A record is not on its way after all.
    pub(super) fn unsent(&self, kind: Kind) {
        match kind {
            Kind::Part(bytes) => self.under_way_bytes.fetch_sub(bytes, Ordering::Relaxed),
            Kind::Heartbeat => self.under_way_heartbeats.fetch_sub(1, Ordering::Relaxed),
        };
    }

    /// A record that was [`Self::sent`] is confirmed, or never will be.
    pub(super) fn done(&self, kind: Kind, result: &Result<(), Undelivered>) {
        self.unsent(kind);
        match result {
            Ok(()) => self.count(|figures| {
                figures.last_error = None;
                match kind {
                    Kind::Part(bytes) => {
                        figures.records_confirmed += 1;
                        figures.record_bytes += bytes as u64;
                    }
                    Kind::Heartbeat => figures.heartbeats += 1,
                }
            }),
            Err(undelivered) => self.failed(kind, undelivered),
        }
    }

    /// A record is not confirmed, or could not even be queued.
    pub(super) fn failed(&self, kind: Kind, undelivered: &Undelivered) {
        self.count(|figures| {
            match kind {
                Kind::Part(_) => {
                    figures.records_failed += 1;
                    figures.records_too_large += u64::from(undelivered.is_too_large);
                }
                Kind::Heartbeat => figures.heartbeats_failed += 1,
            }
            figures.last_error = Some(undelivered.error.clone());
        });
        if undelivered.is_fatal {
            self.has_failed.store(true, Ordering::Relaxed);
        }
    }

    /// A request is answered.
    pub(super) fn answered(&self, is_confirmed: bool) {
        self.count(|figures| {
            figures.requests_confirmed += u64::from(is_confirmed);
            figures.requests_unconfirmed += u64::from(!is_confirmed);
        });
    }
}
