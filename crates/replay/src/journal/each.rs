//! A journal's events, and its samples' times, handed over one by one.

use std::path::Path;
use std::sync::Arc;

use bellwether_engine::{Event, Settings};
use bellwether_runtime::stored::StoredBody;
use bellwether_series::Timestamp;
use bellwether_wire::remote_write::WriteRequest;

use super::error::JournalReplayError;
use super::figures::Findings;
use super::machine::Whole;
use super::tape::{Played, Progress, Tape};

/// What there is to say of a journal that was replayed.
pub(crate) struct Replayed {
    /// Event times of the first and the last sample.
    pub(crate) sampled: Option<(Timestamp, Timestamp)>,
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
    let mut sampled = None;
    while let Some(played) = tape.next()? {
        machine.step(&played);
        machine.outputs.events.iter().for_each(&mut *each);
        for at in times(&played, tape.settings()) {
            widen(&mut sampled, at);
        }
        progress(tape.progress());
    }
    let config_digest = Arc::clone(&tape.settings().digest);
    Ok(Replayed { sampled, config_digest, findings: tape.findings() })
}

/// Hands the event time of each sample of the journal in `folder` to `each`, in the order of the log; says what is wrong with it.
/// `settings` are in force throughout.
pub(crate) fn each_time(
    folder: &Path,
    settings: &Arc<Settings>,
    each: &mut dyn FnMut(Timestamp),
) -> Result<Findings, JournalReplayError> {
    let mut tape = Tape::open(folder, Some(Arc::clone(settings)))?;
    while let Some(played) = tape.next()? {
        times(&played, settings).for_each(&mut *each);
    }
    Ok(tape.findings())
}

/// Event times of the samples of a record, but for those of the future, which the engine refuses.
fn times(played: &Played, settings: &Settings) -> impl Iterator<Item = Timestamp> {
    let newest = played.received_at.plus_ms(settings.ordering.future_max_ms);
    let write = match &played.body {
        StoredBody::Request { write, .. } => Some(write),
        StoredBody::Heartbeat | StoredBody::Configuration(_) => None,
    };
    let samples = write.into_iter().flat_map(WriteRequest::series).flat_map(|one| one.samples);
    samples.map(|sample| sample.timestamp).filter(move |&at| at <= newest)
}

/// Makes `span` hold `at`, too.
pub(crate) fn widen(span: &mut Option<(Timestamp, Timestamp)>, at: Timestamp) {
    let (first, last) = span.unwrap_or((at, at));
    *span = Some((first.min(at), last.max(at)));
}
