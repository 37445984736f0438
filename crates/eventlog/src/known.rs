//! Which events a sink has written already: after a crash some are told again.

use std::collections::HashSet;
use std::path::PathBuf;

use bellwether_engine::Event;
use bellwether_series::Fingerprint;
use parking_lot::Mutex;

use crate::read::{Wanted, read};

/// What is told again can be older, in event time, than what is told first by so much.
const BACK_MS: i64 = 24 * 60 * 60 * 1000;

/// Looks up what is written at a path, once somebody asks.
pub(crate) struct Known {
    path: PathBuf,
    /// Episode and sequence of events; `None` until they were read.
    ids: Mutex<Option<HashSet<(Fingerprint, u32)>>>,
}

impl Known {
    /// Of what is written at `path`, in any of the forms that [`read`] reads.
    pub(crate) fn at(path: PathBuf) -> Self {
        Self { path, ids: Mutex::default() }
    }

    /// Whether `event` is written already. What cannot be read is not known: better twice than not at all.
    pub(crate) fn has(&self, event: &Event) -> bool {
        let mut ids = self.ids.lock();
        let ids = ids.get_or_insert_with(|| {
            let wanted = Wanted { since_ms: Some(event.at_ms.as_ms() - BACK_MS), until_ms: None };
            let events = read(&self.path, wanted).ok().into_iter().flatten().flatten();
            events.map(|event| (event.episode_id, event.sequence)).collect()
        });
        ids.contains(&(event.episode_id, event.sequence))
    }
}
