//! Which events a sink has written already: after a crash some are told again.

use std::collections::HashSet;
use std::path::PathBuf;

use bellwether_engine::Event;
use bellwether_series::Fingerprint;
use parking_lot::Mutex;

use crate::read::{Wanted, read};

/// Events are read from so much event time before the one that is asked about on: those that are asked about later may be
/// somewhat older.
const BACK_MS: i64 = 24 * 60 * 60 * 1000;

/// Looks up what is written at a path, once somebody asks.
pub(crate) struct Known {
    path: PathBuf,
    read: Mutex<Written>,
}

/// What was read so far.
struct Written {
    /// All events from this event time on.
    since_ms: i64,
    /// Their episodes and sequences.
    ids: HashSet<(Fingerprint, u32)>,
}

impl Known {
    /// Of what is written at `path`, in any of the forms that [`read`] reads.
    pub(crate) fn at(path: PathBuf) -> Self {
        let nothing = Written { since_ms: i64::MAX, ids: HashSet::new() };
        Self { path, read: Mutex::new(nothing) }
    }

    /// Whether `event` is written already. What cannot be read is not known: better twice than not at all.
    pub(crate) fn has(&self, event: &Event) -> bool {
        let mut written = self.read.lock();
        let at_ms = event.at_ms.as_ms();
        // Senders are not at the same event time: one that lags behind by days tells of times before those of the first event.
        if at_ms < written.since_ms {
            let since_ms = at_ms.saturating_sub(BACK_MS);
            let wanted = Wanted { since_ms: Some(since_ms), until_ms: None };
            let events = read(&self.path, wanted).ok().into_iter().flatten().flatten();
            let ids = events.map(|event| (event.episode_id, event.sequence)).collect();
            *written = Written { since_ms, ids };
        }
        written.ids.contains(&(event.episode_id, event.sequence))
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::*;
    use crate::testing::{DAY_0_MS, DAY_MS, event};

    #[test]
    fn an_event_is_known_however_much_older_it_is_than_the_first_that_was_asked_about() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("events.jsonl");
        let days_ago = [0, 1, 5, 3, 40, 0];
        let events: Vec<_> = (0..)
            .zip(days_ago)
            .map(|(sequence, days)| event(sequence, DAY_0_MS - days * DAY_MS))
            .collect();
        let mut lines = String::new();
        for event in &events {
            writeln!(lines, "{}", serde_json::to_string(event.as_ref()).unwrap()).unwrap();
        }
        std::fs::write(&path, lines).unwrap();
        let known = Known::at(path);
        assert!(events.iter().all(|event| known.has(event)));
        assert!(!known.has(&event(9, DAY_0_MS)) && !known.has(&event(8, DAY_0_MS - 90 * DAY_MS)));
        assert!(events.iter().all(|event| known.has(event)));
        assert!(!Known::at(dir.path().join("none")).has(&events[0]));
    }
}
