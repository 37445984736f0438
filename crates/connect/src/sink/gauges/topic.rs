//! Gauges on a topic of Kafka: a record a sample, as JSON that we read ourselves as well (`docs/formats.md`).
//!
//! ```text
//! {"labels":{"__name__":"bellwether_surprise","metric":"load",…},"timestamp_ms":1700000000000,"value":4.5}
//! ```
//!
//! A value that is not a number or infinite is a text: `"NaN"`, `"+Inf"`, `"-Inf"`. The key is the fingerprint of the series that the
//! gauges are about, so that its samples stay in order. That a series ends is not told: there is no word for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bellwether_series::{LabelSet, STALE_NAN_BITS};
use parking_lot::Mutex;
use serde::{Serialize, Serializer};

use super::board::Point;
use super::{Clock, TargetStats};
use crate::kafka::{ClientError, Cluster, Letter, Producer, Undelivered};

/// A topic that gets the gauges.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicOptions {
    /// Where it is.
    pub cluster: Cluster,
    /// Its name.
    pub topic: String,
}

/// The topic, and what is not confirmed.
pub(super) struct Topic {
    name: String,
    producer: Producer<()>,
    figures: Arc<Figures>,
    queue_samples_max: usize,
}

/// Shared with the producer's thread.
struct Figures {
    pending_samples: AtomicUsize,
    stats: Mutex<TargetStats>,
    clock: Clock,
}

impl Topic {
    /// Starts the producer. Brokers need not be there yet.
    pub(super) fn start(
        options: &TopicOptions,
        queue_samples_max: usize,
        clock: Clock,
    ) -> Result<Self, ClientError> {
        let own = [
            ("linger.ms", "100".to_owned()),
            ("compression.codec", "zstd".to_owned()),
            ("message.timeout.ms", "0".to_owned()),
            ("queue.buffering.max.messages", "0".to_owned()),
        ];
        let url = format!("kafka:{}", options.topic);
        let figures = Arc::new(Figures {
            pending_samples: AtomicUsize::new(0),
            stats: Mutex::new(TargetStats { url, ..TargetStats::default() }),
            clock,
        });
        let told = Arc::clone(&figures);
        let confirmed = move |(), result| told.answered(result);
        let producer = Producer::start(&options.cluster, &own, Box::new(confirmed))?;
        Ok(Self { name: options.topic.clone(), producer, figures, queue_samples_max })
    }

    /// Produces `points`, as far as there is room. Never blocks.
    pub(super) fn publish(&self, points: &[Point]) {
        for point in points {
            let key = point.series.fingerprint.to_string();
            for (labels, &value) in point.series.labels.iter().zip(&point.values) {
                if value.to_bits() != STALE_NAN_BITS {
                    let (labels, value) = (Labels(labels), Number(value));
                    self.produce(&key, &Sample { labels, timestamp_ms: point.at_ms, value });
                }
            }
        }
    }

    fn produce(&self, key: &str, sample: &Sample<'_>) {
        let figures = &self.figures;
        if figures.pending_samples.load(Ordering::Relaxed) >= self.queue_samples_max {
            figures.stats.lock().dropped_samples += 1;
            return;
        }
        let Ok(value) = serde_json::to_vec(sample) else { unreachable!("keys of labels are text") };
        let letter = Letter {
            topic: &self.name,
            partition: None,
            key: Some(key.as_bytes()),
            value: Some(&value),
            headers: None,
            timestamp_ms: None,
        };
        figures.pending_samples.fetch_add(1, Ordering::Relaxed);
        if let Err(undelivered) = self.producer.send(letter, ()) {
            figures.answered(Err(undelivered));
        }
    }

    pub(super) fn stats(&self) -> TargetStats {
        let pending_samples = self.figures.pending_samples.load(Ordering::Relaxed);
        TargetStats { pending_samples, ..self.figures.stats.lock().clone() }
    }

    /// Waits until all is confirmed, for `limit` at the most; whether it is.
    pub(super) fn flush(&self, limit: Duration) -> bool {
        self.producer.flush(limit)
    }
}

impl Figures {
    fn answered(&self, result: Result<(), Undelivered>) {
        self.pending_samples.fetch_sub(1, Ordering::Relaxed);
        let mut stats = self.stats.lock();
        match result {
            Ok(()) => {
                stats.sent_samples += 1;
                stats.last_success_ms = Some((self.clock)());
                stats.failures_in_a_row = 0;
                stats.last_error = None;
            }
            Err(undelivered) => {
                stats.dropped_samples += 1;
                stats.failed_requests += 1;
                stats.failures_in_a_row = stats.failures_in_a_row.saturating_add(1);
                stats.last_error = Some(undelivered.error);
            }
        }
    }
}

/// A sample as it is produced.
#[derive(Serialize)]
struct Sample<'a> {
    labels: Labels<'a>,
    timestamp_ms: i64,
    value: Number,
}

/// Labels as a map.
struct Labels<'a>(&'a LabelSet);

impl Serialize for Labels<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter())
    }
}

/// A number, or a text where JSON has no number.
struct Number(f64);

impl Serialize for Number {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            value if value.is_nan() => serializer.serialize_str("NaN"),
            f64::INFINITY => serializer.serialize_str("+Inf"),
            f64::NEG_INFINITY => serializer.serialize_str("-Inf"),
            value => serializer.serialize_f64(value),
        }
    }
}

#[cfg(test)]
mod tests {
    use bellwether_wire::remote_write::Limits;
    use bellwether_wire::{Compression, Format, Message};

    use super::*;

    #[test]
    fn a_sample_is_what_we_read_ourselves() {
        let labels = LabelSet::from_pairs([("__name__", "bellwether_expected"), ("a", "\"b\"")]);
        let labels = labels.unwrap();
        let json = |value| {
            let (labels, value) = (Labels(&labels), Number(value));
            serde_json::to_vec(&Sample { labels, timestamp_ms: 1_700, value }).unwrap()
        };
        let text = String::from_utf8(json(4.5)).unwrap();
        assert_eq!(
            text,
            r#"{"labels":{"__name__":"bellwether_expected","a":"\"b\""},"timestamp_ms":1700,"value":4.5}"#
        );
        let format = Format::new(Message::Json, Compression::None);
        for value in [4.5, f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            let request = format.decode(&json(value), &Limits::default()).unwrap();
            let series = request.series().next().unwrap();
            let sample = series.samples.iter().next().unwrap();
            assert_eq!(sample.timestamp.as_ms(), 1_700);
            assert!(
                sample.value.total_cmp(&value).is_eq() || (sample.value.is_nan() && value.is_nan())
            );
        }
    }
}
