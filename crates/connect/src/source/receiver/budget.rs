//! How much memory bodies take together, and how much they may.

use std::sync::Arc;

// The parent's: a test has another one, with which it goes through all orders.
use super::atomic::{AtomicUsize, Ordering};

/// Memory that bodies may take together.
pub(super) struct BodyBudget {
    bytes_max: usize,
    bytes: AtomicUsize,
    /// The budget that this one is a part of.
    whole: Option<Arc<Self>>,
}

impl BodyBudget {
    pub(super) fn new(bytes_max: usize) -> Arc<Self> {
        Arc::new(Self { bytes_max, bytes: AtomicUsize::new(0), whole: None })
    }

    /// A part of the budget `whole`: what it takes is taken there too.
    pub(super) fn within(whole: &Arc<Self>, bytes_max: usize) -> Arc<Self> {
        let whole = Some(Arc::clone(whole));
        Arc::new(Self { bytes_max, bytes: AtomicUsize::new(0), whole })
    }

    pub(super) fn bytes_max(&self) -> usize {
        self.bytes_max
    }

    /// Bytes that are taken.
    #[cfg(test)]
    pub(super) fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Makes a share of `from` bytes one of `to` bytes. Whether there is room for that, here and in the whole. There is for
    /// whoever is alone: a request that never fitted would be sent again for ever.
    pub(super) fn resize(&self, from: usize, to: usize) -> bool {
        // In one step: in between, others would find both sizes taken, and no room although there is. It wraps where it shrinks.
        let before = self.bytes.fetch_add(to.wrapping_sub(from), Ordering::Relaxed);
        let others = before.saturating_sub(from);
        let fits = to <= from || others == 0 || others.saturating_add(to) <= self.bytes_max;
        // Both are told, whatever the one says.
        self.whole.as_ref().is_none_or(|whole| whole.resize(from, to)) && fits
    }
}
