//! What a replay of history writes: events as JSON lines and as Parquet, scores if asked for, a summary and a report.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bellwether_engine::{AlertCap, Outputs, Settings};
use bellwether_eventlog::EventTable;

use super::catalog::Catalog;
use super::error::{Cause, HistoryError};
use super::judge::{Collect, Judged, Step};
use super::scores::Scores;
use super::summary::HistorySummary;
use crate::report::{Facts, Observer};

/// The files of a replay, while it goes on.
pub(super) struct Results {
    folder: PathBuf,
    cap: AlertCap,
    lines: BufWriter<File>,
    lines_path: PathBuf,
    table: EventTable,
    table_path: PathBuf,
    scores: Option<Scores>,
    observer: Observer,
    settings: Arc<Settings>,
    pub(super) summary: HistorySummary,
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
            cap: AlertCap::new(Arc::clone(settings)),
            lines: BufWriter::new(
                File::create(&lines_path).map_err(HistoryError::output(&lines_path))?,
            ),
            lines_path,
            table: EventTable::create(&table_path).map_err(HistoryError::output(&table_path))?,
            table_path,
            scores,
            observer: Observer::new(report_bytes),
            settings: Arc::clone(settings),
            summary: HistorySummary::default(),
        })
    }

    /// Ends all files.
    pub(super) fn finish(mut self) -> Result<HistorySummary, HistoryError> {
        self.lines.flush().map_err(HistoryError::output(&self.lines_path))?;
        self.table.finish().map_err(HistoryError::output(&self.table_path))?;
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
    fn collect(&mut self, steps: &[Step], judged: Vec<Judged>) -> Result<(), HistoryError> {
        let (mut all_events, mut judgements) = (Vec::new(), Vec::new());
        for Judged { events, scores, counts } in judged {
            self.summary.add_counts(&counts);
            self.observer.count(&counts);
            all_events.extend(events);
            judgements.push(scores);
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
                self.observer.judged(index).for_each(|some| scores.extend_from_slice(some));
                writer.add(&mut scores, &events)?;
            }
            for event in events {
                self.summary.events.count(&event);
                serde_json::to_writer(&mut self.lines, &event)
                    .map_err(HistoryError::output(&self.lines_path))?;
                self.lines.write_all(b"\n").map_err(HistoryError::output(&self.lines_path))?;
                self.table.push(event).map_err(HistoryError::output(&self.table_path))?;
            }
        }
        if let (Some(first), Some(last)) = (steps.first(), steps.last()) {
            self.summary.first_received_ms.get_or_insert(first.received_at);
            self.summary.last_received_ms = Some(last.received_at);
        }
        Ok(())
    }
}
