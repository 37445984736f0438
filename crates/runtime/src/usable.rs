//! Which checkpoint an engine can go on from. The parts of one stand at different records: those that are behind are brought
//! to where the others are by records of the journal. Were one of these lost, the parts would never fit each other again.

use std::sync::Arc;

use crate::checkpoint::{Checkpoint, Checkpoints, Damage, Position, Rejected};
use crate::durability::{Durability, RecoveryError};
use crate::journal::{Entry, ReadError, ReadFrom, Reader};

/// What was found.
pub(crate) struct Usable {
    pub(crate) checkpoint: Option<Checkpoint>,
    /// Newer ones that cannot be used.
    pub(crate) rejected: Vec<Rejected>,
    /// Records with a lower sequence have been given out, as far as a checkpoint tells; also one that cannot be used.
    pub(crate) seen_below: u64,
}

/// The newest checkpoint that is valid and whose parts the journal can bring together.
///
/// # Errors
/// When the disk refuses, or another version wrote what would have to be read.
pub(crate) fn newest_usable(
    durability: &Durability,
    checkpoints: &mut Checkpoints,
) -> Result<Usable, RecoveryError> {
    let mut usable = Usable { checkpoint: None, rejected: Vec::new(), seen_below: 0 };
    loop {
        let (checkpoint, damaged) = checkpoints.newest_valid()?;
        usable.rejected.extend(damaged);
        let Some(checkpoint) = checkpoint else { return Ok(usable) };
        let at = || {
            checkpoint.sections().filter_map(|(_, position, _)| match position {
                Position::Journal { covered_below } => Some(*covered_below),
                Position::Kafka(_) => None,
            })
        };
        let (from, below) = (at().min().unwrap_or(0), at().max().unwrap_or(0));
        usable.seen_below = usable.seen_below.max(below);
        let Some(first_missing) = first_missing(durability, from, below)? else {
            return Ok(Usable { checkpoint: Some(checkpoint), ..usable });
        };
        let reason = Damage::Unconnected { first_missing };
        usable.rejected.push(checkpoints.reject(checkpoint.generation(), reason));
    }
}

/// The first of the records `from..below` that the journal does not have.
fn first_missing(durability: &Durability, from: u64, below: u64) -> Result<Option<u64>, ReadError> {
    let mut expected = from;
    if expected >= below {
        return Ok(None);
    }
    let (storage, folder) = (Arc::clone(&durability.storage), &durability.journal.folder);
    for entry in Reader::open(storage, folder, ReadFrom::Sequence(from))?.below(below) {
        match entry? {
            Entry::Record(record) if record.restated => {}
            Entry::Record(record) if record.sequence == expected => expected += 1,
            Entry::Record(_) => break,
            Entry::Gap(_) => {}
        }
    }
    Ok(Some(expected).filter(|&expected| expected < below))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::time::Duration;

    use bellwether_series::Timestamp;
    use proptest::prelude::*;
    use proptest::sample::Index;

    use super::*;
    use crate::checkpoint::{CheckpointOptions, Section};
    use crate::cold::ColdOptions;
    use crate::journal::{Journal, JournalOptions};
    use crate::storage::ReserveOptions;
    use crate::testing::FaultyStorage;

    const AT: Timestamp = Timestamp::from_ms(5);
    const KIND: u8 = 1;

    /// Some three records a segment, and none is removed by itself.
    fn durability(storage: &FaultyStorage) -> Durability {
        Durability {
            storage: Arc::new(storage.clone()),
            journal: JournalOptions { segment_bytes_max: 300, ..JournalOptions::default() },
            checkpoints: CheckpointOptions { generations_kept: 9, ..CheckpointOptions::default() },
            cold: ColdOptions::default(),
            checkpoint_every: Duration::from_mins(1),
            reserve: ReserveOptions::default(),
            deliveries: Arc::new(()),
            id_seed: 1,
        }
    }

    /// Writes records `1..=count`.
    fn record(durability: &Durability, count: u64) {
        let storage = Arc::clone(&durability.storage);
        let (mut journal, _) = Journal::open(storage, durability.journal.clone(), 0, 7).unwrap();
        for sequence in 1..=count {
            assert_eq!(journal.append(KIND, AT, &[&[b'x'; 40]]).unwrap(), sequence);
            journal.commit().unwrap();
        }
    }

    /// Writes one checkpoint for each of `ends`, whose parts stand before and behind so many records.
    fn checkpoints(durability: &Durability, ends: &[(u64, u64)]) -> Checkpoints {
        let storage = Arc::clone(&durability.storage);
        let mut checkpoints = Checkpoints::open(storage, durability.checkpoints.clone()).unwrap();
        for &(from, below) in ends {
            let mut writer = checkpoints.begin(AT).unwrap();
            for (section, covered_below) in [
                (Section::Intake, from),
                (Section::Partition(0), below),
                (Section::Collector, below),
            ] {
                writer.add(section, &Position::Journal { covered_below }, b"part").unwrap();
            }
            checkpoints.commit(writer).unwrap();
        }
        checkpoints
    }

    /// Records that a reader finds.
    fn readable(durability: &Durability) -> BTreeSet<u64> {
        let storage = Arc::clone(&durability.storage);
        let reader = Reader::open(storage, &durability.journal.folder, ReadFrom::Oldest).unwrap();
        let record = |entry| match entry {
            Ok(Entry::Record(record)) if !record.restated => Some(record.sequence),
            _ => None,
        };
        reader.filter_map(record).collect()
    }

    fn lose_segment(durability: &Durability, which: Index) {
        let folder = &durability.journal.folder;
        let files = durability.storage.list(folder).unwrap();
        if !files.is_empty() {
            let path = format!("{folder}/{}", files[which.index(files.len())].name);
            durability.storage.remove(&path).unwrap();
        }
    }

    #[test]
    fn without_a_checkpoint_there_is_none() {
        let durability = durability(&FaultyStorage::new(1));
        record(&durability, 3);
        let usable = newest_usable(&durability, &mut checkpoints(&durability, &[])).unwrap();
        assert!(usable.checkpoint.is_none() && usable.rejected.is_empty());
        assert_eq!(usable.seen_below, 0);
    }

    #[test]
    fn parts_that_stand_at_the_same_record_need_no_journal() {
        let durability = durability(&FaultyStorage::new(1));
        let mut checkpoints = checkpoints(&durability, &[(8, 8)]);
        let usable = newest_usable(&durability, &mut checkpoints).unwrap();
        assert_eq!(usable.checkpoint.unwrap().generation(), 1);
    }

    #[test]
    fn parts_that_nothing_brings_together_are_left_for_the_checkpoint_before_and_what_they_saw_is_known()
     {
        let durability = durability(&FaultyStorage::new(1));
        record(&durability, 9);
        let mut checkpoints = checkpoints(&durability, &[(2, 5), (8, 14)]);
        let usable = newest_usable(&durability, &mut checkpoints).unwrap();
        assert_eq!(usable.checkpoint.unwrap().generation(), 1);
        assert_eq!(usable.seen_below, 14);
        let [rejected] = &usable.rejected[..] else { panic!("{:?}", usable.rejected) };
        assert_eq!(rejected.generation, 2);
        assert!(matches!(rejected.reason, Damage::Unconnected { first_missing: 10 }));
    }

    proptest! {
        /// Against looking up each record, whatever segments are lost.
        #[test]
        fn the_newest_is_taken_whose_records_between_its_parts_are_all_there(
            ends in proptest::collection::vec((1_u64..25, 0_u64..8), 0..4),
            lost in proptest::collection::vec(any::<Index>(), 0..3),
        ) {
            let durability = durability(&FaultyStorage::new(1));
            record(&durability, 24);
            let ends: Vec<_> = ends.into_iter().map(|(from, more)| (from, from + more)).collect();
            let mut checkpoints = checkpoints(&durability, &ends);
            for which in lost {
                lose_segment(&durability, which);
            }
            let there = readable(&durability);
            let whole = |&(from, below): &(u64, u64)| (from..below).all(|at| there.contains(&at));
            let expected = ends.iter().rposition(whole).map(|index| index as u64 + 1);
            let usable = newest_usable(&durability, &mut checkpoints).unwrap();
            prop_assert_eq!(usable.checkpoint.map(|checkpoint| checkpoint.generation()), expected);
            let looked_at = &ends[expected.map_or(0, |generation| generation as usize - 1)..];
            prop_assert_eq!(usable.seen_below, looked_at.iter().map(|end| end.1).max().unwrap_or(0));
        }
    }
}
