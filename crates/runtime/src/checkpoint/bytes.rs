//! A checkpoint as bytes in memory, for whoever keeps it as one object: in the same format as the file.

use std::io::{self, ErrorKind};
use std::sync::Arc;

use bellwether_series::Timestamp;
use parking_lot::Mutex;

use super::error::CheckpointError;
use super::error_of;
use super::layout::Section;
use super::position::Position;
use super::reader::Checkpoint;
use super::writer::Writer;
use crate::storage::{FileEntry, Space, Storage, StorageFile, StorageRead};

/// What the only file is called.
const NAME: &str = "checkpoint";

/// The checkpoint `generation` with these sections, all made from the stream up to `position`. It has been verified as it will
/// be when it is read.
///
/// # Errors
/// `InvalidSection` when a section is there twice or the position is too long, `Damaged` when memory is.
pub(crate) fn encode(
    generation: u64,
    created_at: Timestamp,
    position: &Position,
    sections: &[(Section, &[u8])],
) -> Result<Vec<u8>, CheckpointError> {
    let memory = Memory::default();
    let storage = Arc::new(memory.clone());
    let mut writer = Writer::create(storage, NAME.to_owned(), generation, created_at)?;
    for (section, content) in sections {
        writer.add(*section, position, content)?;
    }
    writer.seal()?;
    open(memory.clone(), generation)?;
    drop(writer);
    let bytes = std::mem::take(&mut *memory.0.lock());
    Ok(bytes)
}

/// The checkpoint `generation` that `bytes` are, verified as a whole.
///
/// # Errors
/// `Damaged` or `UnsupportedVersion`.
pub(crate) fn decode(bytes: Vec<u8>, generation: u64) -> Result<Checkpoint, CheckpointError> {
    open(Memory(Arc::new(Mutex::new(bytes))), generation)
}

fn open(memory: Memory, generation: u64) -> Result<Checkpoint, CheckpointError> {
    Checkpoint::open(Arc::new(memory), NAME, generation)
        .map_err(|refused| error_of(NAME.to_owned(), refused))
}

/// A storage of one file. Clones are the same.
#[derive(Clone, Default)]
struct Memory(Arc<Mutex<Vec<u8>>>);

impl Storage for Memory {
    fn list(&self, _: &str) -> io::Result<Vec<FileEntry>> {
        Err(ErrorKind::Unsupported.into())
    }

    fn open(&self, _: &str) -> io::Result<Box<dyn StorageRead>> {
        Ok(Box::new(self.clone()))
    }

    fn create(&self, _: &str) -> io::Result<Box<dyn StorageFile>> {
        Ok(Box::new(self.clone()))
    }

    fn rename(&self, _: &str, _: &str) -> io::Result<()> {
        Err(ErrorKind::Unsupported.into())
    }

    /// What was written is taken out by whoever wrote it.
    fn remove(&self, _: &str) -> io::Result<()> {
        Ok(())
    }

    fn sync_file(&self, _: &str) -> io::Result<()> {
        Ok(())
    }

    fn sync_folder(&self, _: &str) -> io::Result<()> {
        Ok(())
    }

    fn space(&self) -> io::Result<Space> {
        Err(ErrorKind::Unsupported.into())
    }
}

impl StorageFile for Memory {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.lock().extend_from_slice(bytes);
        Ok(())
    }

    fn sync_data(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl StorageRead for Memory {
    fn len(&self) -> io::Result<u64> {
        Ok(self.0.lock().len() as u64)
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let content = self.0.lock();
        let from = usize::try_from(offset).unwrap_or(usize::MAX).min(content.len());
        let bytes = buffer.len().min(content.len() - from);
        buffer[..bytes].copy_from_slice(&content[from..from + bytes]);
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_encoded_is_read_and_nothing_that_was_changed_is() {
        let position = Position::Kafka(Vec::new());
        let at = Timestamp::from_ms(7);
        let sections = [(Section::Cell, &b"state"[..]), (Section::Alerts, b"")];
        let bytes = encode(3, at, &position, &sections).unwrap();
        let checkpoint = decode(bytes.clone(), 3).unwrap();
        assert_eq!(checkpoint.read(Section::Cell).unwrap().as_deref(), Some(&b"state"[..]));
        assert_eq!(checkpoint.read(Section::Alerts).unwrap().as_deref(), Some(&b""[..]));
        assert!(decode(bytes.clone(), 4).is_err(), "of another generation");
        for place in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[place] ^= 1;
            assert!(decode(damaged, 3).is_err(), "byte {place}");
            assert!(decode(bytes[..place].to_vec(), 3).is_err(), "cut at {place}");
        }
    }
}
