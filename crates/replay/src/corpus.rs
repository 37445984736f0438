//! A labelled corpus through the engine: what the detectors make of series that somebody has judged.
//!
//! A corpus is a folder with a `manifest.json` that lists series, each a CSV file (gzip or plain) of
//! `timestamp,value` or `timestamp,m00,m01,…` rows with a `label` column that is never read. Each series runs
//! through an engine of its own, sample by sample in file order, as it would live; the result has one row
//! per input row: `timestamp,score,is_alert`.

use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use bellwether_detect::fuse;
use bellwether_engine::{ChangeKind, Engine, Outputs, Record, RecordBody, Settings};
use bellwether_series::{Fingerprint, LabelError, LabelSet, METRIC_NAME, Timestamp};
use bellwether_wire::remote_write::{
    DecodeError, Limits, RawSample, WriteRequest, WriteRequestBuilder,
};
use serde::Deserialize;

/// Surprise at which the score of a row is one half.
const SCORE_HALF: f64 = 4.0;

/// Why a corpus cannot be replayed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CorpusError {
    /// A file cannot be read or written.
    #[error("file cannot be used: path=`{}`", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What went wrong.
        source: std::io::Error,
    },
    /// The manifest is not what it should be.
    #[error("manifest is not valid: path=`{}`", path.display())]
    Manifest {
        /// The file.
        path: PathBuf,
        /// What went wrong.
        source: serde_json::Error,
    },
    /// A series' file is not CSV.
    #[error("not a CSV file: path=`{}`", path.display())]
    Csv {
        /// The file.
        path: PathBuf,
        /// What went wrong.
        source: csv::Error,
    },
    /// A cell is not what it should be.
    #[error("cell is not a number: path=`{}`, line=`{line}`, column=`{column}`", path.display())]
    Cell {
        /// The file.
        path: PathBuf,
        /// Line, from 1.
        line: u64,
        /// Name of the column.
        column: String,
    },
    /// An id in the manifest leads out of the output folder.
    #[error("id is not a relative path: id=`{id}`")]
    Id {
        /// The id.
        id: String,
    },
    /// A column name makes no label set.
    #[error("column name cannot be a metric name: path=`{}`", path.display())]
    Column {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: LabelError,
    },
    /// A row does not fit into a request.
    #[error("row does not fit into a request: path=`{}`, line=`{line}`", path.display())]
    Row {
        /// The file.
        path: PathBuf,
        /// Line, from 1.
        line: u64,
        /// What is wrong with it.
        source: DecodeError,
    },
}

#[derive(Debug, Deserialize)]
struct Manifest {
    series: Vec<ManifestSeries>,
}

#[derive(Debug, Deserialize)]
struct ManifestSeries {
    id: String,
    path: PathBuf,
}

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
    let text = std::fs::read(manifest)
        .map_err(|source| CorpusError::File { path: manifest.to_owned(), source })?;
    let list: Manifest = serde_json::from_slice(&text)
        .map_err(|source| CorpusError::Manifest { path: manifest.to_owned(), source })?;
    let folder = manifest.parent().unwrap_or(Path::new("."));
    let (next, done) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let work = || -> Result<CorpusReport, CorpusError> {
        let mut report = CorpusReport::default();
        while let Some(series) = list.series.get(next.fetch_add(1, Ordering::Relaxed)) {
            let rows = replay_series(&folder.join(&series.path), &series.id, settings)?;
            write_rows(&output_path(output, &series.id)?, &rows)?;
            report.series += 1;
            report.rows += rows.len();
            report.alerts += rows.iter().filter(|row| row.is_alert).count();
            progress(done.fetch_add(1, Ordering::Relaxed) + 1, list.series.len());
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
    let csv_error = |source| CorpusError::Csv { path: path.to_owned(), source };
    let mut reader = csv::Reader::from_reader(open(path)?);
    let header = reader.headers().map_err(csv_error)?.clone();
    let instance = Fingerprint::of_parts(&[id.as_bytes()]).to_string();
    let columns = columns(&header, &instance)
        .map_err(|source| CorpusError::Column { path: path.to_owned(), source })?;
    let limits = Limits::default();
    let mut engine = Engine::new(settings, 0);
    let mut outputs =
        Outputs { scores: Some(Vec::new()), group_scores: Some(Vec::new()), ..Outputs::default() };
    let (mut rows, mut score) = (Vec::new(), 0.0);
    for record in reader.records() {
        let record = record.map_err(csv_error)?;
        let line = record.position().map_or(0, csv::Position::line);
        let cell = |column: usize| {
            let text = record.get(column).unwrap_or_default().trim();
            text.parse::<f64>().map_err(|_| CorpusError::Cell {
                path: path.to_owned(),
                line,
                column: header.get(column).unwrap_or_default().to_owned(),
            })
        };
        let at = timestamp(cell(0)?).ok_or_else(|| CorpusError::Cell {
            path: path.to_owned(),
            line,
            column: header.get(0).unwrap_or_default().to_owned(),
        })?;
        let mut builder = WriteRequestBuilder::default();
        for (column, labels) in &columns {
            if !record.get(*column).unwrap_or_default().trim().is_empty() {
                builder.series(labels, &[RawSample { timestamp: at, value: cell(*column)? }]);
            }
        }
        let request = WriteRequest::decode(builder.encode(), &limits)
            .map_err(|source| CorpusError::Row { path: path.to_owned(), line, source })?;
        engine
            .apply(&Record { received_at: at, body: RecordBody::Request(&request) }, &mut outputs);
        let scores = outputs.scores.iter().flatten();
        let group = outputs.group_scores.iter().flatten().last().map(|&(_, surprise)| surprise);
        let columns = || fuse::of_group(scores.map(|score| score.surprise));
        // A row that nothing was judged of is as odd as the one before.
        if let Some(surprise) = group.or_else(columns) {
            score = surprise / (surprise + SCORE_HALF);
        }
        let alerts = outputs.events.iter().any(|event| {
            event.alert && matches!(event.change, ChangeKind::Firing | ChangeKind::Escalated)
        });
        let timestamp = record.get(0).unwrap_or_default().to_owned();
        rows.push(ScoredRow { timestamp, score, is_alert: alerts });
    }
    Ok(rows)
}

/// A time in unix seconds, unless it is none that a calendar knows.
fn timestamp(seconds: f64) -> Option<Timestamp> {
    const YEAR_10000_S: f64 = 253_402_300_800.0;
    (seconds.abs() < YEAR_10000_S).then(|| Timestamp::from_ms((seconds * 1000.0) as i64))
}

/// The value columns with the labels of their series. They share `instance`, which makes a group of them.
fn columns(
    header: &csv::StringRecord,
    instance: &str,
) -> Result<Vec<(usize, LabelSet)>, LabelError> {
    let values = header.iter().enumerate().skip(1).filter(|(_, name)| name.trim() != "label");
    values
        .map(|(column, name)| {
            let pairs = [(METRIC_NAME, name.trim()), ("instance", instance)];
            Ok((column, LabelSet::from_pairs(pairs)?))
        })
        .collect()
}

fn open(path: &Path) -> Result<Box<dyn Read>, CorpusError> {
    let file =
        File::open(path).map_err(|source| CorpusError::File { path: path.to_owned(), source })?;
    let is_gzip = path.extension().is_some_and(|extension| extension == "gz");
    let plain = BufReader::new(file);
    Ok(if is_gzip { Box::new(flate2::read::GzDecoder::new(plain)) } else { Box::new(plain) })
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
        writeln!(file, "timestamp,score,is_alert")?;
        for ScoredRow { timestamp, score, is_alert } in rows {
            writeln!(file, "{timestamp},{score:.6},{}", u8::from(*is_alert))?;
        }
        file.flush()
    };
    write().map_err(|source| CorpusError::File { path: path.to_owned(), source })
}
