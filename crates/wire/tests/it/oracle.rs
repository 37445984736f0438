//! Our decoder and encoder must agree with `prost`, which knows nothing of them.

use bellwether_series::{LabelLimits, LabelSet, Timestamp};
use bellwether_wire::remote_write::{
    Limits, MetricType, RawSample, WriteRequest, WriteRequestBuilder, compress, decompress,
};
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use prost::Message;

use crate::proto;

const KINDS: [MetricType; 8] = [
    MetricType::Unknown,
    MetricType::Counter,
    MetricType::Gauge,
    MetricType::Histogram,
    MetricType::GaugeHistogram,
    MetricType::Summary,
    MetricType::Info,
    MetricType::StateSet,
];

/// Times and value bits.
type Bits = Vec<(i64, u64)>;

fn bits(samples: &[RawSample]) -> Bits {
    samples.iter().map(|sample| (sample.timestamp.as_ms(), sample.value.to_bits())).collect()
}

fn proto_bits(samples: &[proto::Sample]) -> Bits {
    samples.iter().map(|sample| (sample.timestamp, sample.value.to_bits())).collect()
}

/// The label fields of a series, as they lie on the wire.
fn label_fields(labels: &[proto::Label]) -> Vec<u8> {
    let only_labels = proto::TimeSeries { labels: labels.to_vec(), ..Default::default() };
    only_labels.encode_to_vec()
}

fn exemplar_is_valid(exemplar: &proto::Exemplar) -> bool {
    let texts = exemplar.labels.iter().flat_map(|label| [&label.name, &label.value]);
    texts.map(|text| text.chars().count()).sum::<usize>() <= 128
}

/// `Validate` of `prometheus/prometheus:model/histogram/`, buckets and all, for small histograms.
fn histogram_is_valid(histogram: &proto::Histogram) -> bool {
    let spans_match = |spans: &[proto::Span], buckets: usize| {
        spans.iter().skip(1).all(|span| span.offset >= 0)
            && spans.iter().map(|span| span.length as usize).sum::<usize>() == buckets
    };
    let counts_of = |deltas: &[i64]| -> Vec<i64> {
        (1..=deltas.len()).map(|end| deltas[..end].iter().sum()).collect()
    };
    let is_float = histogram.count_float.is_some();
    let [positive, negative] = if is_float {
        [histogram.positive_counts.len(), histogram.negative_counts.len()]
    } else {
        [histogram.positive_deltas.len(), histogram.negative_deltas.len()]
    };
    if !spans_match(&histogram.positive_spans, positive)
        || !spans_match(&histogram.negative_spans, negative)
    {
        return false;
    }
    let bounds = &histogram.custom_values;
    let schema_is_valid = match histogram.schema {
        -53 => {
            let spans = &histogram.positive_spans;
            let reach: i64 =
                spans.iter().map(|span| i64::from(span.offset) + i64::from(span.length)).sum();
            bounds.iter().all(|bound| bound.is_finite())
                && bounds.windows(2).all(|pair| pair[0] < pair[1])
                && spans.iter().all(|span| span.offset >= 0)
                && reach <= bounds.len() as i64 + 1
                && histogram.zero_count_int.unwrap_or(0) == 0
                && histogram.zero_count_float.unwrap_or(0.0) == 0.0
                && histogram.zero_threshold == 0.0
                && histogram.negative_spans.is_empty()
                && histogram.negative_deltas.is_empty()
                && histogram.negative_counts.is_empty()
        }
        -4..=52 => bounds.is_empty(),
        _ => false,
    };
    if !schema_is_valid {
        return false;
    }
    if let Some(count) = histogram.count_float {
        let buckets = histogram.positive_counts.iter().chain(&histogram.negative_counts);
        let mut all = buckets.chain([&count]).chain(&histogram.zero_count_float);
        return !all.any(|&count| count < 0.0);
    }
    let mut buckets = counts_of(&histogram.positive_deltas);
    buckets.extend(counts_of(&histogram.negative_deltas));
    let count = histogram.count_int.unwrap_or(0) as i64;
    let in_buckets = buckets.iter().sum::<i64>() + histogram.zero_count_int.unwrap_or(0) as i64;
    buckets.iter().all(|&count| count >= 0)
        && (in_buckets == count || (histogram.sum.is_nan() && in_buckets < count))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn what_prost_encodes_we_decode_to_the_same(sent in proto::any_request()) {
        let compressed = compress(&sent.encode_to_vec());
        let body = decompress(&compressed, &Limits::default()).unwrap();
        let request = WriteRequest::decode(body, &Limits::default()).unwrap();

        let with_samples = || sent.timeseries.iter().filter(|series| !series.samples.is_empty());
        prop_assert_eq!(request.series_count(), with_samples().count());
        prop_assert_eq!(request.series().count(), with_samples().count());
        for (decoded, series) in request.series().zip(with_samples()) {
            prop_assert_eq!(decoded.labels, label_fields(&series.labels));
            prop_assert_eq!(bits(decoded.samples), proto_bits(&series.samples));
        }
        let samples = sent.timeseries.iter().map(|series| series.samples.len()).sum::<usize>();
        prop_assert_eq!(request.sample_count(), samples);

        let metadata: Vec<_> = request.metadata().map(|of| (of.family, of.kind)).collect();
        let kind_of = |number: i32| KINDS.get(number as usize).copied().unwrap_or_default();
        let expected: Vec<_> =
            sent.metadata.iter().map(|of| (of.family.as_str(), kind_of(of.kind))).collect();
        prop_assert_eq!(metadata, expected);

        let histograms = || sent.timeseries.iter().flat_map(|series| &series.histograms);
        let valid = histograms().filter(|histogram| histogram_is_valid(histogram)).count();
        prop_assert_eq!(request.histogram_count(), valid);
        prop_assert_eq!(request.invalid_histograms().count(), histograms().count() - valid);

        let valid_of = |series: &proto::TimeSeries| {
            series.exemplars.iter().take(10).filter(|exemplar| exemplar_is_valid(exemplar)).count()
        };
        let exemplars = sent.timeseries.iter().map(|series| series.exemplars.len()).sum::<usize>();
        let valid = sent.timeseries.iter().map(valid_of).sum::<usize>();
        prop_assert_eq!(request.exemplar_count(), valid);
        prop_assert_eq!(request.invalid_exemplars().count(), exemplars - valid);
    }

    #[test]
    fn what_we_encode_prost_decodes_to_the_same(
        series in vec((btree_map("[a-z]{1,8}", ".{1,12}", 0..6), vec(any::<(i64, u64)>(), 0..4)), 0..5),
        metadata in vec(("[a-z]{0,9}", 0..8_usize, ".{0,200}", ".{0,5}"), 0..3),
    ) {
        let mut builder = WriteRequestBuilder::default();
        let mut labels = Vec::new();
        for (pairs, samples) in &series {
            let pairs = pairs.iter().map(|(name, value)| (name.as_str(), value.as_str()));
            let set = LabelSet::from_pairs(pairs.chain([("__name__", "m")])).unwrap();
            let samples: Vec<_> = samples
                .iter()
                .map(|&(ms, bits)| RawSample {
                    timestamp: Timestamp::from_ms(ms),
                    value: f64::from_bits(bits),
                })
                .collect();
            builder.series(&set, &samples);
            labels.push(set);
        }
        for (family, kind, help, unit) in &metadata {
            builder.metadata(family, KINDS[*kind], help, unit);
        }
        let decoded = proto::WriteRequest::decode(builder.encode().as_slice()).unwrap();

        prop_assert_eq!(decoded.timeseries.len(), series.len());
        for ((sent, set), got) in series.iter().zip(&labels).zip(&decoded.timeseries) {
            prop_assert_eq!(&sent.1, &proto_bits(&got.samples));
            let fields = label_fields(&got.labels);
            prop_assert_eq!(&LabelSet::from_wire(&fields, &LabelLimits::default()).unwrap(), set);
        }
        let got: Vec<_> = decoded
            .metadata
            .iter()
            .map(|of| (of.family.clone(), of.kind as usize, of.help.clone(), of.unit.clone()))
            .collect();
        prop_assert_eq!(got, metadata);
    }
}
