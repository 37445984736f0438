//! Where what the recorder is told waits until it is taken: requests in the line of their tenant, and what concerns
//! everybody between those that came before it and those that come after it.

use crate::lines::Lines;
use crate::recorder::{Submitted, ToRecorder};

/// What has come and is not taken yet. How many requests there may be is [`crate::Options::queue_requests_max`].
#[derive(Default)]
pub(crate) struct WaitingRoom {
    requests: Lines<Submitted>,
    /// Taken after all requests that came before it.
    barrier: Option<ToRecorder>,
}

impl WaitingRoom {
    /// Whether more may be let in. While a barrier waits, nothing may: it would overtake.
    pub(crate) fn is_open(&self) -> bool {
        self.barrier.is_none()
    }

    /// Lets `message` wait, or gives it back if it need not: parts of the state are told as of whichever record it is when
    /// somebody gets to it.
    pub(crate) fn admit(&mut self, message: ToRecorder) -> Option<ToRecorder> {
        match message {
            ToRecorder::Request(submitted) => {
                self.requests.push(submitted.request.tenant.clone(), submitted);
                None
            }
            ToRecorder::Configure(_) | ToRecorder::View { .. } => {
                self.barrier = Some(message);
                None
            }
            ToRecorder::Save(_) | ToRecorder::Sync(_) | ToRecorder::Covered(_) => Some(message),
        }
    }

    /// The next requests, in turn: at most `rounds` of a tenant and `max` in all.
    pub(crate) fn requests(&mut self, rounds: usize, max: usize) -> Vec<Submitted> {
        self.requests.take(rounds, max)
    }

    /// What concerns everybody, once it is its turn.
    pub(crate) fn barrier(&mut self) -> Option<ToRecorder> {
        self.barrier.take_if(|_| self.requests.is_empty())
    }

    /// Whether nothing waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.requests.is_empty() && self.barrier.is_none()
    }
}
