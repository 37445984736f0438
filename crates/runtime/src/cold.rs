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

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::stats::Stats;
use crate::storage::{Storage, StorageFile};
use inner::{Inner, Place, Segment};
use segment::path;

pub use error::ColdError;
pub use segment::COLD_VERSION;
pub(crate) use shelf::ColdShelf;

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
///
/// What is where is known under one lock, that nobody holds while the disk works: whoever wants a state does not wait for
/// somebody else's writing. Writers take turns by the other lock, always before the first.
pub(crate) struct ColdFiles {
    storage: Arc<dyn Storage>,
    options: ColdOptions,
    stats: Arc<Stats>,
    pen: Mutex<Pen>,
    inner: Mutex<Inner>,
}

/// What whoever writes holds.
struct Pen {
    /// The segment that is written to, and its number.
    current: Option<(u64, Box<dyn StorageFile>)>,
    next_segment: u64,
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
        let mut inner = Inner::default();
        let mut pen = Pen { current: None, next_segment: 1 };
        let mut found = BTreeMap::new();
        for (number, bytes) in segment::list(&*storage, &options.folder)? {
            inner.segments.insert(number, Segment { bytes, ..Segment::default() });
            pen.next_segment = number.saturating_add(1);
            // What was written last counts.
            segment::scan(&*storage, &options.folder, number, |key, offset, bytes| {
                // Of a copy that was being written when the machine stopped there may be a part: then the other one counts.
                let is_whole = || {
                    let read =
                        segment::read(&*storage, &options.folder, number, offset, (key, bytes));
                    read.is_ok()
                };
                if !found.contains_key(&key) || is_whole() {
                    found.insert(key, Place { segment: number, offset, bytes });
                }
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
        if inner.segments.values().any(|segment| segment.living > 0) {
            let file = options.folder.clone();
            let synced = storage.sync_folder(&file);
            synced.map_err(|source| ColdError::Storage { file, source })?;
        }
        stats.observe_cold(inner.figures_now());
        Ok(Self { storage, options, stats, pen: Mutex::new(pen), inner: Mutex::new(inner) })
    }

    /// How they are doing.
    #[cfg(test)]
    fn figures(&self) -> ColdFigures {
        self.inner.lock().figures_now()
    }

    pub(crate) fn put(&self, key: Key, state: Vec<u8>) {
        let is_due = {
            let inner = &mut *self.inner.lock();
            inner.forget(key);
            inner.wait(key, state);
            inner.untried_bytes >= self.options.write_bytes
        };
        if is_due {
            // If that fails it is counted, and everything waits on.
            _ = self.write();
        }
        if self.inner.lock().waiting_bytes <= self.options.waiting_bytes_max {
            return;
        }
        // Whoever is writing may be done with most of it in a moment: nothing that is on its way to the disk is lost.
        let _pen = self.pen.lock();
        let inner = &mut *self.inner.lock();
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
            if let Some(waiting) = inner.waiting.get(&key) {
                return Some(waiting.state.clone());
            }
            inner.place(key)?
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

    /// What was kept under `key` is not what its partition has put there.
    pub(crate) fn reject(&self, key: Key) {
        let inner = &mut *self.inner.lock();
        inner.lose(1, &ColdError::Another { partition: key.0 });
        self.stats.observe_cold(inner.figures_now());
    }

    pub(crate) fn forget(&self, key: Key) {
        self.inner.lock().forget(key);
    }

    /// Bytes that it takes to know where the states of a partition are.
    pub(crate) fn places_bytes(&self, partition: u8) -> usize {
        self.inner.lock().places_bytes(partition)
    }

    /// Makes all that waits durable.
    ///
    /// # Errors
    /// `Storage`; then it waits on.
    pub(crate) fn sync(&self) -> Result<(), ColdError> {
        self.write()?;
        self.inner.lock().is_gathering = false;
        Ok(())
    }

    /// The checkpoint of that generation begins: none of its parts has been asked for.
    pub(crate) fn begin_checkpoint(&self, generation: u64) {
        {
            let inner = &mut *self.inner.lock();
            if std::mem::replace(&mut inner.error_is_old, true) {
                inner.figures.error = None;
            }
            // Of an attempt that was given up.
            for key in std::mem::take(&mut inner.ghosts) {
                inner.stop_waiting(key);
            }
            inner.is_gathering = true;
        }
        self.empty_dead();
        let inner = &mut *self.inner.lock();
        let current = inner.current;
        for (&number, segment) in &mut inner.segments {
            if segment.living == 0 && current != Some(number) {
                segment.dead_since.get_or_insert(generation);
            }
        }
    }

    /// Nobody falls back to a checkpoint older than `oldest_kept`: what only these needed goes.
    pub(crate) fn release(&self, oldest_kept: u64) {
        let goes = |segment: &Segment| segment.dead_since.is_some_and(|since| since <= oldest_kept);
        let going: Vec<u64> = {
            let inner = self.inner.lock();
            let going = inner.segments.iter().filter(|(_, segment)| goes(segment));
            going.map(|(&number, _)| number).collect()
        };
        for number in going {
            let file = path(&self.options.folder, number);
            let removed = self.storage.remove(&file);
            let inner = &mut *self.inner.lock();
            match removed {
                Ok(()) => {
                    inner.segments.remove(&number);
                    inner.figures.segments_removed += 1;
                }
                // It is tried again after the next checkpoint.
                Err(source) => inner.fail(&ColdError::Storage { file, source }),
            }
        }
        self.stats.observe_cold(self.inner.lock().figures_now());
    }

    /// Lets what lives in segments that are mostly dead wait to be written again.
    fn empty_dead(&self) {
        let living = self.inner.lock().in_mostly_dead(self.options.waiting_bytes_max / 2);
        for (key, place) in living {
            // What cannot be read is lost when somebody asks for it.
            let Ok(state) = self.read(key, place) else { continue };
            let inner = &mut *self.inner.lock();
            // Its partition may have asked for it meanwhile.
            if inner.place(key) == Some(place) {
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
    fn write(&self) -> Result<(), ColdError> {
        let pen = &mut *self.pen.lock();
        let written = self.try_to_write(pen);
        let inner = &mut *self.inner.lock();
        if let Err(error) = &written {
            // What a failed sync was to write is not to be trusted, even if the next one succeeds.
            pen.current = None;
            inner.current = None;
            inner.fail(error);
        }
        self.stats.observe_cold(inner.figures_now());
        written
    }

    fn try_to_write(&self, pen: &mut Pen) -> Result<(), ColdError> {
        {
            let inner = &mut *self.inner.lock();
            inner.untried_bytes = 0;
            if inner.waiting.is_empty() {
                return Ok(());
            }
            let is_full = |segment: &Segment| segment.bytes >= self.options.segment_bytes_max;
            if inner.current.is_some_and(|number| inner.segments.get(&number).is_none_or(is_full)) {
                pen.current = None;
            }
        }
        let is_new = pen.current.is_none();
        let number = pen.current.as_ref().map_or(pen.next_segment, |(number, _)| *number);
        let file = path(&self.options.folder, number);
        let refused = |source| ColdError::Storage { file: file.clone(), source };
        if is_new {
            pen.next_segment += 1;
            pen.current = Some((number, self.storage.create(&file).map_err(refused)?));
        }
        let Some((_, open)) = &mut pen.current else { return Ok(()) };
        let batch = self.inner.lock().batch(number, is_new);
        open.append(&batch.bytes).map_err(refused)?;
        open.sync_data().map_err(refused)?;
        if is_new {
            self.storage.sync_folder(&self.options.folder).map_err(refused)?;
        }
        self.inner.lock().written(batch);
        Ok(())
    }
}
