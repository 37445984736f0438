//! What the files hold and what waits to get there, in memory.

use std::collections::{BTreeMap, BTreeSet};

use super::{ColdError, ColdFigures, Key};
use crate::storage::StorageFile;

/// Where a state is that is durable.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    pub(super) segment: u64,
    pub(super) offset: u64,
    pub(super) bytes: u32,
}

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

/// What is where.
#[derive(Default)]
pub(super) struct Inner {
    pub(super) segments: BTreeMap<u64, Segment>,
    pub(super) places: BTreeMap<Key, Place>,
    /// States that are not durable yet.
    pub(super) waiting: BTreeMap<Key, Vec<u8>>,
    pub(super) waiting_bytes: usize,
    /// Whether parts of a checkpoint are gathered: they may refer to what waits, even if it is forgotten meanwhile.
    pub(super) is_gathering: bool,
    /// Those that wait although they were forgotten.
    pub(super) ghosts: BTreeSet<Key>,
    /// Bytes that came since it was last tried to write what waits.
    pub(super) untried_bytes: usize,
    /// The segment that is written to, and its number.
    pub(super) current: Option<(u64, Box<dyn StorageFile>)>,
    pub(super) next_segment: u64,
    pub(super) figures: ColdFigures,
    /// Whether a checkpoint was begun since the error was new.
    pub(super) error_is_old: bool,
}

impl Inner {
    pub(super) fn enter(&mut self, key: Key, place: Place) {
        self.places.insert(key, place);
        if let Some(segment) = self.segments.get_mut(&place.segment) {
            segment.living += 1;
            segment.living_bytes += u64::from(place.bytes);
        }
    }

    pub(super) fn stop_waiting(&mut self, key: Key) {
        self.ghosts.remove(&key);
        if let Some(state) = self.waiting.remove(&key) {
            self.waiting_bytes -= state.len();
        }
    }

    pub(super) fn wait(&mut self, key: Key, state: Vec<u8>) {
        self.stop_waiting(key);
        self.waiting_bytes += state.len();
        self.untried_bytes += state.len();
        self.waiting.insert(key, state);
    }

    pub(super) fn forget(&mut self, key: Key) {
        if !self.is_gathering {
            self.stop_waiting(key);
        } else if self.waiting.contains_key(&key) {
            self.ghosts.insert(key);
        }
        if let Some(place) = self.places.remove(&key)
            && let Some(segment) = self.segments.get_mut(&place.segment)
        {
            segment.living -= 1;
            segment.living_bytes -= u64::from(place.bytes);
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
