//! The states of silent series on disk: see [`ColdStore`](bellwether_engine::ColdStore).
//!
//! They are appended to segments that are never written to again once they were left. What waits to be written stays in memory
//! until it is durable, so a state is either here or there, whatever fails meanwhile: a file in which a write or sync failed is
//! left, and everything since the last sync goes into the next one. Before a checkpoint counts, all that waits is made
//! durable. After a crash nothing else is needed: whatever left memory since does so again when the journal is read.
//!
//! A segment without living states goes when no checkpoint that is kept was begun before that. One that is mostly dead is
//! emptied: what lives in it is written again, elsewhere. `docs/journal.md` has the format.

mod error;
mod inner;
mod segment;
mod shelf;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use parking_lot::Mutex;

use crate::stats::Stats;
use crate::storage::Storage;
use inner::{Inner, Place, Segment};
use segment::{HEADER_BYTES, header, path};

pub use error::ColdError;
pub use segment::COLD_VERSION;
pub(crate) use shelf::ColdShelf;

/// A segment in which less than one byte in so many lives is emptied.
const MOSTLY_DEAD: u64 = 4;

/// How states of silent series are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColdOptions {
    /// Their folder in the storage.
    pub folder: String,
    /// Bytes from which on a segment is left. Default 64 MiB.
    pub segment_bytes_max: u64,
    /// When so many bytes wait, they are written. Default 4 MiB.
    pub write_bytes: usize,
    /// Most bytes that wait in memory while the disk refuses; beyond it states are lost. Default 64 MiB.
    pub waiting_bytes_max: usize,
}

impl Default for ColdOptions {
    fn default() -> Self {
        Self {
            folder: "cold".to_owned(),
            segment_bytes_max: 64 << 20,
            write_bytes: 4 << 20,
            waiting_bytes_max: 64 << 20,
        }
    }
}

/// How the states of silent series are doing; counters are since the start.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ColdFigures {
    /// Files.
    pub segments: u64,
    /// Bytes of all files, dead ones included.
    pub bytes: u64,
    /// Bytes that wait in memory to be written.
    pub waiting_bytes: u64,
    /// Files removed because no checkpoint needs them.
    pub segments_removed: u64,
    /// Writes that failed; what they were to write still waits.
    pub failures: u64,
    /// States lost: damaged, missing, or more than may wait while the disk refuses.
    pub lost: u64,
    /// What went wrong last, until at least one checkpoint was begun in which nothing did.
    pub error: Option<String>,
}

/// Whose state it is: the partition, and its number for it.
pub(crate) type Key = (u8, u64);

/// The states of all partitions.
pub(crate) struct ColdFiles {
    storage: Arc<dyn Storage>,
    options: ColdOptions,
    stats: Arc<Stats>,
    inner: Mutex<Inner>,
}

impl ColdFiles {
    /// What is kept, of which `living` is what may be asked for.
    ///
    /// # Errors
    /// `Storage`, or `UnsupportedVersion` when a later program wrote it. Damage is none: what is damaged is lost.
    pub(crate) fn open(
        storage: Arc<dyn Storage>,
        options: ColdOptions,
        stats: Arc<Stats>,
        living: impl Iterator<Item = Key>,
    ) -> Result<Self, ColdError> {
        let mut inner = Inner { next_segment: 1, ..Inner::default() };
        let mut found = BTreeMap::new();
        for (number, bytes) in segment::list(&*storage, &options.folder)? {
            inner.segments.insert(number, Segment { bytes, ..Segment::default() });
            inner.next_segment = number.saturating_add(1);
            // What was written last counts.
            segment::scan(&*storage, &options.folder, number, |key, offset, bytes| {
                found.insert(key, Place { segment: number, offset, bytes });
            })?;
        }
        let mut missing = 0;
        for key in living {
            match found.remove(&key) {
                Some(place) => inner.enter(key, place),
                None => missing += 1,
            }
        }
        if missing > 0 {
            inner.lose(missing, &ColdError::Missing { count: missing });
        }
        // Some of it may be in the system's memory only, if a process was killed.
        for (&number, segment) in &inner.segments {
            let file = path(&options.folder, number);
            if segment.living > 0 {
                let synced = storage.sync_file(&file);
                synced.map_err(|source| ColdError::Storage { file, source })?;
            }
        }
        if !inner.places.is_empty() {
            let file = options.folder.clone();
            let synced = storage.sync_folder(&file);
            synced.map_err(|source| ColdError::Storage { file, source })?;
        }
        stats.observe_cold(inner.figures_now());
        Ok(Self { storage, options, stats, inner: Mutex::new(inner) })
    }

    /// How they are doing.
    #[cfg(test)]
    fn figures(&self) -> ColdFigures {
        self.inner.lock().figures_now()
    }

    pub(crate) fn put(&self, key: Key, state: Vec<u8>) {
        let inner = &mut *self.inner.lock();
        inner.forget(key);
        inner.wait(key, state);
        if inner.untried_bytes >= self.options.write_bytes {
            // If that fails it is counted, and everything waits on.
            _ = self.write(inner);
        }
        while inner.waiting_bytes > self.options.waiting_bytes_max {
            let Some((&key, _)) = inner.waiting.first_key_value() else { break };
            inner.stop_waiting(key);
            inner.lose(1, &ColdError::Full { limit_bytes: self.options.waiting_bytes_max });
            self.stats.observe_cold(inner.figures_now());
        }
    }

    pub(crate) fn get(&self, key: Key) -> Option<Vec<u8>> {
        let place = {
            let inner = self.inner.lock();
            if let Some(state) = inner.waiting.get(&key) {
                return Some(state.clone());
            }
            *inner.places.get(&key)?
        };
        // Nobody else waits for the disk. The file stays as long as this state lives, which is for its partition to say.
        let read = self.read(key, place);
        read.inspect_err(|error| {
            let inner = &mut *self.inner.lock();
            inner.lose(1, error);
            self.stats.observe_cold(inner.figures_now());
        })
        .ok()
    }

    pub(crate) fn forget(&self, key: Key) {
        self.inner.lock().forget(key);
    }

    /// Makes all that waits durable.
    ///
    /// # Errors
    /// `Storage`; then it waits on.
    pub(crate) fn sync(&self) -> Result<(), ColdError> {
        let inner = &mut *self.inner.lock();
        self.write(inner)?;
        inner.is_gathering = false;
        Ok(())
    }

    /// The checkpoint of that generation begins: none of its parts has been asked for.
    pub(crate) fn begin_checkpoint(&self, generation: u64) {
        let inner = &mut *self.inner.lock();
        if std::mem::replace(&mut inner.error_is_old, true) {
            inner.figures.error = None;
        }
        // Of an attempt that was given up.
        for key in std::mem::take(&mut inner.ghosts) {
            inner.stop_waiting(key);
        }
        inner.is_gathering = true;
        self.empty_dead(inner);
        let current = inner.current.as_ref().map(|(number, _)| *number);
        for (&number, segment) in &mut inner.segments {
            if segment.living == 0 && current != Some(number) {
                segment.dead_since.get_or_insert(generation);
            }
        }
    }

    /// Nobody falls back to a checkpoint older than `oldest_kept`: what only these needed goes.
    pub(crate) fn release(&self, oldest_kept: u64) {
        let inner = &mut *self.inner.lock();
        let goes = |segment: &Segment| segment.dead_since.is_some_and(|since| since <= oldest_kept);
        let going: Vec<u64> = inner
            .segments
            .iter()
            .filter(|(_, segment)| goes(segment))
            .map(|(&number, _)| number)
            .collect();
        for number in going {
            let file = path(&self.options.folder, number);
            match self.storage.remove(&file) {
                Ok(()) => {
                    inner.segments.remove(&number);
                    inner.figures.segments_removed += 1;
                }
                // It is tried again after the next checkpoint.
                Err(source) => inner.fail(&ColdError::Storage { file, source }),
            }
        }
        self.stats.observe_cold(inner.figures_now());
    }

    /// Lets what lives in segments that are mostly dead wait to be written again.
    fn empty_dead(&self, inner: &mut Inner) {
        let current = inner.current.as_ref().map(|(number, _)| *number);
        let mut room_bytes = self.options.waiting_bytes_max as u64 / 2;
        let mut dead = BTreeSet::new();
        for (&number, segment) in &inner.segments {
            let is_mostly = segment.living_bytes.saturating_mul(MOSTLY_DEAD) < segment.bytes;
            let is_left = current != Some(number);
            if segment.living > 0 && is_mostly && is_left && segment.living_bytes <= room_bytes {
                room_bytes -= segment.living_bytes;
                dead.insert(number);
            }
        }
        let places = inner.places.iter().filter(|(_, place)| dead.contains(&place.segment));
        let living: Vec<(Key, Place)> = places.map(|(&key, &place)| (key, place)).collect();
        for (key, place) in living {
            // What cannot be read is lost when somebody asks for it.
            if let Ok(state) = self.read(key, place) {
                inner.forget(key);
                inner.wait(key, state);
            }
        }
    }

    fn read(&self, key: Key, place: Place) -> Result<Vec<u8>, ColdError> {
        let Place { segment, offset, bytes } = place;
        segment::read(&*self.storage, &self.options.folder, segment, offset, (key, bytes))
    }

    /// Writes all that waits, and makes it durable.
    fn write(&self, inner: &mut Inner) -> Result<(), ColdError> {
        if inner.waiting.is_empty() {
            return Ok(());
        }
        inner.untried_bytes = 0;
        let written = self.try_to_write(inner);
        if let Err(error) = &written {
            // What a failed sync was to write is not to be trusted, even if the next one succeeds.
            inner.current = None;
            inner.fail(error);
        }
        self.stats.observe_cold(inner.figures_now());
        written
    }

    fn try_to_write(&self, inner: &mut Inner) -> Result<(), ColdError> {
        let is_full = |segment: &Segment| segment.bytes >= self.options.segment_bytes_max;
        let number = inner.current.as_ref().map(|(number, _)| *number);
        if number.is_some_and(|number| inner.segments.get(&number).is_none_or(is_full)) {
            inner.current = None;
        }
        let is_new = inner.current.is_none();
        let number = number.filter(|_| !is_new).unwrap_or(inner.next_segment);
        let file = path(&self.options.folder, number);
        let refused = |source| ColdError::Storage { file: file.clone(), source };
        let mut bytes = Vec::with_capacity(inner.waiting_bytes + HEADER_BYTES);
        if is_new {
            inner.next_segment += 1;
            inner.current = Some((number, self.storage.create(&file).map_err(refused)?));
            inner.segments.insert(number, Segment::default());
            bytes.extend(header(number));
        }
        let (Some((_, open)), Some(segment)) =
            (&mut inner.current, inner.segments.get_mut(&number))
        else {
            return Ok(());
        };
        let (mut places, begins) = (Vec::with_capacity(inner.waiting.len()), segment.bytes);
        for (&key, state) in &inner.waiting {
            let offset = begins + bytes.len() as u64;
            segment::append(&mut bytes, number, key, state);
            places.push((key, Place { segment: number, offset, bytes: state.len() as u32 }));
        }
        // Some of it may be there even if that fails.
        segment.bytes += bytes.len() as u64;
        open.append(&bytes).map_err(refused)?;
        open.sync_data().map_err(refused)?;
        if is_new {
            self.storage.sync_folder(&self.options.folder).map_err(refused)?;
        }
        inner.waiting.clear();
        inner.waiting_bytes = 0;
        let ghosts = std::mem::take(&mut inner.ghosts);
        for (key, place) in places.into_iter().filter(|(key, _)| !ghosts.contains(key)) {
            inner.enter(key, place);
        }
        Ok(())
    }
}
