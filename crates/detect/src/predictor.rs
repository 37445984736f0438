//! Detectors that judge departures: they say what they expect of the next observation, and learn it once the departure is
//! judged. What a departure means is the same for all of them: [`crate::residual`] for one by itself, as [`Alone`] runs it,
//! [`crate::lanes`] for those of a bank.

use std::fmt::Debug;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::lanes::Lesson;
use crate::params::MinDeviation;
use crate::residual::{NarrowScale, Residual, Scale};
use crate::tail::{Tail, TailShape};
use crate::verdict::{Detector, Expected, Observation, Verdict};

/// What is expected of an observation.
#[derive(Debug, Clone, Copy, Default)]
pub struct Outlook {
    /// The most likely value, in the unit of the signal.
    pub(crate) center: f64,
    /// The scale that the detector believes in, below and above the centre, in the unit of the signal. It may be too small to be
    /// believed, and wrong by a factor that its past departures tell.
    pub(crate) below: f64,
    pub(crate) above: f64,
    /// How long an excursion lasts before it is the new normal, in samples.
    pub(crate) memory_samples: u32,
}

/// Why nothing is expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Silence {
    /// The detector has not seen enough yet.
    WarmingUp,
    /// The series does not have what the method needs.
    NotApplicable,
}

/// Expects something of each observation of one series, in event-time order.
///
/// Deterministic: equal parameters and equal observations give equal outlooks on every run.
pub trait Predictor {
    /// Flat record of fixed size, one per series, as [`Detector::State`].
    type State: Copy + Default + Debug + Serialize + DeserializeOwned;
    /// What was worked out for the outlook and is needed again to learn.
    type Draft: Copy;

    /// So many bytes at the beginning of a state are needed with each sample, the rest with few of them.
    const HOT_BYTES: usize = size_of::<Self::State>();

    /// What is expected of `observation` from what came before it.
    fn look_ahead(
        &self,
        state: &mut Self::State,
        observation: &Observation,
    ) -> (Result<Outlook, Silence>, Self::Draft);

    /// Learns `observation` as the lesson says.
    fn learn(
        &self,
        state: &mut Self::State,
        observation: &Observation,
        draft: Self::Draft,
        lesson: &Lesson,
    );
}

impl Outlook {
    /// The scale on the side of `value`.
    pub(crate) fn width(&self, value: f64) -> f64 {
        if value < self.center { self.below } else { self.above }
    }

    /// What is shown of it: scales that are believed, and as wide as departures from them were.
    pub(crate) fn expected(
        &self,
        floor: f64,
        least: MinDeviation,
        widening: f32,
        tail: TailShape,
    ) -> Expected {
        let side =
            |width| Scale::at_least(width, floor, least, self.center).width * f64::from(widening);
        let (scale_below, scale_above) = (side(self.below), side(self.above));
        Expected { center: self.center, scale_below, scale_above, tail }
    }
}

/// A predictor by itself: a detector.
#[derive(Debug, Clone)]
pub struct Alone<P> {
    predictor: P,
    min_deviation: MinDeviation,
    tail: Tail,
}

impl<P: Predictor> Alone<P> {
    /// A detector of departures from what `predictor` expects; a third of `min_deviation` is the smallest scale that it
    /// believes in.
    pub fn new(predictor: P, min_deviation: MinDeviation, tail: Tail) -> Self {
        Self { predictor, min_deviation, tail }
    }
}

/// What is remembered of a series: by the predictor, and of its departures.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub struct AloneState<S> {
    state: S,
    residual: Residual,
}

#[cfg(test)]
impl<S> AloneState<S> {
    /// What the predictor remembers.
    pub(crate) fn predicted(&self) -> &S {
        &self.state
    }
}

impl<P: Predictor> Detector for Alone<P> {
    type State = AloneState<P::State>;

    fn observe(&self, state: &mut Self::State, observation: &Observation) -> Verdict {
        if !observation.value.is_finite() {
            return Verdict::NotApplicable;
        }
        let AloneState { state, residual } = state;
        let (outlook, draft) = self.predictor.look_ahead(state, observation);
        let outlook = match outlook {
            Ok(outlook) => outlook,
            Err(silence) => {
                self.predictor.learn(state, observation, draft, &Lesson::UNJUDGED);
                return silence.into();
            }
        };
        let Observation { value, scale_floor, .. } = *observation;
        let (least, size) = (self.min_deviation, outlook.center.abs() as f32);
        let (width, floor) = (outlook.width(value) as f32, scale_floor as f32);
        let scale = NarrowScale::at_least(width, floor, least.at_size(size), size);
        let judged = residual.judge(&self.tail, (value - outlook.center) as f32, scale);
        let lesson = Lesson::of(residual, &judged, scale.width, outlook.memory_samples);
        self.predictor.learn(state, observation, draft, &lesson);
        let expected = outlook.expected(scale_floor, least, judged.widening, judged.shape);
        Verdict::Scored { surprise: judged.surprise, expected }
    }
}

impl From<Silence> for Verdict {
    fn from(silence: Silence) -> Self {
        match silence {
            Silence::WarmingUp => Self::WarmingUp,
            Silence::NotApplicable => Self::NotApplicable,
        }
    }
}
