//! Dead letters: poison as it came, with headers that say where it stood and why it is there.

use std::sync::mpsc::Sender;

use bellwether_runtime::TopicPartition;
use rdkafka::message::{Header, OwnedHeaders};

use super::form::Form;
use super::line::{Due, Record};
use super::options::KafkaOptions;
use super::poison::Poison;
use super::worker::News;
use crate::kafka::{ClientError, Letter, Producer, Undelivered};
use crate::text::printable;

/// Longest text of an error in a header, in bytes.
const MESSAGE_BYTES_MAX: usize = 1024;
/// Room for the key and the headers of a record beside its value, in bytes.
const OVERHEAD_BYTES: usize = 1 << 20;
/// Most bytes of letters that are sent together, if they are more than one.
const BATCH_BYTES: usize = 16 << 10;
/// Largest record that librdkafka can be told of, in bytes.
const RECORD_BYTES_MAX: usize = 1_000_000_000;

/// Most kilobytes that librdkafka can be told to keep.
const KBYTES_MAX: usize = i32::MAX as usize;

/// Which record a dead letter is.
pub(super) struct LetterOf {
    pub(super) at: TopicPartition,
    pub(super) offset: i64,
}

/// The dead-letter topic.
pub(super) struct DeadLetters {
    topic: String,
    producer: Producer<LetterOf>,
}

impl DeadLetters {
    /// Starts the producer, if `options` name a topic. What becomes of letters is told to `news`.
    pub(super) fn start(
        options: &KafkaOptions,
        news: Sender<News>,
    ) -> Result<Option<Self>, ClientError> {
        let Some(topic) = options.dead_letter_topic.clone() else { return Ok(None) };
        let bytes_max = options.record_bytes_max.saturating_add(OVERHEAD_BYTES);
        let queued_kbytes = options.buffer_bytes_max.max(bytes_max).div_ceil(1024).min(KBYTES_MAX);
        let own = [
            ("linger.ms", "0".to_owned()),
            ("message.max.bytes", bytes_max.min(RECORD_BYTES_MAX).to_string()),
            // As much as may wait to be submitted; any one of them has room.
            ("queue.buffering.max.kbytes", queued_kbytes.to_string()),
            // A topic bounds what comes together, so that many small letters are too large for one that takes each of them.
            ("batch.size", BATCH_BYTES.to_string()),
            // As long as it takes: a record whose letter is not confirmed is not left out.
            ("message.timeout.ms", "0".to_owned()),
        ];
        let delivered = move |LetterOf { at, offset }, result| {
            // When nobody listens any more, nobody leaves the record out.
            _ = news.send(News::Letter { at, offset, result });
        };
        let producer = Producer::start(&options.cluster, &own, Box::new(delivered))?;
        Ok(Some(Self { topic, producer }))
    }

    /// Sends the letter that is `due` away, of a record of `at`.
    pub(super) fn send(&self, at: &TopicPartition, due: &Due<'_>) -> Result<(), Undelivered> {
        let &Due { record, poison, form } = due;
        let place = format!("{}/{}@{}", at.topic, at.partition, record.offset);
        let own_key = record.key.as_deref().filter(|_| !form.is_bare());
        let place = Some(place.as_bytes()).filter(|_| form.is_bare() || form.needs_key);
        let letter = Letter {
            topic: &self.topic,
            partition: None,
            key: own_key.or(place),
            value: record.value.as_deref().filter(|_| !form.without_value()),
            headers: Some(headers(at, record, poison, form)),
            timestamp_ms: record.timestamp_ms.filter(|_| !form.without_timestamp),
        };
        self.producer.send(letter, LetterOf { at: at.clone(), offset: record.offset })
    }
}

/// The record's own headers, and ours behind them.
fn headers(at: &TopicPartition, record: &Record, poison: &Poison, form: Form) -> OwnedHeaders {
    let bytes = record.value.as_ref().map_or(0, Vec::len);
    let left_out = left_out(record, form);
    let ours = [
        ("class", Some(poison.reason().to_owned())),
        ("message", Some(printable(&poison.to_string(), MESSAGE_BYTES_MAX))),
        ("topic", Some(at.topic.to_string())),
        ("partition", Some(at.partition.to_string())),
        ("offset", Some(record.offset.to_string())),
        ("timestamp", record.timestamp_ms.map(|ms| ms.to_string())),
        ("version", Some(env!("CARGO_PKG_VERSION").to_owned())),
        ("value_bytes", form.without_value().then(|| bytes.to_string())),
        ("left_out", Some(left_out.join(",")).filter(|all| !all.is_empty())),
    ];
    let theirs = record.headers.clone().filter(|_| !form.is_bare()).unwrap_or_default();
    ours.into_iter().fold(theirs, |headers, (name, value)| match &value {
        Some(value) => {
            let key = format!("bellwether.error.{name}");
            headers.insert(Header { key: &key, value: Some(value) })
        }
        None => headers,
    })
}

/// What its record has and a letter of this form does not.
fn left_out(record: &Record, form: Form) -> Vec<&'static str> {
    let parts = [
        ("timestamp", form.without_timestamp && record.timestamp_ms.is_some()),
        ("value", form.without_value() && record.value.is_some()),
        ("key", form.is_bare() && record.key.is_some()),
        ("headers", form.is_bare() && record.headers.is_some()),
    ];
    parts.into_iter().filter(|&(_, is_left_out)| is_left_out).map(|(part, _)| part).collect()
}
