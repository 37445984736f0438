//! What survives a restart: from the keys to the options of the runtime.

use bellwether_runtime::checkpoint::CheckpointOptions;
use bellwether_runtime::journal::{JournalOptions, SyncPolicy};
use bellwether_runtime::storage::ReserveOptions;

use crate::config::DurabilityConfig;
use crate::config::raw::{RawCheckpoints, RawJournal, RawSync};

/// `None` when nothing is to survive.
pub(super) fn durability(
    journal: &RawJournal,
    checkpoints: &RawCheckpoints,
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
            ..JournalOptions::default()
        },
        checkpoints: CheckpointOptions {
            generations_kept: checkpoints.keep,
            ..CheckpointOptions::default()
        },
        checkpoint_every_ms: checkpoints.every.ms(),
        reserve: ReserveOptions {
            bytes_max: journal.reserve_bytes.bytes(),
            ..ReserveOptions::default()
        },
    })
}
