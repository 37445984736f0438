//! An event, as little of it as comparing takes.

use bellwether_engine::{CAP_RULE, Event};
use bellwether_series::{Fingerprint, Timestamp};

/// What is remembered of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) at: Timestamp,
    pub(super) fingerprint: Fingerprint,
    pub(super) episode: Fingerprint,
    pub(super) sequence: u32,
    /// Of its line in the log.
    pub(super) exact: Fingerprint,
    /// The same without what the cap decides.
    pub(super) of_series: Fingerprint,
    /// Whether it is the cap's own.
    is_of_cap: bool,
}

impl Seen {
    pub(super) fn of(event: &Event) -> Self {
        let exact = digest(event);
        let of_series =
            if event.alert { digest(&Event { alert: false, ..event.clone() }) } else { exact };
        Self {
            at: event.at_ms,
            fingerprint: event.fingerprint,
            episode: event.episode_id,
            sequence: event.sequence,
            exact,
            of_series,
            is_of_cap: &*event.rule == CAP_RULE,
        }
    }
}

#[cfg(test)]
impl Seen {
    /// An event of a series, as far as comparing goes.
    pub(super) fn new(
        at: Timestamp,
        fingerprint: Fingerprint,
        sequence: u32,
        exact: Fingerprint,
        of_series: Fingerprint,
    ) -> Self {
        let episode = fingerprint;
        Self { at, fingerprint, episode, sequence, exact, of_series, is_of_cap: false }
    }
}

fn digest(event: &Event) -> Fingerprint {
    // Every event is JSON; if one were not, it would differ from none, and its neighbours would.
    let line = serde_json::to_vec(event).unwrap_or_default();
    Fingerprint::of_parts(&[&line])
}

/// The events of series, without the cap's own, by event time, series and sequence.
pub(super) fn by_series(mut events: Vec<Seen>) -> Vec<Seen> {
    events.retain(|seen| !seen.is_of_cap);
    events.sort_by_key(|seen| (seen.at, seen.fingerprint, seen.sequence, seen.of_series));
    events
}

/// One hash over the hashes of all lines.
pub(super) fn hash(lines: impl Iterator<Item = Fingerprint>) -> Fingerprint {
    let bytes: Vec<u8> = lines.flat_map(|line| line.as_u128().to_be_bytes()).collect();
    Fingerprint::of_parts(&[&bytes])
}
