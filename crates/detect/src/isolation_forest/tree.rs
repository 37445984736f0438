//! One isolation tree, flattened: nodes in the order of a walk that goes left first.
//!
//! The left child of a node is the next one, so that only the right one needs a link. A leaf holds the length of
//! the path that ends there, with what its points would add.

use linfa::Float;
use serde::{Deserialize, Serialize};

use super::random::Random;
use crate::saved::with_room;

/// Most points that a tree can be built from: links fit 16 bits.
pub(super) const POINTS_MAX: usize = 1 << 15;
/// Most features that points can have.
pub(super) const FEATURES_MAX: usize = 1 << 16;
/// No node is right of another one and the root.
const LEAF: u16 = 0;
/// Euler's constant.
const EULER: f64 = 0.577_215_664_901_532_9;

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct Node<F> {
    /// Points that are not above it are on the left. Of a leaf: the length of the path.
    cut: F,
    feature: u16,
    right: u16,
}

/// A tree over a sample of points.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Tree<F> {
    nodes: Vec<Node<F>>,
}

/// How the feature of a cut is drawn among those in which points differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Choice {
    /// All alike, as in the paper.
    Even,
    /// In proportion to the square root of the spread. Between the paper's choice and that of random cut forests.
    BySpread,
}

/// The points that a tree is built from, and what building needs.
pub(super) struct Soil<'s, V> {
    /// The value of a point, by its index, in a feature; not NaN.
    pub(super) value: V,
    /// Every feature once; its order is changed.
    pub(super) features: &'s mut [u16],
    pub(super) choice: Choice,
    pub(super) random: &'s mut Random,
}

impl<F: Float> Tree<F> {
    /// A tree that can be grown over `points` points without an allocation.
    pub(super) fn with_capacity(points: usize) -> Self {
        Self { nodes: Vec::with_capacity(nodes_max(points)) }
    }

    /// Builds the tree anew over `points`, whose order is changed; [`POINTS_MAX`] at most.
    pub(super) fn grow<V: Fn(u32, u16) -> F>(
        &mut self,
        points: &mut [u32],
        soil: &mut Soil<'_, V>,
    ) {
        self.nodes.clear();
        self.branch(points, 0, height_max(points.len()), soil);
    }

    fn branch<V: Fn(u32, u16) -> F>(
        &mut self,
        points: &mut [u32],
        depth: u32,
        limit: u32,
        soil: &mut Soil<'_, V>,
    ) {
        let cut = if depth < limit && points.len() > 1 { soil.cut(points) } else { None };
        let Some((feature, cut)) = cut else {
            let cut = F::cast(f64::from(depth) + average_path(points.len()));
            self.nodes.push(Node { cut, feature: 0, right: LEAF });
            return;
        };
        let middle = soil.part(points, feature, cut);
        let (left, right) = points.split_at_mut(middle);
        let index = self.nodes.len();
        self.nodes.push(Node { cut, feature, right: LEAF });
        self.branch(left, depth + 1, limit, soil);
        self.nodes[index].right = self.nodes.len() as u16;
        self.branch(right, depth + 1, limit, soil);
    }

    /// Cuts until the point whose values `value` gives is alone; as many as expected where the tree ends sooner.
    /// 0 for a tree that was never grown.
    #[inline]
    pub(super) fn path(&self, value: impl Fn(u16) -> F) -> F {
        let mut index = 0;
        while let Some(node) = self.nodes.get(index) {
            if node.right == LEAF {
                return node.cut;
            }
            index =
                if value(node.feature) <= node.cut { index + 1 } else { usize::from(node.right) };
        }
        F::zero()
    }

    /// Shows `see` each node with the turns that lead there, the first one in the highest bit and 1 for a turn to the right, how
    /// many these are, and its feature and cut; of a leaf, the length of the path.
    pub(super) fn walk(&self, mut see: impl FnMut(usize, u32, Result<(u16, F), F>)) {
        let mut waiting = vec![(0, 0, 0)];
        while let Some((index, turns, depth)) = waiting.pop() {
            let Some(&Node { cut, feature, right }) = self.nodes.get(index) else { continue };
            if right == LEAF {
                see(turns, depth, Err(cut));
            } else {
                see(turns, depth, Ok((feature, cut)));
                waiting.push((index + 1, 2 * turns, depth + 1));
                waiting.push((usize::from(right), 2 * turns + 1, depth + 1));
            }
        }
    }

    /// The tree with room for `points` points; `None` if some path through it would not end, or a cut is in no feature
    /// of `width`.
    pub(super) fn completed(self, points: usize, width: usize) -> Option<Self> {
        let count = self.nodes.len();
        let is_sound = |(index, node): (usize, &Node<F>)| {
            let is_cut = index + 1 < usize::from(node.right)
                && usize::from(node.right) < count
                && usize::from(node.feature) < width;
            node.right == LEAF || is_cut
        };
        let all_sound = self.nodes.iter().enumerate().all(is_sound);
        let nodes = all_sound.then(|| with_room(self.nodes, nodes_max(points)))??;
        Some(Self { nodes })
    }

    /// Bytes that the tree owns, without itself.
    pub(super) fn bytes(&self) -> usize {
        self.nodes.capacity() * size_of::<Node<F>>()
    }
}

impl<V> Soil<'_, V> {
    /// A random cut through `points` in a random one of the features in which they differ.
    fn cut<F: Float>(&mut self, points: &[u32]) -> Option<(u16, F)>
    where
        V: Fn(u32, u16) -> F,
    {
        let (feature, low, high) = match self.choice {
            Choice::Even => self.choose_evenly(points),
            Choice::BySpread => self.choose_by_spread(points),
        }?;
        let share = F::cast(self.random.uniform());
        // Not `low + share * (high - low)`, which can overflow.
        let cut = low * (F::one() - share) + high * share;
        // Rounding must not leave one side empty.
        Some((feature, if low <= cut && cut < high { cut } else { low }))
    }

    fn choose_evenly<F: Float>(&mut self, points: &[u32]) -> Option<(u16, F, F)>
    where
        V: Fn(u32, u16) -> F,
    {
        for tried in 0..self.features.len() {
            self.random.choose(&mut self.features[tried..], 1);
            let feature = self.features[tried];
            let (low, high) = self.range(points, feature)?;
            if low < high {
                return Some((feature, low, high));
            }
        }
        None
    }

    fn choose_by_spread<F: Float>(&mut self, points: &[u32]) -> Option<(u16, F, F)>
    where
        V: Fn(u32, u16) -> F,
    {
        let (mut chosen, mut total) = (None, F::zero());
        for index in 0..self.features.len() {
            let feature = self.features[index];
            let (low, high) = self.range(points, feature)?;
            if low < high {
                let weight = (high - low).sqrt();
                total += weight;
                if F::cast(self.random.uniform()) * total < weight {
                    chosen = Some((feature, low, high));
                }
            }
        }
        chosen
    }

    /// The least and the greatest value of `points`; `None` where there are none.
    fn range<F: Float>(&self, points: &[u32], feature: u16) -> Option<(F, F)>
    where
        V: Fn(u32, u16) -> F,
    {
        let mut values = points.iter().map(|&point| (self.value)(point, feature));
        let first = values.next()?;
        // What is not NaN is compared at once.
        let widened = |(low, high), value| {
            (if value < low { value } else { low }, if value > high { value } else { high })
        };
        Some(values.fold((first, first), widened))
    }

    /// Puts the points that are not above `cut` first and says how many they are.
    fn part<F: Float>(&self, points: &mut [u32], feature: u16, cut: F) -> usize
    where
        V: Fn(u32, u16) -> F,
    {
        let mut left = 0;
        for index in 0..points.len() {
            // Nobody can foresee the side, so it decides a place and not what is done: what is above the cut stays.
            let is_left = (self.value)(points[index], feature) <= cut;
            points.swap(if is_left { left } else { index }, index);
            left += usize::from(is_left);
        }
        left
    }
}

/// Most nodes of a tree over `points` points.
const fn nodes_max(points: usize) -> usize {
    if points == 0 { 0 } else { 2 * points - 1 }
}

/// Cuts after which the rest of a path is estimated: the logarithm of two of the points, rounded up.
pub(super) const fn height_max(points: usize) -> u32 {
    points.next_power_of_two().trailing_zeros()
}

/// Average cuts until one of `points` points is alone: an unsuccessful search in a binary search tree, `c(n)`.
pub(super) fn average_path(points: usize) -> f64 {
    match points {
        0 | 1 => 0.0,
        2 => 1.0,
        _ => {
            let n = points as f64;
            2.0 * (libm::log(n - 1.0) + EULER) - 2.0 * (n - 1.0) / n
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn grown(points: &[Vec<f64>], seed: u64) -> Tree<f64> {
        grown_by(Choice::Even, points, seed)
    }

    fn grown_by(choice: Choice, points: &[Vec<f64>], seed: u64) -> Tree<f64> {
        let mut features: Vec<u16> = (0..points[0].len() as u16).collect();
        let mut random = Random::new(seed);
        let value = |point: u32, feature: u16| points[point as usize][usize::from(feature)];
        let mut soil = Soil { value, features: &mut features, choice, random: &mut random };
        let mut tree = Tree::with_capacity(points.len());
        let mut indices: Vec<u32> = (0..points.len() as u32).collect();
        tree.grow(&mut indices, &mut soil);
        tree
    }

    fn path(tree: &Tree<f64>, point: &[f64]) -> f64 {
        tree.path(|feature| point[usize::from(feature)])
    }

    #[test]
    fn average_paths_are_those_of_the_paper() {
        // 2 H(n - 1) - 2 (n - 1) / n with H(i) = ln i + 0.5772.
        assert!((average_path(3) - 1.207_392_357).abs() < 1e-8);
        assert!((average_path(256) - 10.244_770_920).abs() < 1e-8);
        assert!(average_path(1).abs() < 1e-12 && (average_path(2) - 1.0).abs() < 1e-12);
        assert_eq!((height_max(1), height_max(2), height_max(200), height_max(256)), (0, 1, 8, 8));
    }

    #[test]
    fn two_points_are_alone_after_one_cut_and_equal_ones_never() {
        let tree = grown(&[vec![1.0], vec![2.0]], 1);
        assert_eq!(tree.nodes.len(), 3);
        assert!([0.0, 1.0, 2.0, 9.0].iter().all(|&x| (path(&tree, &[x]) - 1.0).abs() < 1e-12));
        let equal = grown(&[vec![4.0, 1.0], vec![4.0, 1.0], vec![4.0, 1.0]], 1);
        assert_eq!(equal.nodes.len(), 1);
        assert!((path(&equal, &[0.0, 0.0]) - average_path(3)).abs() < 1e-12);
    }

    #[test]
    fn a_point_far_away_is_alone_after_one_cut_in_its_share_of_trees() {
        // The cut falls between 3 and 100 in 97 % of trees, which leaves 100 alone.
        let points: Vec<Vec<f64>> = [0.0, 1.0, 2.0, 3.0, 100.0].map(|x| vec![x]).into();
        let alone = (0..4_000).filter(|&seed| path(&grown(&points, seed), &[100.0]) < 1.5).count();
        assert!((3_800..3_960).contains(&alone), "{alone}");
    }

    #[test]
    fn features_are_cut_evenly_or_by_the_root_of_their_spread() {
        let points: Vec<Vec<f64>> =
            (0..9).map(|x| vec![f64::from(x), 9.0 * f64::from(x), 7.0]).collect();
        for (choice, expected) in [(Choice::Even, 2_000), (Choice::BySpread, 3_000)] {
            let wide = (0..4_000)
                .filter(|&seed| grown_by(choice, &points, seed).nodes[0].feature == 1)
                .count();
            assert!(wide.abs_diff(expected) < 120, "{choice:?}: {wide}");
        }
        let equal = vec![vec![1.0, 2.0]; 5];
        assert_eq!(grown_by(Choice::BySpread, &equal, 1).nodes.len(), 1);
    }

    #[test]
    fn neighbours_in_the_floating_point_numbers_are_told_apart() {
        for x in [1.0, -1e120, 1e-300, f64::MAX.next_down(), -f64::MAX, 0.0] {
            let tree = grown(&[vec![x], vec![x.next_up()]], 3);
            assert_eq!(tree.nodes.len(), 3, "{x}");
            assert!(tree.nodes[0].cut >= x && tree.nodes[0].cut < x.next_up());
        }
    }

    proptest! {
        #[test]
        fn every_leaf_holds_what_a_walk_with_counting_finds(
            points in prop::collection::vec(prop::collection::vec(-2_i8..6, 3), 1..80),
            seed in any::<u64>(),
            choice in prop_oneof![Just(Choice::Even), Just(Choice::BySpread)],
        ) {
            let points: Vec<Vec<f64>> =
                points.into_iter().map(|point| point.into_iter().map(f64::from).collect()).collect();
            let tree = grown_by(choice, &points, seed);
            for point in &points {
                // The slow way: follow the cuts and keep those points that take the same turn.
                let (mut index, mut depth, mut company) = (0, 0_u32, points.clone());
                while tree.nodes[index].right != LEAF {
                    let node = tree.nodes[index];
                    let turn = |other: &Vec<f64>| other[usize::from(node.feature)] <= node.cut;
                    company.retain(|other| turn(other) == turn(point));
                    index = if turn(point) { index + 1 } else { usize::from(node.right) };
                    depth += 1;
                }
                let expected = f64::from(depth) + average_path(company.len());
                prop_assert!((path(&tree, point) - expected).abs() < 1e-12);
                prop_assert!(depth <= height_max(points.len()));
            }
        }
    }
}
