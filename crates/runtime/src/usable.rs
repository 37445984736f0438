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
