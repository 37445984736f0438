//! The gauges of a partition's series: which are exported, and what there is to tell about them.

use std::sync::Arc;

use bellwether_series::Timestamp;
use serde::{Deserialize, Serialize};

use super::series::Series;
use crate::outputs::{Gauge, GaugeReading, Outputs};
use crate::settings::Settings;

/// Whether the gauges of a series are exported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Export {
    /// Nobody asked for them.
    Off,
    /// They are, but no reading holds at present.
    Idle,
    /// They are, and the last reading holds until it is withdrawn or there is another one.
    Shown,
}

impl Export {
    /// Follows a configuration that does or does not want the gauges.
    pub(super) fn adopt(self, wanted: bool) -> Self {
        match (wanted, self) {
            (false, _) => Self::Off,
            (true, Self::Off) => Self::Idle,
            (true, before) => before,
        }
    }
}

impl Series {
    /// Tells a reading of the sample at `at`. `settings` are those by which the series was judged.
    // Few series are exported, and the code that all samples run through should stay small.
    #[cold]
    pub(super) fn export(
        &mut self,
        settings: &Settings,
        at: Timestamp,
        reading: GaugeReading,
        outputs: &mut Outputs,
    ) {
        self.export = Export::Shown;
        outputs.gauges.push(self.gauge(settings, at, Some(reading)));
    }

    /// Tells that the last reading does not hold any more, if there is one that does.
    pub(super) fn withdraw(&mut self, settings: &Settings, outputs: &mut Outputs) {
        if self.export != Export::Shown {
            return;
        }
        let Some((at, _)) = self.last else { return };
        self.export = Export::Idle;
        outputs.gauges.push(self.gauge(settings, at, None));
    }

    fn gauge(&self, settings: &Settings, at: Timestamp, reading: Option<GaugeReading>) -> Gauge {
        Gauge {
            fingerprint: self.fingerprint,
            labels: self.labels.clone(),
            rule: Arc::clone(&settings.rules[usize::from(self.rule)].name),
            at,
            reading,
        }
    }
}

#[cfg(test)]
mod tests;
