//! What a partition knows of one series.

use std::sync::Arc;

use bellwether_detect::lasting::{Habits, Lasting};
use bellwether_detect::profile::SignalClass;
use bellwether_detect::{Expected, Severity};
use bellwether_series::{Fingerprint, LabelSet, Timestamp, Value};
use bellwether_signal::{Interval, SeriesKind};
use serde::{Deserialize, Serialize};

use super::export::Export;
use super::groups::{NO_GROUP, Place};
use super::input::Row;
use crate::calendar::WindowSet;
use crate::debt::Debt;
use crate::event::SignalKind;
use crate::judges::Seat;
use crate::lifecycle::{Episode, Pending};
use crate::order::repeated;
use crate::outputs::DropReason;
use crate::promise::Promise;
use crate::settings::Settings;
use crate::state::unknown_fingerprint;
use crate::threshold::{
    Shares, THRESHOLD_MIN, Threshold, member_threshold, notable, stretch_samples,
};

/// What a partition knows of one series, besides the states of its detectors. What is not saved is found out again when
/// it is restored.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Series {
    pub(super) labels: LabelSet,
    /// That of `labels`.
    #[serde(skip, default = "unknown_fingerprint")]
    pub(super) fingerprint: Fingerprint,
    pub(super) kind: SeriesKind,
    pub(super) rule: u16,
    pub(super) seat: Seat,
    pub(super) interval: Interval,
    pub(super) last: Option<(Timestamp, f64)>,
    /// Surprise of its newest judged sample; NaN before the first, since an `Option` takes twice the space.
    pub(super) last_surprise: f32,
    pub(super) pending: Pending,
    /// How long it usually stays surprising.
    pub(super) lasting: Lasting,
    /// What it alerted beyond its budget.
    pub(super) debt: Debt,
    /// Whether its surprises come as often as they promise.
    pub(super) promise: Promise,
    /// Whether an episode is open.
    #[serde(skip)]
    pub(super) is_open: bool,
    /// Whether the deep tier still remembers a fault that is over: until it does not, the base tier decides.
    pub(super) echoes: bool,
    pub(super) export: Export,
    #[serde(skip, default = "nowhere")]
    pub(super) place: Place,
    /// The maintenance windows that are about it.
    #[serde(skip)]
    pub(super) maintenance: WindowSet,
}

fn nowhere() -> Place {
    NO_GROUP
}

/// A series as an operator sees it.
#[derive(Debug, Clone)]
pub struct SeriesView {
    /// Its labels.
    pub labels: LabelSet,
    /// Its identity.
    pub fingerprint: Fingerprint,
    /// How its samples become what is judged.
    pub signal: SignalKind,
    /// The rule that judges it.
    pub rule: Arc<str>,
    /// What kind of signal it is at present.
    pub class: SignalClass,
    /// Its periods in milliseconds, ascending; empty while none is known. Other ones than day and week are known where the deep
    /// tier judges.
    pub periods_ms: Vec<i64>,
    /// Learned sampling interval in milliseconds.
    pub interval_ms: i64,
    /// The surprise from which it fires at present, if that lasts for its rule's `for`.
    pub threshold: f64,
    /// By how much that is raised because the series alerts more often than its budget allows, or surprises more often than it
    /// should; 0 for most.
    pub raised_by: f64,
    /// How many times as often as promised surprises of 2 begin, over some thousands of samples; about 1 if it is calibrated.
    pub surprises_per_promised: f64,
    /// Event time and raw value of its newest sample.
    pub last: Option<(Timestamp, f64)>,
    /// Surprise of its newest judged sample; `None` while warming up.
    pub surprise: Option<f32>,
    /// Severity of its open episode.
    pub severity: Option<Severity>,
    /// Name of the maintenance that its newest sample fell into.
    pub maintenance: Option<Arc<str>>,
}

/// A judged observation.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) struct Judged {
    pub(super) at: Timestamp,
    pub(super) value: f64,
    /// What the detectors claim, which is what alerts are decided on.
    pub(super) claim: f64,
    /// What those of the base tier claim.
    pub(super) base: f64,
    pub(super) expected: Expected,
}

/// An open episode with the newest judgement of its series.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Open {
    pub(super) episode: Episode,
    pub(super) last: Judged,
    /// The claim from which it fired then.
    pub(super) threshold: f64,
}

impl Series {
    /// Why a sample is not judged, whatever it is worth; `None` if it is one, or a stale marker, and newer than all before it.
    #[inline]
    pub(super) fn refuses(&self, row: Row) -> Option<DropReason> {
        if Value::classify(row.value) == Value::NonFinite {
            return Some(DropReason::NonFinite);
        }
        let (last, value) = self.last.filter(|(last, _)| row.at <= *last)?;
        Some(if row.at == last { repeated(value, row.value) } else { DropReason::Late })
    }

    /// Learns how long it stays surprising, from the claim of its newest sample.
    #[inline]
    pub(super) fn learn_lasting(&mut self, settings: &Settings, claim: f64) {
        let for_ms = settings.rules[usize::from(self.rule)].alert.for_ms;
        let interval_ms = self.interval.as_ms().max(1);
        if for_ms > interval_ms {
            self.lasting.learn(claim, for_ms, interval_ms);
        }
    }

    /// The claim from which this series fires at `at` if it lasts, given how many series its group has, if it
    /// leaves alerting to one, and how it keeps its habits.
    pub(super) fn threshold(
        &self,
        settings: &Settings,
        shares: Shares,
        members: Option<usize>,
        at: Timestamp,
        habits: Habits,
    ) -> Threshold {
        let for_ms = settings.rules[usize::from(self.rule)].alert.for_ms;
        let share = if self.seat.is_deep { shares.per_unit } else { shares.per_series };
        let interval_ms = self.interval.as_ms();
        let budget = Threshold::of_budget(&settings.budget, share, for_ms, interval_ms);
        let raised_by = self.raised_by(settings, at);
        let lasts = stretch_samples(for_ms, interval_ms) > 1;
        let enough = |rare: f64| match members {
            Some(members) => member_threshold(rare, members),
            None if lasts => self.lasting.enough(rare, habits).max(THRESHOLD_MIN),
            None => rare,
        };
        let value = enough(budget.value + raised_by);
        let without_debt = if raised_by > 0.0 { enough(budget.value) } else { value };
        Threshold { value, notable: notable(value), without_debt, raised_by, members, ..budget }
    }
}

pub(super) fn signal_kind(kind: SeriesKind) -> SignalKind {
    match kind {
        SeriesKind::Counter => SignalKind::Rate,
        SeriesKind::Gauge | SeriesKind::HistogramBucket => SignalKind::Value,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_series_fits_its_budget() {
        let bytes = size_of::<Option<Series>>();
        assert!(bytes <= 192, "{bytes}");
    }
}
