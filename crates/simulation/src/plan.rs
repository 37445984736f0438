//! What differs from seed to seed and stays the same for a whole run.

use bellwether_runtime::checkpoint::CheckpointOptions;
use bellwether_runtime::cold::ColdOptions;
use bellwether_runtime::journal::{JournalOptions, SyncPolicy};

use crate::random::{Purpose, Random};

/// Two senders of the same series.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pair {
    /// Nothing tells them apart: both are heard.
    Unnamed,
    /// They are replicas of a cluster, of which one is heard.
    Replicas,
}

/// What a run is like.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) seed: u64,
    /// Rounds in which every sender has news.
    pub(crate) rounds: usize,
    /// Event time from round to round.
    pub(crate) round_ms: i64,
    pub(crate) lateness_ms: i64,
    pub(crate) senders: usize,
    /// How the first two senders send the same series, if they do.
    pub(crate) pair: Option<Pair>,
    pub(crate) cap_per_day: u32,
    pub(crate) queue_requests_max: usize,
    pub(crate) journal: JournalOptions,
    pub(crate) checkpoints: CheckpointOptions,
    /// Whether senders are of two tenants, one by one.
    pub(crate) tenants: bool,
    pub(crate) cold: ColdOptions,
    pub(crate) cold_bytes_max: u64,
    /// Whether segments of the journal are damaged while no process runs.
    pub(crate) damages_journal: bool,
    /// Bytes that the deep tier has.
    pub(crate) deep_bytes: usize,
    /// Of so many requests the network lets one overtake the one before it; 0 means none.
    pub(crate) overtake_every: usize,
    /// Of so many things that happen one is a fault or an end; 0 means none.
    pub(crate) fault_every: usize,
}

impl Plan {
    pub(crate) fn new(seed: u64) -> Self {
        let mut random = Random::new(seed, Purpose::Plan);
        let each = SyncPolicy::EachCommit;
        let interval_ms = random.between(100, 30_000) as u64;
        let sync =
            random.choose(&[each, each, SyncPolicy::Interval { interval_ms }, SyncPolicy::Never]);
        let journal = JournalOptions {
            sync,
            segment_bytes_max: random.choose(&[2_000, 8_000, 30_000, 1 << 20]),
            group_bytes_max: random.choose(&[1_000, 4_000, 1 << 20]),
            retention_bytes_max: random.choose(&[0, 20_000, 1 << 30]),
            retention_ms_max: random.choose(&[600_000, 86_400_000]),
            keep_when_full: Random::new(seed, Purpose::Full).one_in(3),
            ..JournalOptions::default()
        };
        // From a stream of its own, so that everything else is as it was before there were silent series.
        let mut of_cold = Random::new(seed, Purpose::Cold);
        let cold = ColdOptions {
            segment_bytes_max: of_cold.choose(&[1, 2_000, 20_000]),
            write_bytes: of_cold.choose(&[1, 1_000, 5_000, 1 << 20]),
            ..ColdOptions::default()
        };
        let cold_bytes_max = of_cold.choose(&[64 * 1_500, 64 * 4_000, 1 << 30]);
        let damages_journal = Random::new(seed, Purpose::Damage).one_in(3);
        let deep_bytes =
            Random::new(seed, Purpose::Deep).choose(&[0, 0, 0, 0, 0, 64 * 40_000, 1 << 30]);
        let overtake_every = Random::new(seed, Purpose::Order).choose(&[0, 0, 5]);
        let generations_kept = random.choose(&[2, 2, 3]);
        Self {
            seed,
            rounds: random.between(60, 150) as usize,
            round_ms: random.choose(&[15_000, 60_000, 60_000]),
            lateness_ms: random.choose(&[0, 0, 100_000]),
            senders: random.between(1, 3) as usize,
            pair: random.one_in(3).then(|| {
                let named = Random::new(seed, Purpose::Replicas).one_in(2);
                if named { Pair::Replicas } else { Pair::Unnamed }
            }),
            cap_per_day: random.choose(&[4, 15, 1000]),
            queue_requests_max: random.choose(&[2, 8, 64]),
            journal,
            checkpoints: CheckpointOptions { generations_kept, ..CheckpointOptions::default() },
            cold,
            cold_bytes_max,
            damages_journal,
            deep_bytes,
            overtake_every,
            fault_every: random.choose(&[0, 60, 150, 150, 400]),
            tenants: random.one_in(3),
        }
    }

    /// Whether what was acknowledged survives a crash of the machine.
    pub(crate) fn is_safe(&self) -> bool {
        self.journal.sync == SyncPolicy::EachCommit
    }
}
