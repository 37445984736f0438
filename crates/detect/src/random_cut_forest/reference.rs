//! Trees against a slow obvious reading of them: every box from all its points, every score by recursion.

use proptest::prelude::*;

use super::*;
use crate::random_cut_forest::shingles::{Grain, Ring};

impl Tree {
    /// All points below `link`, with how often they are held.
    fn points(&self, shingles: Shingles<'_>, link: u8) -> Vec<(Point, u8)> {
        if link & LEAF != 0 {
            return vec![(shingles.point(self.leaf(link).at), self.leaf(link).mass)];
        }
        let node = self.nodes[usize::from(link)];
        let mut points = self.points(shingles, node.left);
        points.extend(self.points(shingles, node.right));
        points
    }

    fn slow_bounds(&self, shingles: Shingles<'_>, link: u8) -> Bounds {
        let points = self.points(shingles, link);
        let mut bounds = Bounds::of(&points[0].0);
        for (point, _) in points {
            bounds.extend(&point);
        }
        bounds
    }

    fn slow_score(&self, shingles: Shingles<'_>, point: &Point, link: u8, depth: f64) -> f64 {
        let total = f64::from(self.mass());
        if link & LEAF != 0 {
            let mass = f64::from(self.leaf(link).mass);
            let held = shingles.point(self.leaf(link).at);
            return if held.iter().zip(point).all(|(a, b)| a.total_cmp(b).is_eq()) {
                (1.0 - mass / (2.0 * total)) / (depth + libm::log2(mass + 1.0))
            } else {
                1.0 / (depth + 1.0)
            };
        }
        let node = self.nodes[usize::from(link)];
        let chance = f64::from(self.slow_bounds(shingles, link).separation(point));
        let next = node.sides(point).0;
        chance / (depth + 1.0)
            + (1.0 - chance) * self.slow_score(shingles, point, next, depth + 1.0)
    }

    /// What must hold of every node.
    fn check(&self, shingles: Shingles<'_>, link: u8) {
        if link & LEAF != 0 {
            assert!(self.leaf(link).mass > 0);
            return;
        }
        let node = self.nodes[usize::from(link)];
        assert_eq!(node.mass, self.mass_of(node.left) + self.mass_of(node.right));
        assert!(self.points(shingles, node.left).iter().all(|(point, _)| node.is_left(point)));
        assert!(!self.points(shingles, node.right).iter().any(|(point, _)| node.is_left(point)));
        if let Some(slot) = node.slot() {
            assert_eq!(self.bounds[slot], self.slow_bounds(shingles, link));
            assert_eq!(self.slots_free & 1 << slot, 0);
        }
        self.check(shingles, node.left);
        self.check(shingles, node.right);
    }
}

/// One step of a tree's life.
#[derive(Debug, Clone)]
enum Step {
    Insert(f32),
    Evict,
    Expire(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (-3_i8..3).prop_map(|level| Step::Insert(f32::from(level))),
        6 => (-1e3_f32..1e3).prop_map(Step::Insert),
        1 => any::<f32>().prop_filter("finite", |v| v.abs() < 1e30).prop_map(Step::Insert),
        3 => Just(Step::Evict),
        1 => (20_usize..400).prop_map(Step::Expire),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn boxes_masses_and_scores_are_those_of_the_points(
        steps in proptest::collection::vec(step(), 1..400),
        points in 2_usize..=POINTS_MAX,
        seed: u64,
        coarse: bool,
    ) {
        let grain = if coarse { Grain::Coarse } else { Grain::Fine };
        let (mut ring, mut tree, mut random) = (Ring::new(), Tree::new(points), seed);
        let mut uniform = || crate::random_cut_forest::uniform(&mut random);
        for step in steps {
            match step {
                Step::Insert(value) => {
                    ring.push(value);
                    if usize::from(tree.mass()) == points {
                        tree.evict(ring.shingles(grain), &mut uniform);
                    }
                    let (shingles, at) = (ring.shingles(grain), ring.newest(grain));
                    if ring.samples() >= grain.span() as u64 {
                        tree.insert(shingles, at, &mut uniform);
                    }
                }
                Step::Evict => tree.evict(ring.shingles(grain), &mut uniform),
                Step::Expire(age) => tree.expire(ring.shingles(grain), |at| ring.age(at) > age),
            }
        }
        if tree.root != NONE {
            let shingles = ring.shingles(grain);
            tree.check(shingles, tree.root);
            let held = shingles.point(ring.newest(grain));
            for point in [held, [0.5; 8], [-1e3; 8]] {
                let fast = f64::from(tree.score(shingles, &point));
                let scale = libm::log2(f64::from(tree.mass()) + 1.0);
                let slow = scale * tree.slow_score(shingles, &point, tree.root, 0.0);
                prop_assert!((fast - slow).abs() < 1e-2, "{fast} {slow}");
            }
        }
    }
}
