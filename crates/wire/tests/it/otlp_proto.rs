//! The messages of `open-telemetry/opentelemetry-proto:opentelemetry/proto/metrics/v1/metrics.proto` and what they stand on, random ones, and
//! their JSON.
//!
//! A `oneof` is written as optional fields: the same on the wire.

use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use prost::Message;
use serde_json::{Value, json};

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Request {
    #[prost(message, repeated, tag = "1")]
    pub(crate) resource_metrics: Vec<ResourceMetrics>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct ResourceMetrics {
    #[prost(message, optional, tag = "1")]
    pub(crate) resource: Option<Resource>,
    #[prost(message, repeated, tag = "2")]
    pub(crate) scope_metrics: Vec<ScopeMetrics>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Resource {
    #[prost(message, repeated, tag = "1")]
    pub(crate) attributes: Vec<KeyValue>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct ScopeMetrics {
    #[prost(message, repeated, tag = "2")]
    pub(crate) metrics: Vec<Metric>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Metric {
    #[prost(string, tag = "1")]
    pub(crate) name: String,
    #[prost(string, tag = "2")]
    pub(crate) description: String,
    #[prost(message, optional, tag = "5")]
    pub(crate) gauge: Option<Numbers>,
    #[prost(message, optional, tag = "7")]
    pub(crate) sum: Option<Numbers>,
    #[prost(message, optional, tag = "9")]
    pub(crate) histogram: Option<Histogram>,
}

/// A gauge, or with the other two fields a sum.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Numbers {
    #[prost(message, repeated, tag = "1")]
    pub(crate) data_points: Vec<NumberPoint>,
    #[prost(int32, tag = "2")]
    pub(crate) aggregation_temporality: i32,
    #[prost(bool, tag = "3")]
    pub(crate) is_monotonic: bool,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Histogram {
    #[prost(message, repeated, tag = "1")]
    pub(crate) data_points: Vec<HistogramPoint>,
    #[prost(int32, tag = "2")]
    pub(crate) aggregation_temporality: i32,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct NumberPoint {
    #[prost(fixed64, tag = "2")]
    pub(crate) start_time_unix_nano: u64,
    #[prost(fixed64, tag = "3")]
    pub(crate) time_unix_nano: u64,
    #[prost(double, optional, tag = "4")]
    pub(crate) as_double: Option<f64>,
    #[prost(sfixed64, optional, tag = "6")]
    pub(crate) as_int: Option<i64>,
    #[prost(message, repeated, tag = "7")]
    pub(crate) attributes: Vec<KeyValue>,
    #[prost(uint32, tag = "8")]
    pub(crate) flags: u32,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct HistogramPoint {
    #[prost(fixed64, tag = "3")]
    pub(crate) time_unix_nano: u64,
    #[prost(fixed64, tag = "4")]
    pub(crate) count: u64,
    #[prost(double, optional, tag = "5")]
    pub(crate) sum: Option<f64>,
    #[prost(fixed64, repeated, tag = "6")]
    pub(crate) bucket_counts: Vec<u64>,
    #[prost(double, repeated, tag = "7")]
    pub(crate) explicit_bounds: Vec<f64>,
    #[prost(message, repeated, tag = "9")]
    pub(crate) attributes: Vec<KeyValue>,
    #[prost(uint32, tag = "10")]
    pub(crate) flags: u32,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct KeyValue {
    #[prost(string, tag = "1")]
    pub(crate) key: String,
    #[prost(message, optional, tag = "2")]
    pub(crate) value: Option<AnyValue>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct AnyValue {
    #[prost(string, optional, tag = "1")]
    pub(crate) string: Option<String>,
    #[prost(bool, optional, tag = "2")]
    pub(crate) flag: Option<bool>,
    #[prost(int64, optional, tag = "3")]
    pub(crate) integer: Option<i64>,
}

impl AnyValue {
    /// As a label has it.
    pub(crate) fn text(&self) -> String {
        match self {
            Self { string: Some(text), .. } => text.clone(),
            Self { flag: Some(value), .. } => value.to_string(),
            Self { integer: Some(value), .. } => value.to_string(),
            _ => String::new(),
        }
    }
}

fn any_attributes() -> impl Strategy<Value = Vec<KeyValue>> {
    let value = prop_oneof![
        ".{0,6}".prop_map(|text| AnyValue { string: Some(text), ..AnyValue::default() }),
        any::<bool>().prop_map(|value| AnyValue { flag: Some(value), ..AnyValue::default() }),
        any::<i64>().prop_map(|value| AnyValue { integer: Some(value), ..AnyValue::default() }),
    ];
    let of = |(key, value)| KeyValue { key, value: Some(value) };
    btree_map("[a-d]{1,3}", value, 0..4)
        .prop_map(move |pairs| pairs.into_iter().map(of).collect())
        .prop_shuffle()
}

/// Mostly good times.
fn any_time() -> impl Strategy<Value = u64> {
    prop_oneof![9 => 1_000_000..u64::MAX, 1 => 0..1_000_000_u64]
}

fn any_number_point() -> impl Strategy<Value = NumberPoint> {
    let value = prop_oneof![
        4 => any::<f64>().prop_map(|value| (Some(value), None)),
        4 => any::<i64>().prop_map(|value| (None, Some(value))),
        1 => Just((None, None)),
    ];
    (any_time(), value, any_attributes(), 0..4_u32).prop_map(
        |(time_unix_nano, (as_double, as_int), attributes, flags)| NumberPoint {
            start_time_unix_nano: 7,
            time_unix_nano,
            as_double,
            as_int,
            attributes,
            flags,
        },
    )
}

fn any_histogram_point() -> impl Strategy<Value = HistogramPoint> {
    let buckets = vec((0..1_000_u64, 1..100_u32), 0..4).prop_map(|buckets| {
        let bounds = buckets.iter().scan(-50.0, |bound, &(_, step)| {
            *bound += f64::from(step) / 8.0;
            Some(*bound)
        });
        let counts =
            buckets.iter().map(|&(count, _)| count).chain((!buckets.is_empty()).then_some(3));
        (counts.collect::<Vec<_>>(), bounds.collect::<Vec<_>>())
    });
    let sum = proptest::option::of(any::<f64>());
    (any_time(), any::<u64>(), sum, buckets, any_attributes(), 0..9_usize, 0..5_u32).prop_map(
        |(
            time_unix_nano,
            count,
            sum,
            (bucket_counts, mut explicit_bounds),
            attributes,
            spoil,
            flags,
        )| {
            if spoil == 0 {
                explicit_bounds.push(1e9);
            }
            HistogramPoint {
                time_unix_nano,
                count,
                sum,
                bucket_counts,
                explicit_bounds,
                attributes,
                flags: u32::from(flags == 1),
            }
        },
    )
}

fn any_metric() -> impl Strategy<Value = Metric> {
    let name = "[a-z]{1,6}";
    let numbers = (vec(any_number_point(), 0..4), 0..3_i32, any::<bool>());
    let histogram = (vec(any_histogram_point(), 0..3), 0..3_i32);
    prop_oneof![
        (name, vec(any_number_point(), 0..4)).prop_map(|(name, data_points)| {
            let gauge = Numbers { data_points, aggregation_temporality: 0, is_monotonic: false };
            Metric { name, gauge: Some(gauge), ..Metric::default() }
        }),
        (name, numbers).prop_map(|(name, (data_points, aggregation_temporality, is_monotonic))| {
            let sum = Numbers { data_points, aggregation_temporality, is_monotonic };
            Metric { name, sum: Some(sum), description: "d".to_owned(), ..Metric::default() }
        }),
        (name, histogram).prop_map(|(name, (data_points, aggregation_temporality))| {
            let histogram = Histogram { data_points, aggregation_temporality };
            Metric { name, histogram: Some(histogram), ..Metric::default() }
        }),
    ]
}

pub(crate) fn any_request() -> impl Strategy<Value = Request> {
    let text = |key: &str, text: String| {
        let value = AnyValue { string: Some(text), ..AnyValue::default() };
        KeyValue { key: key.to_owned(), value: Some(value) }
    };
    let resource =
        ("[a-z]{0,3}", "[a-z]{0,3}", "[a-z]{0,3}").prop_map(move |(name, host, other)| {
            let attributes =
                vec![text("host.name", host), text("other", other), text("service.name", name)];
            Resource { attributes }
        });
    let scopes = vec(vec(any_metric(), 0..3), 0..3);
    let resource_metrics =
        (proptest::option::of(resource), scopes).prop_map(|(resource, scopes)| {
            let scope_metrics =
                scopes.into_iter().map(|metrics| ScopeMetrics { metrics }).collect();
            ResourceMetrics { resource, scope_metrics }
        });
    vec(resource_metrics, 0..3).prop_map(|resource_metrics| Request { resource_metrics })
}

/// The request as an exporter writes it in JSON.
pub(crate) fn to_json(request: &Request) -> Value {
    let all: Vec<Value> = request
        .resource_metrics
        .iter()
        .map(|of| {
            let metrics = |scope: &ScopeMetrics| scope.metrics.iter().map(metric).collect::<Vec<_>>();
            let scopes: Vec<Value> = of
                .scope_metrics
                .iter()
                .map(|scope| json!({ "scope": {}, "metrics": metrics(scope) }))
                .collect();
            let resource = of.resource.as_ref().map(|resource| {
                json!({ "attributes": attributes(&resource.attributes), "droppedAttributesCount": 1 })
            });
            json!({ "resource": resource, "scopeMetrics": scopes, "schemaUrl": "" })
        })
        .collect();
    json!({ "resourceMetrics": all })
}

fn metric(metric: &Metric) -> Value {
    let numbers = |numbers: &Numbers| {
        let points: Vec<Value> = numbers.data_points.iter().map(number_point).collect();
        json!({
            "dataPoints": points,
            "aggregationTemporality": numbers.aggregation_temporality,
            "isMonotonic": numbers.is_monotonic,
        })
    };
    let mut value = json!({ "name": metric.name, "description": metric.description });
    if let Some(gauge) = &metric.gauge {
        value["gauge"] = numbers(gauge);
    }
    if let Some(sum) = &metric.sum {
        value["sum"] = numbers(sum);
    }
    if let Some(histogram) = &metric.histogram {
        let points: Vec<Value> = histogram.data_points.iter().map(histogram_point).collect();
        let temporality = histogram.aggregation_temporality;
        value["histogram"] = json!({ "dataPoints": points, "aggregationTemporality": temporality });
    }
    value
}

fn double(value: f64) -> Value {
    if value.is_nan() {
        return json!("NaN");
    }
    if value.is_infinite() {
        return json!(if value > 0.0 { "Infinity" } else { "-Infinity" });
    }
    json!(value)
}

fn number_point(point: &NumberPoint) -> Value {
    let mut value = json!({
        "startTimeUnixNano": point.start_time_unix_nano.to_string(),
        "timeUnixNano": point.time_unix_nano.to_string(),
        "attributes": attributes(&point.attributes),
        "flags": point.flags,
    });
    if let Some(number) = point.as_double {
        value["asDouble"] = double(number);
    }
    if let Some(number) = point.as_int {
        value["asInt"] = json!(number.to_string());
    }
    value
}

fn histogram_point(point: &HistogramPoint) -> Value {
    let counts: Vec<String> = point.bucket_counts.iter().map(u64::to_string).collect();
    json!({
        "timeUnixNano": point.time_unix_nano,
        "count": point.count.to_string(),
        "sum": point.sum.map(double),
        "bucketCounts": counts,
        "explicitBounds": point.explicit_bounds,
        "attributes": attributes(&point.attributes),
        "flags": point.flags,
    })
}

fn attributes(attributes: &[KeyValue]) -> Vec<Value> {
    let value = |value: &AnyValue| match value {
        AnyValue { string: Some(text), .. } => json!({ "stringValue": text }),
        AnyValue { flag: Some(value), .. } => json!({ "boolValue": value }),
        AnyValue { integer: Some(value), .. } => json!({ "intValue": value.to_string() }),
        _ => json!({}),
    };
    attributes
        .iter()
        .map(|of| json!({ "key": of.key, "value": of.value.as_ref().map(value) }))
        .collect()
}
