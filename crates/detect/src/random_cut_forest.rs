//! Streaming shapes: a random cut forest over the last eight values, and over the last eight means of four.
//!
//! Method: Guha, Mishra, Roy & Schrijvers (2016), "Robust random cut forest based anomaly detection on streams".
//! A tree holds a sample of past shingles. Its cuts are drawn in proportion to the sides of the bounding box, so
//! that inserting and deleting points leaves the same distribution as building anew. The score of a shingle is
//! the expectation, over the cuts that would insert it, of one over the depth at which it is cut off, averaged
//! over trees (as in the forest that Amazon publishes); duplicates damp it.
//!
//! Here: the two grains see different faults (the fine one spikes and steps, the coarse one slow shapes) and their
//! means count alike. A tree takes a sample with a chance of its points by `MEMORY`, in place of a random
//! one, so that ages fall off geometrically and most samples change few trees. All trees read points from one ring of
//! values, whose oldest are expired in sweeps.
//!
//! All values of a shingle have the same unit and cuts know ratios only, so no scale needs to be estimated: values are
//! kept as distance from the first one in units of the first departure from it.
//!
//! State: 63,564 bytes, half of it the ring. Cost: 8,000 ns per sample.
//!
//! Blind spot: what is odd at this time of day but usual at another. Moves of less than a ten-millionth
//! of the distance from the series' first value are below the precision.

mod bounds;
mod shingles;
mod tree;

use bounds::Point;
use shingles::{Grain, KEPT, Ring, SPAN_MAX};
use tree::Tree;

use serde::{Deserialize, Serialize};

use crate::deep::DeepDetector;
use crate::saved::completed;
use crate::verdict::Observation;

/// Trees per grain and points in a tree: as many as 64 KiB hold.
const FINE_TREES: usize = 10;
const COARSE_TREES: usize = 9;
const POINTS: u8 = 64;
/// Mean age of the points in a tree, in samples.
const MEMORY: u64 = 3000;
/// Samples between two sweeps of a tree for points that are about to leave the ring.
const SWEEP: u64 = 32;
/// Samples before the first score.
const WARM_UP: u64 = 64;
/// Values further than this are as far as this: sums of sides must stay finite.
const FAR: f64 = 1e30;

/// The detector. It has no parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RandomCutForest;

/// What is known about a series.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub struct State {
    ring: Ring,
    fine: Vec<Tree>,
    coarse: Vec<Tree>,
    origin: Option<f64>,
    /// 0 until the series has moved.
    unit: f64,
    random: u64,
}

/// What each grain says: some 0.5 for what is ordinary, up to 6 or 7 for what is like nothing before.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scores {
    /// About the last eight values.
    pub fine: f64,
    /// About the last 32 values, in means of four.
    pub coarse: f64,
}

completed!(State);

impl DeepDetector for RandomCutForest {
    type State = State;

    fn begin(&self, seed: u64) -> State {
        let trees = |trees| (0..trees).map(|_| Tree::new(usize::from(POINTS))).collect();
        State {
            ring: Ring::new(),
            fine: trees(FINE_TREES),
            coarse: trees(COARSE_TREES),
            origin: None,
            unit: 0.0,
            random: seed,
        }
    }

    fn score(&self, state: &mut State, observation: &Observation, weight: f64) -> Option<f64> {
        let scores = self.scores(state, observation, weight)?;
        Some(f64::midpoint(scores.fine, scores.coarse))
    }

    fn state_bytes(&self, state: &State) -> usize {
        let trees = || state.fine.iter().chain(&state.coarse);
        size_of::<State>()
            + state.ring.bytes()
            + (state.fine.capacity() + state.coarse.capacity()) * size_of::<Tree>()
            + trees().map(Tree::bytes).sum::<usize>()
    }
}

impl RandomCutForest {
    /// As [`DeepDetector::score`], for each grain.
    pub fn scores(
        &self,
        state: &mut State,
        observation: &Observation,
        weight: f64,
    ) -> Option<Scores> {
        if !observation.value.is_finite() {
            return None;
        }
        let value = state.standardise(observation.value);
        state.ring.push(value);
        let samples = state.ring.samples();
        if samples < SPAN_MAX as u64 {
            return None;
        }
        let chance = weight / samples.min(MEMORY) as f64;
        let mut grain = |trees: &mut [Tree], grain| {
            let mut pass = Pass { ring: &state.ring, grain, random: &mut state.random };
            pass.run(trees, chance)
        };
        let fine = f64::from(grain(&mut state.fine, Grain::Fine));
        let coarse = f64::from(grain(&mut state.coarse, Grain::Coarse));
        (samples >= WARM_UP).then_some(Scores { fine, coarse })
    }
}

impl State {
    fn completed(self) -> Option<Self> {
        let Self { ring, fine, coarse, .. } = self;
        let grown = |trees: Vec<Tree>, count: usize, grain| {
            let (has_all, shingles) = (trees.len() == count, ring.shingles(grain));
            let sound = |tree: Tree| tree.completed(usize::from(POINTS), shingles);
            has_all.then(|| trees.into_iter().map(sound).collect::<Option<Vec<_>>>()).flatten()
        };
        let fine = grown(fine, FINE_TREES, Grain::Fine)?;
        let coarse = grown(coarse, COARSE_TREES, Grain::Coarse)?;
        Some(Self { ring, fine, coarse, ..self })
    }

    fn standardise(&mut self, value: f64) -> f32 {
        let origin = *self.origin.get_or_insert(value);
        let distance = (value - origin).clamp(-f64::MAX, f64::MAX);
        if self.unit <= 0.0 {
            self.unit = distance.abs();
        }
        if self.unit > 0.0 { (distance / self.unit).clamp(-FAR, FAR) as f32 } else { 0.0 }
    }
}

/// One sample's way through the trees of one grain.
struct Pass<'s> {
    ring: &'s Ring,
    grain: Grain,
    random: &'s mut u64,
}

impl Pass<'_> {
    /// The mean score of the newest shingle, which each tree then takes with `chance` per point that it holds.
    fn run(&mut self, trees: &mut [Tree], chance: f64) -> f32 {
        let shingles = self.ring.shingles(self.grain);
        let newest = self.ring.newest(self.grain);
        let point: Point = shingles.point(newest);
        let (turn, chance) = (self.ring.samples() % SWEEP, (chance * f64::from(POINTS)) as f32);
        let mut sum = 0.0;
        for (tree, index) in trees.iter_mut().zip(0..) {
            sum += tree.score(shingles, &point);
            if turn == index {
                tree.expire(shingles, |at| self.ring.age(at) + SWEEP as usize >= KEPT);
            }
            let mut uniform = || uniform(self.random);
            if uniform() < chance {
                if tree.mass() >= POINTS {
                    tree.evict(shingles, &mut uniform);
                }
                tree.insert(shingles, newest, &mut uniform);
            }
        }
        sum / trees.len() as f32
    }
}

/// A number from 0 to below 1 (`SplitMix64`; Steele, Lea & Flood 2014).
fn uniform(random: &mut u64) -> f32 {
    *random = random.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *random;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((z ^ (z >> 31)) >> 40) as f32 / (1_u32 << 24) as f32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Noise, largest, score_at, scores};

    fn run(seed: u64, values: &[f64]) -> Vec<Option<f64>> {
        scores(&RandomCutForest, seed, values)
    }

    fn waves(samples: usize) -> Vec<f64> {
        let mut noise = Noise::new(1);
        let wave = |index: usize| libm::sin(index as f64 / 20.0) + 0.05 * noise.normal();
        (0..samples).map(wave).collect()
    }

    #[test]
    fn spikes_and_broken_shapes_score_above_all_before() {
        let mut values = waves(3000);
        values[2000] += 3.0;
        let scores = run(1, &values);
        assert!(scores[2000].unwrap() > 1.3 * largest(&scores[500..2000]));

        let mut values = waves(3000);
        for (index, value) in values.iter_mut().enumerate().take(2100).skip(2016) {
            *value = libm::sin(index as f64);
        }
        let scores = run(1, &values);
        assert!(largest(&scores[2016..2060]) > largest(&scores[500..2016]));
    }

    #[test]
    fn the_first_scores_come_after_warm_up() {
        assert_eq!(
            run(1, &waves(100)).iter().position(Option::is_some),
            Some(WARM_UP as usize - 1)
        );
    }

    #[test]
    fn the_state_fits_64_kib_and_does_not_grow() {
        let mut state = RandomCutForest.begin(1);
        let fresh = RandomCutForest.state_bytes(&state);
        for (value, minute) in waves(KEPT + 500).into_iter().zip(0..) {
            score_at(&RandomCutForest, &mut state, minute, value, 1.0);
        }
        assert_eq!(RandomCutForest.state_bytes(&state), fresh);
        assert!(fresh <= 65_536, "{fresh}");
    }

    #[test]
    fn another_seed_gives_other_scores() {
        assert_ne!(run(7, &waves(1500)), run(8, &waves(1500)));
    }

    #[test]
    fn scores_hardly_depend_on_level_and_unit() {
        let values = waves(1500);
        let moved: Vec<f64> = values.iter().map(|value| 3.7e-5 * value - 12.0).collect();
        let (scores, moved) = (run(7, &values), run(7, &moved));
        let pairs = || scores.iter().flatten().zip(moved.iter().flatten());
        let mean = pairs().map(|(a, b)| (a - b).abs()).sum::<f64>() / pairs().count() as f64;
        assert!(mean < 0.05, "{mean}");
    }

    #[test]
    fn what_has_no_weight_is_not_learned() {
        let mut state = RandomCutForest.begin(1);
        let mut score =
            |at, value, weight| score_at(&RandomCutForest, &mut state, at, value, weight);
        for (value, at) in waves(1000).into_iter().zip(0..) {
            score(at, value, 1.0);
        }
        let scores: Vec<_> = (1000..2000).map(|index| score(index, 9.0, 0.0).unwrap()).collect();
        assert!(scores[999] >= scores[100] - 1e-9 && scores[999] > 3.0);
    }
}
