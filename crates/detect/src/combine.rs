//! Combination: one surprise from several, valid however they depend on each other.
//!
//! Cauchy combination test: Liu & Xie (2020), "Cauchy combination test: a powerful test with analytic
//! p-value calculation under arbitrary dependency structures". Each p-value becomes a Cauchy variate
//! `cot(pi p)`; their mean is Cauchy again, whatever the dependence, in the tail that matters. As in the
//! truncated form (Fang et al. 2023), p-values above one half count as one half, so that a
//! detector that is perfectly content cannot veto one that is not.
//!
//! Tails are learned from some ten thousand observations, so what is rarer than that is extrapolated, and the rule is as
//! wrong there as the worst of the extrapolations. Beyond [`fuse::EVIDENCE_MAX`] a departure is therefore as surprising as
//! the second of the detectors that judge departures says, by the rule of Rüger (1978), "Das maximale
//! Signifikanzniveau des Tests: Lehne H0 ab, wenn k unter n gegebenen Tests zur Ablehnung führen": `n / k` times the k-th
//! smallest of `n` p-values is a p-value however they depend on each other. Once two do agree, a fifth
//! of what the loudest says beyond that counts as well: that is a weighted geometric mean of two p-values, which is
//! at most e times too small (Vovk & Wang 2020, "Combining p-values via averaging"), and the ladder that follows
//! takes care of that.
//!
//! Both ways between surprise and variate are tabulated and interpolated, to within 0.001 of the surprise: nearly every
//! observation is ordinary and needs neither exponential nor logarithm.

use std::f64::consts::{LOG10_2, PI};
use std::fmt;
use std::sync::Arc;

use crate::fuse;
use crate::number::{larger, smaller};
use crate::segments::Segments;

/// Points of the table per unit of surprise.
const POINTS_PER_UNIT: usize = 32;
/// Surprise beyond which two detectors have to agree on a departure.
const AGREED_FROM: f64 = 3.0;
/// Share of what the loudest says beyond what two agree on that counts then.
const LOUDER_SHARE: f64 = 0.2;
/// Weight of a detector that watches something other than departures, against all of those that do.
const OTHER_WEIGHT: f64 = 0.1;
const POINTS: usize = 4 * POINTS_PER_UNIT + 1;
/// Segments of the way back, per unit of the variate, and up to which variate: some 49 of 50 are below.
const SEGMENTS_PER_UNIT: usize = 32;
const VARIATE_MAX: usize = 16;

/// What each of so many voices counts.
const SHARES: [f64; 5] = [1.0, 1.0, 1.0 / 2.0, 1.0 / 3.0, 1.0 / 4.0];

/// The tabulated combination rule. Clones share the tables.
#[derive(Clone)]
pub struct Combiner(Arc<Tables>);

struct Tables {
    /// `cot(pi p)` at `p = 10^-surprise`, from a surprise of log10 2, where it is 0, upwards; infinite behind the last point.
    cauchy: [f64; POINTS + 1],
    /// The surprise of a variate, from 0 to [`VARIATE_MAX`].
    surprise: Segments<{ VARIATE_MAX * SEGMENTS_PER_UNIT }>,
}

impl fmt::Debug for Combiner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Combiner")
    }
}

impl Default for Combiner {
    fn default() -> Self {
        Self::new()
    }
}

/// Surprises that are combined, in one pass.
#[derive(Debug, Clone, Copy, Default)]
pub struct Voices {
    /// Sum of their Cauchy variates.
    sum: f64,
    count: u32,
    loudest: f64,
    second: f64,
}

impl Voices {
    /// Hears `count` detectors none of which says more than a few in a hundred, whose Cauchy variates have this `sum`. Who is the
    /// loudest of them matters to nobody.
    #[inline]
    pub(crate) fn hear_content(&mut self, sum: f64, count: u32) {
        self.sum += sum;
        self.count += count;
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.count == 0
    }
}

impl Combiner {
    /// Computes the table; some ten microseconds.
    pub fn new() -> Self {
        let point = |point: usize| {
            let p = libm::exp10(-surprise_at(point as f64));
            match point {
                0 => 0.0,
                POINTS => f64::INFINITY,
                _ => 1.0 / libm::tan(PI * p),
            }
        };
        let cauchy: [f64; POINTS + 1] = std::array::from_fn(point);
        let surprise = Segments::of(SEGMENTS_PER_UNIT, surprise_of);
        Self(Arc::new(Tables { cauchy, surprise }))
    }

    /// Combines surprises into one; 0 for none.
    #[inline]
    pub fn combine(&self, surprises: impl IntoIterator<Item = f64>) -> f64 {
        let mut voices = Voices::default();
        for surprise in surprises {
            self.hear(&mut voices, surprise);
        }
        self.all(&voices)
    }

    /// Adds a surprise to `voices`.
    #[inline]
    pub fn hear(&self, voices: &mut Voices, surprise: f64) {
        voices.sum += self.cauchy(surprise);
        voices.count += 1;
        voices.second = larger(voices.second, smaller(voices.loudest, surprise));
        voices.loudest = larger(voices.loudest, surprise);
    }

    /// `departure`, the surprise of all detectors that judge departures, with those that watch something else: each of
    /// these speaks for itself, at a tenth of the weight, and costs the others nothing: with `n` of them the error is at most
    /// `1 + n / 10` times as large.
    /// Without a departure they are equals. 0 for none.
    #[inline]
    pub fn with_others(&self, departure: Option<f64>, others: &Voices) -> f64 {
        if others.count == 0 {
            return departure.unwrap_or_default();
        }
        self.with_some(departure, others)
    }

    /// The same where there are others, as few series have them.
    #[inline(never)]
    fn with_some(&self, departure: Option<f64>, others: &Voices) -> f64 {
        let Some(departure) = departure else { return self.all(others) };
        let sum = self.cauchy(departure) + OTHER_WEIGHT * others.sum;
        let weights = 1.0 + OTHER_WEIGHT * f64::from(others.count);
        self.surprise(sum / weights).max(departure)
    }

    /// The Cauchy combination of `voices`; 0 for none.
    fn all(&self, voices: &Voices) -> f64 {
        if voices.count == 0 {
            return 0.0;
        }
        // A division takes longer than everything else here.
        let share = SHARES.get(voices.count as usize).copied();
        let share = share.unwrap_or_else(|| 1.0 / f64::from(voices.count));
        self.surprise(voices.sum * share)
    }

    /// The Cauchy combination of few decades; beyond them what two voices agree on, and a little of what one says
    /// alone, unless it is alone by nature. `None` for none.
    #[inline]
    pub fn agreed(&self, voices: &Voices, is_alone: bool) -> Option<f64> {
        let all = self.all(voices);
        if all <= AGREED_FROM || is_alone {
            return (voices.count > 0).then_some(all);
        }
        let two = voices.second - libm::log10(f64::from(voices.count) / 2.0);
        let agreed = match two.min(all) {
            two if two > AGREED_FROM => two + LOUDER_SHARE * (all - two),
            two => two,
        };
        Some(fuse::held_back(all, AGREED_FROM).max(agreed))
    }

    /// `cot(pi p)` for `p = 10^-surprise`, taken as at most one half.
    #[inline]
    pub(crate) fn cauchy(&self, surprise: f64) -> f64 {
        let place = (surprise - LOG10_2) * POINTS_PER_UNIT as f64;
        if place <= 0.0 {
            return 0.0;
        }
        // In 32 bits, of which a conversion is shorter.
        let point = place as u32 as usize;
        if point >= POINTS - 1 {
            return far_cauchy(surprise);
        }
        let (low, high) = (self.0.cauchy[point], self.0.cauchy[point + 1]);
        low + (place - point as f64) * (high - low)
    }

    /// Surprise of a Cauchy variate: the inverse of [`Combiner::cauchy`].
    #[inline]
    fn surprise(&self, variate: f64) -> f64 {
        // What is just below the end may be rounded up to it.
        let narrow = variate as f32;
        if narrow < VARIATE_MAX as f32 {
            f64::from(self.0.surprise.at(narrow))
        } else {
            surprise_of(variate)
        }
    }
}

/// [`Combiner::cauchy`] behind the table: below a probability of 1e-4 the cotangent is 1 / (pi p) to within 1e-7.
#[cold]
#[inline(never)]
fn far_cauchy(surprise: f64) -> f64 {
    libm::exp10(surprise) / PI
}

/// The surprise of a variate, worked out.
#[cold]
#[inline(never)]
fn surprise_of(variate: f64) -> f64 {
    -libm::log10(libm::atan(1.0 / variate) / PI)
}

/// The surprise at a place of the table.
fn surprise_at(place: f64) -> f64 {
    LOG10_2 + place / POINTS_PER_UNIT as f64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The rule as the paper has it.
    fn by_definition(surprises: &[f64]) -> f64 {
        let variate = |surprise: &f64| 1.0 / libm::tan(PI * libm::exp10(-surprise.max(LOG10_2)));
        let mean = surprises.iter().map(variate).sum::<f64>() / surprises.len() as f64;
        -libm::log10(libm::atan(1.0 / mean) / PI)
    }

    #[test]
    fn agreeing_detectors_keep_their_surprise() {
        for surprise in [1.0, 3.0, 8.0, 60.0] {
            assert!((Combiner::new().combine([surprise; 3]) - surprise).abs() < 1e-3, "{surprise}");
        }
    }

    #[test]
    fn a_lone_voice_costs_the_logarithm_of_the_number_of_voices() {
        let combined = Combiner::new().combine([9.0, 0.1, 0.2]);
        assert!((combined - (9.0 - libm::log10(3.0))).abs() < 1e-3);
    }

    #[test]
    fn what_is_very_rare_two_must_agree_on_unless_there_is_only_one() {
        let combiner = Combiner::new();
        let voices = |surprises: &[f64]| {
            let mut voices = Voices::default();
            for &surprise in surprises {
                combiner.hear(&mut voices, surprise);
            }
            voices
        };
        let of = |surprises: &[f64]| combiner.agreed(&voices(surprises), false).unwrap_or(f64::NAN);
        assert_eq!(combiner.agreed(&voices(&[]), false), None);
        let alone = combiner.agreed(&voices(&[12.0]), true).unwrap_or_default();
        assert!((alone - 12.0).abs() < 1e-3);
        // The others still warm up.
        assert!(of(&[12.0]) < 4.0);
        assert!((of(&[3.0, 0.5, 1.0]) - combiner.combine([3.0, 0.5, 1.0])).abs() < 1e-12);
        let lone = of(&[12.0, 1.0, 0.5, 2.0]);
        assert!((3.0..4.0).contains(&lone), "{lone}");
        assert!(lone > of(&[9.0, 1.0, 0.5, 2.0]), "what is held back still shows");
        // Two of four: 9 less log10 (4 / 2), and a fifth of the way to what Cauchy's rule says.
        let (two, all) = (9.0 - libm::log10(2.0), 12.0 - libm::log10(4.0));
        assert!((of(&[12.0, 9.0, 0.5, 2.0]) - (0.8 * two + 0.2 * all)).abs() < 1e-3);
    }

    #[test]
    fn what_watches_something_else_speaks_for_itself_and_costs_the_others_nothing() {
        let combiner = Combiner::new();
        let mut others = Voices::default();
        assert!((combiner.with_others(Some(5.0), &others) - 5.0).abs() < 1e-12);
        assert!(combiner.with_others(None, &others).abs() < 1e-12);
        for surprise in [9.0, 0.1] {
            combiner.hear(&mut others, surprise);
        }
        let stuck = combiner.with_others(Some(0.5), &others);
        assert!((stuck - (9.0 - libm::log10(12.0))).abs() < 1e-3, "{stuck}");
        let alone = combiner.with_others(None, &others);
        assert!((alone - (9.0 - libm::log10(2.0))).abs() < 1e-3, "{alone}");
        let departs = combiner.with_others(Some(12.0), &others);
        assert!((departs - 12.0).abs() < 1e-12, "{departs}");
    }

    #[test]
    fn one_detector_passes_through_and_none_is_no_surprise() {
        assert!((Combiner::new().combine([4.2]) - 4.2).abs() < 1e-3);
        assert!(Combiner::new().combine([]).abs() < 1e-12);
        assert!((Combiner::new().combine([0.0]) - LOG10_2).abs() < 1e-6);
    }

    #[test]
    fn the_way_back_is_the_inverse() {
        let combiner = Combiner::new();
        let end = VARIATE_MAX as f64;
        let around_the_end = [end.next_down(), end, end.next_up(), end - 1e-6];
        for variate in (0..20_000).map(|step| f64::from(step) * 0.01).chain(around_the_end) {
            let (found, worked_out) = (combiner.surprise(variate), surprise_of(variate));
            assert!((found - worked_out).abs() < 1e-4, "{variate} {found} {worked_out}");
        }
    }

    proptest! {
        #[test]
        fn the_table_is_close_to_the_definition(
            surprises in proptest::collection::vec(0.4..12.0_f64, 1..5)
        ) {
            let (ours, theirs) = (Combiner::new().combine(surprises.clone()), by_definition(&surprises));
            prop_assert!((ours - theirs).abs() < 2e-3, "{ours} {theirs}");
        }
    }
}
