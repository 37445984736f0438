//! The names of a rotated set: `path` is the newest file, `path.1` the one before, and so on.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

/// `path.number`.
pub(crate) fn rotated_name(path: &Path, number: u64) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(format!(".{number}"));
    PathBuf::from(name)
}

/// The numbers of the rotated files of `path` that there are, newest file (smallest number) first.
pub(crate) fn rotated_numbers(path: &Path) -> io::Result<Vec<u64>> {
    let name = path.file_name().unwrap_or_default().as_encoded_bytes();
    let mut numbers = Vec::new();
    for entry in std::fs::read_dir(folder_of(path))? {
        numbers.extend(number_of(entry?.file_name().as_encoded_bytes(), name));
    }
    numbers.sort_unstable();
    Ok(numbers)
}

fn number_of(other: &[u8], name: &[u8]) -> Option<u64> {
    let digits = std::str::from_utf8(other.strip_prefix(name)?.strip_prefix(b".")?).ok()?;
    let number: u64 = digits.parse().ok()?;
    (number > 0 && number.to_string() == digits).then_some(number)
}

/// The folder that `path` is in.
pub(crate) fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}
