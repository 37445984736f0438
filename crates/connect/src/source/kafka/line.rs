//! One partition: what was read and is not submitted, what was submitted and is not answered, and where it goes on.
//!
//! What was read is judged before it is its turn, so that the dead letter of what is poison is sent, and confirmed, while the records
//! before it are with the engine. It is left out only once its letter is confirmed, so nothing behind it is taken before.
//!
//! ```text
//! read ─▶ waiting ─▶ judged: ahead ─▶ submitted: under way ─▶ taken
//!                      └─▶ poison: letter due ─▶ sent ─▶ confirmed
//! ```
//!
//! No Kafka and no engine here: who reads and who submits asks what is next and tells what happened.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use bellwether_wire::remote_write::WriteRequest;
use rdkafka::message::OwnedHeaders;

use super::form::{Form, Next};
use super::poison::Poison;
use crate::kafka::Refusal;

/// Dead letters of a partition that are under way at a time. When they are as many no more are sent until one is confirmed.
const LETTERS_MAX: usize = 1000;

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

/// What a record is.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "nearly every record is a request")]
pub(super) enum Kind {
    /// A request, and whose it is.
    Request { tenant: Option<Arc<str>>, write: WriteRequest },
    /// It says no more than that time passes.
    Heartbeat,
    /// It will never be a request.
    Poison(Poison),
}

/// A record of which it is known what it is.
#[derive(Debug)]
pub(super) struct Judged {
    pub(super) record: Record,
    pub(super) kind: Kind,
}

impl Judged {
    /// Bytes of memory that it takes, about.
    fn bytes(&self) -> usize {
        let decoded = match &self.kind {
            Kind::Request { write, .. } => write.held_bytes(),
            Kind::Heartbeat | Kind::Poison(_) => 0,
        };
        self.record.bytes() + decoded
    }
}

/// A dead letter that is to be sent.
#[derive(Debug)]
pub(super) struct Due<'a> {
    pub(super) record: &'a Record,
    pub(super) poison: &'a Poison,
    pub(super) form: Form,
}

/// What to do with a record that was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Read {
    /// It waits now.
    Waits,
    /// It was taken before.
    Known,
    /// The partition is not ours, is paused, or will be read again from before it.
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
    /// Nothing is read of it for now.
    is_paused: bool,
    /// It has forgotten something that was read since it was paused.
    has_given_back: bool,
    /// Read and not judged.
    waiting: VecDeque<Record>,
    /// Judged and not submitted.
    ahead: VecDeque<Judged>,
    /// Of both, without what is decoded.
    waiting_bytes: usize,
    /// Of what is judged, with what is decoded.
    ahead_bytes: usize,
    /// Dead letters that are to be sent, by offset.
    letters_due: BTreeMap<i64, Form>,
    /// Those under way.
    letters_sent: BTreeMap<i64, Form>,
    under_way: VecDeque<UnderWay>,
    /// What is read next is not below this.
    read_next: Option<i64>,
    /// What the engine will expect once it has taken what is under way.
    submit_next: Option<i64>,
    /// What the engine expects.
    taken_next: Option<i64>,
    /// The lowest offset that was refused, since it was last read from there.
    refused: Option<i64>,
}

impl Line {
    /// A partition of which the engine has taken what is below `taken_next`.
    pub(super) fn new(taken_next: Option<i64>) -> Self {
        Self { read_next: taken_next, submit_next: taken_next, taken_next, ..Self::default() }
    }

    /// It is ours, and read from [`Self::submit_next`] on.
    pub(super) fn assign(&mut self) {
        self.clear();
        self.is_assigned = true;
        self.resume();
        self.read_next = self.submit_next;
    }

    /// It is not ours any more. What is under way stays so.
    pub(super) fn revoke(&mut self) {
        self.clear();
        self.is_assigned = false;
        self.resume();
    }

    pub(super) fn is_assigned(&self) -> bool {
        self.is_assigned
    }

    pub(super) fn is_paused(&self) -> bool {
        self.is_paused
    }

    /// Nothing is read of it from now on. Of what waits it keeps `bytes_max`, and what is judged; the rest is forgotten. May be told
    /// again, with less.
    pub(super) fn pause(&mut self, bytes_max: usize) {
        self.is_paused = true;
        while self.waiting_bytes > bytes_max
            && let Some(record) = self.waiting.pop_back()
        {
            self.waiting_bytes -= record.bytes();
            self.read_next = Some(record.offset);
            self.has_given_back = true;
        }
    }

    /// From where it is to be read when it is resumed; `None`: from where it was paused.
    pub(super) fn resumes_at(&self) -> Option<i64> {
        self.read_next.filter(|_| self.has_given_back)
    }

    /// It is read again.
    pub(super) fn resume(&mut self) {
        (self.is_paused, self.has_given_back) = (false, false);
    }

    /// Forgets what waits.
    fn clear(&mut self) {
        self.waiting.clear();
        self.ahead.clear();
        (self.waiting_bytes, self.ahead_bytes) = (0, 0);
        self.letters_due.clear();
        self.letters_sent.clear();
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
        // What comes of one that is paused may be behind what it gave back.
        if !self.is_assigned || self.is_paused || self.refused.is_some() {
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

    /// Whether anything waits.
    pub(super) fn has_next(&self) -> bool {
        !self.ahead.is_empty() || !self.waiting.is_empty()
    }

    /// The record that is next to be judged: the head, or as many behind it as take `bytes_max`.
    pub(super) fn unjudged(&self, bytes_max: usize) -> Option<&Record> {
        let has_room = self.ahead.is_empty() || self.ahead_bytes < bytes_max;
        self.waiting.front().filter(|_| has_room)
    }

    /// It is of this `kind`; if it is poison, whether it `needs_letter`.
    pub(super) fn judged(&mut self, kind: Kind, needs_letter: bool) {
        let Some(record) = self.waiting.pop_front() else { return };
        if needs_letter && matches!(kind, Kind::Poison(_)) {
            self.letters_due.insert(record.offset, Form::default());
        }
        let judged = Judged { record, kind };
        self.ahead_bytes += judged.bytes();
        self.ahead.push_back(judged);
    }

    /// The record that is next to be submitted, if it is judged and not poison whose letter is not confirmed.
    pub(super) fn head(&self) -> Option<&Judged> {
        let has_letter = |offset| {
            self.letters_due.contains_key(offset) || self.letters_sent.contains_key(offset)
        };
        self.ahead.front().filter(|head| !has_letter(&head.record.offset))
    }

    /// Whether a record of `tenant` may follow what is under way. Requests of different tenants overtake each other.
    pub(super) fn may_follow(&self, tenant: Option<&Arc<str>>) -> bool {
        self.under_way.back().is_none_or(|last| last.tenant.as_ref() == tenant)
    }

    /// Takes the head out, to be submitted for `tenant`.
    pub(super) fn submit(&mut self, tenant: Option<Arc<str>>) -> Option<Judged> {
        let head = self.ahead.pop_front()?;
        self.ahead_bytes -= head.bytes();
        self.waiting_bytes -= head.record.bytes();
        self.note_submitted(head.record.offset, tenant);
        Some(head)
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

    /// The dead letter that is to be sent next, unless too many are under way; it must then be told [`Self::letter_sent`].
    pub(super) fn letter_due(&self) -> Option<Due<'_>> {
        let (offset, &form) = self.letters_due.first_key_value()?;
        if self.letters_sent.len() >= LETTERS_MAX {
            return None;
        }
        let place = self.ahead.binary_search_by_key(offset, |judged| judged.record.offset).ok()?;
        let Judged { record, kind: Kind::Poison(poison) } = &self.ahead[place] else { return None };
        Some(Due { record, poison, form })
    }

    /// The dead letter that was to be sent next is under way.
    pub(super) fn letter_sent(&mut self) {
        self.letters_sent.extend(self.letters_due.pop_first());
    }

    /// The dead letter of `offset` is confirmed.
    pub(super) fn letter_confirmed(&mut self, offset: i64) {
        self.letters_sent.remove(&offset);
    }

    /// The dead letter of `offset` was not taken, because of `refusal` if the topic will never take it. When it is given up, its
    /// record is left out as if it were confirmed.
    pub(super) fn letter_failed(&mut self, offset: i64, refusal: Option<Refusal>) -> Next {
        let Some(form) = self.letters_sent.remove(&offset) else { return Next::Again };
        let next = form.after(refusal);
        match next {
            Next::Again => _ = self.letters_due.insert(offset, form),
            Next::Send(form) => _ = self.letters_due.insert(offset, form),
            Next::GiveUp => {}
        }
        next
    }

    /// Dead letters that are not confirmed.
    pub(super) fn letters(&self) -> usize {
        self.letters_due.len() + self.letters_sent.len()
    }
}

#[cfg(test)]
mod tests;
