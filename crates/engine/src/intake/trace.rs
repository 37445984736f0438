//! Writing down samples that end at the door, for whoever asks.

use bellwether_series::{LabelLimits, LabelSet, Timestamp};
use bellwether_wire::remote_write::{RawSample, SeriesRef};

use super::Intake;
use super::tenants::Stamp;
use crate::outcome::RejectReason;
use crate::outputs::DropReason;
use crate::trace::{Gate, Traces};

/// Labels that a limit refuses are still read, so that it can be said that they were refused.
const ANY_LABELS: LabelLimits = LabelLimits {
    labels_max: usize::MAX,
    name_bytes_max: usize::MAX,
    value_bytes_max: usize::MAX,
    total_bytes_max: usize::MAX,
};

impl Intake {
    /// Takes the traces that somebody wants for the time of a record.
    pub(crate) fn lend(&mut self, traces: Option<Box<Traces>>) {
        self.traces = traces;
    }

    /// Gives them back.
    pub(crate) fn give_back(&mut self) -> Option<Box<Traces>> {
        self.traces.take()
    }

    /// A series was refused as a whole; without a `stamp` its tenant was.
    pub(super) fn note_refused(
        &mut self,
        stamp: Option<&Stamp<'_>>,
        series: &SeriesRef<'_>,
        reason: RejectReason,
    ) {
        if self.traces.is_some() {
            self.note(stamp, series, |_| Gate::Refused(reason));
        }
    }

    /// A replica that is not elected wrote a series.
    pub(super) fn note_unelected(
        &mut self,
        stamp: &Stamp<'_>,
        series: &SeriesRef<'_>,
        newest: Timestamp,
    ) {
        if self.traces.is_some() {
            self.note(Some(stamp), series, |sample| {
                if sample.timestamp > newest {
                    Gate::Refused(RejectReason::Future)
                } else {
                    Gate::Dropped(DropReason::Replica)
                }
            });
        }
    }

    /// Writes down samples of which only the label bytes are known. What is no label set belongs to no series.
    #[cold]
    fn note(
        &mut self,
        stamp: Option<&Stamp<'_>>,
        series: &SeriesRef<'_>,
        gate: impl Fn(&RawSample) -> Gate,
    ) {
        let Some(traces) = &mut self.traces else { return };
        let Ok(sent) = LabelSet::from_wire(series.labels, &ANY_LABELS) else { return };
        // What has its tenant's label already is refused for that, and known by what it has.
        let stamped = stamp.and_then(|stamp| stamp.put_on(sent.clone()).ok());
        let labels = stamped.unwrap_or(sent);
        for sample in series.samples {
            traces.at_the_door(&labels, *sample, gate(sample), &self.settings.digest);
        }
    }
}
