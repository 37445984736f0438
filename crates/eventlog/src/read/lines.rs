//! One file of JSON lines.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use bellwether_engine::Event;

use super::{ReadError, checked};

/// A longer line is not an event: labels, the largest part of one, are bounded far below it.
pub(super) const LINE_BYTES_MAX: u64 = 1 << 20;

/// A file of JSON lines.
pub(super) struct Lines {
    path: PathBuf,
    /// `None` behind the end, or behind a fault.
    file: Option<BufReader<File>>,
    line: u64,
}

impl Lines {
    pub(super) fn new(path: &Path, file: BufReader<File>) -> Self {
        Self { path: path.to_owned(), file: Some(file), line: 0 }
    }

    pub(super) fn next(&mut self) -> Option<Result<Event, ReadError>> {
        loop {
            let path = || self.path.clone();
            let file = self.file.as_mut()?;
            let (text, is_long) = match next_line(file) {
                Ok(line) => line,
                Err(source) => {
                    self.file = None;
                    return Some(Err(ReadError::Io { path: path(), source }));
                }
            };
            if text.is_empty() {
                self.file = None;
                return None;
            }
            self.line += 1;
            let line = self.line;
            if is_long {
                return Some(Err(ReadError::LongLine { path: path(), line }));
            }
            if text.trim_ascii().is_empty() {
                continue;
            }
            return Some(match serde_json::from_slice::<Event>(&text) {
                Ok(event) => checked(event, &self.path, line),
                Err(_) if !text.ends_with(b"\n") => Err(ReadError::TornLine { path: path(), line }),
                Err(source) => Err(ReadError::Line { path: path(), line, source }),
            });
        }
    }
}

/// The next line with its end, or its beginning and `true` if it is too long; empty at the end of the file.
fn next_line(file: &mut BufReader<File>) -> io::Result<(Vec<u8>, bool)> {
    let mut text = Vec::new();
    let is_cut = |text: &[u8]| text.len() as u64 == LINE_BYTES_MAX && !text.ends_with(b"\n");
    file.take(LINE_BYTES_MAX).read_until(b'\n', &mut text)?;
    let is_long = is_cut(&text);
    let mut rest = Vec::new();
    let mut is_more = is_long;
    while is_more {
        rest.clear();
        file.take(LINE_BYTES_MAX).read_until(b'\n', &mut rest)?;
        is_more = is_cut(&rest);
    }
    Ok((text, is_long))
}
