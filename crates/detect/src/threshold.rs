//! Rules that humans wrote: a bound that a value must not cross, and the range in which it is possible at all.
//!
//! Method: comparison, as in a Prometheus rule; how long it must hold is the alert's `for`. Nothing is learned, so
//! there is no warm-up and nothing to be adopted. Whoever wrote the rule says how surprising its breach is.
//!
//! State: none. Cost: 6 ns. Blind spot: everything that its author did not think of.

use serde::{Deserialize, Serialize};

use crate::params::ParamError;
use crate::tail::{SURPRISE_MAX, TailShape};
use crate::verdict::{Detector, Expected, Observation, Verdict};

/// Surprise of a breach, unless configured: well over what any budget asks for.
const BREACH_SURPRISE: f64 = 12.0;

/// Parameters of the threshold detector. A value is in breach when it is above `above`, below `below`, or outside the
/// valid range. Two bounds with `below < above` are an outside rule; with `above < below`, an inside one would
/// never hold, and is refused.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "RawParams", into = "RawParams")]
pub struct Params {
    above: f64,
    below: f64,
    valid_min: f64,
    valid_max: f64,
    surprise: f64,
}

/// [`Params`] as they are written in a file.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RawParams {
    /// Values above it are in breach.
    pub above: Option<f64>,
    /// Values below it are in breach.
    pub below: Option<f64>,
    /// The smallest value that is possible, such as 0 of a duration.
    pub valid_min: Option<f64>,
    /// The largest value that is possible, such as 1 of a share.
    pub valid_max: Option<f64>,
    /// Surprise of a breach: above 0, at most [`SURPRISE_MAX`].
    pub surprise: Option<f64>,
}

impl TryFrom<RawParams> for Params {
    type Error = ParamError;

    fn try_from(raw: RawParams) -> Result<Self, ParamError> {
        let above = bound("above", raw.above, f64::INFINITY)?;
        let below = bound("below", raw.below, f64::NEG_INFINITY)?;
        let valid_min = bound("valid_min", raw.valid_min, f64::NEG_INFINITY)?;
        let valid_max = bound("valid_max", raw.valid_max, f64::INFINITY)?;
        if below > above {
            return Err(ParamError { param: "below", expected: "below <= above", value: below });
        }
        if valid_min > valid_max {
            let expected = "valid_min <= valid_max";
            return Err(ParamError { param: "valid_min", expected, value: valid_min });
        }
        let surprise = raw.surprise.unwrap_or(BREACH_SURPRISE);
        if 0.0 < surprise && surprise <= SURPRISE_MAX {
            return Ok(Self { above, below, valid_min, valid_max, surprise });
        }
        Err(ParamError { param: "surprise", expected: "0 < surprise <= 100", value: surprise })
    }
}

impl From<Params> for RawParams {
    fn from(params: Params) -> Self {
        let finite = |value: f64| Some(value).filter(|value| value.is_finite());
        Self {
            above: finite(params.above),
            below: finite(params.below),
            valid_min: finite(params.valid_min),
            valid_max: finite(params.valid_max),
            surprise: Some(params.surprise),
        }
    }
}

/// A bound that was written, or `unbounded` where none was.
fn bound(param: &'static str, value: Option<f64>, unbounded: f64) -> Result<f64, ParamError> {
    match value {
        None => Ok(unbounded),
        Some(value) if value.is_finite() => Ok(value),
        Some(value) => Err(ParamError { param, expected: "a finite number", value }),
    }
}

/// The detector.
#[derive(Debug, Clone)]
pub struct Threshold {
    params: Params,
}

impl Threshold {
    /// A detector of breaches of `params`.
    pub fn new(params: Params) -> Self {
        Self { params }
    }

    /// The nearest value that is not in breach.
    fn allowed(&self, value: f64) -> f64 {
        let Params { above, below, valid_min, valid_max, .. } = self.params;
        value.max(below).min(above).max(valid_min).min(valid_max)
    }
}

/// It remembers nothing.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub struct State;

impl Detector for Threshold {
    type State = State;

    fn observe(&self, _: &mut State, observation: &Observation) -> Verdict {
        let center = self.allowed(observation.value);
        let is_breach = (center - observation.value).abs() > 0.0;
        let surprise = if is_breach { self.params.surprise } else { 0.0 };
        // A rule has no distribution: the band around the bound is as narrow as floating point allows.
        let scale = (center.abs() * 1e-9).max(1e-12);
        let tail = TailShape { frequency: 1e-3, index: 4.0 };
        Verdict::Scored {
            surprise,
            expected: Expected { center, scale_below: scale, scale_above: scale, tail },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{run, surprise_at};

    fn threshold(raw: RawParams) -> Threshold {
        Threshold::new(Params::try_from(raw).unwrap())
    }

    #[test]
    fn a_breach_is_as_surprising_as_its_author_says() {
        let raw = RawParams { above: Some(10.0), surprise: Some(5.0), ..RawParams::default() };
        let verdicts = run(&threshold(raw), &[9.0, 10.0, 10.1, -1e120]);
        let surprises: Vec<f64> = (0..4).map(|index| surprise_at(&verdicts, index)).collect();
        assert_eq!(surprises, [0.0, 0.0, 5.0, 0.0]);
    }

    #[test]
    fn outside_and_impossible_values_are_breaches() {
        let raw = RawParams {
            above: Some(0.9),
            below: Some(0.1),
            valid_min: Some(0.0),
            valid_max: Some(1.0),
            ..RawParams::default()
        };
        let verdicts = run(&threshold(raw), &[0.05, 0.1, 0.5, 0.95, 1.5, -1.0]);
        let breaches: Vec<bool> = (0..6).map(|index| surprise_at(&verdicts, index) > 0.0).collect();
        assert_eq!(breaches, [true, false, false, true, true, true]);
        let raw = RawParams { valid_max: Some(1.0), ..RawParams::default() };
        assert!(surprise_at(&run(&threshold(raw), &[1.5]), 0) > 0.0);
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        let odd = [
            RawParams { above: Some(1.0), below: Some(2.0), ..RawParams::default() },
            RawParams { above: Some(f64::NAN), ..RawParams::default() },
            RawParams { valid_min: Some(2.0), valid_max: Some(1.0), ..RawParams::default() },
            RawParams { surprise: Some(0.0), ..RawParams::default() },
        ];
        for raw in odd {
            assert!(Params::try_from(raw).is_err(), "{raw:?}");
        }
    }

    #[test]
    fn parameters_survive_being_written() {
        let raw = RawParams { above: Some(1.0), surprise: Some(7.0), ..RawParams::default() };
        assert_eq!(RawParams::from(Params::try_from(raw).unwrap()), raw);
    }
}
