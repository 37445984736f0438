//! A forest over a sample of the past whose trees are renewed one at a time.

use half::f16;

use super::random::Random;
use super::tree::{Soil, Tree, average_path};

/// How large a forest is and how fast it forgets.
#[derive(Debug, Clone, Copy)]
pub(super) struct Extent {
    /// Features of a row.
    pub(super) width: usize,
    /// Rows of the past that are kept.
    pub(super) rows: usize,
    pub(super) trees: usize,
    /// Rows that a tree is built from.
    pub(super) sample: usize,
}

/// Mean age of a kept row, in rows learned.
const MEMORY: f64 = 6_000.0;
/// Rows between the renewals of two trees, once many were seen.
const RENEWAL_ROWS: u32 = 16;
/// Rows before the first score.
const WARM_UP_ROWS: usize = 64;
/// Sizes beyond this are taken as this, which half precision holds.
const VALUE_MAX: f32 = 30_000.0;

/// Kept rows and the trees that were grown from them.
#[derive(Debug, Clone)]
pub(super) struct Evolving {
    extent: Extent,
    /// Kept rows, one behind the other.
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

    /// How odd the row is, 0 to 1; `None` before there are enough rows. Then learns it with `weight`, 0 to 1.
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
        libm::exp2(-f64::from(sum) / self.trees.len() as f64)
    }

    /// The chance that the first cut of a tree that knew the present row would set it apart from all others.
    fn chance_apart(&self, bounds: &[[f32; 2]]) -> f32 {
        let (mut outside, mut sides) = (0.0, 0.0);
        for (&[low, high], &value) in bounds.iter().zip(&self.present) {
            let reach = high.max(value) - low.min(value);
            if reach > 0.0 {
                outside += (low - value).max(value - high).max(0.0) / reach;
                sides += 1.0;
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
            (self.learned as u32 / 64).min(RENEWAL_ROWS)
        };
        let Extent { width, trees, sample, .. } = self.extent;
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
        let mut soil = Soil { value, features: &mut self.features, random: &mut self.random };
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
