//! Verifies a checkpoint as a whole, then hands out its sections.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use bellwether_series::Timestamp;

use super::error::{CheckpointError, Damage};
use super::layout::{
    CHECKPOINT_VERSION, CHUNK_HEAD_BYTES, ChunkHead, FOOTER_BYTES, Footer, HEADER_BYTES, Header,
    Section, format_version,
};
use super::position::Position;
use crate::format::{CRC_BYTES, crc_seed, u32_at};
use crate::storage::{Storage, StorageRead};

/// A checkpoint that was verified from its first byte to its last. Its sections stay on disk until asked for.
pub struct Checkpoint {
    storage: Arc<dyn Storage>,
    path: String,
    header: Header,
    covered_below: u64,
    sections: BTreeMap<Section, Place>,
}

/// Where a section is in the file.
struct Place {
    position: Position,
    /// Where each of its chunks begins.
    chunks: Vec<u64>,
    bytes: u64,
}

/// Why a file was not opened as a checkpoint.
pub(super) enum Refused {
    Damaged(Damage),
    UnsupportedVersion(u32),
    UnknownSection(Section),
}

impl<E: Into<Damage>> From<E> for Refused {
    fn from(damage: E) -> Self {
        Self::Damaged(damage.into())
    }
}

impl Checkpoint {
    /// Its number; higher is newer.
    pub fn generation(&self) -> u64 {
        self.header.generation
    }

    /// When it was begun.
    pub fn created_at(&self) -> Timestamp {
        self.header.created_at
    }

    /// Records of the journal with a lower sequence are in every section; 0 when no section stands in a journal.
    pub fn covered_below(&self) -> u64 {
        self.covered_below
    }

    /// Its sections, in order, each with the position that it was made from and its length in bytes.
    pub fn sections(&self) -> impl Iterator<Item = (Section, &Position, u64)> {
        self.sections.iter().map(|(&section, place)| (section, &place.position, place.bytes))
    }

    /// The content of `section`; `None` when there is no such section.
    ///
    /// # Errors
    /// `Storage` or `Damaged`, when the file has become so since it was verified.
    pub fn read(&self, section: Section) -> Result<Option<Vec<u8>>, CheckpointError> {
        let Some(place) = self.sections.get(&section) else { return Ok(None) };
        let failed = |source| CheckpointError::Storage { file: self.path.clone(), source };
        let file = self.storage.open(&self.path).map_err(failed)?;
        let end = file.len().map_err(failed)?;
        let mut content = Vec::with_capacity(place.bytes as usize);
        let mut chunk = Chunk::default();
        for &offset in &place.chunks {
            chunk
                .read(&*file, self.header.generation, offset, end)
                .map_err(|source| CheckpointError::Damaged { file: self.path.clone(), source })?;
            content.extend_from_slice(chunk.payload());
        }
        Ok(Some(content))
    }

    /// The same, now called `path`.
    pub(super) fn at(self, path: String) -> Self {
        Self { path, ..self }
    }

    /// Verifies the checkpoint of that generation at `path`.
    pub(super) fn open(
        storage: Arc<dyn Storage>,
        path: &str,
        generation: u64,
    ) -> Result<Self, Refused> {
        let file = storage.open(path)?;
        let (header, footer) = read_ends(&*file, generation)?;
        let end = footer.file_bytes - FOOTER_BYTES as u64;
        let mut offset = HEADER_BYTES as u64;
        let mut crc = crc32c::crc32c(&header.encode());
        let mut chunk = Chunk::default();
        let (mut chunks, mut open) = (0_u32, None);
        let mut sections: BTreeMap<Section, Place> = BTreeMap::new();
        while offset < end {
            chunk.read(&*file, generation, offset, end)?;
            let (head, misplaced) = (chunk.head, Damage::Chunk { offset });
            let Some(head) = head.filter(|head| open.is_none_or(|open| open == head.section))
            else {
                return Err(misplaced.into());
            };
            if head.part == 0 {
                let position =
                    Position::decode(chunk.position()).ok_or(Damage::Chunk { offset })?;
                let place = Place { position, chunks: Vec::new(), bytes: 0 };
                if open.is_some() || sections.insert(head.section, place).is_some() {
                    return Err(misplaced.into());
                }
            }
            let place = sections.get_mut(&head.section).filter(|place| {
                place.chunks.len() == head.part as usize && (head.part == 0 || open.is_some())
            });
            let Some(place) = place else { return Err(misplaced.into()) };
            place.chunks.push(offset);
            place.bytes += head.payload_bytes as u64;
            open = (!head.last).then_some(head.section);
            crc = crc32c::crc32c_append(crc, &chunk.bytes);
            offset += chunk.bytes.len() as u64;
            chunks += 1;
        }
        if open.is_some() || chunks != footer.chunks || crc != footer.crc {
            return Err(Damage::Whole.into());
        }
        // Nothing is wrong with it, then.
        if let Some(unknown) = sections.keys().find(|section| !section.is_known()) {
            return Err(Refused::UnknownSection(*unknown));
        }
        let covered_below = footer.covered_below;
        Ok(Self { storage, path: path.to_owned(), header, covered_below, sections })
    }
}

/// Header and footer of a checkpoint, verified; its content is not.
pub(super) fn read_ends(
    file: &dyn StorageRead,
    generation: u64,
) -> Result<(Header, Footer), Refused> {
    let mut bytes = [0; HEADER_BYTES];
    let got = file.read_at(0, &mut bytes)?;
    if let Some(version) = format_version(&bytes[..got])
        && version != CHECKPOINT_VERSION
    {
        return Err(Refused::UnsupportedVersion(version));
    }
    let header = Header::decode(&bytes[..got]).filter(|header| header.generation == generation);
    let header = header.ok_or(Damage::Header)?;
    let length = file.len()?;
    let offset = length.checked_sub(FOOTER_BYTES as u64).ok_or(Damage::Footer)?;
    let mut bytes = [0; FOOTER_BYTES];
    let got = file.read_at(offset, &mut bytes)?;
    let footer = Footer::decode(generation, &bytes[..got])
        .filter(|footer| footer.file_bytes == length && offset >= HEADER_BYTES as u64);
    Ok((header, footer.ok_or(Damage::Footer)?))
}

/// One chunk in memory.
#[derive(Default)]
struct Chunk {
    bytes: Vec<u8>,
    head: Option<ChunkHead>,
}

impl Chunk {
    /// Reads and verifies the chunk at `offset` of a file whose chunks end at `end`.
    fn read(
        &mut self,
        file: &dyn StorageRead,
        generation: u64,
        offset: u64,
        end: u64,
    ) -> Result<(), Damage> {
        let damage = || Damage::Chunk { offset };
        let mut head_bytes = [0; CHUNK_HEAD_BYTES];
        let got = file.read_at(offset, &mut head_bytes)?;
        let head = ChunkHead::decode(&head_bytes[..got]).ok_or_else(damage)?;
        let length = CHUNK_HEAD_BYTES + head.position_bytes + head.payload_bytes + CRC_BYTES;
        if offset + length as u64 > end {
            return Err(damage());
        }
        self.bytes.resize(length, 0);
        if file.read_at(offset, &mut self.bytes)? < length {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
        // The head is among the bytes twice: the one that is used must be the one that verifies.
        let (signed, crc) = self.bytes.split_at(length - CRC_BYTES);
        let verifies = u32_at(crc, 0) == Some(crc32c::crc32c_append(crc_seed(generation), signed));
        if !verifies || signed[..CHUNK_HEAD_BYTES] != head_bytes {
            return Err(damage());
        }
        self.head = Some(head);
        Ok(())
    }

    fn position(&self) -> &[u8] {
        let bytes = self.head.map_or(0, |head| head.position_bytes);
        self.bytes.get(CHUNK_HEAD_BYTES..CHUNK_HEAD_BYTES + bytes).unwrap_or_default()
    }

    fn payload(&self) -> &[u8] {
        let from = CHUNK_HEAD_BYTES + self.head.map_or(0, |head| head.position_bytes);
        self.bytes.get(from..self.bytes.len().saturating_sub(CRC_BYTES)).unwrap_or_default()
    }
}
