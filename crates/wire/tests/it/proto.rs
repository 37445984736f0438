//! The messages of `prometheus/prometheus:prompb/{remote,types}.proto`, and random ones.
//!
//! A `oneof` is written as two optional fields: the same on the wire.

use proptest::collection::vec;
use proptest::prelude::*;
use prost::Message;

#[derive(Clone, PartialEq, Message)]
pub(crate) struct WriteRequest {
    #[prost(message, repeated, tag = "1")]
    pub(crate) timeseries: Vec<TimeSeries>,
    #[prost(message, repeated, tag = "3")]
    pub(crate) metadata: Vec<Metadata>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct TimeSeries {
    #[prost(message, repeated, tag = "1")]
    pub(crate) labels: Vec<Label>,
    #[prost(message, repeated, tag = "2")]
    pub(crate) samples: Vec<Sample>,
    #[prost(message, repeated, tag = "3")]
    pub(crate) exemplars: Vec<Exemplar>,
    #[prost(message, repeated, tag = "4")]
    pub(crate) histograms: Vec<Histogram>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Label {
    #[prost(string, tag = "1")]
    pub(crate) name: String,
    #[prost(string, tag = "2")]
    pub(crate) value: String,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Sample {
    #[prost(double, tag = "1")]
    pub(crate) value: f64,
    #[prost(int64, tag = "2")]
    pub(crate) timestamp: i64,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Exemplar {
    #[prost(message, repeated, tag = "1")]
    pub(crate) labels: Vec<Label>,
    #[prost(double, tag = "2")]
    pub(crate) value: f64,
    #[prost(int64, tag = "3")]
    pub(crate) timestamp: i64,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Histogram {
    #[prost(uint64, optional, tag = "1")]
    pub(crate) count_int: Option<u64>,
    #[prost(double, optional, tag = "2")]
    pub(crate) count_float: Option<f64>,
    #[prost(double, tag = "3")]
    pub(crate) sum: f64,
    #[prost(sint32, tag = "4")]
    pub(crate) schema: i32,
    #[prost(double, tag = "5")]
    pub(crate) zero_threshold: f64,
    #[prost(uint64, optional, tag = "6")]
    pub(crate) zero_count_int: Option<u64>,
    #[prost(double, optional, tag = "7")]
    pub(crate) zero_count_float: Option<f64>,
    #[prost(message, repeated, tag = "8")]
    pub(crate) negative_spans: Vec<Span>,
    #[prost(sint64, repeated, tag = "9")]
    pub(crate) negative_deltas: Vec<i64>,
    #[prost(double, repeated, tag = "10")]
    pub(crate) negative_counts: Vec<f64>,
    #[prost(message, repeated, tag = "11")]
    pub(crate) positive_spans: Vec<Span>,
    #[prost(sint64, repeated, packed = "false", tag = "12")]
    pub(crate) positive_deltas: Vec<i64>,
    #[prost(double, repeated, packed = "false", tag = "13")]
    pub(crate) positive_counts: Vec<f64>,
    #[prost(int64, tag = "15")]
    pub(crate) timestamp: i64,
    #[prost(double, repeated, tag = "16")]
    pub(crate) custom_values: Vec<f64>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Span {
    #[prost(sint32, tag = "1")]
    pub(crate) offset: i32,
    #[prost(uint32, tag = "2")]
    pub(crate) length: u32,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Metadata {
    #[prost(int32, tag = "1")]
    pub(crate) kind: i32,
    #[prost(string, tag = "2")]
    pub(crate) family: String,
    #[prost(string, tag = "4")]
    pub(crate) help: String,
    #[prost(string, tag = "5")]
    pub(crate) unit: String,
}

/// Any request that is well-formed; its content may be invalid.
pub(crate) fn any_request() -> impl Strategy<Value = WriteRequest> {
    (vec(any_series(), 0..6), vec(any_metadata(), 0..3))
        .prop_map(|(timeseries, metadata)| WriteRequest { timeseries, metadata })
}

fn any_series() -> impl Strategy<Value = TimeSeries> {
    let sample =
        (any_value(), any::<i64>()).prop_map(|(value, timestamp)| Sample { value, timestamp });
    let exemplar = (vec(any_label(), 0..5), any_value(), any::<i64>())
        .prop_map(|(labels, value, timestamp)| Exemplar { labels, value, timestamp });
    (vec(any_label(), 0..8), vec(sample, 0..4), vec(exemplar, 0..13), vec(any_histogram(), 0..3))
        .prop_map(|(labels, samples, exemplars, histograms)| TimeSeries {
            labels,
            samples,
            exemplars,
            histograms,
        })
}

fn any_label() -> impl Strategy<Value = Label> {
    ("[a-z_]{0,12}", ".{0,24}").prop_map(|(name, value)| Label { name, value })
}

fn any_metadata() -> impl Strategy<Value = Metadata> {
    (-1..10, ".{0,12}", ".{0,12}", ".{0,4}").prop_map(|(kind, family, help, unit)| Metadata {
        kind,
        family,
        help,
        unit,
    })
}

/// Any bits at all: infinities, and NaN of every payload.
fn any_value() -> impl Strategy<Value = f64> {
    prop_oneof![any::<u64>().prop_map(f64::from_bits), (0..4_i32).prop_map(f64::from)]
}

fn any_histogram() -> impl Strategy<Value = Histogram> {
    (small_histogram(), any::<bool>()).prop_map(|(mut histogram, repair)| {
        if repair {
            mend(&mut histogram);
        }
        histogram
    })
}

/// Makes buckets match spans and the count match the buckets, so that only a finer fault is left.
fn mend(histogram: &mut Histogram) {
    if histogram.schema == -53 {
        histogram.negative_spans.clear();
        histogram.negative_deltas.clear();
        histogram.negative_counts.clear();
        histogram.zero_count_int = None;
        histogram.zero_count_float = None;
    }
    let buckets = |spans: &[Span]| spans.iter().map(|span| span.length as usize).sum();
    histogram.positive_deltas.resize(buckets(&histogram.positive_spans), 0);
    histogram.positive_counts.resize(buckets(&histogram.positive_spans), 1.0);
    histogram.negative_deltas.resize(buckets(&histogram.negative_spans), 0);
    histogram.negative_counts.resize(buckets(&histogram.negative_spans), 1.0);
    if histogram.count_int.is_some() {
        let total = |deltas: &[i64]| -> i64 {
            deltas
                .iter()
                .scan(0, |count, delta| {
                    *count += delta;
                    Some(*count)
                })
                .sum()
        };
        let in_buckets = total(&histogram.positive_deltas) + total(&histogram.negative_deltas);
        let count = in_buckets.unsigned_abs() + histogram.zero_count_int.unwrap_or(0);
        histogram.count_int = Some(count);
    }
}

/// Few and small numbers, so that some of the histograms are valid by chance.
fn small_histogram() -> impl Strategy<Value = Histogram> {
    let span = || (-1..4, 0..3_u32).prop_map(|(offset, length)| Span { offset, length });
    let float = || prop_oneof![9 => (0..4_i32).prop_map(f64::from), 1 => any_value()];
    let positive = (vec(span(), 0..3), vec(-1..3_i64, 0..4), vec(float(), 0..4));
    let negative = (vec(span(), 0..2), vec(-1..3_i64, 0..2), vec(float(), 0..2));
    let counts = (any::<bool>(), 0..6_u64, float(), 0..2_u64, float());
    let rest = (
        prop_oneof![2 => Just(f64::NAN), 1 => any_value()],
        prop_oneof![3 => -4..9, 2 => Just(-53), 1 => -60..60],
        prop_oneof![4 => Just(0.0), 1 => float()],
        prop_oneof![3 => Just(vec![]), 2 => Just(vec![0.5, 1.0, 2.0]), 1 => vec(float(), 0..4)],
    );
    (positive, negative, counts, rest).prop_map(|(positive, negative, counts, rest)| {
        let (is_float, count, count_float, zero_count, zero_count_float) = counts;
        let (sum, schema, zero_threshold, custom_values) = rest;
        Histogram {
            count_int: (!is_float).then_some(count),
            count_float: is_float.then_some(count_float),
            sum,
            schema,
            zero_threshold,
            zero_count_int: (!is_float).then_some(zero_count),
            zero_count_float: is_float.then_some(zero_count_float),
            negative_spans: negative.0,
            negative_deltas: negative.1,
            negative_counts: negative.2,
            positive_spans: positive.0,
            positive_deltas: positive.1,
            positive_counts: positive.2,
            timestamp: 1,
            custom_values,
        }
    })
}
