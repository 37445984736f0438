//! A segment's file.
//!
//! ```text
//! header  stamp (magic `BWCOLDST`, version 1) · number u64 · CRC u32
//! state   length u32 · partition u8 · number u64 · CRC of these u32 · payload · CRC of all of these u32
//! ```
//!
//! All checksums are CRC-32C; those of states begin with the number of the segment.

use super::{ColdError, Key};
use crate::format::{
    CRC_BYTES, Fields, STAMP_BYTES, crc_seed, number_in, stamp, u32_at, version_of,
};
use crate::storage::{Storage, Window, path_in};

/// Version of the format that is written, and the only one that is read.
pub const COLD_VERSION: u32 = 1;
const MAGIC: [u8; 8] = *b"BWCOLDST";
const SUFFIX: &str = ".cold";
pub(super) const HEADER_BYTES: usize = STAMP_BYTES + 8 + CRC_BYTES;
const HEAD_BYTES: usize = 4 + 1 + 8 + CRC_BYTES;

/// Where the segment with that number is.
pub(super) fn path(folder: &str, number: u64) -> String {
    path_in(folder, &format!("{number:020}{SUFFIX}"))
}

pub(super) fn header(number: u64) -> Vec<u8> {
    let mut bytes = stamp(MAGIC, COLD_VERSION).to_vec();
    bytes.extend_from_slice(&number.to_le_bytes());
    bytes.extend_from_slice(&crc32c::crc32c(&bytes).to_le_bytes());
    bytes
}

/// Appends a state to `out`.
pub(super) fn append(out: &mut Vec<u8>, segment: u64, (partition, number): Key, state: &[u8]) {
    let begin = out.len();
    out.extend_from_slice(&(state.len() as u32).to_le_bytes());
    out.push(partition);
    out.extend_from_slice(&number.to_le_bytes());
    let crc = crc32c::crc32c_append(crc_seed(segment), &out[begin..]);
    out.extend_from_slice(&crc.to_le_bytes());
    out.extend_from_slice(state);
    let crc = crc32c::crc32c_append(crc_seed(segment), &out[begin..]);
    out.extend_from_slice(&crc.to_le_bytes());
}

/// Whose state begins with `head`, and how long it is; `None` if none does.
fn head(segment: u64, head: &[u8]) -> Option<(Key, u32)> {
    let (signed, crc) = head.get(..HEAD_BYTES)?.split_at(HEAD_BYTES - CRC_BYTES);
    if u32_at(crc, 0)? != crc32c::crc32c_append(crc_seed(segment), signed) {
        return None;
    }
    let mut fields = Fields(signed);
    let (bytes, partition, number) = (fields.u32()?, fields.u8()?, fields.u64()?);
    Some(((partition, number), bytes))
}

/// The segments in `folder`, by number, with their lengths in bytes.
pub(super) fn list(storage: &dyn Storage, folder: &str) -> Result<Vec<(u64, u64)>, ColdError> {
    let failed = |source| ColdError::Storage { file: folder.to_owned(), source };
    let files = storage.list(folder).map_err(failed)?;
    let mut all: Vec<_> = files
        .iter()
        .filter_map(|file| Some((number_in(&file.name, SUFFIX)?, file.bytes)))
        .collect();
    all.sort_unstable();
    Ok(all)
}

/// Tells `found` of each state in a segment, with its offset and length: up to the end, or to what is no state, because a
/// crash or a failure ended the segment there.
pub(super) fn scan(
    storage: &dyn Storage,
    folder: &str,
    number: u64,
    mut found: impl FnMut(Key, u64, u32),
) -> Result<(), ColdError> {
    let file = path(folder, number);
    let failed = |source| ColdError::Storage { file: file.clone(), source };
    let mut window = Window::new(storage.open(&file).map_err(failed)?);
    let first = window.get(0, HEADER_BYTES).map_err(failed)?;
    match version_of(MAGIC, first) {
        Some(COLD_VERSION) => {}
        Some(version) => return Err(ColdError::UnsupportedVersion { file, version }),
        None => return Ok(()),
    }
    if first != header(number) {
        return Ok(());
    }
    let (mut offset, end) = (HEADER_BYTES as u64, window.len().map_err(failed)?);
    while let Some((key, bytes)) = head(number, window.get(offset, HEAD_BYTES).map_err(failed)?) {
        let next = offset + (HEAD_BYTES + CRC_BYTES) as u64 + u64::from(bytes);
        if next > end {
            break;
        }
        found(key, offset, bytes);
        offset = next;
    }
    Ok(())
}

/// The state at `offset`, which must be that of `key` and so long.
pub(super) fn read(
    storage: &dyn Storage,
    folder: &str,
    number: u64,
    offset: u64,
    (key, bytes): (Key, u32),
) -> Result<Vec<u8>, ColdError> {
    let file = path(folder, number);
    let mut whole = vec![0; HEAD_BYTES + bytes as usize + CRC_BYTES];
    let got = storage.open(&file).and_then(|open| open.read_at(offset, &mut whole));
    let got = got.map_err(|source| ColdError::Storage { file: file.clone(), source })?;
    let (signed, crc) = whole.split_at(whole.len() - CRC_BYTES);
    let is_whole = got == whole.len()
        && head(number, signed) == Some((key, bytes))
        && u32_at(crc, 0) == Some(crc32c::crc32c_append(crc_seed(number), signed));
    if !is_whole {
        return Err(ColdError::Damaged { file, offset });
    }
    whole.truncate(whole.len() - CRC_BYTES);
    whole.drain(..HEAD_BYTES);
    Ok(whole)
}
