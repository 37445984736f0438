//! What decoding the same samples costs in each format; one iteration is a body of [`SAMPLES`], not compressed.

use std::fmt::Write;
use std::hint::black_box;
use std::sync::Arc;

use arrow_array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray};
use arrow_ipc::writer::StreamWriter;
use bellwether_series::{LabelSet, Timestamp};
use bellwether_wire::remote_write::{Limits, RawSample, WriteRequestBuilder};
use bellwether_wire::{Compression, Format, Message, Precision};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const SAMPLES: usize = 2_000;
const AT_MS: i64 = 1_700_000_000_000;
/// Labels of each series besides its name and its number.
const LABELS: [(&str, &str); 8] = [
    ("cluster", "eu-central-1"),
    ("container", "checkout"),
    ("instance", "10.12.7.104:9090"),
    ("job", "kubernetes-pods"),
    ("method", "POST"),
    ("namespace", "shop"),
    ("pod", "checkout-7d9f8b6c5-x2x9p"),
    ("status", "200"),
];

fn value(index: usize) -> f64 {
    100.0 + (index * 7919 % 1009) as f64 / 7.0
}

fn remote_write() -> Vec<u8> {
    let mut builder = WriteRequestBuilder::default();
    for index in 0..SAMPLES {
        let number = index.to_string();
        let pairs = LABELS.into_iter().chain([("__name__", "queue_depth"), ("number", &number)]);
        let labels = LabelSet::from_pairs(pairs).expect("good labels");
        let timestamp = Timestamp::from_ms(AT_MS);
        builder.series(&labels, &[RawSample { timestamp, value: value(index) }]);
    }
    builder.encode()
}

/// `parts` of each label, with what comes between.
fn joined(part: impl Fn(&str, &str) -> String) -> String {
    LABELS.map(|(name, value)| part(name, value)).join(",")
}

/// A text for each sample, from its number and value.
fn each(text: impl Fn(usize, f64) -> String, between: &str) -> String {
    let all: Vec<String> = (0..SAMPLES).map(|index| text(index, value(index))).collect();
    all.join(between)
}

fn json() -> Vec<u8> {
    let labels = joined(|name, value| format!("\"{name}\":\"{value}\""));
    let record = |index, value| {
        format!(
            "{{\"name\":\"queue_depth\",\"labels\":{{{labels},\"number\":\"{index}\"}},\
             \"timestamp_ms\":{AT_MS},\"value\":{value}}}"
        )
    };
    each(record, "\n").into_bytes()
}

fn telegraf() -> Vec<u8> {
    let tags = joined(|name, value| format!("\"{name}\":\"{value}\""));
    let metric = |index, value| {
        format!(
            "{{\"name\":\"queue\",\"tags\":{{{tags},\"number\":\"{index}\"}},\
             \"fields\":{{\"depth\":{value}}},\"timestamp\":{}}}",
            AT_MS / 1000
        )
    };
    each(metric, "\n").into_bytes()
}

fn influx() -> Vec<u8> {
    let tags = joined(|name, value| format!("{name}={value}"));
    let line = |index, value| format!("queue,{tags},number={index} depth={value} {AT_MS}000000");
    each(line, "\n").into_bytes()
}

/// A gauge whose points have all labels as attributes.
fn otlp_json() -> Vec<u8> {
    let attribute = |name: &str, value: &str| {
        format!("{{\"key\":\"{name}\",\"value\":{{\"stringValue\":\"{value}\"}}}}")
    };
    let attributes = joined(attribute);
    let point = |index: usize, value| {
        let number = attribute("number", &index.to_string());
        format!(
            "{{\"timeUnixNano\":\"{AT_MS}000000\",\"asDouble\":{value},\"attributes\":[{attributes},{number}]}}"
        )
    };
    let points = each(point, ",");
    format!(
        "{{\"resourceMetrics\":[{{\"scopeMetrics\":[{{\"metrics\":[\
         {{\"name\":\"queue.depth\",\"gauge\":{{\"dataPoints\":[{points}]}}}}]}}]}}]}}"
    )
    .into_bytes()
}

fn otlp() -> Vec<u8> {
    fn field(tag: u8, content: &[u8]) -> Vec<u8> {
        let mut field = vec![tag];
        bellwether_series::put_varint(&mut field, content.len() as u64);
        field.extend_from_slice(content);
        field
    }
    let attribute = |name: &str, value: &str| {
        let value = field(0x0A, value.as_bytes());
        field(0x3A, &[field(0x0A, name.as_bytes()), field(0x12, &value)].concat())
    };
    let mut gauge = Vec::new();
    for index in 0..SAMPLES {
        let mut point = vec![0x19];
        point.extend((AT_MS as u64 * 1_000_000).to_le_bytes());
        point.push(0x21);
        point.extend(value(index).to_bits().to_le_bytes());
        for (name, value) in LABELS {
            point.extend(attribute(name, value));
        }
        point.extend(attribute("number", &index.to_string()));
        gauge.extend(field(0x0A, &point));
    }
    let metric = [field(0x0A, b"queue.depth"), field(0x2A, &gauge)].concat();
    field(0x0A, &field(0x12, &field(0x12, &metric)))
}

fn arrow() -> Vec<u8> {
    let texts = |text: &str| Arc::new(StringArray::from(vec![text; SAMPLES])) as ArrayRef;
    let numbers = (0..SAMPLES).map(|index| index.to_string());
    let own: [(&str, ArrayRef); 4] = [
        ("timestamp_ms", Arc::new(Int64Array::from(vec![AT_MS; SAMPLES]))),
        ("value", Arc::new(Float64Array::from_iter_values((0..SAMPLES).map(value)))),
        ("name", texts("queue_depth")),
        ("number", Arc::new(StringArray::from_iter_values(numbers))),
    ];
    let labels = LABELS.map(|(name, value)| (name, texts(value)));
    let batch = RecordBatch::try_from_iter(own.into_iter().chain(labels)).expect("a batch");
    let mut stream = Vec::new();
    let mut writer = StreamWriter::try_new(&mut stream, &batch.schema()).expect("a schema");
    writer.write(&batch).and_then(|()| writer.finish()).expect("memory");
    drop(writer);
    stream
}

fn decode(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("decode");
    group.throughput(Throughput::Elements(SAMPLES as u64));
    for (message, body) in [
        (Message::RemoteWrite1, remote_write()),
        (Message::Otlp, otlp()),
        (Message::OtlpJson, otlp_json()),
        (Message::Influx(Precision::Nanoseconds), influx()),
        (Message::Arrow, arrow()),
        (Message::Json, json()),
        (Message::Telegraf(Precision::Seconds), telegraf()),
    ] {
        let format = Format::new(message, Compression::None);
        let limits = Limits::default();
        let read = format.decode(&body, &limits).expect("a good body");
        assert_eq!((read.sample_count(), read.invalid_points().count()), (SAMPLES, 0), "{format}");
        let mut name = format.to_string();
        _ = write!(name, ", {} bytes a sample", body.len() / SAMPLES);
        group.bench_function(name, |bencher| {
            bencher.iter(|| black_box(format.decode(&body, &limits)));
        });
    }
    group.finish();
}

criterion_group!(benches, decode);
criterion_main!(benches);
