//! The detectors of a group of aligned signals, run together.
//!
//! Of two kinds: *joint* ones say how badly the values of a row fit together, one surprise each; [`PeerWatch`] compares
//! members that measure the same and says which one is unlike the others. Joint ones begin anew when a group grows.
//!
//! `subspace` is calibrated by the [`Population`]: a group does not unlearn. For `isolation_forest` no population is
//! fitted, so its scores are judged by the group's own past.

use serde::{Deserialize, Serialize};

use crate::calibrate::Calibration;
use crate::deep::GroupDetector;
use crate::isolation_forest::GroupForest;
use crate::peer::{MEMBERS_MAX, PeerReading, PeerWatch};
use crate::population::Population;
use crate::subspace::GroupSubspace;

/// Signals of a group that joint detectors look at.
pub const JOINT_SIGNALS_MAX: usize = 96;

/// A detector of groups.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GroupSpec {
    /// [`GroupSubspace`].
    Subspace,
    /// [`GroupForest`].
    IsolationForest,
    /// [`PeerWatch`].
    Peer,
}

impl GroupSpec {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Subspace, Self::IsolationForest, Self::Peer];

    /// The name used in configuration.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Subspace => "subspace",
            Self::IsolationForest => "isolation_forest",
            Self::Peer => "peer",
        }
    }
}

/// The detectors of one group with their states.
#[derive(Debug, Serialize, Deserialize)]
pub struct GroupBank {
    /// Signals that the joint detectors know.
    width: usize,
    seed: u64,
    subspace: Option<<GroupSubspace as GroupDetector>::State>,
    forest: Option<(<GroupForest as GroupDetector>::State, Calibration)>,
    peers: Option<PeerWatch>,
}

/// What a row is, by the detectors of its group.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct GroupJudgement {
    /// Surprise of each joint detector that is named and warm.
    pub joint: [Option<f64>; 2],
    /// What comparing the members says.
    pub peer: Option<PeerReading>,
}

impl GroupBank {
    /// The detectors `specs` for a group of at most `members_max` that was never seen.
    pub fn new(specs: &[GroupSpec], members_max: usize, seed: u64) -> Self {
        let named = |spec| specs.contains(&spec);
        Self {
            width: 0,
            seed,
            subspace: named(GroupSpec::Subspace).then(|| GroupSubspace.begin(0, seed)),
            forest: named(GroupSpec::IsolationForest)
                .then(|| (GroupForest.begin(0, seed), Calibration::default())),
            peers: named(GroupSpec::Peer).then(|| PeerWatch::new(members_max)),
        }
    }

    /// Whether it is one that [`GroupBank::new`] made of these, whatever it has seen since: a saved state fits no other group.
    pub fn is_of(&self, specs: &[GroupSpec], members_max: usize, seed: u64) -> bool {
        let named = |spec| specs.contains(&spec);
        let width = self.width.min(JOINT_SIGNALS_MAX);
        let subspace = self.subspace.as_ref().is_none_or(|state| state.width() == width);
        let forest = self.forest.as_ref().is_none_or(|(state, _)| state.width() == width);
        let members = members_max.min(MEMBERS_MAX);
        let peers = self.peers.as_ref().is_none_or(|peers| peers.members_max() == members);
        self.seed == seed
            && self.width <= members_max
            && self.subspace.is_some() == named(GroupSpec::Subspace)
            && self.forest.is_some() == named(GroupSpec::IsolationForest)
            && self.peers.is_some() == named(GroupSpec::Peer)
            && subspace
            && forest
            && peers
    }

    /// Judges a row, one value for each member and NaN where there is none, then learns it.
    pub fn observe(&mut self, row: &[f64]) -> GroupJudgement {
        if self.width != row.len() {
            self.begin(row.len());
        }
        let subspace = self.subspace.as_mut().and_then(|state| {
            let score = GroupSubspace.score(state, row, 1.0)?;
            Some(Population::GROUP_SUBSPACE.surprise(score))
        });
        let forest = self.forest.as_mut().and_then(|(state, past)| {
            let score = GroupForest.score(state, row, 1.0)?;
            past.observe(score, 1.0)
        });
        let peer = self.peers.as_mut().and_then(|peers| peers.observe(row));
        GroupJudgement { joint: [subspace, forest], peer }
    }

    /// How unlike the others each member of the last row was; nothing without `peer`.
    pub fn peer_surprises(&self) -> &[f64] {
        self.peers.as_ref().map_or(&[], PeerWatch::surprises)
    }

    /// Another signal takes the place of `member`.
    pub fn replace(&mut self, member: usize) {
        if let Some(peers) = &mut self.peers {
            peers.replace(member);
        }
    }

    /// Bytes that it owns.
    pub fn heap_bytes(&self) -> usize {
        let subspace = self.subspace.as_ref().map_or(0, |state| GroupSubspace.state_bytes(state));
        let forest = self.forest.as_ref().map_or(0, |(state, _)| GroupForest.state_bytes(state));
        subspace + forest + self.peers.as_ref().map_or(0, PeerWatch::bytes)
    }

    fn begin(&mut self, width: usize) {
        self.width = width;
        if let Some(state) = &mut self.subspace {
            *state = GroupSubspace.begin(width, self.seed);
        }
        if let Some(forest) = &mut self.forest {
            *forest = (GroupForest.begin(width, self.seed), Calibration::default());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{mean, rows};

    #[test]
    fn only_detectors_that_are_named_judge_and_take_memory() {
        for named in GroupSpec::ALL {
            let mut bank = GroupBank::new(&[named], 8, 1);
            let last = rows(8, 400, 1).iter().map(|row| bank.observe(row)).last();
            let judged = last.map(|GroupJudgement { joint: [subspace, forest], peer }| {
                [subspace.is_some(), forest.is_some(), peer.is_some()]
            });
            assert_eq!(judged, Some(GroupSpec::ALL.map(|spec| spec == named)), "{named:?}");
            assert!(bank.heap_bytes() > 100);
        }
        let mut bank = GroupBank::new(&[], 8, 1);
        assert_eq!(bank.observe(&[1.0; 8]), GroupJudgement::default());
        assert_eq!((bank.heap_bytes(), bank.peer_surprises()), (0, &[][..]));
    }

    #[test]
    fn the_forest_is_calibrated_by_the_groups_own_past() {
        let mut bank = GroupBank::new(&[GroupSpec::IsolationForest], 6, 1);
        let mut all = rows(6, 3_000, 2);
        for row in &mut all[2_900..2_920] {
            row[..2].copy_from_slice(&[-40.0, 40.0]);
        }
        let judged: Vec<_> = all.iter().map(|row| bank.observe(row).joint[1]).collect();
        let usual: Vec<_> = judged[1_000..2_900].to_vec();
        assert!(mean(&usual) < 0.7, "{}", mean(&usual));
        assert!(mean(&judged[2_900..2_920]) > 1.5, "{:?}", &judged[2_900..2_920]);
    }

    #[test]
    fn who_joins_makes_joint_detectors_begin_anew_and_peers_go_on() {
        let mut bank = GroupBank::new(&GroupSpec::ALL, 9, 1);
        for row in rows(8, 400, 3) {
            bank.observe(&row);
        }
        let wider = bank.observe(&rows(9, 1, 3)[0]);
        assert!(wider.joint == [None, None] && wider.peer.is_some());
    }
}
