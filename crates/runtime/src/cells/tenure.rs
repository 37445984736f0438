//! In whose name a partition's events are told.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::Membership;
use crate::source::TopicPartition;

/// The time for which a worker has a partition: from when it is assigned until it is handed over or lost.
///
/// Whoever tells what a cell found must ask [`Self::is_ours`] before: when the tenure is over, somebody else finds it again.
#[derive(Debug)]
pub struct Tenure {
    at: TopicPartition,
    membership: Arc<Membership>,
    is_over: AtomicBool,
}

impl Tenure {
    /// The partition `at` is ours in the name of `membership`, from now on.
    pub fn begin(at: TopicPartition, membership: Arc<Membership>) -> Self {
        Self { at, membership, is_over: AtomicBool::new(false) }
    }

    /// The partition.
    pub fn at(&self) -> &TopicPartition {
        &self.at
    }

    /// Whether anything may be done in its name.
    pub fn is_ours(&self) -> bool {
        self.membership.is_alive() && !self.is_over.load(Ordering::SeqCst)
    }

    /// It is over: the partition is somebody else's, or will be.
    pub fn end(&self) {
        self.is_over.store(true, Ordering::SeqCst);
    }
}
