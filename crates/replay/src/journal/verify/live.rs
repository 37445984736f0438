//! What was written live, beside what a replay gives.
//!
//! An event must be the same to the last byte of its JSON. Three things are no part of what a replay repeats, and are left out:
//!
//! - alerts on the engine's own health, which follow from the wall clock;
//! - how often and in which order events were written: delivery is at least once, what a start tells again comes behind what
//!   was told since, and an event log is sorted by day;
//! - the digest of the configuration, if the replay was given another configuration than the journal's.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bellwether_engine::{Event, HEALTH_RULE, Settings};
use bellwether_eventlog::ReadError;
use bellwether_series::{Fingerprint, Timestamp};

use super::seen::Seen;

/// Ids of an episode and within it.
type Id = (Fingerprint, u32);

/// How the events of a replay compare with those that were written live. Alerts on the engine's own health are left out: they
/// follow from the wall clock and are no part of what a replay repeats.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LiveComparison {
    /// Events that both have, byte by byte.
    pub same: usize,
    /// Ids that both have and whose events differ.
    pub different: usize,
    /// Ids that only the live log has.
    pub only_live: usize,
    /// Ids that only the replay has.
    pub only_replayed: usize,
    /// The earliest of those that differ.
    pub first_different: Option<LiveDifference>,
    /// The earliest of those that only the live log has: its id and event time.
    pub first_only_live: Option<(String, Timestamp)>,
    /// The earliest of those that only the replay has.
    pub first_only_replayed: Option<(String, Timestamp)>,
    /// Parts of the live log that cannot be read.
    pub unreadable: u64,
}

/// An event that was written live in another way than a replay gives it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LiveDifference {
    /// As it was written live, as JSON.
    pub live: String,
    /// As a replay gives it.
    pub replayed: Option<String>,
}

impl LiveComparison {
    /// Whether both have the same events, as far as the live log can be read.
    pub fn agrees(&self) -> bool {
        self.different == 0 && self.only_live == 0 && self.only_replayed == 0
    }

    /// Compares `live` with `replayed`, under `given` if that was in force throughout instead of what the journal says.
    /// Gives the first event that differs as well, as it was replayed: its text is yet to be found.
    pub(super) fn of(
        live: &mut dyn Iterator<Item = Result<Event, ReadError>>,
        replayed: &[Seen],
        given: Option<&Arc<Settings>>,
    ) -> (Self, Option<Seen>) {
        let mut comparison = Self::default();
        let id_of = |seen: &Seen| (seen.episode, seen.sequence);
        let replayed: BTreeMap<Id, Seen> =
            replayed.iter().map(|seen| (id_of(seen), *seen)).collect();
        let mut written = BTreeMap::<Id, Timestamp>::new();
        let mut different = BTreeSet::<Id>::new();
        let mut first: Option<(Seen, String)> = None;
        for event in live {
            let Ok(mut event) = event else {
                comparison.unreadable += 1;
                continue;
            };
            if *event.rule == *HEALTH_RULE {
                continue;
            }
            if let Some(given) = given {
                event.config_digest = Arc::clone(&given.digest);
            }
            let seen = Seen::of(&event);
            let id = id_of(&seen);
            written.insert(id, seen.at);
            let Some(&other) = replayed.get(&id).filter(|other| other.exact != seen.exact) else {
                continue;
            };
            different.insert(id);
            if first.as_ref().is_none_or(|(first, _)| (other.at, id) < (first.at, id_of(first))) {
                first = Some((other, serde_json::to_string(&event).unwrap_or_default()));
            }
        }
        let both = written.keys().filter(|&id| replayed.contains_key(id)).count();
        let replayed: BTreeMap<Id, Timestamp> =
            replayed.iter().map(|(&id, seen)| (id, seen.at)).collect();
        comparison.different = different.len();
        comparison.same = both - different.len();
        comparison.only_live = written.len() - both;
        comparison.only_replayed = replayed.len() - both;
        comparison.first_only_live = earliest_missing(&written, &replayed);
        comparison.first_only_replayed = earliest_missing(&replayed, &written);
        let (seen, live) = first.unzip();
        comparison.first_different = live.map(|live| LiveDifference { live, replayed: None });
        (comparison, seen)
    }
}

/// The earliest of `these` that `others` do not have.
fn earliest_missing(
    these: &BTreeMap<Id, Timestamp>,
    others: &BTreeMap<Id, Timestamp>,
) -> Option<(String, Timestamp)> {
    let missing = these.iter().filter(|(id, _)| !others.contains_key(*id));
    let (&(episode, sequence), &at) = missing.min_by_key(|&(id, at)| (*at, *id))?;
    Some((format!("{episode}-{sequence}"), at))
}
