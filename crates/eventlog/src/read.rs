//! Reads events back, whatever they were written as, one file and one batch at a time.

mod error;
mod lines;
mod part;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};

use bellwether_engine::{Event, FORMAT_VERSION};

use crate::day::{Day, OurFile, days_in, files_of};
use crate::rotated::{rotated_name, rotated_numbers};

pub use error::ReadError;
use lines::Lines;
use part::Part;

const PARQUET_MAGIC: &[u8] = b"PAR1";

/// Which events are wanted, by event time (`at_ms`) in milliseconds; the default is all.
///
/// Days of an event log that hold none are not opened.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Wanted {
    /// None earlier than this.
    pub since_ms: Option<i64>,
    /// All earlier than this.
    pub until_ms: Option<i64>,
}

impl Wanted {
    fn has(self, at_ms: i64) -> bool {
        self.since_ms.is_none_or(|since| at_ms >= since)
            && self.until_ms.is_none_or(|until| at_ms < until)
    }

    fn has_some_of(self, day: Day) -> bool {
        self.since_ms.is_none_or(|since| day >= Day::of(since))
            && self.until_ms.is_none_or(|until| day <= Day::of(until.saturating_sub(1)))
    }
}

/// Reads the events at `path`: a file of JSON lines with those it was rotated to (oldest first), a Parquet file,
/// an event log's folder, or the folder of one of its days. Memory does not grow with what there is.
///
/// Which files there are is settled here; a file that is rotated or deleted meanwhile is read twice or not at all.
///
/// # Errors
/// When there is nothing at `path`, or a folder that is no event log. What is found damaged later comes as an item.
pub fn read(path: &Path, wanted: Wanted) -> Result<Events, ReadError> {
    let files = files_at(path, wanted)?;
    Ok(Events { files, wanted, current: None })
}

fn files_at(path: &Path, wanted: Wanted) -> Result<VecDeque<PathBuf>, ReadError> {
    let fault = |path: &Path| {
        let path = path.to_owned();
        |source| ReadError::Io { path, source }
    };
    let Ok(metadata) = std::fs::metadata(path) else {
        return rotated_set(path).map_err(fault(path));
    };
    if !metadata.is_dir() {
        return rotated_set(path).map_err(fault(path));
    }
    let name = path.file_name().unwrap_or_default();
    let folders = if name.to_str().and_then(Day::parse).is_some() {
        vec![path.to_owned()]
    } else {
        let days = days_in(path).map_err(fault(path))?;
        let is_empty = std::fs::read_dir(path).map_err(fault(path))?.next().is_none();
        if days.is_empty() && !is_empty {
            return Err(ReadError::NotALog { path: path.to_owned() });
        }
        let days = days.into_iter().filter(|&day| wanted.has_some_of(day));
        days.map(|day| path.join(day.to_string())).collect()
    };
    let mut files = VecDeque::new();
    for folder in folders {
        let parts = files_of(&folder).map_err(fault(&folder))?.into_iter();
        files.extend(parts.filter(|(file, _)| *file != OurFile::Unfinished).map(|(_, path)| path));
    }
    Ok(files)
}

/// `path` and what it was rotated to, oldest first.
fn rotated_set(path: &Path) -> io::Result<VecDeque<PathBuf>> {
    let numbers = rotated_numbers(path)?.into_iter().rev();
    let mut files: VecDeque<_> = numbers.map(|number| rotated_name(path, number)).collect();
    // Between two files of a rotation there may be none at `path` itself.
    if files.is_empty() || path.exists() {
        std::fs::metadata(path)?;
        files.push_back(path.to_owned());
    }
    Ok(files)
}

/// The events of [`read()`], in order of the files and within them.
pub struct Events {
    files: VecDeque<PathBuf>,
    wanted: Wanted,
    current: Option<Source>,
}

enum Source {
    Lines(Lines),
    Part(Box<Part>),
}

impl Iterator for Events {
    type Item = Result<Event, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let Some(source) = &mut self.current else {
                match Source::open(&self.files.pop_front()?) {
                    Ok(source) => self.current = Some(source),
                    Err(error) => return Some(Err(error)),
                }
                continue;
            };
            let item = match source {
                Source::Lines(lines) => lines.next(),
                Source::Part(part) => part.next(),
            };
            match item {
                None => self.current = None,
                Some(Ok(event)) if !self.wanted.has(event.at_ms.as_ms()) => {}
                Some(item) => return Some(item),
            }
        }
    }
}

impl Source {
    fn open(path: &Path) -> Result<Self, ReadError> {
        let fault = |source| ReadError::Io { path: path.to_owned(), source };
        let mut file = BufReader::new(File::open(path).map_err(fault)?);
        let is_parquet = path.extension().is_some_and(|extension| extension == "parquet")
            || file.fill_buf().map_err(fault)?.starts_with(PARQUET_MAGIC);
        if is_parquet {
            Part::open(path, file.into_inner()).map(|part| Self::Part(Box::new(part)))
        } else {
            Ok(Self::Lines(Lines::new(path, file)))
        }
    }
}

fn checked(event: Event, path: &Path, line: u64) -> Result<Event, ReadError> {
    if event.version == FORMAT_VERSION {
        return Ok(event);
    }
    Err(ReadError::EventVersion { path: path.to_owned(), line, version: event.version })
}
