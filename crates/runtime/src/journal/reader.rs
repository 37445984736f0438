//! Reads the journal: for recovery, replay and tuning; also while it is being written.

use std::sync::Arc;

use bellwether_series::Timestamp;
use serde::Serialize;

use super::error::ReadError;
use super::record::Head;
use super::scan::{Scanned, Scanner};
use super::segment::{Chain, Segment, path_of};
use crate::storage::Storage;

/// Where to begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadFrom {
    /// With the oldest record that there is. What retention took before it is not missed.
    Oldest,
    /// With this sequence. If the journal begins later, that is a gap.
    Sequence(u64),
}

/// A record as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredRecord {
    /// Its place in the order; 1 is the first ever.
    pub sequence: u64,
    /// What it is: a number of [`RecordKind`](bellwether_engine::RecordKind), 1 to 127.
    pub kind: u8,
    /// It says again what was in force when its segment began; its sequence is that of the record behind it, and
    /// it is none itself. Given only where something before it was not read: first of all, and behind a gap.
    pub restated: bool,
    /// Wall-clock time of receipt.
    pub received_at: Timestamp,
    /// What the writer put in.
    pub payload: Vec<u8>,
}

/// Records that should be there and are not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Gap {
    /// Path of the damaged file.
    pub file: String,
    /// Where in it the damage begins, in bytes.
    pub offset: u64,
    /// The first sequence that is missing.
    pub first_missing: u64,
    /// How many are missing, 0 when only what a segment restates is damaged; `None` when nothing behind the damage
    /// says so.
    pub missing: Option<u64>,
}

/// The end of the newest segment that is no valid record: mostly, a crash fell into a write.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TornTail {
    /// Path of the file.
    pub file: String,
    /// Where the tail begins, in bytes.
    pub offset: u64,
    /// How long it is.
    pub bytes: u64,
    /// It was written to its last byte and does not verify, so it is rather damage than half a write, and may have been
    /// acknowledged. A crash of the machine leaves the like when the disk wrote the end before the middle.
    pub is_damaged: bool,
}

/// What a [`Reader`] gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// The next record.
    Record(StoredRecord),
    /// Damage; what follows is whole again.
    Gap(Gap),
}

/// Where reading stopped in a segment.
struct Left {
    file: String,
    offset: u64,
    damage: Damage,
}

enum Damage {
    None,
    /// Something in it did not verify.
    Bytes,
    /// Its header did not, so nothing in it can.
    Segment,
}

/// The journal's records in order. After an error it ends.
pub struct Reader {
    storage: Arc<dyn Storage>,
    folder: String,
    chain: Chain,
    /// Index in the chain of the segment that comes next.
    next_index: usize,
    current: Option<(Segment, Scanner)>,
    /// Where reading stopped in the segment before.
    left: Option<Left>,
    /// The next sequence to be given, once known.
    expected: Option<u64>,
    /// Sequences from here on are not given.
    below: u64,
    /// What a segment restates is news.
    restate: bool,
    done: bool,
    torn_tail: Option<TornTail>,
    end: Option<(u64, u64)>,
    /// Segment and byte of the record that was given last.
    place: Option<(u64, u64)>,
}

impl Reader {
    /// Reads the journal in `folder`. While it is being written, say with [`Reader::below`] what is committed.
    ///
    /// # Errors
    /// When a header cannot be read, or another version wrote one of the segments.
    pub fn open(
        storage: Arc<dyn Storage>,
        folder: &str,
        from: ReadFrom,
    ) -> Result<Self, ReadError> {
        let chain = Chain::read(&*storage, folder)?;
        let expected = match from {
            ReadFrom::Oldest => None,
            ReadFrom::Sequence(sequence) => Some(sequence.max(1)),
        };
        let begins_in_time = |segment: &Segment| {
            let first = segment.header.map(|header| header.first_sequence);
            first.zip(expected).is_some_and(|(first, expected)| first <= expected)
        };
        let next_index = chain.segments.iter().rposition(begins_in_time).unwrap_or(0);
        Ok(Self {
            storage,
            folder: folder.to_owned(),
            chain,
            next_index,
            current: None,
            left: None,
            expected,
            below: u64::MAX,
            restate: true,
            done: false,
            torn_tail: None,
            end: None,
            place: None,
        })
    }

    /// Gives no record with this sequence or a later one: what a journal has not committed may still become void.
    #[must_use]
    pub fn below(mut self, sequence: u64) -> Self {
        self.below = sequence;
        self
    }

    /// What a crash left half written at the end. Known once the reader has ended.
    pub fn torn_tail(&self) -> Option<&TornTail> {
        self.torn_tail.as_ref()
    }

    /// Path of the file and byte at which the record begins that was given last.
    pub fn place(&self) -> Option<(String, u64)> {
        self.place.map(|(number, offset)| (path_of(&self.folder, number), offset))
    }

    /// The sequence after the last record; known once the reader has ended, and if there was a segment.
    pub(super) fn next_sequence(&self) -> Option<u64> {
        self.expected
    }

    /// Number of the newest segment, and the byte behind what counts in it. Known once the reader has ended.
    pub(super) fn end(&self) -> Option<(u64, u64)> {
        self.end
    }

    /// The next thing to give; `None` when there is nothing yet and another step is due.
    fn step(&mut self) -> Result<Option<Entry>, ReadError> {
        let Some((segment, scanner)) = &mut self.current else { return self.enter_next() };
        match scanner.next(segment.valid_bytes) {
            Err(source) => Err(ReadError::Storage { file: segment.path.clone(), source }),
            Ok(Scanned::Record(head, payload)) => {
                let begins = scanner.offset - head.record_bytes() as u64;
                let place = (segment.number, begins);
                Ok(self.take(&head, payload, place))
            }
            Ok(Scanned::End) => self.leave(false),
            Ok(Scanned::Damage) => self.leave(true),
        }
    }

    fn take(&mut self, head: &Head, payload: Vec<u8>, place: (u64, u64)) -> Option<Entry> {
        let expected = self.expected.unwrap_or(head.sequence);
        if head.sequence >= self.below {
            self.done = true;
            return None;
        }
        let wanted = if head.restated { self.restate } else { true };
        if head.sequence < expected || !wanted {
            return None;
        }
        if !head.restated {
            self.expected = Some(head.sequence + 1);
        }
        self.restate = false;
        self.place = Some(place);
        let &Head { sequence, kind, restated, received_at, .. } = head;
        Some(Entry::Record(StoredRecord { sequence, kind, restated, received_at, payload }))
    }

    /// Nothing more, or nothing valid, is at the scanner's place.
    fn leave(&mut self, damaged: bool) -> Result<Option<Entry>, ReadError> {
        let Some((segment, _)) = &self.current else { return Ok(None) };
        let is_last = self.next_index >= self.chain.segments.len();
        if segment.valid_bytes.is_none() && is_last && self.refresh()? {
            return Ok(None);
        }
        let Some((segment, scanner)) = &mut self.current else { return Ok(None) };
        let failed = |error| ReadError::storage(&segment.path)(error);
        let (offset, next_sequence) = (scanner.offset, scanner.next_sequence);
        if damaged && scanner.skip_damage(segment.valid_bytes).map_err(failed)? {
            let (found, file) = (scanner.next_sequence, segment.path.clone());
            // Without a missing record it was what the segment restates.
            let damage = if found > next_sequence { Damage::None } else { Damage::Bytes };
            return Ok(self.gap_before(found, Left { file, offset, damage }));
        }
        self.end = Some((segment.number, offset));
        if is_last {
            let bytes = scanner.end(segment.valid_bytes).map_err(failed)?.saturating_sub(offset);
            let file = segment.path.clone();
            let failed = |error| ReadError::storage(&file)(error);
            if bytes > 0 {
                let is_damaged = !scanner.is_cut_off(segment.valid_bytes).map_err(failed)?;
                self.torn_tail = Some(TornTail { file, offset, bytes, is_damaged });
            }
            self.done = true;
        } else {
            let short = segment.valid_bytes.is_some_and(|valid_bytes| offset < valid_bytes);
            let damage = if damaged || short { Damage::Bytes } else { Damage::None };
            self.left = Some(Left { file: segment.path.clone(), offset, damage });
        }
        self.current = None;
        Ok(None)
    }

    /// Looks whether the journal went on in another segment meanwhile, and from which byte this one is void.
    fn refresh(&mut self) -> Result<bool, ReadError> {
        let Some((segment, _)) = &mut self.current else { return Ok(false) };
        self.chain = Chain::read(&*self.storage, &self.folder)?;
        let segments = &self.chain.segments;
        self.next_index = segments.partition_point(|other| other.number <= segment.number);
        if let Some(same) = segments.iter().find(|other| other.number == segment.number) {
            segment.valid_bytes = same.valid_bytes;
        }
        Ok(self.next_index < segments.len())
    }

    fn enter_next(&mut self) -> Result<Option<Entry>, ReadError> {
        let Some(segment) = self.chain.segments.get(self.next_index).cloned() else {
            self.done = true;
            return Ok(self.lost_at_the_end());
        };
        self.next_index += 1;
        let Some(header) = segment.header else {
            self.end = Some((segment.number, segment.bytes));
            let damage = Damage::Segment;
            self.left = Some(Left { file: segment.path, offset: 0, damage });
            return Ok(None);
        };
        let file = self.storage.open(&segment.path).map_err(ReadError::storage(&segment.path))?;
        let own = Left { file: segment.path.clone(), offset: 0, damage: Damage::None };
        let left = self.left.take().unwrap_or(own);
        self.current = Some((segment, Scanner::new(file, &header)));
        Ok(self.gap_before(header.first_sequence, left))
    }

    /// The gap from what is expected to `found`, if something is missing or damaged there.
    fn gap_before(&mut self, found: u64, left: Left) -> Option<Entry> {
        let first_missing = *self.expected.get_or_insert(found);
        if found < first_missing || first_missing >= self.below {
            return None;
        }
        let missing = match (found - first_missing, left.damage) {
            (0, Damage::None) => return None,
            // It was taken for empty when the journal went on: nothing says how many it had.
            (0, Damage::Segment) => None,
            (missing, _) => Some(missing),
        };
        self.expected = Some(found);
        self.restate = true;
        Some(Entry::Gap(Gap { file: left.file, offset: left.offset, first_missing, missing }))
    }

    fn lost_at_the_end(&mut self) -> Option<Entry> {
        let Left { file, offset, .. } =
            self.left.take().filter(|left| matches!(left.damage, Damage::Segment))?;
        let first_missing = self.expected.unwrap_or(1);
        Some(Entry::Gap(Gap { file, offset, first_missing, missing: None }))
    }
}

impl Iterator for Reader {
    type Item = Result<Entry, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        while !self.done {
            match self.step() {
                Ok(None) => {}
                Ok(Some(entry)) => return Some(Ok(entry)),
                Err(error) => {
                    self.done = true;
                    return Some(Err(error));
                }
            }
        }
        None
    }
}
