//! Where history comes from, and a reader for it: files by their first bytes, and what somebody else can read.

use std::ffi::OsStr;
use std::fmt;
use std::fs::{self, File};
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::SystemTime;

use flate2::read::MultiGzDecoder;

use super::catalog::Catalog;
use super::csv::CsvReader;
use super::error::HistoryError;
use super::ipc::open_ipc;
use super::json::JsonReader;
use super::layout::Mapping;
use super::parquet::open_parquet;
use super::read::HistoryReader;

/// Bytes of a file that are looked at to find out what it is.
const LOOKED_AT_BYTES: u64 = 64 * 1024;

/// What a file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum InputKind {
    /// Text with a header line and a row a line, plain or gzip.
    Csv,
    /// A JSON object a line, plain or gzip.
    JsonLines,
    /// A Parquet file.
    Parquet,
    /// An Arrow IPC file, also called Feather.
    ArrowFile,
    /// An Arrow IPC stream.
    ArrowStream,
    /// A server, which a [`HistorySource`] asks.
    Server,
}

impl fmt::Display for InputKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Csv => "CSV",
            Self::JsonLines => "JSON lines",
            Self::Parquet => "Parquet",
            Self::ArrowFile => "Arrow IPC file",
            Self::ArrowStream => "Arrow IPC stream",
            Self::Server => "server",
        })
    }
}

/// History that is in no file. Whoever knows where it is implements this, so that nothing here needs a socket.
pub trait HistorySource: fmt::Debug + Send + Sync {
    /// What is read, on one line without secrets: other history has another one.
    fn identity(&self) -> String;

    /// A reader from its beginning, which need not wait for anything once `stop` is true, and a line for the user that says how
    /// it is read.
    ///
    /// # Errors
    /// When it cannot be read.
    fn open<'a>(
        &'a self,
        catalog: &Arc<Catalog>,
        stop: &'a AtomicBool,
    ) -> Result<(Box<dyn HistoryReader + 'a>, String), HistoryError>;
}

/// A file with history, or a [`HistorySource`].
#[derive(Debug, Clone)]
pub struct Input {
    /// Where it is: a path, or what people call it.
    pub path: PathBuf,
    /// What it holds.
    pub kind: InputKind,
    /// Its size, in bytes or in whatever its reader counts.
    pub size_bytes: u64,
    content: Content,
}

#[derive(Debug, Clone)]
enum Content {
    File { is_gzip: bool, modified: Option<SystemTime> },
    Elsewhere(Arc<dyn HistorySource>),
}

impl Input {
    /// The files that `paths` name: themselves, or the files in a folder by name, hidden ones left out.
    ///
    /// # Errors
    /// When something cannot be read, or a folder is empty.
    pub fn find(paths: &[PathBuf]) -> Result<Vec<Self>, HistoryError> {
        let mut all = Vec::new();
        for path in paths {
            if path.is_dir() {
                let files = files_in(path)?;
                if files.is_empty() {
                    return Err(HistoryError::EmptyFolder { path: path.clone() });
                }
                for file in files {
                    all.push(Self::look_at(&file)?);
                }
            } else {
                all.push(Self::look_at(path)?);
            }
        }
        Ok(all)
    }

    /// The file at `path`.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn look_at(path: &Path) -> Result<Self, HistoryError> {
        let refused = || HistoryError::file(path);
        let of_text = || |what| HistoryError::NotHistory { path: path.to_owned(), what };
        let file = File::open(path).map_err(refused())?;
        let metadata = file.metadata().map_err(refused())?;
        let size_bytes = metadata.len();
        let mut start = Vec::new();
        file.take(LOOKED_AT_BYTES).read_to_end(&mut start).map_err(refused())?;
        let is_gzip = start.starts_with(&[0x1f, 0x8b]);
        let kind = if is_gzip {
            let mut text = Vec::new();
            // The last bytes are cut off, which is an error only if there are no others.
            let read = MultiGzDecoder::new(&*start).take(LOOKED_AT_BYTES).read_to_end(&mut text);
            if text.is_empty() {
                read.map_err(refused())?;
            }
            text_kind(&text).map_err(of_text())?
        } else if start.starts_with(b"PAR1") {
            InputKind::Parquet
        } else if start.starts_with(b"ARROW1") {
            InputKind::ArrowFile
        } else if start.starts_with(&[0xff; 4]) {
            InputKind::ArrowStream
        } else {
            text_kind(&start).map_err(of_text())?
        };
        let content = Content::File { is_gzip, modified: metadata.modified().ok() };
        Ok(Self { path: path.to_owned(), kind, size_bytes, content })
    }

    /// A server that `source` asks, and how much there is to read, in whatever its reader counts.
    pub fn server(name: &str, size: u64, source: Arc<dyn HistorySource>) -> Self {
        Self {
            path: name.into(),
            kind: InputKind::Server,
            size_bytes: size,
            content: Content::Elsewhere(source),
        }
    }

    /// Who reads it, if it is in no file.
    pub(super) fn source(&self) -> Option<&Arc<dyn HistorySource>> {
        match &self.content {
            Content::File { .. } => None,
            Content::Elsewhere(source) => Some(source),
        }
    }

    /// The same under another name.
    pub(super) fn at(&self, path: &Path) -> Self {
        Self { path: path.to_owned(), ..self.clone() }
    }

    /// What is read, on one line: of a file that was changed it is another one.
    pub fn identity(&self) -> String {
        let (name, bytes) = (self.path.display(), self.size_bytes);
        match &self.content {
            Content::File { modified, .. } => {
                let since = modified.and_then(|at| at.duration_since(SystemTime::UNIX_EPOCH).ok());
                let modified_ms = since.map_or(0, |since| since.as_millis());
                format!("{name}, {bytes} bytes, modified_ms {modified_ms}")
            }
            Content::Elsewhere(source) => format!("{name}, {}", source.identity()),
        }
    }

    /// Whether it is a file in `folder`.
    pub(super) fn is_in(&self, folder: &Path) -> bool {
        let Content::File { .. } = self.content else { return false };
        let own = self.path.parent().filter(|folder| !folder.as_os_str().is_empty());
        let same = fs::canonicalize(own.unwrap_or(Path::new("."))).ok();
        same.is_some() && same == fs::canonicalize(folder).ok()
    }

    /// A reader, and what it decided about columns.
    ///
    /// # Errors
    /// When the file cannot be read or its columns mean nothing.
    pub fn open<'a>(
        &'a self,
        mapping: &Mapping,
        catalog: &Arc<Catalog>,
        stop: &'a AtomicBool,
    ) -> Result<(Box<dyn HistoryReader + 'a>, String), HistoryError> {
        let is_gzip = match &self.content {
            Content::File { is_gzip, .. } => *is_gzip,
            Content::Elsewhere(source) => return source.open(catalog, stop),
        };
        let source = Source::new(self, is_gzip);
        let catalog = Arc::clone(catalog);
        Ok(match self.kind {
            InputKind::Csv => {
                let reader = CsvReader::open(source, mapping, catalog)?;
                let note = reader.note().to_owned();
                (Box::new(reader), note)
            }
            InputKind::JsonLines => {
                (Box::new(JsonReader::open(source, mapping.time_unit, catalog)?), String::new())
            }
            InputKind::Parquet => open_parquet(source, mapping, catalog)?,
            InputKind::ArrowFile | InputKind::ArrowStream | InputKind::Server => {
                open_ipc(source, self.kind, mapping, catalog)?
            }
        })
    }
}

/// What a text is that begins with `start`, or what it is instead of history.
fn text_kind(start: &[u8]) -> Result<InputKind, &'static str> {
    let is_utf_16 = start.starts_with(&[0xff, 0xfe]) || start.starts_with(&[0xfe, 0xff]);
    let start = start.strip_prefix(b"\xef\xbb\xbf").unwrap_or(start).trim_ascii_start();
    match start.first() {
        _ if is_utf_16 => Err("it is in UTF-16, not in UTF-8"),
        None => Err("it is empty"),
        Some(b'{') => Ok(InputKind::JsonLines),
        Some(b'[') => Err("it is a JSON array, not an object a line"),
        Some(_) if start.iter().take(512).any(|&byte| byte == 0) => {
            Err("it is neither text nor of a format that is known")
        }
        Some(_) => Ok(InputKind::Csv),
    }
}

fn files_in(folder: &Path) -> Result<Vec<PathBuf>, HistoryError> {
    let refused = || HistoryError::file(folder);
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).map_err(refused())? {
        let path = entry.map_err(refused())?.path();
        let is_hidden =
            path.file_name().is_none_or(|name| name.as_encoded_bytes().starts_with(b"."));
        if !is_hidden && path.is_file() {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// Where a reader gets its bytes.
#[derive(Debug)]
pub(super) struct Source {
    pub(super) path: PathBuf,
    /// The file's name up to its first dot.
    pub(super) stem: String,
    pub(super) size_bytes: u64,
    is_gzip: bool,
    done_bytes: Arc<AtomicU64>,
}

impl Source {
    fn new(input: &Input, is_gzip: bool) -> Self {
        let name = input.path.file_name().unwrap_or(OsStr::new("history")).to_string_lossy();
        let stem = name.split('.').next().filter(|stem| !stem.is_empty()).unwrap_or("history");
        Self {
            path: input.path.clone(),
            stem: stem.to_owned(),
            size_bytes: input.size_bytes,
            is_gzip,
            done_bytes: Arc::default(),
        }
    }

    pub(super) fn file(&self) -> Result<File, HistoryError> {
        File::open(&self.path).map_err(HistoryError::file(&self.path))
    }

    /// The bytes as they are, counted as they are read.
    pub(super) fn counted(&self) -> Result<BufReader<Counted>, HistoryError> {
        let counted = Counted { file: self.file()?, done_bytes: Arc::clone(&self.done_bytes) };
        Ok(BufReader::with_capacity(1 << 16, counted))
    }

    /// The text, decompressed.
    pub(super) fn text(&self) -> Result<Box<dyn Read + Send>, HistoryError> {
        let plain = self.counted()?;
        Ok(if self.is_gzip { Box::new(MultiGzDecoder::new(plain)) } else { Box::new(plain) })
    }

    /// The text, and what is between the cells of its first line.
    pub(super) fn with_delimiter(&self) -> Result<(Box<dyn Read + Send>, u8), HistoryError> {
        let mut start = Vec::new();
        let mut text = self.text()?;
        let read = text.by_ref().take(LOOKED_AT_BYTES).read_to_end(&mut start);
        read.map_err(HistoryError::file(&self.path))?;
        let line = start.split(|&byte| byte == b'\n').next().unwrap_or_default();
        let count = |delimiter: u8| line.split(|&byte| byte == delimiter).count();
        // The first of those that are equally many.
        let delimiter =
            b",;\t".iter().rev().copied().max_by_key(|&each| count(each)).unwrap_or(b',');
        Ok((Box::new(std::io::Cursor::new(start).chain(text)), delimiter))
    }

    pub(super) fn done_bytes(&self) -> u64 {
        self.done_bytes.load(Ordering::Relaxed)
    }
}

/// Counts what is read of a file.
pub(super) struct Counted {
    file: File,
    done_bytes: Arc<AtomicU64>,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.file.read(buffer)?;
        self.done_bytes.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}

impl Seek for Counted {
    fn seek(&mut self, to: SeekFrom) -> std::io::Result<u64> {
        self.file.seek(to)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_history_is_told_by_its_first_bytes() {
        for (text, word) in [
            (&b""[..], "empty"),
            (b" \n", "empty"),
            (b"[{\"metric\": \"up\"}]", "array"),
            (b"\xff\xfet\0i\0", "UTF-16"),
            (b"\x7fELF\0\0", "neither text"),
        ] {
            let what = text_kind(text).unwrap_err();
            assert!(what.contains(word), "{text:?}: {what}");
        }
        assert_eq!(text_kind(b"\xef\xbb\xbf\n{"), Ok(InputKind::JsonLines));
        assert_eq!(text_kind(b"time,value\n"), Ok(InputKind::Csv));
    }
}
