//! Excursions: how much of an incident is learned.
//!
//! Rows of a surprise of 3 or more count up to about twice the length that excursions of this series usually have,
//! later ones not at all, so that an incident does not become ordinary, and yet the clusters in which dependent scores
//! come are counted as they are. An excursion of [`NEW_NORMAL_ROWS`] is the new normal. It is over after as many calm
//! rows as it had odd ones, so that an incident that flickers is one.
//!
//! State: 8 bytes.

use serde::{Deserialize, Serialize};

/// Surprise from which a score is part of an excursion.
const EXCURSION_SURPRISE: f64 = 3.0;
/// Rows of an excursion that count, in lengths of a usual one, besides the first.
const USUAL_LENGTHS: f32 = 1.0;
/// Calm rows after which an excursion is over, however long it was.
const CALM_ROWS_MAX: u16 = 60;
/// An excursion that lasts longer is the new normal.
pub const NEW_NORMAL_ROWS: u16 = 1440;

/// The present excursion, and how long excursions of this series usually are. 8 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct Excursion {
    /// Rows of a usual one.
    usual: f32,
    /// Odd rows of the present one, and calm ones since the last of them.
    odd: u16,
    calm: u16,
}

impl Default for Excursion {
    fn default() -> Self {
        Self { usual: 1.0, odd: 0, calm: 0 }
    }
}

impl Excursion {
    /// Whether there is none at present.
    #[inline]
    pub(crate) fn is_none(self) -> bool {
        self.odd == 0
    }

    /// Follows the excursion; whether the present row may be learned.
    #[inline]
    pub(crate) fn counts(&mut self, surprise: f64) -> bool {
        // Almost every row is calm, and none of an excursion.
        (surprise < EXCURSION_SURPRISE && self.odd == 0) || self.follow(surprise)
    }

    #[inline(never)]
    fn follow(&mut self, surprise: f64) -> bool {
        let rows_max = 1.0 + USUAL_LENGTHS * self.usual;
        if surprise >= EXCURSION_SURPRISE {
            self.odd = self.odd.saturating_add(1);
            self.calm = 0;
            return f32::from(self.odd) <= rows_max || self.odd > NEW_NORMAL_ROWS;
        }
        if self.odd > 0 {
            self.calm += 1;
            if self.calm >= self.odd.min(CALM_ROWS_MAX) {
                let rows = f32::from(self.odd).min(rows_max);
                self.usual += (rows - self.usual) / 16.0;
                (self.odd, self.calm) = (0, 0);
            }
        }
        true
    }
}
