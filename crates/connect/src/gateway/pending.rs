//! A request whose records are under way: it is answered when it is known what became of the last of them.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use bellwether_engine::Outcome;
use bellwether_runtime::{Reply, SubmitError};
use parking_lot::Mutex;

/// A request whose records are under way.
pub(super) struct Pending {
    remaining: AtomicUsize,
    is_incomplete: AtomicBool,
    answer: Mutex<Option<(Outcome, Reply)>>,
}

impl Pending {
    /// Of a request with so many records, at least one. `reply` hears `outcome` once all of them are confirmed.
    pub(super) fn new(records: usize, outcome: Outcome, reply: Reply) -> Self {
        Self {
            remaining: AtomicUsize::new(records),
            is_incomplete: AtomicBool::new(false),
            answer: Mutex::new(Some((outcome, reply))),
        }
    }

    /// It is known what became of one more record. To be called once for each.
    pub(super) fn record_done(&self, is_confirmed: bool) {
        if !is_confirmed {
            self.is_incomplete.store(true, Ordering::Release);
        }
        if self.remaining.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.answer(!self.is_incomplete.load(Ordering::Acquire));
        }
    }

    fn answer(&self, is_complete: bool) {
        let Some((outcome, reply)) = self.answer.lock().take() else { return };
        reply(if is_complete { Ok(outcome) } else { Err(SubmitError::Unconfirmed) });
    }
}

/// Whatever was forgotten of it was not confirmed.
impl Drop for Pending {
    fn drop(&mut self) {
        self.answer(false);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    type Heard = Arc<Mutex<Vec<Result<Outcome, SubmitError>>>>;

    fn pending(records: usize) -> (Pending, Heard) {
        let heard = Heard::default();
        let told = Arc::clone(&heard);
        let outcome = Outcome { accepted_samples: 7, ..Outcome::default() };
        (Pending::new(records, outcome, Box::new(move |result| told.lock().push(result))), heard)
    }

    #[test]
    fn it_is_answered_once_all_of_its_records_are_confirmed() {
        let (pending, heard) = pending(3);
        pending.record_done(true);
        pending.record_done(true);
        assert!(heard.lock().is_empty());
        pending.record_done(true);
        drop(pending);
        let heard = heard.lock();
        assert!(matches!(&heard[..], [Ok(Outcome { accepted_samples: 7, .. })]), "{heard:?}");
    }

    #[test]
    fn one_record_that_is_not_confirmed_is_enough_and_it_does_not_matter_which() {
        for failing in 0..3 {
            let (pending, heard) = pending(3);
            (0..3).for_each(|record| pending.record_done(record != failing));
            drop(pending);
            assert_eq!(*heard.lock(), [Err(SubmitError::Unconfirmed)], "{failing}");
        }
    }

    #[test]
    fn what_is_forgotten_is_not_confirmed() {
        let (pending, heard) = pending(2);
        pending.record_done(true);
        drop(pending);
        assert_eq!(*heard.lock(), [Err(SubmitError::Unconfirmed)]);
    }
}
