//! What the unit tests share: requests written down briefly, and an engine to send them to.

use std::sync::Arc;

use bellwether_series::{LabelSet, Timestamp, put_varint};
use bellwether_wire::remote_write::{Limits, RawSample, WriteRequest, WriteRequestBuilder};

use crate::engine::Engine;
use crate::event::Event;
use crate::outcome::Outcome;
use crate::outputs::{Gauge, Outputs};
use crate::partition::Partition;
use crate::record::{Record, RecordBody};
use crate::settings::Settings;

pub(crate) const MINUTE_MS: i64 = 60_000;

/// The labels of the series `name{instance="instance"}`.
pub(crate) fn series(name: &str, instance: &str) -> LabelSet {
    LabelSet::from_pairs([("__name__", name), ("instance", instance)]).expect("a label set")
}

/// A request of series with their samples: milliseconds and value.
pub(crate) fn request(all: &[(&LabelSet, &[(i64, f64)])]) -> WriteRequest {
    let mut builder = WriteRequestBuilder::default();
    for (labels, samples) in all {
        builder.series(labels, &samples.iter().map(raw).collect::<Vec<_>>());
    }
    decode(builder)
}

/// A request of one series with whatever label fields and one sample at 0.
pub(crate) fn raw_request(labels: &[(&str, &str)]) -> WriteRequest {
    let mut message = Vec::new();
    for (name, value) in labels {
        let mut label = Vec::new();
        put_field(&mut label, 0x0A, name.as_bytes());
        put_field(&mut label, 0x12, value.as_bytes());
        put_field(&mut message, 0x0A, &label);
    }
    put_field(&mut message, 0x12, &[]);
    let mut body = Vec::new();
    put_field(&mut body, 0x0A, &message);
    WriteRequest::decode(body, &Limits::default()).expect("a request")
}

fn put_field(out: &mut Vec<u8>, tag: u8, content: &[u8]) {
    out.push(tag);
    put_varint(out, content.len() as u64);
    out.extend_from_slice(content);
}

pub(crate) fn decode(mut builder: WriteRequestBuilder) -> WriteRequest {
    WriteRequest::decode(builder.encode(), &Limits::default()).expect("a request")
}

fn raw(&(ms, value): &(i64, f64)) -> RawSample {
    RawSample { timestamp: Timestamp::from_ms(ms), value }
}

/// An engine with everything that it has told.
pub(crate) struct Rig {
    pub(crate) engine: Engine,
    pub(crate) outputs: Outputs,
    pub(crate) events: Vec<Event>,
    pub(crate) gauges: Vec<Gauge>,
}

impl Rig {
    pub(crate) fn new(settings: Settings) -> Self {
        let engine = Engine::new(&Arc::new(settings), 1);
        let outputs = Outputs { scores: Some(Vec::new()), ..Outputs::default() };
        Self { engine, outputs, events: Vec::new(), gauges: Vec::new() }
    }

    /// One record, received at `received_ms`.
    pub(crate) fn record(&mut self, received_ms: i64, body: RecordBody<'_>) -> Outcome {
        let record = Record { received_at: Timestamp::from_ms(received_ms), body };
        let outcome = self.engine.apply(&record, &mut self.outputs);
        self.events.extend(self.outputs.events.iter().cloned());
        self.gauges.extend(self.outputs.gauges.iter().cloned());
        outcome
    }

    /// One sample of one series, received when it happened.
    pub(crate) fn sample(&mut self, labels: &LabelSet, ms: i64, value: f64) -> Outcome {
        self.record(ms, RecordBody::request(&request(&[(labels, &[(ms, value)])])))
    }

    /// Nothing arrives.
    pub(crate) fn quiet(&mut self, received_ms: i64) {
        self.record(received_ms, RecordBody::Heartbeat);
    }

    pub(crate) fn configure(&mut self, received_ms: i64, settings: Settings) {
        self.record(received_ms, RecordBody::Configuration(Arc::new(settings)));
    }

    /// Noise around 100 in every minute of `minutes`: nobody is surprised.
    pub(crate) fn calm(&mut self, labels: &LabelSet, minutes: std::ops::Range<i64>) {
        for minute in minutes {
            self.sample(labels, minute * MINUTE_MS, calm(minute));
        }
    }

    /// A gross fault in every minute of `minutes`.
    pub(crate) fn broken(&mut self, labels: &LabelSet, minutes: std::ops::Range<i64>) {
        for minute in minutes {
            self.sample(labels, minute * MINUTE_MS, 1000.0);
        }
    }

    /// Episodes that are open.
    pub(crate) fn open(&mut self) -> usize {
        self.engine.partitions().iter().map(Partition::open_episodes).sum()
    }
}

/// An ordinary value of an ordinary minute.
pub(crate) fn calm(minute: i64) -> f64 {
    100.0 + (minute * 7919 % 101) as f64 / 25.0
}
