//! The runtime's own figures, for `/metrics` and `/health`.

use std::error::Error;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bellwether_engine::{Counts, Intake, Outcome, RejectReason};
use bellwether_series::Timestamp;
use parking_lot::Mutex;

use crate::alerts::AlertFigures;
use crate::causes::with_causes;
use crate::checkpoint::CheckpointError;
use crate::checkpointer::NoCheckpoint;
use crate::cold::ColdFigures;
use crate::durability::{Phase, Recovery};
use crate::journal::JournalFigures;

/// Upper bounds of the latency buckets, in seconds; one more bucket takes what is slower.
pub const LATENCY_BOUNDS_SECONDS: [f64; 12] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0];

/// Figures that the threads of the runtime keep up to date.
#[derive(Debug, Default)]
pub struct Stats {
    samples_accepted: AtomicU64,
    samples_rejected: [AtomicU64; RejectReason::ALL.len()],
    families_refused: AtomicU64,
    tenant_requests_held: AtomicU64,
    aliases_refused: AtomicU64,
    records: AtomicU64,
    told_records: AtomicU64,
    series: AtomicUsize,
    watched: AtomicUsize,
    tenants: Mutex<TenantSeries>,
    cold: AtomicUsize,
    queued: AtomicUsize,
    /// The bits of an `f64`.
    firing_threshold: AtomicU64,
    decided: Mutex<Decided>,
    phase: AtomicU8,
    /// Records of the journal that were replayed, of so many.
    replayed: [AtomicU64; 2],
    kept: Mutex<Kept>,
}

/// Series of each tenant.
#[derive(Debug, Default)]
struct TenantSeries {
    counts: Vec<(Arc<str>, usize)>,
    /// [`Intake::tenant_changes`] then.
    changes: Option<u64>,
}

/// How what must survive a restart is doing.
#[derive(Debug, Clone, Default)]
pub struct Kept {
    /// The journal; all zero where there is none.
    pub journal: JournalFigures,
    /// What went wrong last with it, if it has not gone well since.
    pub journal_error: Option<String>,
    /// When writing it or making it durable failed last, and why. It may have gone well since.
    pub journal_failure: Option<(Instant, String)>,
    /// Places at which records were missing when it was read at the start.
    pub journal_gaps: u64,
    /// How many that were, as far as it is known.
    pub journal_records_missing: u64,
    /// Whether the last record of the journal did not verify at the start although all of it was there.
    pub journal_tail_damaged: bool,
    /// Records of the journal that were passed over at the start because this program does not understand them.
    pub journal_records_unreadable: u64,
    /// Checkpoints that were found not to be valid at the start.
    pub checkpoints_rejected: u64,
    /// Why the reserve is not there although there is room, if so.
    pub reserve_error: Option<String>,
    /// The states of silent series, as of the newest write or failure; all zero where nothing is kept.
    pub cold: ColdFigures,
    /// Checkpoints made since the start.
    pub checkpoints: u64,
    /// Attempts at one that failed.
    pub checkpoint_failures: u64,
    /// What went wrong with the last attempt, if it failed.
    pub checkpoint_error: Option<String>,
    /// Why checkpoints that nobody needs any more are still there, if they are.
    pub checkpoint_removal_error: Option<String>,
    /// Wall-clock time of the newest one that this process made.
    pub checkpoint_at: Option<Timestamp>,
    /// How long the last attempt took.
    pub checkpoint_took: Duration,
}

/// What the collector knows once all shards are done with a record.
#[derive(Debug, Clone, Default)]
pub struct Decided {
    /// What became of the samples.
    pub counts: Counts,
    /// Episodes that are not over.
    pub open_episodes: usize,
    /// Series in memory whose threshold is raised because they alerted beyond their own budget or surprise too often.
    pub demoted_series: usize,
    /// Bytes of series records and detector states.
    pub state_bytes: usize,
    /// Bytes of the states of silent series where they are kept.
    pub cold_bytes: u64,
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

    /// Everybody was told of a record, oldest first.
    pub(crate) fn told(&self) {
        self.told_records.fetch_add(1, Ordering::Release);
    }

    pub(crate) fn observe_intake(&self, intake: &Intake) {
        self.series.store(intake.series(), Ordering::Relaxed);
        self.cold.store(intake.cold(), Ordering::Relaxed);
        self.aliases_refused.store(intake.aliases_refused(), Ordering::Relaxed);
        self.watched.store(intake.watched(), Ordering::Relaxed);
        let mut tenants = self.tenants.lock();
        let changes = Some(intake.tenant_changes());
        if tenants.changes != changes {
            let counts = intake.series_by_tenant();
            let counts = counts.map(|(tenant, series)| (Arc::clone(tenant), series)).collect();
            *tenants = TenantSeries { counts, changes };
        }
        drop(tenants);
        self.firing_threshold.store(intake.firing_threshold().to_bits(), Ordering::Relaxed);
    }

    pub(crate) fn set_phase(&self, phase: Phase) {
        let number = match phase {
            Phase::Restoring => 0,
            Phase::Replaying { records, of } => {
                for (known, now) in self.replayed.iter().zip([records, of]) {
                    known.store(now, Ordering::Relaxed);
                }
                1
            }
            Phase::Ready => 2,
            Phase::Unrecorded => 3,
        };
        self.phase.store(number, Ordering::Relaxed);
    }

    pub(crate) fn observe_journal(&self, figures: JournalFigures) {
        self.kept.lock().journal = figures;
    }

    pub(crate) fn observe_cold(&self, figures: ColdFigures) {
        self.kept.lock().cold = figures;
    }

    pub(crate) fn journal_well(&self) {
        self.kept.lock().journal_error = None;
    }

    pub(crate) fn journal_failed(&self, error: &dyn Error) {
        self.kept.lock().journal_error = Some(with_causes(error));
    }

    /// It could not be written or made durable.
    pub(crate) fn journal_unwritten(&self, error: &dyn Error) {
        let mut kept = self.kept.lock();
        kept.journal_error = Some(with_causes(error));
        kept.journal_failure = Some((Instant::now(), with_causes(error)));
    }

    /// What was missing is known.
    pub(crate) fn recovered(&self, found: &Recovery) {
        let mut kept = self.kept.lock();
        kept.journal_gaps = found.gaps.len() as u64;
        kept.journal_records_missing = found.gaps.iter().filter_map(|gap| gap.missing).sum();
        kept.journal_tail_damaged = found.torn_tail.as_ref().is_some_and(|tail| tail.is_damaged);
        kept.journal_records_unreadable = found.unreadable.len() as u64;
        kept.checkpoints_rejected = found.rejected.len() as u64;
    }

    pub(crate) fn reserved(&self, held: &io::Result<u64>) {
        self.kept.lock().reserve_error = held.as_ref().err().map(|error| with_causes(error));
    }

    pub(crate) fn pruned(&self, removed: &Result<Vec<u64>, CheckpointError>) {
        let error = removed.as_ref().err().map(|error| with_causes(error));
        self.kept.lock().checkpoint_removal_error = error;
    }

    pub(crate) fn checkpointed(
        &self,
        made: &Result<u64, NoCheckpoint>,
        took: Duration,
        at: Timestamp,
    ) {
        let mut kept = self.kept.lock();
        kept.checkpoint_took = took;
        kept.checkpoint_error = made.as_ref().err().map(|error| with_causes(error));
        match made {
            Ok(_) => {
                kept.checkpoints += 1;
                kept.checkpoint_at = Some(at);
            }
            Err(_) => kept.checkpoint_failures += 1,
        }
    }

    /// How far the runtime is.
    pub fn phase(&self) -> Phase {
        let replayed = || self.replayed.each_ref().map(|count| count.load(Ordering::Relaxed));
        match self.phase.load(Ordering::Relaxed) {
            0 => Phase::Restoring,
            1 => {
                let [records, of] = replayed();
                Phase::Replaying { records, of }
            }
            2 => Phase::Ready,
            _ => Phase::Unrecorded,
        }
    }

    /// How what must survive a restart is doing.
    pub fn kept(&self) -> Kept {
        self.kept.lock().clone()
    }

    pub(crate) fn decide(&self, update: impl FnOnce(&mut Decided)) {
        update(&mut self.decided.lock());
    }

    /// Counts one more that waits for the recorder, unless `max` do.
    pub(crate) fn enqueued(&self, max: usize) -> bool {
        let one_more = |queued| (queued < max).then_some(queued + 1);
        self.queued.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more).is_ok()
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

    /// Requests that waited because as many of their tenant were under way or waited already as may be under way.
    pub fn tenant_requests_held(&self) -> u64 {
        self.tenant_requests_held.load(Ordering::Relaxed)
    }

    pub(crate) fn tenant_request_held(&self) {
        self.tenant_requests_held.fetch_add(1, Ordering::Relaxed);
    }

    /// Times that what a replica writes was read label by label because no more such series can be remembered.
    pub fn aliases_refused(&self) -> u64 {
        self.aliases_refused.load(Ordering::Relaxed)
    }

    /// Records sequenced.
    pub fn records(&self) -> u64 {
        self.records.load(Ordering::Relaxed)
    }

    /// Of these [`Self::records`], how many everybody was told of that there is to tell.
    pub fn told_records(&self) -> u64 {
        self.told_records.load(Ordering::Acquire)
    }

    /// Series known, watched or not.
    pub fn series(&self) -> usize {
        self.series.load(Ordering::Relaxed)
    }

    /// Series known of each tenant of the configuration; empty without tenants.
    pub fn series_by_tenant(&self) -> Vec<(Arc<str>, usize)> {
        self.tenants.lock().counts.clone()
    }

    /// Series that are judged.
    pub fn watched(&self) -> usize {
        self.watched.load(Ordering::Relaxed)
    }

    /// Silent series that are remembered.
    pub fn cold(&self) -> usize {
        self.cold.load(Ordering::Relaxed)
    }

    /// The surprise that the fleet's budget asks for at present: see [`Intake::firing_threshold`].
    pub fn firing_threshold(&self) -> f64 {
        f64::from_bits(self.firing_threshold.load(Ordering::Relaxed))
    }

    /// Requests waiting for the recorder.
    pub fn queue_depth(&self) -> usize {
        self.queued.load(Ordering::Relaxed)
    }

    /// A copy of what the collector knows.
    pub fn decided(&self) -> Decided {
        self.decided.lock().clone()
    }
}
