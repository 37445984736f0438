//! A replay of which only the events are wanted: nothing is written down.

use bellwether_engine::{Counts, Event, Score};

use super::error::HistoryError;
use super::merge::Sink;

/// Takes the events of a replay, in the order of the log.
pub trait Listener: Send {
    /// Takes an event.
    fn hear(&mut self, event: &Event);
}

/// Hands events on and lets go of everything else.
pub(super) struct Heard<L>(pub(super) L);

impl<L: Listener> Sink for Heard<L> {
    fn wants_scores(&self) -> bool {
        false
    }

    fn count(&mut self, _: &Counts) {}

    fn take(&mut self, _: &mut [Score], events: Vec<Event>) -> Result<(), HistoryError> {
        for event in &events {
            self.0.hear(event);
        }
        Ok(())
    }
}
