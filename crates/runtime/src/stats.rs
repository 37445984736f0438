//! The runtime's own figures, for `/metrics` and `/health`.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use bellwether_engine::{Counts, Intake, Outcome, RejectReason};
use parking_lot::Mutex;

use crate::alerts::AlertFigures;

/// Upper bounds of the latency buckets, in seconds; one more bucket takes what is slower.
pub const LATENCY_BOUNDS_SECONDS: [f64; 12] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0];

/// Figures that the threads of the runtime keep up to date.
#[derive(Debug, Default)]
pub struct Stats {
    samples_accepted: AtomicU64,
    samples_rejected: [AtomicU64; RejectReason::ALL.len()],
    families_refused: AtomicU64,
    records: AtomicU64,
    series: AtomicUsize,
    watched: AtomicUsize,
    queued: AtomicUsize,
    /// The bits of an `f64`.
    firing_threshold: AtomicU64,
    decided: Mutex<Decided>,
}

/// What the collector knows once all shards are done with a record.
#[derive(Debug, Clone, Default)]
pub struct Decided {
    /// What became of the samples.
    pub counts: Counts,
    /// Episodes that are not over.
    pub open_episodes: usize,
    /// Bytes of series records and detector states.
    pub state_bytes: usize,
    /// Requests by time from arrival to decision: see [`LATENCY_BOUNDS_SECONDS`].
    pub latency_buckets: [u64; LATENCY_BOUNDS_SECONDS.len() + 1],
    /// Sum of those times, in seconds.
    pub latency_seconds_sum: f64,
    /// Events emitted, by severity (info, warning, critical).
    pub events: [u64; 3],
    /// Alerts, as the daily cap lets them through.
    pub alerts: AlertFigures,
}

impl Decided {
    /// Takes the time of one request from arrival to decision in.
    pub(crate) fn observe_latency(&mut self, latency: Duration) {
        let seconds = latency.as_secs_f64();
        let bucket = LATENCY_BOUNDS_SECONDS.iter().position(|&bound| seconds <= bound);
        self.latency_buckets[bucket.unwrap_or(LATENCY_BOUNDS_SECONDS.len())] += 1;
        self.latency_seconds_sum += seconds;
    }
}

impl Stats {
    pub(crate) fn sequenced(&self, outcome: &Outcome, intake: &Intake) {
        self.records.fetch_add(1, Ordering::Relaxed);
        self.samples_accepted.fetch_add(outcome.accepted_samples, Ordering::Relaxed);
        for (sum, count) in self.samples_rejected.iter().zip(outcome.rejected_samples) {
            sum.fetch_add(count, Ordering::Relaxed);
        }
        self.families_refused.fetch_add(outcome.refused_families, Ordering::Relaxed);
        self.observe_intake(intake);
    }

    pub(crate) fn observe_intake(&self, intake: &Intake) {
        self.series.store(intake.series(), Ordering::Relaxed);
        self.watched.store(intake.watched(), Ordering::Relaxed);
        self.firing_threshold.store(intake.firing_threshold().to_bits(), Ordering::Relaxed);
    }

    pub(crate) fn decide(&self, update: impl FnOnce(&mut Decided)) {
        update(&mut self.decided.lock());
    }

    pub(crate) fn enqueued(&self) {
        self.queued.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn dequeued(&self) {
        self.queued.fetch_sub(1, Ordering::Relaxed);
    }

    /// Samples taken.
    pub fn samples_accepted(&self) -> u64 {
        self.samples_accepted.load(Ordering::Relaxed)
    }

    /// Samples refused for `reason`.
    pub fn samples_rejected(&self, reason: RejectReason) -> u64 {
        self.samples_rejected[reason.index()].load(Ordering::Relaxed)
    }

    /// Times that a family's metadata was not remembered because of a limit.
    pub fn families_refused(&self) -> u64 {
        self.families_refused.load(Ordering::Relaxed)
    }

    /// Records sequenced.
    pub fn records(&self) -> u64 {
        self.records.load(Ordering::Relaxed)
    }

    /// Series known, watched or not.
    pub fn series(&self) -> usize {
        self.series.load(Ordering::Relaxed)
    }

    /// Series that are judged.
    pub fn watched(&self) -> usize {
        self.watched.load(Ordering::Relaxed)
    }

    /// The surprise that the fleet's budget asks for at present: see [`Intake::firing_threshold`].
    pub fn firing_threshold(&self) -> f64 {
        f64::from_bits(self.firing_threshold.load(Ordering::Relaxed))
    }

    /// Requests waiting for the sequencer.
    pub fn queue_depth(&self) -> usize {
        self.queued.load(Ordering::Relaxed)
    }

    /// A copy of what the collector knows.
    pub fn decided(&self) -> Decided {
        self.decided.lock().clone()
    }
}
