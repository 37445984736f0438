//! The records of a journal in order, each with the configuration that is in force.
//!
//! What a segment restates is no record: at the beginning it is the configuration that the engine starts with, behind a
//! gap it is a change, if it is one. Where a configuration is given it is in force throughout, and a record that
//! changes it only says what time it is.

use std::error::Error;
use std::path::Path;
use std::sync::Arc;

use bellwether_engine::Settings;
use bellwether_runtime::journal::{Entry, ReadError, ReadFrom, Reader, StoredRecord};
use bellwether_runtime::storage::{DiskStorage, Storage};
use bellwether_runtime::stored::{self, StoredBody};
use bellwether_series::Timestamp;

use super::error::JournalReplayError;
use super::figures::{Findings, Undecodable};
use crate::exclude::Exclusions;

const FOLDER: &str = "journal";
const SUFFIX: &str = ".journal";

/// Whether `path` is the folder of a journal, or one with a journal in it; whether that can be read is another question.
pub fn is_journal(path: &Path) -> bool {
    let is_segment = |entry: std::io::Result<std::fs::DirEntry>| {
        entry.is_ok_and(|entry| entry.file_name().to_string_lossy().ends_with(SUFFIX))
    };
    path.join(FOLDER).is_dir()
        || std::fs::read_dir(path).is_ok_and(|mut entries| entries.any(is_segment))
}

/// How far a replay is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Progress {
    /// Bytes of payloads read.
    pub done_bytes: u64,
    /// Bytes to be read, headers and frames included.
    pub total_bytes: u64,
}

/// One record for the engine.
#[derive(Debug)]
pub(crate) struct Played {
    pub(crate) sequence: u64,
    pub(crate) received_at: Timestamp,
    pub(crate) body: StoredBody,
    /// Whether the journal has a change of configuration here, whatever the body is.
    pub(crate) configures: bool,
}

/// A journal, played from its oldest record on.
pub(crate) struct Tape {
    reader: Reader,
    /// In force throughout.
    fixed: Option<Arc<Settings>>,
    in_force: Arc<Settings>,
    /// Left out of requests.
    exclusions: Exclusions,
    excluded_samples: u64,
    /// Read already, to find out which configuration comes first.
    pending: Option<Played>,
    findings: Findings,
    progress: Progress,
}

impl Tape {
    /// The journal in `folder`, which holds it or is it. `settings` are in force throughout; else what the journal says.
    pub(crate) fn open(
        folder: &Path,
        settings: Option<Arc<Settings>>,
    ) -> Result<Self, JournalReplayError> {
        let storage: Arc<dyn Storage> = Arc::new(DiskStorage::new(folder));
        let inner = if folder.join(FOLDER).is_dir() { FOLDER } else { "" };
        let files = storage.list(inner);
        let files =
            files.map_err(|source| ReadError::Storage { file: inner.to_owned(), source })?;
        let segments = files.iter().filter(|file| file.name.ends_with(SUFFIX));
        let total_bytes = segments.clone().map(|file| file.bytes).sum();
        if segments.count() == 0 {
            return Err(JournalReplayError::NoJournal { path: folder.to_owned() });
        }
        let reader = Reader::open(storage, inner, ReadFrom::Oldest)?;
        let mut tape = Self {
            reader,
            in_force: settings.clone().unwrap_or_default(),
            fixed: settings,
            exclusions: Exclusions::default(),
            excluded_samples: 0,
            pending: None,
            findings: Findings::default(),
            progress: Progress { done_bytes: 0, total_bytes },
        };
        tape.find_first_settings()?;
        Ok(tape)
    }

    /// Ends before the record with this sequence, if it is there.
    pub(crate) fn below(self, sequence: Option<u64>) -> Self {
        Self { reader: self.reader.below(sequence.unwrap_or(u64::MAX)), ..self }
    }

    /// Without the samples of `exclusions`. What is left of a request is still a record, even if that is nothing.
    pub(crate) fn without(self, exclusions: &Exclusions) -> Self {
        Self { exclusions: exclusions.clone(), ..self }
    }

    /// Samples that were left out so far.
    pub(crate) fn excluded_samples(&self) -> u64 {
        self.excluded_samples
    }

    /// The configuration in force: before the first record that which the engine starts with.
    pub(crate) fn settings(&self) -> &Arc<Settings> {
        &self.in_force
    }

    pub(crate) fn progress(&self) -> Progress {
        self.progress
    }

    /// The next record; `None` at the end.
    pub(crate) fn next(&mut self) -> Result<Option<Played>, JournalReplayError> {
        let mut played = match self.pending.take() {
            Some(played) => played,
            None => loop {
                match self.read()? {
                    None => return Ok(None),
                    Some((played, restated)) => {
                        if !restated || self.is_news(&played.body) {
                            break played;
                        }
                    }
                }
            },
        };
        match &mut played.body {
            StoredBody::Configuration(_) if self.fixed.is_some() => {
                played.body = StoredBody::Heartbeat;
            }
            StoredBody::Configuration(settings) => self.in_force = Arc::clone(settings),
            StoredBody::Request { write, .. } => {
                if let Some((rest, left_out)) = self.exclusions.without(write)? {
                    *write = rest;
                    self.excluded_samples += left_out;
                }
            }
            StoredBody::Heartbeat => {}
        }
        Ok(Some(played))
    }

    /// What was found wrong; all of it once the tape has ended.
    pub(crate) fn findings(&self) -> Findings {
        Findings { torn_tail: self.reader.torn_tail().cloned(), ..self.findings.clone() }
    }

    fn is_news(&self, body: &StoredBody) -> bool {
        let StoredBody::Configuration(settings) = body else { return false };
        self.fixed.is_none() && **settings != *self.in_force
    }

    fn find_first_settings(&mut self) -> Result<(), ReadError> {
        let Some((played, restated)) = self.read()? else { return Ok(()) };
        if self.fixed.is_none() {
            match &played.body {
                StoredBody::Configuration(settings) => self.in_force = Arc::clone(settings),
                _ => self.findings.configuration_unknown = true,
            }
        }
        if !restated {
            self.pending = Some(played);
        }
        Ok(())
    }

    /// The next record that says something, and whether it restates.
    fn read(&mut self) -> Result<Option<(Played, bool)>, ReadError> {
        loop {
            let record = match self.reader.next() {
                None => return Ok(None),
                Some(entry) => match entry? {
                    Entry::Record(record) => record,
                    Entry::Gap(gap) => {
                        self.findings.take_gap(gap);
                        continue;
                    }
                },
            };
            self.progress.done_bytes += record.payload.len() as u64;
            match stored::decode(&record) {
                Ok((received_at, body)) => {
                    let StoredRecord { sequence, restated, .. } = record;
                    let configures = matches!(body, StoredBody::Configuration(_));
                    return Ok(Some((
                        Played { sequence, received_at, body, configures },
                        restated,
                    )));
                }
                Err(error) => {
                    let (file, offset) = self.reader.place().unwrap_or_default();
                    let (sequence, cause) = (record.sequence, chain(&error));
                    let record = Undecodable { file, offset, sequence, cause };
                    self.findings.take_undecodable(record);
                }
            }
        }
    }
}

/// An error with its causes in one line.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
