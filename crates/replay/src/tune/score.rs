//! What a candidate gave, by block of time and series.

use std::collections::BTreeMap;
use std::ops::AddAssign;

use serde::{Deserialize, Serialize};

/// Blocks of time that are scored.
pub const BLOCKS: usize = 4;

const DAY_MS: f64 = 86_400_000.0;

/// How history is cut. The part before the first block is only learned from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Blocks {
    from_ms: i64,
    length_ms: i64,
}

impl Blocks {
    /// The blocks of history from `since_ms` to `until_ms`, of which the first fifth is only learned from; `None` if it is
    /// shorter than a second a block.
    pub fn new(since_ms: i64, until_ms: i64) -> Option<Self> {
        let all_ms = until_ms.checked_sub(since_ms)?;
        Self::behind(since_ms.checked_add(all_ms / 5)?, until_ms)
    }

    /// The blocks from `learned_ms`, up to which is only learned, to `until_ms`; `None` if they are shorter than a second each.
    pub fn behind(learned_ms: i64, until_ms: i64) -> Option<Self> {
        let length_ms = until_ms.checked_sub(learned_ms)? / BLOCKS as i64;
        (length_ms >= 1000).then_some(Self { from_ms: learned_ms, length_ms })
    }

    /// Length of one of them in days.
    pub fn days(&self) -> f64 {
        self.length_ms as f64 / DAY_MS
    }

    /// The block of a moment; `None` before them. What comes behind the last belongs to it.
    pub fn of(&self, at_ms: i64) -> Option<usize> {
        let index = at_ms.checked_sub(self.from_ms)?.div_euclid(self.length_ms);
        usize::try_from(index).ok().map(|index| index.min(BLOCKS - 1))
    }

    /// Where the first `blocks` of them end, in Unix milliseconds; the end of time for all.
    pub fn end_ms(&self, blocks: usize) -> i64 {
        if blocks >= BLOCKS { i64::MAX } else { self.start_ms(blocks) }
    }

    /// Where `block` begins, in Unix milliseconds.
    pub fn start_ms(&self, block: usize) -> i64 {
        self.from_ms.saturating_add(self.length_ms.saturating_mul(block as i64))
    }

    /// Length of one of them, in milliseconds.
    pub fn length_ms(&self) -> i64 {
        self.length_ms
    }
}

/// Counts of a series in a block, or of several.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Score {
    /// Windows, labelled or of a fault that was put in, that begin in it.
    pub windows: u64,
    /// Those that an alert of their series overlaps.
    pub found: u64,
    /// Alerts that fired in it and overlap no window.
    pub false_alarms: u64,
}

impl Score {
    /// F1 of events, 0 to 1: precision is found windows by these and false alarms, recall is found windows by windows.
    pub fn f1(&self) -> f64 {
        let all = self.found + self.false_alarms + self.windows;
        if all == 0 { 1.0 } else { 2.0 * self.found as f64 / all as f64 }
    }

    /// The share of the windows that was found, 0 to 1; 1 where there is none.
    pub fn recall(&self) -> f64 {
        if self.windows == 0 { 1.0 } else { self.found as f64 / self.windows as f64 }
    }
}

impl AddAssign for Score {
    fn add_assign(&mut self, other: Self) {
        self.windows += other.windows;
        self.found += other.found;
        self.false_alarms += other.false_alarms;
    }
}

/// What a candidate gave on a share of the input.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Trial {
    /// Of each series with an alert or a window, by block.
    pub series: BTreeMap<String, [Score; BLOCKS]>,
    /// Days of each block, by which the limit on alarms counts: those of a share are as many as its share of the whole. 0 for
    /// blocks that were not replayed.
    pub days: [f64; BLOCKS],
}

impl Trial {
    /// Counts the windows of a series, of which `found` says which were.
    pub fn add_windows(&mut self, series: &str, blocks: &Blocks, found: &[((i64, i64), bool)]) {
        for &((start_ms, _), is_found) in found {
            let Some(block) = blocks.of(start_ms).filter(|&block| self.days[block] > 0.0) else {
                continue;
            };
            let score = &mut self.series.entry(series.to_owned()).or_default()[block];
            score.windows += 1;
            score.found += u64::from(is_found);
        }
    }

    /// Counts an alert of a series that fired at `fired_ms` and overlaps no window.
    pub fn add_false_alarm(&mut self, series: &str, blocks: &Blocks, fired_ms: i64) {
        if let Some(block) = blocks.of(fired_ms).filter(|&block| self.days[block] > 0.0) {
            self.series.entry(series.to_owned()).or_default()[block].false_alarms += 1;
        }
    }

    /// All series together in one block.
    pub fn block(&self, block: usize) -> Score {
        self.sum(&[block])
    }

    /// All series together in some blocks.
    pub fn sum(&self, blocks: &[usize]) -> Score {
        let mut sum = Score::default();
        for scores in self.series.values() {
            for &block in blocks {
                sum += scores[block];
            }
        }
        sum
    }

    /// Blocks that were replayed.
    pub fn covered(&self) -> Vec<usize> {
        (0..BLOCKS).filter(|&block| self.days[block] > 0.0).collect()
    }

    /// False alarms a day in the blocks that were replayed.
    pub fn false_alarms_per_day(&self) -> f64 {
        let days: f64 = self.days.iter().sum();
        self.sum(&self.covered()).false_alarms as f64 / days.max(f64::MIN_POSITIVE)
    }

    /// False alarms a day in the block in which there are most.
    pub fn worst_per_day(&self) -> f64 {
        let of = |block: usize| self.block(block).false_alarms as f64 / self.days[block];
        self.covered().into_iter().map(of).fold(0.0, f64::max)
    }
}
