//! What was written live, beside what a replay gives.

use std::collections::BTreeMap;

use bellwether_engine::{Event, HEALTH_RULE};
use bellwether_eventlog::ReadError;
use bellwether_series::{Fingerprint, Timestamp};

use super::seen::Seen;

/// Ids of an episode and within it.
type Id = (Fingerprint, u32);

/// How the ids of a replay compare with those that were written live. Alerts on the engine's own health are left out: they
/// follow from the wall clock and are no part of what a replay repeats.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LiveComparison {
    /// Ids in both.
    pub both: usize,
    /// Ids that only the live log has.
    pub only_live: usize,
    /// Ids that only the replay has.
    pub only_replayed: usize,
    /// The earliest of those that only the live log has: its id and event time.
    pub first_only_live: Option<(String, Timestamp)>,
    /// The earliest of those that only the replay has.
    pub first_only_replayed: Option<(String, Timestamp)>,
    /// Parts of the live log that cannot be read.
    pub unreadable: u64,
}

impl LiveComparison {
    /// Whether both have the same ids, as far as the live log can be read.
    pub fn agrees(&self) -> bool {
        self.only_live == 0 && self.only_replayed == 0
    }

    pub(super) fn of(
        live: &mut dyn Iterator<Item = Result<Event, ReadError>>,
        replayed: &[Seen],
    ) -> Self {
        let mut comparison = Self::default();
        // Delivery is at least once: an id that comes twice is there once.
        let mut written = BTreeMap::<Id, Timestamp>::new();
        for event in live {
            match event {
                Ok(event) if *event.rule == *HEALTH_RULE => {}
                Ok(event) => _ = written.insert((event.episode_id, event.sequence), event.at_ms),
                Err(_) => comparison.unreadable += 1,
            }
        }
        let replayed: BTreeMap<Id, Timestamp> =
            replayed.iter().map(|seen| ((seen.episode, seen.sequence), seen.at)).collect();
        comparison.both = written.keys().filter(|&id| replayed.contains_key(id)).count();
        comparison.only_live = written.len() - comparison.both;
        comparison.only_replayed = replayed.len() - comparison.both;
        comparison.first_only_live = earliest_missing(&written, &replayed);
        comparison.first_only_replayed = earliest_missing(&replayed, &written);
        comparison
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
