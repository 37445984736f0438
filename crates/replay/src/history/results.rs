//! What a replay of history writes: events as JSON lines and as Parquet, scores if asked for, a summary and a report; and its state
//! now and then, for whoever goes on.
//!
//! The events as Parquet are made of the JSON lines at the end: a file of lines can be cut and gone on with, the other cannot.

use std::fs::{self, File, OpenOptions};
use std::io::{BufWriter, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bellwether_engine::{Counts, Event, Score, Settings};
use bellwether_eventlog::{EventTable, Wanted};

use super::catalog::Catalog;
use super::checkpoint::{Checkpoint, Head, Identity, ResultsHead};
use super::error::{Cause, HistoryError};
use super::merge::{SavedState, Sink};
use super::records::SavedRecords;
use super::scores::Scores;
use super::summary::HistorySummary;
use crate::report::{Facts, Judgements, Observer};

/// What the files of a replay are of.
pub(super) struct About<'a> {
    pub(super) settings: &'a Arc<Settings>,
    /// Whose judgements are written, too; `None` where none are.
    pub(super) scores_of: Option<&'a Arc<Catalog>>,
    pub(super) report_bytes: usize,
    /// What a state says that it is of, with whether rows were sorted; `None` where none is written.
    pub(super) identity: Option<(Identity, bool)>,
}

/// The files of a replay, while it goes on.
pub(super) struct Results {
    folder: PathBuf,
    lines: BufWriter<File>,
    lines_path: PathBuf,
    lines_bytes: u64,
    identity: Option<(Identity, bool)>,
    scores: Option<Scores>,
    observer: Observer,
    settings: Arc<Settings>,
}

impl Results {
    /// Opens the files in `folder`, and goes on where `resumed` says: what was told behind it is told again.
    pub(super) fn create(
        folder: &Path,
        about: About<'_>,
        resumed: Option<ResultsHead>,
    ) -> Result<Self, HistoryError> {
        let About { settings, scores_of, report_bytes, identity } = about;
        let lines_path = folder.join("events.jsonl");
        let ResultsHead { lines_bytes, scores, observer } = resumed.unwrap_or_else(|| {
            ResultsHead { lines_bytes: 0, scores: None, observer: Observer::new(report_bytes) }
        });
        let path = folder.join("scores.parquet");
        let scores = scores_of
            .map(|catalog| Scores::create(&path, Arc::clone(catalog), scores))
            .transpose()?;
        let lines = OpenOptions::new().create(true).write(true).truncate(false).open(&lines_path);
        let lines = lines.map_err(HistoryError::output(&lines_path))?;
        Ok(Self {
            folder: folder.to_owned(),
            lines: BufWriter::new(cut(lines, &lines_path, lines_bytes)?),
            lines_path,
            lines_bytes,
            identity,
            scores,
            observer,
            settings: Arc::clone(settings),
        })
    }

    /// Ends all files and says in `summary` what the files alone know.
    pub(super) fn finish(mut self, summary: &mut HistorySummary) -> Result<(), HistoryError> {
        self.lines.flush().map_err(HistoryError::output(&self.lines_path))?;
        let path = self.folder.join("events.parquet");
        write_table(&self.lines_path, &path).map_err(HistoryError::output(&path))?;
        if let Some(scores) = self.scores.take() {
            summary.scores = scores.rows();
            scores.finish(self.identity.is_some() && !summary.complete)?;
        }
        let path = self.folder.join("summary.json");
        let write = || -> Result<(), Cause> {
            Ok(fs::write(&path, serde_json::to_string_pretty(summary)? + "\n")?)
        };
        write().map_err(HistoryError::output(&path))?;
        let facts = Facts {
            received: summary.first_received_ms.zip(summary.last_received_ms),
            samples: (summary.samples, summary.judged_samples),
            series: summary.series,
            part: summary.part,
            is_complete: summary.complete,
        };
        self.observer
            .write(&self.folder, &facts, &self.settings)
            .map_err(HistoryError::output(&self.folder.join("report.html")))
    }
}

impl Sink for Results {
    fn wants_scores(&self) -> bool {
        true
    }

    fn count(&mut self, counts: &Counts) {
        self.observer.count(counts);
    }

    fn begin(&mut self, judgements: Vec<Judgements>) {
        self.observer.begin(judgements);
    }

    fn take(&mut self, record: usize, events: Vec<Event>) -> Result<(), HistoryError> {
        self.observer.hear(record, &events);
        if let Some(writer) = &mut self.scores {
            let mut scores: Vec<Score> = self.observer.judged(record).flatten().copied().collect();
            writer.add(&mut scores, &events)?;
        }
        for event in events {
            let mut line =
                serde_json::to_vec(&event).map_err(HistoryError::output(&self.lines_path))?;
            line.push(b'\n');
            self.lines.write_all(&line).map_err(HistoryError::output(&self.lines_path))?;
            self.lines_bytes += line.len() as u64;
        }
        Ok(())
    }

    /// Writes down where somebody may go on.
    fn save(&mut self, state: SavedState) -> Result<(), HistoryError> {
        let Some((identity, sorts)) = &self.identity else { return Ok(()) };
        self.lines.flush().map_err(HistoryError::output(&self.lines_path))?;
        // What a state says was told must not be lost before it.
        self.lines.get_ref().sync_data().map_err(HistoryError::output(&self.lines_path))?;
        let SavedState { records: SavedRecords { head: records, intake }, merged, cap, partitions } =
            state;
        let results = ResultsHead {
            lines_bytes: self.lines_bytes,
            scores: self.scores.as_mut().map(Scores::save).transpose()?,
            observer: std::mem::replace(&mut self.observer, Observer::new(0)),
        };
        let head = Head { identity: identity.clone(), sorts: *sorts, records, merged, results };
        let checkpoint = Checkpoint { head, intake, cap, partitions };
        let written = checkpoint.write(&self.folder);
        self.observer = checkpoint.head.results.observer;
        written
    }
}

/// Cuts what is written in `file` to its first `bytes`, behind which it is gone on with.
fn cut(mut file: File, path: &Path, bytes: u64) -> Result<File, HistoryError> {
    let found = file.metadata().map_err(HistoryError::output(path))?.len();
    if found < bytes {
        let what = path.display().to_string();
        let (then, now) = (format!("{bytes} bytes"), format!("{found} bytes"));
        return Err(HistoryError::Resume { what, then, now });
    }
    file.set_len(bytes).map_err(HistoryError::output(path))?;
    file.seek(SeekFrom::Start(bytes)).map_err(HistoryError::output(path))?;
    Ok(file)
}

/// Writes the events at `lines` as the table at `path`.
fn write_table(lines: &Path, path: &Path) -> Result<(), Cause> {
    let mut table = EventTable::create(path)?;
    for event in bellwether_eventlog::read(lines, Wanted::default())? {
        table.push(event?)?;
    }
    Ok(table.finish()?)
}
