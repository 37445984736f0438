//! The detectors of a rule that judge departures, a lane each, with the states of all series.

#![expect(
    clippy::inline_always,
    reason = "one way through all of it, in registers; what is called saves and loads them"
)]

use serde::de::SeqAccess;
use serde::ser::SerializeTuple;

use super::saved::next;
use crate::column::States;
use crate::forecast::Forecast;
use crate::iqr::Iqr;
use crate::lanes::{Departures, Faced, LANES, Lanes, Lesson, Residuals};
use crate::params::{DetectorName, DetectorSpec, MinDeviation};
use crate::predictor::{Outlook, Predictor, Silence};
use crate::profile::SignalClass;
use crate::seasonal::Seasonal;
use crate::tail::Tail;
use crate::verdict::Observation;
use crate::zscore::{RobustZscore, Zscore};

/// Which lane is whose; both forms of the z-score have the first, of which a rule has one.
const NAMES: Lanes<DetectorName> =
    [DetectorName::Zscore, DetectorName::Iqr, DetectorName::Seasonal, DetectorName::Forecast];
const ZSCORE: usize = 0;
const IQR: usize = 1;
const SEASONAL: usize = 2;
const FORECAST: usize = 3;

/// A predictor with the states of all series.
#[derive(Debug)]
struct Seat<P: Predictor> {
    predictor: P,
    states: States<P::State>,
}

/// The predictors of a rule.
#[derive(Debug, Default)]
pub(super) struct Predictors {
    zscore: Option<Seat<Zscore>>,
    robust_zscore: Option<Seat<RobustZscore>>,
    iqr: Option<Seat<Iqr>>,
    seasonal: Option<Seat<Seasonal>>,
    forecast: Option<Seat<Forecast>>,
}

/// What the predictors said about one observation, before it was judged how far off they were.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Reading {
    pub(super) said: Lanes<Said>,
    /// What was expected by those who said that.
    pub(super) outlooks: Lanes<Outlook>,
    pub(super) departures: Departures,
    /// The smallest scale that moves of the series justified.
    pub(super) floor: f64,
}

/// What one predictor said.
#[derive(Debug, Clone, Copy, Default)]
pub(super) enum Said {
    /// There is none, or it was not asked.
    #[default]
    Unasked,
    Silent(Silence),
    /// What is in [`Reading::outlooks`].
    Outlook,
}

/// The lanes whose predictors are to be asked, a bit each.
pub(super) type LaneSet = u8;

/// `$body` with each predictor that there is, as `$seat`, and its lane.
macro_rules! for_each_seat {
    ($predictors:expr, $lane:ident, $seat:ident => $body:expr) => {{
        let Predictors { zscore, robust_zscore, iqr, seasonal, forecast } = $predictors;
        if let (Some($seat), $lane) = (zscore, ZSCORE) {
            $body;
        }
        if let (Some($seat), $lane) = (robust_zscore, ZSCORE) {
            $body;
        }
        if let (Some($seat), $lane) = (iqr, IQR) {
            $body;
        }
        if let (Some($seat), $lane) = (seasonal, SEASONAL) {
            $body;
        }
        if let (Some($seat), $lane) = (forecast, FORECAST) {
            $body;
        }
    }};
}

/// A predictor that was asked, with the state of the series.
struct Asked<'b, P: Predictor> {
    predictor: &'b P,
    state: &'b mut P::State,
    draft: P::Draft,
}

impl<P: Predictor> Seat<P> {
    fn new(predictor: P) -> Self {
        Self { predictor, states: States::default() }
    }

    /// Asks for the part of the state in `slot` that any sample needs.
    #[inline]
    fn prefetch(&self, slot: usize) {
        self.states.prefetch(slot, P::HOT_BYTES);
    }

    fn forget(&mut self, slot: usize) {
        *self.states.at(slot) = P::State::default();
    }

    /// Asks what is expected of `observation`. What it says is put into its lane of `said` and `outlooks`, what it faces into
    /// that of `faced`.
    #[inline(always)]
    fn ask<const LANE: usize>(
        &mut self,
        slot: usize,
        observation: &Observation,
        (said, outlooks): (&mut Lanes<Said>, &mut Lanes<Outlook>),
        faced: &mut Faced,
    ) -> Asked<'_, P> {
        let Self { predictor, states } = self;
        let state = states.at(slot);
        let (outlook, draft) = predictor.look_ahead(state, observation);
        match outlook {
            Ok(outlook) => {
                (said[LANE], outlooks[LANE]) = (Said::Outlook, outlook);
                faced.set::<LANE>(&outlook);
            }
            Err(silence) => said[LANE] = Said::Silent(silence),
        }
        Asked { predictor, state, draft }
    }
}

impl<P: Predictor> Asked<'_, P> {
    #[inline(always)]
    fn learn(self, observation: &Observation, lesson: &Lesson) {
        self.predictor.learn(self.state, observation, self.draft, lesson);
    }
}

impl Predictors {
    /// Those that `detectors` name. Of a detector that is named twice the last one counts.
    pub(super) fn new(detectors: &[DetectorSpec]) -> Self {
        let mut all = Self::default();
        for &spec in detectors {
            match spec {
                DetectorSpec::Zscore(params) if params.robust => {
                    (all.zscore, all.robust_zscore) = (None, Some(Seat::new(RobustZscore(params))));
                }
                DetectorSpec::Zscore(params) => {
                    (all.zscore, all.robust_zscore) = (Some(Seat::new(Zscore(params))), None);
                }
                DetectorSpec::Iqr(params) => all.iqr = Some(Seat::new(Iqr(params))),
                DetectorSpec::Seasonal(params) => all.seasonal = Some(Seat::new(Seasonal(params))),
                DetectorSpec::Forecast(params) => all.forecast = Some(Seat::new(Forecast(params))),
                _ => {}
            }
        }
        all
    }

    /// Asks for the states of the series in `slot`, which will be needed soon.
    #[inline]
    pub(super) fn prefetch(&self, slot: usize) {
        for_each_seat!(self, _lane, seat => seat.prefetch(slot));
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        let mut count = 0;
        for_each_seat!(self, _lane, _seat => count += 1);
        count
    }

    /// Those that suit signals of `class`.
    pub(super) fn suited(class: SignalClass) -> LaneSet {
        let suited = |lane: usize| u8::from(NAMES[lane].suits(class)) << lane;
        (0..LANES).fold(0, |all, lane| all | suited(lane))
    }

    /// The seasons of the series in `slot`, in milliseconds, ascending; none where nobody looks for any.
    pub(super) fn seasons_ms(&mut self, slot: usize) -> impl Iterator<Item = i64> + use<> {
        let seat = self.seasonal.as_mut();
        seat.map(|seat| seat.states.at(slot).seasons_ms()).into_iter().flatten()
    }

    /// Asks those of `lanes` about an observation of the series in `slot`, judges how far off they were and has them learn
    /// it. What they said is left in `reading`; returned are all ones for the lanes that judge.
    #[inline(always)]
    pub(super) fn judge(
        &mut self,
        slot: usize,
        observation: &Observation,
        (lanes, least, tail): (LaneSet, MinDeviation, &Tail),
        residuals: &mut Residuals,
        reading: &mut Reading,
    ) -> Lanes<u32> {
        let Reading { said, outlooks, departures, floor } = reading;
        *said = [Said::Unasked; LANES];
        // Not where it is kept: what was stored number by number cannot be loaded four at a time at once.
        let mut faced = Faced::with(observation.value);
        macro_rules! ask {
            ($seat:expr, $lane:expr) => {
                match &mut $seat {
                    Some(seat) if lanes & (1 << $lane) != 0 => {
                        Some(seat.ask::<{ $lane }>(slot, observation, (said, outlooks), &mut faced))
                    }
                    _ => None,
                }
            };
        }
        let zscore = ask!(self.zscore, ZSCORE);
        let robust_zscore = ask!(self.robust_zscore, ZSCORE);
        let iqr = ask!(self.iqr, IQR);
        let seasonal = ask!(self.seasonal, SEASONAL);
        let forecast = ask!(self.forecast, FORECAST);
        *floor = observation.scale_floor;
        let judges = faced.judges;
        residuals.judge(&faced, observation.scale_floor as f32, least, departures);
        if departures.are_ordinary {
            residuals.learn_ordinary(judges, departures);
        } else {
            departures.judge_odd(judges, tail);
        }
        let (widths, are_ordinary) = (departures.width, departures.are_ordinary);
        macro_rules! learn {
            ($asked:expr, $lane:expr) => {
                if let Some(asked) = $asked {
                    let lesson = if judges[$lane] == 0 {
                        Lesson::UNJUDGED
                    } else if are_ordinary {
                        Lesson::ordinary(widths[$lane])
                    } else {
                        residuals.learn_any($lane, outlooks[$lane].memory_samples, departures)
                    };
                    asked.learn(observation, &lesson);
                }
            };
        }
        learn!(zscore, ZSCORE);
        learn!(robust_zscore, ZSCORE);
        learn!(iqr, IQR);
        learn!(seasonal, SEASONAL);
        learn!(forecast, FORECAST);
        judges
    }

    /// Forgets the series in `slot`, but what `keeps` of its lanes, whose residuals are in `residuals`.
    pub(super) fn reset(&mut self, slot: usize, keeps: LaneSet, residuals: &mut Residuals) {
        for_each_seat!(self, lane, seat => if keeps & (1 << lane) == 0 {
            seat.forget(slot);
            residuals.reset(lane);
        });
    }

    /// Writes the states in `slot`.
    pub(super) fn save<S: SerializeTuple>(
        &self,
        slot: usize,
        tuple: &mut S,
    ) -> Result<(), S::Error> {
        for_each_seat!(self, _lane, seat => seat.states.save(slot, tuple)?);
        Ok(())
    }

    /// Reads the states in `slot`.
    pub(super) fn restore<'de, A: SeqAccess<'de>>(
        &mut self,
        slot: usize,
        parts: &mut A,
    ) -> Result<(), A::Error> {
        for_each_seat!(self, _lane, seat => *seat.states.at(slot) = next(parts)?);
        Ok(())
    }

    /// Gives back the memory behind the first `slots`.
    pub(super) fn truncate(&mut self, slots: usize) {
        for_each_seat!(self, _lane, seat => seat.states.truncate(slots));
    }

    /// Gives `add` the bytes of each, by name.
    pub(super) fn memory(&self, add: &mut dyn FnMut(&'static str, usize)) {
        for_each_seat!(self, lane, seat => add(NAMES[lane].as_str(), seat.states.bytes()));
    }

    pub(super) fn digest_into(&mut self, slot: usize, text: &mut String) {
        use std::fmt::Write as _;
        // Debug prints every field of a state, floats in full precision; writing to a string never fails.
        for_each_seat!(self, _lane, seat => _ = write!(text, "{:?}", seat.states.at(slot)));
    }

    /// The names of those that there are, with their lanes.
    pub(super) fn names(&self) -> impl Iterator<Item = (usize, DetectorName)> {
        let mut lanes = 0_u8;
        for_each_seat!(self, lane, _seat => lanes |= 1 << lane);
        (0..LANES).filter(move |lane| lanes & (1 << lane) != 0).map(|lane| (lane, NAMES[lane]))
    }
}
