//! What the payloads of journal records mean: from bytes to what the engine applies, and the settings back to bytes.
//!
//! A request is kept as it was received, behind a [`RequestHeader`]; a heartbeat has no payload; a configuration is the
//! JSON of its [`Settings`], every number to the last bit. Whether a request may come in was decided when it came, so the
//! limits here are not those of today's configuration: they are the largest that any configuration allows.

use std::sync::Arc;

use bellwether_engine::{RecordBody, RecordKind, Settings};
use bellwether_series::Timestamp;
use bellwether_wire::remote_write::{DecodeError, Limits, WriteRequest};

use crate::journal::{PAYLOAD_BYTES_MAX, PayloadError, RequestHeader, StoredRecord};
use crate::source::KafkaRecord;

/// Most bytes of a request once decompressed.
const DECODED_BYTES_MAX: usize = 1 << 30;
/// Most series of a request.
const SERIES_MAX: usize = 10_000_000;
/// Most samples of a request, and most messages of any kind.
const OBJECTS_MAX: usize = 100_000_000;

/// What a record of the journal says.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "one at a time, and most of them are requests")]
pub enum StoredBody {
    /// A request with samples.
    Request {
        /// Whose it is.
        tenant: Arc<str>,
        /// The record of a topic that it was; `None` when somebody sent it.
        record: Option<KafkaRecord>,
        /// What it brings.
        write: WriteRequest,
    },
    /// Nothing arrived for a while.
    Heartbeat,
    /// The configuration from here on.
    Configuration(Arc<Settings>),
}

impl StoredBody {
    /// The record of a topic that it was, if it was one.
    pub(crate) fn kafka(&self) -> Option<&KafkaRecord> {
        match self {
            Self::Request { record, .. } => record.as_ref(),
            Self::Heartbeat | Self::Configuration(_) => None,
        }
    }

    /// The configuration, if it is one.
    pub(crate) fn into_settings(self) -> Option<Arc<Settings>> {
        match self {
            Self::Configuration(settings) => Some(settings),
            Self::Request { .. } | Self::Heartbeat => None,
        }
    }

    /// The same for the engine.
    pub fn as_record_body(&self) -> RecordBody<'_> {
        match self {
            Self::Request { tenant, write, .. } => RecordBody::Request { tenant, write },
            Self::Heartbeat => RecordBody::Heartbeat,
            Self::Configuration(settings) => RecordBody::Configuration(Arc::clone(settings)),
        }
    }
}

/// Why the payload of a record means nothing to this program, although its checksum is right: another version wrote it,
/// or something else did. Name the record and go on; the same bytes fail again.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoredError {
    /// A later version has kinds that this one does not know.
    #[error("kind of record is unknown: kind=`{0}`")]
    UnknownKind(u8),
    /// What stands before the body of a request cannot be read.
    #[error("request has no valid header")]
    Header(#[from] PayloadError),
    /// The body of a request cannot be read.
    #[error("request has no valid body")]
    Body(#[from] DecodeError),
    /// A heartbeat with something in it.
    #[error("heartbeat is not empty: bytes=`{bytes}`")]
    NotEmpty {
        /// Bytes of its payload.
        bytes: usize,
    },
    /// These are no settings of this version.
    #[error("configuration is not valid")]
    Settings(#[from] serde_json::Error),
}

/// When `record` was received and what it says, whether it restates or not.
///
/// # Errors
/// Whatever [`StoredError`] lists.
pub fn decode(record: &StoredRecord) -> Result<(Timestamp, StoredBody), StoredError> {
    const REQUEST: u8 = RecordKind::Request as u8;
    const HEARTBEAT: u8 = RecordKind::Heartbeat as u8;
    const CONFIGURATION: u8 = RecordKind::Configuration as u8;
    let payload = record.payload.as_slice();
    let body = match record.kind {
        REQUEST => decode_request(payload)?,
        HEARTBEAT if payload.is_empty() => StoredBody::Heartbeat,
        HEARTBEAT => return Err(StoredError::NotEmpty { bytes: payload.len() }),
        CONFIGURATION => StoredBody::Configuration(decode_settings(payload)?),
        other => return Err(StoredError::UnknownKind(other)),
    };
    Ok((record.received_at, body))
}

/// Bounds on a request of the journal.
pub fn limits() -> Limits {
    Limits {
        body_bytes_max: PAYLOAD_BYTES_MAX,
        decoded_bytes_max: DECODED_BYTES_MAX,
        series_max: SERIES_MAX,
        samples_max: OBJECTS_MAX,
        objects_max: OBJECTS_MAX,
        ..Limits::default()
    }
}

fn decode_request(payload: &[u8]) -> Result<StoredBody, StoredError> {
    let (header, body) = RequestHeader::decode(payload)?;
    let write = match header.format.decode(body, &limits()) {
        // Earlier versions took it for a request that holds nothing, and its place in the order is that of one.
        Err(DecodeError::OtherVersion { .. }) => WriteRequest::default(),
        decoded => decoded?,
    };
    let record = KafkaRecord::parse(header.source);
    Ok(StoredBody::Request { tenant: header.tenant.into(), record, write })
}

/// The settings that [`encode_settings`] wrote.
///
/// # Errors
/// `Settings`.
pub fn decode_settings(payload: &[u8]) -> Result<Arc<Settings>, StoredError> {
    Ok(Arc::new(serde_json::from_slice(payload)?))
}

/// `settings` as the payload of a record of kind [`RecordKind::Configuration`]. A number that is not finite, which no valid
/// settings have, is refused when it is read.
#[expect(clippy::missing_panics_doc, reason = "only maps whose keys are no text fail")]
pub fn encode_settings(settings: &Settings) -> Vec<u8> {
    serde_json::to_vec(settings).expect("keys of settings are text")
}

#[cfg(test)]
mod tests {
    use bellwether_engine::Budget;
    use bellwether_series::LabelSet;
    use bellwether_wire::remote_write::{RawSample, WriteRequestBuilder, compress};
    use bellwether_wire::{Compression, Format, Message};
    use proptest::prelude::*;

    use super::*;

    const HEADER: RequestHeader<'static> =
        RequestHeader { format: Format::REMOTE_WRITE_1, tenant: "t", source: "10.0.0.1" };

    fn record(kind: RecordKind, payload: Vec<u8>) -> StoredRecord {
        let received_at = Timestamp::from_ms(7);
        StoredRecord { sequence: 1, kind: kind as u8, restated: false, received_at, payload }
    }

    /// A series of `count` samples, not compressed.
    fn body(count: usize) -> Vec<u8> {
        let labels = LabelSet::from_pairs([("__name__", "up")]).unwrap();
        let at = |index| Timestamp::from_ms(index as i64);
        let samples: Vec<_> =
            (0..count).map(|index| RawSample { timestamp: at(index), value: 1.5 }).collect();
        let mut builder = WriteRequestBuilder::default();
        builder.series(&labels, &samples);
        builder.encode()
    }

    /// The payload of a request with a series of `count` samples.
    fn payload(count: usize) -> Vec<u8> {
        let mut payload = Vec::new();
        HEADER.encode(&mut payload).unwrap();
        payload.extend(compress(&body(count)));
        payload
    }

    #[test]
    fn requests_heartbeats_and_configurations_come_back() {
        let (at, body) = decode(&record(RecordKind::Request, payload(3))).unwrap();
        let StoredBody::Request { tenant, record: None, write: request } = body else {
            panic!("{body:?}")
        };
        assert_eq!(&*tenant, "t");
        assert_eq!(at, Timestamp::from_ms(7));
        assert_eq!(request.series().map(|series| series.samples.len()).collect::<Vec<_>>(), [3]);

        let (_, body) = decode(&record(RecordKind::Heartbeat, Vec::new())).unwrap();
        assert!(matches!(body.as_record_body(), RecordBody::Heartbeat), "{body:?}");

        let settings = Settings { tenant: Arc::from("a \"b\""), ..Settings::default() };
        let bytes = encode_settings(&settings);
        let (_, body) = decode(&record(RecordKind::Configuration, bytes)).unwrap();
        let RecordBody::Configuration(read) = body.as_record_body() else { panic!("{body:?}") };
        assert_eq!(*read, settings);
    }

    #[test]
    fn a_request_is_read_in_the_format_in_which_it_came() {
        let plain = Format::new(Message::RemoteWrite1, Compression::None);
        for (format, body) in [(Format::REMOTE_WRITE_1, compress(&body(3))), (plain, body(3))] {
            let mut payload = Vec::new();
            RequestHeader { format, ..HEADER }.encode(&mut payload).unwrap();
            payload.extend(body);
            let (_, body) = decode(&record(RecordKind::Request, payload)).unwrap();
            let StoredBody::Request { write, .. } = body else { panic!("{body:?}") };
            assert_eq!(write.sample_count(), 3, "{format}");
        }
        let of_a_later_version = decode(&record(RecordKind::Request, vec![0xFF, 0, 0, 0, 0]));
        let error = of_a_later_version.unwrap_err();
        let StoredError::Header(error) = error else { panic!("{error:?}") };
        assert_eq!(error.to_string(), "format of the request's body is unknown: format=`255`");
    }

    #[test]
    fn a_request_of_another_version_that_was_taken_for_an_empty_one_is_that_for_ever() {
        let mut payload = Vec::new();
        HEADER.encode(&mut payload).unwrap();
        payload.extend(compress(b"\x22\x00\x2a\x00"));
        let (_, body) = decode(&record(RecordKind::Request, payload)).unwrap();
        let StoredBody::Request { write, .. } = body else { panic!("{body:?}") };
        assert_eq!(write.sample_count(), 0);
    }

    #[test]
    fn what_is_no_record_of_its_kind_is_refused() {
        use StoredError::{Body, Header, NotEmpty, Settings as NoSettings, UnknownKind};
        let fault = |kind, payload: &[u8]| decode(&record(kind, payload.to_owned())).unwrap_err();
        let request = payload(3);
        let body = request.len() - 1;
        assert!(matches!(fault(RecordKind::Control, b""), UnknownKind(4)));
        assert!(matches!(fault(RecordKind::Heartbeat, b"x"), NotEmpty { bytes: 1 }));
        assert!(matches!(fault(RecordKind::Request, b""), Header(_)));
        assert!(matches!(fault(RecordKind::Request, &request[..body]), Body(_)));
        assert!(matches!(fault(RecordKind::Configuration, br#"{"news": 1}"#), NoSettings(_)));
        let unknown = StoredRecord { kind: 99, ..record(RecordKind::Heartbeat, Vec::new()) };
        assert!(matches!(decode(&unknown), Err(UnknownKind(99))));
    }

    #[test]
    fn numbers_that_are_not_finite_are_refused_rather_than_changed() {
        let budget = Budget { per_day: f64::INFINITY, ..Budget::default() };
        let bytes = encode_settings(&Settings { budget, ..Settings::default() });
        let fault = decode(&record(RecordKind::Configuration, bytes)).unwrap_err();
        assert!(matches!(fault, StoredError::Settings(_)), "{fault:?}");
    }

    #[test]
    fn a_request_is_taken_that_the_default_limits_of_today_would_refuse() {
        let count = Limits::default().samples_max + 1;
        assert!(decode(&record(RecordKind::Request, payload(count))).is_ok());
    }

    proptest! {
        #[test]
        fn no_payload_panics(kind in 0..=u8::MAX, payload in proptest::collection::vec(any::<u8>(), 0..200)) {
            let record = StoredRecord { kind, ..record(RecordKind::Request, payload) };
            // Random bytes are hardly ever anything but an empty heartbeat or an empty request.
            match decode(&record) {
                Ok((at, body)) => {
                    prop_assert_eq!(at, record.received_at);
                    prop_assert!(matches!(body.as_record_body().kind() as u8, 1 | 2));
                }
                Err(error) => prop_assert!(!error.to_string().is_empty()),
            }
        }

        #[test]
        fn no_changed_byte_of_settings_panics(place in any::<prop::sample::Index>(), byte in any::<u8>()) {
            let mut bytes = encode_settings(&Settings::default());
            let place = place.index(bytes.len());
            bytes[place] = byte;
            if let Ok((_, StoredBody::Configuration(read))) =
                decode(&record(RecordKind::Configuration, bytes))
            {
                let again = decode(&record(RecordKind::Configuration, encode_settings(&read)));
                let Ok((_, StoredBody::Configuration(again))) = again else { panic!("{again:?}") };
                prop_assert_eq!(again, read);
            }
        }
    }
}
