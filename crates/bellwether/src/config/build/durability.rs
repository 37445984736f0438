//! What survives a restart: from the keys to the options of the runtime.

use bellwether_runtime::checkpoint::CheckpointOptions;
use bellwether_runtime::cold::ColdOptions;
use bellwether_runtime::journal::{JournalOptions, SyncPolicy};
use bellwether_runtime::storage::ReserveOptions;

use crate::config::DurabilityConfig;
use crate::config::raw::{RawCheckpoints, RawJournal, RawSeries, RawSync};

/// `None` when nothing is to survive.
pub(super) fn durability(
    journal: &RawJournal,
    checkpoints: &RawCheckpoints,
    series: &RawSeries,
) -> Option<DurabilityConfig> {
    let sync = match journal.sync {
        RawSync::Commit => SyncPolicy::EachCommit,
        RawSync::Interval => {
            SyncPolicy::Interval { interval_ms: journal.sync_interval.ms().max(1) as u64 }
        }
        RawSync::Never => SyncPolicy::Never,
    };
    journal.enabled.then(|| DurabilityConfig {
        journal: JournalOptions {
            sync,
            segment_bytes_max: journal.segment_bytes.bytes(),
            retention_bytes_max: journal.keep_bytes_max.bytes(),
            retention_ms_max: journal.keep_for.ms(),
            keep_when_full: journal.keep_when_full,
            ..JournalOptions::default()
        },
        checkpoints: CheckpointOptions {
            generations_kept: checkpoints.keep,
            ..CheckpointOptions::default()
        },
        cold: ColdOptions {
            waiting_bytes_max: series.cold_waiting_bytes_max.bytes() as usize,
            ..ColdOptions::default()
        },
        checkpoint_every_ms: checkpoints.every.ms(),
        reserve: ReserveOptions {
            bytes_max: journal.reserve_bytes.bytes(),
            ..ReserveOptions::default()
        },
    })
}
