//! The topic: who produces to it, how many partitions it has, and heartbeats.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use bellwether_series::Timestamp;
use parking_lot::RwLock;
use rdkafka::message::{Header, OwnedHeaders};

use super::options::GatewayOptions;
use super::pending::Pending;
use super::split::Part;
use super::stats::{Account, Kind};
use crate::kafka::{ClientError, HEARTBEAT_HEADER, Letter, Producer, Undelivered};

/// Longest wait for what brokers say of the topic.
const ASKED_MAX: Duration = Duration::from_secs(2);

/// What a record is known by.
pub(super) enum Sent {
    Part { of: Arc<Pending>, bytes: usize },
    Heartbeat,
}

impl Sent {
    fn kind(&self) -> Kind {
        match self {
            Self::Part { bytes, .. } => Kind::Part(*bytes),
            Self::Heartbeat => Kind::Heartbeat,
        }
    }

    fn done(self, account: &Account, result: &Result<(), Undelivered>) {
        account.done(self.kind(), result);
        if let Self::Part { of, .. } = self {
            of.record_done(result.is_ok());
        }
    }
}

/// The topic.
pub(super) struct Topic {
    options: GatewayOptions,
    account: Arc<Account>,
    producer: RwLock<Arc<Producer<Sent>>>,
    /// 0 while it cannot be reached.
    partitions: AtomicU32,
}

impl Topic {
    /// Starts a producer. Nothing waits for a connection.
    pub(super) fn start(
        options: GatewayOptions,
        account: Arc<Account>,
    ) -> Result<Self, ClientError> {
        let producer = RwLock::new(Arc::new(producer(&options, &account)?));
        Ok(Self { options, account, producer, partitions: AtomicU32::new(0) })
    }

    /// How many partitions it has; `None` while it cannot be reached.
    pub(super) fn partitions(&self) -> Option<NonZeroU32> {
        NonZeroU32::new(self.partitions.load(Ordering::Relaxed))
    }

    /// Asks the brokers how many partitions it has, at least one.
    ///
    /// # Errors
    /// Why it cannot be reached.
    pub(super) fn ask(&self) -> Result<u32, String> {
        let producer = Arc::clone(&self.producer.read());
        let asked = producer.partitions_of(&self.options.topic, ASKED_MAX);
        let found = asked.and_then(|count| match u32::try_from(count) {
            Ok(count) if count > 0 => Ok(count),
            _ => Err("the topic has no partitions".to_owned()),
        });
        self.partitions.store(*found.as_ref().unwrap_or(&0), Ordering::Relaxed);
        found.inspect_err(|error| {
            self.account.count(|figures| figures.last_error = Some(error.clone()));
        })
    }

    /// Produces `part` of a request that was received at `at`.
    ///
    /// # Errors
    /// When it is not queued; `of` has not heard of it then.
    pub(super) fn send(
        &self,
        part: &Part,
        headers: Option<OwnedHeaders>,
        at: Timestamp,
        of: &Arc<Pending>,
    ) -> Result<(), Undelivered> {
        let letter = Letter {
            topic: &self.options.topic,
            partition: Some(part.partition),
            key: None,
            value: Some(&part.value),
            headers,
            timestamp_ms: Some(at.as_ms()),
        };
        self.produce(letter, Sent::Part { of: Arc::clone(of), bytes: part.value.len() })
    }

    /// Tells each partition that it is `now`, unless some have not confirmed the last time.
    pub(super) fn beat(&self, now: Timestamp) {
        if self.account.under_way_heartbeats() > 0 {
            return;
        }
        for partition in 0..self.partitions.load(Ordering::Relaxed) {
            let header = Header { key: HEARTBEAT_HEADER, value: Some("1") };
            let letter = Letter {
                topic: &self.options.topic,
                partition: i32::try_from(partition).ok(),
                key: None,
                value: None,
                headers: Some(OwnedHeaders::new().insert(header)),
                timestamp_ms: Some(now.as_ms()),
            };
            if let Err(undelivered) = self.produce(letter, Sent::Heartbeat) {
                self.account.failed(Kind::Heartbeat, &undelivered);
            }
        }
    }

    fn produce(&self, letter: Letter<'_>, sent: Sent) -> Result<(), Undelivered> {
        let producer = Arc::clone(&self.producer.read());
        let kind = sent.kind();
        self.account.sent(kind);
        producer.send(letter, sent).inspect_err(|_| self.account.unsent(kind))
    }

    /// Starts another producer in place of one that has failed for good.
    pub(super) fn replace_failed(&self) {
        if !self.account.take_failure() {
            return;
        }
        match producer(&self.options, &self.account) {
            Ok(another) => {
                tracing::error!("producer has failed, another one is started");
                *self.producer.write() = Arc::new(another);
                self.account.count(|figures| figures.producer_restarts += 1);
            }
            Err(error) => tracing::error!(%error, "producer has failed, and no other one starts"),
        }
    }

    /// Waits until all is confirmed, for `limit` at the most; whether it is.
    pub(super) fn flush(&self, limit: Duration) -> bool {
        let producer = Arc::clone(&self.producer.read());
        producer.flush(limit)
    }
}

fn producer(
    options: &GatewayOptions,
    account: &Arc<Account>,
) -> Result<Producer<Sent>, ClientError> {
    let account = Arc::clone(account);
    let delivered = move |sent: Sent, result: Result<(), Undelivered>| sent.done(&account, &result);
    Producer::start(&options.cluster, &options.producer(), Box::new(delivered))
}
