//! Transactions as brokers make them.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use bellwether_engine::Event;
use parking_lot::Mutex;
use rdkafka::consumer::ConsumerGroupMetadata;

use super::book::Book;
use super::place::Places;
use super::taken::Asker;
use super::transactional::{Origins, Transactions};
use super::{KafkaEventsOptions, note_rest};
use crate::kafka::{ClientError, Producer, Taken, Uncommitted, Undelivered};

/// What a transaction may take until brokers abort it: until then nobody reads what is behind its first record. One that is under
/// way when a process is killed lasts that long, and a little more, unless whoever goes on for it ends it.
const TRANSACTION_MAX: Duration = Duration::from_secs(10);

/// What producers with transactions are told that are called `id`.
pub(super) fn own_properties(id: &str) -> [(&'static str, String); 4] {
    [
        ("linger.ms", "5".to_owned()),
        ("compression.codec", "zstd".to_owned()),
        ("transactional.id", id.to_owned()),
        ("transaction.timeout.ms", TRANSACTION_MAX.as_millis().to_string()),
    ]
}

/// Makes producers of a cluster, and asks its topic.
pub(super) struct Brokers {
    options: KafkaEventsOptions,
    id: String,
    book: Arc<Book>,
    asker: Arc<Asker>,
    places: Arc<Mutex<Places>>,
}

/// A producer with transactions.
pub(super) struct OfBrokers {
    options: KafkaEventsOptions,
    producer: Producer<u64>,
    book: Arc<Book>,
    too_large: Arc<Mutex<Vec<(u64, String)>>>,
}

impl Brokers {
    /// Producers are called `id`.
    pub(super) fn new(
        options: KafkaEventsOptions,
        id: String,
        (book, asker, places): (Arc<Book>, Arc<Asker>, Arc<Mutex<Places>>),
    ) -> Self {
        Self { options, id, book, asker, places }
    }

    /// Whether there can be a producer. Nothing is connected to.
    pub(super) fn check(&self) -> Result<(), ClientError> {
        self.start(Arc::default()).map(drop)
    }

    /// Notes where the topic ends before anything is produced.
    fn note_beginning(&self) -> Result<(), String> {
        if self.places.lock().lacks_beginning() {
            let ends = self.asker.ends()?;
            self.places.lock().begin(ends);
        }
        Ok(())
    }

    fn start(
        &self,
        too_large: Arc<Mutex<Vec<(u64, String)>>>,
    ) -> Result<Producer<u64>, ClientError> {
        let own = own_properties(&self.id);
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
        let marks = self.places.lock().of_doubts();
        Ok(self.asker.ids_since(&marks, Duration::MAX, |_| true)?)
    }

    fn note_place(&self) {
        note_rest(&self.asker, &self.places, &self.book);
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
