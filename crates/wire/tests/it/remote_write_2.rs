//! Remote write 2.0: what it says must be what 1.0 says.

use std::collections::BTreeMap;

use bellwether_series::{LabelSet, Timestamp};
use bellwether_wire::remote_write::{Limits, RawSample, WriteRequest, WriteRequestBuilder};
use bellwether_wire::{Compression, Format, Message};
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use prost::Message as _;

use crate::proto::{Histogram, Sample};

const PLAIN: Format = Format::new(Message::RemoteWrite2, Compression::None);

#[derive(Clone, PartialEq, prost::Message)]
struct Request {
    #[prost(string, repeated, tag = "4")]
    symbols: Vec<String>,
    #[prost(message, repeated, tag = "5")]
    timeseries: Vec<TimeSeries>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct TimeSeries {
    #[prost(uint32, repeated, tag = "1")]
    labels_refs: Vec<u32>,
    #[prost(message, repeated, tag = "2")]
    samples: Vec<Sample>,
    #[prost(message, repeated, tag = "3")]
    histograms: Vec<Histogram>,
    #[prost(message, repeated, tag = "4")]
    exemplars: Vec<Exemplar>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Exemplar {
    #[prost(uint32, repeated, tag = "1")]
    labels_refs: Vec<u32>,
    #[prost(double, tag = "2")]
    value: f64,
}

/// Labels besides the name, and times with values.
type Series = (BTreeMap<String, String>, Vec<(i64, f64)>);

fn any_series() -> impl Strategy<Value = Vec<Series>> {
    let labels = btree_map("[a-z]{1,3}", ".{1,5}", 0..4);
    // `prost` takes the negative zero for the absence of a value.
    let value = any::<f64>().prop_map(|value| value + 0.0);
    vec((labels, vec((any::<i64>(), value), 1..4)), 0..5)
}

/// The place of a text in the table.
fn symbol(symbols: &mut Vec<String>, text: &str) -> u32 {
    let known = symbols.iter().position(|symbol| symbol == text);
    known.unwrap_or_else(|| {
        symbols.push(text.to_owned());
        symbols.len() - 1
    }) as u32
}

fn version_2(all: &[Series]) -> Request {
    let mut symbols = vec![String::new()];
    let mut timeseries = Vec::new();
    for (labels, samples) in all {
        let name = ("__name__", "m");
        let pairs = labels.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let mut labels_refs = Vec::new();
        // Not sorted, as clients written in Go send them.
        for (name, value) in pairs.chain([name]) {
            labels_refs.extend([name, value].map(|text| symbol(&mut symbols, text)));
        }
        let samples = samples.iter().map(|&(timestamp, value)| Sample { value, timestamp });
        let samples = samples.collect();
        timeseries.push(TimeSeries { labels_refs, samples, ..TimeSeries::default() });
    }
    Request { symbols, timeseries }
}

fn version_1(all: &[Series]) -> Vec<u8> {
    let mut builder = WriteRequestBuilder::default();
    for (labels, samples) in all {
        let pairs = labels.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let labels = LabelSet::from_pairs(pairs.chain([("__name__", "m")])).expect("names differ");
        let sample =
            |&(ms, value): &(i64, f64)| RawSample { timestamp: Timestamp::from_ms(ms), value };
        builder.series(&labels, &samples.iter().map(sample).collect::<Vec<_>>());
    }
    builder.encode()
}

/// Label bytes, time and value bits of each sample.
fn samples(request: &WriteRequest) -> Vec<(Vec<u8>, i64, u64)> {
    let of = |labels: &[u8], sample: &RawSample| {
        (labels.to_vec(), sample.timestamp.as_ms(), sample.value.to_bits())
    };
    let series = request.series();
    series.flat_map(|s| s.samples.iter().map(move |sample| of(s.labels, sample))).collect()
}

proptest! {
    #[test]
    fn both_versions_say_the_same(all in any_series()) {
        let limits = Limits::default();
        let second = PLAIN.decode(&version_2(&all).encode_to_vec(), &limits).unwrap();
        let first = WriteRequest::decode(version_1(&all), &limits).unwrap();
        prop_assert_eq!(samples(&second), samples(&first));
        prop_assert!(second.invalid_points().is_empty());
    }

    #[test]
    fn a_reference_beyond_the_table_costs_its_series_only(
        all in any_series(), victim: prop::sample::Index, place: prop::sample::Index,
    ) {
        prop_assume!(!all.is_empty());
        let (mut request, victim) = (version_2(&all), victim.index(all.len()));
        let beyond = request.symbols.len() as u32;
        let refs = &mut request.timeseries[victim].labels_refs;
        let place = place.index(refs.len());
        refs[place] = beyond;
        let decoded = PLAIN.decode(&request.encode_to_vec(), &Limits::default()).unwrap();
        let mut others = all.clone();
        others.remove(victim);
        let expected = WriteRequest::decode(version_1(&others), &Limits::default()).unwrap();
        prop_assert_eq!(samples(&decoded), samples(&expected));
        prop_assert_eq!(decoded.invalid_points().count(), 1);
    }

    #[test]
    fn no_bytes_panic(body in vec(any::<u8>(), 0..300)) {
        _ = PLAIN.decode(&body, &Limits::default());
    }

    #[test]
    fn a_request_with_a_byte_changed_never_panics(
        all in any_series(), place: prop::sample::Index, byte: u8,
    ) {
        let mut request = version_2(&all);
        for series in &mut request.timeseries {
            series.histograms.push(Histogram::default());
            series.exemplars.push(Exemplar { labels_refs: vec![0, 1], value: 1.0 });
        }
        let mut body = request.encode_to_vec();
        let place = place.index(body.len());
        body[place] = byte;
        _ = PLAIN.decode(&body, &Limits::default());
    }
}
