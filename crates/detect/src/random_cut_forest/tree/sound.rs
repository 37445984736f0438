//! Whether what was read of a saved state is a tree: no walk through it leaves its nodes or goes on for ever, and each point
//! is found by its own cuts, also by those that will be made within the boxes that are kept.

use super::{Bounds, LEAF, Leaf, NO_LEAF, NONE, Node, POINTS_MAX, SLOTS_MAX, Shingles, Tree};
use crate::random_cut_forest::shingles::KEPT;
use crate::saved::with_room;

impl Tree {
    /// The tree with as much room as [`Tree::new`] makes for `points` points; `None` if it is not sound.
    pub(in crate::random_cut_forest) fn completed(
        self,
        points: usize,
        shingles: Shingles<'_>,
    ) -> Option<Self> {
        let slots = slots_of(points);
        let whole = Self {
            nodes: with_room(self.nodes, points - 1)?,
            leaves: with_room(self.leaves, points)?,
            bounds: with_room(self.bounds, slots)?,
            ..self
        };
        let mut survey = Survey { tree: &whole, shingles, nodes: 0, leaves: 0, slots: 0 };
        let mass = if whole.root == NONE { 0 } else { survey.below(whole.root, 0)?.0 };
        let is_sound = usize::from(mass) <= points
            && survey.frees_the_rest()
            && survey.slots & whole.slots_free == 0
            && survey.slots | whole.slots_free == (1 << slots) - 1
            // Boxes are pushed in the order of their slots.
            && whole.slots_free >> whole.bounds.len() == ((1 << slots) - 1) >> whole.bounds.len()
            && whole.finds_its_points(shingles);
        is_sound.then_some(whole)
    }

    fn finds_its_points(&self, shingles: Shingles<'_>) -> bool {
        let finds = |(index, leaf): (usize, &Leaf)| {
            let (point, mut link) = (shingles.point(leaf.at), self.root);
            while link & LEAF == 0 {
                link = self.nodes[usize::from(link)].sides(&point).0;
            }
            usize::from(link & !LEAF) == index
        };
        self.leaves.iter().enumerate().filter(|(_, leaf)| leaf.mass > 0).all(finds)
    }
}

/// Boxes that a tree for `points` points keeps.
pub(super) fn slots_of(points: usize) -> usize {
    (points / 5).min(SLOTS_MAX)
}

/// What was met on the way, a bit each.
struct Survey<'t> {
    tree: &'t Tree,
    shingles: Shingles<'t>,
    nodes: u128,
    leaves: u128,
    slots: u32,
}

impl Survey<'_> {
    /// Points below `link`, and their box; `None` where something is met twice, is missing, or does not add up.
    fn below(&mut self, link: u8, depth: usize) -> Option<(u8, Bounds)> {
        if link & LEAF != 0 {
            let leaf = self.tree.leaves.get(usize::from(link & !LEAF))?;
            let is_new = meet(&mut self.leaves, link & !LEAF);
            let is_sound = is_new && leaf.mass > 0 && usize::from(leaf.at) < KEPT;
            return is_sound.then(|| (leaf.mass, Bounds::of(&self.shingles.point(leaf.at))));
        }
        let node: Node = *self.tree.nodes.get(usize::from(link))?;
        if depth >= POINTS_MAX || !meet(&mut self.nodes, link) {
            return None;
        }
        let (left, mut bounds) = self.below(node.left, depth + 1)?;
        let (right, others) = self.below(node.right, depth + 1)?;
        bounds.merge(&others);
        if let Some(slot) = node.slot() {
            let is_new = self.slots & 1 << slot == 0;
            self.slots |= 1 << slot;
            (is_new && self.tree.bounds.get(slot) == Some(&bounds)).then_some(())?;
        }
        (left.checked_add(right)? == node.mass).then_some((node.mass, bounds))
    }

    /// Whether all nodes and leaves that were not met are in the lists of free ones, once.
    fn frees_the_rest(&mut self) -> bool {
        let Tree { nodes, leaves, free_node, free_leaf, .. } = self.tree;
        let mut node = *free_node;
        while node != NONE {
            let Some(free) = nodes.get(usize::from(node)) else { return false };
            if !meet(&mut self.nodes, node) {
                return false;
            }
            node = free.left;
        }
        let mut leaf = *free_leaf;
        while leaf != NO_LEAF {
            let Some(free) = leaves.get(usize::from(leaf)) else { return false };
            if free.mass > 0 || !meet(&mut self.leaves, leaf) {
                return false;
            }
            leaf = free.next;
        }
        let all = |count: usize| if count >= 128 { u128::MAX } else { (1 << count) - 1 };
        self.nodes == all(nodes.len()) && self.leaves == all(leaves.len())
    }
}

/// Whether `index`, below 128, is met for the first time.
fn meet(met: &mut u128, index: u8) -> bool {
    let bit = 1_u128 << (index & 0x7f);
    let is_new = *met & bit == 0;
    *met |= bit;
    is_new
}
