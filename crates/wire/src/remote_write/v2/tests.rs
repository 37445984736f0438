//! Requests of 2.0, and what becomes of series that cannot be taken.

use bellwether_series::{LabelLimits, LabelSet};

use super::*;
use crate::Format;
use crate::remote_write::decompress;

/// `up{job="j"} 1` at 1700000000000, a gauge with help and a start: the vector of the conformance notes, compressed.
const UP: &str = "4af049220022085f5f6e616d655f5f2202757022036a6f6222016a220968656c7020746578742a250a0401020304\
    121709000000000000f03f1080d095ffbc311898c895ffbc312a0408021805";

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    let byte = |pair: &[u8]| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.chunks(2).map(byte).collect()
}

fn field(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut field = vec![tag];
    bellwether_series::put_varint(&mut field, content.len() as u64);
    field.extend_from_slice(content);
    field
}

fn symbols(symbols: &[&str]) -> Vec<u8> {
    symbols.iter().flat_map(|symbol| field(0x22, symbol.as_bytes())).collect()
}

/// A series with these references, one sample and `more`.
fn series(refs: &[u8], more: &[u8]) -> Vec<u8> {
    let sample = field(0x12, b"\x09\0\0\0\0\0\0\xf0\x3f\x10\x07");
    field(0x2A, &[field(0x0A, refs), sample, more.to_vec()].concat())
}

const TABLE: [&str; 5] = ["", "__name__", "up", "job", "j"];

fn decode_all(parts: &[&[u8]]) -> WriteRequest {
    decode(&parts.concat(), &Limits::default()).unwrap()
}

fn shown(request: &WriteRequest) -> Vec<(String, usize)> {
    let text = |labels| LabelSet::from_wire(labels, &LabelLimits::default()).unwrap().to_string();
    request.series().map(|series| (text(series.labels), series.samples.len())).collect()
}

#[test]
fn a_request_of_prometheus_is_the_same_as_in_1_0() {
    let request = Format::REMOTE_WRITE_2.decode(&hex(UP), &Limits::default()).unwrap();
    let labels = LabelSet::from_pairs([("__name__", "up"), ("job", "j")]).unwrap();
    let all: Vec<_> = request.series().collect();
    assert_eq!((all.len(), all[0].labels), (1, labels.as_wire()));
    let sample = all[0].samples[0];
    assert_eq!(
        (sample.timestamp.as_ms(), sample.value.to_bits()),
        (1_700_000_000_000, 1.0_f64.to_bits())
    );
    let metadata: Vec<_> = request.metadata().map(|of| (of.family, of.kind)).collect();
    assert_eq!(metadata, [("up", MetricType::Gauge)]);
    assert!(request.invalid_points().is_empty());
}

#[test]
fn symbols_may_come_last_and_references_one_by_one() {
    let first = series(&[3, 4, 1, 2], b"");
    let one_by_one = field(0x2A, b"\x08\x01\x08\x02\x08\x03\x08\x04\x12\x02\x10\x07");
    let request = decode_all(&[&first, &one_by_one, &symbols(&TABLE)]);
    assert_eq!(shown(&request), [(r#"up{job="j"}"#.to_owned(), 2)]);
}

#[test]
fn a_bad_series_is_named_and_the_rest_is_taken() {
    let good = series(&[1, 2], b"");
    let metadata = |of: &[u8]| field(0x2A, of);
    for (bad, fault) in [
        (series(&[1, 2, 3], b""), ODD),
        (series(&[1, 5], b""), NO_SYMBOL),
        (series(&[3, 4], b""), "series has no metric name"),
        (series(&[], b""), "series has no metric name"),
        (series(&[1, 0], b""), "series has no metric name"),
        (series(&[1, 2], &metadata(b"\x18\x09")), NO_SYMBOL),
        (series(&[1, 2], &metadata(b"\x20\x09")), NO_SYMBOL),
        (field(0x2A, &field(0x0A, &[1, 2])), "series has neither samples nor histograms"),
    ] {
        let request = decode_all(&[&symbols(&TABLE), &good, &bad, &good]);
        assert_eq!(shown(&request), [("up".to_owned(), 2)], "{fault}");
        let offset = symbols(&TABLE).len() + good.len() + 2;
        let message = format!("series is invalid: offset=`{offset}`, fault=`{fault}`");
        assert_eq!(request.invalid_points().messages(), [message]);
    }
}

#[test]
fn histograms_and_exemplars_of_series_that_are_taken_are_counted() {
    let valid = field(0x1A, b"");
    let request = decode_all(&[
        &symbols(&TABLE),
        &field(0x2A, &[field(0x0A, &[1, 2]), valid.clone()].concat()),
    ]);
    assert_eq!((request.histogram_count(), request.sample_count()), (1, 0));
    let contradicts = field(0x1A, b"\x08\x63");
    let exemplars =
        [field(0x22, &field(0x0A, &[3, 4])), field(0x22, b""), field(0x22, &field(0x0A, &[3]))];
    let more = [contradicts, valid, exemplars.concat()].concat();
    let request = decode_all(&[&symbols(&TABLE), &series(&[1, 2], &more), &series(&[3, 4], &more)]);
    assert_eq!((request.histogram_count(), request.exemplar_count()), (1, 2));
    assert_eq!((request.invalid_histograms().count(), request.invalid_exemplars().count()), (2, 2));
    let long = "x".repeat(129);
    let table = symbols(&["", "__name__", "up", &long, "\u{e9}"]);
    for (refs, is_valid) in [([3, 0], false), ([4, 0], true)] {
        let exemplar = field(0x22, &field(0x0A, &refs));
        let request = decode_all(&[&table, &series(&[1, 2], &exemplar)]);
        assert_eq!(request.exemplar_count() == 1, is_valid);
        assert_eq!(request.invalid_exemplars().is_empty(), is_valid);
    }
}

#[test]
fn families_of_histograms_and_summaries_are_named_without_suffix() {
    for (name, kind, family) in [
        ("x_bucket", MetricType::Histogram, Some("x")),
        ("x_count", MetricType::Summary, Some("x")),
        ("x_bucket", MetricType::Summary, Some("x_bucket")),
        ("x_total", MetricType::Counter, Some("x_total")),
        ("x_count", MetricType::Gauge, Some("x_count")),
        ("x", MetricType::Unknown, None),
    ] {
        assert_eq!(family_of(name.as_bytes(), kind), family, "{name}");
    }
}

#[test]
fn a_long_symbol_that_is_meant_often_costs_no_memory() {
    let long = "x".repeat(LABEL_TEXT_BYTES_MAX / 2);
    let table = symbols(&["", "__name__", "up", &long]);
    let refs = [&[1, 2][..], &[3; 1000]].concat();
    let request = decode_all(&[&table, &series(&refs, b"")]);
    assert_eq!(request.sample_count(), 0);
    assert!(request.invalid_points().messages()[0].contains("labels are too long"));
    // Within that bound for each series, all together are bounded.
    let all = [series(&[1, 2, 2, 3], b""), series(&[1, 2, 3, 2], b"")].concat().repeat(100);
    let error = decode(&[table, all].concat(), &Limits::default()).unwrap_err();
    assert!(matches!(error, DecodeError::TooLarge { part: "labels", .. }), "{error}");
}

#[test]
fn what_takes_memory_is_counted() {
    let body = [symbols(&TABLE), series(&[1, 2], b"")].concat();
    let at_most = |objects_max| decode(&body, &Limits { objects_max, ..Limits::default() });
    // Five symbols, a series, two references and a sample.
    assert!(at_most(9).is_ok());
    assert_eq!(at_most(8).unwrap_err().reason(), "too_many_objects");
    let limits = Limits { series_max: 1, ..Limits::default() };
    assert!(decode(&body, &limits).is_ok());
    let twice = [body, series(&[1, 2], b"")].concat();
    assert!(matches!(
        decode(&twice, &limits),
        Err(DecodeError::TooManyObjects { what: "series", limit: 1, .. })
    ));
}

#[test]
fn a_body_of_the_one_version_is_refused_in_the_other_and_not_taken_for_nothing() {
    let limits = Limits::default();
    let body = decompress(&hex(UP), &limits).unwrap();
    let error = WriteRequest::decode(body.clone(), &limits).unwrap_err();
    assert_eq!(error.to_string(), "body is of remote write 2.0, not of 1.0: offset=`0`");
    let series = b"\x0a\x0c\x0a\x06\x0a\x01a\x12\x01b\x12\x02\x10\x07";
    assert_eq!(WriteRequest::decode(series.to_vec(), &limits).unwrap().series_count(), 1);
    let error = decode(&[&symbols(&[""]), &series[..]].concat(), &limits).unwrap_err();
    assert_eq!(error.to_string(), "body is of remote write 1.0, not of 2.0: offset=`2`");
    assert_eq!(decode_all(&[&body, series]).series_count(), 1);
    assert_eq!(decode_all(&[&symbols(&[""]), b"\x32\x00"]).series_count(), 0);
}
