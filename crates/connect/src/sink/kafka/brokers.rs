//! Transactions as brokers make them.

use std::collections::BTreeSet;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bellwether_engine::Event;
use parking_lot::Mutex;
use rdkafka::consumer::ConsumerGroupMetadata;

use super::book::Book;
use super::taken::{self, Asker, Ends};
use super::transactional::{Origins, Transactions};
use super::{KafkaEventsOptions, Place, TransactionOptions};
use crate::kafka::{ClientError, Producer, Taken, Uncommitted, Undelivered};

/// What a transaction may take until brokers abort it: until then nobody reads what is behind its first record. One that is under
/// way when a process is killed lasts that long, and a little more.
const TRANSACTION_MAX: Duration = Duration::from_secs(10);
/// Where the topic ends is noted this often.
const NOTE_EVERY: Duration = Duration::from_mins(1);

/// Makes producers of a cluster, and asks its topic.
pub(super) struct Brokers {
    options: KafkaEventsOptions,
    id: String,
    book: Arc<Book>,
    asker: Arc<Asker>,
    /// Of a process that has the group to itself.
    place: Option<Arc<Mutex<Place>>>,
    /// Of one of several: all that is in doubt is behind it.
    noted: Mutex<Option<(Instant, Ends)>>,
}

/// A producer with transactions.
pub(super) struct OfBrokers {
    options: KafkaEventsOptions,
    producer: Producer<u64>,
    book: Arc<Book>,
    too_large: Arc<Mutex<Vec<(u64, String)>>>,
}

impl Brokers {
    pub(super) fn new(
        options: KafkaEventsOptions,
        transactions: TransactionOptions,
        (book, asker, place): (Arc<Book>, Arc<Asker>, Arc<Mutex<Place>>),
    ) -> Self {
        let TransactionOptions { id, is_shared } = transactions;
        // A process that shares the group is fenced by its membership; its name only must be nobody else's.
        let random = RandomState::new().build_hasher().finish();
        let id = if is_shared { format!("{id}-{}-{random:016x}", std::process::id()) } else { id };
        let place = (!is_shared).then_some(place);
        Self { options, id, book, asker, place, noted: Mutex::default() }
    }

    /// Whether there can be a producer. Nothing is connected to.
    pub(super) fn check(&self) -> Result<(), ClientError> {
        self.start(Arc::default()).map(drop)
    }

    /// Notes where the topic ends before anything is produced.
    fn note_beginning(&self) -> Result<(), String> {
        let Some(place) = &self.place else {
            let mut noted = self.noted.lock();
            if noted.is_none() {
                *noted = Some((Instant::now(), self.asker.ends()?));
            }
            return Ok(());
        };
        if place.lock().of_checkpoint.is_none() {
            let ends = self.asker.ends()?;
            place.lock().of_checkpoint.get_or_insert(ends);
        }
        Ok(())
    }

    fn start(
        &self,
        too_large: Arc<Mutex<Vec<(u64, String)>>>,
    ) -> Result<Producer<u64>, ClientError> {
        let own = [
            ("linger.ms", "5".to_owned()),
            ("compression.codec", "zstd".to_owned()),
            ("transactional.id", self.id.clone()),
            ("transaction.timeout.ms", TRANSACTION_MAX.as_millis().to_string()),
        ];
        // That the brokers have a record says nothing: it counts when its transaction is committed.
        let delivered = move |number, result: Result<(), Undelivered>| {
            if let Err(Undelivered { error, is_too_large: true, .. }) = result {
                too_large.lock().push((number, error));
            }
        };
        Producer::start(&self.options.cluster, &own, Box::new(delivered))
    }
}

impl Origins for Brokers {
    type Producer = OfBrokers;

    fn producer(&self) -> Result<OfBrokers, String> {
        let too_large = Arc::default();
        let producer = self.start(Arc::clone(&too_large)).map_err(|error| error.to_string())?;
        producer.init(|| self.book.is_over()).map_err(|uncommitted| uncommitted.error)?;
        self.note_beginning()?;
        let (options, book) = (self.options.clone(), Arc::clone(&self.book));
        Ok(OfBrokers { options, producer, book, too_large })
    }

    fn ids(&self) -> Result<BTreeSet<String>, String> {
        let noted = self.noted.lock().as_ref().map(|(_, ends)| ends.clone());
        let returned_to = || self.place.as_ref().and_then(|place| place.lock().returned_to.clone());
        let marks = noted.or_else(returned_to).unwrap_or_default();
        taken::ids_since(&self.options.cluster, &self.options.topic, &marks)
    }

    fn note_place(&self) {
        let mut noted = self.noted.lock();
        if let Some((at, ends)) = &mut *noted
            && at.elapsed() >= NOTE_EVERY
        {
            *at = Instant::now();
            // When nobody answers, what is known is not wrong.
            if let Ok(now) = self.asker.ends() {
                *ends = now;
            }
        }
    }
}

impl Transactions for OfBrokers {
    type Pass = ConsumerGroupMetadata;

    fn begin(&self) -> Result<(), Uncommitted> {
        self.producer.begin()
    }

    fn send(&self, number: u64, event: &Event) -> Result<(), Undelivered> {
        self.options.send(&self.producer, number, event)
    }

    fn commit(
        &self,
        taken: &Taken,
        pass: Option<&ConsumerGroupMetadata>,
    ) -> Result<(), Uncommitted> {
        self.producer.commit(taken, pass, || self.book.is_over())
    }

    fn abort(&self) -> Result<(), Uncommitted> {
        self.producer.abort(|| self.book.is_over())
    }

    fn too_large(&self) -> Vec<(u64, String)> {
        std::mem::take(&mut *self.too_large.lock())
    }
}
