//! What can happen to a partition.

use std::sync::Arc;

use bellwether_series::{Fingerprint, LabelSet, Timestamp};
use bellwether_signal::SeriesKind;

use crate::settings::Settings;
use crate::threshold::Shares;

/// One sample of a series of the partition.
#[derive(Debug, Clone, Copy)]
pub struct Row {
    /// Where the series is kept.
    pub slot: u32,
    /// Event time.
    pub at: Timestamp,
    /// The value as sent: NaN, infinities and stale markers included.
    pub value: f64,
}

/// Everything that can happen to a partition.
#[derive(Debug, Clone)]
pub enum Input {
    /// A series begins.
    Admit {
        /// Where it is kept; free until now.
        slot: u32,
        /// Its labels.
        labels: LabelSet,
        /// Its identity.
        fingerprint: Fingerprint,
        /// What its values mean.
        kind: SeriesKind,
    },
    /// A series is forgotten.
    Evict {
        /// Where it was kept.
        slot: u32,
    },
    /// A series is silent: it leaves its slot, and memory as soon as may be. [`Input::Admit`] brings it back.
    Park {
        /// Where it was kept.
        slot: u32,
    },
    /// A series that left its slot so is forgotten.
    Forget {
        /// Its identity.
        fingerprint: Fingerprint,
    },
    /// The configuration changed.
    Configure(Arc<Settings>),
    /// Each may raise so many false alarms a day from now on.
    Share(Shares),
    /// A record begins. What is due as time goes by comes before anything that the record brings, so that it
    /// makes no difference into how many records of the same time a request was cut.
    Tick,
}
