//! What stood behind the newest judgement: what each detector said, what of it counted, and how one surprise came of it.

use serde::{Deserialize, Serialize};

use super::Bank;
use super::predictors::{Reading, Said};
use crate::column::AnyColumn;
use crate::params::{DetectorName, Direction, MinDeviation};
use crate::predictor::Silence;
use crate::verdict::{Expected, Verdict};

/// Why what a detector said does not count, however unlikely it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Muted {
    /// The departure is on the side that the rule does not watch.
    Direction,
    /// The departure is smaller than the rule's `min_deviation`.
    MinDeviation,
}

/// What a detector has to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// It has not seen enough.
    WarmingUp,
    /// Nothing about a series such as this.
    NotApplicable,
    /// A surprise.
    Scored,
}

/// What one detector said about an observation, and whether it counted.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Opinion {
    /// The detector.
    pub name: DetectorName,
    /// Whether it said anything.
    pub standing: Standing,
    /// −log10 of its tail probability by itself: 0 to [`crate::tail::SURPRISE_MAX`]; 0 unless it scored.
    pub surprise: f64,
    /// Why that counts as 0.
    pub muted: Option<Muted>,
    /// What it expected; `None` where it judges shapes, and unless it scored.
    pub expected: Option<Expected>,
}

/// How the detectors' surprises became one, each a surprise. `None` is a step that was not taken.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Steps {
    /// What the detectors that judge departures agree on.
    pub agreed: Option<f64>,
    /// That, calibrated by how often this series exceeded it.
    pub calibrated: Option<f64>,
    /// What the deep tier makes of all detectors, calibrated likewise.
    pub deep: Option<f64>,
    /// Both tiers together; `calibrated` where the deep tier does not judge.
    pub fused: Option<f64>,
    /// As much of that as a series of this age can know of.
    pub believed: Option<f64>,
    /// With the detectors that watch something other than departures.
    pub combined: f64,
    /// What counts, and what alerts are decided on: 0 where the rule watches one side and no departure is on it.
    pub claim: f64,
    /// What that is worth where the deep tier judges; see [`crate::Worth`].
    pub surprise: f64,
    /// The base tier's surprise.
    pub base: f64,
}

/// Who was surprised most so far, and what that one expected unless it is to be worked out.
enum Loudest {
    Lane(usize),
    Column(Expected),
}

impl Bank {
    /// What each detector that scored said about the newest observation, as far as it counts: its name, its surprise, and
    /// what those of the base tier expected.
    pub fn evidence(&self) -> impl Iterator<Item = (DetectorName, f64, Option<Expected>)> {
        let scored = self.opinions().filter(|opinion| opinion.standing == Standing::Scored);
        scored.map(|Opinion { name, surprise, muted, expected, .. }| {
            (name, if muted.is_some() { 0.0 } else { surprise }, expected)
        })
    }

    /// What every detector said about the newest observation; those of the deep tier where they judge the series.
    pub fn opinions(&self) -> impl Iterator<Item = Opinion> {
        let predictors = self.predictors.names().map(|(lane, name)| self.prediction(lane, name));
        let base = self.columns.iter().zip(&self.verdicts);
        let deep = self.deep.iter().zip(&self.oddities).map(|(column, oddity)| Opinion {
            name: column.name(),
            standing: if oddity.is_some() { Standing::Scored } else { Standing::WarmingUp },
            surprise: oddity.map_or(0.0, |oddity| oddity.own),
            muted: None,
            expected: None,
        });
        let base = base.map(|(column, verdict)| self.opinion(column, verdict));
        predictors.chain(base).chain(deep)
    }

    /// What the most surprised detector of the base tier expected of the newest observation, as far as what they said counts;
    /// `None` while all of them warm up.
    pub fn expected(&self) -> Option<Expected> {
        let louder = |one: (f64, Loudest), other: (f64, Loudest)| {
            if other.0 > one.0 { other } else { one }
        };
        let predictors = self.predictors.names().filter_map(|(lane, _)| {
            let (surprise, muted) = self.departure(lane)?;
            Some((if muted.is_some() { 0.0 } else { surprise }, Loudest::Lane(lane)))
        });
        let columns = self.columns.iter().zip(&self.verdicts).filter_map(|(column, verdict)| {
            let Opinion { surprise, muted, expected, .. } = self.opinion(column, verdict);
            Some((if muted.is_some() { 0.0 } else { surprise }, Loudest::Column(expected?)))
        });
        // Only of the loudest is the band worked out.
        match predictors.chain(columns).reduce(louder)?.1 {
            Loudest::Lane(lane) => Some(self.outlook(lane)),
            Loudest::Column(expected) => Some(expected),
        }
    }

    /// What the predictor of a lane said.
    fn prediction(&self, lane: usize, name: DetectorName) -> Opinion {
        let silent =
            |standing| Opinion { name, standing, surprise: 0.0, muted: None, expected: None };
        match self.reading.said[lane] {
            Said::Unasked | Said::Silent(Silence::NotApplicable) => silent(Standing::NotApplicable),
            Said::Silent(Silence::WarmingUp) => silent(Standing::WarmingUp),
            Said::Outlook => {
                let (surprise, muted) = self.departure(lane).unwrap_or_default();
                let (standing, expected) = (Standing::Scored, Some(self.outlook(lane)));
                Opinion { name, standing, surprise, muted, expected }
            }
        }
    }

    /// How surprising a departure is by itself to the predictor of a lane, and why that counts as 0; `None` if it said nothing.
    fn departure(&self, lane: usize) -> Option<(f64, Option<Muted>)> {
        let Reading { said, departures, .. } = &self.reading;
        let Said::Outlook = said[lane] else { return None };
        let shape = departures.tails.shape(lane);
        let surprise = self.tail.surprise(f64::from(departures.departure[lane]), shape);
        let muted = match self.direction {
            Direction::Up if departures.difference[lane] <= 0.0 => Some(Muted::Direction),
            Direction::Down if departures.difference[lane] >= 0.0 => Some(Muted::Direction),
            _ => (departures.counts[lane] == 0).then_some(Muted::MinDeviation),
        };
        Some((surprise, muted))
    }

    /// What the predictor of a lane expected, which said so.
    fn outlook(&self, lane: usize) -> Expected {
        let Reading { outlooks, departures, floor, .. } = &self.reading;
        let (widening, shape) = (departures.widening[lane], departures.tails.shape(lane));
        outlooks[lane].expected(*floor, self.min_deviation, widening, shape)
    }

    fn opinion(&self, column: &AnyColumn, verdict: &Verdict) -> Opinion {
        let name = column.name();
        let silent =
            |standing| Opinion { name, standing, surprise: 0.0, muted: None, expected: None };
        match *verdict {
            Verdict::WarmingUp => silent(Standing::WarmingUp),
            Verdict::NotApplicable => silent(Standing::NotApplicable),
            Verdict::Scored { surprise, expected } => {
                let muted = muted(self.min_deviation, self.direction, self.value, expected.center);
                let muted = muted.filter(|_| column.judges_departure());
                let (standing, expected) = (Standing::Scored, Some(expected));
                Opinion { name, standing, surprise, muted, expected }
            }
        }
    }

    /// Whether it is written down how the surprise of the observations that come next comes about. It is not at first, since
    /// that takes time with each of them.
    #[inline]
    pub fn keep_steps(&mut self, keeps_steps: bool) {
        self.keeps_steps = keeps_steps;
    }

    /// How the newest observation's surprise came about, if [`Bank::keep_steps`] was told to keep that; means nothing while
    /// all detectors warm up.
    pub fn steps(&self) -> Steps {
        self.steps
    }

    /// The value of the newest observation, as it was judged; NaN before the first.
    pub fn value(&self) -> f64 {
        self.value
    }
}

/// Why a departure does not matter to anybody; `None` when it is large enough and on the right side.
#[inline]
pub(super) fn muted(
    min_deviation: MinDeviation,
    direction: Direction,
    value: f64,
    expected: f64,
) -> Option<Muted> {
    let difference = value - expected;
    let right_side = match direction {
        Direction::Both => true,
        Direction::Up => difference > 0.0,
        Direction::Down => difference < 0.0,
    };
    if !right_side {
        Some(Muted::Direction)
    } else if difference.abs() >= min_deviation.at(expected) {
        None
    } else {
        Some(Muted::MinDeviation)
    }
}

#[cfg(test)]
mod tests {
    use bellwether_series::{Sample, Timestamp};

    use super::*;
    use crate::testing::Noise;
    use crate::{DetectorSpec, Judgement, LocalTime, Tables};

    /// A bank that saw 300 values around 100 and then `last`, and how it judged that.
    fn judged(direction: Direction, last: f64) -> (Bank, Judgement) {
        let defaults = DetectorSpec::defaults();
        let mut bank = Bank::new(&defaults, MinDeviation::default(), direction, &Tables::default());
        bank.keep_steps(true);
        let (mut noise, mut judgement) = (Noise::new(9), Judgement::WarmingUp);
        for index in 0..=300 {
            let value = if index == 300 { last } else { 100.0 + 0.1 * noise.normal() };
            let timestamp = Timestamp::from_ms(index * 60_000);
            let sample = Sample { timestamp, value };
            judgement = bank.observe(0, sample, LocalTime::utc(timestamp), 60_000);
        }
        (bank, judgement)
    }

    fn mutings(bank: &Bank) -> Vec<Option<Muted>> {
        let scored = bank.opinions().filter(|opinion| opinion.standing == Standing::Scored);
        scored.map(|opinion| opinion.muted).collect()
    }

    #[test]
    fn what_does_not_count_keeps_its_surprise_and_says_why() {
        for (direction, last, why) in [
            (Direction::Both, 101.5, Some(Muted::MinDeviation)),
            (Direction::Down, 150.0, Some(Muted::Direction)),
            (Direction::Up, 150.0, None),
        ] {
            let (bank, _) = judged(direction, last);
            let mutings = mutings(&bank);
            assert!(
                !mutings.is_empty() && mutings.iter().all(|&muted| muted == why),
                "{mutings:?}"
            );
            let loudest = bank.opinions().map(|opinion| opinion.surprise).fold(0.0, f64::max);
            assert!(loudest > 3.0, "{loudest}");
            let counted = bank.evidence().map(|(_, surprise, _)| surprise).fold(0.0, f64::max);
            assert_eq!(counted > 3.0, why.is_none(), "{counted}");
        }
    }

    #[test]
    fn what_is_expected_is_what_the_first_of_the_loudest_expected() {
        for direction in [Direction::Both, Direction::Up, Direction::Down] {
            for last in [99.9, 100.0, 100.3, 101.5, 103.0, 150.0, -5.0] {
                let (bank, _) = judged(direction, last);
                let mut loudest: Option<(f64, Expected)> = None;
                for (_, surprise, expected) in bank.evidence() {
                    let Some(expected) = expected else { continue };
                    if loudest.is_none_or(|(least, _)| surprise > least) {
                        loudest = Some((surprise, expected));
                    }
                }
                assert_eq!(bank.expected(), loudest.map(|(_, expected)| expected), "{last}");
                assert!(bank.expected().is_some(), "{last}");
            }
        }
    }

    #[test]
    fn the_steps_end_at_the_judgement() {
        let (bank, judgement) = judged(Direction::Both, 150.0);
        let Judgement::Scored { surprise, claim, base, .. } = judgement else {
            panic!("{judgement:?}")
        };
        let steps = bank.steps();
        assert_eq!(
            [steps.surprise, steps.claim, steps.base].map(f64::to_bits),
            [surprise, claim, base].map(f64::to_bits)
        );
        assert!(steps.agreed.is_some() && steps.believed <= steps.fused, "{steps:?}");
        assert!((bank.value() - 150.0).abs() < 1e-12);
    }
}
