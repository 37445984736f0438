//! Senders as Prometheus is one: a request at a time, sent again until it is answered, sometimes although it was taken. Where the
//! network reorders, the second of those that wait may be there before the first.

use std::collections::VecDeque;
use std::sync::Arc;

use bellwether_runtime::{Ingest, Received, Request, Source, SubmitError};
use bellwether_series::Timestamp;
use bellwether_wire::Format;
use bellwether_wire::remote_write::{Limits, WriteRequest, compress};
use parking_lot::Mutex;

use crate::random::Random;

/// Requests that were answered and that the network may deliver once more.
const REMEMBERED: usize = 5;

/// Whose senders are, in turn.
pub(crate) const TENANTS: [&str; 2] = ["shop", "bank"];

/// A request that has not been answered, or that is remembered.
#[derive(Clone)]
struct Outgoing {
    /// What the journal calls its source; no two requests have the same.
    id: Arc<str>,
    body: Vec<u8>,
}

/// What came back.
pub(crate) struct Answer {
    pub(crate) sender: usize,
    pub(crate) attempt: u64,
    pub(crate) id: Arc<str>,
    pub(crate) taken: bool,
}

/// Answers that are on their way.
pub(crate) type Answers = Arc<Mutex<Vec<Answer>>>;

/// A sender.
pub(crate) struct Sender {
    number: usize,
    requests: u64,
    attempts: u64,
    waiting: VecDeque<Outgoing>,
    answered: VecDeque<Outgoing>,
    /// The attempt that it waits for.
    in_flight: Option<u64>,
    overtake_every: usize,
}

impl Sender {
    /// The `number`th; one of `overtake_every` requests overtakes the one before it, of 0 none.
    pub(crate) fn new(number: usize, overtake_every: usize) -> Self {
        Self {
            number,
            overtake_every,
            requests: 0,
            attempts: 0,
            waiting: VecDeque::new(),
            answered: VecDeque::new(),
            in_flight: None,
        }
    }

    /// Has something more to send.
    pub(crate) fn push(&mut self, body: Vec<u8>) {
        self.requests += 1;
        let id = format!("{}/{}", self.number, self.requests).into();
        self.waiting.push_back(Outgoing { id, body });
    }

    /// Whether everything was taken.
    pub(crate) fn is_done(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Nobody answers any more what was asked before.
    pub(crate) fn forget(&mut self) {
        self.in_flight = None;
    }

    /// Sends what is next, if nothing is under way; or, rarely, although something is, or something of before.
    pub(crate) fn send(
        &mut self,
        to: &impl Ingest,
        received_at: Timestamp,
        answers: &Answers,
        random: &mut Random,
    ) -> Option<Result<Arc<str>, SubmitError>> {
        let old =
            self.answered.get(random.below(self.answered.len())).filter(|_| random.one_in(25));
        let again = old.is_some();
        let can_overtake = self.overtake_every > 0 && self.waiting.len() > 1;
        let place = usize::from(can_overtake && random.one_in(self.overtake_every));
        let next =
            self.waiting.get(place).filter(|_| self.in_flight.is_none() || random.one_in(25));
        let outgoing = old.or(next)?.clone();
        self.attempts += 1;
        let attempt = self.attempts;
        let write = WriteRequest::decode(outgoing.body.clone(), &Limits::default())
            .unwrap_or_else(|error| unreachable!("the world made it: {error}"));
        let received = Received {
            source: Source::Address(Arc::clone(&outgoing.id)),
            format: Format::REMOTE_WRITE_1,
            body: compress(&outgoing.body),
        };
        let (sender, id, answers) = (self.number, Arc::clone(&outgoing.id), Arc::clone(answers));
        let reply = Box::new(move |outcome: Result<_, _>| {
            answers.lock().push(Answer { sender, attempt, id, taken: outcome.is_ok() });
        });
        // Whether there are tenants is for the configuration to say.
        let tenant = Some(TENANTS[self.number % TENANTS.len()].into());
        let request = Request { tenant, write, received_at, received: Some(received) };
        let submitted = to.submit(request, reply);
        if submitted.is_ok() && !again {
            self.in_flight = Some(attempt);
        }
        Some(submitted.map(|()| outgoing.id))
    }

    /// Hears what became of an attempt; whether it was taken before one that had waited for longer.
    pub(crate) fn hear(&mut self, answer: &Answer) -> bool {
        if self.in_flight != Some(answer.attempt) {
            return false;
        }
        self.in_flight = None;
        let place = self.waiting.iter().position(|outgoing| outgoing.id == answer.id);
        let Some(place) = place.filter(|_| answer.taken) else { return false };
        self.answered.extend(self.waiting.remove(place));
        if self.answered.len() > REMEMBERED {
            self.answered.pop_front();
        }
        place > 0
    }
}
