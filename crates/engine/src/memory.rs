//! What memory is used for.

use std::collections::BTreeMap;

/// Bytes by what they are for: `labels`, `look_up`, `series`, `calibration`, `groups`, `cold`, or the name of a detector.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MemoryUse(BTreeMap<&'static str, usize>);

impl MemoryUse {
    /// Adds `bytes` to those of `kind`.
    pub fn add(&mut self, kind: &'static str, bytes: usize) {
        *self.0.entry(kind).or_default() += bytes;
    }

    /// Adds all of `other`.
    pub fn merge(&mut self, other: &Self) {
        other.iter().for_each(|(kind, bytes)| self.add(kind, bytes));
    }

    /// Each kind of which there is something, with its bytes.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, usize)> {
        self.0.iter().map(|(&kind, &bytes)| (kind, bytes)).filter(|(_, bytes)| *bytes > 0)
    }

    /// All of them.
    pub fn total(&self) -> usize {
        self.0.values().sum()
    }
}
