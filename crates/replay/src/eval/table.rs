//! CSV files by the names of their columns, plain or gzip; whatever is wrong is named with file and line.

use std::io::Read;
use std::path::{Path, PathBuf};

use super::error::EvalError;
use super::moment::Moment;
use crate::corpus;

/// A CSV file that is read row by row.
pub(super) struct Table {
    path: PathBuf,
    reader: csv::Reader<Box<dyn Read>>,
    names: Vec<String>,
    record: csv::StringRecord,
}

impl Table {
    pub(super) fn open(path: &Path) -> Result<Self, EvalError> {
        let path = path.to_owned();
        let file = match corpus::open(&path) {
            Ok(file) => file,
            Err(source) => return Err(EvalError::File { path, source }),
        };
        let mut reader = csv::Reader::from_reader(file);
        let names = match reader.headers() {
            Ok(header) => header.iter().map(|name| name.trim().to_lowercase()).collect(),
            Err(source) => return Err(EvalError::Csv { path, source }),
        };
        Ok(Self { path, reader, names, record: csv::StringRecord::new() })
    }

    /// The place of the column of that name, if there is one.
    pub(super) fn column(&self, name: &str) -> Option<usize> {
        self.names.iter().position(|other| other == name)
    }

    /// The place of the first column of those names that there is.
    pub(super) fn required(&self, names: &[&'static str]) -> Result<usize, EvalError> {
        names.iter().find_map(|name| self.column(name)).ok_or_else(|| EvalError::Column {
            path: self.path.clone(),
            column: names.first().copied().unwrap_or_default(),
        })
    }

    /// Goes to the next row; says whether there is one.
    pub(super) fn advance(&mut self) -> Result<bool, EvalError> {
        self.reader
            .read_record(&mut self.record)
            .map_err(|source| EvalError::Csv { path: self.path.clone(), source })
    }

    /// What this row has in a column.
    pub(super) fn text(&self, column: usize) -> &str {
        self.record.get(column).unwrap_or_default().trim()
    }

    /// The same as a time.
    pub(super) fn moment(&self, column: usize) -> Result<Moment, EvalError> {
        Moment::parse(self.text(column)).ok_or_else(|| self.refused(column, "time"))
    }

    /// That what this row has in a column is not what is `expected`.
    pub(super) fn refused(&self, column: usize, expected: &'static str) -> EvalError {
        EvalError::Cell {
            path: self.path.clone(),
            line: self.record.position().map_or(0, csv::Position::line),
            expected,
            value: self.text(column).to_owned(),
        }
    }
}
