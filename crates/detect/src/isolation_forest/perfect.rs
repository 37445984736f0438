//! A tree for many records: filled up to a perfect one, so that a walk takes the same number of steps whatever the record, and
//! nothing has to be foreseen. Several records go down side by side, because each waits for memory at every step.

use linfa::Float;

use super::tree::Tree;

/// Records that go down side by side.
const ABREAST: usize = 16;

/// A perfect binary tree, level by level from place 1 on: the children of node `n` are `2 n` and `2 n + 1`.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct PerfectTree<F> {
    /// Values that are not above it are on the left. As many as leaves; the first one is of no account.
    cuts: Vec<F>,
    /// In which feature each cut is; as wide as an index, so that a mask shows that it is one.
    features: Vec<usize>,
    /// Of each leaf, the length of the path that ends there.
    paths: Vec<F>,
}

/// Records in groups that go down side by side: column by column, the values of all that are in a group.
#[derive(Debug)]
pub(super) struct Records<F> {
    lanes: Vec<[F; ABREAST]>,
    /// Lanes of a group, a power of two; those beyond the columns are of no account.
    stride: usize,
    count: usize,
}

impl<F: Float> Records<F> {
    /// Room for records of `columns` values, at least 1.
    pub(super) fn of(columns: usize) -> Self {
        Self { lanes: Vec::new(), stride: columns.next_power_of_two(), count: 0 }
    }

    /// Removes all.
    pub(super) fn clear(&mut self) {
        self.lanes.clear();
        self.count = 0;
    }

    /// Adds one with these finite values.
    pub(super) fn push(&mut self, values: impl Iterator<Item = F>) {
        let place = self.count % ABREAST;
        if place == 0 {
            self.lanes.resize(self.lanes.len() + self.stride, [F::zero(); ABREAST]);
        }
        let group = self.lanes.len() - self.stride;
        self.lanes[group..].iter_mut().zip(values).for_each(|(lane, value)| lane[place] = value);
        self.count += 1;
    }
}

impl<F: Float> PerfectTree<F> {
    /// `tree`, no path of which takes more than `height` cuts.
    pub(super) fn new(tree: &Tree<F>, height: u32) -> Self {
        let leaves = 1 << height;
        // Whoever comes to a cut that is none goes left.
        let mut perfect = Self {
            cuts: vec![F::max_value(); leaves],
            features: vec![0; leaves],
            paths: vec![F::zero(); leaves],
        };
        tree.walk(|turns, depth, cut| match cut {
            Ok((feature, cut)) => {
                let node = (1 << depth) + turns;
                (perfect.cuts[node], perfect.features[node]) = (cut, feature.into());
            }
            Err(path) => perfect.paths[turns << (height - depth)] = path,
        });
        perfect
    }

    /// Adds the length of each record's path to its place in `sums`.
    pub(super) fn add_paths(&self, records: &Records<F>, sums: &mut [F]) {
        let groups = records.lanes.chunks_exact(records.stride);
        for (lanes, sums) in groups.zip(sums.chunks_mut(ABREAST)) {
            for (sum, path) in sums.iter_mut().zip(self.paths_of(lanes)) {
                *sum += path;
            }
        }
    }

    /// The lengths of the paths of a group, of which there is at least one lane.
    #[inline]
    fn paths_of(&self, lanes: &[[F; ABREAST]]) -> [F; ABREAST] {
        let leaves = self.cuts.len();
        let (features, paths) = (&self.features[..leaves], &self.paths[..leaves]);
        // No place is outside of what it is of. Masks show that without a comparison at each step.
        let (Some(node_mask), Some(lane_mask)) =
            (leaves.checked_sub(1), lanes.len().checked_sub(1))
        else {
            return [F::zero(); ABREAST];
        };
        let mut nodes = [1_u32; ABREAST];
        for _ in 0..leaves.trailing_zeros() {
            // What takes time first, so that nobody waits for anybody.
            let (mut cuts, mut values) = ([F::zero(); ABREAST], [F::zero(); ABREAST]);
            for record in 0..ABREAST {
                let node = nodes[record] as usize & node_mask;
                cuts[record] = self.cuts[node];
                values[record] = lanes[features[node] & lane_mask][record];
            }
            for record in 0..ABREAST {
                nodes[record] = 2 * nodes[record] + u32::from(values[record] > cuts[record]);
            }
        }
        nodes.map(|node| paths[node as usize & node_mask])
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::random::Random;
    use super::super::tree::{Choice, Soil};
    use super::*;

    proptest! {
        #[test]
        fn every_record_ends_where_it_does_in_the_tree(
            points in prop::collection::vec(prop::collection::vec(-9_i8..9, 3), 1..90),
            others in prop::collection::vec(prop::collection::vec(-20_i8..20, 3), 0..40),
            seed in any::<u64>(),
        ) {
            let value = |point: u32, feature: u16| f64::from(points[point as usize][usize::from(feature)]);
            let (mut features, mut random) = ([0, 1, 2], Random::new(seed));
            let mut soil =
                Soil { value, features: &mut features, choice: Choice::Even, random: &mut random };
            let mut tree = Tree::with_capacity(points.len());
            tree.grow(&mut (0..points.len() as u32).collect::<Vec<_>>(), &mut soil);
            let perfect = PerfectTree::new(&tree, 7);
            let mut records = Records::of(3);
            let all = points.iter().chain(&others);
            all.clone().for_each(|record| records.push(record.iter().copied().map(f64::from)));
            let mut sums = vec![0.5; points.len() + others.len()];
            perfect.add_paths(&records, &mut sums);
            for (record, sum) in all.zip(sums) {
                let path = tree.path(|feature| f64::from(record[usize::from(feature)]));
                prop_assert!((sum - (0.5 + path)).abs() < 1e-12);
            }
        }
    }
}
