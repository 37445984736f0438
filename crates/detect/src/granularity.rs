//! Granularity: the typical size of a change of a series.
//!
//! A series that mostly stands still and now and then moves by one (errors a minute, a short queue) has a
//! deviation near zero between its moves, so its next ordinary move would look like a gross fault. The
//! mean size of its own non-zero moves says what an ordinary move is; no detector's scale falls below half
//! of that, once moves have been seen often enough to be ordinary. On noise, where nearly every sample
//! moves, the floor lies below the deviation and changes nothing.
//!
//! Of an excursion only the move that ends it is learned, so that `up` falling to 0 stays a surprise as
//! long as it is down, and the next time as well.
//!
//! State: 16 bytes. Moves are learned as at most four times the present mean, with a memory of 50 moves
//! and some 20,000 samples.

use serde::{Deserialize, Serialize};

use crate::number::{larger, smaller};

/// Half of an ordinary move is the smallest scale.
const FLOOR_SHARE: f64 = 0.5;
/// After so many moves the floor has reached half of its height.
const MOVES_TO_BELIEVE: f64 = 10.0;
/// Memory in moves and in samples.
const MOVES_MAX: f32 = 50.0;
const MEMORY_SAMPLES: f32 = 20_000.0;
/// Moves count as at most this many ordinary ones.
const MOVE_MAX: f64 = 4.0;

/// The last value and the mean of the non-zero moves.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct Granularity {
    /// Not a number before the first value.
    last: f64,
    mean_move: f32,
    moves: f32,
}

impl Default for Granularity {
    fn default() -> Self {
        Self { last: f64::NAN, mean_move: 0.0, moves: 0.0 }
    }
}

impl Granularity {
    /// The smallest scale that past moves justify, in the unit of the signal; 0 if it never moved.
    #[inline]
    pub(crate) fn floor(&self) -> f64 {
        let moves = f64::from(self.moves);
        FLOOR_SHARE * f64::from(self.mean_move) * moves / (moves + MOVES_TO_BELIEVE)
    }

    /// Learns a value; the move that leads to it counts only if it `is_calm`.
    #[inline]
    pub(crate) fn learn(&mut self, value: f64, is_calm: bool) {
        let moved = (value - self.last).abs();
        self.last = value;
        self.moves *= 1.0 - 1.0 / MEMORY_SAMPLES;
        if !is_calm || moved == 0.0 || moved.is_nan() {
            return;
        }
        let mean = f64::from(self.mean_move);
        let moved = if self.mean_move > 0.0 { smaller(moved, MOVE_MAX * mean) } else { moved };
        self.moves = smaller(self.moves + 1.0, MOVES_MAX);
        self.mean_move += ((moved - mean) / larger(f64::from(self.moves), 1.0)) as f32;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn standing_still_teaches_nothing_and_a_burst_only_so_much() {
        let mut granularity = Granularity::default();
        granularity.learn(7.0, true);
        granularity.learn(7.0, true);
        assert!(granularity.floor().abs() < 1e-12);
        for _ in 0..100 {
            granularity.learn(8.0, true);
            granularity.learn(7.0, true);
        }
        assert!((granularity.floor() - 0.5 * 50.0 / 60.0).abs() < 1e-3);
        granularity.learn(1e9, true);
        assert!(granularity.floor() < 1.0);
    }

    #[test]
    fn the_moves_of_an_excursion_do_not_count_but_for_the_one_that_ends_it() {
        let mut granularity = Granularity::default();
        granularity.learn(1.0, true);
        for _ in 0..20 {
            granularity.learn(0.0, false);
            granularity.learn(5.0, false);
        }
        assert!(granularity.floor().abs() < 1e-12);
        granularity.learn(1.0, true);
        assert!((granularity.floor() - 0.5 * 4.0 / 11.0).abs() < 1e-3);
    }
}
