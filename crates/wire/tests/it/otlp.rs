//! OpenTelemetry: what our decoder makes of a request must be what an obvious reference makes of it, and the same in protobuf and JSON.

use std::fs;

use bellwether_series::{LabelLimits, LabelSet, STALE_NAN_BITS};
use bellwether_wire::remote_write::{Limits, MetricType, WriteRequest};
use bellwether_wire::{Compression, Format, Message};
use proptest::prelude::*;
use prost::Message as _;

use crate::otlp_proto::{
    AnyValue, HistogramPoint, KeyValue, Metric, NumberPoint, Request, any_request, to_json,
};

const OTLP: Format = Format::new(Message::Otlp, Compression::None);
const JSON: Format = Format::new(Message::OtlpJson, Compression::None);

/// Label bytes, milliseconds and value bits of each sample, the metadata, and how many points are bad.
type Understood = (Vec<(Vec<u8>, i64, u64)>, Vec<(String, MetricType)>, usize);

fn understood(request: &WriteRequest) -> Understood {
    let mut samples = Vec::new();
    for series in request.series() {
        for sample in series.samples {
            let at = sample.timestamp.as_ms();
            samples.push((series.labels.to_vec(), at, sample.value.to_bits()));
        }
    }
    let metadata = request.metadata().map(|of| (of.family.to_owned(), of.kind)).collect();
    (samples, metadata, request.invalid_points().count())
}

/// What a request says, written down without regard to cost.
#[derive(Default)]
struct Reference {
    resource: Vec<(String, String)>,
    understood: Understood,
}

impl Reference {
    fn of(request: &Request) -> Understood {
        let mut reference = Self::default();
        for of in &request.resource_metrics {
            let attributes = of.resource.iter().flat_map(|resource| &resource.attributes);
            let label = |attribute: &KeyValue| {
                let name = match attribute.key.as_str() {
                    "service.name" => "job",
                    "host.name" => "host_name",
                    _ => return None,
                };
                Some((name.to_owned(), attribute.value.as_ref()?.text()))
            };
            reference.resource = attributes.filter_map(label).collect();
            of.scope_metrics
                .iter()
                .flat_map(|scope| &scope.metrics)
                .for_each(|metric| reference.metric(metric));
        }
        reference.understood
    }

    fn metric(&mut self, metric: &Metric) {
        let mut metadata = |name: &str, kind| self.understood.1.push((name.to_owned(), kind));
        if let Some(gauge) = &metric.gauge {
            metadata(&metric.name, MetricType::Gauge);
            gauge.data_points.iter().for_each(|point| self.number(&metric.name, point));
        } else if let Some(sum) = &metric.sum {
            let (name, kind) = match (sum.aggregation_temporality, sum.is_monotonic) {
                // A name of one word that says `total` already is left alone, and none is made of that word.
                (2, true) if metric.name != "total" => {
                    (format!("{}_total", metric.name), MetricType::Counter)
                }
                (2, true) => (metric.name.clone(), MetricType::Counter),
                (1 | 2, _) => (metric.name.clone(), MetricType::Gauge),
                _ => {
                    self.understood.2 += 1;
                    return;
                }
            };
            metadata(&name, kind);
            sum.data_points.iter().for_each(|point| self.number(&name, point));
        } else if let Some(histogram) = &metric.histogram {
            let name = &metric.name;
            match histogram.aggregation_temporality {
                2 => metadata(name, MetricType::Histogram),
                1 => {
                    metadata(&format!("{name}_count"), MetricType::Gauge);
                    metadata(&format!("{name}_sum"), MetricType::Gauge);
                }
                _ => {
                    self.understood.2 += 1;
                    return;
                }
            }
            let has_buckets = histogram.aggregation_temporality == 2;
            for point in &histogram.data_points {
                self.histogram(name, point, has_buckets);
            }
        }
    }

    fn number(&mut self, name: &str, point: &NumberPoint) {
        let is_end = point.flags & 1 == 1;
        let value = point.as_double.or(point.as_int.map(|value| value as f64));
        let Some(value) = value.or(is_end.then_some(0.0)) else {
            self.understood.2 += 1;
            return;
        };
        if point.time_unix_nano < 1_000_000 {
            self.understood.2 += 1;
            return;
        }
        self.sample(name, &point.attributes, None, (point.time_unix_nano, is_end), value);
    }

    fn histogram(&mut self, name: &str, point: &HistogramPoint, has_buckets: bool) {
        let (counts, bounds) = (&point.bucket_counts, &point.explicit_bounds);
        let is_end = point.flags & 1 == 1;
        let fits = counts.len() == bounds.len() + 1 || counts.is_empty() && bounds.is_empty();
        if point.time_unix_nano < 1_000_000 || !fits && !is_end {
            self.understood.2 += 1;
            return;
        }
        let at = (point.time_unix_nano, is_end);
        let mut add = |suffix: &str, le: Option<String>, value| {
            let name = format!("{name}{suffix}");
            self.sample(&name, &point.attributes, le, at, value);
        };
        add("_count", None, point.count as f64);
        if let Some(sum) = point.sum {
            add("_sum", None, sum);
        }
        if has_buckets {
            for (index, bound) in bounds.iter().enumerate() {
                let below: u64 = counts.iter().take(index + 1).sum();
                add("_bucket", Some(bound.to_string()), below as f64);
            }
            add("_bucket", Some("+Inf".to_owned()), point.count as f64);
        }
    }

    fn sample(
        &mut self,
        name: &str,
        attributes: &[KeyValue],
        le: Option<String>,
        (time_ns, is_end): (u64, bool),
        value: f64,
    ) {
        let mut pairs = self.resource.clone();
        pairs.push(("__name__".to_owned(), name.to_owned()));
        pairs.extend(le.map(|le| ("le".to_owned(), le)));
        for attribute in attributes {
            let text = attribute.value.as_ref().map(AnyValue::text).unwrap_or_default();
            pairs.push((attribute.key.clone(), text));
        }
        let pairs = pairs.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let labels = LabelSet::from_pairs(pairs).expect("names differ");
        let bits = if is_end { STALE_NAN_BITS } else { value.to_bits() };
        let ms = (time_ns / 1_000_000) as i64;
        self.understood.0.push((labels.as_wire().to_vec(), ms, bits));
    }
}

/// JSON has one NaN.
fn with_one_nan((mut samples, metadata, bad): Understood) -> Understood {
    for (_, _, bits) in &mut samples {
        if f64::from_bits(*bits).is_nan() && *bits != STALE_NAN_BITS {
            *bits = f64::NAN.to_bits();
        }
    }
    (samples, metadata, bad)
}

/// The samples of a request, one a line.
fn listed(request: &WriteRequest) -> String {
    let mut text = String::new();
    for series in request.series() {
        let labels = LabelSet::from_wire(series.labels, &LabelLimits::default()).expect("labels");
        for sample in series.samples {
            let line = format!("{labels} {} {}\n", sample.value, sample.timestamp.as_ms());
            text.push_str(&line);
        }
    }
    text
}

#[test]
fn what_an_sdk_exports_is_understood() {
    const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/otlp");
    let fixture = |name| fs::read(format!("{FIXTURES}/{name}")).expect(name);
    let expected = String::from_utf8(fixture("python_sdk.txt")).expect("text");
    for (format, name) in [(OTLP, "python_sdk.protobuf"), (JSON, "python_sdk.json")] {
        let decoded = format.decode(&fixture(name), &Limits::default()).expect(name);
        assert_eq!(listed(&decoded), expected, "{name}");
        assert!(decoded.invalid_points().is_empty());
    }
}

proptest! {
    #[test]
    fn what_prost_encodes_we_take_as_the_reference_does(request in any_request()) {
        let decoded = OTLP.decode(&request.encode_to_vec(), &Limits::default()).unwrap();
        prop_assert_eq!(understood(&decoded), Reference::of(&request));
    }

    #[test]
    fn json_says_the_same_as_protobuf(request in any_request()) {
        let body = to_json(&request).to_string();
        let decoded = JSON.decode(body.as_bytes(), &Limits::default()).unwrap();
        prop_assert_eq!(with_one_nan(understood(&decoded)), with_one_nan(Reference::of(&request)));
    }

    #[test]
    fn no_bytes_panic(body in proptest::collection::vec(any::<u8>(), 0..300)) {
        _ = OTLP.decode(&body, &Limits::default());
        _ = JSON.decode(&body, &Limits::default());
    }

    #[test]
    fn a_request_with_a_byte_changed_or_cut_never_panics(
        request in any_request(), place: prop::sample::Index, byte: u8,
    ) {
        for (format, mut body) in
            [(OTLP, request.encode_to_vec()), (JSON, to_json(&request).to_string().into_bytes())]
        {
            if body.is_empty() {
                continue;
            }
            let place = place.index(body.len());
            _ = format.decode(&body[..place], &Limits::default());
            body[place] = byte;
            _ = format.decode(&body, &Limits::default());
        }
    }

    #[test]
    fn no_request_holds_more_than_the_limits_allow(request in any_request(), bytes_max in 0..2_000_usize) {
        let limits = Limits { decoded_bytes_max: bytes_max, samples_max: 9, ..Limits::default() };
        let body = to_json(&request).to_string();
        let decoded =
            [OTLP.decode(&request.encode_to_vec(), &limits), JSON.decode(body.as_bytes(), &limits)];
        for decoded in decoded.into_iter().flatten() {
            prop_assert!(decoded.text_bytes() <= bytes_max);
            prop_assert!(decoded.series_count() <= 9 && decoded.sample_count() <= 9);
        }
    }
}
