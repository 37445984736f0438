//! A deep detector with the states of those series of a bank that have one.
//!
//! States are large and begin one by one, in contrast to the columns of the base tier.

use std::fmt::{Debug, Write as _};

use crate::autoencoder::Autoencoder;
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

/// A column whatever its detector.
pub(crate) trait DeepColumn: Debug + Send {
    fn name(&self) -> DetectorName;

    /// Forgets what is in `slot`; begins anew if there is a `seed`.
    fn reset(&mut self, slot: usize, seed: Option<u64>);

    /// Judges, then learns with `weight`. `None` while warming up, and without a state.
    fn observe(&mut self, slot: usize, observation: &Observation, weight: f64) -> Option<Oddity>;

    /// The raw score of the newest observation, whichever series it was of; `None` while that warms up.
    fn raw(&self) -> Option<f64>;

    /// Bytes that the states occupy, with what they own.
    fn state_bytes(&self) -> usize;

    /// The periods of the series in `slot`, in milliseconds, ascending.
    fn periods_ms(&self, slot: usize) -> Vec<i64>;

    /// What stands for the state in `slot`, as text: the calibration, to which every score of the past contributed.
    fn digest_into(&self, slot: usize, text: &mut String);
}

/// Column of a detector of type `D`.
#[derive(Debug)]
pub(crate) struct Deep<D: DeepDetector> {
    name: DetectorName,
    detector: D,
    population: Population,
    seats: Vec<Option<Box<Seat<D::State>>>>,
    raw: Option<f64>,
}

#[derive(Debug)]
struct Seat<S> {
    state: S,
    calibration: Calibration,
}

impl<D: DeepDetector> Deep<D> {
    pub(crate) fn new(name: DetectorName, detector: D, population: Population) -> Self {
        Self { name, detector, population, seats: Vec::new(), raw: None }
    }
}

impl<D> DeepColumn for Deep<D>
where
    D: DeepDetector + Debug + Send,
    D::State: Send,
{
    fn name(&self) -> DetectorName {
        self.name
    }

    fn reset(&mut self, slot: usize, seed: Option<u64>) {
        if slot >= self.seats.len() {
            self.seats.resize_with(slot + 1, || None);
        }
        self.seats[slot] = seed.map(|seed| {
            let state = self.detector.begin(seed);
            Box::new(Seat { state, calibration: Calibration::default() })
        });
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

    fn raw(&self) -> Option<f64> {
        self.raw
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

/// The column of a detector of the deep tier; `None` for the others.
pub(crate) fn deep_column(
    spec: DetectorSpec,
    autoencoder: Option<&Autoencoder>,
) -> Option<Box<dyn DeepColumn>> {
    let name = spec.name();
    Some(match spec {
        DetectorSpec::Subspace => Box::new(Deep::new(name, LagSubspace, Population::LAG_SUBSPACE)),
        DetectorSpec::SeasonalResidual => {
            Box::new(Deep::new(name, SeasonalResidual, Population::SEASONAL_RESIDUAL))
        }
        DetectorSpec::RandomCutForest => {
            Box::new(Deep::new(name, RandomCutForest, Population::RANDOM_CUT_FOREST))
        }
        DetectorSpec::IsolationForest => {
            Box::new(Deep::new(name, IsolationForest, Population::ISOLATION_FOREST))
        }
        DetectorSpec::Autoencoder => {
            Box::new(Deep::new(name, autoencoder.cloned()?, Population::AUTOENCODER))
        }
        _ => return None,
    })
}
