//! Bodies made to break a receiver.

use bellwether_series::{LabelLimits, LabelSet};
use bellwether_wire::remote_write::{DecodeError, Limits, WriteRequest, compress, decompress};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use prost::Message;

use crate::proto;

fn receive(compressed: &[u8]) -> Result<WriteRequest, DecodeError> {
    let limits = Limits::default();
    WriteRequest::decode(decompress(compressed, &limits)?, &limits)
}

fn decode(body: &[u8]) -> Result<WriteRequest, DecodeError> {
    WriteRequest::decode(body.to_vec(), &Limits::default())
}

/// Looks at everything a request gives out.
fn walk(request: &WriteRequest) {
    let samples: usize = request.series().map(|series| series.samples.len()).sum();
    assert_eq!(samples, request.sample_count());
    assert_eq!(request.series().count(), request.series_count());
    for series in request.series() {
        assert!(!series.samples.is_empty());
        _ = LabelSet::from_wire(series.labels, &LabelLimits::default());
    }
    assert!(request.metadata().count() <= request.body_bytes());
    assert!(request.invalid_histograms().messages().len() <= 3);
}

#[test]
fn the_published_47_byte_bomb_is_refused() {
    let bomb = b"\x97\xea\xb4\x89\x0a\x17\x0a\x15\x0a\x08__name__\x12\x0btest_metric\x12\x10\x09\
        \0\0\0\0\0\0\xf0\x3f\x10\xd4\x8f\xc9\xb2\xa3\x33";
    assert_eq!(snap::raw::decompress_len(bomb), Ok(2_704_094_487));
    let no_cap = Limits { decoded_bytes_max: usize::MAX, ..Limits::default() };
    assert_eq!(receive(bomb).unwrap_err().reason(), "too_large");
    let impossible = decompress(bomb, &no_cap).unwrap_err();
    assert!(matches!(impossible, DecodeError::ImpossibleLength { .. }), "{impossible}");
}

#[test]
fn millions_of_empty_messages_are_refused() {
    for message in [b"\x0a\x00", b"\x1a\x00"] {
        let compressed = compress(&message.repeat(16_000_000));
        assert!(compressed.len() < 1_700_000);
        assert_eq!(receive(&compressed).unwrap_err().reason(), "too_many_objects");
    }
    let nested: [&[u8]; 6] = [
        b"\x0a\x00",         // labels
        b"\x12\x00",         // samples
        b"\x1a\x02\x0a\x00", // exemplars with a label
        b"\x22\x00",         // histograms
        b"\x22\x02\x42\x00", // histograms with a span
        b"\x22\x02\x5a\x00",
    ];
    for message in nested {
        let messages = message.repeat(1_100_000);
        let series = [b"\x0a".to_vec(), varint(messages.len()), messages].concat();
        assert_eq!(decode(&series).unwrap_err().reason(), "too_many_objects", "{message:x?}");
    }
}

fn varint(value: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    bellwether_series::put_varint(&mut bytes, value as u64);
    bytes
}

#[test]
fn a_megabyte_of_buckets_costs_no_memory_and_is_invalid() {
    let deltas = [b"\x62".to_vec(), varint(1 << 20), vec![2; 1 << 20]].concat();
    let histogram = [b"\x22".to_vec(), varint(deltas.len()), deltas].concat();
    let series = [b"\x0a".to_vec(), varint(histogram.len()), histogram].concat();
    let request = decode(&series).unwrap();
    assert_eq!((request.histogram_count(), request.invalid_histograms().count()), (0, 1));
}

#[test]
fn a_body_of_another_protocol_version_is_refused_and_not_taken_for_an_empty_one() {
    let version_2 = b"\x22\x00\x22\x08__name__\x22\x02up\x2a\x04\x0a\x02\x01\x02";
    let error = decode(version_2).unwrap_err();
    assert_eq!((error.reason(), error.to_string().contains("2.0")), ("protobuf", true));
}

/// A body is cut at the end of a top-level field, or it is an error.
fn cut_everywhere(sent: &proto::WriteRequest) {
    let body = sent.encode_to_vec();
    let mut prefixes = vec![0];
    for count in 1..=sent.timeseries.len() {
        let timeseries = sent.timeseries[..count].to_vec();
        prefixes.push(proto::WriteRequest { timeseries, metadata: vec![] }.encoded_len());
    }
    for count in 1..=sent.metadata.len() {
        let (timeseries, metadata) = (sent.timeseries.clone(), sent.metadata[..count].to_vec());
        prefixes.push(proto::WriteRequest { timeseries, metadata }.encoded_len());
    }
    for end in 0..=body.len() {
        match decode(&body[..end]) {
            Ok(request) => {
                assert!(prefixes.contains(&end), "cut at {end} of {}", body.len());
                walk(&request);
            }
            Err(_) => assert!(!prefixes.contains(&end), "whole fields up to {end} are refused"),
        }
        let compressed = compress(&body);
        if end < compressed.len() {
            assert!(receive(&compressed[..end]).is_err(), "snappy cut at {end}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_body_cut_anywhere_is_an_error_or_a_prefix(sent in proto::any_request()) {
        cut_everywhere(&sent);
    }
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in vec(any::<u8>(), 0..300)) {
        for request in [receive(&bytes), decode(&bytes)].into_iter().flatten() {
            walk(&request);
        }
    }

    /// Bytes that look like fields get deeper than arbitrary ones.
    #[test]
    fn arbitrary_fields_never_panic(
        fields in vec((prop::sample::select(b"\x08\x09\x0a\x0d\x10\x11\x12\x1a\x22\x42\x5a\x62".to_vec()), 0..40_u8), 0..60)
    ) {
        let bytes: Vec<u8> = fields.into_iter().flat_map(|(tag, len)| [tag, len]).collect();
        if let Ok(request) = decode(&bytes) {
            walk(&request);
        }
    }

    #[test]
    fn a_valid_body_with_bytes_changed_never_panics(
        sent in proto::any_request(),
        changes in vec((any::<Index>(), any::<u8>()), 1..5),
    ) {
        let mut body = sent.encode_to_vec();
        for (at, byte) in changes {
            if !body.is_empty() {
                let at = at.index(body.len());
                body[at] = byte;
            }
        }
        if let Ok(request) = decode(&body) {
            walk(&request);
        }
    }
}
