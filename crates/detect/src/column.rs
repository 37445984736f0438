//! Detectors of the base tier that give verdicts of their own, each with the flat states of all series that it judges.

use std::mem::size_of;

use bellwether_series::prefetch_first;
use serde::Serialize;
use serde::de::SeqAccess;
use serde::ser::SerializeTuple;

use crate::absent::Absent;
use crate::bank::next;
use crate::changepoint::Changepoint;
use crate::flatline::Flatline;
use crate::forecast::Exhaustion;
use crate::params::{DetectorName, DetectorSpec, MinDeviation};
use crate::profile::SignalClass;
use crate::scatter::Scatter;
use crate::tail::Tail;
use crate::threshold::Threshold;
use crate::trend::Trend;
use crate::verdict::{Detector, Observation, Verdict};

/// Bytes of an allocation of states: a fleet of a few series wastes little, a large one does not copy to
/// grow, and allocators keep a size class of just this.
const CHUNK_BYTES: usize = 16 * 1024;

/// States in chunks, so that growing neither copies nor doubles.
#[derive(Debug)]
pub(crate) struct States<T>(Vec<Box<[T]>>);

impl<T> Default for States<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T: Copy + Default> States<T> {
    /// A detector may keep nothing at all.
    const CHUNK: usize = CHUNK_BYTES / if size_of::<T>() == 0 { 1 } else { size_of::<T>() };

    #[inline]
    pub(crate) fn at(&mut self, slot: usize) -> &mut T {
        // Slots fit into 32 bits, of which a division by a constant is shorter.
        let (slot, length) = (slot as u32, Self::CHUNK as u32);
        let (chunk, place) = ((slot / length) as usize, (slot % length) as usize);
        if chunk >= self.0.len() {
            return self.grown_to(chunk, place);
        }
        &mut self.0[chunk][place]
    }

    /// Asks for the first `bytes` of the state in `slot`, which will be needed soon.
    #[inline]
    pub(crate) fn prefetch(&self, slot: usize, bytes: usize) {
        let (slot, length) = (slot as u32, Self::CHUNK as u32);
        let (chunk, place) = ((slot / length) as usize, (slot % length) as usize);
        if let Some(state) = self.0.get(chunk).and_then(|chunk| chunk.get(place)) {
            prefetch_first(state, bytes);
        }
    }

    #[cold]
    #[inline(never)]
    fn grown_to(&mut self, chunk: usize, place: usize) -> &mut T {
        self.0.resize_with(chunk + 1, || vec![T::default(); Self::CHUNK].into_boxed_slice());
        &mut self.0[chunk][place]
    }

    /// Writes the state in `slot`.
    pub(crate) fn save<S: SerializeTuple>(&self, slot: usize, tuple: &mut S) -> Result<(), S::Error>
    where
        T: Serialize,
    {
        let state = self.0.get(slot / Self::CHUNK).and_then(|chunk| chunk.get(slot % Self::CHUNK));
        tuple.serialize_element(state.unwrap_or(&T::default()))
    }

    /// Gives back the memory behind the first `slots`.
    pub(crate) fn truncate(&mut self, slots: usize) {
        self.0.truncate(slots.div_ceil(Self::CHUNK));
    }

    pub(crate) fn bytes(&self) -> usize {
        self.0.len() * Self::CHUNK * size_of::<T>()
    }
}

/// One detector and the states of all series that it judges.
#[derive(Debug)]
pub(crate) struct Column<D: Detector> {
    detector: D,
    states: States<D::State>,
}

impl<D: Detector> Column<D> {
    fn new(detector: D) -> Self {
        Self { detector, states: States::default() }
    }

    // One of its own for each detector: what finds a slot would be worked out for all of them at once otherwise.
    #[inline(never)]
    fn observe(&mut self, slot: usize, observation: &Observation, verdict: &mut Verdict) {
        *verdict = self.detector.observe(self.states.at(slot), observation);
    }

    fn reset(&mut self, slot: usize) {
        *self.states.at(slot) = D::State::default();
    }
}

/// The closed set of detectors of the base tier.
#[derive(Debug)]
pub(crate) enum AnyColumn {
    Exhaustion(Column<Exhaustion>),
    Changepoint(Column<Changepoint>),
    Trend(Column<Trend>),
    Scatter(Column<Scatter>),
    Flatline(Column<Flatline>),
    Absent(Column<Absent>),
    Threshold(Column<Threshold>),
}

/// `$body` with the column of whichever variant.
macro_rules! with_column {
    ($any:expr, $column:ident => $body:expr) => {
        match $any {
            AnyColumn::Exhaustion($column) => $body,
            AnyColumn::Changepoint($column) => $body,
            AnyColumn::Trend($column) => $body,
            AnyColumn::Scatter($column) => $body,
            AnyColumn::Flatline($column) => $body,
            AnyColumn::Absent($column) => $body,
            AnyColumn::Threshold($column) => $body,
        }
    };
}

impl AnyColumn {
    /// `None` for a predictor and for a detector of the deep tier.
    pub(crate) fn new(
        spec: DetectorSpec,
        min_deviation: MinDeviation,
        tail: &Tail,
    ) -> Option<Self> {
        let tail = tail.clone();
        Some(match spec {
            DetectorSpec::Exhaustion(params) => {
                Self::Exhaustion(Column::new(Exhaustion::new(params, min_deviation, tail)))
            }
            DetectorSpec::Changepoint(params) => {
                Self::Changepoint(Column::new(Changepoint::new(params, min_deviation)))
            }
            DetectorSpec::Scatter => Self::Scatter(Column::new(Scatter::new(min_deviation))),
            DetectorSpec::Trend => Self::Trend(Column::new(Trend::new(min_deviation))),
            DetectorSpec::Flatline(params) => {
                Self::Flatline(Column::new(Flatline::new(params, min_deviation)))
            }
            DetectorSpec::Absent(params) => {
                Self::Absent(Column::new(Absent::new(params, min_deviation)))
            }
            DetectorSpec::Threshold(params) => Self::Threshold(Column::new(Threshold::new(params))),
            DetectorSpec::Zscore(_)
            | DetectorSpec::Iqr(_)
            | DetectorSpec::Seasonal(_)
            | DetectorSpec::Forecast(_)
            | DetectorSpec::Subspace
            | DetectorSpec::SeasonalResidual
            | DetectorSpec::RandomCutForest
            | DetectorSpec::IsolationForest
            | DetectorSpec::Autoencoder => return None,
        })
    }

    pub(crate) fn name(&self) -> DetectorName {
        match self {
            Self::Exhaustion(_) => DetectorName::Exhaustion,
            Self::Changepoint(_) => DetectorName::Changepoint,
            Self::Trend(_) => DetectorName::Trend,
            Self::Scatter(_) => DetectorName::Scatter,
            Self::Flatline(_) => DetectorName::Flatline,
            Self::Absent(_) => DetectorName::Absent,
            Self::Threshold(_) => DetectorName::Threshold,
        }
    }

    /// Whether a verdict is about how far the value is from what was expected, so that a small departure does not
    /// count. A series that is stuck, or about to run full, need not depart from anything.
    pub(crate) fn judges_departure(&self) -> bool {
        !matches!(
            self,
            Self::Scatter(_)
                | Self::Exhaustion(_)
                | Self::Flatline(_)
                | Self::Absent(_)
                | Self::Threshold(_)
        )
    }

    /// Whether it judges signals of `class` where a rule names no detectors.
    pub(crate) fn judges(&self, class: SignalClass, is_deep: bool) -> bool {
        let name = self.name();
        name.suits(class) && (name.is_for_deep() || !is_deep)
    }

    /// Puts the verdict about an observation of the series in `slot` into `verdict`.
    #[inline]
    pub(crate) fn observe(
        &mut self,
        slot: usize,
        observation: &Observation,
        verdict: &mut Verdict,
    ) {
        with_column!(self, column => column.observe(slot, observation, verdict));
    }

    pub(crate) fn reset(&mut self, slot: usize) {
        with_column!(self, column => column.reset(slot));
    }

    /// Writes the state in `slot`.
    pub(crate) fn save<S: SerializeTuple>(
        &self,
        slot: usize,
        tuple: &mut S,
    ) -> Result<(), S::Error> {
        with_column!(self, column => column.states.save(slot, tuple))
    }

    /// Reads the state in `slot`.
    pub(crate) fn restore<'de, A: SeqAccess<'de>>(
        &mut self,
        slot: usize,
        parts: &mut A,
    ) -> Result<(), A::Error> {
        with_column!(self, column => *column.states.at(slot) = next(parts)?);
        Ok(())
    }

    /// Gives back the memory behind the first `slots`.
    pub(crate) fn truncate(&mut self, slots: usize) {
        with_column!(self, column => column.states.truncate(slots));
    }

    pub(crate) fn bytes(&self) -> usize {
        with_column!(self, column => column.states.bytes())
    }

    pub(crate) fn digest_into(&mut self, slot: usize, text: &mut String) {
        use std::fmt::Write as _;
        // Debug prints every field of a state, floats in full precision; writing to a string never fails.
        _ = with_column!(self, column => write!(text, "{:?}", column.states.at(slot)));
    }
}
