//! Recognising a series by its label bytes: by a guess, by their hash, and when neither knows them by reading them.

use std::hash::BuildHasher;

use bellwether_series::{LabelError, LabelSet};
use foldhash::quality::SeedableRandomState;

use super::{Intake, Refusal, Routed, Work};
use crate::outcome::RejectReason;

/// What label bytes mean.
#[derive(Debug, Clone, Copy)]
pub(super) enum Recognised {
    /// The series in this entry.
    Series(usize),
    /// Whatever a replica wrote that is not elected.
    Unelected,
}

impl Intake {
    /// What these label bytes mean. A series is created if it is new and may be, from a clone of `labels` if the caller has
    /// these bytes as a label set.
    #[inline]
    pub(super) fn recognise(
        &mut self,
        wire: &[u8],
        labels: Option<&LabelSet>,
        work: &mut [Work],
        routed: &mut Routed,
    ) -> Result<Recognised, Refusal> {
        if let Some(Some(entry)) = self.entries.get(self.guess)
            && entry.labels.as_wire() == wire
        {
            self.guess += 1;
            return Ok(Recognised::Series(self.guess - 1));
        }
        if let Some(recalled) = self.recall(None, wire) {
            return Ok(recalled);
        }
        let hash = hash(&self.hasher, wire);
        if let Some(index) = self.find(hash, wire) {
            self.guess = index + 1;
            return Ok(Recognised::Series(index));
        }
        match self.recall(Some(hash), wire) {
            Some(recalled) => Ok(recalled),
            None => self.read(wire, labels, work, routed),
        }
    }

    fn find(&self, hash: u64, wire: &[u8]) -> Option<usize> {
        let is_same = |&index: &u32| {
            let entry = self.entries.get(index as usize).and_then(Option::as_ref);
            entry.is_some_and(|entry| entry.labels.as_wire() == wire)
        };
        self.table.find(hash, is_same).map(|&index| index as usize)
    }

    /// As [`Intake::recognise`], by a look at the labels.
    #[cold]
    fn read(
        &mut self,
        wire: &[u8],
        known: Option<&LabelSet>,
        work: &mut [Work],
        routed: &mut Routed,
    ) -> Result<Recognised, Refusal> {
        let labels = LabelSet::from_wire(wire, &self.settings.series.labels).map_err(|error| {
            let reason = match error {
                LabelError::TooMany { .. } | LabelError::TooLong { .. } => RejectReason::LabelLimit,
                _ => RejectReason::InvalidLabels,
            };
            (reason, error.to_string())
        })?;
        // Both are the same; a clone is known again without a look at its bytes.
        let labels = known.cloned().unwrap_or(labels);
        if let Some(replica) = self.settings.ha.replica(&labels) {
            return self.hear_replica((wire, &labels), replica, work, routed);
        }
        self.find_or_create(labels, work).map(Recognised::Series)
    }

    pub(super) fn find_or_create(
        &mut self,
        labels: LabelSet,
        work: &mut [Work],
    ) -> Result<usize, Refusal> {
        // A sender that does not sort its labels, or sends empty ones, is found by the canonical form.
        match self.find(hash(&self.hasher, labels.as_wire()), labels.as_wire()) {
            Some(index) => Ok(index),
            None => self.create(labels, work),
        }
    }
}

/// Hash of label bytes, for look-up tables.
#[inline]
pub(super) fn hash(hasher: &SeedableRandomState, wire: &[u8]) -> u64 {
    hasher.hash_one(wire)
}
