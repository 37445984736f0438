//! A deep detector with the states of those series of a bank that have one.
//!
//! States are large and begin one by one, in contrast to the columns of the base tier.

use std::fmt::Write as _;

use serde::de::SeqAccess;
use serde::ser::SerializeTuple;
use serde::{Deserialize, Serialize};

use crate::autoencoder::Autoencoder;
use crate::bank::next;
use crate::calibrate::Calibration;
use crate::deep::DeepDetector;
use crate::isolation_forest::IsolationForest;
use crate::params::{DetectorName, DetectorSpec};
use crate::population::Population;
use crate::random_cut_forest::RandomCutForest;
use crate::seasonal_residual::SeasonalResidual;
use crate::subspace::LagSubspace;
use crate::verdict::Observation;

/// Scores of a series that count as much as what the population says.
const POPULATION_SAMPLES: f64 = 1000.0;

/// What a deep detector, or all of them together, says about one observation, as surprises.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Oddity {
    /// By the series' own past, as far as there is one.
    pub own: f64,
    /// By what series in general look like.
    pub population: f64,
}

/// Column of a detector of type `D`.
#[derive(Debug)]
pub(crate) struct Deep<D: DeepDetector> {
    detector: D,
    population: Population,
    seats: Vec<Option<Box<Seat<D::State>>>>,
    raw: Option<f64>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Seat<S> {
    state: S,
    calibration: Calibration,
}

impl<D: DeepDetector> Deep<D> {
    fn new(detector: D, population: Population) -> Self {
        Self { detector, population, seats: Vec::new(), raw: None }
    }

    fn seat_mut(&mut self, slot: usize) -> &mut Option<Box<Seat<D::State>>> {
        if slot >= self.seats.len() {
            self.seats.resize_with(slot + 1, || None);
        }
        &mut self.seats[slot]
    }

    fn reset(&mut self, slot: usize, seed: Option<u64>) {
        let begun = seed.map(|seed| {
            let state = self.detector.begin(seed);
            Box::new(Seat { state, calibration: Calibration::default() })
        });
        *self.seat_mut(slot) = begun;
    }

    fn observe(&mut self, slot: usize, observation: &Observation, weight: f64) -> Option<Oddity> {
        self.raw = None;
        let seat = self.seats.get_mut(slot)?.as_mut()?;
        self.raw = self.detector.score(&mut seat.state, observation, weight);
        let score = self.raw?;
        let samples = seat.calibration.samples();
        let own = seat.calibration.observe(score, weight)?;
        let population = self.population.surprise(score);
        let own =
            (samples * own + POPULATION_SAMPLES * population) / (samples + POPULATION_SAMPLES);
        Some(Oddity { own, population })
    }

    fn truncate(&mut self, slots: usize) {
        self.seats.truncate(slots);
        self.seats.shrink_to(2 * slots);
    }

    fn state_bytes(&self) -> usize {
        let seats = self.seats.iter().flatten();
        let heap = |seat: &Seat<D::State>| {
            self.detector.state_bytes(&seat.state) + size_of::<Calibration>()
        };
        self.seats.capacity() * size_of::<usize>() + seats.map(|seat| heap(seat)).sum::<usize>()
    }

    fn periods_ms(&self, slot: usize) -> Vec<i64> {
        let seat = self.seats.get(slot).and_then(Option::as_ref);
        seat.map_or_else(Vec::new, |seat| self.detector.periods_ms(&seat.state))
    }

    fn digest_into(&self, slot: usize, text: &mut String) {
        if let Some(Some(seat)) = self.seats.get(slot) {
            // Writing to a string never fails.
            _ = write!(text, "{:?}", seat.calibration);
        }
    }
}

/// The closed set of detectors of the deep tier.
#[derive(Debug)]
pub(crate) enum AnyDeep {
    Subspace(Deep<LagSubspace>),
    SeasonalResidual(Deep<SeasonalResidual>),
    RandomCutForest(Deep<RandomCutForest>),
    IsolationForest(Deep<IsolationForest>),
    Autoencoder(Deep<Autoencoder>),
}

/// `$body` with the column of whichever variant.
macro_rules! with_deep {
    ($any:expr, $column:ident => $body:expr) => {
        match $any {
            AnyDeep::Subspace($column) => $body,
            AnyDeep::SeasonalResidual($column) => $body,
            AnyDeep::RandomCutForest($column) => $body,
            AnyDeep::IsolationForest($column) => $body,
            AnyDeep::Autoencoder($column) => $body,
        }
    };
}

impl AnyDeep {
    /// `None` for a detector of the base tier, and for the autoencoder without a network.
    pub(crate) fn new(spec: DetectorSpec, autoencoder: Option<&Autoencoder>) -> Option<Self> {
        Some(match spec {
            DetectorSpec::Subspace => {
                Self::Subspace(Deep::new(LagSubspace, Population::LAG_SUBSPACE))
            }
            DetectorSpec::SeasonalResidual => {
                let population = Population::SEASONAL_RESIDUAL;
                Self::SeasonalResidual(Deep::new(SeasonalResidual, population))
            }
            DetectorSpec::RandomCutForest => {
                let population = Population::RANDOM_CUT_FOREST;
                Self::RandomCutForest(Deep::new(RandomCutForest, population))
            }
            DetectorSpec::IsolationForest => {
                Self::IsolationForest(Deep::new(IsolationForest, Population::ISOLATION_FOREST))
            }
            DetectorSpec::Autoencoder => {
                Self::Autoencoder(Deep::new(autoencoder.cloned()?, Population::AUTOENCODER))
            }
            _ => return None,
        })
    }

    pub(crate) fn name(&self) -> DetectorName {
        match self {
            Self::Subspace(_) => DetectorName::Subspace,
            Self::SeasonalResidual(_) => DetectorName::SeasonalResidual,
            Self::RandomCutForest(_) => DetectorName::RandomCutForest,
            Self::IsolationForest(_) => DetectorName::IsolationForest,
            Self::Autoencoder(_) => DetectorName::Autoencoder,
        }
    }

    /// Forgets what is in `slot`; begins anew if there is a `seed`.
    pub(crate) fn reset(&mut self, slot: usize, seed: Option<u64>) {
        with_deep!(self, column => column.reset(slot, seed));
    }

    /// Judges, then learns with `weight`. `None` while warming up, and without a state.
    pub(crate) fn observe(
        &mut self,
        slot: usize,
        observation: &Observation,
        weight: f64,
    ) -> Option<Oddity> {
        with_deep!(self, column => column.observe(slot, observation, weight))
    }

    /// The raw score of the newest observation, whichever series it was of; `None` while that warms up.
    pub(crate) fn raw(&self) -> Option<f64> {
        with_deep!(self, column => column.raw)
    }

    /// Gives back the memory behind the first `slots`.
    pub(crate) fn truncate(&mut self, slots: usize) {
        with_deep!(self, column => column.truncate(slots));
    }

    /// Bytes that the states occupy, with what they own.
    pub(crate) fn state_bytes(&self) -> usize {
        with_deep!(self, column => column.state_bytes())
    }

    /// The periods of the series in `slot`, in milliseconds, ascending.
    pub(crate) fn periods_ms(&self, slot: usize) -> Vec<i64> {
        with_deep!(self, column => column.periods_ms(slot))
    }

    /// What stands for the state in `slot`, as text: the calibration, to which every score of the past contributed.
    pub(crate) fn digest_into(&self, slot: usize, text: &mut String) {
        with_deep!(self, column => column.digest_into(slot, text));
    }

    /// Writes the state in `slot`.
    pub(crate) fn save<S: SerializeTuple>(
        &self,
        slot: usize,
        tuple: &mut S,
    ) -> Result<(), S::Error> {
        with_deep!(self, column => tuple.serialize_element(&column.seats.get(slot).and_then(Option::as_ref)))
    }

    /// Reads the state in `slot`.
    pub(crate) fn restore<'de, A: SeqAccess<'de>>(
        &mut self,
        slot: usize,
        parts: &mut A,
    ) -> Result<(), A::Error> {
        with_deep!(self, column => *column.seat_mut(slot) = next(parts)?);
        Ok(())
    }
}
