//! A Parquet file that ends with an error. Where the header of a page claims a list of a billion numbers, the library takes the
//! end of the file for each of them.

use std::fs::File;
use std::io::{self, BufReader, ErrorKind, Read, Seek, SeekFrom};

use bytes::Bytes;
use parquet::errors::Result;
use parquet::file::reader::{ChunkReader, Length};

/// A file of which nobody reads on behind its end.
#[derive(Debug)]
pub struct BoundedFile(pub File);

/// Reads from some place in the file.
#[derive(Debug)]
pub struct BoundedRead(File);

impl Read for BoundedRead {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.0.read(buffer)? {
            0 if !buffer.is_empty() => Err(ErrorKind::UnexpectedEof.into()),
            read => Ok(read),
        }
    }
}

impl Length for BoundedFile {
    fn len(&self) -> u64 {
        self.0.len()
    }
}

impl ChunkReader for BoundedFile {
    type T = BufReader<BoundedRead>;

    fn get_read(&self, start: u64) -> Result<Self::T> {
        let mut file = self.0.try_clone()?;
        file.seek(SeekFrom::Start(start))?;
        Ok(BufReader::new(BoundedRead(file)))
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes> {
        self.0.get_bytes(start, length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_is_an_error_for_whoever_wants_more() {
        let path = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(&path, b"0123").expect("a file");
        let file = BoundedFile(File::open(&path).expect("a file"));
        assert_eq!((file.len(), &*file.get_bytes(1, 2).expect("bytes")), (4, &b"12"[..]));
        let mut reader = file.get_read(2).expect("a reader");
        let mut bytes = [0; 2];
        reader.read_exact(&mut bytes).expect("bytes");
        assert_eq!(&bytes, b"23");
        // As the library passes over what it does not know: without an error this is no byte, as often as it asks.
        let passed = io::copy(&mut reader.by_ref().take(8), &mut io::sink());
        assert_eq!(passed.expect_err("the end").kind(), ErrorKind::UnexpectedEof);
    }
}
