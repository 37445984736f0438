//! The base tier: asks each detector, and makes one surprise of what they say.

use super::opinion::muted;
use super::predictors::{LaneSet, Predictors, Reading};
use crate::column::AnyColumn;
use crate::combine::{Combiner, Voices};
use crate::lanes::{LANES, Residuals};
use crate::ordinary::Ordinary;
use crate::params::{Direction, MinDeviation};
use crate::profile::SignalClass;
use crate::residual::EXCURSION_SURPRISE;
use crate::tail::{BODY_END, Tail};
use crate::verdict::{Observation, Verdict};

/// What the base tier says.
pub(super) struct Base {
    pub(super) surprise: f64,
    /// What those that judge departures agree on; `None` while all of them warm up.
    pub(super) departure: Option<f64>,
    /// Those that watch something else.
    pub(super) others: Voices,
    /// Whether anybody is warm.
    pub(super) is_warm: bool,
    /// Whether some detector sees a departure that counts.
    pub(super) departs: bool,
}

/// The base tier's detectors, and what decides how they judge a series.
pub(super) struct Panel<'b> {
    pub(super) predictors: &'b mut Predictors,
    pub(super) residuals: &'b mut Residuals,
    pub(super) reading: &'b mut Reading,
    pub(super) columns: &'b mut [AnyColumn],
    pub(super) verdicts: &'b mut Vec<Verdict>,
    pub(super) tail: &'b Tail,
    pub(super) ordinary: &'b Ordinary,
    pub(super) combiner: &'b Combiner,
    pub(super) least: MinDeviation,
    pub(super) side: Direction,
    /// Those of the predictors that judge the series.
    pub(super) lanes: LaneSet,
    /// What kind of signal it is, where only those judge that suit it.
    pub(super) class: Option<SignalClass>,
    pub(super) is_deep: bool,
    pub(super) has_one: bool,
}

/// What was heard so far.
#[derive(Default)]
struct Heard {
    departures: Voices,
    others: Voices,
    departs: bool,
}

impl Panel<'_> {
    #[inline(always)]
    pub(super) fn judge(mut self, slot: usize, observation: &Observation) -> Base {
        let how = (self.lanes, self.least, self.tail);
        self.predictors.judge(slot, observation, how, self.residuals, self.reading);
        let mut heard = Heard::default();
        if self.reading.departures.are_ordinary {
            self.hear_ordinary(&mut heard);
        } else {
            self.hear_any(&mut heard);
        }
        if !self.columns.is_empty() {
            self.hear_columns(slot, observation, &mut heard);
        }
        let Heard { departures, others, departs } = heard;
        let departure = self.combiner.agreed(&departures, self.has_one);
        let surprise = self.combiner.with_others(departure, &others);
        let is_warm = departure.is_some() || !others.is_empty();
        Base { surprise, departure, others, is_warm, departs }
    }

    /// Whether a departure of this sign is on the side that is watched.
    #[inline(always)]
    fn is_watched(&self, difference: f32) -> bool {
        match self.side {
            Direction::Both => true,
            Direction::Up => difference > 0.0,
            Direction::Down => difference < 0.0,
        }
    }

    /// Hears the predictors where all departures are ordinary: none says more than the body of a distribution does.
    #[inline(always)]
    fn hear_ordinary(&self, heard: &mut Heard) {
        let Reading { faced, departures, .. } = &*self.reading;
        let (mut sum, mut count, mut departs) = (0.0, 0, false);
        for lane in 0..LANES {
            count += faced.judges[lane] & 1;
            let counts = departures.counts[lane] != 0 && self.is_watched(faced.difference[lane]);
            departs |= counts;
            let variate = self.ordinary.variate(departures.departure[lane].abs());
            sum += if counts { variate } else { 0.0 };
        }
        heard.departures.hear_content(f64::from(sum), count);
        heard.departs = departs;
    }

    /// The same, whatever they say.
    #[cold]
    #[inline(never)]
    fn hear_any(&self, heard: &mut Heard) {
        let Reading { faced, departures, .. } = &*self.reading;
        for lane in (0..LANES).filter(|&lane| faced.judges[lane] != 0) {
            let counts = departures.counts[lane] != 0 && self.is_watched(faced.difference[lane]);
            heard.departs |= counts;
            let departure = departures.departure[lane].abs();
            if !counts {
                heard.departures.hear_content(0.0, 1);
            } else if departure < BODY_END as f32 {
                let variate = self.ordinary.variate(departure);
                heard.departures.hear_content(f64::from(variate), 1);
            } else {
                let shape = departures.tails.shape(lane);
                let surprise = self.tail.surprise(f64::from(departure), shape);
                self.combiner.hear(&mut heard.departures, surprise);
            }
        }
    }

    /// Asks and hears the others.
    #[inline(never)]
    fn hear_columns(&mut self, slot: usize, observation: &Observation, heard: &mut Heard) {
        let Self { columns, verdicts, combiner, class, is_deep, .. } = self;
        verdicts.resize(columns.len(), Verdict::WarmingUp);
        for (column, verdict) in columns.iter_mut().zip(&mut **verdicts) {
            match *class {
                Some(class) if !column.judges(class, *is_deep) => *verdict = Verdict::NotApplicable,
                _ => column.observe(slot, observation, verdict),
            }
        }
        // Only now is heard what they said: whoever calls keeps nothing in registers meanwhile. For the same reason either kind
        // of voices is heard for itself, instead of those that were chosen.
        for (column, verdict) in columns.iter().zip(&**verdicts) {
            let Verdict::Scored { surprise, expected } = *verdict else { continue };
            if column.judges_departure() {
                let counts =
                    muted(self.least, self.side, observation.value, expected.center).is_none();
                heard.departs |= counts;
                combiner.hear(&mut heard.departures, if counts { surprise } else { 0.0 });
            } else {
                heard.departs |= surprise >= EXCURSION_SURPRISE;
                combiner.hear(&mut heard.others, surprise);
            }
        }
    }
}
