//! One of a group unlike the others: a machine, a replica, a training rank. And: fewer of them than usual.
//!
//! Method: in each row, the distance of every member from the median of its cohort, in units of their median
//! distance (MAD, made consistent with a normal distribution), but not in less than the average distance that the
//! past had, each taken as at most five units; then for the most part an average over some ten rows, so
//! that a member that departs for long counts for more than one that does for a moment. Every 32 rows DBSCAN (Ester,
//! Kriegel, Sander & Xu 1996; from linfa-clustering) over the last value and the recent mean of each member tells
//! whether the group is several cohorts (two models of machine, leader and followers): three members or more that are
//! alike are one and are judged by their own median, all others by the nearest one. Its unit is the first
//! quartile of pairwise distances (Rousseeuw & Croux 1993), which, unlike the MAD, two cohorts of equal size do not
//! spoil. The number of present members is compared with its running mean and deviation.
//!
//! State: 40 bytes a member and 250: 2.8 KiB for 64, 10.3 KiB for the 256 that are looked at. While it clusters,
//! some 100 KiB more. Cost: 700 ns a row of 8 members, 2,000 of 20, 14,000 of 64, 170,000 of 256, most of it DBSCAN
//! spread over the 32 rows between two clusterings: that row alone takes 5 ms for 256.
//! Memory: 500 rows for spreads, 1,000 for the number of members.
//!
//! Blind spot: an incident that takes three members or more to the same place is a cohort from the next clustering
//! on; a fault of all at once is none. Members that are always unlike stay odd, for calibration to get used to.

mod cohorts;
mod member;
mod watch;

use serde::{Deserialize, Serialize};

use cohorts::COHORTS_MAX;
use member::{Member, in_units, median};

use crate::saved::{completed, with_room};

pub use watch::{PeerFinding, PeerReading, PeerWatch};

/// Members of a group beyond these are not looked at.
pub const MEMBERS_MAX: usize = 256;
/// Fewer members that are present have nothing to be compared with.
const PRESENT_MIN: usize = 3;
/// Rows before the first score.
const WARM_UP_ROWS: u32 = 32;
/// Rows until the first clustering; usual distances are learned from then on.
const SETTLING_ROWS: u32 = 8;
/// Rows between two clusterings.
const CLUSTER_ROWS: u32 = 32;
/// Weight of one row in the average of a member's scores, and in its recent mean.
const FOLLOW_GAIN: f64 = 0.1;
/// Memory of the usual distance and of the number of members, in rows.
const SPREAD_MEMORY: f64 = 500.0;
const COUNT_MEMORY: f64 = 1_000.0;
/// A distance is learned as at most so many units.
const LEARNED_DISTANCE_MAX: f64 = 5.0;
/// The least deviation of the number of members.
const COUNT_DEVIATION_MIN: f64 = 0.5;
/// Standard deviation of a normal distribution over its median absolute deviation.
const MAD_TO_DEVIATION: f64 = 1.482_602_218_505_602;
/// Values beyond this are taken as this, so that sums stay finite.
const VALUE_MAX: f64 = 1e150;

/// Judges the members of a group by each other.
///
/// ```
/// use bellwether_detect::peer::Peer;
///
/// let (mut state, mut odd) = (Peer.begin(8), Vec::new());
/// for minute in 0..100 {
///     let row: Vec<f64> = (0..8).map(|member| f64::from((member * 5 + minute) % 7)).collect();
///     Peer.score(&mut state, &row, &mut odd);
/// }
/// let group = Peer.score(&mut state, &[3.0, 4.0, 3.0, 2.0, 90.0, 4.0, 3.0, f64::NAN], &mut odd);
/// assert!(odd[4] > 3.0 * odd[0]);
/// assert!(group.is_some_and(|group| group.present == 7 && group.too_few > 1.0));
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Peer;

/// What is known of a group.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub struct State {
    members: Box<[Member]>,
    /// The present row's values or distances; kept to spare an allocation.
    #[serde(skip)]
    scratch: Vec<f64>,
    /// Where each cohort is; the median of all where there are no cohorts.
    centres: Vec<f64>,
    cohorts: usize,
    /// Average distance of a member from its cohort.
    usual_distance: f64,
    usual_present: f64,
    variance_present: f64,
    rows: u32,
}

/// What a row says about the group.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Group {
    /// Members that have a value.
    pub present: usize,
    /// How many deviations they are fewer than usual; 0 and up.
    pub too_few: f64,
    /// How many there usually are.
    pub usual: f64,
    /// Cohorts at the last clustering; 0 if no three members were alike.
    pub cohorts: usize,
}

impl Peer {
    /// The state of a group of `members` that was never seen.
    pub fn begin(&self, members: usize) -> State {
        let members = members.min(MEMBERS_MAX);
        State {
            members: vec![Member::default(); members].into(),
            scratch: Vec::with_capacity(members),
            centres: Vec::with_capacity(COHORTS_MAX),
            cohorts: 0,
            usual_distance: 0.0,
            usual_present: 0.0,
            variance_present: 0.0,
            rows: 0,
        }
    }

    /// Puts into `odd`, one number for each one in `row`, how unlike the others each member is: 0 to 10,000, some 0.8
    /// on average, 0 for those that are missing (NaN) or unknown. `None` while warming up. Then learns the row.
    pub fn score(&self, state: &mut State, row: &[f64], odd: &mut Vec<f64>) -> Option<Group> {
        odd.clear();
        odd.resize(row.len(), 0.0);
        let present = state.enter(row);
        let usual = state.usual_present;
        let too_few = state.count(present);
        state.rows = state.rows.saturating_add(1);
        if present >= PRESENT_MIN {
            state.locate();
            state.judge(odd);
            if state.rows == SETTLING_ROWS || state.rows.is_multiple_of(CLUSTER_ROWS) {
                state.cohorts = cohorts::assign(&mut state.members, state.usual_distance);
            }
        }
        if state.rows <= WARM_UP_ROWS {
            odd.fill(0.0);
            return None;
        }
        Some(Group { present, too_few, usual, cohorts: state.cohorts })
    }

    /// Bytes that `state` occupies, with what it owns.
    pub fn state_bytes(&self, state: &State) -> usize {
        size_of::<State>()
            + size_of_val(&*state.members)
            + (state.scratch.capacity() + state.centres.capacity()) * size_of::<f64>()
    }
}

completed!(State);

impl State {
    fn completed(mut self) -> Option<Self> {
        self.scratch.reserve_exact(self.members.len());
        self.centres = with_room(self.centres, COHORTS_MAX)?;
        (self.members.len() <= MEMBERS_MAX && self.cohorts <= COHORTS_MAX).then_some(self)
    }

    /// Takes the values of the row and says how many there are.
    fn enter(&mut self, row: &[f64]) -> usize {
        let mut present = 0;
        // A value that is missing at the end of the row is missing like any other.
        let values = row.iter().chain(std::iter::repeat(&f64::NAN));
        for (member, &value) in self.members.iter_mut().zip(values) {
            let was_present = std::mem::replace(&mut member.is_present, value.is_finite());
            if member.is_present {
                present += 1;
                member.value = value.clamp(-VALUE_MAX, VALUE_MAX);
                let gain = if was_present { FOLLOW_GAIN } else { 1.0 };
                member.recent_mean += gain * (member.value - member.recent_mean);
            }
        }
        present
    }

    /// How many deviations fewer members than usual are present; then learns their number.
    fn count(&mut self, present: usize) -> f64 {
        let departure = present as f64 - self.usual_present;
        let too_few = -departure / self.variance_present.sqrt().max(COUNT_DEVIATION_MIN);
        let gain = 1.0 / (f64::from(self.rows) + 1.0).min(COUNT_MEMORY);
        self.usual_present += gain * departure;
        self.variance_present =
            (1.0 - gain) * (self.variance_present + gain * departure * departure);
        if self.rows == 0 { 0.0 } else { too_few.max(0.0) }
    }

    /// Finds the median of each cohort among those who are present; of all where there are no cohorts.
    fn locate(&mut self) {
        let Self { members, scratch, centres, cohorts, .. } = self;
        centres.resize((*cohorts).max(1), 0.0);
        for (index, centre) in centres.iter_mut().enumerate() {
            scratch.clear();
            scratch.extend(members.iter().filter_map(|member| {
                let belongs = *cohorts == 0 || member.cohort.map(usize::from) == Some(index);
                (member.is_present && belongs).then_some(member.value)
            }));
            // A cohort of which nobody is present stays where it was.
            *centre = median(scratch).unwrap_or(*centre);
        }
    }

    /// Scores the members by their distance from the centre of their cohort, or else from the nearest one.
    fn judge(&mut self, odd: &mut [f64]) {
        let Self { members, scratch, centres, usual_distance, rows, .. } = self;
        let present = || members.iter().filter(|member| member.is_present);
        scratch.clear();
        scratch.extend(present().map(|member| member.departure(centres).abs()));
        let spread = MAD_TO_DEVIATION * median(scratch).unwrap_or(0.0);
        let unit = spread.max(*usual_distance);
        if *rows > SETTLING_ROWS {
            // Distances from a cohort in whose place there are two would be remembered: the row's own spread limits.
            let limit = if spread > 0.0 { spread } else { unit };
            let reach = if limit > 0.0 { LEARNED_DISTANCE_MAX * limit } else { f64::INFINITY };
            let sum = scratch.iter().map(|distance| distance.min(reach)).sum::<f64>();
            let mean = sum / scratch.len().max(1) as f64;
            let memory = f64::from(*rows - SETTLING_ROWS).min(SPREAD_MEMORY);
            *usual_distance += (mean - *usual_distance) / memory;
        }
        for (member, odd) in members.iter_mut().zip(odd).filter(|(member, _)| member.is_present) {
            let departure = member.departure(centres);
            let distance = in_units(departure, unit, member.value - departure).abs();
            *odd = member.follow.score(distance, FOLLOW_GAIN);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testing::Noise;

    /// Runs the rows and gives what was said of the last one.
    fn run(rows: &[Vec<f64>]) -> (State, Vec<Vec<f64>>, Option<Group>) {
        let mut state = Peer.begin(rows[0].len());
        let (mut all, mut last) = (Vec::new(), None);
        for row in rows {
            let mut odd = Vec::new();
            last = Peer.score(&mut state, row, &mut odd);
            all.push(odd);
        }
        (state, all, last)
    }

    /// Members that share one load, each with noise of its own.
    fn rows(members: usize, count: usize, seed: u64) -> Vec<Vec<f64>> {
        let mut noise = Noise::new(seed);
        let mut row = || {
            let load = 20.0 * noise.normal();
            (0..members).map(|_| load + noise.normal()).collect::<Vec<f64>>()
        };
        (0..count).map(|_| row()).collect()
    }

    fn mean(values: &[f64]) -> f64 {
        values.iter().sum::<f64>() / values.len() as f64
    }

    #[test]
    fn alike_members_score_as_noise_does() {
        let (_, odd, group) = run(&rows(12, 2_000, 1));
        let level = mean(&odd[500..].concat());
        assert!((0.6..1.1).contains(&level), "{level}");
        let largest = odd[500..].concat().into_iter().fold(0.0, f64::max);
        assert!(largest < 3.5, "{largest}");
        assert_eq!(
            group.map(|group| (group.present, group.too_few.abs() < 1e-6)),
            Some((12, true))
        );
    }

    #[test]
    fn a_member_that_stays_apart_scores_more_than_one_that_jumps() {
        let mut rows = rows(12, 600, 2);
        rows[300][4] += 8.0;
        rows[400..420].iter_mut().for_each(|row| row[7] += 8.0);
        let (_, odd, _) = run(&rows);
        assert!(odd[300][4] > 2.5 && odd[400][7] > 2.5);
        assert!(odd[419][7] > 1.6 * odd[300][4], "{} {}", odd[419][7], odd[300][4]);
        assert!(odd[419][3] < 2.5);
    }

    #[test]
    fn a_second_cohort_is_not_odd_and_who_is_in_neither_is() {
        let mut rows = rows(14, 400, 3);
        for row in &mut rows {
            row[9..13].iter_mut().for_each(|value| *value += 50.0);
            row[13] += 25.0;
        }
        let (_, odd, group) = run(&rows);
        assert_eq!(group.map(|group| group.cohorts), Some(2));
        let recent: Vec<f64> = (0..14)
            .map(|member| mean(&odd[300..].iter().map(|row| row[member]).collect::<Vec<_>>()))
            .collect();
        assert!(recent[..13].iter().all(|&odd| odd < 1.5), "{recent:?}");
        assert!(recent[13] > 10.0, "{recent:?}");
    }

    #[test]
    fn two_cohorts_of_equal_size_are_told_apart() {
        let mut rows = rows(12, 400, 4);
        for row in &mut rows {
            row[..6].iter_mut().for_each(|value| *value -= 30.0);
        }
        rows[390..].iter_mut().for_each(|row| row[2] += 15.0);
        let (_, odd, group) = run(&rows);
        assert_eq!(group.map(|group| group.cohorts), Some(2));
        assert!(odd[399][2] > 4.0 && odd[399][3] < 2.0);
    }

    #[test]
    fn too_few_members_are_noticed_and_get_usual() {
        let mut rows = rows(20, 6_000, 5);
        rows[1_000..].iter_mut().for_each(|row| row[12..].fill(f64::NAN));
        let (_, odd, group) = run(&rows[..1_001]);
        assert!(group.is_some_and(|group| group.present == 12 && group.too_few >= 16.0 - 1e-6));
        assert!(odd[1_000][12..].iter().all(|odd| odd.abs() < 1e-12));
        let (.., group) = run(&rows);
        assert!(group.is_some_and(|group| group.too_few < 0.5), "{group:?}");
    }

    #[test]
    fn equal_members_are_ordinary_until_one_differs() {
        let mut rows = vec![vec![5.0; 40]; 200];
        rows[150][3] = 6.0;
        let (_, odd, _) = run(&rows);
        assert!(odd[..150].concat().iter().all(|odd| odd.abs() < 1e-12));
        assert!(odd[150][3] >= 3.0 && odd[150][4].abs() < 1e-12);
    }

    #[test]
    fn warm_up_says_nothing_and_few_members_have_no_peers() {
        let (_, odd, group) = run(&rows(8, WARM_UP_ROWS as usize, 6));
        assert!(group.is_none() && odd.concat().iter().all(|odd| odd.abs() < 1e-12));
        let (_, odd, group) = run(&rows(2, 100, 6));
        assert!(group.is_some() && odd.concat().iter().all(|odd| odd.abs() < 1e-12));
    }

    #[test]
    fn the_state_is_bounded() {
        let (state, odd, _) = run(&rows(300, 70, 7));
        assert!(Peer.state_bytes(&state) <= 16 * 1024, "{}", Peer.state_bytes(&state));
        assert!(odd[69].len() == 300 && odd[69][MEMBERS_MAX..].iter().all(|odd| odd.abs() < 1e-12));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn any_rows_give_finite_scores(
            members in 0_usize..9,
            cells in prop::collection::vec(
                prop_oneof![
                    -1e120..1e120_f64, -1e-300..1e-300_f64, Just(f64::NAN), Just(f64::MIN), Just(f64::INFINITY),
                    Just(1.0), Just(1.0), -5.0..5.0_f64,
                ],
                800,
            ),
        ) {
            let mut state = Peer.begin(members);
            let mut odd = Vec::new();
            for row in cells.chunks(members.max(4)) {
                let group = Peer.score(&mut state, row, &mut odd);
                prop_assert_eq!(odd.len(), row.len());
                prop_assert!(odd.iter().all(|odd| (0.0..=1e4).contains(odd)), "{odd:?}");
                prop_assert!(group.is_none_or(|group| (0.0..=1e4).contains(&group.too_few)));
            }
        }

        #[test]
        fn unit_and_origin_do_not_matter(seed in any::<u64>(), unit in -30_i32..30, origin in -1e3..1e3_f64) {
            let rows = rows(9, 120, seed);
            let unit = libm::ldexp(1.0, unit);
            let moved: Vec<Vec<f64>> =
                rows.iter().map(|row| row.iter().map(|value| (value + origin) * unit).collect()).collect();
            for (odd, moved) in run(&rows).1.concat().iter().zip(run(&moved).1.concat()) {
                prop_assert!((odd - moved).abs() < 1e-6 * (1.0 + odd), "{odd} {moved}");
            }
        }

        #[test]
        fn the_order_of_members_does_not_matter(seed in any::<u64>(), turn in 0_usize..9) {
            let rows = rows(9, 31, seed);
            let turned: Vec<Vec<f64>> = rows
                .iter()
                .map(|row| {
                    let mut row = row.clone();
                    row.rotate_left(turn);
                    row
                })
                .collect();
            let mut state = (Peer.begin(9), Peer.begin(9));
            let (mut odd, mut other) = (Vec::new(), Vec::new());
            for (row, turned) in rows.iter().cycle().zip(turned.iter().cycle()).take(60) {
                Peer.score(&mut state.0, row, &mut odd);
                Peer.score(&mut state.1, turned, &mut other);
                odd.rotate_left(turn);
                for (odd, other) in odd.iter().zip(&other) {
                    prop_assert!((odd - other).abs() < 1e-9 * (1.0 + odd), "{odd} {other}");
                }
            }
        }
    }
}
