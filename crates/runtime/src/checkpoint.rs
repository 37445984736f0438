//! Checkpoints: the engine's state on disk, with the position in the stream that it was made from.
//!
//! One file a generation. It is written aside under another name, made durable, read back and verified, and only then
//! renamed into place. What the sections contain is the business of whoever wrote them. `docs/journal.md` has the
//! format.

pub(crate) mod bytes;
mod error;
mod layout;
mod position;
mod reader;
#[cfg(test)]
mod tests;
mod writer;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;

use bellwether_series::Timestamp;

use crate::format::number_in;
use crate::storage::{Storage, path_in};
use reader::{Refused, read_ends};

pub use error::{CheckpointError, Damage};
pub use layout::{CHECKPOINT_VERSION, Section};
pub use position::{KafkaOffset, POSITION_BYTES_MAX, Position};
pub use reader::Checkpoint;
pub use writer::Writer;

const SUFFIX: &str = ".checkpoint";
const DRAFT_SUFFIX: &str = ".checkpoint.tmp";

/// How checkpoints are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckpointOptions {
    /// Their folder in the storage.
    pub folder: String,
    /// Generations that are kept: 1 or more, 2 or more to have one to fall back to. Default 2.
    pub generations_kept: usize,
}

impl Default for CheckpointOptions {
    fn default() -> Self {
        Self { folder: "checkpoint".to_owned(), generations_kept: 2 }
    }
}

/// A generation that is not valid, and why. A person should know.
#[derive(Debug)]
pub struct Rejected {
    /// Path of its file.
    pub file: String,
    /// Its number.
    pub generation: u64,
    /// What does not verify.
    pub reason: Damage,
}

/// The checkpoints of a folder. One process, one thread.
pub struct Checkpoints {
    storage: Arc<dyn Storage>,
    options: CheckpointOptions,
    /// Those that there are.
    generations: BTreeSet<u64>,
    /// What is known to be valid, with what it covers of the journal.
    valid: BTreeMap<u64, u64>,
    rejected: BTreeSet<u64>,
    next_generation: u64,
}

impl Checkpoints {
    /// Looks what there is, which is durable then, and removes drafts that a crash left.
    ///
    /// # Errors
    /// `Storage`.
    pub fn open(
        storage: Arc<dyn Storage>,
        options: CheckpointOptions,
    ) -> Result<Self, CheckpointError> {
        let folder = &options.folder;
        let mut generations = BTreeSet::new();
        let mut next_generation = 1;
        for file in storage.list(folder).map_err(CheckpointError::storage(folder))? {
            if let Some(generation) = number_in(&file.name, SUFFIX) {
                generations.insert(generation);
                next_generation = next_generation.max(generation.saturating_add(1));
            } else if number_in(&file.name, DRAFT_SUFFIX).is_some() {
                let path = path_in(folder, &file.name);
                storage.remove(&path).map_err(CheckpointError::storage(&path))?;
            }
        }
        if !generations.is_empty() {
            // The newest may have been put in place by a process that was killed before that was durable.
            storage.sync_folder(folder).map_err(CheckpointError::storage(folder))?;
        }
        let (valid, rejected) = (BTreeMap::new(), BTreeSet::new());
        Ok(Self { storage, options, generations, valid, rejected, next_generation })
    }

    /// The newest checkpoint that is valid, if any is, and those newer ones that are found not to be. Never hands out
    /// anything of a checkpoint that does not verify as a whole.
    ///
    /// # Errors
    /// `UnsupportedVersion` or `UnknownSection`: a newer program wrote one that would be the newest. Falling back past it would be to
    /// forget what it knows. `Storage`: this process may not read one, or lacks what it takes; nothing is wrong with the file.
    pub fn newest_valid(&mut self) -> Result<(Option<Checkpoint>, Vec<Rejected>), CheckpointError> {
        let mut rejected = Vec::new();
        let unknown = self.generations.difference(&self.rejected).copied().collect::<Vec<_>>();
        for generation in unknown.into_iter().rev() {
            let file = self.path(generation);
            match Checkpoint::open(Arc::clone(&self.storage), &file, generation) {
                Ok(checkpoint) => {
                    self.valid.insert(generation, checkpoint.covered_below());
                    return Ok((Some(checkpoint), rejected));
                }
                Err(Refused::Damaged(Damage::Unreadable(source))) if !is_damage(&source) => {
                    return Err(CheckpointError::Storage { file, source });
                }
                Err(Refused::Damaged(reason)) => rejected.push(self.reject(generation, reason)),
                Err(refused) => return Err(error_of(file, refused)),
            }
        }
        Ok((None, rejected))
    }

    /// From now on `generation` is none that is valid.
    pub(crate) fn reject(&mut self, generation: u64, reason: Damage) -> Rejected {
        self.valid.remove(&generation);
        self.rejected.insert(generation);
        Rejected { file: self.path(generation), generation, reason }
    }

    /// Begins the next generation, aside.
    ///
    /// # Errors
    /// `Storage`.
    pub fn begin(&mut self, created_at: Timestamp) -> Result<Writer, CheckpointError> {
        let generation = self.next_generation;
        // Not even a number is used twice.
        self.next_generation = generation.saturating_add(1);
        let draft = path_in(&self.options.folder, &format!("{generation:020}{DRAFT_SUFFIX}"));
        Writer::create(Arc::clone(&self.storage), draft, generation, created_at)
    }

    /// Makes the checkpoint durable, reads it back, and puts it in place.
    ///
    /// # Errors
    /// `Storage`, or `Damaged` when it does not read back as written. The older ones are then still the newest.
    pub fn commit(&mut self, mut writer: Writer) -> Result<Checkpoint, CheckpointError> {
        let generation = writer.generation();
        writer.seal()?;
        let draft = writer.draft().to_owned();
        let checkpoint = Checkpoint::open(Arc::clone(&self.storage), &draft, generation)
            .map_err(|refused| error_of(draft, refused))?;
        let path = self.path(generation);
        writer.rename(&path)?;
        // From here on it may be there after a crash, so it must not be forgotten.
        self.generations.insert(generation);
        let folder = &self.options.folder;
        self.storage.sync_folder(folder).map_err(CheckpointError::storage(folder))?;
        self.valid.insert(generation, checkpoint.covered_below());
        Ok(checkpoint.at(path))
    }

    /// Removes generations beyond those that are kept, and those older than a valid one that are not valid. Removes
    /// nothing as long as no valid one is known, and never the newest valid one. Says which were removed.
    ///
    /// # Errors
    /// `Storage`: one at least is still there. The others are gone, and nobody falls back to it before those that are kept.
    pub fn prune(&mut self) -> Result<Vec<u64>, CheckpointError> {
        let Some((&newest_valid, _)) = self.valid.last_key_value() else { return Ok(Vec::new()) };
        let kept: BTreeSet<u64> = self.kept().collect();
        let goes = |generation: &u64| *generation < newest_valid && !kept.contains(generation);
        let going: Vec<u64> = self.generations.iter().copied().filter(goes).collect();
        let (mut gone, mut refused) = (Vec::with_capacity(going.len()), None);
        for generation in going {
            let path = self.path(generation);
            match self.storage.remove(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    refused.get_or_insert(CheckpointError::storage(&path)(error));
                    continue;
                }
                _ => gone.push(generation),
            }
            self.generations.remove(&generation);
            self.valid.remove(&generation);
            self.rejected.remove(&generation);
        }
        if !gone.is_empty() {
            let folder = &self.options.folder;
            self.storage.sync_folder(folder).map_err(CheckpointError::storage(folder))?;
        }
        refused.map_or(Ok(gone), Err)
    }

    /// Records of the journal with a lower sequence are in every checkpoint that is kept: nobody falls back to before
    /// them. 0 when there is no checkpoint.
    pub fn covered_below(&self) -> u64 {
        let covered = self.kept().filter_map(|generation| {
            let known = self.valid.get(&generation).copied();
            known.or_else(|| self.footer_covers(generation))
        });
        covered.min().unwrap_or(0)
    }

    /// The oldest generation that anybody may fall back to.
    pub(crate) fn oldest_kept(&self) -> Option<u64> {
        self.kept().last()
    }

    /// The generations that there are, oldest first.
    pub fn generations(&self) -> impl Iterator<Item = u64> {
        self.generations.iter().copied()
    }

    /// The newest generations, without those known not to be valid.
    fn kept(&self) -> impl Iterator<Item = u64> {
        let candidates = self.generations.iter().rev();
        candidates
            .copied()
            .filter(|generation| !self.rejected.contains(generation))
            .take(self.options.generations_kept.max(1))
    }

    /// What a checkpoint covers by its own word; `None` when it cannot be fallen back to anyway, and nothing while the system
    /// does not let anybody look.
    fn footer_covers(&self, generation: u64) -> Option<u64> {
        let file = self.storage.open(&self.path(generation)).map_err(Refused::from);
        match file.and_then(|file| read_ends(&*file, generation)) {
            Ok((_, footer)) => Some(footer.covered_below),
            Err(Refused::Damaged(Damage::Unreadable(error))) if !is_damage(&error) => Some(0),
            Err(_) => None,
        }
    }

    fn path(&self, generation: u64) -> String {
        path_in(&self.options.folder, &format!("{generation:020}{SUFFIX}"))
    }
}

/// Whether what the system says of a file is about the file: else it is for whoever operates this to mend, and the file is to stay.
fn is_damage(error: &io::Error) -> bool {
    use rustix::io::Errno;
    let not_the_file = [Errno::ACCESS, Errno::PERM, Errno::MFILE, Errno::NFILE, Errno::NOMEM];
    !Errno::from_io_error(error).is_some_and(|errno| not_the_file.contains(&errno))
}

fn error_of(file: String, refused: Refused) -> CheckpointError {
    match refused {
        Refused::Damaged(source) => CheckpointError::Damaged { file, source },
        Refused::UnsupportedVersion(version) => {
            CheckpointError::UnsupportedVersion { file, version }
        }
        Refused::UnknownSection(section) => CheckpointError::UnknownSection { file, section },
    }
}
