//! What a corpus on disk holds: the list of its series, and their rows.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use bellwether_series::{Fingerprint, LabelError, LabelSet, METRIC_NAME, Timestamp};
use bellwether_wire::remote_write::DecodeError;
use serde::Deserialize;

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
    series: Vec<CorpusSeries>,
}

/// A file of a corpus.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct CorpusSeries {
    /// What results and labels call it: a relative path.
    pub id: String,
    /// Where its file is.
    pub path: PathBuf,
    /// SHA-256 of that file in lower-case hexadecimal digits, if the manifest says.
    pub sha256: Option<String>,
}

/// The series that the corpus at `manifest` lists, in its order.
///
/// # Errors
/// When the manifest cannot be read or understood.
pub fn list_series(manifest: &Path) -> Result<Vec<CorpusSeries>, CorpusError> {
    let text = std::fs::read(manifest)
        .map_err(|source| CorpusError::File { path: manifest.to_owned(), source })?;
    let Manifest { mut series } = serde_json::from_slice(&text)
        .map_err(|source| CorpusError::Manifest { path: manifest.to_owned(), source })?;
    let folder = manifest.parent().unwrap_or(Path::new("."));
    for series in &mut series {
        series.path = folder.join(&series.path);
    }
    Ok(series)
}

/// One row of a file.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// Line in the file, from 1.
    pub line: u64,
    /// The timestamp as the file has it.
    pub timestamp: String,
    /// The same as a time.
    pub at: Timestamp,
    /// A value for each of [`SeriesFile::labels`]; `None` where the cell is empty.
    pub values: Vec<Option<f64>>,
}

/// A file of a corpus, read row by row.
pub struct SeriesFile {
    path: PathBuf,
    reader: csv::Reader<Box<dyn Read>>,
    header: csv::StringRecord,
    columns: Vec<(usize, LabelSet)>,
    record: csv::StringRecord,
}

impl SeriesFile {
    /// Opens the file at `path`. Its columns are series of one instance, named after `id`.
    ///
    /// # Errors
    /// When the file cannot be read, or its header names something that cannot be a metric.
    pub fn open(path: &Path, id: &str) -> Result<Self, CorpusError> {
        let path = path.to_owned();
        let file = match open(&path) {
            Ok(file) => file,
            Err(source) => return Err(CorpusError::File { path, source }),
        };
        let mut reader = csv::Reader::from_reader(file);
        let header = match reader.headers() {
            Ok(header) => header.clone(),
            Err(source) => return Err(CorpusError::Csv { path, source }),
        };
        let instance = Fingerprint::of_parts(&[id.as_bytes()]).to_string();
        match columns(&header, &instance) {
            Ok(columns) => {
                Ok(Self { path, reader, header, columns, record: csv::StringRecord::new() })
            }
            Err(source) => Err(CorpusError::Column { path, source }),
        }
    }

    /// The label sets of the value columns.
    pub fn labels(&self) -> impl Iterator<Item = &LabelSet> {
        self.columns.iter().map(|(_, labels)| labels)
    }

    /// The next row; `None` at the end.
    ///
    /// # Errors
    /// When it is no CSV, or a cell is no number.
    pub fn next_row(&mut self) -> Result<Option<Row>, CorpusError> {
        let path = || self.path.clone();
        let is_row = self.reader.read_record(&mut self.record);
        if !is_row.map_err(|source| CorpusError::Csv { path: path(), source })? {
            return Ok(None);
        }
        let line = self.record.position().map_or(0, csv::Position::line);
        let text = |column: usize| self.record.get(column).unwrap_or_default().trim();
        let refused = |column: usize| CorpusError::Cell {
            path: path(),
            line,
            column: self.header.get(column).unwrap_or_default().to_owned(),
        };
        let number = |column: usize| text(column).parse::<f64>().map_err(|_| refused(column));
        let at = timestamp(number(0)?).ok_or_else(|| refused(0))?;
        let value = |&(column, _): &(usize, LabelSet)| {
            if text(column).is_empty() { Ok(None) } else { number(column).map(Some) }
        };
        let values = self.columns.iter().map(value).collect::<Result<_, _>>()?;
        let timestamp = self.record.get(0).unwrap_or_default().to_owned();
        Ok(Some(Row { line, timestamp, at, values }))
    }
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

/// Opens the file at `path`, plain or gzip, whatever it is called: a result is plain under the name of its series.
pub(crate) fn open(path: &Path) -> std::io::Result<Box<dyn Read>> {
    const GZIP: [u8; 2] = [0x1f, 0x8b];
    let mut plain = BufReader::new(File::open(path)?);
    let is_gzip = plain.fill_buf()?.starts_with(&GZIP);
    Ok(if is_gzip { Box::new(flate2::read::GzDecoder::new(plain)) } else { Box::new(plain) })
}
