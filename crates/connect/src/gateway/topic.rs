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

/// What asking for the topic has brought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Found {
    /// It is as it was.
    Same,
    /// It has another number of partitions than it had when it was reached last.
    Changed { before: u32, now: u32 },
    /// It can be reached again.
    Reached(u32),
    /// It cannot be reached any more.
    Lost(String),
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

    /// Asks the brokers for the topic. `before` is how many partitions it had when it was reached last, 0 if it never was.
    pub(super) fn ask(&self, before: u32) -> Found {
        let producer = Arc::clone(&self.producer.read());
        let asked = producer.partitions_of(&self.options.topic, ASKED_MAX);
        let (now, error) = match asked.map(u32::try_from) {
            Ok(Ok(now)) if now > 0 => (now, None),
            Ok(_) => (0, Some("the topic has no partitions".to_owned())),
            Err(error) => (0, Some(error)),
        };
        let known = self.partitions.swap(now, Ordering::Relaxed);
        match error {
            Some(error) => {
                self.account.count(|figures| figures.last_error = Some(error.clone()));
                if known > 0 || before == 0 { Found::Lost(error) } else { Found::Same }
            }
            None if before > 0 && before != now => Found::Changed { before, now },
            None if known == 0 => Found::Reached(now),
            None => Found::Same,
        }
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
