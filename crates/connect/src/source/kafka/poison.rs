//! Records that will never be a request, and why.

use bellwether_wire::remote_write::DecodeError;

/// Why a record is poison. Indexes [`super::SourceFigures::poison`].
pub const POISON_REASONS: [&str; 5] = ["no_value", "too_large", "headers", "tenant", "undecodable"];

/// Why a record will never be a request.
#[derive(Debug, thiserror::Error)]
pub(super) enum Poison {
    #[error("record has no value")]
    NoValue,
    #[error("value is too large: bytes=`{bytes}`, bytes_max=`{bytes_max}`")]
    TooLarge { bytes: usize, bytes_max: usize },
    #[error("name of a header is not UTF-8")]
    Headers,
    #[error("{0}")]
    Tenant(&'static str),
    /// Version 2 of what Grafana Mimir writes, which looks like remote write 2.0, has a table of symbols that nobody else knows.
    #[error("version of Grafana Mimir's records is not read: version=`{0}`")]
    Version(u32),
    #[error(transparent)]
    Undecodable(#[from] DecodeError),
}

impl Poison {
    /// Its place in [`POISON_REASONS`].
    pub(super) fn index(&self) -> usize {
        match self {
            Self::NoValue => 0,
            Self::TooLarge { .. } => 1,
            Self::Headers => 2,
            Self::Tenant(_) => 3,
            Self::Version(_) | Self::Undecodable(_) => 4,
        }
    }

    /// Its reason, one of [`POISON_REASONS`].
    pub(super) fn reason(&self) -> &'static str {
        POISON_REASONS[self.index()]
    }
}
