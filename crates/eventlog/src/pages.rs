//! What the pages of a Parquet file claim, before they are read: the library makes room for as much as they claim to be once they
//! are decompressed, whatever the file has.

use std::collections::BTreeMap;
use std::io::{self, BufReader, Read, Seek, SeekFrom};

use parquet::basic::Compression;
use parquet::file::metadata::{ColumnChunkMetaData, RowGroupMetaData};

/// Bytes that pages which are in memory at once may have: of each column that is read the largest of each kind.
const BYTES_MAX: u64 = 1 << 30;
/// Levels of structs and lists within the header of a page.
const DEPTH_MAX: usize = 8;

/// Why pages are not read.
#[derive(Debug, thiserror::Error)]
pub enum PageError {
    /// There is no room for what they claim to be together.
    #[error("its pages want {bytes} bytes at once, and {BYTES_MAX} is the most")]
    TooLarge {
        /// Largest pages of all columns, decompressed.
        bytes: u64,
    },
    /// So many bytes cannot be what others become when they are decompressed.
    #[error("a page of {compressed} bytes cannot have {decompressed}: offset=`{offset}`")]
    Impossible {
        /// Where its header is in the file.
        offset: u64,
        /// Bytes that it has.
        compressed: u64,
        /// Bytes that it claims to become.
        decompressed: u64,
    },
    /// The file cannot be read.
    #[error(transparent)]
    Unreadable(#[from] io::Error),
}

/// Looks at the headers of all pages in `groups` of the `columns` that are read, by their numbers among all leaves.
///
/// # Errors
/// When they claim more than there is room for, or than their bytes can hold. What is no header ends its column: what that means is
/// for the library to say.
///
/// # Panics
/// When the metadata are damaged so that a column has no place in the file; whoever holds panics of the library holds this one.
pub fn check(
    file: impl Read + Seek,
    groups: &[RowGroupMetaData],
    columns: impl Fn(usize) -> bool,
) -> Result<(), PageError> {
    let mut file = BufReader::new(file);
    for group in groups {
        let mut bytes = 0_u64;
        for (_, column) in group.columns().iter().enumerate().filter(|(index, _)| columns(*index)) {
            bytes = bytes.saturating_add(largest(&mut file, column)?);
        }
        if bytes > BYTES_MAX {
            return Err(PageError::TooLarge { bytes });
        }
    }
    Ok(())
}

/// Bytes of the largest page of each kind, together.
fn largest<F: Read + Seek>(
    file: &mut BufReader<F>,
    column: &ColumnChunkMetaData,
) -> Result<u64, PageError> {
    let (mut offset, bytes) = column.byte_range();
    let end = offset.saturating_add(bytes);
    let ratio = ratio_max(column.compression());
    let mut largest = BTreeMap::new();
    while offset < end {
        file.seek(SeekFrom::Start(offset))?;
        let mut header = Thrift { bytes: &mut *file, read: 0 };
        let Some(Page { kind, compressed, decompressed }) = header.page() else { break };
        if ratio.is_some_and(|ratio| decompressed / ratio > compressed) {
            return Err(PageError::Impossible { offset, compressed, decompressed });
        }
        let page = largest.entry(kind).or_insert(0);
        *page = decompressed.max(*page);
        offset = offset.saturating_add(header.read).saturating_add(compressed);
    }
    Ok(largest.into_values().fold(0, u64::saturating_add))
}

/// How many times as long bytes can be once they are decompressed; `None` if nothing is kept of what a header says of that.
fn ratio_max(compression: Compression) -> Option<u64> {
    match compression {
        // Copies of 64 bytes, of three bytes each.
        Compression::SNAPPY => Some(22),
        // Each byte of a length is 255 more.
        Compression::LZ4 | Compression::LZ4_RAW => Some(256),
        // Of blocks of 128 KiB, of four bytes each.
        Compression::ZSTD(_) => Some(1 << 15),
        // They are decompressed to the end, in pieces.
        Compression::GZIP(_) | Compression::BROTLI(_) => Some(1 << 11),
        Compression::UNCOMPRESSED | Compression::LZO => None,
    }
}

/// What the header of a page says.
struct Page {
    kind: u64,
    compressed: u64,
    decompressed: u64,
}

/// Reads Thrift's compact protocol, in which these headers are written; `None` where bytes are none of it.
struct Thrift<R> {
    bytes: R,
    read: u64,
}

impl<R: Read> Thrift<R> {
    fn page(&mut self) -> Option<Page> {
        let (mut field, mut found) = (0, [None; 4]);
        while let kind @ 1.. = self.field(&mut field)? {
            match found.get_mut(usize::try_from(field).ok()?) {
                Some(found) => *found = Some(u64::try_from(self.signed()?).ok()?),
                None => self.skip(kind, 0)?,
            }
        }
        let [_, kind, decompressed, compressed] = found;
        Some(Page { kind: kind?, compressed: compressed?, decompressed: decompressed? })
    }

    /// The kind of the next field of a struct, 0 behind the last one; its number takes the place of `last`.
    fn field(&mut self, last: &mut i64) -> Option<u8> {
        let head = self.byte()?;
        let (step, kind) = (head >> 4, head & 0x0f);
        if kind == 0 {
            return Some(0);
        }
        *last = if step == 0 { self.signed()? } else { last.checked_add(i64::from(step))? };
        Some(kind)
    }

    fn skip(&mut self, kind: u8, depth: usize) -> Option<()> {
        if depth > DEPTH_MAX {
            return None;
        }
        match kind {
            1 | 2 => {}
            3 => _ = self.byte()?,
            4..=6 => _ = self.unsigned()?,
            7 => self.pass(8)?,
            8 => {
                let length = self.unsigned()?;
                self.pass(length)?;
            }
            9 | 10 => {
                let head = self.byte()?;
                let count = if head >> 4 == 15 { self.unsigned()? } else { u64::from(head >> 4) };
                for _ in 0..count {
                    // A truth in a list is a byte.
                    let kind = if matches!(head & 0x0f, 1 | 2) { 3 } else { head & 0x0f };
                    self.skip(kind, depth + 1)?;
                }
            }
            12 => {
                let mut field = 0;
                while let kind @ 1.. = self.field(&mut field)? {
                    self.skip(kind, depth + 1)?;
                }
            }
            _ => return None,
        }
        Some(())
    }

    fn signed(&mut self) -> Option<i64> {
        let number = self.unsigned()?;
        Some((number >> 1).cast_signed() ^ -(number & 1).cast_signed())
    }

    fn unsigned(&mut self) -> Option<u64> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }

    fn byte(&mut self) -> Option<u8> {
        let mut byte = [0];
        self.bytes.read_exact(&mut byte).ok()?;
        self.read += 1;
        Some(byte[0])
    }

    fn pass(&mut self, count: u64) -> Option<()> {
        let passed =
            std::io::copy(&mut self.bytes.by_ref().take(count), &mut std::io::sink()).ok()?;
        self.read += passed;
        (passed == count).then_some(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;
    use std::sync::Arc;

    use bellwether_series::put_varint;
    use parquet::basic::{Type, ZstdLevel};
    use parquet::schema::types::{SchemaDescriptor, Type as Column};

    use super::*;

    /// The header of a page, with a field that only says something to others.
    fn header(kind: u64, compressed: u64, decompressed: u64) -> Vec<u8> {
        let mut bytes = Vec::new();
        for number in [kind, decompressed, compressed] {
            bytes.push(0x15);
            put_varint(&mut bytes, number * 2);
        }
        bytes.extend([0x2c, 0x15, 0, 0x18, 2, b'a', b'b', 0x19, 0x21, 1, 2, 0, 0]);
        bytes
    }

    /// Checks a file of one column, of pages of `compressed` bytes each.
    fn check_pages(compression: Compression, pages: &[(u64, u64, u64)]) -> Result<(), String> {
        let mut file = Vec::new();
        for &(kind, compressed, decompressed) in pages {
            file.extend(header(kind, compressed, decompressed));
            file.resize(file.len() + compressed as usize, 0xff);
        }
        check_file(compression, file)
    }

    /// Checks a file that is all one column.
    fn check_file(compression: Compression, file: Vec<u8>) -> Result<(), String> {
        let column = Column::primitive_type_builder("value", Type::DOUBLE).build().expect("a type");
        let group = Column::group_type_builder("schema").with_fields(vec![Arc::new(column)]);
        let schema = SchemaDescriptor::new(Arc::new(group.build().expect("a type")));
        let schema = Arc::new(schema);
        let column = ColumnChunkMetaData::builder(schema.column(0))
            .set_compression(compression)
            .set_total_compressed_size(file.len() as i64)
            .build()
            .expect("a column");
        let group = RowGroupMetaData::builder(schema).set_column_metadata(vec![column]);
        let groups = [group.build().expect("a row group")];
        check(Cursor::new(file), &groups, |_| true).map_err(|error| error.to_string())
    }

    #[test]
    fn pages_may_claim_what_their_bytes_can_hold_and_what_there_is_room_for() {
        let (zstd, half) = (Compression::ZSTD(ZstdLevel::default()), BYTES_MAX / 2);
        for (compression, pages) in [
            (Compression::SNAPPY, vec![(2, 100, 2_199), (0, 100, 200)]),
            (Compression::UNCOMPRESSED, vec![(0, 10, 1 << 30)]),
            (zstd, vec![(2, 100_000, half), (0, 100_000, half), (0, 10, 20), (0, 100_000, half)]),
        ] {
            assert_eq!(check_pages(compression, &pages), Ok(()), "{pages:?}");
        }
        for (compression, pages, words) in [
            (
                Compression::SNAPPY,
                vec![(0, 10, 20), (0, 100, 2_300)],
                "a page of 100 bytes cannot have 2300",
            ),
            (Compression::LZ4_RAW, vec![(0, 10, 1 << 30)], "cannot have 1073741824"),
            (zstd, vec![(2, 100_000, half), (0, 100_000, half + 1)], "at once"),
            (
                Compression::UNCOMPRESSED,
                [0, 1, 2, 3, 4].map(|kind| (kind, 9, i64::MAX as u64 / 2)).to_vec(),
                "at once",
            ),
        ] {
            let error = check_pages(compression, &pages).expect_err("a claim");
            assert!(error.contains(words), "{error}");
        }
    }

    #[test]
    fn what_is_no_header_is_left_to_the_library() {
        assert_eq!(check_pages(Compression::SNAPPY, &[]), Ok(()));
        let whole = header(0, 0, 0);
        let thrift = |bytes| Thrift { bytes, read: 0 };
        let mut header = thrift(&*whole);
        assert!(header.page().is_some());
        assert_eq!(header.read, whole.len() as u64);
        // Structs within structs, for ever.
        assert!(thrift(&[0x1c; 100][..]).page().is_none());
        for cut in 0..whole.len() {
            assert!(thrift(&whole[..cut]).page().is_none(), "{cut}");
        }
    }
}
