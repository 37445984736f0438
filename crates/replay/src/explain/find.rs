//! Finding an event by its id, by the beginning of one, or by the id of its episode.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bellwether_engine::{ChangeKind, Engine, Event, Outputs, Record, Settings};
use bellwether_eventlog::{ReadError, Wanted};
use bellwether_series::Fingerprint;

use super::error::ExplainError;
use super::records::{Recorded, RecordsError};

/// Fewest digits by which an event is looked for.
const DIGITS_MIN: usize = 4;
/// Digits of the id of an episode.
const EPISODE_DIGITS: usize = 32;
/// Episodes that are kept to say that there are several.
const EPISODES_MAX: usize = 5;
/// Where a data folder has its event log, and a folder of results its events.
const LOG_FOLDER: &str = "events";
const RESULTS_FILE: &str = "events.jsonl";

/// Which event is meant: its id, the beginning of one, or the id of an episode, of which the event that fired is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventQuery(String);

/// A stored event, and how much could not be read on the way to it.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// The event.
    pub event: Event,
    /// Parts of what was read that could not be.
    pub unreadable: u64,
}

impl EventQuery {
    /// Reads what somebody typed.
    ///
    /// # Errors
    /// When it is no beginning of an id: four hexadecimal digits or more, and perhaps `-` and a number.
    pub fn parse(text: &str) -> Result<Self, ExplainError> {
        let text = text.trim().to_ascii_lowercase();
        let (episode, sequence) = text.split_once('-').unwrap_or((&text, "0"));
        let is_hex =
            episode.len() <= EPISODE_DIGITS && episode.bytes().all(|byte| byte.is_ascii_hexdigit());
        let is_number = sequence.bytes().all(|byte| byte.is_ascii_digit());
        if is_hex && is_number && episode.len() >= DIGITS_MIN {
            return Ok(Self(text));
        }
        Err(ExplainError::NotAnId { event: text, at_least: DIGITS_MIN })
    }

    /// What was typed.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The id of the episode, if all of it was typed.
    pub fn episode(&self) -> Option<&str> {
        let (episode, _) = self.0.split_once('-').unwrap_or((&self.0, ""));
        (episode.len() == EPISODE_DIGITS).then_some(episode)
    }

    /// The event of `events` that is meant; `None` if there is none.
    ///
    /// # Errors
    /// When events of several episodes may be meant.
    pub fn choose(
        &self,
        events: impl IntoIterator<Item = Event>,
    ) -> Result<Option<Event>, ExplainError> {
        let mut chosen = BTreeMap::<Fingerprint, Event>::new();
        for event in events.into_iter().filter(|event| event.id.starts_with(&self.0)) {
            if event.id == self.0 {
                return Ok(Some(event));
            }
            let is_full = chosen.len() >= EPISODES_MAX;
            match chosen.get_mut(&event.episode_id) {
                Some(other) if rank(&event) < rank(other) => *other = event,
                None if !is_full => _ = chosen.insert(event.episode_id, event),
                _ => {}
            }
        }
        if chosen.len() > 1 {
            let ids = chosen.into_values().map(|event| event.id).collect();
            return Err(ExplainError::Ambiguous { event: self.0.clone(), ids });
        }
        Ok(chosen.into_values().next())
    }
}

/// Of an episode the event that fired is meant, else the first one.
fn rank(event: &Event) -> (bool, u32) {
    (event.change != ChangeKind::Firing, event.sequence)
}

/// Finds the event that `query` means at `path`: a file of JSON lines, a Parquet file, an event log, a data folder, or a
/// folder with results of a replay.
///
/// # Errors
/// When it is not there, several are meant, or nothing can be read.
pub fn find_stored(path: &Path, query: &EventQuery) -> Result<Found, ExplainError> {
    let path = events_at(path);
    let events = bellwether_eventlog::read(&path, Wanted::default());
    let events = events.map_err(|error| match error {
        ReadError::NotALog { path } => ExplainError::NoEvents { path },
        error => error.into(),
    })?;
    let (mut readable, mut unreadable, mut first) = (0_u64, 0, None);
    let events = events.filter_map(|event| match event {
        Ok(event) => {
            readable += 1;
            Some(event)
        }
        Err(error) => {
            unreadable += 1;
            first.get_or_insert(error);
            None
        }
    });
    match (query.choose(events)?, first) {
        (Some(event), _) => Ok(Found { event, unreadable }),
        (None, Some(error)) if readable == 0 => Err(error.into()),
        (None, _) => Err(ExplainError::NotFound {
            event: query.0.clone(),
            place: path.display().to_string(),
            mend: match unreadable {
                0 => "it may be in another log, or older than what is kept".to_owned(),
                _ => format!(
                    "it may be in one of {unreadable} parts that cannot be read, or in another log"
                ),
            },
        }),
    }
}

fn events_at(path: &Path) -> PathBuf {
    let inner = [path.join(RESULTS_FILE), path.join(LOG_FOLDER)];
    let found = inner.into_iter().find(|inner| inner.exists());
    found.filter(|_| path.is_dir()).unwrap_or_else(|| path.to_owned())
}

/// Finds the event that `query` means by replaying all `records` from `settings` on; for whoever has no stored events.
///
/// # Errors
/// When the records do not give it, several are meant, or the records cannot be read.
pub fn find_recorded(
    settings: &Arc<Settings>,
    records: &mut dyn Iterator<Item = Result<Recorded, RecordsError>>,
    query: &EventQuery,
) -> Result<Event, ExplainError> {
    let (mut engine, mut outputs) = (Engine::new(settings, 1), Outputs::default());
    let mut broken = None;
    let events = records.map_while(|recorded| match recorded {
        Ok(Recorded { received_at, body }) => {
            let record = Record { received_at, body: body.as_record_body() };
            engine.apply(&record, &mut outputs);
            Some(std::mem::take(&mut outputs.events))
        }
        Err(error) => {
            broken = Some(error);
            None
        }
    });
    let chosen = query.choose(events.flatten())?;
    if let Some(error) = broken {
        return Err(ExplainError::Records(error));
    }
    chosen.ok_or_else(|| ExplainError::NotFound {
        event: query.0.clone(),
        place: "the journal".to_owned(),
        mend: "name where events are stored with --events or --url; an alert on the engine's own health is not in the journal"
            .to_owned(),
    })
}
