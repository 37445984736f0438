//! A sink of Parquet files, partitioned by the day of the events.
//!
//! A Parquet file cannot be read before it has its end. So each flush writes the newest part of a day anew,
//! with the new rows behind the old ones, under a hidden name, and renames it into place: a reader finds
//! complete files at any moment, and what the sink holds in memory is only what waits.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bellwether_engine::Event;
use bellwether_runtime::storage::{create_folder, sync_folder};
use parquet::arrow::arrow_reader::ParquetRecordBatchReader;
use parquet::errors::ParquetError;

use crate::day::{Day, OurFile, days_in, files_of, part_name, unfinished_name};
use crate::file_sink::FileSink;
use crate::guard::hold_panic;
use crate::known::Known;
use crate::table;
use crate::worker::{Pace, Worker, Write};

/// A part with so many rows is closed.
const PART_ROWS_MAX: usize = 50_000;
/// Most days whose newest part is still added to. An event of yet another day begins a new part.
const OPEN_DAYS_MAX: usize = 64;

/// Where the log is, and how much of it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventLogOptions {
    /// The log's folder, made when it is missing.
    pub folder: PathBuf,
    /// Least time between two flushes. Half a full queue is flushed earlier.
    pub flush_interval_ms: u64,
    /// Days that began more than this before the newest day with events did are deleted; 0 keeps all.
    pub keep_ms: u64,
    /// Events that may wait for a flush, or while the disk cannot take them; further ones are dropped. 0 counts
    /// as 1.
    pub queue_events_max: usize,
}

impl FileSink {
    /// Keeps events in Parquet files that can be read at any time; `name` is what metrics call it. A folder that cannot be made
    /// is no error here: it is tried again for ever, and [`EventSink::stats`](bellwether_runtime::EventSink::stats) tells.
    ///
    /// # Errors
    /// When the thread cannot be started.
    pub fn event_log(name: &str, options: EventLogOptions) -> io::Result<Self> {
        let queue_events_max = options.queue_events_max;
        let known = Known::at(options.folder.clone());
        let interval = Duration::from_millis(options.flush_interval_ms);
        let pace = Pace { interval, events_max: (queue_events_max / 2).max(1) };
        let log = Log::new(options, PART_ROWS_MAX);
        let worker = Worker::start(name, queue_events_max, pace, log)?;
        Ok(Self { worker, known })
    }
}

struct Log {
    options: EventLogOptions,
    part_rows_max: usize,
    /// The part of each day that is added to: all begun by this process.
    parts: BTreeMap<Day, Part>,
    /// The newest day with events; `None` until the folder was looked through.
    newest: Option<Day>,
    is_swept: bool,
    removed_files: u64,
}

#[derive(Debug, Clone, Copy)]
struct Part {
    number: u32,
    rows: usize,
}

impl Write for Log {
    fn write(&mut self, waiting: &mut Vec<Arc<Event>>) -> io::Result<()> {
        if !self.is_swept {
            create_folder(&self.options.folder)?;
            self.newest = days_in(&self.options.folder)?.last().copied();
            self.remove_unfinished();
        }
        let days: BTreeSet<Day> = waiting.iter().map(|event| day_of(event)).collect();
        let newest = self.newest.max(days.last().copied());
        for day in days {
            self.write_day(day, waiting)?;
        }
        if !self.is_swept || newest != self.newest {
            self.newest = newest;
            self.remove_old_days();
            self.is_swept = true;
        }
        Ok(())
    }

    fn removed_files(&self) -> u64 {
        self.removed_files
    }
}

impl Log {
    fn new(options: EventLogOptions, part_rows_max: usize) -> Self {
        Self {
            options,
            part_rows_max,
            parts: BTreeMap::new(),
            newest: None,
            is_swept: false,
            removed_files: 0,
        }
    }

    fn day_folder(&self, day: Day) -> PathBuf {
        self.options.folder.join(day.to_string())
    }

    /// Adds the events of `day` to its parts and takes them out of `waiting`.
    fn write_day(&mut self, day: Day, waiting: &mut Vec<Arc<Event>>) -> io::Result<()> {
        let folder = self.day_folder(day);
        if !(self.parts.contains_key(&day) && folder.is_dir()) {
            create_folder(&folder)?;
        }
        loop {
            let part = match self.parts.get(&day) {
                Some(part) if part.rows < self.part_rows_max => *part,
                _ => new_part(&folder)?,
            };
            let room = self.part_rows_max - part.rows;
            let of_day = waiting.iter().filter(|event| day_of(event) == day);
            let events: Vec<_> = of_day.take(room).cloned().collect();
            if events.is_empty() {
                return Ok(());
            }
            if let Err(error) = write_part(&folder, part, &events) {
                // Whatever is wrong with the rows there are, they stay as they are.
                self.parts.remove(&day);
                return Err(error);
            }
            self.parts.insert(day, Part { rows: part.rows + events.len(), ..part });
            if self.parts.len() > OPEN_DAYS_MAX {
                self.parts.pop_first();
            }
            let mut left = events.len();
            waiting.retain(|event| {
                let is_written = left > 0 && day_of(event) == day;
                left -= usize::from(is_written);
                !is_written
            });
        }
    }

    /// Deletes what a crash left half-written.
    fn remove_unfinished(&self) {
        for day in days_in(&self.options.folder).unwrap_or_default() {
            for (file, path) in files_of(&self.day_folder(day)).unwrap_or_default() {
                if file == OurFile::Unfinished {
                    warn_of(std::fs::remove_file(&path), &path);
                }
            }
        }
    }

    /// Deletes the days that are too old: our files, and the folder if that leaves it empty.
    fn remove_old_days(&mut self) {
        let keep_ms = self.options.keep_ms;
        if keep_ms == 0 {
            return;
        }
        let days = days_in(&self.options.folder).unwrap_or_default();
        let Some(newest) = trusted_newest(&days, keep_ms) else { return };
        for day in days.into_iter().filter(|day| day.is_older_than(keep_ms, newest)) {
            let folder = self.day_folder(day);
            for (_, path) in files_of(&folder).unwrap_or_default() {
                let removed = std::fs::remove_file(&path);
                self.removed_files += u64::from(removed.is_ok());
                warn_of(removed, &path);
            }
            self.parts.remove(&day);
            warn_of(std::fs::remove_dir(&folder), &folder);
        }
    }
}

/// The day from which age is counted. A single day far ahead of all others is more likely a clock that was wrong
/// than the end of a long silence, and must not cost what was logged.
fn trusted_newest(days: &[Day], keep_ms: u64) -> Option<Day> {
    let (&last, others) = days.split_last()?;
    let before = others.last().copied().filter(|before| before.is_older_than(keep_ms, last));
    Some(before.unwrap_or(last))
}

fn day_of(event: &Event) -> Day {
    Day::of(event.at_ms.as_ms())
}

/// A number behind all that there are, so that no file is ever written over.
fn new_part(day_folder: &Path) -> io::Result<Part> {
    let files = files_of(day_folder)?;
    let newest = files.iter().rev().find_map(|(file, _)| match file {
        OurFile::Part(number) => Some(*number),
        OurFile::Unfinished => None,
    });
    let number = newest.unwrap_or(0).checked_add(1);
    Ok(Part { number: number.ok_or_else(|| io::Error::other("too many parts"))?, rows: 0 })
}

/// Writes `part` anew: the rows it has, then `events`.
fn write_part(day_folder: &Path, part: Part, events: &[Arc<Event>]) -> io::Result<()> {
    let path = day_folder.join(part_name(part.number));
    let unfinished = day_folder.join(unfinished_name(part.number));
    let written = File::create(&unfinished).and_then(|file| {
        let old = if part.rows > 0 { Some(File::open(&path)?) } else { None };
        let file = hold_panic(|| write_rows(file, old, events))
            .unwrap_or_else(|| Err(ParquetError::General("writer panicked".to_owned())))
            .map_err(io::Error::other)?;
        file.sync_all()?;
        std::fs::rename(&unfinished, &path)?;
        sync_folder(day_folder)
    });
    if written.is_err() {
        _ = std::fs::remove_file(&unfinished);
    }
    written
}

fn write_rows(file: File, old: Option<File>, events: &[Arc<Event>]) -> Result<File, ParquetError> {
    let mut writer = table::writer(file)?;
    if let Some(old) = old {
        for batch in ParquetRecordBatchReader::try_new(old, table::ROW_GROUP_ROWS)? {
            writer.write(&batch?)?;
        }
    }
    for chunk in events.chunks(table::ROW_GROUP_ROWS) {
        writer.write(&table::encode(chunk)?)?;
    }
    writer.into_inner()
}

fn warn_of(result: io::Result<()>, path: &Path) {
    if let Err(error) = result {
        tracing::warn!(path = %path.display(), %error, "cannot delete what is too old");
    }
}

#[cfg(test)]
mod tests;
