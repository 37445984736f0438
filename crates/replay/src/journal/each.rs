//! A journal's events, handed over one by one.

use std::path::Path;
use std::sync::Arc;

use bellwether_engine::{Event, Settings};
use bellwether_series::Timestamp;

use super::error::JournalReplayError;
use super::figures::Findings;
use super::machine::Whole;
use super::tape::{Progress, Tape};

/// What there is to say of a journal that was replayed.
pub(crate) struct Replayed {
    /// When the first and the last record were received.
    pub(crate) received: Option<(Timestamp, Timestamp)>,
    /// Digest of the configuration in force at the end.
    pub(crate) config_digest: Arc<str>,
    pub(crate) findings: Findings,
}

/// Replays the journal in `folder` and hands each event to `each`, in the order of the log. `settings` are in force
/// throughout; without them what the journal says. `progress` hears after each record how far it is.
pub(crate) fn each_event(
    folder: &Path,
    settings: Option<Arc<Settings>>,
    each: &mut dyn FnMut(&Event),
    progress: &mut dyn FnMut(Progress),
) -> Result<Replayed, JournalReplayError> {
    let mut tape = Tape::open(folder, settings)?;
    let mut machine = Whole::new(tape.settings());
    let mut received: Option<(Timestamp, Timestamp)> = None;
    while let Some(played) = tape.next()? {
        machine.step(&played);
        machine.outputs.events.iter().for_each(&mut *each);
        let first = received.map_or(played.received_at, |(first, _)| first);
        received = Some((first, played.received_at));
        progress(tape.progress());
    }
    let config_digest = Arc::clone(&tape.settings().digest);
    Ok(Replayed { received, config_digest, findings: tape.findings() })
}

/// When the first and the last record of the journal in `folder` were received, in Unix milliseconds; `None` if there is none.
pub(crate) fn received(folder: &Path) -> Result<Option<(i64, i64)>, JournalReplayError> {
    let mut tape = Tape::open(folder, None)?;
    let mut received: Option<(i64, i64)> = None;
    while let Some(played) = tape.next()? {
        let at_ms = played.received_at.as_ms();
        received = Some((received.map_or(at_ms, |(first, _)| first), at_ms));
    }
    Ok(received)
}
