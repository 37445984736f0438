//! The journal: whatever decides anything, on disk before it is acknowledged.
//!
//! Records are appended to a group in memory; [`Journal::commit`] writes the group in one go and makes it durable as
//! [`SyncPolicy`] says. Files are segments; a crash, a failure or their size ends one, and none is ever
//! written to again. [`Reader`] reads them, for recovery and as a capture for replay. `docs/journal.md` has the format.
//!
//! After a failed write or sync the journal is *failed*: what was appended since the last commit is void and must not
//! be acknowledged, and nothing is taken until [`Journal::recover_from_failure`] has begun another segment. What of a
//! void group got to the disk is behind the byte where, as the new segment says, the old one ends.

mod error;
mod options;
mod payload;
mod reader;
mod record;
mod retention;
mod scan;
mod segment;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::sync::Arc;

use bellwether_series::Timestamp;

use crate::format::crc_seed;
use crate::storage::{Storage, StorageFile};
use record::{FRAME_BYTES, Head, SEQUENCE_MAX};
use retention::Closed;
use segment::{Chain, HEADER_BYTES, Previous, SegmentHeader, path_of};

pub use error::{JournalError, ReadError};
pub use options::{JournalFigures, JournalOptions, Recovery, SyncPolicy};
pub use payload::{PayloadError, RequestHeader, SOURCE_BYTES_MAX, TENANT_BYTES_MAX};
pub use reader::{Entry, Gap, ReadFrom, Reader, StoredRecord, TornTail};
pub use record::PAYLOAD_BYTES_MAX;
pub use segment::JOURNAL_VERSION;

/// Capacity of the group that is kept between commits.
const GROUP_BYTES_KEPT: usize = 1 << 20;
/// Kind of what each segment begins with: `RecordKind::Configuration`.
const PREAMBLE_KIND: u8 = bellwether_engine::RecordKind::Configuration as u8;

/// The journal, open for appending. One process, one thread.
pub struct Journal {
    storage: Arc<dyn Storage>,
    options: JournalOptions,
    id_seed: u64,
    /// What each new segment restates.
    preamble: Vec<u8>,
    /// Segments that are not written to any more, oldest first.
    closed: VecDeque<Closed>,
    /// Numbers of those that do not count, to be removed.
    void: Vec<u64>,
    segment: Current,
    /// A full segment, by number, that may have something to be made durable.
    full: Option<(u64, Box<dyn StorageFile>)>,
    /// Records that wait for a commit, framed.
    group: Vec<u8>,
    group_records: u64,
    next_sequence: u64,
    committed_below: u64,
    /// Every checkpoint that may be fallen back to covers what is below.
    covered_below: u64,
    failed: bool,
    unsynced: bool,
    /// When [`Journal::sync_if_due`] first saw that something was not durable.
    unsynced_since_ms: Option<u64>,
    counts: JournalFigures,
}

/// The segment that records go to. Its file is created with the first group.
struct Current {
    number: u64,
    id: u64,
    previous: Previous,
    file: Option<Box<dyn StorageFile>>,
    /// Header and committed groups.
    bytes: u64,
    first_sequence: u64,
    created_at: Timestamp,
}

impl Current {
    fn new(number: u64, id_seed: u64, previous: Previous) -> Self {
        Self {
            number,
            id: segment_id(id_seed, number),
            previous,
            file: None,
            bytes: HEADER_BYTES as u64,
            first_sequence: 0,
            created_at: Timestamp::from_ms(0),
        }
    }

    /// Whether the group that is being made is the first of the segment.
    fn is_untouched(&self) -> bool {
        self.bytes == HEADER_BYTES as u64
    }
}

/// A number that differs between processes as far as `seed` does, and between segments. `SplitMix64`.
fn segment_id(seed: u64, number: u64) -> u64 {
    let mut z = seed.wrapping_add(number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Files that may have something to be made durable, by number, the oldest first.
fn files<'f>(
    full: &'f mut Option<(u64, Box<dyn StorageFile>)>,
    present: &'f mut Current,
) -> impl Iterator<Item = (u64, &'f mut Box<dyn StorageFile>)> {
    let full = full.iter_mut().map(|(number, file)| (*number, file));
    let number = present.number;
    full.chain(present.file.iter_mut().map(move |file| (number, file)))
}

impl Journal {
    /// Opens the journal and says what was there, which is durable then. Writes nothing: the first commit begins a
    /// segment.
    ///
    /// `covered_below` is what the newest checkpoint covers, or 0: no sequence below it is given out again, even if
    /// the segments that had them are lost. `id_seed` must differ between processes and be unknown to senders.
    ///
    /// # Errors
    /// When the disk refuses to be read or synced, or another version wrote a segment.
    pub fn open(
        storage: Arc<dyn Storage>,
        options: JournalOptions,
        covered_below: u64,
        id_seed: u64,
    ) -> Result<(Self, Recovery), JournalError> {
        let chain = Chain::read(&*storage, &options.folder)?;
        if let Some(newest) = chain.segments.last() {
            // What was read from the system's memory would be built upon, and could be gone after all.
            storage.sync_file(&newest.path).map_err(JournalError::write(&newest.path))?;
        }
        let newest = chain.segments.iter().rev().find_map(|segment| segment.header);
        let from =
            newest.map_or(ReadFrom::Oldest, |header| ReadFrom::Sequence(header.first_sequence));
        let mut reader = Reader::open(Arc::clone(&storage), &options.folder, from)?;
        let mut gaps = Vec::new();
        for entry in &mut reader {
            if let Entry::Gap(gap) = entry? {
                gaps.push(gap);
            }
        }
        let found = reader.next_sequence().unwrap_or(1);
        let next_sequence = found.max(covered_below.min(SEQUENCE_MAX));
        let end = reader.end().map(|(number, valid_bytes)| Previous { number, valid_bytes });
        let is_named = gaps.iter().any(|gap: &Gap| gap.missing.is_none());
        let lost_end = (found < covered_below && !is_named).then(|| {
            let nothing = (options.folder.clone(), 0);
            let (file, offset) = reader.end().map_or(nothing, |(number, valid_bytes)| {
                (path_of(&options.folder, number), valid_bytes)
            });
            Gap { file, offset, first_missing: found, missing: None }
        });
        // An empty one is left out, as if it had failed: perhaps it did.
        let previous = match newest {
            Some(newest) if end.is_some_and(|end| end.number == newest.number) => {
                let empty = found == newest.first_sequence && gaps.is_empty();
                if empty { Some(newest.previous) } else { end }
            }
            _ => end,
        };
        let torn_tail = reader.torn_tail().cloned();
        let journal = Self {
            closed: retention::closed_segments(&chain.segments, next_sequence),
            void: chain.void,
            segment: Current::new(chain.highest_number + 1, id_seed, previous.unwrap_or_default()),
            storage,
            options,
            id_seed,
            preamble: Vec::new(),
            full: None,
            group: Vec::new(),
            group_records: 0,
            next_sequence,
            committed_below: next_sequence,
            covered_below: 0,
            failed: false,
            unsynced: false,
            unsynced_since_ms: None,
            counts: JournalFigures::default(),
        };
        Ok((journal, Recovery { next_sequence, torn_tail, gaps, lost_end }))
    }

    /// What each segment from the next one on restates at its beginning: the configuration in force. Empty: nothing.
    ///
    /// # Errors
    /// `RecordTooLarge`.
    pub fn set_preamble(&mut self, preamble: Vec<u8>) -> Result<(), JournalError> {
        self.check_size(preamble.len())?;
        self.preamble = preamble;
        Ok(())
    }

    /// Appends a record to the group; its payload is `payload` put together. Says which sequence it has, if the
    /// group is committed.
    ///
    /// # Errors
    /// `Failed`, `RecordTooLarge`, `GroupFull`, `InvalidKind`. The group is as it was.
    pub fn append(
        &mut self,
        kind: u8,
        received_at: Timestamp,
        payload: &[&[u8]],
    ) -> Result<u64, JournalError> {
        if self.failed {
            return Err(JournalError::Failed);
        }
        if kind == 0 || kind > i8::MAX as u8 {
            return Err(JournalError::InvalidKind(kind));
        }
        let payload_bytes = payload.iter().map(|part| part.len()).sum();
        self.check_size(payload_bytes)?;
        let bytes_max = self.options.group_bytes_max;
        let group_bytes = self.group.len() + FRAME_BYTES + payload_bytes;
        if self.group_records > 0 && group_bytes > bytes_max {
            self.counts.groups_full += 1;
            return Err(JournalError::GroupFull { bytes_max });
        }
        if self.group_records == 0 {
            self.begin_group(received_at);
        }
        let sequence = self.next_sequence;
        let head = Head { payload_bytes, sequence, kind, restated: false, received_at };
        head.frame(crc_seed(self.segment.id), payload, &mut self.group);
        self.group_records += 1;
        self.next_sequence += 1;
        Ok(sequence)
    }

    /// Writes the group, and makes it durable if the policy says so. When this returns without an error, what was
    /// appended may be acknowledged.
    ///
    /// # Errors
    /// `Write` or `Failed`: everything appended since the last commit is void, and the journal is failed.
    pub fn commit(&mut self) -> Result<(), JournalError> {
        if self.failed {
            return Err(JournalError::Failed);
        }
        if self.group_records == 0 {
            return Ok(());
        }
        self.write_group().inspect_err(|_| self.fail())?;
        self.counts.commits += 1;
        self.counts.records += self.group_records;
        self.segment.bytes += self.group.len() as u64;
        self.committed_below = self.next_sequence;
        self.clear_group();
        Ok(())
    }

    /// Makes durable what was committed, if it is not yet. Due before a checkpoint that covers it is written.
    ///
    /// # Errors
    /// As [`Journal::commit`]. With a policy other than each commit, what was acknowledged since the last sync may be
    /// lost when the machine stops.
    pub fn sync(&mut self) -> Result<(), JournalError> {
        if self.failed {
            return Err(JournalError::Failed);
        }
        self.sync_files().inspect_err(|_| self.fail())
    }

    /// With [`SyncPolicy::Interval`], syncs when something has not been durable for that long. `now_ms` is monotonic;
    /// call it several times per interval.
    ///
    /// # Errors
    /// As [`Journal::sync`].
    pub fn sync_if_due(&mut self, now_ms: u64) -> Result<(), JournalError> {
        let SyncPolicy::Interval { interval_ms } = self.options.sync else { return Ok(()) };
        if self.failed || !self.unsynced {
            return Ok(());
        }
        let since_ms = *self.unsynced_since_ms.get_or_insert(now_ms);
        if now_ms.saturating_sub(since_ms) >= interval_ms { self.sync() } else { Ok(()) }
    }

    /// Begins another segment after a failure, if there was one. To be tried again until it succeeds.
    ///
    /// # Errors
    /// `Write`: the disk still refuses.
    pub fn recover_from_failure(&mut self, now: Timestamp) -> Result<(), JournalError> {
        if !self.failed {
            return Ok(());
        }
        self.segment.created_at = now;
        self.create_segment().inspect_err(|_| self.fail())?;
        self.failed = false;
        // Where requests fail again and again, what they leave must not add up. What cannot go now goes with a checkpoint.
        _ = self.remove_void();
        Ok(())
    }

    /// Sequences below this one are committed; a [`Reader`] of the open journal stops there.
    pub fn committed_below(&self) -> u64 {
        self.committed_below
    }

    /// Whether a write or sync failed and it has not recovered.
    pub fn is_failed(&self) -> bool {
        self.failed
    }

    /// Figures for `/metrics`.
    pub fn figures(&self) -> JournalFigures {
        let open = self.segment.file.is_some();
        let closed_bytes: u64 = self.closed.iter().map(|closed| closed.bytes).sum();
        JournalFigures {
            segments: self.closed.len() as u64 + u64::from(open),
            bytes: closed_bytes + if open { self.segment.bytes } else { 0 },
            oldest_sequence: match self.closed.front() {
                Some(oldest) => oldest.first_sequence,
                None if open => self.segment.first_sequence,
                None => self.committed_below,
            },
            committed_below: self.committed_below,
            failed: self.failed,
            ..self.counts
        }
    }

    fn check_size(&mut self, bytes: usize) -> Result<(), JournalError> {
        let bytes_max = self.options.record_bytes_max.min(PAYLOAD_BYTES_MAX);
        if bytes <= bytes_max {
            return Ok(());
        }
        self.counts.records_refused += 1;
        Err(JournalError::RecordTooLarge { bytes, bytes_max })
    }

    /// Chooses the segment of the group, because checksums begin with its id; touches no file.
    fn begin_group(&mut self, received_at: Timestamp) {
        if self.segment.file.is_some() && self.segment.bytes >= self.options.segment_bytes_max {
            let number = self.segment.number;
            self.full = self.leave_segment().map(|file| (number, file));
        }
        if self.segment.file.is_none() {
            self.segment.created_at = received_at;
        }
        if self.segment.is_untouched() && !self.preamble.is_empty() {
            let head = Head {
                payload_bytes: self.preamble.len(),
                sequence: self.committed_below,
                kind: PREAMBLE_KIND,
                restated: true,
                received_at: self.segment.created_at,
            };
            head.frame(crc_seed(self.segment.id), &[&self.preamble], &mut self.group);
        }
    }

    /// Ends the segment where what is committed ends; gives its file, if it had one.
    fn leave_segment(&mut self) -> Option<Box<dyn StorageFile>> {
        let Current { number, bytes, first_sequence, created_at, .. } = self.segment;
        let mut previous = self.segment.previous;
        let file = self.segment.file.take();
        if !self.segment.is_untouched() {
            self.closed.push_back(Closed { number, first_sequence, created_at, bytes });
            previous = Previous { number, valid_bytes: bytes };
        } else if file.is_some() {
            self.void.push(number);
        }
        self.segment = Current::new(number + 1, self.id_seed, previous);
        file
    }

    fn write_group(&mut self) -> Result<(), JournalError> {
        if self.segment.file.is_none() {
            // A full one first: what is durable must have no holes.
            self.sync_files()?;
            self.full = None;
            self.create_segment()?;
        }
        let path = path_of(&self.options.folder, self.segment.number);
        let Some(file) = &mut self.segment.file else { return Err(JournalError::Failed) };
        file.append(&self.group).map_err(JournalError::write(&path))?;
        self.unsynced = true;
        if self.options.sync == SyncPolicy::EachCommit { self.sync_files() } else { Ok(()) }
    }

    fn sync_files(&mut self) -> Result<(), JournalError> {
        if !self.unsynced {
            return Ok(());
        }
        for (number, file) in files(&mut self.full, &mut self.segment) {
            let path = path_of(&self.options.folder, number);
            file.sync_data().map_err(JournalError::write(&path))?;
        }
        self.counts.syncs += 1;
        self.full = None;
        self.unsynced = false;
        self.unsynced_since_ms = None;
        Ok(())
    }

    /// Creates the file of the segment; its header is durable before any record is written.
    fn create_segment(&mut self) -> Result<(), JournalError> {
        self.segment.first_sequence = self.committed_below;
        let Current { number, id, first_sequence, created_at, previous, .. } = self.segment;
        let header = SegmentHeader { number, id, first_sequence, created_at, previous };
        let folder = &self.options.folder;
        let path = path_of(folder, number);
        let mut file = self.storage.create(&path).map_err(JournalError::write(&path))?;
        let written = file
            .append(&header.encode())
            .and_then(|()| file.sync_data())
            .and_then(|()| self.storage.sync_folder(folder));
        // While the disk is full there may be an attempt each second: none should leave a file.
        if written.is_err() && self.storage.remove(&path).is_err() {
            self.void.push(number);
        }
        written.map_err(JournalError::write(&path))?;
        self.segment.file = Some(file);
        Ok(())
    }

    /// Leaves the file that failed, or could not be created, for good.
    fn fail(&mut self) {
        // What was acknowledged before it was durable must not depend on the system's leisure. Whether this succeeds, nobody
        // can know after a sync that failed.
        if self.unsynced && self.options.sync != SyncPolicy::EachCommit {
            for (_, file) in files(&mut self.full, &mut self.segment) {
                _ = file.sync_data();
            }
        }
        self.failed = true;
        self.counts.failures += 1;
        self.full = None;
        self.unsynced = false;
        self.unsynced_since_ms = None;
        self.next_sequence = self.committed_below;
        self.clear_group();
        self.leave_segment();
    }

    fn clear_group(&mut self) {
        self.group.clear();
        self.group.shrink_to(GROUP_BYTES_KEPT);
        self.group_records = 0;
    }
}
