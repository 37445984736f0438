//! What a replay of history writes: events as JSON lines and as Parquet, scores if asked for, a summary and a report.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bellwether_engine::{Counts, Event, Score, Settings};
use bellwether_eventlog::EventTable;

use super::catalog::Catalog;
use super::error::{Cause, HistoryError};
use super::merge::Sink;
use super::scores::Scores;
use super::summary::HistorySummary;
use crate::report::{Facts, Observer};

/// The files of a replay, while it goes on.
pub(super) struct Results {
    folder: PathBuf,
    lines: BufWriter<File>,
    lines_path: PathBuf,
    table: EventTable,
    table_path: PathBuf,
    scores: Option<Scores>,
    observer: Observer,
    settings: Arc<Settings>,
}

impl Results {
    pub(super) fn create(
        folder: &Path,
        settings: &Arc<Settings>,
        scores_of: Option<&Arc<Catalog>>,
        report_bytes: usize,
    ) -> Result<Self, HistoryError> {
        let (lines_path, table_path) = (folder.join("events.jsonl"), folder.join("events.parquet"));
        let scores = scores_of
            .map(|catalog| Scores::create(&folder.join("scores.parquet"), Arc::clone(catalog)))
            .transpose()?;
        Ok(Self {
            folder: folder.to_owned(),
            lines: BufWriter::new(
                File::create(&lines_path).map_err(HistoryError::output(&lines_path))?,
            ),
            lines_path,
            table: EventTable::create(&table_path).map_err(HistoryError::output(&table_path))?,
            table_path,
            scores,
            observer: Observer::new(report_bytes),
            settings: Arc::clone(settings),
        })
    }

    /// Ends all files and says in `summary` what the files alone know.
    pub(super) fn finish(mut self, summary: &mut HistorySummary) -> Result<(), HistoryError> {
        self.lines.flush().map_err(HistoryError::output(&self.lines_path))?;
        self.table.finish().map_err(HistoryError::output(&self.table_path))?;
        if let Some(scores) = self.scores.take() {
            summary.scores = scores.rows();
            scores.finish()?;
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

    fn take(&mut self, scores: &mut [Score], events: Vec<Event>) -> Result<(), HistoryError> {
        self.observer.take(scores, &events);
        if let Some(writer) = &mut self.scores {
            writer.add(scores, &events)?;
        }
        for event in events {
            serde_json::to_writer(&mut self.lines, &event)
                .map_err(HistoryError::output(&self.lines_path))?;
            self.lines.write_all(b"\n").map_err(HistoryError::output(&self.lines_path))?;
            self.table.push(event).map_err(HistoryError::output(&self.table_path))?;
        }
        Ok(())
    }
}
