//! Why a request was refused as a whole.

/// Why nothing of a request was taken. The same bytes will fail again: answer 400, never 5xx.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// The body is larger than allowed. The sender should split it, or the limit be raised.
    #[error("body is too large: bytes=`{bytes}`, limit_bytes=`{limit_bytes}`, part=`{part}`")]
    TooLarge {
        /// `compressed`, `decoded` or `labels`.
        part: &'static str,
        /// The size found or declared.
        bytes: usize,
        /// The limit that was passed.
        limit_bytes: usize,
    },
    /// The body is not in snappy's block format; a sender that frames or compresses differently.
    #[error("body is not in snappy block format")]
    NotSnappy {
        /// What the decompressor says.
        #[source]
        source: snap::Error,
    },
    /// The body is not gzip, or is damaged.
    #[error("body is not valid gzip: fault=`{fault}`")]
    NotGzip {
        /// What the decompressor says.
        fault: String,
    },
    /// The declared size cannot come out of so few bytes: a decompression bomb, or a corrupt body.
    #[error(
        "declared size is impossible: declared_bytes=`{declared_bytes}`, body_bytes=`{body_bytes}`"
    )]
    ImpossibleLength {
        /// Size that the body claims to have once decompressed.
        declared_bytes: usize,
        /// Size of the body as received.
        body_bytes: usize,
    },
    /// The decompressed body is not a protobuf message.
    #[error("body is not valid protobuf: offset=`{offset}`, fault=`{fault}`")]
    Malformed {
        /// Byte offset within the decompressed body.
        offset: usize,
        /// What is wrong there.
        fault: &'static str,
    },
    /// The body is of another version of remote write, and says nothing in the one that its content type or `format` names. Version
    /// 2 of the records of Grafana Mimir looks like 2.0.
    #[error("body is of remote write {is}, not of {expected}: offset=`{offset}`")]
    OtherVersion {
        /// The version that it is of.
        is: &'static str,
        /// The version in which it was read.
        expected: &'static str,
        /// Byte offset within the decompressed body of the first field that is none of this version.
        offset: usize,
    },
    /// The decompressed body is not JSON, where no part of it could be left out.
    #[error("body is not valid JSON: offset=`{offset}`, fault=`{fault}`")]
    NotJson {
        /// Byte offset within the decompressed body.
        offset: usize,
        /// What is wrong there.
        fault: &'static str,
    },
    /// The decompressed body is no stream of Arrow's IPC format, or its columns are not those of samples.
    #[error("body is not a valid Arrow IPC stream: offset=`{offset}`, fault=`{fault}`")]
    NotArrow {
        /// Byte offset within the decompressed body of the message that is at fault.
        offset: usize,
        /// What is wrong with it.
        fault: String,
    },
    /// More series, samples or messages than allowed. The sender should send smaller requests.
    #[error("request holds too many {what}: limit=`{limit}`, offset=`{offset}`")]
    TooManyObjects {
        /// `series`, `samples` or `messages`.
        what: &'static str,
        /// The limit that was passed.
        limit: usize,
        /// Byte offset within the decompressed body.
        offset: usize,
    },
}

impl DecodeError {
    /// One of a few fixed words, for the label of a metric: `too_large`, `snappy`, `gzip`, `protobuf`,
    /// `json`, `arrow` or `too_many_objects`.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::TooLarge { .. } => "too_large",
            Self::NotSnappy { .. } | Self::ImpossibleLength { .. } => "snappy",
            Self::NotGzip { .. } => "gzip",
            Self::Malformed { .. } | Self::OtherVersion { .. } => "protobuf",
            Self::NotJson { .. } => "json",
            Self::NotArrow { .. } => "arrow",
            Self::TooManyObjects { .. } => "too_many_objects",
        }
    }
}
