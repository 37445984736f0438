//! A forest over a sample of the past whose trees are renewed one at a time.

use half::f16;
use serde::{Deserialize, Serialize};

use super::random::Random;
use super::tree::{Choice, Soil, Tree, average_path};
use crate::saved::{halves, with_room};

/// How large a forest is and how fast it forgets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Extent {
    /// Features of a row.
    pub(super) width: usize,
    /// Rows of the past that are kept.
    pub(super) rows: usize,
    pub(super) trees: usize,
    /// Rows that a tree is built from.
    pub(super) sample: usize,
    pub(super) choice: Choice,
    /// Rows between the renewals of two trees, once many were seen.
    pub(super) renewal_rows: u32,
}

/// Mean age of a kept row, in rows learned.
const MEMORY: f64 = 6_000.0;
/// Scores are averaged over time: a power of the path lets what is very odd count for more than 2^-path does.
const ODDITY_POWER: f64 = 5.0;
/// Rows before the first score.
const WARM_UP_ROWS: usize = 64;
/// Sizes beyond this are taken as this, which half precision holds.
const VALUE_MAX: f32 = 30_000.0;

/// Kept rows and the trees that were grown from them.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Evolving {
    extent: Extent,
    /// Kept rows, one behind the other.
    #[serde(with = "halves")]
    rows: Vec<f16>,
    trees: Vec<Tree<f32>>,
    /// The least and the greatest value of each feature that each tree was grown from.
    boxes: Vec<[f32; 2]>,
    /// What each tree's average path is.
    usual: Vec<f32>,
    /// The kept rows in the order in which they were last drawn.
    order: Vec<u32>,
    features: Vec<u16>,
    /// The present row, as rounded as the kept ones.
    #[serde(skip)]
    present: Vec<f32>,
    learned: f64,
    renewed: usize,
    wait: u32,
    random: Random,
}

impl Evolving {
    pub(super) fn new(extent: Extent, seed: u64) -> Self {
        Self {
            extent,
            rows: Vec::with_capacity(extent.rows * extent.width),
            trees: (0..extent.trees).map(|_| Tree::with_capacity(extent.sample)).collect(),
            boxes: vec![[0.0; 2]; extent.trees * extent.width],
            usual: vec![0.0; extent.trees],
            order: Vec::with_capacity(extent.rows),
            features: (0..=u16::MAX).take(extent.width).collect(),
            present: vec![0.0; extent.width],
            learned: 0.0,
            renewed: 0,
            wait: 0,
            random: Random::new(seed),
        }
    }

    /// What was read, with as much room as [`Evolving::new`] makes; `None` if it is no forest of this extent.
    pub(super) fn completed(self, extent: Extent) -> Option<Self> {
        let Extent { width, rows, trees, sample, .. } = extent;
        let kept = self.order.len();
        let fits = self.extent == extent
            && self.rows.len() == kept * width
            && self.trees.len() == trees
            && self.boxes.len() == trees * width
            && self.usual.len() == trees
            && self.features.len() == width;
        let points = self.order.iter().all(|&row| (row as usize) < kept);
        let features = self.features.iter().all(|&feature| usize::from(feature) < width);
        if !(fits && points && features) {
            return None;
        }
        let grown = self.trees.into_iter().map(|tree| tree.completed(sample, width));
        Some(Self {
            rows: with_room(self.rows, rows * width)?,
            trees: grown.collect::<Option<_>>()?,
            order: with_room(self.order, rows)?,
            present: vec![0.0; width],
            ..self
        })
    }

    /// How odd the row is: the usual path by its own, to a power; about 1 for what is ordinary and up to some 50,000.
    /// `None` before there are enough rows. Then learns it with `weight`, 0 to 1.
    pub(super) fn score(&mut self, row: &[f32], weight: f64) -> Option<f64> {
        for (present, &value) in self.present.iter_mut().zip(row) {
            *present = f16::from_f32(value.clamp(-VALUE_MAX, VALUE_MAX)).to_f32();
        }
        let ready = self.renewed >= self.extent.trees;
        let score = ready.then(|| self.oddity());
        self.learn(weight);
        if self.order.len() >= WARM_UP_ROWS {
            self.renew();
        }
        score
    }

    fn oddity(&self) -> f64 {
        let width = self.extent.width;
        let mut sum = 0.0;
        for (index, tree) in self.trees.iter().enumerate() {
            let bounds = &self.boxes[index * width..][..width];
            let apart = self.chance_apart(bounds);
            let path = tree.path(|feature| self.present[usize::from(feature)]);
            sum += (apart + (1.0 - apart) * path) / self.usual[index];
        }
        let share = f64::from(sum) / self.trees.len() as f64;
        if share > 0.0 { libm::pow(share, -ODDITY_POWER) } else { 1.0 }
    }

    /// The chance that the first cut of a tree that knew the present row would set it apart from all others.
    fn chance_apart(&self, bounds: &[[f32; 2]]) -> f32 {
        let (mut outside, mut sides) = (0.0, 0.0);
        for (&[low, high], &value) in bounds.iter().zip(&self.present) {
            let reach = high.max(value) - low.min(value);
            if reach > 0.0 {
                let weight = match self.extent.choice {
                    Choice::Even => 1.0,
                    Choice::BySpread => reach.sqrt(),
                };
                outside += weight * (low - value).max(value - high).max(0.0) / reach;
                sides += weight;
            }
        }
        if sides > 0.0 { outside / sides } else { 0.0 }
    }

    /// Keeps the present row with such a chance that ages fall off geometrically (Aggarwal 2006).
    fn learn(&mut self, weight: f64) {
        if self.random.uniform() >= weight {
            return;
        }
        self.learned = (self.learned + 1.0).min(MEMORY);
        let kept = self.order.len();
        let row = self.present.iter().map(|&value| f16::from_f32(value));
        if kept < self.extent.rows {
            self.rows.extend(row);
            self.order.push(kept as u32);
        } else if self.random.uniform() * self.learned < kept as f64 {
            let at = self.random.below(kept) * self.extent.width;
            self.rows[at..].iter_mut().zip(row).for_each(|(kept, value)| *kept = value);
        }
    }

    /// Grows the oldest tree anew when its turn has come: in each row at first, then more and more rarely.
    fn renew(&mut self) {
        if self.wait > 0 {
            self.wait -= 1;
            return;
        }
        self.wait = if self.renewed < self.extent.trees {
            0
        } else {
            (self.learned as u32 / 64).min(self.extent.renewal_rows)
        };
        let Extent { width, trees, sample, choice, .. } = self.extent;
        let sample = sample.min(self.order.len());
        self.random.choose(&mut self.order, sample);
        let points = &mut self.order[..sample];
        let index = self.renewed % trees;
        let rows = &self.rows;
        let value =
            |row: u32, feature: u16| rows[row as usize * width + usize::from(feature)].to_f32();
        for (bounds, feature) in self.boxes[index * width..][..width].iter_mut().zip(0..) {
            let values = points.iter().map(|&row| value(row, feature));
            let none = [f32::INFINITY, f32::NEG_INFINITY];
            *bounds = values.fold(none, |[low, high], value| [low.min(value), high.max(value)]);
        }
        let mut soil =
            Soil { value, features: &mut self.features, choice, random: &mut self.random };
        self.trees[index].grow(points, &mut soil);
        self.usual[index] = average_path(sample) as f32;
        self.renewed += 1;
    }

    /// Bytes that the forest owns, without itself.
    pub(super) fn heap_bytes(&self) -> usize {
        self.rows.capacity() * size_of::<f16>()
            + self.trees.capacity() * size_of::<Tree<f32>>()
            + self.trees.iter().map(Tree::bytes).sum::<usize>()
            + self.boxes.capacity() * size_of::<[f32; 2]>()
            + self.usual.capacity() * size_of::<f32>()
            + self.order.capacity() * size_of::<u32>()
            + self.features.capacity() * size_of::<u16>()
            + self.present.capacity() * size_of::<f32>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXTENT: Extent = Extent {
        width: 2,
        rows: 128,
        trees: 20,
        sample: 64,
        choice: Choice::Even,
        renewal_rows: 8,
    };

    fn learned(count: usize) -> Evolving {
        let mut forest = Evolving::new(EXTENT, 1);
        let mut random = Random::new(2);
        for _ in 0..count {
            forest.score(&[random.uniform() as f32, random.uniform() as f32], 1.0);
        }
        forest
    }

    #[test]
    fn what_is_farther_outside_is_odder() {
        let mut forest = learned(1_000);
        let scores = [0.5, 1.2, 2.0, 10.0, 1e30]
            .map(|value| forest.score(&[value, 0.5], 0.0).unwrap_or(0.0));
        assert!(scores.is_sorted() && scores[4] > 5.0 * scores[0], "{scores:?}");
    }

    #[test]
    fn the_chance_of_being_set_apart_is_the_mean_share_of_the_sides() {
        let mut forest = learned(100);
        forest.present = vec![4.0, 0.5];
        let apart = |forest: &Evolving| forest.chance_apart(&[[0.0, 1.0], [0.0, 1.0]]);
        assert!((apart(&forest) - 0.5 * 0.75).abs() < 1e-6);
        // The sides are 4 and 1, their roots 2 and 1.
        forest.extent.choice = Choice::BySpread;
        assert!((apart(&forest) - 2.0 / 3.0 * 0.75).abs() < 1e-6);
    }

    #[test]
    fn kept_rows_are_of_all_ages_up_to_the_memory() {
        let mut forest = Evolving::new(Extent { width: 1, ..EXTENT }, 3);
        // Half precision counts to 2,048 only.
        (0..30_000).for_each(|index| {
            forest.score(&[(index / 100) as f32], 1.0);
        });
        let ages: Vec<f64> =
            forest.rows.iter().map(|row| 30_000.0 - 100.0 * row.to_f64()).collect();
        let mean = ages.iter().sum::<f64>() / ages.len() as f64;
        assert!((0.7 * MEMORY..1.3 * MEMORY).contains(&mean), "{mean}");
    }
}
