//! Lasting: how rarely a series stays surprising, and so which surprise is enough if it lasts.
//!
//! An alert wants a surprise that lasts for so many samples. How rare that is differs from series to series: where
//! samples are independent, two in a row are as rare as one of twice the surprise; where they depend on each other, hardly rarer
//! than one. So the smallest surprise of every stretch of that many samples is followed by a [`Ladder`], and the
//! surprise that an alert needs is read off it. It never needs more than a single sample would.
//!
//! An alert is about what happens once in a million stretches, of which a series has seen thousands. So it gets as much of
//! the credit that the ladder gives as it has evidence: half after 700 stretches, but an alert always needs 65 % of the surprise
//! that a single sample would, and 3. Series that come in bursts (skewed ones, counts) break their habits once a week, and when they do it
//! lasts, and a few detectors that somebody chose agree more easily than the default ones; what the deep tier alone remembers lasts by
//! nature: those get half after 5,000.
//! A series that restarts comes back a little different and stays so: for 30 samples it has no credit.
//!
//! Judge, then learn: what lasts does not raise what it has to pass while it lasts. The stretches of an excursion are learned when it
//! is over, or with the ninth of them; of series that come in bursts they count at once.
//!
//! State: 40 bytes. Cost: 2 ns, and a ladder's step per stretch. Memory: 20,000 stretches.
//! Blind spot: stretches do not overlap, so that one in `n` is what a stretch, not a sample, exceeds.

use serde::{Deserialize, Serialize};

use crate::ladder::{Ladder, Prior};
use crate::number::smaller;

/// Between independent samples (half of it for two) and full dependence (1).
const PRIOR: Prior = Prior { slope: 0.75, rows: 200.0, steadiness: 0.0 };
/// Share of the surprise of a single sample that is needed in any case.
const ENOUGH_SHARE: f64 = 0.65;
/// The least surprise that is ever enough, unless a single sample needs less.
const ENOUGH_MIN: f64 = 3.0;
/// Samples without credit after a series began again: what restarts comes back a little different.
const SETTLING_SAMPLES: u8 = 30;
/// Smallest surprise of the stretches of an excursion.
const EXCURSION_MIN: f64 = 3.5;
/// Stretches of an excursion that are held back from the ladder: a quarter of an hour of those of two minutes.
const HELD_STRETCHES: u8 = 8;

/// How a series keeps its habits, and who sees that it does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Habits {
    /// It comes in bursts, or somebody chose its detectors, or the deep tier alone remembers something.
    Bursty,
    /// It keeps them, and the base tier sees what there is now.
    Steady,
}

impl Habits {
    /// Stretches after which half of the credit is given.
    fn half(self) -> f64 {
        match self {
            Self::Bursty => 5_000.0,
            Self::Steady => 700.0,
        }
    }
}

/// What is known about how long a series stays surprising.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Lasting {
    ladder: Ladder,
    /// Smallest surprise of the present stretch, and its samples so far.
    least: f32,
    samples: u16,
    /// Samples until there is credit again.
    settling: u8,
    /// Stretches of the present excursion that are not learned yet, and the sum of their smallest surprises.
    held: u8,
    held_sum: f32,
}

impl Default for Lasting {
    fn default() -> Self {
        Self {
            ladder: Ladder::new(&PRIOR),
            least: f32::INFINITY,
            samples: 0,
            settling: 0,
            held: 0,
            held_sum: 0.0,
        }
    }
}

impl Lasting {
    /// Learns the surprise of a sample; a stretch is as many of them as last for `for_ms` when there is one every `interval_ms`,
    /// which is at least 1, but 65,535 at most.
    #[inline]
    pub fn learn(&mut self, surprise: f64, for_ms: i64, interval_ms: i64) {
        // Without a branch: which is the smaller is a matter of chance.
        self.least = smaller(surprise as f32, self.least);
        self.samples = self.samples.saturating_add(1);
        self.settling = self.settling.saturating_sub(1);
        // How many that are is a division, which takes longer than all the rest.
        let lasted_ms = interval_ms.saturating_mul(i64::from(self.samples));
        if lasted_ms >= for_ms || self.samples == u16::MAX {
            self.end_stretch();
            (self.least, self.samples) = (f32::INFINITY, 0);
        }
    }

    /// Learns the stretch that ends and the excursion that ended before it, or holds it back as one more of an excursion.
    #[inline]
    fn end_stretch(&mut self) {
        let least = f64::from(self.least);
        if least >= EXCURSION_MIN && self.held < HELD_STRETCHES {
            self.held += 1;
            self.held_sum += self.least;
            return;
        }
        self.learn_held();
        self.ladder.observe(least, 1.0, &PRIOR);
    }

    /// Learns an excursion as if each of its stretches had been as their mean.
    #[inline]
    fn learn_held(&mut self) {
        if self.held == 0 {
            return;
        }
        let mean = f64::from(self.held_sum) / f64::from(self.held);
        for _ in 0..self.held {
            self.ladder.observe(mean, 1.0, &PRIOR);
        }
        (self.held, self.held_sum) = (0, 0.0);
    }

    /// As it will be when the present excursion is over.
    fn with_all_learned(mut self) -> Self {
        self.learn_held();
        self
    }

    /// Begins a new stretch, without credit for a while: the series was silent, or begins again.
    pub fn restart(&mut self) {
        self.learn_held();
        (self.least, self.samples) = (f32::INFINITY, 0);
        self.settling = SETTLING_SAMPLES;
    }

    /// The surprise that is as rare, if it lasts for a stretch, as a single one of `surprise`, as far as is known of a series
    /// that keeps its `habits` like that.
    pub fn enough(&self, surprise: f64, habits: Habits) -> f64 {
        if self.settling > 0 {
            return surprise;
        }
        // A burst of a series that comes in bursts is nothing new, however long it lasts.
        let ladder = match habits {
            Habits::Bursty => self.with_all_learned().ladder,
            Habits::Steady => self.ladder,
        };
        let stretches = f64::from(ladder.rows());
        let credit = (surprise - ladder.value_at(surprise)).max(0.0);
        let least = surprise.min(ENOUGH_MIN.max(ENOUGH_SHARE * surprise));
        (surprise - credit * stretches / (stretches + habits.half())).max(least)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testing::Noise;

    /// Surprises of absolute normal numbers, near enough: −log10 of `exp(-x²/2)`.
    fn surprise(normal: f64) -> f64 {
        normal * normal / (2.0 * std::f64::consts::LN_10)
    }

    #[test]
    fn two_independent_samples_in_a_row_need_less_and_a_young_series_gets_no_credit() {
        let (mut lasting, mut noise) = (Lasting::default(), Noise::new(1));
        assert!((lasting.enough(4.0, Habits::Steady) - 4.0).abs() < 1e-12);
        (0..80_000).for_each(|_| lasting.learn(surprise(noise.normal()), 2, 1));
        // From 8 to some 4, as surprises here are a little high; but not below the share that is always needed.
        assert!((lasting.enough(8.0, Habits::Steady) - 5.2).abs() < 1e-12);
        // Twenty thousand stretches count: four fifths of the way.
        let bursty = lasting.enough(8.0, Habits::Bursty);
        assert!((5.2..5.4).contains(&bursty), "{bursty}");
        let least = [2.0, 3.5].map(|surprise| lasting.enough(surprise, Habits::Steady));
        assert!((least[0] - 2.0).abs() < 1e-12 && (least[1] - 3.0).abs() < 1e-12, "{least:?}");
    }

    #[test]
    fn a_series_that_begins_again_has_no_credit_for_a_while() {
        let (mut lasting, mut noise) = (Lasting::default(), Noise::new(3));
        (0..10_000).for_each(|_| lasting.learn(surprise(noise.normal()), 2, 1));
        lasting.restart();
        (0..29).for_each(|_| lasting.learn(0.3, 2, 1));
        assert!((lasting.enough(4.0, Habits::Steady) - 4.0).abs() < 1e-12);
        lasting.learn(0.3, 2, 1);
        assert!(lasting.enough(4.0, Habits::Steady) < 3.2);
    }

    #[test]
    fn what_lasts_raises_what_is_enough_when_it_is_over_or_lasts_for_long() {
        let (mut calm, mut noise) = (Lasting::default(), Noise::new(4));
        (0..6_000).for_each(|_| calm.learn(surprise(noise.normal()), 2, 1));
        let enough = |lasting: &Lasting| lasting.enough(6.0, Habits::Steady);
        let of_bursts = |lasting: &Lasting| lasting.enough(6.0, Habits::Bursty);
        let (before, of_bursts_before) = (enough(&calm), of_bursts(&calm));
        let mut ended = calm;
        for _ in 0..16 {
            ended.learn(5.0, 2, 1);
            assert!(enough(&ended) <= before, "{} {before}", enough(&ended));
        }
        assert!(of_bursts(&ended) > of_bursts_before);
        (0..2).for_each(|_| ended.learn(0.3, 2, 1));
        assert!(enough(&ended) > before + 0.2, "{} {before}", enough(&ended));
        let mut lasts = calm;
        (0..18).for_each(|_| lasts.learn(5.0, 2, 1));
        assert!(enough(&lasts) > before + 0.2, "{} {before}", enough(&lasts));
    }

    #[test]
    fn samples_that_say_the_same_need_all_of_it_and_never_more() {
        let (mut lasting, mut noise) = (Lasting::default(), Noise::new(2));
        for _ in 0..40_000 {
            // A series that is more surprising than it should be.
            let twice = 1.5 * surprise(noise.normal());
            (0..2).for_each(|_| lasting.learn(twice, 2, 1));
        }
        assert!((lasting.enough(3.0, Habits::Steady) - 3.0).abs() < 1e-12);
    }

    /// What [`Lasting::enough`] is for somebody who kept all samples, in stretches of `length` of them.
    fn enough_of_all(surprises: &[f64], length: usize, surprise: f64, habits: Habits) -> f64 {
        let stretches: Vec<f64> = surprises
            .chunks_exact(length)
            .map(|stretch| f64::from(stretch.iter().copied().fold(f64::INFINITY, f64::min) as f32))
            .collect();
        let mut ladder = Ladder::new(&PRIOR);
        let last = stretches.len();
        for (place, group) in
            stretches.chunk_by(|a, b| (*a >= 3.5) == (*b >= 3.5)).scan(0, |end, group| {
                *end += group.len();
                Some((*end, group))
            })
        {
            let held = if group[0] >= 3.5 { group.len().min(8) } else { 0 };
            let is_open = place == last && group.len() <= 8;
            if held > 0 && !(is_open && habits == Habits::Steady) {
                let mean = group[..held].iter().sum::<f64>() / held as f64;
                (0..held).for_each(|_| _ = ladder.observe(mean, 1.0, &PRIOR));
            }
            group[held..].iter().for_each(|&least| _ = ladder.observe(least, 1.0, &PRIOR));
        }
        let rows = f64::from(ladder.rows());
        let half = if habits == Habits::Steady { 700.0 } else { 5000.0 };
        let credit = (surprise - ladder.value_at(surprise)).max(0.0) * rows / (rows + half);
        (surprise - credit).max(surprise.min((0.65 * surprise).max(3.0)))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn what_is_enough_is_what_all_stretches_in_a_list_say(
            // Excursions of more stretches than nine begin anew after those, so there are none.
            parts in proptest::collection::vec((prop_oneof![0.0..3.4_f64, 3.6..9.0_f64], 0.0..0.1_f64, 1..8_usize, 1..60_usize), 1..12),
            length in 1..4_usize, surprise in 0.0..12.0_f64,
        ) {
            let part = |&(level, step, odd, calm): &(f64, f64, usize, usize)| {
                let stretch = if level > 3.5 { odd } else { calm };
                let loud = (0..stretch * length).map(move |index| level + step * (index % 3) as f64 / 3.0);
                loud.chain(std::iter::repeat_n(0.5, 2 * length))
            };
            let surprises: Vec<f64> = parts.iter().flat_map(part).collect();
            let mut lasting = Lasting::default();
            for (index, &one) in surprises.iter().enumerate() {
                lasting.learn(one, 60_000 * length as i64, 60_000);
                if index % 7 == 0 || index + 1 == surprises.len() {
                    for habits in [Habits::Steady, Habits::Bursty] {
                        let ours = lasting.enough(surprise, habits);
                        let theirs = enough_of_all(&surprises[..=index], length, surprise, habits);
                        prop_assert!((ours - theirs).abs() < 1e-4, "{index} {habits:?} {ours} {theirs}");
                    }
                }
            }
        }
    }
}
