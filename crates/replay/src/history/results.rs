//! What a replay of history writes: events as JSON lines and as Parquet, scores if asked for, a summary and a report; and its state
//! now and then, for whoever goes on.
//!
//! The events as Parquet are made of the JSON lines at the end: a file of lines can be cut and gone on with, the other cannot.

use std::fs::{self, File, OpenOptions};
use std::io::{BufWriter, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bellwether_engine::{AlertCap, Counts, Outputs, Settings};
use bellwether_eventlog::{EventTable, Wanted};

use super::catalog::Catalog;
use super::checkpoint::{Checkpoint, Head, Identity, ResultsHead, SavedPartition};
use super::error::{Cause, HistoryError};
use super::judge::{Collect, Judged, Step};
use super::records::SavedRecords;
use super::scores::Scores;
use super::summary::HistorySummary;
use crate::report::{Facts, Observer};

/// The files of a replay, while it goes on.
pub(super) struct Results {
    folder: PathBuf,
    cap: AlertCap,
    lines: BufWriter<File>,
    lines_path: PathBuf,
    lines_bytes: u64,
    counts: Counts,
    /// What a state says that it is of; `None` where none is written.
    identity: Option<(Identity, bool)>,
    scores: Option<Scores>,
    observer: Observer,
    settings: Arc<Settings>,
    pub(super) summary: HistorySummary,
}

impl Results {
    /// Opens the files in `folder`; whoever has them begins or goes on. `identity` is what a state says that it is of, with
    /// whether rows were sorted.
    pub(super) fn create(
        folder: &Path,
        settings: &Arc<Settings>,
        scores_of: Option<&Arc<Catalog>>,
        report_bytes: usize,
        identity: Option<(Identity, bool)>,
    ) -> Result<Self, HistoryError> {
        let lines_path = folder.join("events.jsonl");
        let scores = scores_of
            .map(|catalog| Scores::create(&folder.join("scores.parquet"), Arc::clone(catalog)))
            .transpose()?;
        // What another replay has left is not cut yet: it may be gone on with.
        let lines = OpenOptions::new().create(true).write(true).truncate(false).open(&lines_path);
        Ok(Self {
            folder: folder.to_owned(),
            cap: AlertCap::new(Arc::clone(settings)),
            lines: BufWriter::new(lines.map_err(HistoryError::output(&lines_path))?),
            lines_path,
            lines_bytes: 0,
            counts: Counts::default(),
            identity,
            scores,
            observer: Observer::new(report_bytes),
            settings: Arc::clone(settings),
            summary: HistorySummary::default(),
        })
    }

    /// Begins from nothing.
    pub(super) fn begin(&mut self) -> Result<(), HistoryError> {
        self.cut_lines(0)
    }

    /// Goes on from where `checkpoint` is: what was told behind it is told again.
    pub(super) fn resume(
        &mut self,
        checkpoint: ResultsHead,
        cap: AlertCap,
    ) -> Result<(), HistoryError> {
        let ResultsHead { counts, events, received, lines_bytes, observer } = checkpoint;
        (self.cap, self.counts, self.observer) = (cap, counts, observer);
        self.summary.events = events;
        (self.summary.first_received_ms, self.summary.last_received_ms) = received.unzip();
        self.cut_lines(lines_bytes)
    }

    /// Cuts what is written down to its first `bytes`.
    fn cut_lines(&mut self, bytes: u64) -> Result<(), HistoryError> {
        let refused = || HistoryError::output(&self.lines_path);
        let file = self.lines.get_mut();
        let found = file.metadata().map_err(refused())?.len();
        if found < bytes {
            let what = self.lines_path.display().to_string();
            let (then, now) = (format!("{bytes} bytes"), format!("{found} bytes"));
            return Err(HistoryError::Resume { what, then, now });
        }
        file.set_len(bytes).map_err(refused())?;
        file.seek(SeekFrom::Start(bytes)).map_err(refused())?;
        self.lines_bytes = bytes;
        Ok(())
    }

    /// Writes down where somebody may go on.
    fn save(
        &mut self,
        saved: SavedRecords,
        partitions: Vec<SavedPartition>,
    ) -> Result<(), HistoryError> {
        let Some((identity, sorts)) = &self.identity else { return Ok(()) };
        self.lines.flush().map_err(HistoryError::output(&self.lines_path))?;
        // What a state says was told must not be lost before it.
        self.lines.get_ref().sync_data().map_err(HistoryError::output(&self.lines_path))?;
        let mut cap = Vec::new();
        self.cap.save(&mut cap);
        let SavedRecords { head: records, intake } = saved;
        let results = ResultsHead {
            counts: self.counts,
            events: self.summary.events,
            received: self.summary.first_received_ms.zip(self.summary.last_received_ms),
            lines_bytes: self.lines_bytes,
            observer: std::mem::replace(&mut self.observer, Observer::new(0)),
        };
        let head = Head { identity: identity.clone(), sorts: *sorts, records, results };
        let checkpoint = Checkpoint { head, intake, cap, partitions };
        let written = checkpoint.write(&self.folder);
        self.observer = checkpoint.head.results.observer;
        written
    }

    /// Ends all files.
    pub(super) fn finish(mut self) -> Result<HistorySummary, HistoryError> {
        self.lines.flush().map_err(HistoryError::output(&self.lines_path))?;
        let path = self.folder.join("events.parquet");
        write_table(&self.lines_path, &path).map_err(HistoryError::output(&path))?;
        self.summary.add_counts(&self.counts);
        if let Some(scores) = self.scores.take() {
            self.summary.scores = scores.rows();
            scores.finish()?;
        }
        let path = self.folder.join("summary.json");
        let write = || -> Result<(), Cause> {
            Ok(fs::write(&path, serde_json::to_string_pretty(&self.summary)? + "\n")?)
        };
        write().map_err(HistoryError::output(&path))?;
        let HistorySummary { samples, judged_samples, .. } = self.summary;
        let facts = Facts {
            received: self.summary.first_received_ms.zip(self.summary.last_received_ms),
            samples: (samples, judged_samples),
            series: self.summary.series,
            part: self.summary.part,
            is_complete: self.summary.complete,
        };
        self.observer
            .write(&self.folder, &facts, &self.settings)
            .map_err(HistoryError::output(&self.folder.join("report.html")))?;
        Ok(self.summary)
    }
}

impl Collect for Results {
    fn collect(
        &mut self,
        steps: &[Step],
        judged: Vec<Judged>,
        saved: Option<Box<SavedRecords>>,
    ) -> Result<(), HistoryError> {
        let (mut all_events, mut judgements, mut partitions) = (Vec::new(), Vec::new(), Vec::new());
        for Judged { events, scores, counts, saved } in judged {
            self.counts.add(&counts);
            self.observer.count(&counts);
            all_events.extend(events);
            judgements.push(scores);
            partitions.extend(saved);
        }
        all_events.sort_by_key(|(record, _)| *record);
        let mut all_events = all_events.into_iter().peekable();
        self.observer.begin(judgements);
        let mut scores = Vec::new();
        for (index, step) in steps.iter().enumerate() {
            let mut outputs = Outputs::default();
            while let Some((_, event)) = all_events.next_if(|(record, _)| *record == index) {
                outputs.events.push(event);
            }
            outputs.sort();
            let events = self.cap.apply(outputs.events, step.elapsed_ms);
            self.observer.hear(index, &events);
            if let Some(writer) = &mut self.scores {
                scores.clear();
                scores.extend(self.observer.judged(index).flatten());
                writer.add(&mut scores, &events)?;
            }
            for event in events {
                self.summary.events.count(&event);
                let mut line =
                    serde_json::to_vec(&event).map_err(HistoryError::output(&self.lines_path))?;
                line.push(b'\n');
                self.lines.write_all(&line).map_err(HistoryError::output(&self.lines_path))?;
                self.lines_bytes += line.len() as u64;
            }
        }
        if let (Some(first), Some(last)) = (steps.first(), steps.last()) {
            self.summary.first_received_ms.get_or_insert(first.received_at);
            self.summary.last_received_ms = Some(last.received_at);
        }
        saved.map_or(Ok(()), |saved| self.save(*saved, partitions))
    }
}

/// Writes the events at `lines` as the table at `path`.
fn write_table(lines: &Path, path: &Path) -> Result<(), Cause> {
    let mut table = EventTable::create(path)?;
    for event in bellwether_eventlog::read(lines, Wanted::default())? {
        table.push(event?)?;
    }
    Ok(table.finish()?)
}
