//! A sink of JSON lines: one event a line, appended to a file that is rotated by size.
//!
//! Whoever moves the file away (logrotate) finds it begun anew by the next batch of events.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write as _};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bellwether_engine::Event;
use bellwether_runtime::storage::{create_folder, sync_folder};

use crate::file_sink::FileSink;
use crate::known::Known;
use crate::rotated::{folder_of, rotated_name, rotated_numbers};
use crate::worker::{Pace, Worker, Write};

/// Where the lines go, and how much is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JsonLinesOptions {
    /// The file; its folder is made when it is missing.
    pub path: PathBuf,
    /// The file is moved to `path.1` (and that one to `path.2`, …) before it would exceed so many bytes. A
    /// single longer line is still written whole.
    pub rotate_bytes: u64,
    /// Most files there are at any time, the one that is written included; 0 counts as 1.
    pub files_max: usize,
    /// Events that may wait while the disk cannot take them; further ones are dropped. 0 counts as 1.
    pub queue_events_max: usize,
}

impl FileSink {
    /// Appends events to a file, one a line; `name` is what metrics call it. A file that cannot be opened is no error here: it
    /// is tried again for ever, and [`EventSink::stats`](bellwether_runtime::EventSink::stats) tells.
    ///
    /// # Errors
    /// When the thread cannot be started.
    pub fn json_lines(name: &str, options: JsonLinesOptions) -> io::Result<Self> {
        let queue_events_max = options.queue_events_max;
        let known = Known::at(options.path.clone());
        let pace = Pace { interval: Duration::ZERO, events_max: 1 };
        let writer = Lines { options, open: None, removed_files: 0 };
        let worker = Worker::start(name, queue_events_max, pace, writer)?;
        Ok(Self { worker, known })
    }
}

struct Lines {
    options: JsonLinesOptions,
    open: Option<OpenFile>,
    removed_files: u64,
}

struct OpenFile {
    file: File,
    /// Device and inode, to notice that the path leads elsewhere by now.
    identity: (u64, u64),
    bytes: u64,
}

impl Write for Lines {
    fn write(&mut self, waiting: &mut Vec<Arc<Event>>) -> io::Result<()> {
        // An attempt that fails anywhere leaves no file open, and so begins with a fresh one.
        let mut open = match self.open.take() {
            Some(open) if open.is_at(&self.options.path) => open,
            _ => OpenFile::open(&self.options.path)?,
        };
        let mut lines = Vec::new();
        let mut lines_events = 0;
        let mut next = 0;
        while next < waiting.len() {
            let before_bytes = lines.len();
            serde_json::to_writer(&mut lines, waiting[next].as_ref())?;
            lines.push(b'\n');
            let is_too_much = open.bytes + lines.len() as u64 > self.options.rotate_bytes;
            if is_too_much && open.bytes + before_bytes as u64 > 0 {
                lines.truncate(before_bytes);
                open.append(&lines)?;
                waiting.drain(..lines_events);
                rotate(&self.options.path, self.options.files_max, &mut self.removed_files)?;
                open = OpenFile::open(&self.options.path)?;
                lines.clear();
                (lines_events, next) = (0, 0);
                continue;
            }
            lines_events += 1;
            next += 1;
        }
        open.append(&lines)?;
        waiting.clear();
        self.open = Some(open);
        Ok(())
    }

    fn removed_files(&self) -> u64 {
        self.removed_files
    }
}

impl OpenFile {
    /// Opens or begins the file; a last line that a crash cut short is closed, so that the next event has a
    /// line of its own.
    fn open(path: &Path) -> io::Result<Self> {
        create_folder(folder_of(path))?;
        let mut file = OpenOptions::new().create(true).append(true).read(true).open(path)?;
        // A file that is new, and those that were renamed for it: what a checkpoint stands on must be found again.
        sync_folder(folder_of(path))?;
        let metadata = file.metadata()?;
        let mut bytes = metadata.len();
        if bytes > 0 {
            let mut last = [0];
            file.seek(SeekFrom::End(-1))?;
            file.read_exact(&mut last)?;
            if last != *b"\n" {
                file.write_all(b"\n")?;
                bytes += 1;
            }
        }
        Ok(Self { file, identity: (metadata.dev(), metadata.ino()), bytes })
    }

    /// Whether `path` still leads here and nobody else changed the length.
    fn is_at(&self, path: &Path) -> bool {
        std::fs::metadata(path).is_ok_and(|metadata| {
            (metadata.dev(), metadata.ino()) == self.identity && metadata.len() == self.bytes
        })
    }

    /// Appends all of `lines` or, as far as that can be helped, nothing: they will be tried again.
    fn append(&mut self, lines: &[u8]) -> io::Result<()> {
        // Durable before it counts: a checkpoint may stand on it.
        let written = self.file.write_all(lines).and_then(|()| self.file.sync_data());
        if let Err(error) = written {
            _ = self.file.set_len(self.bytes);
            return Err(error);
        }
        self.bytes += lines.len() as u64;
        Ok(())
    }
}

/// Makes room at `path`: every file moves up by one, and what is more than `files_max` goes, counted in `removed_files`.
fn rotate(path: &Path, files_max: usize, removed_files: &mut u64) -> io::Result<()> {
    let mut shift = |from: &Path, number: u64| {
        if number < files_max as u64 {
            return std::fs::rename(from, rotated_name(path, number));
        }
        std::fs::remove_file(from)?;
        *removed_files += 1;
        Ok(())
    };
    for number in rotated_numbers(path)?.into_iter().rev() {
        shift(&rotated_name(path, number), number + 1)?;
    }
    shift(path, 1)
}

#[cfg(test)]
mod tests;
