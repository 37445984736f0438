//! What being unlike the others is worth: the scores of a group's members as one surprise.

use serde::{Deserialize, Serialize};

use super::{Peer, State};
use crate::calibrate::Calibration;
use crate::ladder::{Ladder, Prior};
use crate::saved::completed;

/// What is left of the largest surprise is one itself, unless the group's past says otherwise.
const ROWS: Prior = Prior { slope: 1.0, rows: 3000.0, steadiness: 0.0 };
/// Degrees of freedom of the number of members.
const COUNT_FREEDOM: f64 = 8.0;
/// What is that surprising is learned with this weight.
const PROTECTED_SURPRISE: f64 = 3.0;
const PROTECTED_WEIGHT: f64 = 0.1;

/// Judges a group's rows by [`Peer`], calibrated.
///
/// Each member is judged by its own past first, so that one that always is unlike gets ordinary; the largest of these
/// surprises less the logarithm of their number, or how unlikely so few members are, is judged by the group's past.
///
/// State: that of [`Peer`], and 184 bytes a member. Cost: that of [`Peer`], and some 90 ns a member.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub struct PeerWatch {
    state: State,
    pasts: Box<[Calibration]>,
    #[serde(skip)]
    odd: Vec<f64>,
    #[serde(skip)]
    surprises: Vec<f64>,
    rows: Ladder,
}

/// What a row says about the group.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PeerReading {
    /// How rarely a row of this group is like that.
    pub surprise: f64,
    /// What is most unusual about it.
    pub finding: PeerFinding,
    /// Members that have a value.
    pub present: usize,
    /// How many usually have one.
    pub usual: f64,
}

/// What is unusual about a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PeerFinding {
    /// A member is unlike the others.
    Odd,
    /// There are fewer members than usual.
    TooFew,
}

completed!(PeerWatch);

impl PeerWatch {
    fn completed(mut self) -> Option<Self> {
        let members = self.members_max();
        self.odd.reserve_exact(members);
        self.surprises.reserve_exact(members);
        (self.pasts.len() == members).then_some(self)
    }

    /// Members that are looked at.
    pub(crate) fn members_max(&self) -> usize {
        self.state.members.len()
    }

    /// A group of up to `members` that was never seen.
    pub fn new(members: usize) -> Self {
        let state = Peer.begin(members);
        Self {
            pasts: vec![Calibration::default(); state.members.len()].into(),
            state,
            odd: Vec::with_capacity(members),
            surprises: Vec::with_capacity(members),
            rows: Ladder::new(&ROWS),
        }
    }

    /// Judges a row, one value for each member and NaN where there is none, then learns it. `None` while warming up,
    /// for some 70 rows.
    pub fn observe(&mut self, row: &[f64]) -> Option<PeerReading> {
        self.surprises.clear();
        self.surprises.resize(row.len(), 0.0);
        let group = Peer.score(&mut self.state, row, &mut self.odd)?;
        // One of many is always the largest: as rare as that is among independent ones.
        let of_many = libm::log10(group.present.max(1) as f64);
        let mut largest = 0.0_f64;
        let scores = self.odd.iter().zip(row).zip(&mut self.pasts).zip(&mut self.surprises);
        for (((&odd, value), past), surprise) in scores {
            // Who is missing is neither odd nor learns that it is not.
            if value.is_finite() {
                *surprise = judge(past, odd, of_many).unwrap_or(0.0);
                largest = largest.max(*surprise);
            }
        }
        let odd = (largest - of_many).max(0.0);
        let too_few = surprise_of_missing(group.too_few);
        Some(PeerReading {
            // The past of few rows, stretched, is no evidence that something is rarer than it looks.
            surprise: self.rows.observe(odd.max(too_few), 1.0, &ROWS).min(odd.max(too_few)),
            finding: if odd >= too_few { PeerFinding::Odd } else { PeerFinding::TooFew },
            present: group.present,
            usual: group.usual,
        })
    }

    /// How surprising each member of the last row was by its own past.
    pub fn surprises(&self) -> &[f64] {
        &self.surprises
    }

    /// Forgets what was usual for `member`: another one is in its place.
    pub fn replace(&mut self, member: usize) {
        if let Some(past) = self.pasts.get_mut(member) {
            *past = Calibration::default();
        }
    }

    /// Bytes that it occupies, with what it owns.
    pub fn bytes(&self) -> usize {
        Peer.state_bytes(&self.state) - size_of::<State>()
            + size_of::<Self>()
            + size_of_val(&*self.pasts)
            + (self.odd.capacity() + self.surprises.capacity()) * size_of::<f64>()
    }
}

/// The surprise of a number of members that is so many deviations lower than usual: it falls off as Student's t with
/// [`COUNT_FREEDOM`] degrees of freedom does. 1.9 for four deviations, 3.8 for eight.
fn surprise_of_missing(deviations: f64) -> f64 {
    let half = COUNT_FREEDOM / 2.0;
    half * libm::log10(1.0 + deviations * deviations / COUNT_FREEDOM)
}

/// The surprise of `score` by its past, which then learns it: little, if it is surprising among `10^of_many` like it.
/// A fault is not to become usual within the few rows that an alert waits for.
fn judge(past: &mut Calibration, score: f64, of_many: f64) -> Option<f64> {
    let is_odd = past.surprise(score).unwrap_or(0.0) >= of_many + PROTECTED_SURPRISE;
    past.observe(score, if is_odd { PROTECTED_WEIGHT } else { 1.0 })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Noise;

    /// Members that share one load, each with noise of its own.
    fn row(noise: &mut Noise, members: usize) -> Vec<f64> {
        let load = 20.0 * noise.normal();
        (0..members).map(|_| load + noise.normal()).collect()
    }

    /// A watch that has seen `rows` of `members`.
    fn seasoned(noise: &mut Noise, members: usize, rows: usize) -> (PeerWatch, Vec<f64>) {
        let mut watch = PeerWatch::new(members);
        let all = (0..rows).filter_map(|_| watch.observe(&row(noise, members)));
        let surprises = all.map(|reading| reading.surprise).collect();
        (watch, surprises)
    }

    #[test]
    fn surprises_of_alike_members_are_as_rare_as_they_say() {
        let mut noise = Noise::new(1);
        let (_, surprises) = seasoned(&mut noise, 10, 20_000);
        for (level, most) in [(1.0, 0.25), (2.0, 0.03), (3.0, 0.004), (4.0, 0.000_8)] {
            let count = surprises.iter().filter(|&&surprise| surprise >= level).count();
            let share = count as f64 / surprises.len() as f64;
            assert!(share <= most, "{level}: {share}");
        }
    }

    #[test]
    fn a_series_of_bursts_gets_ordinary() {
        let mut noise = Noise::new(6);
        let mut watch = PeerWatch::new(10);
        let mut high = Vec::new();
        for number in 0..20_000 {
            let mut row = row(&mut noise, 10);
            if number % 50 < 3 {
                row[number / 50 % 10] += 12.0;
            }
            high.extend(watch.observe(&row).map(|reading| u32::from(reading.surprise >= 3.0)));
        }
        let (young, old) = (high[..2_000].iter().sum::<u32>(), high[17_000..].iter().sum::<u32>());
        assert!(young > 5 && old < 3, "{young} {old}");
    }

    #[test]
    fn one_that_departs_is_named_and_rare() {
        let mut noise = Noise::new(2);
        let (mut watch, _) = seasoned(&mut noise, 10, 2_000);
        let readings: Vec<_> = (0..5)
            .filter_map(|_| {
                let mut row = row(&mut noise, 10);
                row[6] += 12.0;
                watch.observe(&row)
            })
            .collect();
        assert!(readings.iter().all(|reading| reading.finding == PeerFinding::Odd));
        assert!(readings[4].surprise > 4.0, "{readings:?}");
        let others = watch.surprises().iter().enumerate().filter(|&(member, _)| member != 6);
        let (odd, next) = (watch.surprises()[6], others.map(|(_, &s)| s).fold(0.0, f64::max));
        assert!(odd > 4.0 && next < 2.5, "{odd} {next}");
    }

    #[test]
    fn one_that_always_is_unlike_gets_ordinary() {
        let mut noise = Noise::new(3);
        let mut watch = PeerWatch::new(10);
        let mut last = 0.0;
        for _ in 0..2_000 {
            let mut row = row(&mut noise, 10);
            row[6] += 40.0;
            last = watch.observe(&row).map_or(last, |reading| reading.surprise);
        }
        assert!(last < 3.0, "{last}");
    }

    #[test]
    fn missing_members_are_too_few() {
        let mut noise = Noise::new(4);
        let (mut watch, _) = seasoned(&mut noise, 20, 2_000);
        let mut short = row(&mut noise, 20);
        short[12..].fill(f64::NAN);
        let reading = watch.observe(&short);
        let is_told = reading.is_some_and(|reading| {
            reading.finding == PeerFinding::TooFew
                && reading.surprise > 3.5
                && (reading.present, reading.usual.round() as u32) == (12, 20)
        });
        assert!(is_told, "{reading:?}");
    }

    #[test]
    fn a_number_of_members_is_as_unlikely_as_worked_out_by_hand() {
        // 4 log10(1 + 64 / 8) and 4 log10(1 + 16 / 8).
        assert!((surprise_of_missing(8.0) - 3.816_970).abs() < 1e-5);
        assert!((surprise_of_missing(4.0) - 1.908_485).abs() < 1e-5);
        assert!(surprise_of_missing(0.0).abs() < 1e-12);
    }

    #[test]
    fn a_newcomer_is_not_judged_by_who_was_there_before() {
        let mut noise = Noise::new(5);
        let (mut watch, _) = seasoned(&mut noise, 8, 500);
        watch.replace(3);
        watch.replace(800);
        watch.observe(&row(&mut noise, 8));
        assert!(watch.surprises()[3].abs() < 1e-12, "its own past is empty");
        assert!(watch.bytes() < 4 * 1024, "{}", watch.bytes());
    }
}
