//! One partition: what was read and is not submitted, what was submitted and is not answered, and where it goes on.
//!
//! No Kafka and no engine here: who reads and who submits asks what is next and tells what happened.

use std::collections::VecDeque;
use std::sync::Arc;

use rdkafka::message::OwnedHeaders;

/// A record as it was read.
#[derive(Debug, Default)]
pub(super) struct Record {
    pub(super) offset: i64,
    pub(super) key: Option<Vec<u8>>,
    pub(super) value: Option<Vec<u8>>,
    pub(super) headers: Option<OwnedHeaders>,
    pub(super) timestamp_ms: Option<i64>,
}

impl Record {
    /// Bytes of memory that it counts for.
    pub(super) fn bytes(&self) -> usize {
        let bytes = |part: &Option<Vec<u8>>| part.as_ref().map_or(0, Vec::len);
        bytes(&self.key) + bytes(&self.value) + 64
    }
}

/// What became of the dead letter of the record that is next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DeadLetter {
    /// None was sent.
    None,
    /// It is under way.
    Sent,
    /// It is confirmed: the record may be left out.
    Confirmed,
}

/// What to do with a record that was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Read {
    /// It waits now.
    Waits,
    /// It was taken before.
    Known,
    /// The partition is not ours, or will be read again from before it.
    NotNow,
}

#[derive(Debug)]
struct UnderWay {
    offset: i64,
    tenant: Option<Arc<str>>,
}

/// One partition.
#[derive(Debug, Default)]
pub(super) struct Line {
    is_assigned: bool,
    waiting: VecDeque<Record>,
    waiting_bytes: usize,
    under_way: VecDeque<UnderWay>,
    /// What is read next is not below this.
    read_next: Option<i64>,
    /// What the engine will expect once it has taken what is under way.
    submit_next: Option<i64>,
    /// What the engine expects.
    taken_next: Option<i64>,
    /// The lowest offset that was refused, since it was last read from there.
    refused: Option<i64>,
    dead_letter: DeadLetterOf,
}

/// The state of a dead letter, and of which offset it is.
#[derive(Debug, Default)]
struct DeadLetterOf(Option<(i64, bool)>);

impl Line {
    /// A partition of which the engine has taken what is below `taken_next`.
    pub(super) fn new(taken_next: Option<i64>) -> Self {
        Self { read_next: taken_next, submit_next: taken_next, taken_next, ..Self::default() }
    }

    /// It is ours, and read from [`Self::submit_next`] on.
    pub(super) fn assign(&mut self) {
        self.clear();
        self.is_assigned = true;
        self.read_next = self.submit_next;
    }

    /// It is not ours any more. What is under way stays so.
    pub(super) fn revoke(&mut self) {
        self.clear();
        self.is_assigned = false;
    }

    pub(super) fn is_assigned(&self) -> bool {
        self.is_assigned
    }

    /// Forgets what waits.
    fn clear(&mut self) {
        self.waiting.clear();
        self.waiting_bytes = 0;
        self.dead_letter = DeadLetterOf(None);
    }

    /// Bytes that wait.
    pub(super) fn waiting_bytes(&self) -> usize {
        self.waiting_bytes
    }

    /// What the engine expects; `None` when it has taken nothing.
    pub(super) fn taken_next(&self) -> Option<i64> {
        self.taken_next
    }

    /// What the engine will expect once it has taken what is under way.
    pub(super) fn submit_next(&self) -> Option<i64> {
        self.submit_next
    }

    /// What is read next.
    pub(super) fn read_next(&self) -> Option<i64> {
        self.read_next
    }

    /// `record` was read.
    pub(super) fn read(&mut self, record: Record) -> Read {
        if !self.is_assigned || self.refused.is_some() {
            return Read::NotNow;
        }
        if self.read_next.is_some_and(|next| record.offset < next) {
            return Read::Known;
        }
        self.read_next = Some(record.offset + 1);
        self.waiting_bytes += record.bytes();
        self.waiting.push_back(record);
        Read::Waits
    }

    /// The record that is next to be submitted, unless one before it was refused.
    pub(super) fn head(&self) -> Option<&Record> {
        self.waiting.front().filter(|_| self.refused.is_none())
    }

    /// Whether a record of `tenant` may follow what is under way. Requests of different tenants overtake each other.
    pub(super) fn may_follow(&self, tenant: Option<&Arc<str>>) -> bool {
        self.under_way.back().is_none_or(|last| last.tenant.as_ref() == tenant)
    }

    /// Takes the head out, to be submitted for `tenant`.
    pub(super) fn submit(&mut self, tenant: Option<Arc<str>>) -> Option<Record> {
        let record = self.waiting.pop_front()?;
        self.waiting_bytes -= record.bytes();
        self.dead_letter = DeadLetterOf(None);
        self.note_submitted(record.offset, tenant);
        Some(record)
    }

    /// An offset that nothing was read of is submitted for `tenant`.
    pub(super) fn note_submitted(&mut self, offset: i64, tenant: Option<Arc<str>>) {
        self.submit_next = Some(offset + 1);
        self.under_way.push_back(UnderWay { offset, tenant });
    }

    /// What was submitted as `offset` was taken, or refused.
    pub(super) fn answered(&mut self, offset: i64, is_taken: bool) {
        let Some(place) = self.under_way.iter().position(|under_way| under_way.offset == offset)
        else {
            return;
        };
        self.under_way.remove(place);
        if is_taken {
            self.taken_next = Some(offset + 1);
        } else {
            self.refused = Some(self.refused.map_or(offset, |lowest| lowest.min(offset)));
            self.clear();
        }
    }

    /// From where to read again, once all that was under way is answered; it must then be told [`Self::read_again`].
    pub(super) fn must_read_again(&self) -> Option<i64> {
        self.refused.filter(|_| self.under_way.is_empty() && self.is_assigned)
    }

    /// It is read from `offset` on, whatever was read before.
    pub(super) fn read_again(&mut self, offset: i64) {
        self.clear();
        self.refused = None;
        self.submit_next = self.taken_next;
        self.read_next = Some(offset);
    }

    /// It is read from `offset` on: there is nothing between. What waits is still to be submitted.
    pub(super) fn skip_to(&mut self, offset: i64) {
        self.read_next = Some(offset);
    }

    /// What became of the dead letter of the head.
    pub(super) fn dead_letter(&self) -> DeadLetter {
        match (self.dead_letter.0, self.waiting.front()) {
            (Some((offset, is_confirmed)), Some(head)) if head.offset == offset => {
                if is_confirmed {
                    DeadLetter::Confirmed
                } else {
                    DeadLetter::Sent
                }
            }
            _ => DeadLetter::None,
        }
    }

    /// The dead letter of the head is under way.
    pub(super) fn letter_sent(&mut self) {
        self.dead_letter = DeadLetterOf(self.waiting.front().map(|head| (head.offset, false)));
    }

    /// The dead letter of `offset` is confirmed, or must be sent again.
    pub(super) fn letter_answered(&mut self, offset: i64, is_confirmed: bool) {
        if self.dead_letter.0.is_some_and(|(of, _)| of == offset) {
            self.dead_letter = DeadLetterOf(is_confirmed.then_some((offset, true)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(offset: i64) -> Record {
        Record { offset, value: Some(vec![0; 36]), ..Record::default() }
    }

    fn line(taken_next: Option<i64>) -> Line {
        let mut line = Line::new(taken_next);
        line.assign();
        line
    }

    fn offsets(line: &mut Line) -> Vec<i64> {
        std::iter::from_fn(|| line.submit(None)).map(|record| record.offset).collect()
    }

    #[test]
    fn records_are_submitted_in_order_and_what_was_taken_before_is_left_out() {
        let mut line = line(Some(5));
        let read: Vec<_> = [3, 4, 5, 6, 9].map(|offset| line.read(record(offset))).into();
        assert_eq!(read, [Read::Known, Read::Known, Read::Waits, Read::Waits, Read::Waits]);
        assert_eq!(line.read(record(6)), Read::Known);
        assert_eq!(line.waiting_bytes(), 300);
        assert_eq!(line.submit(None).unwrap().offset, 5);
        assert_eq!((line.submit_next(), line.taken_next()), (Some(6), Some(5)));
        assert_eq!(offsets(&mut line), [6, 9]);
        assert_eq!(line.waiting_bytes(), 0);
        for offset in [5, 6, 9] {
            line.answered(offset, true);
        }
        assert_eq!((line.taken_next(), line.must_read_again()), (Some(10), None));
    }

    #[test]
    fn when_one_is_refused_it_is_read_again_from_there_once_all_are_answered() {
        let mut line = line(None);
        for offset in 0..6 {
            line.read(record(offset));
        }
        for _ in 0..4 {
            line.submit(None).unwrap();
        }
        line.answered(0, true);
        // Whoever is out of turn hears it before the one that has failed.
        line.answered(2, false);
        assert!(line.head().is_none() && line.waiting_bytes() == 0);
        assert_eq!(line.read(record(6)), Read::NotNow);
        line.answered(3, false);
        assert_eq!(line.must_read_again(), None);
        line.answered(1, false);
        assert_eq!(line.must_read_again(), Some(1));
        line.read_again(1);
        assert_eq!((line.submit_next(), line.must_read_again()), (Some(1), None));
        for offset in [0, 1, 2] {
            line.read(record(offset));
        }
        assert_eq!(offsets(&mut line), [1, 2]);
    }

    #[test]
    fn a_partition_that_comes_back_goes_on_behind_what_is_under_way() {
        let mut line = line(Some(0));
        for offset in 0..4 {
            line.read(record(offset));
        }
        line.submit(None).unwrap();
        line.revoke();
        assert_eq!((line.read(record(4)), line.waiting_bytes()), (Read::NotNow, 0));
        line.assign();
        assert_eq!(line.read_next(), Some(1));
        line.read(record(1));
        line.answered(0, false);
        assert_eq!(line.must_read_again(), Some(0));
        line.revoke();
        assert_eq!(line.must_read_again(), None);
    }

    #[test]
    fn tenants_do_not_follow_each_other_while_one_is_under_way() {
        let tenants = ["a", "b"].map(Arc::<str>::from);
        let mut line = line(None);
        line.read(record(0));
        assert!(line.may_follow(Some(&tenants[0])));
        line.submit(Some(Arc::clone(&tenants[0]))).unwrap();
        assert!(line.may_follow(Some(&tenants[0])) && !line.may_follow(Some(&tenants[1])));
        line.answered(0, true);
        assert!(line.may_follow(Some(&tenants[1])));
    }

    #[test]
    fn a_dead_letter_is_of_the_head_and_of_no_other() {
        let mut line = line(None);
        line.read(record(0));
        line.read(record(1));
        line.letter_sent();
        assert_eq!(line.dead_letter(), DeadLetter::Sent);
        line.letter_answered(7, true);
        assert_eq!(line.dead_letter(), DeadLetter::Sent);
        line.letter_answered(0, false);
        assert_eq!(line.dead_letter(), DeadLetter::None);
        line.letter_sent();
        line.letter_answered(0, true);
        assert_eq!(line.dead_letter(), DeadLetter::Confirmed);
        line.submit(None).unwrap();
        assert_eq!(line.dead_letter(), DeadLetter::None);
        // What was under way before a partition went and came back confirms nothing.
        line.letter_sent();
        line.revoke();
        line.assign();
        line.read(record(1));
        line.letter_answered(1, true);
        assert_eq!(line.dead_letter(), DeadLetter::None);
    }
}
