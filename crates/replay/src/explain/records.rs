//! Recorded input, one record after the other.

use std::error::Error;
use std::path::Path;
use std::sync::Arc;

use bellwether_engine::{RecordBody, Settings};
use bellwether_runtime::stored::StoredBody;
use bellwether_series::Timestamp;

use crate::history::{HistoryRecord, HistoryTape};
use crate::journal::{Findings, JournalReplayError, Progress, Tape};

/// Why recorded input cannot be read, whatever it is.
pub type RecordsError = Box<dyn Error + Send + Sync>;

/// One record of the input.
#[derive(Debug)]
pub struct Recorded {
    /// When it was received.
    pub received_at: Timestamp,
    /// What it says.
    pub body: RecordedBody,
}

/// What recorded input says.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "one at a time, and most of them are requests")]
pub enum RecordedBody {
    /// As a journal has it.
    Stored(StoredBody),
    /// As history has it.
    History(HistoryRecord),
}

impl RecordedBody {
    /// The same for the engine.
    pub fn as_record_body(&self) -> RecordBody<'_> {
        match self {
            Self::Stored(body) => body.as_record_body(),
            Self::History(record) => record.body(),
        }
    }
}

impl From<StoredBody> for RecordedBody {
    fn from(body: StoredBody) -> Self {
        Self::Stored(body)
    }
}

/// The records of a journal, each under the configuration that was in force.
pub struct JournalRecords<'a> {
    tape: Tape,
    first: Arc<Settings>,
    first_sequence: Option<u64>,
    last_sequence: Option<u64>,
    progress: &'a mut dyn FnMut(Progress),
}

impl<'a> JournalRecords<'a> {
    /// Opens the journal in `folder`, which holds it or is it. `progress` hears after each record how far it is.
    ///
    /// # Errors
    /// When there is none, or its beginning cannot be read.
    pub fn open(
        folder: &Path,
        progress: &'a mut dyn FnMut(Progress),
    ) -> Result<Self, JournalReplayError> {
        let tape = Tape::open(folder, None)?;
        let first = Arc::clone(tape.settings());
        Ok(Self { tape, first, first_sequence: None, last_sequence: None, progress })
    }

    /// The configuration that the engine begins with.
    pub fn settings(&self) -> Arc<Settings> {
        Arc::clone(&self.first)
    }

    /// What was found wrong so far.
    pub fn findings(&self) -> Findings {
        self.tape.findings()
    }

    /// Whether the journal has lost its beginning, and with it what was learned then; known after the first record.
    pub fn lacks_its_beginning(&self) -> bool {
        self.first_sequence.is_some_and(|sequence| sequence > 1)
    }

    /// Sequence of the record that was read last.
    pub fn last_sequence(&self) -> Option<u64> {
        self.last_sequence
    }
}

impl Iterator for JournalRecords<'_> {
    type Item = Result<Recorded, RecordsError>;

    fn next(&mut self) -> Option<Self::Item> {
        let played = match self.tape.next() {
            Ok(played) => played?,
            Err(error) => return Some(Err(error.into())),
        };
        self.first_sequence.get_or_insert(played.sequence);
        self.last_sequence = Some(played.sequence);
        (self.progress)(self.tape.progress());
        Some(Ok(Recorded { received_at: played.received_at, body: played.body.into() }))
    }
}

impl Iterator for HistoryTape<'_> {
    type Item = Result<Recorded, RecordsError>;

    fn next(&mut self) -> Option<Self::Item> {
        let record = self.next_record().map_err(Into::into).transpose()?;
        Some(record.map(|record| Recorded {
            received_at: record.received_at,
            body: RecordedBody::History(record),
        }))
    }
}
