//! One random cut tree over a sample of the shingles: 8 bytes a node, 4 a leaf.
//!
//! Boxes are kept for nodes with many points only; those of the others are computed from their points when
//! needed, bottom up, so that each point is read once.

mod sound;

use serde::{Deserialize, Serialize};

use super::bounds::{Bounds, Gap, Point};
use super::shingles::Shingles;

/// Most points of a tree: its links fit seven bits.
pub(super) const POINTS_MAX: usize = 128;
/// Nodes with at least so many points keep their box while there is a slot for it.
const KEPT_MASS: u8 = 12;
/// Boxes that a tree keeps at most; the slots fit five bits.
const SLOTS_MAX: usize = 31;
/// Marks a link to a leaf.
const LEAF: u8 = 0x80;
/// No node: a tree of [`POINTS_MAX`] leaves has one node fewer.
const NONE: u8 = 0x7f;
/// No leaf.
const NO_LEAF: u8 = u8::MAX;
/// Below this chance of getting so deep, the rest of the path does not matter.
const ALIVE_MIN: f32 = 1e-3;

/// A cut. Points that are not above it are on the left.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Node {
    cut: f32,
    /// The next free node of one that is free.
    left: u8,
    right: u8,
    /// Points below.
    mass: u8,
    /// Dimension of the cut in three bits, slot of the box in five.
    place: u8,
}

impl Node {
    fn new(gap: Gap, left: u8, right: u8, mass: u8, slot: Option<usize>) -> Self {
        let slot = slot.unwrap_or(SLOTS_MAX) as u8;
        Self { cut: gap.cut, left, right, mass, place: gap.dimension as u8 | slot << 3 }
    }

    #[inline]
    fn is_left(self, point: &Point) -> bool {
        point[usize::from(self.place & 7)] <= self.cut
    }

    /// The link towards `point` and the other one.
    #[inline]
    fn sides(self, point: &Point) -> (u8, u8) {
        if self.is_left(point) { (self.left, self.right) } else { (self.right, self.left) }
    }

    #[inline]
    fn slot(self) -> Option<usize> {
        let slot = usize::from(self.place >> 3);
        (slot < SLOTS_MAX).then_some(slot)
    }

    fn set_slot(&mut self, slot: Option<usize>) {
        self.place = self.place & 7 | (slot.unwrap_or(SLOTS_MAX) as u8) << 3;
    }
}

/// Equal points, by the newest of them.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Leaf {
    /// Where the shingle starts.
    at: u16,
    /// 0 for a leaf that is free.
    mass: u8,
    /// The next free leaf.
    next: u8,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Tree {
    nodes: Vec<Node>,
    leaves: Vec<Leaf>,
    bounds: Vec<Bounds>,
    /// A bit for each slot of `bounds` that is free.
    slots_free: u32,
    free_node: u8,
    free_leaf: u8,
    root: u8,
}

impl Tree {
    /// A tree for `points` points at most.
    pub(super) fn new(points: usize) -> Self {
        let slots = sound::slots_of(points);
        Self {
            nodes: Vec::with_capacity(points - 1),
            leaves: Vec::with_capacity(points),
            bounds: Vec::with_capacity(slots),
            slots_free: (1 << slots) - 1,
            free_node: NONE,
            free_leaf: NO_LEAF,
            root: NONE,
        }
    }

    /// Bytes that the tree owns, without itself.
    pub(super) fn bytes(&self) -> usize {
        self.nodes.capacity() * size_of::<Node>()
            + self.leaves.capacity() * size_of::<Leaf>()
            + self.bounds.capacity() * size_of::<Bounds>()
    }

    /// Points in the tree.
    pub(super) fn mass(&self) -> u8 {
        if self.root == NONE { 0 } else { self.mass_of(self.root) }
    }

    #[inline]
    fn leaf(&self, link: u8) -> &Leaf {
        &self.leaves[usize::from(link & !LEAF)]
    }

    #[inline]
    fn mass_of(&self, link: u8) -> u8 {
        if link & LEAF != 0 { self.leaf(link).mass } else { self.nodes[usize::from(link)].mass }
    }

    /// Extends `bounds` by all points below `link`.
    #[inline]
    fn accumulate(&self, shingles: Shingles<'_>, link: u8, bounds: &mut Bounds) {
        if link & LEAF != 0 {
            bounds.extend(&shingles.point(self.leaf(link).at));
            return;
        }
        let node = &self.nodes[usize::from(link)];
        if let Some(slot) = node.slot() {
            bounds.merge(&self.bounds[slot]);
            return;
        }
        self.accumulate(shingles, node.left, bounds);
        self.accumulate(shingles, node.right, bounds);
    }

    fn bounds_of(&self, shingles: Shingles<'_>, link: u8) -> Bounds {
        let mut bounds = Bounds::NOTHING;
        self.accumulate(shingles, link, &mut bounds);
        bounds
    }

    fn keep_bounds(&mut self, bounds: Bounds, mass: u8) -> Option<usize> {
        if mass < KEPT_MASS || self.slots_free == 0 {
            return None;
        }
        let slot = self.slots_free.trailing_zeros() as usize;
        self.slots_free &= self.slots_free - 1;
        if slot < self.bounds.len() {
            self.bounds[slot] = bounds;
        } else {
            self.bounds.push(bounds);
        }
        Some(slot)
    }

    fn free_bounds(&mut self, node: Node) {
        self.slots_free |= node.slot().map_or(0, |slot| 1 << slot);
    }

    fn take_leaf(&mut self, at: u16) -> u8 {
        let leaf = Leaf { at, mass: 1, next: NO_LEAF };
        if self.free_leaf == NO_LEAF {
            self.leaves.push(leaf);
            return (self.leaves.len() - 1) as u8 | LEAF;
        }
        let slot = self.free_leaf;
        self.free_leaf = self.leaves[usize::from(slot)].next;
        self.leaves[usize::from(slot)] = leaf;
        slot | LEAF
    }

    fn take_node(&mut self, node: Node) -> u8 {
        if self.free_node == NONE {
            self.nodes.push(node);
            return (self.nodes.len() - 1) as u8;
        }
        let slot = self.free_node;
        self.free_node = self.nodes[usize::from(slot)].left;
        self.nodes[usize::from(slot)] = node;
        slot
    }

    /// Makes `link` the child of `parent` in the place of `old`.
    fn relink(&mut self, parent: Option<u8>, old: u8, link: u8) {
        let Some(parent) = parent else {
            self.root = link;
            return;
        };
        let node = &mut self.nodes[usize::from(parent)];
        *(if node.left == old { &mut node.left } else { &mut node.right }) = link;
    }

    /// Adds the shingle at `at` to a tree that is not full. `uniform` draws from 0 to 1.
    pub(super) fn insert(
        &mut self,
        shingles: Shingles<'_>,
        at: u16,
        uniform: &mut impl FnMut() -> f32,
    ) {
        if self.root == NONE {
            self.root = self.take_leaf(at);
            return;
        }
        let point = shingles.point(at);
        let (mut parent, mut link) = (None, self.root);
        loop {
            let mut bounds = self.bounds_of(shingles, link);
            let (outside, sides) = bounds.reach(&point);
            let is_leaf = link & LEAF != 0;
            // The cut of a single point always separates; otherwise it may fall inside of the box.
            let place = uniform() * if is_leaf { outside } else { sides };
            let gap = bounds.gap(&point, place).filter(|_| is_leaf || place < outside);
            bounds.extend(&point);
            if let Some(gap) = gap {
                let split = self.split(link, at, gap, bounds);
                self.relink(parent, link, split);
                return;
            }
            if is_leaf {
                let leaf = &mut self.leaves[usize::from(link & !LEAF)];
                (leaf.at, leaf.mass) = (at, leaf.mass + 1);
                return;
            }
            parent = Some(link);
            link = self.descend(link, &point, bounds);
        }
    }

    /// Counts `point` at node `link`, whose box is now `bounds`, and returns the link towards it.
    fn descend(&mut self, link: u8, point: &Point, bounds: Bounds) -> u8 {
        let mut node = self.nodes[usize::from(link)];
        node.mass += 1;
        if let Some(slot) = node.slot() {
            self.bounds[slot] = bounds;
        } else {
            node.set_slot(self.keep_bounds(bounds, node.mass));
        }
        self.nodes[usize::from(link)] = node;
        node.sides(point).0
    }

    /// A node with a new leaf on one side and `link` on the other.
    fn split(&mut self, link: u8, at: u16, gap: Gap, bounds: Bounds) -> u8 {
        let mass = self.mass_of(link) + 1;
        let leaf = self.take_leaf(at);
        let slot = self.keep_bounds(bounds, mass);
        let (left, right) = if gap.point_is_left { (leaf, link) } else { (link, leaf) };
        self.take_node(Node::new(gap, left, right, mass, slot))
    }

    /// Removes a random point.
    pub(super) fn evict(&mut self, shingles: Shingles<'_>, uniform: &mut impl FnMut() -> f32) {
        if self.root == NONE {
            return;
        }
        let mass = self.mass();
        let mut rank = ((uniform() * f32::from(mass)) as u8).min(mass - 1);
        let mut link = self.root;
        while link & LEAF == 0 {
            let Node { left, right, .. } = self.nodes[usize::from(link)];
            let mass = self.mass_of(left);
            (link, rank) = if rank < mass { (left, rank) } else { (right, rank - mass) };
        }
        self.remove(shingles, link, 1);
    }

    /// Removes all points whose start `is_expired` holds for.
    pub(super) fn expire(&mut self, shingles: Shingles<'_>, is_expired: impl Fn(u16) -> bool) {
        for slot in 0..self.leaves.len() {
            let Leaf { at, mass, .. } = self.leaves[slot];
            if mass > 0 && is_expired(at) {
                self.remove(shingles, slot as u8 | LEAF, mass);
            }
        }
    }

    /// Takes `mass` points out of `leaf`.
    fn remove(&mut self, shingles: Shingles<'_>, leaf: u8, mass: u8) {
        let point = shingles.point(self.leaf(leaf).at);
        let mut path = [0_u8; POINTS_MAX];
        let (mut depth, mut link) = (0, self.root);
        while link & LEAF == 0 {
            path[depth] = link;
            depth += 1;
            link = self.nodes[usize::from(link)].sides(&point).0;
        }
        debug_assert_eq!(link, leaf, "a point is found by its own cuts");
        let emptied = self.leaf(leaf).mass == mass;
        if emptied {
            self.unlink(&path[..depth], leaf);
            depth = depth.saturating_sub(1);
        } else {
            self.leaves[usize::from(leaf & !LEAF)].mass -= mass;
        }
        for &link in path[..depth].iter().rev() {
            self.shrink(shingles, link, mass, emptied.then_some(&point));
        }
    }

    /// Counts `mass` points less at node `link`, whose box no longer needs to hold `gone`.
    fn shrink(&mut self, shingles: Shingles<'_>, link: u8, mass: u8, gone: Option<&Point>) {
        let mut node = self.nodes[usize::from(link)];
        node.mass -= mass;
        if let Some(slot) = node.slot() {
            if node.mass < KEPT_MASS {
                self.free_bounds(node);
                node.set_slot(None);
            } else if gone.is_some_and(|point| self.bounds[slot].touches(point)) {
                let mut bounds = self.bounds_of(shingles, node.left);
                self.accumulate(shingles, node.right, &mut bounds);
                self.bounds[slot] = bounds;
            }
        }
        self.nodes[usize::from(link)] = node;
    }

    /// Takes `leaf` and its parent, the last of `path`, out of the tree.
    fn unlink(&mut self, path: &[u8], leaf: u8) {
        let slot = leaf & !LEAF;
        self.leaves[usize::from(slot)] = Leaf { at: 0, mass: 0, next: self.free_leaf };
        self.free_leaf = slot;
        let Some((&parent, above)) = path.split_last() else {
            self.root = NONE;
            return;
        };
        let node = self.nodes[usize::from(parent)];
        let sibling = if node.left == leaf { node.right } else { node.left };
        self.relink(above.last().copied(), parent, sibling);
        self.free_bounds(node);
        self.nodes[usize::from(parent)].left = self.free_node;
        self.free_node = parent;
    }

    /// The expected score of `point`: were it inserted, one over the depth of its leaf, relative to the depth
    /// of a balanced tree. 1 and less for ordinary points, `log2(mass + 1)` at most.
    pub(super) fn score(&self, shingles: Shingles<'_>, point: &Point) -> f32 {
        if self.root == NONE {
            return 0.0;
        }
        let (mut link, mut depth, mut score, mut alive) = (self.root, 1.0_f32, 0.0_f32, 1.0_f32);
        while link & LEAF == 0 {
            let node = &self.nodes[usize::from(link)];
            let Some(slot) = node.slot() else { break };
            let chance = self.bounds[slot].separation(point);
            score += alive * chance / depth;
            alive *= 1.0 - chance;
            if alive < ALIVE_MIN {
                break;
            }
            depth += 1.0;
            link = node.sides(point).0;
        }
        if alive >= ALIVE_MIN {
            score += alive * self.score_below(shingles, point, link, depth);
        }
        score * libm::log2f(f32::from(self.mass()) + 1.0)
    }

    /// The rest of [`Tree::score`] from `link` on, bottom up.
    fn score_below(&self, shingles: Shingles<'_>, point: &Point, mut link: u8, depth: f32) -> f32 {
        let mut siblings = [0_u8; POINTS_MAX];
        let mut steps = 0;
        while link & LEAF == 0 {
            (link, siblings[steps]) = self.nodes[usize::from(link)].sides(point);
            steps += 1;
        }
        let leaf = *self.leaf(link);
        let mut bounds = Bounds::of(&shingles.point(leaf.at));
        let is_same = bounds.separation(point) <= 0.0;
        let mut score = self.score_leaf(leaf, is_same, depth + steps as f32);
        for (step, &sibling) in siblings[..steps].iter().enumerate().rev() {
            self.accumulate(shingles, sibling, &mut bounds);
            let chance = bounds.separation(point);
            score = chance / (depth + step as f32) + (1.0 - chance) * score;
        }
        score
    }

    /// A point that is in the tree already is the less odd the more often it is.
    fn score_leaf(&self, leaf: Leaf, is_same: bool, depth: f32) -> f32 {
        if !is_same {
            return 1.0 / depth;
        }
        let mass = f32::from(leaf.mass);
        let damp = 1.0 - mass / (2.0 * f32::from(self.mass()));
        damp / (depth - 1.0 + libm::log2f(mass + 1.0))
    }
}

#[cfg(test)]
#[path = "reference.rs"]
mod reference;
