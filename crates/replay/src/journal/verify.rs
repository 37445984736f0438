//! Promise 3 put to the test: the same journal in several ways gives the same events.
//!
//! Each way is a pass of its own. An event is remembered by a few hashes; only when ways differ are both replayed
//! again for the text of the events in question.
//!
//! How a stream is cut into requests decides which record an event belongs to, hence its place in the log and, on a day on
//! which the cap is reached, which alerts are beyond it. So two things are compared: the *log*, byte by byte in its order,
//! by all ways but the one that cuts; and the events *by series* (event time, fingerprint, sequence), without what
//! the cap decides, by all.

mod live;
mod seen;

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use bellwether_engine::{Event, Settings};
use bellwether_eventlog::ReadError as EventReadError;
use bellwether_series::{Fingerprint, Timestamp};
use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{Rng, SeedableRng};

use super::error::JournalReplayError;
use super::figures::Findings;
use super::machine::{Cut, Machine, Restored, Sharded, Whole};
use super::tape::{Progress, Tape};
use seen::{Seen, by_series, hash};

pub use live::{LiveComparison, LiveDifference};

/// How often a replay is interrupted in [`Way::Restored`].
const RESTORES: usize = 5;

/// A way to replay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// As [`replay_journal`](super::replay_journal) does: what the others are compared with.
    Single,
    /// Partitions dealt to so many shards.
    Shards(usize),
    /// Requests cut into smaller ones at random places.
    Cut,
    /// State saved and restored after some records.
    Restored,
}

impl Way {
    /// All that are compared; the first is what the others are compared with.
    pub const ALL: [Self; 5] =
        [Self::Single, Self::Shards(2), Self::Shards(16), Self::Cut, Self::Restored];

    /// Whether the order of the log must be the same.
    pub const fn keeps_the_log(self) -> bool {
        !matches!(self, Self::Cut)
    }

    fn machine(self, settings: &Arc<Settings>, seed: u64, records: u64) -> Box<dyn Machine> {
        match self {
            Self::Single => Box::new(Whole::new(settings)),
            Self::Shards(count) => Box::new(Sharded::new(settings, count)),
            Self::Cut => Box::new(Cut::new(settings, seed)),
            Self::Restored => Box::new(Restored::new(settings, interruptions(seed, records))),
        }
    }
}

/// What a way gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WayResult {
    /// The way.
    pub way: Way,
    /// Records that the engine was given; cutting makes more of them.
    pub records: u64,
    /// Events.
    pub events: u64,
    /// Over the event log, byte by byte.
    pub log: Fingerprint,
    /// Over the events by series, without what the cap decides.
    pub by_series: Fingerprint,
}

/// The first event that two ways do not have in common. At least one of both is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The way that differs from the first one.
    pub way: Way,
    /// Its place in what was compared, from 0.
    pub index: usize,
    /// The event as [`Way::Single`] has it, as JSON.
    pub expected: Option<String>,
    /// The event as `way` has it, as JSON.
    pub found: Option<String>,
}

/// What came out of a comparison.
#[derive(Debug, Clone)]
pub struct Verification {
    /// By way, in the order of [`Way::ALL`].
    pub results: Vec<WayResult>,
    /// For each way that differs.
    pub differences: Vec<Difference>,
    /// How the events compare with those written live, if these are known.
    pub live: Option<LiveComparison>,
    /// Sequences of the first and last record.
    pub sequences: Option<(u64, u64)>,
    /// When the first and the last record were received.
    pub received: Option<(Timestamp, Timestamp)>,
    /// What was found wrong with the journal.
    pub findings: Findings,
}

impl Verification {
    /// Whether nothing differs, what was written live included, and nothing was lost that may have made a difference.
    pub fn agrees(&self) -> bool {
        self.differences.is_empty()
            && self.live.as_ref().is_none_or(LiveComparison::agrees)
            && self.findings.are_harmless()
    }
}

/// Replays the journal in `folder` in every way and compares what comes out, also with the events that `live` gives, if it is
/// there. `settings` are as in [`replay_journal`](super::replay_journal); equal seeds cut and interrupt alike. `progress`
/// hears which pass it is, from 0, and how far.
///
/// # Errors
/// Whatever [`JournalReplayError`] lists.
pub fn verify_journal(
    folder: &Path,
    settings: Option<&Arc<Settings>>,
    seed: u64,
    live: Option<&mut dyn Iterator<Item = Result<Event, EventReadError>>>,
    progress: &mut dyn FnMut(usize, Progress),
) -> Result<Verification, JournalReplayError> {
    let mut run = Run { folder, settings, seed, records: 0, below: None, pass: 0, progress };
    let (first, events, tape) = run.pass(Way::Single)?;
    run.records = first.records;
    run.below = tape.sequences.map(|(_, last)| last + 1);
    let live = live.map(|live| {
        let (mut comparison, replayed) = LiveComparison::of(live, &events, settings);
        if let Some(different) = &mut comparison.first_different {
            different.replayed = run.text(Way::Single, replayed)?;
        }
        Ok::<_, JournalReplayError>(comparison)
    });
    let live = live.transpose()?;
    let expected = events;
    let (mut results, mut differences) = (vec![first], Vec::new());
    for way in Way::ALL.into_iter().skip(1) {
        let (result, events, _) = run.pass(way)?;
        results.push(result);
        if let Some((index, expected, found)) = difference(way, &expected, &events) {
            let expected = run.text(Way::Single, expected)?;
            let found = run.text(way, found)?;
            differences.push(Difference { way, index, expected, found });
        }
    }
    let Ended { sequences, received, findings } = tape;
    Ok(Verification { results, differences, live, sequences, received, findings })
}

/// What a pass learned of the journal.
struct Ended {
    sequences: Option<(u64, u64)>,
    received: Option<(Timestamp, Timestamp)>,
    findings: Findings,
}

struct Run<'a> {
    folder: &'a Path,
    settings: Option<&'a Arc<Settings>>,
    seed: u64,
    /// Records of the journal; known after the first pass.
    records: u64,
    /// What was written since the first pass begins here.
    below: Option<u64>,
    pass: usize,
    progress: &'a mut dyn FnMut(usize, Progress),
}

impl Run<'_> {
    fn pass(&mut self, way: Way) -> Result<(WayResult, Vec<Seen>, Ended), JournalReplayError> {
        let mut seen = Vec::new();
        let (records, ended) = self.play(way, &mut |event| {
            seen.push(Seen::of(event));
        })?;
        self.pass += 1;
        let log = hash(seen.iter().map(|seen| seen.exact));
        let series = by_series(seen.clone());
        let by_series = hash(series.iter().map(|seen| seen.of_series));
        let result = WayResult { way, records, events: seen.len() as u64, log, by_series };
        Ok((result, seen, ended))
    }

    /// Replays in `way`; `hear` hears each event. Gives the number of records that the engine was given.
    fn play(
        &mut self,
        way: Way,
        hear: &mut dyn FnMut(&Event),
    ) -> Result<(u64, Ended), JournalReplayError> {
        let mut tape = Tape::open(self.folder, self.settings.cloned())?.below(self.below);
        let mut machine = way.machine(tape.settings(), self.seed, self.records);
        let (mut records, mut events) = (0, Vec::new());
        let (mut sequences, mut received) = (None, None);
        while let Some(played) = tape.next()? {
            records += machine.apply(&played, tape.settings(), &mut events)?;
            events.iter().for_each(&mut *hear);
            events.clear();
            let (sequence, at) = (played.sequence, played.received_at);
            sequences = Some((sequences.map_or(sequence, |(first, _)| first), sequence));
            received = Some((received.map_or(at, |(first, _)| first), at));
            (self.progress)(self.pass, tape.progress());
        }
        Ok((records, Ended { sequences, received, findings: tape.findings() }))
    }

    /// The event that was seen in `way`, as JSON.
    fn text(&mut self, way: Way, seen: Option<Seen>) -> Result<Option<String>, JournalReplayError> {
        let Some(seen) = seen else { return Ok(None) };
        let mut text = None;
        self.play(way, &mut |event| {
            if text.is_none() && Seen::of(event).exact == seen.exact {
                text = serde_json::to_string(event).ok();
            }
        })?;
        Ok(text)
    }
}

/// The first place at which what `way` gave differs from `expected`, and what is there in both.
fn difference(
    way: Way,
    expected: &[Seen],
    found: &[Seen],
) -> Option<(usize, Option<Seen>, Option<Seen>)> {
    let at = |expected: &[Seen], found: &[Seen], index: usize| {
        (index, expected.get(index).copied(), found.get(index).copied())
    };
    if way.keeps_the_log() {
        let index = first_difference(expected, found, |seen| seen.exact)?;
        return Some(at(expected, found, index));
    }
    let (expected, found) = (by_series(expected.to_vec()), by_series(found.to_vec()));
    let index = first_difference(&expected, &found, |seen| seen.of_series)?;
    Some(at(&expected, &found, index))
}

/// Where both begin to differ.
fn first_difference(
    ours: &[Seen],
    theirs: &[Seen],
    key: impl Fn(&Seen) -> Fingerprint,
) -> Option<usize> {
    let same = ours.iter().zip(theirs).take_while(|(our, their)| key(our) == key(their)).count();
    (same < ours.len().max(theirs.len())).then_some(same)
}

/// After which of so many records to interrupt: never before the first.
fn interruptions(seed: u64, records: u64) -> BTreeSet<u64> {
    let mut random = Xoshiro256PlusPlus::seed_from_u64(seed.wrapping_add(1));
    let at = |_| 1 + random.next_u64() % records.max(1);
    (0..RESTORES).map(at).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(number: u128, at: i64) -> Seen {
        let id = Fingerprint::from_u128(number);
        Seen::new(Timestamp::from_ms(at), id, 0, id, id)
    }

    #[test]
    fn the_first_event_that_differs_is_found() {
        let expected = [seen(1, 5), seen(2, 6), seen(3, 7)];
        for way in Way::ALL {
            assert_eq!(difference(way, &expected, &expected), None, "{way:?}");
            let mut changed = expected;
            changed[1] = seen(9, 6);
            let found = difference(way, &expected, &changed);
            assert_eq!(found, Some((1, Some(expected[1]), Some(changed[1]))), "{way:?}");
            let found = difference(way, &expected, &expected[..2]);
            assert_eq!(found, Some((2, Some(expected[2]), None)), "{way:?}");
            let found = difference(way, &expected[..2], &expected);
            assert_eq!(found, Some((2, None, Some(expected[2]))), "{way:?}");
        }
    }

    #[test]
    fn only_the_way_that_cuts_may_move_events_in_the_log() {
        let expected = [seen(1, 5), seen(2, 6)];
        let moved = [expected[1], expected[0]];
        for way in Way::ALL {
            assert_eq!(difference(way, &expected, &moved).is_none(), way == Way::Cut, "{way:?}");
        }
    }

    #[test]
    fn a_replay_is_interrupted_within_the_journal() {
        for seed in 0..100 {
            let at = interruptions(seed, 3);
            assert!(!at.is_empty() && at.iter().all(|&record| (1..=3).contains(&record)));
        }
        assert_eq!(interruptions(1, 1_000_000).len(), RESTORES);
    }
}
