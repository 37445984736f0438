//! The base tier: asks each detector, and makes one surprise of what they say.

#![expect(
    clippy::inline_always,
    reason = "one way through all of it, in registers; what is called saves and loads them"
)]

use super::opinion::muted;
use super::predictors::{LaneSet, Predictors, Reading};
use crate::column::AnyColumn;
use crate::combine::{Combiner, Voices};
use crate::lanes::{Departures, LANES, Lanes, Residuals};
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
    pub(super) fn judge(self, slot: usize, observation: &Observation) -> Base {
        let how = (self.lanes, self.least, self.tail);
        let judges = self.predictors.judge(slot, observation, how, self.residuals, self.reading);
        let departures = &self.reading.departures;
        let counts = counting(self.side, departures);
        let voices = if departures.are_ordinary {
            hear_ordinary(self.ordinary, judges, departures, counts)
        } else {
            hear_any(self.ordinary, self.combiner, judges, departures, counts)
        };
        let departs = counts != [0; LANES];
        let mut heard = Heard { departures: voices, others: Voices::default(), departs };
        let Self { columns, verdicts, combiner, least, side, class, is_deep, has_one, .. } = self;
        if !columns.is_empty() {
            let others = Others { columns, verdicts, combiner, least, side, class, is_deep };
            // Copies, so that where there are none nothing has to be in memory.
            heard = others.hear(slot, &{ *observation }, heard);
        }
        let Heard { departures, others, departs } = heard;
        let departure = combiner.agreed(&departures, has_one);
        let surprise = combiner.with_others(departure, &others);
        let is_warm = departure.is_some() || !others.is_empty();
        Base { surprise, departure, others, is_warm, departs }
    }
}

/// All ones in the lanes whose departure is large enough and on a side that is watched.
#[inline(always)]
fn counting(side: Direction, departures: &Departures) -> Lanes<u32> {
    let on_side = |is_watched: fn(f32) -> bool| {
        std::array::from_fn(|lane| {
            if is_watched(departures.difference[lane]) { departures.counts[lane] } else { 0 }
        })
    };
    match side {
        Direction::Both => departures.counts,
        Direction::Up => on_side(|difference| difference > 0.0),
        Direction::Down => on_side(|difference| difference < 0.0),
    }
}

/// Where all departures are ordinary none says more than the body of a distribution does.
#[inline(always)]
fn hear_ordinary(
    ordinary: &Ordinary,
    judges: Lanes<u32>,
    departures: &Departures,
    counts: Lanes<u32>,
) -> Voices {
    let distance = departures.departure.map(f32::abs);
    let variates: Lanes<f32> = std::array::from_fn(|lane| {
        f32::from_bits(ordinary.variate(distance[lane]).to_bits() & counts[lane])
    });
    let mut voices = Voices::default();
    voices.hear_content(
        f64::from(variates.iter().sum::<f32>()),
        judges.iter().map(|judges| judges & 1).sum(),
    );
    voices
}

/// The same, whatever they say.
#[cold]
#[inline(never)]
fn hear_any(
    ordinary: &Ordinary,
    combiner: &Combiner,
    judges: Lanes<u32>,
    departures: &Departures,
    counts: Lanes<u32>,
) -> Voices {
    let mut voices = Voices::default();
    for lane in (0..LANES).filter(|&lane| judges[lane] != 0) {
        let departure = departures.departure[lane].abs();
        if counts[lane] == 0 {
            voices.hear_content(0.0, 1);
        } else if departure < BODY_END as f32 {
            voices.hear_content(f64::from(ordinary.variate(departure)), 1);
        } else {
            combiner.hear(&mut voices, departures.surprises[lane]);
        }
    }
    voices
}

/// The detectors that are no predictors, and how they judge a series.
struct Others<'b> {
    columns: &'b mut [AnyColumn],
    verdicts: &'b mut Vec<Verdict>,
    combiner: &'b Combiner,
    least: MinDeviation,
    side: Direction,
    class: Option<SignalClass>,
    is_deep: bool,
}

impl Others<'_> {
    /// Asks and hears them besides those that were heard.
    #[inline(never)]
    fn hear(self, slot: usize, observation: &Observation, heard: Heard) -> Heard {
        let Self { columns, verdicts, combiner, class, is_deep, .. } = self;
        verdicts.resize(columns.len(), Verdict::WarmingUp);
        for (column, verdict) in columns.iter_mut().zip(&mut *verdicts) {
            match class {
                Some(class) if !column.judges(class, is_deep) => *verdict = Verdict::NotApplicable,
                _ => column.observe(slot, observation, verdict),
            }
        }
        // Only now is heard what they said: whoever calls keeps nothing in registers meanwhile. For the same reason either kind
        // of voices is heard for itself, instead of those that were chosen.
        let mut heard = heard;
        for (column, verdict) in columns.iter().zip(&*verdicts) {
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
        heard
    }
}
