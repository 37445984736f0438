//! One Parquet file of events, written from beginning to end: what a replay leaves behind.
//!
//! It has the columns of the event log, so whatever reads that reads this. It gets its name when it is complete.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bellwether_engine::Event;
use parquet::arrow::ArrowWriter;

use crate::table;

/// Events that are turned into rows at a time.
const BATCH_ROWS: usize = 1024;

/// Writes a Parquet file of events.
pub struct EventTable {
    path: PathBuf,
    unfinished: PathBuf,
    writer: ArrowWriter<File>,
    waiting: Vec<Arc<Event>>,
}

impl EventTable {
    /// Begins the file at `path`; until it is finished it is beside it, under a hidden name.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn create(path: &Path) -> io::Result<Self> {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let unfinished = path.with_file_name(format!(".{name}.unfinished"));
        let writer = table::writer(File::create(&unfinished)?).map_err(io::Error::other)?;
        Ok(Self { path: path.to_owned(), unfinished, writer, waiting: Vec::new() })
    }

    /// Adds an event.
    ///
    /// # Errors
    /// When it cannot be written; the file is of no use then.
    pub fn push(&mut self, event: Event) -> io::Result<()> {
        self.waiting.push(Arc::new(event));
        if self.waiting.len() >= BATCH_ROWS {
            self.flush()?;
        }
        Ok(())
    }

    /// Ends the file and gives it its name.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn finish(mut self) -> io::Result<()> {
        self.flush()?;
        self.writer.close().map_err(io::Error::other)?;
        std::fs::rename(&self.unfinished, &self.path)
    }

    fn flush(&mut self) -> io::Result<()> {
        let batch = table::encode(&self.waiting).map_err(io::Error::other)?;
        self.writer.write(&batch).map_err(io::Error::other)?;
        self.waiting.clear();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::read::{Wanted, read};
    use crate::testing::{DAY_0_MS, event};

    #[test]
    fn what_is_written_is_read_once_it_is_finished() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events.parquet");
        let mut table = EventTable::create(&path).unwrap();
        let count = BATCH_ROWS as u32 + 7;
        let events: Vec<_> = (0..count).map(|number| (*event(number, DAY_0_MS)).clone()).collect();
        for event in &events {
            table.push(event.clone()).unwrap();
        }
        assert!(!path.exists());
        table.finish().unwrap();
        let found: Vec<_> =
            read(&path, Wanted::default()).unwrap().map(|event| event.unwrap()).collect();
        assert_eq!(found, events);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
