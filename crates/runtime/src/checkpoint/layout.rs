//! The fixed parts of a checkpoint's file.
//!
//! ```text
//! header  stamp (magic `BWCHKPNT`, version 1) · generation u64 · created at i64 ms · CRC u32
//! chunk   payload length u32 · kind u8 · number u16 · part u32 · last u8 · position length u32
//!         · position · payload · CRC u32
//! footer  magic `BWCHKEND` · chunks u32 · file length u64 · covered below u64 · CRC of all before the footer u32
//!         · CRC of the footer u32
//! ```
//!
//! All checksums are CRC-32C; those of chunks and the footer begin with the generation.

use bellwether_engine::PARTITIONS;
use bellwether_series::Timestamp;

use crate::format::{CRC_BYTES, Fields, STAMP_BYTES, crc_seed, stamp, u32_at, version_of};

/// Version of the format that is written, and the only one that is read.
pub const CHECKPOINT_VERSION: u32 = 1;
const MAGIC: [u8; 8] = *b"BWCHKPNT";
const FOOTER_MAGIC: [u8; 8] = *b"BWCHKEND";
pub(super) const HEADER_BYTES: usize = STAMP_BYTES + 16 + CRC_BYTES;
pub(super) const FOOTER_BYTES: usize = 36;
pub(super) const CHUNK_HEAD_BYTES: usize = 16;
/// Longest payload of a chunk in bytes.
pub(super) const CHUNK_BYTES_MAX: usize = 4 << 20;

/// What a section of a checkpoint is the state of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Section {
    /// The intake: what is known of every series before it is routed.
    Intake,
    /// One partition of the engine, 0 to 63.
    Partition(u16),
    /// The collector: what the daily cap has let through.
    Collector,
    /// The configuration in force, as text.
    Configuration,
    /// What sinks were told and had not delivered.
    Deliveries,
    /// How far each partition of each Kafka topic was taken, after the same record as the intake.
    Offsets,
    /// All of the engine of one partition of a topic.
    Cell,
    /// The alerts that fire in it, and what was told of them.
    Alerts,
    /// What this version does not know: a later one wrote it.
    Unknown {
        /// The number of its kind.
        kind: u8,
        /// Its number among those of its kind.
        number: u16,
    },
}

impl Section {
    fn encode(self) -> (u8, u16) {
        match self {
            Self::Intake => (1, 0),
            Self::Partition(number) => (2, number),
            Self::Collector => (3, 0),
            Self::Configuration => (4, 0),
            Self::Deliveries => (5, 0),
            Self::Offsets => (6, 0),
            Self::Cell => (7, 0),
            Self::Alerts => (8, 0),
            Self::Unknown { kind, number } => (kind, number),
        }
    }

    fn decode(kind: u8, number: u16) -> Self {
        match (kind, number) {
            (1, 0) => Self::Intake,
            (2, number) if usize::from(number) < PARTITIONS => Self::Partition(number),
            (3, 0) => Self::Collector,
            (4, 0) => Self::Configuration,
            (5, 0) => Self::Deliveries,
            (6, 0) => Self::Offsets,
            (7, 0) => Self::Cell,
            (8, 0) => Self::Alerts,
            _ => Self::Unknown { kind, number },
        }
    }

    /// Whether it is one of this version's.
    pub(super) fn is_known(self) -> bool {
        let (kind, number) = self.encode();
        !matches!(Self::decode(kind, number), Self::Unknown { .. })
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) generation: u64,
    pub(super) created_at: Timestamp,
}

impl Header {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut bytes = stamp(MAGIC, CHECKPOINT_VERSION).to_vec();
        bytes.extend_from_slice(&self.generation.to_le_bytes());
        bytes.extend_from_slice(&self.created_at.as_ms().to_le_bytes());
        bytes.extend_from_slice(&crc32c::crc32c(&bytes).to_le_bytes());
        bytes
    }

    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let (signed, crc) = bytes.split_at_checked(HEADER_BYTES - CRC_BYTES)?;
        let mut fields = Fields(&signed[STAMP_BYTES..]);
        let header =
            Self { generation: fields.u64()?, created_at: Timestamp::from_ms(fields.i64()?) };
        let whole = format_version(bytes).is_some() && u32_at(crc, 0)? == crc32c::crc32c(signed);
        whole.then_some(header)
    }
}

/// The format version that a checkpoint's file says it has.
pub(super) fn format_version(bytes: &[u8]) -> Option<u32> {
    version_of(MAGIC, bytes)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ChunkHead {
    pub(super) payload_bytes: usize,
    pub(super) section: Section,
    /// Chunks of the section before this one.
    pub(super) part: u32,
    /// Whether the section ends with it.
    pub(super) last: bool,
    pub(super) position_bytes: usize,
}

impl ChunkHead {
    pub(super) fn encode(&self) -> Vec<u8> {
        let (kind, number) = self.section.encode();
        let mut bytes = (self.payload_bytes as u32).to_le_bytes().to_vec();
        bytes.push(kind);
        bytes.extend_from_slice(&number.to_le_bytes());
        bytes.extend_from_slice(&self.part.to_le_bytes());
        bytes.push(u8::from(self.last));
        bytes.extend_from_slice(&(self.position_bytes as u32).to_le_bytes());
        bytes
    }

    /// The head that `bytes` begin with, within the format's limits. It is not verified until its chunk is.
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let mut fields = Fields(bytes);
        let head = Self {
            payload_bytes: fields.u32()? as usize,
            section: Section::decode(fields.u8()?, fields.u16()?),
            part: fields.u32()?,
            last: match fields.u8()? {
                0 => false,
                1 => true,
                _ => return None,
            },
            position_bytes: fields.u32()? as usize,
        };
        let fits = head.payload_bytes <= CHUNK_BYTES_MAX
            && head.position_bytes <= super::POSITION_BYTES_MAX;
        fits.then_some(head)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Footer {
    pub(super) chunks: u32,
    pub(super) file_bytes: u64,
    pub(super) covered_below: u64,
    pub(super) crc: u32,
}

impl Footer {
    pub(super) fn encode(&self, generation: u64) -> Vec<u8> {
        let mut bytes = FOOTER_MAGIC.to_vec();
        bytes.extend_from_slice(&self.chunks.to_le_bytes());
        bytes.extend_from_slice(&self.file_bytes.to_le_bytes());
        bytes.extend_from_slice(&self.covered_below.to_le_bytes());
        bytes.extend_from_slice(&self.crc.to_le_bytes());
        let crc = crc32c::crc32c_append(crc_seed(generation), &bytes);
        bytes.extend_from_slice(&crc.to_le_bytes());
        bytes
    }

    pub(super) fn decode(generation: u64, bytes: &[u8]) -> Option<Self> {
        let (signed, crc) = bytes.split_at_checked(FOOTER_BYTES - CRC_BYTES)?;
        let mut fields = Fields(signed);
        let magic = fields.bytes(FOOTER_MAGIC.len())?;
        let footer = Self {
            chunks: fields.u32()?,
            file_bytes: fields.u64()?,
            covered_below: fields.u64()?,
            crc: fields.u32()?,
        };
        let whole = magic == FOOTER_MAGIC
            && u32_at(crc, 0)? == crc32c::crc32c_append(crc_seed(generation), signed);
        whole.then_some(footer)
    }
}
