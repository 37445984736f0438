//! From the state that a replay left to one that goes on.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use bellwether_detect::Tables;
use bellwether_engine::{AlertCap, Intake, Partition, Settings, Shard};

use super::checkpoint::{self, Checkpoint, RecordsHead, ResultsHead, SavedPartition};
use super::error::{Cause, HistoryError};
use super::records::HASH_SEED;

/// Where a replay goes on, but for its shards.
pub(super) struct Resumed {
    pub(super) records: RecordsHead,
    pub(super) intake: Intake,
    pub(super) results: ResultsHead,
    pub(super) cap: AlertCap,
}

/// Puts the state of `checkpoint`, which is in `folder`, into `shards`; what is left of it comes back.
pub(super) fn resume(
    checkpoint: Checkpoint,
    settings: &Arc<Settings>,
    folder: &Path,
    tables: &Tables,
    shards: &mut [Shard],
) -> Result<Resumed, HistoryError> {
    let damaged =
        |source: Cause| HistoryError::Checkpoint { path: checkpoint::path_in(folder), source };
    let Checkpoint { head, intake, cap, partitions } = checkpoint;
    let mut saved: BTreeMap<_, _> =
        partitions.into_iter().map(|saved| (saved.number, saved)).collect();
    for (number, place) in shards.iter_mut().flat_map(Shard::numbered_partitions) {
        let SavedPartition { state, cold, .. } =
            saved.remove(&number).ok_or_else(|| damaged("a partition is missing".into()))?;
        let restored = Partition::restore(Arc::clone(settings), tables.clone(), &state);
        *place = restored.map_err(|error| damaged(error.into()))?;
        place.fill_cold(cold);
    }
    let intake = Intake::restore(Arc::clone(settings), HASH_SEED, &intake);
    let cap = AlertCap::restore(Arc::clone(settings), &cap);
    Ok(Resumed {
        records: head.records,
        intake: intake.map_err(|error| damaged(error.into()))?,
        results: head.results,
        cap: cap.map_err(|error| damaged(error.into()))?,
    })
}
