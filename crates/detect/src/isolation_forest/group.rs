//! All signals of a group as one row of features.

use super::evolving::{Evolving, Extent};
use crate::deep::GroupDetector;
use crate::subspace::follow::Follow;
use crate::subspace::standard::Standard;

/// Signals of a group beyond these are not looked at.
const SIGNALS_MAX: usize = 96;
/// Values that are kept of the past, whatever the width.
const VALUES_KEPT: usize = 12_288;
/// Rows that are kept at most.
const ROWS_MAX: usize = 1024;
const TREES: usize = 20;
const SAMPLE: usize = 64;
/// Rows that only locate and scale the signals.
const SETTLING_ROWS: u32 = 24;
/// Weight of one row in the score's average.
const FOLLOW_GAIN: f64 = 0.1;

/// Judges a row of aligned signals against the rows before it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct GroupForest;

/// What is known of a group's rows.
#[derive(Debug, Clone)]
pub struct GroupState {
    standards: Box<[Standard]>,
    forest: Evolving,
    follow: Follow,
    /// The present row, standardised; kept to spare an allocation per row.
    row: Box<[f32]>,
    settled: u32,
}

impl GroupDetector for GroupForest {
    type State = GroupState;

    fn begin(&self, width: usize, seed: u64) -> GroupState {
        let width = width.min(SIGNALS_MAX);
        let rows = (VALUES_KEPT / width.max(1)).min(ROWS_MAX);
        GroupState {
            standards: vec![Standard::default(); width].into(),
            forest: Evolving::new(Extent { width, rows, trees: TREES, sample: SAMPLE }, seed),
            follow: Follow::default(),
            row: vec![0.0; width].into(),
            settled: 0,
        }
    }

    fn score(&self, state: &mut GroupState, row: &[f64], weight: f64) -> Option<f64> {
        state.enter(row, weight);
        if state.settled < SETTLING_ROWS {
            state.settled += 1;
            return None;
        }
        let odd = state.forest.score(&state.row, weight)?;
        Some(state.follow.score(odd, FOLLOW_GAIN))
    }

    fn state_bytes(&self, state: &GroupState) -> usize {
        size_of::<GroupState>()
            + size_of_val(&*state.standards)
            + size_of_val(&*state.row)
            + state.forest.heap_bytes()
    }
}

impl GroupState {
    /// Standardises the row by the past of its signals, then teaches it to them.
    fn enter(&mut self, row: &[f64], weight: f64) {
        let signals = self.standards.iter_mut().zip(&mut self.row);
        // A value that is missing at the end of the row is missing like any other.
        for ((standard, number), &value) in
            signals.zip(row.iter().chain(std::iter::repeat(&f64::NAN)))
        {
            *number = 0.0;
            if value.is_finite() {
                *number = libm::asinh(standard.standardise(value, 0.0)) as f32;
                standard.learn(value, weight);
            }
        }
    }
}
