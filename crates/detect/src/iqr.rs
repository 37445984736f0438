//! Outliers on skewed data: departure from the median, measured by the quartile on its side.
//!
//! Method: Tukey's fences (1977) on a sliding window, each side with its own scale, so that skewed
//! data have a longer reach on the long side, as in Hubert & Vandervieren (2008), "An adjusted
//! boxplot for skewed distributions" (which uses the medcouple where this uses quartiles). The
//! quartiles come from 128 linear buckets of a power-of-two width. Of an excursion one sample
//! in four enters the window, so an incident does not drag the fences along.
//! Adoption: a new level is normal after 720 samples, two windows.
//! State: 712 bytes. Cost: some 130 ns.
//!
//! Blind spot: a series whose quartiles coincide (mostly constant, mostly zero) has no fences; the
//! verdict is then "not applicable" and `zscore` speaks for it.

use serde::{Deserialize, Serialize};

use crate::number::larger;
use crate::params::{MinDeviation, WarmUp, Window};
use crate::residual::{Residual, Scale};
use crate::tail::Tail;
use crate::verdict::{Detector, Expected, Observation, Verdict};
use crate::window::QuantileWindow;

/// Distance from the median to a quartile of a standard normal.
const NORMAL_QUARTILE: f64 = 0.674_489_750_196_082;
/// The scale of a side is at least this share of what symmetry would give it.
const SIDE_MIN: f64 = 0.5;

/// Parameters of the interquartile-range detector.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Params {
    /// Memory in samples.
    pub window: Window,
    /// Samples before the first verdict.
    pub warm_up_samples: WarmUp,
}

/// The detector.
#[derive(Debug, Clone)]
pub(crate) struct Iqr {
    pub(crate) params: Params,
    pub(crate) min_deviation: MinDeviation,
    pub(crate) tail: Tail,
}

/// What it remembers of a series.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub(crate) struct State {
    window: QuantileWindow,
    samples: u32,
    residual: Residual,
}

impl Detector for Iqr {
    type State = State;

    #[expect(
        clippy::inline_always,
        reason = "its column is the only caller, and takes the verdict where it is made"
    )]
    #[inline(always)]
    fn observe(&self, state: &mut State, observation: &Observation) -> Verdict {
        let memory = self.params.window.samples();
        let value = observation.value;
        state.samples = state.samples.saturating_add(1);
        let warm = state.samples > self.params.warm_up_samples.samples();
        let Some(quartiles) = state.window.quartiles().filter(|_| warm) else {
            state.window.insert(value, memory);
            return Verdict::WarmingUp;
        };
        let spread = quartiles.third - quartiles.first;
        let center = quartiles.median;
        if !state.window.has_spread() {
            state.window.insert(value, memory);
            return Verdict::NotApplicable;
        }
        let side = |distance: f64| {
            let width = larger(distance, SIDE_MIN * spread / 2.0) / NORMAL_QUARTILE;
            Scale::at_least(width, observation.scale_floor, self.min_deviation, center)
        };
        let (below, above) = (side(center - quartiles.first), side(quartiles.third - center));
        let scale = if value < center { below } else { above };
        let judged = state.residual.judge(&self.tail, value - center, scale);
        state.residual.learn(&judged, memory);
        if state.residual.admits(memory) {
            state.window.insert(value, memory);
        }
        let expected = Expected {
            center,
            scale_below: below.width * judged.widening,
            scale_above: above.width * judged.widening,
            tail: judged.shape,
        };
        Verdict::Scored { surprise: judged.surprise, expected }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Noise, run, surprise_at};

    fn iqr() -> Iqr {
        Iqr { params: Params::default(), min_deviation: MinDeviation::default(), tail: Tail::new() }
    }

    #[test]
    fn the_long_side_of_skewed_data_reaches_further() {
        let mut noise = Noise::new(4);
        let values: Vec<f64> = (0..800).map(|_| libm::exp(0.6 * noise.normal())).collect();
        let verdicts = run(&iqr(), &values);
        let Verdict::Scored { expected, .. } = verdicts[799] else { panic!("{:?}", verdicts[799]) };
        assert!(expected.scale_above > 1.2 * expected.scale_below, "{expected:?}");
        let alarms = (100..800).filter(|&i| surprise_at(&verdicts, i) > 4.0).count();
        assert!(alarms <= 1, "{alarms}");
    }

    #[test]
    fn a_constant_has_no_fences() {
        let verdicts = run(&iqr(), &[7.0; 200]);
        assert_eq!(verdicts[199], Verdict::NotApplicable);
    }

    #[test]
    fn an_incident_stays_outside_the_fences() {
        let mut noise = Noise::new(5);
        let values: Vec<f64> =
            (0..900).map(|i| if i < 600 { 10.0 } else { 20.0 } + noise.normal()).collect();
        let verdicts = run(&iqr(), &values);
        assert!(surprise_at(&verdicts, 600) > 3.0);
        assert!((620..800).all(|i| surprise_at(&verdicts, i) > 2.0));
    }
}
