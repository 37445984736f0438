//! An event, recomputed from recorded input.

use std::sync::Arc;

use bellwether_engine::{Engine, Event, Outputs, Record, Settings, Trace, Traces};
use bellwether_series::Timestamp;

use super::compare::{Difference, differences};
use super::error::ExplainError;
use super::records::{Recorded, RecordsError};

/// An event as it came out again.
#[derive(Debug, Clone, PartialEq)]
pub struct Recomputed {
    /// The event.
    pub event: Event,
    /// When the record was received that caused it.
    pub received_at: Timestamp,
    /// What its sample, or its group's row, was judged by; `None` where it was not a sample that caused it.
    pub trace: Option<Trace>,
    /// What of the stored event is otherwise; empty where it is the same.
    pub differences: Vec<Difference>,
}

/// Replays `records` from `settings` on until they give the event with the id of `stored`; `None` if they never do.
///
/// # Errors
/// When the records cannot be read.
pub fn recompute(
    settings: &Arc<Settings>,
    records: &mut dyn Iterator<Item = Result<Recorded, RecordsError>>,
    stored: &Event,
) -> Result<Option<Recomputed>, ExplainError> {
    let mut engine = Engine::new(settings, 1);
    let traces = Traces::of(stored.fingerprint);
    let mut outputs = Outputs { traces: Some(Box::new(traces)), ..Outputs::default() };
    for recorded in records {
        let Recorded { received_at, body } = recorded.map_err(ExplainError::Records)?;
        let record = Record { received_at, body: body.as_record_body() };
        engine.apply(&record, &mut outputs);
        let Some(event) = outputs.events.iter().find(|event| event.id == stored.id) else {
            continue;
        };
        // The sample that caused it was taken; the same time may have been sent again.
        let is_its = |trace: &&Trace| {
            let is_of = trace.fingerprint == event.fingerprint && trace.at == event.at_ms;
            is_of && trace.gate.is_taken()
        };
        let found = outputs.traces.as_ref().map_or(&[][..], |traces| traces.found());
        return Ok(Some(Recomputed {
            received_at,
            trace: found.iter().find(is_its).cloned(),
            differences: differences(stored, event),
            event: event.clone(),
        }));
    }
    Ok(None)
}
