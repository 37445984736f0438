//! Writes a checkpoint, one section after the other, aside.

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;

use bellwether_series::Timestamp;

use super::error::CheckpointError;
use super::layout::{CHUNK_BYTES_MAX, ChunkHead, FOOTER_BYTES, Footer, Header, Section};
use super::position::Position;
use crate::format::crc_seed;
use crate::storage::{Storage, StorageFile};

/// What is written is made durable after so many bytes: were a whole checkpoint left to the end, the journal, on the same disk,
/// would wait for all of it.
const SYNC_EVERY_BYTES: u64 = 8 << 20;

/// A checkpoint that is being written. Dropped without being committed, it is gone.
pub struct Writer {
    storage: Arc<dyn Storage>,
    file: Box<dyn StorageFile>,
    draft: String,
    generation: u64,
    sections: BTreeSet<Section>,
    chunks: u32,
    bytes: u64,
    /// Of these, what is durable.
    synced_bytes: u64,
    crc: u32,
    covered_below: Option<u64>,
    renamed: bool,
}

impl Writer {
    pub(super) fn create(
        storage: Arc<dyn Storage>,
        draft: String,
        generation: u64,
        created_at: Timestamp,
    ) -> Result<Self, CheckpointError> {
        let file = storage.create(&draft).map_err(CheckpointError::storage(&draft))?;
        let mut writer = Self {
            storage,
            file,
            draft,
            generation,
            sections: BTreeSet::new(),
            chunks: 0,
            bytes: 0,
            synced_bytes: 0,
            crc: 0,
            covered_below: None,
            renamed: false,
        };
        writer.append(&Header { generation, created_at }.encode())?;
        Ok(writer)
    }

    /// Its number; higher is newer.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// Writes a section: `content`, made from the stream up to `position`. Each section once, in any order.
    ///
    /// # Errors
    /// `InvalidSection`, after which the others can still be written; `Storage`, after which nothing can.
    pub fn add(
        &mut self,
        section: Section,
        position: &Position,
        content: &[u8],
    ) -> Result<(), CheckpointError> {
        let encoded = position.encode().filter(|_| section.is_known());
        let Some(encoded) = encoded.filter(|_| self.sections.insert(section)) else {
            return Err(CheckpointError::InvalidSection(section));
        };
        let mut parts = content.chunks(CHUNK_BYTES_MAX).peekable();
        let mut part = 0;
        let mut first = Some(parts.next().unwrap_or_default());
        while let Some(payload) = first.take().or_else(|| parts.next()) {
            // A section says its position once, with its first chunk.
            let position = if part == 0 { &encoded[..] } else { &[] };
            let last = parts.peek().is_none();
            self.chunk(section, part, last, position, payload)?;
            part += 1;
        }
        if let Position::Journal { covered_below } = *position {
            let least = self.covered_below.unwrap_or(u64::MAX);
            self.covered_below = Some(covered_below.min(least));
        }
        Ok(())
    }

    pub(super) fn chunk(
        &mut self,
        section: Section,
        part: u32,
        last: bool,
        position: &[u8],
        payload: &[u8],
    ) -> Result<(), CheckpointError> {
        let (payload_bytes, position_bytes) = (payload.len(), position.len());
        let head = ChunkHead { payload_bytes, section, part, last, position_bytes };
        let front = [head.encode(), position.to_vec()].concat();
        let crc = crc32c::crc32c_append(crc_seed(self.generation), &front);
        let crc = crc32c::crc32c_append(crc, payload);
        self.append(&front)?;
        self.append(payload)?;
        self.append(&crc.to_le_bytes())?;
        self.chunks += 1;
        Ok(())
    }

    /// Writes the footer and makes everything durable, still under the name of a draft.
    pub(super) fn seal(&mut self) -> Result<(), CheckpointError> {
        let footer = Footer {
            chunks: self.chunks,
            file_bytes: self.bytes + FOOTER_BYTES as u64,
            covered_below: self.covered_below.unwrap_or(0),
            crc: self.crc,
        };
        self.append(&footer.encode(self.generation))?;
        self.file.sync_data().map_err(CheckpointError::storage(&self.draft))
    }

    pub(super) fn draft(&self) -> &str {
        &self.draft
    }

    /// Puts it in place.
    pub(super) fn rename(mut self, path: &str) -> Result<(), CheckpointError> {
        self.storage.rename(&self.draft, path).map_err(CheckpointError::storage(path))?;
        self.renamed = true;
        Ok(())
    }

    fn append(&mut self, bytes: &[u8]) -> Result<(), CheckpointError> {
        let written: io::Result<()> = self.file.append(bytes);
        written.map_err(CheckpointError::storage(&self.draft))?;
        self.crc = crc32c::crc32c_append(self.crc, bytes);
        self.bytes += bytes.len() as u64;
        if self.bytes - self.synced_bytes >= SYNC_EVERY_BYTES {
            self.file.sync_data().map_err(CheckpointError::storage(&self.draft))?;
            self.synced_bytes = self.bytes;
        }
        Ok(())
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        if !self.renamed {
            // Else the next start does it.
            _ = self.storage.remove(&self.draft);
        }
    }
}
