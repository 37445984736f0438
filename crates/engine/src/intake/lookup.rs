//! Recognising a series by its label bytes: by a guess, by their hash, and when neither knows them by reading them.

use std::hash::BuildHasher;

use bellwether_series::{LabelSet, prefetch};
use foldhash::quality::SeedableRandomState;

use super::routing::sent_labels;
use super::tenants::{Stamp, StampPlace};
use super::{Entry, Intake, Refusal, Routed, Work};

/// So many series ahead labels are asked for: what a sample takes is less than what memory takes to answer.
const SERIES_AHEAD: usize = 4;

/// What label bytes mean.
#[derive(Debug, Clone, Copy)]
pub(super) enum Recognised {
    /// The series in this entry.
    Series(usize),
    /// Whatever a replica wrote that is not elected.
    Unelected,
}

impl Intake {
    /// What these label bytes mean in a request with this `stamp`. A series is created if it is new and may be, from a clone
    /// of `labels` if the caller has these bytes as a label set.
    #[inline]
    pub(super) fn recognise(
        &mut self,
        stamp: &Stamp<'_>,
        wire: &[u8],
        labels: Option<&LabelSet>,
        work: &mut [Work],
        routed: &mut Routed,
    ) -> Result<Recognised, Refusal> {
        let field = stamp.field();
        if let Some(Some(entry)) = self.entries.get(self.guess)
            && entry.is_meant(field, wire)
        {
            self.guess += 1;
            return Ok(Recognised::Series(self.guess - 1));
        }
        if let Some(recalled) = self.recall(None, field, wire) {
            return Ok(recalled);
        }
        let hash = hash(&self.hasher, field, wire);
        if let Some(index) = self.find(hash, |entry| entry.is_meant(field, wire)) {
            self.guess = index + 1;
            return Ok(Recognised::Series(index));
        }
        match self.recall(Some(hash), field, wire) {
            Some(recalled) => Ok(recalled),
            None => self.read(stamp, (wire, hash), labels, work, routed),
        }
    }

    /// Asks for the labels of a series that is expected to be meant soon.
    #[inline]
    pub(super) fn prefetch_labels(&self) {
        if let Some(Some(entry)) = self.entries.get(self.guess + SERIES_AHEAD) {
            prefetch(entry.labels.as_wire());
        }
    }

    fn find(&self, hash: u64, is_it: impl Fn(&Entry) -> bool) -> Option<usize> {
        let is_same = |index: usize| {
            let entry = self.entries.get(index).and_then(Option::as_ref);
            entry.is_some_and(&is_it)
        };
        self.table.find(hash, is_same)
    }

    /// As [`Intake::recognise`], by a look at the labels, which are not known by their `hash`.
    #[cold]
    fn read(
        &mut self,
        stamp: &Stamp<'_>,
        (wire, hash): (&[u8], u64),
        known: Option<&LabelSet>,
        work: &mut [Work],
        routed: &mut Routed,
    ) -> Result<Recognised, Refusal> {
        let labels = sent_labels(&self.settings, stamp, wire, known)?;
        if let Some(replica) = self.settings.ha.replica(&labels) {
            return self.hear_replica(stamp, (wire, &labels), replica, work, routed);
        }
        if labels.as_wire() == wire {
            // The canonical form, without a stamp: that is what was looked for.
            return self.create(labels, StampPlace::default(), hash, work).map(Recognised::Series);
        }
        self.find_or_create(labels, work).map(Recognised::Series)
    }

    pub(super) fn find_or_create(
        &mut self,
        labels: LabelSet,
        work: &mut [Work],
    ) -> Result<usize, Refusal> {
        // A sender that does not sort its labels, or sends empty ones, is found by the canonical form.
        let stamped = StampPlace::find(&self.settings, &labels).unwrap_or_default();
        let hash = hash_of_known(&self.hasher, stamped, &labels);
        match self.find(hash, |entry| entry.labels == labels) {
            Some(index) => Ok(index),
            None => self.create(labels, stamped, hash, work),
        }
    }
}

impl Entry {
    /// Whether a request whose stamp is `field` means this series by the labels `wire`.
    #[inline]
    fn is_meant(&self, field: &[u8], wire: &[u8]) -> bool {
        self.stamped.joins(self.labels.as_wire(), field, wire)
    }

    /// The hash under which it is found.
    pub(super) fn hash(&self, hasher: &SeedableRandomState) -> u64 {
        hash_of_known(hasher, self.stamped, &self.labels)
    }
}

/// Hash of label bytes in a request whose stamp is `field`, for look-up tables.
#[inline]
pub(super) fn hash(hasher: &SeedableRandomState, field: &[u8], wire: &[u8]) -> u64 {
    if field.is_empty() { hasher.hash_one(wire) } else { hasher.hash_one((field, wire)) }
}

/// The [`hash`] of what is sent for the series with these `labels`.
fn hash_of_known(hasher: &SeedableRandomState, stamped: StampPlace, labels: &LabelSet) -> u64 {
    let (before, field, after) = stamped.split(labels.as_wire());
    // Without a stamp there is nothing before it.
    if field.is_empty() {
        hash(hasher, field, after)
    } else {
        hash(hasher, field, &[before, after].concat())
    }
}
