//! A labelled corpus through the engine: what the detectors make of series that somebody has judged.
//!
//! A corpus is a folder with a `manifest.json` that lists series, each a CSV file (gzip or plain) of
//! `timestamp,value` or `timestamp,m00,m01,…` rows with a `label` column that is never read. Each series runs
//! through an engine of its own, sample by sample in file order, as it would live; the result has one row
//! per input row: `timestamp,score,is_alert,is_firing`.

mod read;

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use bellwether_detect::fuse;
use bellwether_engine::{ChangeKind, Engine, Outputs, Record, RecordBody, Settings};
use bellwether_wire::remote_write::{Limits, RawSample, WriteRequest, WriteRequestBuilder};

use crate::history::earlier;

pub(crate) use read::open;
pub use read::{CorpusError, CorpusSeries, Row, SeriesFile, list_series};

/// Surprise at which the score of a row is one half.
const SCORE_HALF: f64 = 4.0;

/// What a replay of a corpus did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CorpusReport {
    /// Series replayed.
    pub series: usize,
    /// Rows written.
    pub rows: usize,
    /// Rows on which an alert fired or escalated.
    pub alerts: usize,
}

/// Replays every series of the corpus at `manifest` under `settings` and writes `output/<id>` for each.
/// `progress` hears the number of series done after each one.
///
/// # Errors
/// On the first file that cannot be read, understood or written; it is named.
pub fn replay_corpus(
    manifest: &Path,
    output: &Path,
    settings: &Arc<Settings>,
    threads: usize,
    progress: &(dyn Fn(usize, usize) + Sync),
) -> Result<CorpusReport, CorpusError> {
    let list = list_series(manifest)?;
    // Of another kind of replay, beside which the results of this one would not be found.
    earlier::remove(output).map_err(|cause| CorpusError::File {
        path: output.to_owned(),
        source: std::io::Error::other(cause),
    })?;
    let (next, done) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let work = || -> Result<CorpusReport, CorpusError> {
        let mut report = CorpusReport::default();
        while let Some(series) = list.get(next.fetch_add(1, Ordering::Relaxed)) {
            let rows = replay_series(&series.path, &series.id, settings)?;
            write_rows(&output_path(output, &series.id)?, &rows)?;
            report.series += 1;
            report.rows += rows.len();
            report.alerts += rows.iter().filter(|row| row.is_alert).count();
            progress(done.fetch_add(1, Ordering::Relaxed) + 1, list.len());
        }
        Ok(report)
    };
    thread::scope(|scope| {
        let workers: Vec<_> = (0..threads.max(1)).map(|_| scope.spawn(work)).collect();
        let mut total = CorpusReport::default();
        for worker in workers {
            let report = worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
            total.series += report.series;
            total.rows += report.rows;
            total.alerts += report.alerts;
        }
        Ok(total)
    })
}

/// One row of a result.
#[derive(Debug, Clone, PartialEq)]
pub struct ScoredRow {
    /// The timestamp as the input wrote it.
    pub timestamp: String,
    /// `s / (s + 4)` of the surprise `s`, of several columns that of their group: 0 up to, but not
    /// including, 1.
    pub score: f64,
    /// Whether an alert fired or escalated on this row.
    pub is_alert: bool,
    /// Whether an alert that fired is not resolved yet.
    pub is_firing: bool,
}

/// Replays the series in the file at `path` through an engine of its own.
///
/// # Errors
/// When the file cannot be read or understood.
pub fn replay_series(
    path: &Path,
    id: &str,
    settings: &Arc<Settings>,
) -> Result<Vec<ScoredRow>, CorpusError> {
    let mut outputs =
        Outputs { scores: Some(Vec::new()), group_scores: Some(Vec::new()), ..Outputs::default() };
    let (mut rows, mut score, mut firing) = (Vec::new(), 0.0, BTreeSet::new());
    each_row(path, id, settings, &mut outputs, &mut |row, outputs| {
        let scores = outputs.scores.iter().flatten();
        let group = outputs.group_scores.iter().flatten().last().map(|&(_, surprise)| surprise);
        let columns = || fuse::of_group(scores.map(|score| score.surprise));
        // A row that nothing was judged of is as odd as the one before.
        if let Some(surprise) = group.or_else(columns) {
            score = surprise / (surprise + SCORE_HALF);
        }
        let mut is_alert = false;
        for event in outputs.events.iter().filter(|event| event.alert) {
            if matches!(event.change, ChangeKind::Firing | ChangeKind::Escalated) {
                is_alert = true;
                firing.insert(event.episode_id);
            } else {
                firing.remove(&event.episode_id);
            }
        }
        let is_firing = is_alert || !firing.is_empty();
        rows.push(ScoredRow { timestamp: row.timestamp.clone(), score, is_alert, is_firing });
        true
    })?;
    Ok(rows)
}

/// Hands the rows of the file at `path` to an engine of its own one by one, and each with the outputs of its step to `each`, until
/// that is false.
pub(crate) fn each_row(
    path: &Path,
    id: &str,
    settings: &Arc<Settings>,
    outputs: &mut Outputs,
    each: &mut dyn FnMut(&Row, &Outputs) -> bool,
) -> Result<(), CorpusError> {
    let mut file = SeriesFile::open(path, id)?;
    let limits = Limits::default();
    let mut engine = Engine::new(settings, 0);
    while let Some(row) = file.next_row()? {
        let mut builder = WriteRequestBuilder::default();
        for (labels, value) in file.labels().zip(&row.values) {
            if let Some(value) = *value {
                builder.series(labels, &[RawSample { timestamp: row.at, value }]);
            }
        }
        let request = WriteRequest::decode(builder.encode(), &limits)
            .map_err(|source| CorpusError::Row { path: path.to_owned(), line: row.line, source })?;
        let record = Record { received_at: row.at, body: RecordBody::request(&request) };
        engine.apply(&record, outputs);
        if !each(&row, outputs) {
            break;
        }
    }
    Ok(())
}

/// `output/<id>`, as long as that stays inside `output`.
fn output_path(output: &Path, id: &str) -> Result<PathBuf, CorpusError> {
    let inside = Path::new(id)
        .components()
        .all(|component| matches!(component, std::path::Component::Normal(_)));
    if id.is_empty() || !inside {
        return Err(CorpusError::Id { id: id.to_owned() });
    }
    Ok(output.join(id))
}

fn write_rows(path: &Path, rows: &[ScoredRow]) -> Result<(), CorpusError> {
    let write = || -> std::io::Result<()> {
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent)?;
        }
        let mut file = BufWriter::new(File::create(path)?);
        writeln!(file, "timestamp,score,is_alert,is_firing")?;
        for ScoredRow { timestamp, score, is_alert, is_firing } in rows {
            let (alert, firing) = (u8::from(*is_alert), u8::from(*is_firing));
            writeln!(file, "{timestamp},{score:.6},{alert},{firing}")?;
        }
        file.flush()
    };
    write().map_err(|source| CorpusError::File { path: path.to_owned(), source })
}
