//! What the files hold and what waits to get there, in memory.

use std::collections::{BTreeMap, BTreeSet};

use bellwether_series::Chunked;

use super::segment::{self, HEADER_BYTES, header};
use super::{ColdError, ColdFigures, Key};

/// A segment in which less than one byte in so many lives is emptied.
const MOSTLY_DEAD: u64 = 4;

/// Where a state is that is durable; with nothing in between, since there are millions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(Rust, packed)]
pub(super) struct Place {
    pub(super) segment: u64,
    pub(super) offset: u64,
    pub(super) bytes: u32,
}

/// The states of one partition that are durable, by their numbers.
type Places = Chunked<BareNumber, Place>;

/// A number that needs no alignment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
#[repr(Rust, packed)]
pub(super) struct BareNumber(u64);

/// A file.
#[derive(Debug, Default)]
pub(super) struct Segment {
    pub(super) bytes: u64,
    /// States in it that somebody may ask for, and their bytes.
    pub(super) living: u64,
    pub(super) living_bytes: u64,
    /// The first checkpoint that was begun since nothing in it lives.
    pub(super) dead_since: Option<u64>,
}

/// A state that is not durable yet.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) state: Vec<u8>,
    /// Which one it is of those that ever waited: a key may have another one by the time that this one is written.
    turn: u64,
}

/// What is being written to a segment while everything else goes on.
pub(super) struct Batch {
    pub(super) bytes: Vec<u8>,
    /// Where each state gets, and which one it is.
    places: Vec<(Key, Place, u64)>,
}

/// What is where.
#[derive(Default)]
pub(super) struct Inner {
    pub(super) segments: BTreeMap<u64, Segment>,
    /// By partition.
    places: BTreeMap<u8, Places>,
    /// States that are not durable yet, those that are being written among them.
    pub(super) waiting: BTreeMap<Key, Waiting>,
    pub(super) waiting_bytes: usize,
    next_turn: u64,
    /// Whether parts of a checkpoint are gathered: they may refer to what waits, even if it is forgotten meanwhile.
    pub(super) is_gathering: bool,
    /// Those that wait although they were forgotten.
    pub(super) ghosts: BTreeSet<Key>,
    /// Bytes that came since it was last tried to write what waits.
    pub(super) untried_bytes: usize,
    /// The number of the segment that is written to.
    pub(super) current: Option<u64>,
    pub(super) figures: ColdFigures,
    /// Whether a checkpoint was begun since the error was new.
    pub(super) error_is_old: bool,
}

impl Inner {
    pub(super) fn enter(&mut self, (partition, number): Key, place: Place) {
        self.places.entry(partition).or_default().insert(BareNumber(number), place);
        let Place { segment, bytes, .. } = place;
        if let Some(segment) = self.segments.get_mut(&segment) {
            segment.living += 1;
            segment.living_bytes += u64::from(bytes);
        }
    }

    /// Where a state is, if it is durable.
    pub(super) fn place(&self, (partition, number): Key) -> Option<Place> {
        self.places.get(&partition)?.get(BareNumber(number)).copied()
    }

    /// Bytes that it takes to know where the states of a partition are.
    pub(super) fn places_bytes(&self, partition: u8) -> usize {
        self.places.get(&partition).map_or(0, Places::bytes)
    }

    pub(super) fn stop_waiting(&mut self, key: Key) {
        self.ghosts.remove(&key);
        if let Some(waiting) = self.waiting.remove(&key) {
            self.waiting_bytes -= waiting.state.len();
        }
    }

    pub(super) fn wait(&mut self, key: Key, state: Vec<u8>) {
        self.stop_waiting(key);
        self.waiting_bytes += state.len();
        self.untried_bytes += state.len();
        let turn = self.next_turn;
        self.next_turn += 1;
        self.waiting.insert(key, Waiting { state, turn });
    }

    /// All that waits, to be written to the end of segment `number`. It waits on until it is [`Self::written`].
    pub(super) fn batch(&mut self, number: u64, is_new: bool) -> Batch {
        self.current = Some(number);
        let segment = self.segments.entry(number).or_default();
        let mut bytes = Vec::with_capacity(self.waiting_bytes + HEADER_BYTES);
        if is_new {
            bytes.extend(header(number));
        }
        let mut places = Vec::with_capacity(self.waiting.len());
        for (&key, Waiting { state, turn }) in &self.waiting {
            let offset = segment.bytes + bytes.len() as u64;
            segment::append(&mut bytes, number, key, state);
            let place = Place { segment: number, offset, bytes: state.len() as u32 };
            places.push((key, place, *turn));
        }
        // Some of it may be there even if it cannot be written.
        segment.bytes += bytes.len() as u64;
        Batch { bytes, places }
    }

    /// What was being written is durable.
    pub(super) fn written(&mut self, batch: Batch) {
        for (key, place, turn) in batch.places {
            // What was forgotten meanwhile, or has another state by now, is dead where it was written.
            if self.waiting.get(&key).is_some_and(|waiting| waiting.turn == turn) {
                let is_ghost = self.ghosts.contains(&key);
                self.stop_waiting(key);
                if !is_ghost {
                    self.enter(key, place);
                }
            }
        }
    }

    /// What lives in segments that are mostly dead, as much of it as may wait if `waiting_bytes_max` may.
    pub(super) fn in_mostly_dead(&self, waiting_bytes_max: usize) -> Vec<(Key, Place)> {
        // While the disk refuses it waits on: more of it each time would push out what waits already.
        let mut room_bytes = waiting_bytes_max.saturating_sub(self.waiting_bytes) as u64;
        let mut dead = BTreeSet::new();
        for (&number, segment) in &self.segments {
            let is_mostly = segment.living_bytes.saturating_mul(MOSTLY_DEAD) < segment.bytes;
            let is_left = self.current != Some(number);
            if segment.living > 0 && is_mostly && is_left && segment.living_bytes <= room_bytes {
                room_bytes -= segment.living_bytes;
                dead.insert(number);
            }
        }
        let places = self.places.iter().flat_map(|(&partition, places)| {
            places.iter().map(move |&(BareNumber(number), place)| ((partition, number), place))
        });
        places.filter(|(_, place)| dead.contains(&{ place.segment })).collect()
    }

    pub(super) fn forget(&mut self, key: Key) {
        if !self.is_gathering {
            self.stop_waiting(key);
        } else if self.waiting.contains_key(&key) {
            self.ghosts.insert(key);
        }
        let (partition, number) = key;
        if let Some(places) = self.places.get_mut(&partition)
            && let Some(Place { segment, bytes, .. }) = places.remove(BareNumber(number))
            && let Some(segment) = self.segments.get_mut(&segment)
        {
            segment.living -= 1;
            segment.living_bytes -= u64::from(bytes);
        }
    }

    pub(super) fn fail(&mut self, error: &ColdError) {
        self.figures.failures += 1;
        self.figures.error = Some(error.to_string());
        self.error_is_old = false;
    }

    pub(super) fn lose(&mut self, count: u64, error: &ColdError) {
        self.figures.lost += count;
        self.figures.error = Some(error.to_string());
        self.error_is_old = false;
    }

    pub(super) fn figures_now(&self) -> ColdFigures {
        ColdFigures {
            segments: self.segments.len() as u64,
            bytes: self.segments.values().map(|segment| segment.bytes).sum(),
            waiting_bytes: self.waiting_bytes as u64,
            ..self.figures.clone()
        }
    }
}
