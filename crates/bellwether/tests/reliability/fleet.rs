//! Series whose values follow from series and step alone, with an incident now and then: whoever sends them again
//! sends the same bytes.

use bellwether_series::{LabelSet, Timestamp};
use bellwether_wire::remote_write::{RawSample, WriteRequestBuilder, compress};

use crate::figures::mix;

/// Event time from one step to the next.
pub(crate) const STEP_MS: i64 = 60_000;
/// Series of one instance.
const INSTANCE_SERIES: usize = 20;
/// Every so many steps a series has an incident, once there was time to learn.
const INCIDENT_EVERY_STEPS: usize = 40;
const INCIDENT_STEPS: usize = 12;
const LEARNING_STEPS: usize = 120;

/// The series of one sender.
#[derive(Clone)]
pub(crate) struct Fleet {
    labels: Vec<LabelSet>,
    seed: u64,
    start: Timestamp,
    /// Samples of each series in a body.
    samples: usize,
}

impl Fleet {
    /// So many series of the sender called `name`, whose first step is at `start`.
    pub(crate) fn new(name: &str, series: usize, start: Timestamp) -> Self {
        let labels = (0..series)
            .map(|index| {
                let metric = format!("metric_{}", index % INSTANCE_SERIES);
                let instance = format!("{name}-{}:9100", index / INSTANCE_SERIES);
                let pairs = [
                    ("__name__", metric.as_str()),
                    ("instance", &instance),
                    ("job", "reliability"),
                    ("sender", name),
                ];
                LabelSet::from_pairs(pairs).unwrap()
            })
            .collect();
        let seed = name.bytes().fold(0, |seed, byte| mix(seed ^ u64::from(byte)));
        Self { labels, seed, start, samples: 1 }
    }

    /// The same series, so many samples of each in a body: its step is then so many of these.
    pub(crate) fn in_bodies_of(self, samples: usize) -> Self {
        Self { samples, ..self }
    }

    /// The same series with one more label.
    pub(crate) fn labelled(mut self, name: &str, value: &str) -> Self {
        for labels in &mut self.labels {
            let pairs = labels.iter().chain([(name, value)]);
            *labels = LabelSet::from_pairs(pairs).unwrap();
        }
        self
    }

    /// The same series, each sample so much later.
    pub(crate) fn later(self, by_ms: i64) -> Self {
        Self { start: self.start.plus_ms(by_ms), ..self }
    }

    /// Event time of `step`.
    pub(crate) fn at(&self, step: usize) -> Timestamp {
        self.start.plus_ms(step as i64 * STEP_MS)
    }

    /// The compressed request of `step`: a sample of each series, unless they are [sent together](Self::in_bodies_of).
    pub(crate) fn body(&self, step: usize) -> Vec<u8> {
        self.body_with(step, |_| None)
    }

    /// The same; a series that `strays` gives a time has a sample at that time as well, behind its own, and like the last of them.
    pub(crate) fn body_with(
        &self,
        step: usize,
        strays: impl Fn(usize) -> Option<Timestamp>,
    ) -> Vec<u8> {
        let mut builder = WriteRequestBuilder::default();
        for (index, labels) in self.labels.iter().enumerate() {
            let own = (step * self.samples..(step + 1) * self.samples)
                .map(|step| RawSample { timestamp: self.at(step), value: self.value(index, step) });
            let mut samples: Vec<RawSample> = own.collect();
            let last = samples.last().copied();
            let stray = strays(index).zip(last);
            samples.extend(stray.map(|(timestamp, last)| RawSample { timestamp, ..last }));
            builder.series(labels, &samples);
        }
        compress(&builder.encode())
    }

    fn value(&self, index: usize, step: usize) -> f64 {
        let bits = mix(self.seed ^ ((index as u64) << 32 | step as u64));
        let noise: f64 =
            (0..4).map(|part| (bits >> (16 * part) & 0xffff) as f64 / 65536.0 - 0.5).sum();
        let base = 100.0 + index as f64;
        let factor = if self.has_incident(index, step) { 4.0 } else { 1.0 };
        (base * factor * (1.0 + 0.05 * noise) * 1000.0).round() / 1000.0
    }

    fn has_incident(&self, index: usize, step: usize) -> bool {
        let (incident, since) = (step / INCIDENT_EVERY_STEPS, step % INCIDENT_EVERY_STEPS);
        let struck = mix(self.seed ^ incident as u64) as usize % self.labels.len();
        step >= LEARNING_STEPS && since < INCIDENT_STEPS && struck == index
    }
}

/// A start long ago, so that no step is ever ahead of the clock.
pub(crate) const LONG_AGO: Timestamp = Timestamp::from_ms(1_750_000_000_000);
