//! The residuals of the detectors that judge departures of one series, a lane each, so that one instruction serves all of them.
//!
//! Nearly always all departures are ordinary: the body of the distribution judges them, and nothing but running means is
//! learned. That takes no branch. Whatever else happens in one of the lanes is left to [`Residual`], lane by lane, which
//! does the same to an ordinary departure; a test holds them to each other bit for bit.
//!
//! State: 112 bytes, whether all lanes are in use or not.

#![expect(
    clippy::inline_always,
    reason = "one way through all of it, in registers; what is called saves and loads them"
)]

use serde::{Deserialize, Serialize};

use crate::params::MinDeviation;
use crate::predictor::Outlook;
use crate::residual::{
    Judged, NarrowScale, Residual, TAIL_KEPT, departure, second, shape, widening,
};
use crate::tail::{BODY_END, Tail, TailShape};

/// As many as detectors that judge departures, and as fit into a register of single precision.
pub(crate) const LANES: usize = 4;

/// One number a lane.
pub(crate) type Lanes<T> = [T; LANES];

/// The same of each lane.
#[inline(always)]
fn each<T>(of: impl FnMut(usize) -> T) -> Lanes<T> {
    std::array::from_fn(of)
}

/// [`Residual`]s, field by field.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct Residuals {
    second: Lanes<f32>,
    samples: Lanes<u32>,
    tails: Tails,
    excursion_samples: Lanes<u32>,
    excursion_peak: Lanes<f32>,
}

/// What tails follow from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Tails {
    samples: Lanes<f32>,
    excursions: Lanes<f32>,
    log_peaks: Lanes<f32>,
}

impl Tails {
    #[inline]
    pub(crate) fn shape(&self, lane: usize) -> TailShape {
        shape(self.samples[lane], self.excursions[lane], self.log_peaks[lane])
    }
}

/// What the detectors were faced with: a value that is judged and forgotten, so that it need not be in memory.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Faced {
    /// All ones where the lane's detector judges, else 0.
    pub(crate) judges: Lanes<u32>,
    /// What was observed, and what was expected, in the unit of the signal.
    value: f64,
    center: Lanes<f64>,
    /// The scales that the detector believes in, below and above.
    below: Lanes<f64>,
    above: Lanes<f64>,
}

impl Faced {
    /// Nobody judges `value` yet.
    #[inline(always)]
    pub(crate) fn with(value: f64) -> Self {
        Self { value, ..Self::default() }
    }

    /// One detector is faced with it, and had this `outlook`.
    #[inline(always)]
    pub(crate) fn set<const LANE: usize>(&mut self, outlook: &Outlook) {
        self.judges[LANE] = u32::MAX;
        self.center[LANE] = outlook.center;
        (self.below[LANE], self.above[LANE]) = (outlook.below, outlook.above);
    }
}

/// Departures and how they were judged. Means nothing in lanes that do not judge.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Departures {
    /// What was observed less what was expected, in the unit of the signal and in standard deviations.
    pub(crate) difference: Lanes<f32>,
    pub(crate) departure: Lanes<f32>,
    /// The scale that was used, and what makes it the standard deviation of departures.
    pub(crate) width: Lanes<f32>,
    pub(crate) widening: Lanes<f32>,
    /// The tails that they were judged by.
    pub(crate) tails: Tails,
    /// All ones where the departure is one that counts, on either side, by its size.
    pub(crate) counts: Lanes<u32>,
    /// Whether all are ordinary: below [`BODY_END`], with nothing going on.
    pub(crate) are_ordinary: bool,
    /// Their surprises, unless they are ordinary.
    pub(crate) surprises: Lanes<f64>,
}

impl Departures {
    /// Works out the surprises, which need not be ordinary.
    #[cold]
    #[inline(never)]
    pub(crate) fn judge_odd(&mut self, judges: Lanes<u32>, tail: &Tail) {
        for lane in (0..LANES).filter(|&lane| judges[lane] != 0) {
            let departure = f64::from(self.departure[lane]);
            self.surprises[lane] = tail.surprise(departure, self.tails.shape(lane));
        }
    }
}

/// How the detector of a lane is to learn what was judged.
#[derive(Debug, Clone, Copy)]
pub struct Lesson {
    /// 0 to 1.
    pub(crate) weight: f64,
    /// The scale on the side of the value, in the unit of the signal; infinite where nothing was judged.
    pub(crate) width: f64,
    /// Whether a window of whole samples takes this one.
    pub(crate) admits: bool,
    /// Whether an excursion has lasted so long that it is the new normal, and whether it is so with this sample.
    pub(crate) is_new_normal: bool,
    pub(crate) becomes_new_normal: bool,
}

impl Lesson {
    /// Of a sample that was not judged.
    pub(crate) const UNJUDGED: Self = Self {
        weight: 1.0,
        width: f64::INFINITY,
        admits: true,
        is_new_normal: false,
        becomes_new_normal: false,
    };

    /// Has `residual` learn what it judged by a scale of `width`, and says how its detector is to learn it.
    pub(crate) fn of(
        residual: &mut Residual,
        judged: &Judged,
        width: f32,
        memory_samples: u32,
    ) -> Self {
        let was_new_normal = residual.is_new_normal(memory_samples);
        let weight = f64::from(residual.learn(judged, memory_samples));
        let is_new_normal = residual.is_new_normal(memory_samples);
        Self {
            weight,
            width: f64::from(width),
            admits: residual.admits(memory_samples),
            is_new_normal,
            becomes_new_normal: is_new_normal && !was_new_normal,
        }
    }

    /// Of an ordinary sample.
    #[inline(always)]
    pub(crate) fn ordinary(width: f32) -> Self {
        Self { width: f64::from(width), ..Self::UNJUDGED }
    }
}

impl Default for Residuals {
    fn default() -> Self {
        let Residual { second, .. } = Residual::default();
        Self {
            second: [second; LANES],
            samples: Lanes::default(),
            tails: Tails::default(),
            excursion_samples: Lanes::default(),
            excursion_peak: Lanes::default(),
        }
    }
}

/// `new` where the mask is all ones, `old` where it is 0.
#[inline(always)]
fn chosen(mask: u32, new: f32, old: f32) -> f32 {
    f32::from_bits((new.to_bits() & mask) | (old.to_bits() & !mask))
}

impl Residuals {
    /// Judges what the detectors were `faced` with against the past. No scale is narrower than `floor`.
    #[inline(always)]
    pub(crate) fn judge(
        &self,
        faced: &Faced,
        floor: f32,
        least: MinDeviation,
        departures: &mut Departures,
    ) {
        let Self { second, tails, excursion_samples, excursion_peak, .. } = *self;
        let Faced { judges, value, center, below, above, .. } = *faced;
        let difference = each(|lane| (value - center[lane]) as f32);
        let width = each(|lane| {
            let width = if value < center[lane] { below[lane] } else { above[lane] };
            width as f32
        });
        let size = each(|lane| (center[lane] as f32).abs());
        let count_from = each(|lane| least.at_size(size[lane]));
        let scale =
            each(|lane| NarrowScale::at_least(width[lane], floor, count_from[lane], size[lane]));
        let widening = each(|lane| widening(second[lane]));
        let departure = each(|lane| departure(difference[lane], scale[lane], widening[lane]));
        let width = each(|lane| scale[lane].width);
        let counts = each(|lane| {
            let is_large = difference[lane].abs() >= count_from[lane];
            if is_large { judges[lane] } else { 0 }
        });
        let odd = each(|lane| {
            let is_ordinary = departure[lane].abs() < BODY_END as f32
                && excursion_samples[lane] < 2
                && excursion_peak[lane] == 0.0;
            if is_ordinary { 0 } else { judges[lane] }
        });
        let are_ordinary = odd.iter().fold(0, |all, one| all | one) == 0;
        let surprises = departures.surprises;
        *departures = Departures {
            difference,
            departure,
            width,
            widening,
            tails,
            counts,
            are_ordinary,
            surprises,
        };
    }

    /// Learns departures that are ordinary in all lanes that judge.
    #[inline(always)]
    pub(crate) fn learn_ordinary(&mut self, judges: Lanes<u32>, departures: &Departures) {
        let Departures { departure, widening, .. } = *departures;
        let samples = each(|lane| self.samples[lane].saturating_add(judges[lane] & 1));
        self.samples = samples;
        self.second = each(|lane| {
            let (distance, widening) = (departure[lane].abs(), widening[lane]);
            let learned = second(self.second[lane], distance, widening, 1.0, samples[lane]);
            chosen(judges[lane], learned, self.second[lane])
        });
        let Tails { samples, excursions, log_peaks } = self.tails;
        let kept = each(|lane| chosen(judges[lane], TAIL_KEPT, 1.0));
        let one = each(|lane| chosen(judges[lane], 1.0, 0.0));
        self.tails = Tails {
            samples: each(|lane| samples[lane] * kept[lane] + one[lane]),
            excursions: each(|lane| excursions[lane] * kept[lane]),
            log_peaks: each(|lane| log_peaks[lane] * kept[lane]),
        };
        self.excursion_samples = each(|lane| self.excursion_samples[lane] & !judges[lane]);
    }

    /// Learns the departure of a lane that judges, whatever it is. An excursion that lasts for `memory_samples` is the new normal.
    #[cold]
    #[inline(never)]
    pub(crate) fn learn_any(
        &mut self,
        lane: usize,
        memory_samples: u32,
        departures: &Departures,
    ) -> Lesson {
        let mut residual = self.lane(lane);
        let departure = departures.departure[lane];
        let (widening, shape) = (departures.widening[lane], departures.tails.shape(lane));
        let surprise = departures.surprises[lane];
        let judged = Judged { surprise, shape, widening, departure };
        let lesson = Lesson::of(&mut residual, &judged, departures.width[lane], memory_samples);
        self.set_lane(lane, residual);
        lesson
    }

    /// Forgets what is known of a lane.
    pub(crate) fn reset(&mut self, lane: usize) {
        self.set_lane(lane, Residual::default());
    }

    fn lane(&self, lane: usize) -> Residual {
        Residual {
            second: self.second[lane],
            samples: self.samples[lane],
            tail_samples: self.tails.samples[lane],
            tail_excursions: self.tails.excursions[lane],
            tail_log_peaks: self.tails.log_peaks[lane],
            excursion_samples: self.excursion_samples[lane],
            excursion_peak: self.excursion_peak[lane],
        }
    }

    fn set_lane(&mut self, lane: usize, residual: Residual) {
        self.second[lane] = residual.second;
        self.samples[lane] = residual.samples;
        self.tails.samples[lane] = residual.tail_samples;
        self.tails.excursions[lane] = residual.tail_excursions;
        self.tails.log_peaks[lane] = residual.tail_log_peaks;
        self.excursion_samples[lane] = residual.excursion_samples;
        self.excursion_peak[lane] = residual.excursion_peak;
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    const MEMORY_SAMPLES: u32 = 12;
    const VALUE: f64 = 100.0;

    /// What one detector is faced with, if it judges: departure of [`VALUE`] and scale.
    fn faced() -> impl Strategy<Value = Option<(f64, f64)>> {
        let difference = prop_oneof![
            20 => -1.9..1.9_f64,
            3 => -9.0..9.0_f64,
            1 => prop_oneof![Just(0.0), Just(f64::NAN), Just(1e30), -1e-9..1e-9_f64],
        ];
        let width =
            prop_oneof![9 => 0.5..2.0_f64, 1 => prop_oneof![Just(0.0), Just(f64::NAN), Just(1e20)]];
        proptest::option::weighted(0.9, (difference, width))
    }

    /// The same lane by lane.
    fn one_by_one(
        residuals: &mut [Residual],
        outlooks: &[Option<Outlook>],
        floor: f32,
        least: MinDeviation,
        tail: &Tail,
    ) -> Vec<(f32, Lesson)> {
        let judged = |(residual, outlook): (&mut Residual, &Option<Outlook>)| {
            let Some(outlook) = outlook else { return (0.0, Lesson::UNJUDGED) };
            let size = (outlook.center as f32).abs();
            let width = outlook.width(VALUE) as f32;
            let scale = NarrowScale::at_least(width, floor, least.at_size(size), size);
            let judged = residual.judge(tail, (VALUE - outlook.center) as f32, scale);
            let lesson = Lesson::of(residual, &judged, scale.width, outlook.memory_samples);
            (judged.departure, lesson)
        };
        residuals.iter_mut().zip(outlooks).map(judged).collect()
    }

    proptest! {
        #[test]
        fn all_at_once_is_one_by_one(
            rows in vec((faced(), faced(), faced(), faced()), 1..400),
            floor in prop_oneof![Just(0.0_f32), 0.0..3.0_f32], relative in prop_oneof![Just(0.0), 0.0..0.05_f64],
        ) {
            let least = MinDeviation::new(0.0, relative).expect("within its range");
            let tail = Tail::new();
            let (mut ours, mut theirs) = (Residuals::default(), [Residual::default(); LANES]);
            for (a, b, c, d) in rows {
                let outlooks = [a, b, c, d].map(|faced| faced.map(|(difference, width)| {
                    let (center, memory_samples) = (VALUE - difference, MEMORY_SAMPLES);
                    Outlook { center, below: width, above: 1.5 * width, memory_samples }
                }));
                let mut faced = Faced::with(VALUE);
                if let Some(outlook) = &outlooks[0] { faced.set::<0>(outlook); }
                if let Some(outlook) = &outlooks[1] { faced.set::<1>(outlook); }
                if let Some(outlook) = &outlooks[2] { faced.set::<2>(outlook); }
                if let Some(outlook) = &outlooks[3] { faced.set::<3>(outlook); }
                let mut departures = Departures::default();
                ours.judge(&faced, floor, least, &mut departures);
                if departures.are_ordinary {
                    ours.learn_ordinary(faced.judges, &departures);
                } else {
                    departures.judge_odd(faced.judges, &tail);
                }
                let expected = one_by_one(&mut theirs, &outlooks, floor, least, &tail);
                for (lane, (departure, lesson)) in expected.into_iter().enumerate() {
                    if faced.judges[lane] == 0 {
                        continue;
                    }
                    prop_assert_eq!(departures.departure[lane].to_bits(), departure.to_bits());
                    let learned = if departures.are_ordinary {
                        Lesson::ordinary(departures.width[lane])
                    } else {
                        ours.learn_any(lane, MEMORY_SAMPLES, &departures)
                    };
                    prop_assert_eq!(format!("{:?}", learned), format!("{:?}", lesson));
                }
                for (lane, residual) in theirs.iter().enumerate() {
                    prop_assert_eq!(format!("{:?}", ours.lane(lane)), format!("{:?}", residual));
                }
            }
        }
    }
}
