//! The base tier: asks each detector, and makes one surprise of what they say.

use super::opinion::muted;
use crate::column::AnyColumn;
use crate::combine::{Combiner, Voices};
use crate::params::{Direction, MinDeviation};
use crate::profile::SignalClass;
use crate::residual::EXCURSION_SURPRISE;
use crate::verdict::{Observation, Verdict};

/// What the base tier says.
pub(super) struct Base {
    pub(super) surprise: f64,
    /// What those that judge departures agree on; `None` while all of them warm up.
    pub(super) departure: Option<f64>,
    /// Those that watch something else.
    pub(super) others: Voices,
    /// Which of them is the most surprised; `None` while all of them warm up.
    pub(super) loudest: Option<usize>,
    /// Whether some detector sees a departure that counts.
    pub(super) departs: bool,
}

/// The base tier's detectors, and what decides how they judge a series.
pub(super) struct Panel<'b> {
    pub(super) columns: &'b mut [AnyColumn],
    pub(super) verdicts: &'b mut Vec<Verdict>,
    pub(super) combiner: &'b Combiner,
    pub(super) least: MinDeviation,
    pub(super) side: Direction,
    /// What kind of signal it is, where only those judge that suit it.
    pub(super) class: Option<SignalClass>,
    pub(super) is_deep: bool,
    pub(super) has_one: bool,
}

impl Panel<'_> {
    #[inline]
    pub(super) fn judge(self, slot: usize, observation: &Observation) -> Base {
        let Self { columns, verdicts, combiner, least, side, class, is_deep, has_one } = self;
        verdicts.resize(columns.len(), Verdict::WarmingUp);
        for (column, verdict) in columns.iter_mut().zip(&mut *verdicts) {
            match class {
                Some(class) if !column.judges(class, is_deep) => *verdict = Verdict::NotApplicable,
                _ => column.observe(slot, observation, verdict),
            }
        }
        // Only now is heard what they said: whoever calls keeps nothing in registers meanwhile. For the same reason either kind
        // of voices is heard for itself, instead of those that were chosen.
        let (mut most, mut loudest, mut departs) = (f64::NEG_INFINITY, 0, false);
        let [mut departures, mut others] = [Voices::default(); 2];
        for (place, (column, verdict)) in columns.iter().zip(&*verdicts).enumerate() {
            let Verdict::Scored { mut surprise, expected } = *verdict else { continue };
            if column.judges_departure() {
                let counts = muted(least, side, observation.value, expected.center).is_none();
                departs |= counts;
                surprise = if counts { surprise } else { 0.0 };
                combiner.hear(&mut departures, surprise);
            } else {
                departs |= surprise >= EXCURSION_SURPRISE;
                combiner.hear(&mut others, surprise);
            }
            if surprise > most {
                (most, loudest) = (surprise, place);
            }
        }
        let loudest = (most > f64::NEG_INFINITY).then_some(loudest);
        let departure = combiner.agreed(&departures, has_one);
        let surprise = combiner.with_others(departure, &others);
        Base { surprise, departure, others, loudest, departs }
    }
}
