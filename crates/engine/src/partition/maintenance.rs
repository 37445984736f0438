//! Series in maintenance: their samples are put in order and otherwise left alone.

use std::sync::Arc;

use bellwether_series::Timestamp;
use bellwether_signal::SeriesKind;

use super::Partition;
use super::series::Series;
use crate::calendar::Clock;
use crate::event::ResolveReason;
use crate::outputs::Outputs;
use crate::settings::Settings;

impl Series {
    /// Whether the sample at `at`, which came after `previous`, is about a time of maintenance.
    // Few series have windows, and the code that all samples run through should stay small.
    #[cold]
    pub(super) fn is_in_maintenance(
        &self,
        clock: &mut Clock,
        settings: &Settings,
        previous: Option<(Timestamp, f64)>,
        at: Timestamp,
    ) -> bool {
        let mut is_at = |at| self.maintenance_at(clock, settings, at).is_some();
        // A rate is about the time since the sample before.
        let is_rate = self.kind == SeriesKind::Counter;
        is_at(at) || (is_rate && previous.is_some_and(|(earlier, _)| is_at(earlier)))
    }

    /// Name of the maintenance that its newest sample fell into.
    pub(super) fn maintenance_name(
        &self,
        clock: &mut Clock,
        settings: &Settings,
    ) -> Option<Arc<str>> {
        let (at, _) = self.last?;
        let index = self.maintenance_at(clock, settings, at)?;
        settings.calendar.maintenance.get(index).map(|window| Arc::clone(&window.name))
    }

    fn maintenance_at(
        &self,
        clock: &mut Clock,
        settings: &Settings,
        at: Timestamp,
    ) -> Option<usize> {
        clock.in_force(&settings.calendar, self.maintenance, &self.labels, at)
    }
}

impl Partition {
    /// Takes note of a sample that is neither judged nor learned from. What was going on is over: nobody can
    /// tell work from fault, and whoever does the work has no use for an alert.
    #[cold]
    pub(super) fn rest(&mut self, slot: u32, outputs: &mut Outputs) {
        outputs.counts.in_maintenance += 1;
        let Some(series) = self.series.get_mut(slot) else { return };
        series.pending.reset();
        series.withdraw(&self.settings, outputs);
        self.close(slot, ResolveReason::Maintenance, outputs);
    }
}

#[cfg(test)]
impl Partition {
    /// The states of the detectors of every series.
    fn state_texts(&mut self) -> Vec<String> {
        let seats: Vec<_> = self.series.iter_mut().map(|(_, series)| series.seat).collect();
        let text = |seat| {
            let (bank, slot) = self.judges.bank(seat);
            bank.state_text(slot)
        };
        seats.into_iter().map(text).collect()
    }
}

#[cfg(test)]
mod tests;
