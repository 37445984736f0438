//! The deep tier as a list, so that a law is written once and holds for all.

use bellwether_series::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::autoencoder::Autoencoder;
use crate::deep::{DeepDetector, GroupDetector};
use crate::isolation_forest::{GroupForest, IsolationForest};
use crate::local_time::LocalTime;
use crate::random_cut_forest::RandomCutForest;
use crate::seasonal_residual::SeasonalResidual;
use crate::subspace::{GroupSubspace, LagSubspace};
use crate::verdict::Observation;

/// Signals of a group.
pub(crate) const GROUP: usize = 3;

/// What a series, or a group of [`GROUP`], brings at one time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Moment {
    pub(crate) at_ms: i64,
    pub(crate) interval_ms: i64,
    /// A series has the first of them.
    pub(crate) values: [f64; GROUP],
    pub(crate) scale_floor: f64,
    pub(crate) weight: f64,
}

/// A detector with the state of one series or group.
pub(crate) trait Subject {
    fn score(&mut self, moment: &Moment) -> Option<f64>;

    /// The same with a copy of the state.
    fn fork(&self) -> Box<dyn Subject>;

    /// The same with a state that was written and read back, and the bytes.
    fn reread(&self) -> (Box<dyn Subject>, Vec<u8>);

    /// The same with the state that these bytes are, if they are one.
    fn read(&self, bytes: &[u8]) -> Option<Box<dyn Subject>>;

    /// Bytes that the state occupies.
    fn state_bytes(&self) -> usize;
}

#[derive(Clone)]
struct Signal<D, S>(D, S);

impl<D> Subject for Signal<D, D::State>
where
    D: DeepDetector + Clone + 'static,
    D::State: Clone + 'static,
{
    fn score(&mut self, moment: &Moment) -> Option<f64> {
        let Moment { at_ms, interval_ms, values: [value, ..], scale_floor, weight } = *moment;
        let timestamp = Timestamp::from_ms(at_ms);
        let local = LocalTime::utc(timestamp);
        let observation = Observation { timestamp, local, value, interval_ms, scale_floor };
        self.0.score(&mut self.1, &observation, weight)
    }

    fn fork(&self) -> Box<dyn Subject> {
        Box::new(self.clone())
    }

    fn reread(&self) -> (Box<dyn Subject>, Vec<u8>) {
        let (state, bytes) = reread(&self.1);
        (Box::new(Self(self.0.clone(), state)), bytes)
    }

    fn read(&self, bytes: &[u8]) -> Option<Box<dyn Subject>> {
        let state = postcard::from_bytes(bytes).ok()?;
        Some(Box::new(Self(self.0.clone(), state)))
    }

    fn state_bytes(&self) -> usize {
        self.0.state_bytes(&self.1)
    }
}

fn reread<S: Serialize + DeserializeOwned>(state: &S) -> (S, Vec<u8>) {
    let bytes = postcard::to_stdvec(state).expect("memory is enough");
    let (read, rest) = postcard::take_from_bytes(&bytes).expect("it is as it was written");
    assert!(rest.is_empty());
    (read, bytes)
}

#[derive(Clone)]
struct Group<D, S>(D, S);

impl<D> Subject for Group<D, D::State>
where
    D: GroupDetector + Clone + 'static,
    D::State: Clone + 'static,
{
    fn score(&mut self, moment: &Moment) -> Option<f64> {
        self.0.score(&mut self.1, &moment.values, moment.weight)
    }

    fn fork(&self) -> Box<dyn Subject> {
        Box::new(self.clone())
    }

    fn reread(&self) -> (Box<dyn Subject>, Vec<u8>) {
        let (state, bytes) = reread(&self.1);
        (Box::new(Self(self.0.clone(), state)), bytes)
    }

    fn read(&self, bytes: &[u8]) -> Option<Box<dyn Subject>> {
        let state = postcard::from_bytes(bytes).ok()?;
        Some(Box::new(Self(self.0.clone(), state)))
    }

    fn state_bytes(&self) -> usize {
        self.0.state_bytes(&self.1)
    }
}

/// A detector that has seen nothing, and what it promises.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) subject: Box<dyn Subject>,
    pub(crate) is_group: bool,
    /// The largest score that there is.
    pub(crate) score_max: f64,
    /// By how much of itself a score may move when the origin does; `None` without such a promise.
    pub(crate) origin_tolerance: Option<f64>,
    /// What a constant scores at most, and its first move at least.
    pub(crate) constant_max: f64,
    pub(crate) move_min: f64,
}

impl Case {
    fn signal<D>(name: &'static str, detector: D, seed: u64) -> Self
    where
        D: DeepDetector + Clone + 'static,
        D::State: Clone + 'static,
    {
        let state = detector.begin(seed);
        Self::new(name, Box::new(Signal(detector, state)), false)
    }

    fn group<D>(name: &'static str, detector: D, seed: u64) -> Self
    where
        D: GroupDetector + Clone + 'static,
        D::State: Clone + 'static,
    {
        let state = detector.begin(GROUP, seed);
        Self::new(name, Box::new(Group(detector, state)), true)
    }

    fn new(name: &'static str, subject: Box<dyn Subject>, is_group: bool) -> Self {
        let (score_max, origin_tolerance) = (1e4, None);
        let (constant_max, move_min) = (1e-9, 10.0);
        Self { name, subject, is_group, score_max, origin_tolerance, constant_max, move_min }
    }
}

/// All detectors of the deep tier, for a signal and for a group.
pub(crate) fn deep_tier(seed: u64) -> Vec<Case> {
    let autoencoder = Autoencoder::shipped().expect("the weights are sound");
    let forest = (1.0 + 1e-6, 1e3);
    let cases = [
        (Case::signal("subspace", LagSubspace, seed), 1e4, Some(1e-3), (1e-9, 10.0)),
        (Case::signal("seasonal_residual", SeasonalResidual, seed), 14.0, None, (1e-9, 1.0)),
        (Case::signal("random_cut_forest", RandomCutForest, seed), 8.0, None, (0.6, 3.0)),
        (Case::signal("isolation_forest", IsolationForest, seed), 1e4, None, forest),
        (Case::signal("autoencoder", autoencoder, seed), 100.0, Some(1e-3), (1.0, 5.0)),
        (Case::group("subspace of a group", GroupSubspace, seed), 1e4, Some(1e-3), (1e-9, 1.0)),
        (Case::group("isolation_forest of a group", GroupForest, seed), 1e4, None, forest),
    ];
    let promise = |(case, score_max, origin_tolerance, (constant_max, move_min))| Case {
        score_max,
        origin_tolerance,
        constant_max,
        move_min,
        ..case
    };
    cases.map(promise).into()
}
