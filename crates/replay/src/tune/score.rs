//! What a candidate gave, by block of time and series.

use std::collections::BTreeMap;
use std::ops::AddAssign;

use super::candidate::Candidate;
use crate::plan::Alert;

/// Blocks of time that are scored.
pub const BLOCKS: usize = 4;

const DAY_MS: f64 = 86_400_000.0;

/// Labelled windows by series in Prometheus' notation, each its first and last moment in Unix milliseconds.
pub type Windows = BTreeMap<String, Vec<(i64, i64)>>;

/// How history is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Blocks {
    from_ms: i64,
    length_ms: i64,
}

impl Blocks {
    /// The blocks of history from `since_ms` to `until_ms`; `None` if it is shorter than a second a block.
    pub fn new(since_ms: i64, until_ms: i64) -> Option<Self> {
        let all_ms = until_ms.checked_sub(since_ms)?;
        let learned_ms = all_ms / 5;
        let length_ms = (all_ms - learned_ms) / BLOCKS as i64;
        (length_ms >= 1000).then_some(Self { from_ms: since_ms + learned_ms, length_ms })
    }

    /// Length of one of them in days.
    pub fn days(&self) -> f64 {
        self.length_ms as f64 / DAY_MS
    }

    /// The block of a moment; `None` before them. What comes behind the last belongs to it.
    fn of(&self, at_ms: i64) -> Option<usize> {
        let index = at_ms.checked_sub(self.from_ms)?.div_euclid(self.length_ms);
        usize::try_from(index).ok().map(|index| index.min(BLOCKS - 1))
    }
}

/// Counts of a series in a block, or of several.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Score {
    /// Labelled windows that begin in it.
    pub windows: u64,
    /// Those that an alert of their series overlaps.
    pub found: u64,
    /// Alerts that fired in it and overlap no window of their series; without labels all.
    pub false_alarms: u64,
}

impl Score {
    /// F1 of events, 0 to 1: precision is found windows by these and false alarms, recall is found windows by windows.
    pub fn f1(&self) -> f64 {
        let all = self.found + self.false_alarms + self.windows;
        if all == 0 { 1.0 } else { 2.0 * self.found as f64 / all as f64 }
    }
}

impl AddAssign for Score {
    fn add_assign(&mut self, other: Self) {
        self.windows += other.windows;
        self.found += other.found;
        self.false_alarms += other.false_alarms;
    }
}

/// What a candidate gave.
#[derive(Debug, Clone, PartialEq)]
pub struct Trial {
    /// The candidate.
    pub candidate: Candidate,
    /// Of each series with an alert or a window, by block.
    pub series: BTreeMap<String, [Score; BLOCKS]>,
}

impl Trial {
    /// Scores the alerts that `candidate` gave.
    pub fn new(candidate: Candidate, alerts: &[Alert], windows: &Windows, blocks: &Blocks) -> Self {
        let mut series: BTreeMap<String, [Score; BLOCKS]> = BTreeMap::new();
        let overlaps = |alert: &Alert, &(start_ms, end_ms): &(i64, i64)| {
            alert.starts_at_ms <= end_ms && alert.ends_at_ms.is_none_or(|end| end >= start_ms)
        };
        let mut by_series: BTreeMap<&str, Vec<&Alert>> = BTreeMap::new();
        for alert in alerts {
            by_series.entry(&alert.series).or_default().push(alert);
            let of_series = windows.get(&*alert.series).map_or(&[][..], Vec::as_slice);
            if let Some(block) = blocks.of(alert.fired_at_ms)
                && !of_series.iter().any(|window| overlaps(alert, window))
            {
                series.entry(alert.series.to_string()).or_default()[block].false_alarms += 1;
            }
        }
        for (name, windows) in windows {
            let alerts = by_series.get(name.as_str()).map_or(&[][..], Vec::as_slice);
            for window in windows {
                let Some(block) = blocks.of(window.0) else { continue };
                let score = &mut series.entry(name.clone()).or_default()[block];
                score.windows += 1;
                score.found += u64::from(alerts.iter().any(|alert| overlaps(alert, window)));
            }
        }
        Self { candidate, series }
    }

    /// All series together in one block.
    pub fn block(&self, block: usize) -> Score {
        let mut sum = Score::default();
        for scores in self.series.values() {
            sum += scores[block];
        }
        sum
    }

    /// All series together in all blocks.
    pub fn all(&self) -> Score {
        let mut sum = Score::default();
        for block in 0..BLOCKS {
            sum += self.block(block);
        }
        sum
    }
}
