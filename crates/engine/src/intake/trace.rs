//! Writing down samples that end at the door, for whoever asks.

use bellwether_series::Timestamp;
use bellwether_wire::remote_write::{RawSample, SeriesRef};

use super::Intake;
use crate::outcome::RejectReason;
use crate::outputs::DropReason;
use crate::trace::{Gate, Traces};

impl Intake {
    /// Takes the traces that somebody wants for the time of a record.
    pub(crate) fn lend(&mut self, traces: Option<Box<Traces>>) {
        self.traces = traces;
    }

    /// Gives them back.
    pub(crate) fn give_back(&mut self) -> Option<Box<Traces>> {
        self.traces.take()
    }

    /// A series was refused as a whole.
    #[cold]
    pub(super) fn note_refused(&mut self, series: &SeriesRef<'_>, reason: RejectReason) {
        if let Some(traces) = &mut self.traces {
            let gate = |_: &RawSample| Gate::Refused(reason);
            traces.unread(series.labels, series.samples, gate, &self.settings.digest);
        }
    }

    /// A replica that is not elected wrote a series.
    pub(super) fn note_unelected(&mut self, series: &SeriesRef<'_>, newest: Timestamp) {
        if let Some(traces) = &mut self.traces {
            let gate = |sample: &RawSample| {
                if sample.timestamp > newest {
                    Gate::Refused(RejectReason::Future)
                } else {
                    Gate::Dropped(DropReason::Replica)
                }
            };
            traces.unread(series.labels, series.samples, gate, &self.settings.digest);
        }
    }
}
