//! What the body of a request is written in.
//!
//! ```text
//! body as received ── Compression ──▶ message ── Message ──▶ WriteRequest
//! ```
//!
//! Whatever the format, what comes out is a [`WriteRequest`]: the same series has the same label bytes in each of them.

use std::fmt;

use crate::remote_write::{DecodeError, Limits, WriteRequest, v2};
use crate::{Compression, Precision, arrow, influx, json, otlp};

/// What a body says once it is decompressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Message {
    /// `prometheus.WriteRequest`, of remote write 1.0.
    RemoteWrite1,
    /// JSON records with `labels`, and one sample or several `samples`: an array, or one a line. Those of prometheus-kafka-adapter
    /// are of this kind.
    Json,
    /// Telegraf's JSON, with timestamps of this precision.
    Telegraf(Precision),
    /// `InfluxDB`'s line protocol, with timestamps of this precision.
    Influx(Precision),
    /// `ExportMetricsServiceRequest` of OpenTelemetry, in protobuf.
    Otlp,
    /// The same in JSON.
    OtlpJson,
    /// `io.prometheus.write.v2.Request`, of remote write 2.0.
    RemoteWrite2,
    /// A stream of Arrow's IPC format, with a row for each sample.
    Arrow,
}

impl Message {
    /// Every message, in the order of its number in the journal: new ones go to the end.
    pub const ALL: [Self; 14] = [
        Self::RemoteWrite1,
        Self::Json,
        Self::Telegraf(Precision::Nanoseconds),
        Self::Telegraf(Precision::Microseconds),
        Self::Telegraf(Precision::Milliseconds),
        Self::Telegraf(Precision::Seconds),
        Self::Influx(Precision::Nanoseconds),
        Self::Influx(Precision::Microseconds),
        Self::Influx(Precision::Milliseconds),
        Self::Influx(Precision::Seconds),
        Self::Otlp,
        Self::OtlpJson,
        Self::RemoteWrite2,
        Self::Arrow,
    ];

    /// Its name, for people.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::RemoteWrite1 => "remote write 1.0",
            Self::Json => "JSON",
            Self::Telegraf(_) => "Telegraf's JSON",
            Self::Influx(_) => "InfluxDB line protocol",
            Self::Otlp => "OTLP",
            Self::OtlpJson => "OTLP in JSON",
            Self::RemoteWrite2 => "remote write 2.0",
            Self::Arrow => "Arrow IPC",
        }
    }
}

/// How the body of a request is written: its message, and how that is compressed.
///
/// ```
/// use bellwether_wire::remote_write::Limits;
/// use bellwether_wire::{Compression, Format, Message};
///
/// let format = Format::new(Message::RemoteWrite1, Compression::None);
/// let request = format.decode(b"", &Limits::default())?;
/// assert_eq!(request.series_count(), 0);
/// assert_eq!(Format::from_number(format.number()), Some(format));
/// # Ok::<(), bellwether_wire::remote_write::DecodeError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Format {
    /// What the body says.
    pub message: Message,
    /// How it is compressed.
    pub compression: Compression,
}

impl Format {
    /// What Prometheus sends unless it is told otherwise.
    pub const REMOTE_WRITE_1: Self = Self::new(Message::RemoteWrite1, Compression::Snappy);
    /// What it sends when it is told to write 2.0.
    pub const REMOTE_WRITE_2: Self = Self::new(Message::RemoteWrite2, Compression::Snappy);

    /// `message`, compressed like this. Any message may be compressed in any way.
    pub const fn new(message: Message, compression: Compression) -> Self {
        Self { message, compression }
    }

    /// The number under which the journal files bodies of this format: the compression is in the two low bits, the message in
    /// the six others, each by its place in `ALL`.
    pub fn number(self) -> u8 {
        let place = |found: Option<usize>| found.unwrap_or_default() as u8;
        place(Message::ALL.iter().position(|&message| message == self.message)) << 2
            | place(Compression::ALL.iter().position(|&each| each == self.compression))
    }

    /// The format with this [`Self::number`]; `None` if there is none, or not yet.
    pub fn from_number(number: u8) -> Option<Self> {
        let message = *Message::ALL.get(usize::from(number >> 2))?;
        let compression = *Compression::ALL.get(usize::from(number & 3))?;
        Some(Self { message, compression })
    }

    /// Decodes `body`, which is as it was received.
    ///
    /// # Errors
    /// When nothing of it can be taken. Parts that cannot are named by the request, next to the rest.
    pub fn decode(self, body: &[u8], limits: &Limits) -> Result<WriteRequest, DecodeError> {
        let body = self.compression.decompress(body, limits)?;
        match self.message {
            Message::RemoteWrite1 => WriteRequest::decode(body.into_owned(), limits),
            Message::Json => json::decode_series(&body, limits),
            Message::Telegraf(precision) => json::decode_telegraf(&body, precision, limits),
            Message::Influx(precision) => influx::decode(&body, precision, limits),
            Message::Otlp => otlp::decode_protobuf(&body, limits),
            Message::OtlpJson => otlp::decode_json(&body, limits),
            Message::RemoteWrite2 => v2::decode(&body, limits),
            Message::Arrow => arrow::decode(&body, limits),
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.message.as_str())?;
        match self.compression {
            Compression::None => Ok(()),
            compression => write!(f, ", {}", compression.as_str()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::remote_write::compress;

    fn all() -> impl Iterator<Item = Format> {
        let formats =
            |message| Compression::ALL.map(|compression| Format::new(message, compression));
        Message::ALL.into_iter().flat_map(formats)
    }

    #[test]
    fn every_format_has_a_number_of_its_own_and_comes_back_from_it() {
        let numbers: BTreeSet<u8> = all().map(Format::number).collect();
        assert_eq!(numbers.len(), all().count());
        assert!(all().all(|format| Format::from_number(format.number()) == Some(format)));
        for number in 0..=u8::MAX {
            let known = Format::from_number(number).map(Format::number);
            assert!(known.is_none_or(|known| known == number), "{number}");
            assert_eq!(known.is_some(), numbers.contains(&number), "{number}");
        }
    }

    /// Journals hold these numbers: whoever changes one makes them unreadable.
    #[test]
    fn numbers_are_those_of_the_journal() {
        let number = |message, compression| Format::new(message, compression).number();
        assert_eq!(number(Message::RemoteWrite1, Compression::None), 0);
        assert_eq!(number(Message::RemoteWrite1, Compression::Snappy), 1);
        assert_eq!(number(Message::RemoteWrite1, Compression::Gzip), 2);
        let plain = Message::ALL.map(|message| number(message, Compression::None) >> 2);
        assert_eq!(plain.to_vec(), (0..14).collect::<Vec<_>>());
        assert_eq!(number(Message::Json, Compression::None), 4);
        assert_eq!(number(Message::Telegraf(Precision::Seconds), Compression::None), 20);
        assert_eq!(number(Message::Influx(Precision::Nanoseconds), Compression::Gzip), 26);
        assert_eq!(number(Message::Otlp, Compression::Gzip), 42);
        assert_eq!(number(Message::OtlpJson, Compression::None), 44);
        assert_eq!(number(Message::RemoteWrite2, Compression::Snappy), 49);
        assert_eq!(number(Message::Arrow, Compression::None), 52);
    }

    #[test]
    fn a_body_is_read_in_its_own_format_only() {
        let body =
            b"\x0a\x1d\x0a\x0e\x0a\x08__name__\x12\x02up\x12\x0b\x09\0\0\0\0\0\0\xf0\x3f\x10\x01";
        let plain = Format::new(Message::RemoteWrite1, Compression::None);
        let compressed = compress(body);
        let limits = Limits::default();
        for (format, body) in [(plain, &body[..]), (Format::REMOTE_WRITE_1, &compressed)] {
            assert_eq!(format.decode(body, &limits).unwrap().sample_count(), 1, "{format}");
        }
        assert!(plain.decode(&compressed, &limits).is_err());
        assert!(Format::REMOTE_WRITE_1.decode(body, &limits).is_err());
        assert_eq!(Format::REMOTE_WRITE_1.to_string(), "remote write 1.0, snappy");
        assert_eq!(plain.to_string(), "remote write 1.0");
    }
}
