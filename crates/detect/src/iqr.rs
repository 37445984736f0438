//! Outliers on skewed data: departure from the median, measured by the quartile on its side.
//!
//! Method: Tukey's fences (1977) on a sliding window, each side with its own scale, so that skewed
//! data have a longer reach on the long side, as in Hubert & Vandervieren (2008), "An adjusted
//! boxplot for skewed distributions" (which uses the medcouple where this uses quartiles). The
//! quartiles come from 128 linear buckets of a power-of-two width. Of an excursion one sample
//! in four enters the window, so an incident does not drag the fences along.
//! Adoption: a new level is normal after 720 samples, two windows.
//! State: 464 bytes.
//!
//! Blind spot: a series whose quartiles coincide (mostly constant, mostly zero) has no fences; the
//! verdict is then "not applicable" and `zscore` speaks for it.

use std::fmt;
use std::mem::offset_of;

use serde::{Deserialize, Serialize};

use crate::lanes::Lesson;
use crate::number::larger;
use crate::params::{WarmUp, Window};
use crate::predictor::{Outlook, Predictor, Silence};
use crate::verdict::Observation;
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
#[derive(Debug, Clone, Copy)]
pub(crate) struct Iqr(pub(crate) Params);

/// What it remembers of a series. In this order: first what each sample needs.
#[derive(Clone, Copy, Default, Serialize, Deserialize)]
#[serde(from = "Saved", into = "Saved")]
#[repr(C)]
pub(crate) struct State {
    samples: u32,
    window: QuantileWindow,
}

/// The same in a saved state.
#[derive(Serialize, Deserialize)]
struct Saved {
    window: QuantileWindow,
    samples: u32,
}

/// As it was always written: digests of states follow from the text.
impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { samples, window } = self;
        f.debug_struct("State").field("window", window).field("samples", samples).finish()
    }
}

impl From<Saved> for State {
    fn from(Saved { window, samples }: Saved) -> Self {
        Self { samples, window }
    }
}

impl From<State> for Saved {
    fn from(State { samples, window }: State) -> Self {
        Self { window, samples }
    }
}

impl Predictor for Iqr {
    type State = State;
    type Draft = ();
    const HOT_BYTES: usize = offset_of!(State, window) + QuantileWindow::HOT_BYTES;

    #[expect(clippy::inline_always, reason = "a bank is the only caller, and goes on in registers")]
    #[inline(always)]
    fn look_ahead(&self, state: &mut State, _: &Observation) -> (Result<Outlook, Silence>, ()) {
        state.samples = state.samples.saturating_add(1);
        let warm = state.samples > self.0.warm_up_samples.samples();
        let Some(quartiles) = state.window.quartiles().filter(|_| warm) else {
            return (Err(Silence::WarmingUp), ());
        };
        if !state.window.has_spread() {
            return (Err(Silence::NotApplicable), ());
        }
        let center = quartiles.median;
        let least = SIDE_MIN / 2.0 * (quartiles.third - quartiles.first);
        let side = |distance: f64| larger(distance, least) * (1.0 / NORMAL_QUARTILE);
        let (below, above) = (side(center - quartiles.first), side(quartiles.third - center));
        let memory_samples = self.0.window.samples();
        (Ok(Outlook { center, below, above, memory_samples }), ())
    }

    #[expect(clippy::inline_always, reason = "a bank is the only caller, and goes on in registers")]
    #[inline(always)]
    fn learn(&self, state: &mut State, observation: &Observation, (): (), lesson: &Lesson) {
        if lesson.admits {
            state.window.insert(observation.value, self.0.window.samples());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::predictor::Alone;
    use crate::testing::{Noise, alone, run, surprise_at};
    use crate::verdict::Verdict;

    fn iqr() -> Alone<Iqr> {
        alone(Iqr(Params::default()))
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
