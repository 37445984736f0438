//! A producer that says of each record what became of it, in the order in which it knows.

use std::time::Duration;

use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Message, OwnedHeaders};
use rdkafka::producer::{
    BaseRecord, DeliveryResult, Producer as _, ProducerContext, ThreadedProducer,
};

use super::client::{ClientError, Cluster, Role, describe};
use crate::text::printable;

/// Longest line of librdkafka that is logged, in bytes.
const LINE_BYTES_MAX: usize = 512;

/// Errors of records that a broker may have appended: it was not heard, or an attempt before the one that failed was not. Where a broker
/// refuses a record it does not have it. See librdkafka's `rd_kafka_handle_Produce_error`.
const IN_DOUBT: [RDKafkaErrorCode; 8] = [
    RDKafkaErrorCode::BrokerTransportFailure,
    RDKafkaErrorCode::Fatal,
    RDKafkaErrorCode::MessageTimedOut,
    RDKafkaErrorCode::NotEnoughReplicasAfterAppend,
    RDKafkaErrorCode::OutOfOrderSequenceNumber,
    RDKafkaErrorCode::PurgeInflight,
    RDKafkaErrorCode::PurgeQueue,
    RDKafkaErrorCode::UnknownProducerId,
];

/// One record to be produced.
#[derive(Debug)]
pub(crate) struct Letter<'a> {
    pub(crate) topic: &'a str,
    /// `None`: the one that the key says.
    pub(crate) partition: Option<i32>,
    pub(crate) key: Option<&'a [u8]>,
    pub(crate) value: Option<&'a [u8]>,
    pub(crate) headers: Option<OwnedHeaders>,
    pub(crate) timestamp_ms: Option<i64>,
}

/// What became of a record: the error, and whether it is that the record is too large.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "whoever asks for one does not ask for the others"
)]
pub(crate) struct Undelivered {
    pub(crate) error: String,
    pub(crate) is_too_large: bool,
    /// Why this record will never be taken as it is, if that is why.
    pub(crate) refusal: Option<Refusal>,
    /// The local queue is full: nothing is wrong but that it comes too early.
    pub(crate) is_queue_full: bool,
    /// The producer takes nothing any more.
    pub(crate) is_fatal: bool,
    /// It was not confirmed in time, or the producer has failed. The broker may have it all the same.
    pub(crate) is_in_doubt: bool,
}

/// Why a topic will never take a record as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// It is too large, or was sent with others that are too large together.
    TooLarge,
    /// Its timestamp is too old, or too far ahead.
    Timestamp,
    /// It has no key and the topic is compacted, or the broker checks what else is in it. Of several that were sent together and
    /// have a bad timestamp brokers say no more than this either.
    Record,
    /// Nothing is wrong with it, but with one that was sent with it.
    OtherRecord,
}

/// Told on a thread of the producer once the broker has confirmed a record, or it never will.
pub(crate) type Delivered<T> = Box<dyn Fn(T, Result<(), Undelivered>) + Send + Sync>;

/// An idempotent producer. `T` is what each of its records is known by. Dropping it gives up what is not delivered.
pub(crate) struct Producer<T: Send + Sync + 'static>(pub(super) ThreadedProducer<Context<T>>);

impl<T: Send + Sync + 'static> Producer<T> {
    /// Starts it. Nothing waits for a connection.
    pub(crate) fn start(
        cluster: &Cluster,
        own: &[(&str, String)],
        delivered: Delivered<T>,
    ) -> Result<Self, ClientError> {
        let config = cluster.config(Role::Producer, own)?;
        let context = Context { delivered };
        Ok(Self(config.create_with_context(context).map_err(ClientError::from)?))
    }

    /// Queues a record. What becomes of it is told under `known_by`, unless this fails.
    ///
    /// # Errors
    /// When it is not queued.
    pub(crate) fn send(&self, letter: Letter<'_>, known_by: T) -> Result<(), Undelivered> {
        let mut record = BaseRecord::with_opaque_to(letter.topic, Box::new(known_by));
        if let Some(partition) = letter.partition {
            record = record.partition(partition);
        }
        if let Some(key) = letter.key {
            record = record.key(key);
        }
        if let Some(value) = letter.value {
            record = record.payload(value);
        }
        if let Some(headers) = letter.headers {
            record = record.headers(headers);
        }
        if let Some(timestamp_ms) = letter.timestamp_ms {
            record = record.timestamp(timestamp_ms);
        }
        self.0.send(record).map_err(|(error, _)| Undelivered::new(&error))
    }

    /// Asks the brokers how many partitions `topic` has, for `limit` at the most.
    ///
    /// # Errors
    /// When nobody answers, or there is no such topic.
    pub(crate) fn partitions_of(&self, topic: &str, limit: Duration) -> Result<usize, String> {
        let metadata = self.0.client().fetch_metadata(Some(topic), limit);
        let metadata = metadata.map_err(|error| describe(&error))?;
        let found = metadata.topics().iter().find(|found| found.name() == topic);
        let found = found.ok_or("brokers say nothing of the topic")?;
        match found.error() {
            None => Ok(found.partitions().len()),
            Some(error) => Err(RDKafkaErrorCode::from(error).to_string()),
        }
    }

    /// Waits until all is delivered, for `limit` at the most; whether it is.
    pub(crate) fn flush(&self, limit: Duration) -> bool {
        self.0.flush(limit).is_ok()
    }
}

impl Undelivered {
    fn new(error: &KafkaError) -> Self {
        let code = error.rdkafka_error_code();
        Self {
            error: describe(error),
            is_too_large: code == Some(RDKafkaErrorCode::MessageSizeTooLarge),
            refusal: code.and_then(Refusal::of),
            is_fatal: code == Some(RDKafkaErrorCode::Fatal),
            is_queue_full: code == Some(RDKafkaErrorCode::QueueFull),
            is_in_doubt: code.is_some_and(|code| IN_DOUBT.contains(&code)),
        }
    }
}

impl Refusal {
    fn of(code: RDKafkaErrorCode) -> Option<Self> {
        match code {
            RDKafkaErrorCode::MessageSizeTooLarge | RDKafkaErrorCode::MessageBatchTooLarge => {
                Some(Self::TooLarge)
            }
            RDKafkaErrorCode::InvalidTimestamp => Some(Self::Timestamp),
            RDKafkaErrorCode::InvalidRecord => Some(Self::Record),
            RDKafkaErrorCode::InvalidDifferentRecord => Some(Self::OtherRecord),
            _ => None,
        }
    }
}

pub(super) struct Context<T> {
    delivered: Delivered<T>,
}

impl<T: Send + Sync + 'static> ClientContext for Context<T> {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, line: &str) {
        log(level, facility, line);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        let reason = printable(reason, LINE_BYTES_MAX);
        tracing::debug!(error = describe(&error), reason, "producer");
    }
}

impl<T: Send + Sync + 'static> ProducerContext for Context<T> {
    type DeliveryOpaque = Box<T>;

    fn delivery(&self, result: &DeliveryResult<'_>, known_by: Box<T>) {
        let result = result.as_ref().map(|_| ()).map_err(|(error, message)| {
            tracing::debug!(topic = message.topic(), error = describe(error), "not delivered");
            Undelivered::new(error)
        });
        (self.delivered)(*known_by, result);
    }
}

/// Passes on what librdkafka logs. It calls an error what it tries again by itself, so nothing here is more than a warning.
pub(crate) fn log(level: RDKafkaLogLevel, facility: &str, line: &str) {
    let line = printable(line, LINE_BYTES_MAX);
    match level {
        RDKafkaLogLevel::Emerg | RDKafkaLogLevel::Alert | RDKafkaLogLevel::Critical => {
            tracing::warn!(target: "librdkafka", facility, "{line}");
        }
        _ => tracing::debug!(target: "librdkafka", facility, "{line}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_broker_refuses_it_does_not_have_and_what_nobody_answered_it_may() {
        let of = |code| Undelivered::new(&KafkaError::MessageProduction(code)).is_in_doubt;
        for code in [
            RDKafkaErrorCode::MessageTimedOut,
            RDKafkaErrorCode::OutOfOrderSequenceNumber,
            RDKafkaErrorCode::PurgeInflight,
            RDKafkaErrorCode::Fatal,
        ] {
            assert!(of(code), "{code}");
        }
        for code in [
            RDKafkaErrorCode::TopicAuthorizationFailed,
            RDKafkaErrorCode::MessageSizeTooLarge,
            RDKafkaErrorCode::QueueFull,
        ] {
            assert!(!of(code), "{code}");
        }
    }
}
