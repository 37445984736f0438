//! A replay of which only the events are wanted: nothing is written down. What the engine gets may be changed on the way.

use bellwether_engine::{Counts, Event, NumberedSample};
use bellwether_series::LabelSet;

use super::error::HistoryError;
use super::merge::{SavedState, Sink};
use crate::report::Judgements;

/// Takes the events of a replay, in the order of the log.
pub trait Listener: Send {
    /// Takes an event.
    fn hear(&mut self, event: &Event);
}

/// Sees the rows of a replay before the engine does.
pub trait Tap {
    /// All rows come from the beginning: what was seen before does not count.
    fn begin(&mut self);

    /// Takes the rows of a second, in the order of time, and may change values or remove rows. `series` are all so far, by number.
    fn tap(&mut self, series: &[LabelSet], rows: &mut Vec<NumberedSample>);
}

/// Hands events on and lets go of everything else.
pub(super) struct Heard<L>(pub(super) L);

impl<L: Listener> Sink for Heard<L> {
    fn wants_scores(&self) -> bool {
        false
    }

    fn count(&mut self, _: &Counts) {}

    fn begin(&mut self, _: Vec<Judgements>) {}

    fn take(&mut self, _: usize, events: Vec<Event>) -> Result<(), HistoryError> {
        for event in &events {
            self.0.hear(event);
        }
        Ok(())
    }

    /// Nobody goes on with a replay of which nothing is written down.
    fn save(&mut self, _: SavedState) -> Result<(), HistoryError> {
        Ok(())
    }
}
