//! A producer whose records and offsets are committed together, or not at all.

use std::time::Duration;

use rdkafka::consumer::ConsumerGroupMetadata;
use rdkafka::error::KafkaError;
use rdkafka::producer::Producer as _;
use rdkafka::{Offset, TopicPartitionList};

use super::client::describe;
use super::group::Taken;
use super::letters::Producer;

/// Longest wait for one answer. What takes longer is asked again.
const ANSWER_MAX: Duration = Duration::from_secs(2);
/// Pause before asking again: some answers come at once.
const ASK_AFTER: Duration = Duration::from_millis(50);

/// Why a transaction is not committed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Uncommitted {
    pub(crate) error: String,
    /// The producer takes nothing any more.
    pub(crate) is_fatal: bool,
    /// It may have been committed all the same.
    pub(crate) is_in_doubt: bool,
}

impl<T: Send + Sync + 'static> Producer<T> {
    /// Ends what a producer with the same `transactional.id` has left, which is fenced from then on. Asked again until
    /// `is_over`.
    pub(crate) fn init(&self, is_over: impl Fn() -> bool) -> Result<(), Uncommitted> {
        again(is_over, || self.0.init_transactions(ANSWER_MAX))
    }

    /// What is sent from now on belongs to a transaction.
    pub(crate) fn begin(&self) -> Result<(), Uncommitted> {
        self.0.begin_transaction().map_err(|error| Uncommitted::new(&error))
    }

    /// Commits what was sent, and `taken` in the name of `pass`. Asked again until `is_over`.
    pub(crate) fn commit(
        &self,
        taken: &Taken,
        pass: Option<&ConsumerGroupMetadata>,
        is_over: impl Fn() -> bool,
    ) -> Result<(), Uncommitted> {
        if let Some(pass) = pass.filter(|_| !taken.is_empty()) {
            let mut list = TopicPartitionList::new();
            for (at, &next) in taken {
                let offset = Offset::Offset(next);
                let added = list.add_partition_offset(&at.topic, at.partition, offset);
                added.map_err(|error| Uncommitted::new(&error))?;
            }
            again(&is_over, || self.0.send_offsets_to_transaction(&list, pass, ANSWER_MAX))?;
        }
        again(is_over, || self.0.commit_transaction(ANSWER_MAX)).map_err(|failed| {
            // Only what is to be aborted is certainly not committed.
            let is_in_doubt = failed.is_fatal || failed.is_in_doubt;
            Uncommitted { is_in_doubt, ..failed }
        })
    }

    /// Aborts the transaction.
    pub(crate) fn abort(&self, is_over: impl Fn() -> bool) -> Result<(), Uncommitted> {
        again(is_over, || self.0.abort_transaction(ANSWER_MAX))
    }
}

impl Uncommitted {
    fn new(error: &KafkaError) -> Self {
        let is_fatal = match error {
            KafkaError::Transaction(error) => !error.txn_requires_abort(),
            _ => false,
        };
        Self { error: describe(error), is_fatal, is_in_doubt: false }
    }
}

/// Calls until there is an answer, or it `is_over`.
fn again(
    is_over: impl Fn() -> bool,
    call: impl Fn() -> Result<(), KafkaError>,
) -> Result<(), Uncommitted> {
    loop {
        let error = match call() {
            Ok(()) => return Ok(()),
            Err(error) => error,
        };
        let comes_later = match &error {
            KafkaError::Transaction(error) => error.is_retriable() && !error.is_fatal(),
            // Not all is delivered yet.
            KafkaError::Flush(_) => true,
            _ => false,
        };
        if !comes_later {
            return Err(Uncommitted::new(&error));
        }
        if is_over() {
            // Whatever it was, nobody will hear of it.
            return Err(Uncommitted { is_in_doubt: true, is_fatal: true, error: describe(&error) });
        }
        std::thread::sleep(ASK_AFTER);
    }
}
