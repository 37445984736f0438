//! A rule's detectors with the states of all series that the rule judges, detector by detector.
//!
//! Parameters are shared; a series costs one flat record per detector and no object of its own.

use std::mem::size_of;

use bellwether_series::Sample;

use crate::combine::Combiner;
use crate::granularity::Granularity;
use crate::iqr::Iqr;
use crate::local_time::LocalTime;
use crate::params::{DetectorName, DetectorSpec, Direction, MinDeviation};
use crate::residual::EXCURSION_SURPRISE;
use crate::seasonal::Seasonal;
use crate::tail::Tail;
use crate::verdict::{Detector, Expected, Observation, Verdict};
use crate::zscore::{RobustZscore, Zscore};
use crate::{iqr, seasonal, zscore};

/// Bytes of an allocation of states: a fleet of a few series wastes little, a large one does not copy to
/// grow, and allocators keep a size class of just this.
const CHUNK_BYTES: usize = 16 * 1024;

/// Larger values are taken as this, so that squares of differences stay finite.
const VALUE_MAX: f64 = 1e120;

/// States in chunks, so that growing neither copies nor doubles.
#[derive(Debug)]
struct States<T>(Vec<Box<[T]>>);

impl<T: Copy + Default> States<T> {
    const CHUNK: usize = CHUNK_BYTES / size_of::<T>();

    #[inline]
    fn at(&mut self, slot: usize) -> &mut T {
        let chunk = slot / Self::CHUNK;
        if chunk >= self.0.len() {
            self.grow(chunk);
        }
        &mut self.0[chunk][slot % Self::CHUNK]
    }

    #[cold]
    fn grow(&mut self, chunk: usize) {
        self.0.resize_with(chunk + 1, || vec![T::default(); Self::CHUNK].into_boxed_slice());
    }

    fn bytes(&self) -> usize {
        self.0.len() * CHUNK_BYTES
    }
}

/// One detector and the states of all series that it judges.
#[derive(Debug)]
struct Column<D: Detector> {
    detector: D,
    states: States<D::State>,
}

impl<D: Detector> Column<D> {
    fn new(detector: D) -> Self {
        Self { detector, states: States(Vec::new()) }
    }

    fn observe(&mut self, slot: usize, observation: &Observation) -> Verdict {
        self.detector.observe(self.states.at(slot), observation)
    }
}

/// The closed set of detectors.
#[derive(Debug)]
enum AnyColumn {
    Zscore(Column<Zscore>),
    RobustZscore(Column<RobustZscore>),
    Iqr(Column<Iqr>),
    Seasonal(Column<Seasonal>),
}

impl AnyColumn {
    fn new(spec: DetectorSpec, min_deviation: MinDeviation, tail: &Tail) -> Self {
        let tail = tail.clone();
        match spec {
            DetectorSpec::Zscore(params) if params.robust => {
                Self::RobustZscore(Column::new(RobustZscore { params, min_deviation, tail }))
            }
            DetectorSpec::Zscore(params) => {
                Self::Zscore(Column::new(Zscore { params, min_deviation, tail }))
            }
            DetectorSpec::Iqr(params) => {
                Self::Iqr(Column::new(Iqr { params, min_deviation, tail }))
            }
            DetectorSpec::Seasonal(params) => {
                Self::Seasonal(Column::new(Seasonal { params, min_deviation, tail }))
            }
        }
    }

    fn name(&self) -> DetectorName {
        match self {
            Self::Zscore(_) | Self::RobustZscore(_) => DetectorName::Zscore,
            Self::Iqr(_) => DetectorName::Iqr,
            Self::Seasonal(_) => DetectorName::Seasonal,
        }
    }

    fn observe(&mut self, slot: usize, observation: &Observation) -> Verdict {
        match self {
            Self::Zscore(column) => column.observe(slot, observation),
            Self::RobustZscore(column) => column.observe(slot, observation),
            Self::Iqr(column) => column.observe(slot, observation),
            Self::Seasonal(column) => column.observe(slot, observation),
        }
    }

    fn reset(&mut self, slot: usize) {
        match self {
            Self::Zscore(column) => *column.states.at(slot) = zscore::State::default(),
            Self::RobustZscore(column) => *column.states.at(slot) = zscore::RobustState::default(),
            Self::Iqr(column) => *column.states.at(slot) = iqr::State::default(),
            Self::Seasonal(column) => *column.states.at(slot) = seasonal::State::default(),
        }
    }

    fn bytes(&self) -> usize {
        match self {
            Self::Zscore(column) => column.states.bytes(),
            Self::RobustZscore(column) => column.states.bytes(),
            Self::Iqr(column) => column.states.bytes(),
            Self::Seasonal(column) => column.states.bytes(),
        }
    }

    fn digest_into(&mut self, slot: usize, text: &mut String) {
        use std::fmt::Write as _;
        // Debug prints every field of a state, floats in full precision; writing to a string never fails.
        _ = match self {
            Self::Zscore(column) => write!(text, "{:?}", column.states.at(slot)),
            Self::RobustZscore(column) => write!(text, "{:?}", column.states.at(slot)),
            Self::Iqr(column) => write!(text, "{:?}", column.states.at(slot)),
            Self::Seasonal(column) => write!(text, "{:?}", column.states.at(slot)),
        };
    }
}

/// What all detectors of a rule together say about one observation.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Judgement {
    /// No detector has seen enough yet.
    WarmingUp,
    /// A combined score.
    Scored {
        /// −log10 of the combined tail probability: 0 to [`crate::tail::SURPRISE_MAX`].
        surprise: f64,
        /// What the most surprised detector expected.
        expected: Expected,
    },
}

/// What all banks of an engine share: tables of functions that are too slow to compute per sample.
#[derive(Debug, Clone, Default)]
pub struct Tables {
    tail: Tail,
    combiner: Combiner,
}

/// The detectors of a rule and the states of its series.
#[derive(Debug)]
pub struct Bank {
    columns: Vec<AnyColumn>,
    granularity: States<Granularity>,
    min_deviation: MinDeviation,
    direction: Direction,
    tail: Tail,
    combiner: Combiner,
    verdicts: Vec<Verdict>,
}

impl Bank {
    /// A bank for series that are judged by `detectors`. Banks share `tables`.
    pub fn new(
        detectors: &[DetectorSpec],
        min_deviation: MinDeviation,
        direction: Direction,
        tables: &Tables,
    ) -> Self {
        let Tables { tail, combiner } = tables.clone();
        let columns: Vec<_> =
            detectors.iter().map(|&spec| AnyColumn::new(spec, min_deviation, &tail)).collect();
        let verdicts = Vec::with_capacity(columns.len());
        let granularity = States(Vec::new());
        Self { columns, granularity, min_deviation, direction, tail, combiner, verdicts }
    }

    /// Judges a sample of the series in `slot`, which is sampled every `interval_ms`, against that series'
    /// past, then learns from it. `local` is what clock and calendar say at its time. Memory grows with the largest slot.
    pub fn observe(
        &mut self,
        slot: usize,
        sample: Sample,
        local: LocalTime,
        interval_ms: i64,
    ) -> Judgement {
        let Sample { timestamp, value } = sample;
        let value = value.clamp(-VALUE_MAX, VALUE_MAX);
        let scale_floor = self.granularity.at(slot).floor();
        let observation = &Observation { timestamp, local, value, interval_ms, scale_floor };
        self.verdicts.clear();
        for column in &mut self.columns {
            self.verdicts.push(column.observe(slot, observation));
        }
        let (mut most, mut most_expected) = (f64::NEG_INFINITY, None);
        for verdict in &mut self.verdicts {
            if let Verdict::Scored { surprise, expected } = verdict {
                if !counts(self.min_deviation, self.direction, observation.value, expected.center) {
                    *surprise = 0.0;
                }
                if *surprise > most {
                    (most, most_expected) = (*surprise, Some(*expected));
                }
            }
        }
        let surprise = self.combiner.combine(self.verdicts.iter().filter_map(scored));
        self.granularity.at(slot).learn(value, surprise < EXCURSION_SURPRISE);
        let Some(expected) = most_expected else { return Judgement::WarmingUp };
        Judgement::Scored { surprise, expected }
    }

    /// What each detector said about the last observation: its name, surprise and expectation.
    pub fn evidence(&self) -> impl Iterator<Item = (DetectorName, f64, Expected)> {
        let scored = |(column, verdict): (&AnyColumn, &Verdict)| match *verdict {
            Verdict::Scored { surprise, expected } => Some((column.name(), surprise, expected)),
            Verdict::WarmingUp | Verdict::NotApplicable => None,
        };
        self.columns.iter().zip(&self.verdicts).filter_map(scored)
    }

    /// The tail that the detectors judge by.
    pub fn tail(&self) -> &Tail {
        &self.tail
    }

    /// Forgets everything about the series in `slot`.
    pub fn reset(&mut self, slot: usize) {
        *self.granularity.at(slot) = Granularity::default();
        for column in &mut self.columns {
            column.reset(slot);
        }
    }

    /// Bytes that the states occupy.
    pub fn state_bytes(&self) -> usize {
        self.granularity.bytes() + self.columns.iter().map(AnyColumn::bytes).sum::<usize>()
    }

    /// The complete state of the series in `slot` as text: equal states give equal text.
    pub fn state_text(&mut self, slot: usize) -> String {
        let mut text = format!("{:?}", self.granularity.at(slot));
        for column in &mut self.columns {
            column.digest_into(slot, &mut text);
        }
        text
    }
}

fn scored(verdict: &Verdict) -> Option<f64> {
    match verdict {
        Verdict::Scored { surprise, .. } => Some(*surprise),
        Verdict::WarmingUp | Verdict::NotApplicable => None,
    }
}

/// Whether a departure is large enough and on the right side to matter to anybody.
fn counts(min_deviation: MinDeviation, direction: Direction, value: f64, expected: f64) -> bool {
    let difference = value - expected;
    let right_side = match direction {
        Direction::Both => true,
        Direction::Up => difference > 0.0,
        Direction::Down => difference < 0.0,
    };
    right_side && difference.abs() >= min_deviation.at(expected)
}

#[cfg(test)]
mod tests {
    use bellwether_series::Timestamp;

    use super::*;
    use crate::testing::Noise;

    fn bank(direction: Direction) -> Bank {
        let tables = Tables::default();
        Bank::new(&DetectorSpec::defaults(), MinDeviation::default(), direction, &tables)
    }

    fn judge(direction: Direction, spike: f64) -> f64 {
        let mut bank = bank(direction);
        let mut noise = Noise::new(9);
        let mut last = Judgement::WarmingUp;
        for index in 0..500 {
            let value = if index == 499 { spike } else { 100.0 + noise.normal() };
            let timestamp = Timestamp::from_ms(index * 60_000);
            let local = LocalTime::utc(timestamp);
            last = bank.observe(3, Sample { timestamp, value }, local, 60_000);
        }
        match last {
            Judgement::Scored { surprise, .. } => surprise,
            Judgement::WarmingUp => panic!("still warming up"),
        }
    }

    #[test]
    fn only_departures_on_the_right_side_count() {
        assert!(judge(Direction::Both, 150.0) > 5.0);
        assert!(judge(Direction::Up, 150.0) > 5.0);
        assert!(judge(Direction::Down, 150.0) < 0.5);
        assert!(judge(Direction::Down, 50.0) > 5.0);
    }

    #[test]
    fn a_departure_below_the_minimum_does_not_count_however_unlikely() {
        assert!(judge(Direction::Both, 100.0 * 1.015) < 0.5);
    }

    #[test]
    fn a_reset_series_starts_anew_and_leaves_its_neighbour_alone() {
        let mut bank = bank(Direction::Both);
        for index in 0..200 {
            let timestamp = Timestamp::from_ms(index * 60_000);
            let sample = Sample { timestamp, value: index as f64 };
            bank.observe(0, sample, LocalTime::utc(timestamp), 60_000);
            bank.observe(1, sample, LocalTime::utc(timestamp), 60_000);
        }
        let neighbour = bank.state_text(1);
        bank.reset(0);
        assert_eq!(bank.state_text(1), neighbour);
        assert_ne!(bank.state_text(0), neighbour);
    }

    #[test]
    fn a_series_fits_its_budget() {
        let bytes =
            size_of::<zscore::State>() + size_of::<iqr::State>() + size_of::<seasonal::State>();
        assert!(bytes <= 1400, "{bytes}");
    }
}
