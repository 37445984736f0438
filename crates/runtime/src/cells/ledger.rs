//! Who owns a partition, and what was learned of it: claims and checkpoints as objects that are created once and never changed.
//!
//! ```text
//! FOLDER/claim-EPOCH                   JSON: which checkpoint this epoch begins with, or that it begins with none
//! FOLDER/checkpoint-EPOCH-GENERATION   a checkpoint that the owner of that epoch made
//! FOLDER/created-once                  empty: whoever claims tries to create it again, and must not succeed
//! ```
//!
//! Whoever takes a partition over claims the next epoch. Whoever comes after that begins with the newest checkpoint of the
//! highest epoch, and when that has none, with the one that its claim names. So a checkpoint that an owner of an earlier epoch
//! writes once the next one is claimed is read by nobody, however late it comes and whatever that owner believes.

use std::collections::BTreeSet;
use std::sync::Arc;

use bellwether_series::Timestamp;
use serde::{Deserialize, Serialize};

use super::objects::{Objects, ObjectsError};
use super::snapshot::{Snapshot, SnapshotError};
use crate::checkpoint::CheckpointError;
use crate::source::TopicPartition;

/// Name of the object on which it is tried whether the store creates what is there already.
const CREATED_ONCE: &str = "created-once";
/// Times that a claim is tried when others claim at the same time.
const CLAIMS_MAX: usize = 10;
/// Claims that are read to say who may not have finished.
const CLAIMANTS_MAX: usize = 32;
/// Epochs and generations are below this, so that one number can say both.
const NUMBER_MAX: u64 = 1 << 32;

/// Which checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CheckpointName {
    epoch: u64,
    generation: u64,
}

impl CheckpointName {
    fn text(self) -> String {
        format!("checkpoint-{:010}-{:010}", self.epoch, self.generation)
    }

    fn parse(name: &str) -> Option<Self> {
        let (epoch, generation) = name.strip_prefix("checkpoint-")?.split_once('-')?;
        let parsed = Self { epoch: number(epoch)?, generation: number(generation)? };
        (parsed.text() == name).then_some(parsed)
    }

    /// What the object itself says that it is, so that one under a wrong name does not verify.
    fn number(self) -> u64 {
        self.epoch * NUMBER_MAX + self.generation
    }
}

fn number(digits: &str) -> Option<u64> {
    digits.parse().ok().filter(|&number| number < NUMBER_MAX)
}

fn claim_text(epoch: u64) -> String {
    format!("claim-{epoch:010}")
}

fn parse_claim(name: &str) -> Option<u64> {
    let epoch = number(name.strip_prefix("claim-")?)?;
    (claim_text(epoch) == name).then_some(epoch)
}

/// A claim, as it is written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Claim {
    /// The checkpoint that the epoch begins with; none: it begins with the partition's start.
    base: Option<CheckpointName>,
    /// Without one, where the sinks stood when the first of all epochs without one began.
    marks: String,
    /// Who claims; no two claims say the same.
    claimant: String,
    claimed_at_ms: i64,
}

/// Why a partition cannot be had, or its state not be kept.
#[derive(Debug, thiserror::Error)]
pub(super) enum LedgerError {
    /// To be tried again.
    #[error(transparent)]
    Objects(#[from] ObjectsError),
    /// Somebody else owns the partition: nothing more may be done with it.
    #[error("another worker has claimed the partition: epoch=`{epoch}`, highest=`{highest}`")]
    Fenced {
        /// Ours.
        epoch: u64,
        /// Theirs.
        highest: u64,
    },
    /// Two workers could claim the same epoch there. Another store is to be configured.
    #[error(
        "store creates objects where there are some, so it does not keep workers apart: path=`{path}`"
    )]
    Overwrites {
        /// The object.
        path: String,
    },
    /// Others claim at the same time, again and again. To be tried again.
    #[error("others claim the partition at the same time")]
    Contended,
    /// Another version wrote what is there; falling back past it would be to forget what it knows.
    #[error("object cannot be understood: path=`{path}`: {reason}")]
    NotUnderstood {
        /// The object.
        path: String,
        /// Why.
        reason: String,
    },
    /// It was not asked for in time where the sinks stand. To be tried again.
    #[error("sinks do not say where they stand: {0}")]
    Output(String),
    /// The state cannot be written as a checkpoint.
    #[error("state cannot be kept: {0}")]
    Snapshot(#[from] SnapshotError),
}

/// What a partition begins with.
#[derive(Debug)]
pub(super) struct Base {
    /// What was learned; `None`: nothing.
    pub(super) snapshot: Option<Snapshot>,
    /// Where the sinks stood: what was told since then may be told again.
    pub(super) marks: String,
    /// Who may have told something since then and not have finished: whose checkpoint that is, and all who claimed the partition
    /// later, oldest first.
    pub(super) claimants: Vec<String>,
    /// Newer checkpoints that do not verify: paths and reasons.
    pub(super) rejected: Vec<(String, String)>,
}

/// Somebody who claims.
pub(super) struct Claimant {
    /// Who; differs from claim to claim.
    pub(super) name: String,
    pub(super) now: Timestamp,
    /// Checkpoints that are kept: 1 or more.
    pub(super) generations_kept: usize,
}

/// What one owner of a partition knows of it.
pub(super) struct Ledger {
    objects: Arc<dyn Objects>,
    at: TopicPartition,
    folder: String,
    epoch: u64,
    generation: u64,
    generations_kept: usize,
}

impl Ledger {
    /// Claims the partition `at`, whose objects are in `folder`, and says what it begins with. `marks` is asked where the sinks
    /// stand when nobody has said so before.
    pub(super) fn claim(
        objects: Arc<dyn Objects>,
        at: &TopicPartition,
        folder: String,
        claimant: &Claimant,
        marks: impl Fn() -> Result<String, String>,
    ) -> Result<(Self, Base), LedgerError> {
        must_create_once(&*objects, &folder)?;
        for _ in 0..CLAIMS_MAX {
            let listing = Listing::read(&*objects, &folder)?;
            let Found { base, snapshot, marks: known, rejected } =
                listing.newest(&*objects, &folder, at)?;
            let marks = match (&snapshot, known) {
                (Some(snapshot), _) => snapshot.marks.clone(),
                (None, Some(known)) => known,
                (None, None) => marks().map_err(LedgerError::Output)?,
            };
            let claimants = listing.claimants_since(&*objects, &folder, base);
            let epoch = listing.highest() + 1;
            let claim = Claim {
                base,
                marks: marks.clone(),
                claimant: claimant.name.clone(),
                claimed_at_ms: claimant.now.as_ms(),
            };
            let content = serde_json::to_vec(&claim).unwrap_or_default();
            if create(&*objects, &path(&folder, &claim_text(epoch)), &content)? {
                let generations_kept = claimant.generations_kept.max(1);
                let at = at.clone();
                let ledger = Self { objects, at, folder, epoch, generation: 0, generations_kept };
                return Ok((ledger, Base { snapshot, marks, claimants, rejected }));
            }
        }
        Err(LedgerError::Contended)
    }

    /// Which epoch is ours.
    pub(super) fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Keeps `snapshot`; how many bytes it is. What older ones are not needed any more are gone then.
    pub(super) fn write(
        &mut self,
        snapshot: &Snapshot,
        now: Timestamp,
    ) -> Result<u64, LedgerError> {
        self.check()?;
        // Not even a number is used twice: one that failed may be there.
        self.generation += 1;
        let name = CheckpointName { epoch: self.epoch, generation: self.generation };
        let content = snapshot.encode(&self.at, name.number(), now)?;
        let bytes = content.len() as u64;
        let path = path(&self.folder, &name.text());
        if !create(&*self.objects, &path, &content)? {
            let reason = "somebody else has written it".to_owned();
            return Err(LedgerError::NotUnderstood { path, reason });
        }
        // Whoever has claimed meanwhile may have begun with an older one: then this one does not count.
        let listing = self.check()?;
        // What stays for now goes the next time.
        _ = self.prune(&listing);
        Ok(bytes)
    }

    /// What there is, as long as nobody else has claimed the partition.
    fn check(&self) -> Result<Listing, LedgerError> {
        let listing = Listing::read(&*self.objects, &self.folder)?;
        let highest = listing.highest();
        if highest == self.epoch {
            return Ok(listing);
        }
        Err(LedgerError::Fenced { epoch: self.epoch, highest })
    }

    /// Removes checkpoints beyond those that are kept, and claims that lead to none of these.
    fn prune(&self, listing: &Listing) -> Result<(), LedgerError> {
        let chain = listing.chain(&*self.objects, &self.folder)?;
        let kept: BTreeSet<CheckpointName> =
            chain.into_iter().take(self.generations_kept).collect();
        let epochs: BTreeSet<u64> = kept.iter().map(|name| name.epoch).collect();
        for name in listing.checkpoints.difference(&kept) {
            self.objects.remove(&path(&self.folder, &name.text()))?;
        }
        for &epoch in &listing.claims {
            if epoch != self.epoch && !epochs.contains(&epoch) {
                self.objects.remove(&path(&self.folder, &claim_text(epoch)))?;
            }
        }
        Ok(())
    }
}

/// Whether the store creates nothing where there is something. Some that speak S3's protocol pass over the condition.
fn must_create_once(objects: &dyn Objects, folder: &str) -> Result<(), LedgerError> {
    let path = path(folder, CREATED_ONCE);
    // Where nobody has claimed yet the first attempt is to succeed.
    for _ in 0..2 {
        if !objects.create(&path, b"")? {
            return Ok(());
        }
    }
    Err(LedgerError::Overwrites { path })
}

/// Creates an object; false when another one has its name. One that is there although its creation failed is ours.
fn create(objects: &dyn Objects, path: &str, content: &[u8]) -> Result<bool, ObjectsError> {
    match objects.create(path, content) {
        Ok(true) => Ok(true),
        Ok(false) => Ok(objects.get(path)?.is_some_and(|found| found == content)),
        Err(error) => match objects.get(path) {
            Ok(Some(found)) if found == content => Ok(true),
            _ => Err(error),
        },
    }
}

fn path(folder: &str, name: &str) -> String {
    format!("{folder}/{name}")
}

/// What there is of a partition.
struct Listing {
    claims: BTreeSet<u64>,
    checkpoints: BTreeSet<CheckpointName>,
}

/// What is to be begun with.
struct Found {
    base: Option<CheckpointName>,
    snapshot: Option<Snapshot>,
    /// Of the claim at the end of the chain, if there is no snapshot.
    marks: Option<String>,
    rejected: Vec<(String, String)>,
}

impl Listing {
    fn read(objects: &dyn Objects, folder: &str) -> Result<Self, ObjectsError> {
        let names = objects.list(folder)?;
        Ok(Self {
            claims: names.iter().filter_map(|name| parse_claim(name)).collect(),
            checkpoints: names.iter().filter_map(|name| CheckpointName::parse(name)).collect(),
        })
    }

    /// The highest epoch that was claimed; 0 when none was.
    fn highest(&self) -> u64 {
        self.claims.last().copied().unwrap_or(0)
    }

    /// The claim of `epoch`; `None` when it is gone.
    fn claim(
        objects: &dyn Objects,
        folder: &str,
        epoch: u64,
    ) -> Result<Option<Claim>, LedgerError> {
        let path = path(folder, &claim_text(epoch));
        let Some(content) = objects.get(&path)? else { return Ok(None) };
        let claim = serde_json::from_slice(&content);
        claim.map(Some).map_err(|error: serde_json::Error| {
            let reason = error.to_string();
            LedgerError::NotUnderstood { path, reason }
        })
    }

    /// Who made `base`, and all who have claimed since, oldest first; the newest [`CLAIMANTS_MAX`] of them.
    ///
    /// Nobody rests on it that all are there: whose claim cannot be read is waited for.
    fn claimants_since(
        &self,
        objects: &dyn Objects,
        folder: &str,
        base: Option<CheckpointName>,
    ) -> Vec<String> {
        let since = base.map_or(0, |base| base.epoch);
        let newest = self.claims.range(since..).rev().take(CLAIMANTS_MAX);
        let claims = newest.filter_map(|&epoch| Self::claim(objects, folder, epoch).ok()?);
        let mut claimants: Vec<_> = claims.map(|claim| claim.claimant).collect();
        claimants.reverse();
        claimants
    }

    /// The checkpoints that count and are here, newest first: those of the highest epoch, then those of its base's epoch up to
    /// that base, and so on.
    fn chain(
        &self,
        objects: &dyn Objects,
        folder: &str,
    ) -> Result<Vec<CheckpointName>, LedgerError> {
        let mut chain = Vec::new();
        self.walk(objects, folder, |name| {
            chain.push(name);
            Ok(false)
        })?;
        Ok(chain)
    }

    /// Shows the checkpoints that count to `visit`, newest first, until it says that this is the one. At the end of the chain,
    /// what the claim there says of the sinks.
    fn walk(
        &self,
        objects: &dyn Objects,
        folder: &str,
        mut visit: impl FnMut(CheckpointName) -> Result<bool, LedgerError>,
    ) -> Result<Option<String>, LedgerError> {
        let mut newest = CheckpointName { epoch: self.highest(), generation: u64::MAX };
        while newest.epoch > 0 {
            let oldest = CheckpointName { generation: 0, ..newest };
            for &name in self.checkpoints.range(oldest..=newest).rev() {
                if visit(name)? {
                    return Ok(None);
                }
            }
            let Some(claim) = Self::claim(objects, folder, newest.epoch)? else { break };
            match claim.base {
                // An epoch begins with what was there before it.
                Some(base) if base.epoch < newest.epoch => newest = base,
                _ => return Ok(Some(claim.marks)),
            }
        }
        Ok(None)
    }

    /// The newest checkpoint that counts and verifies.
    fn newest(
        &self,
        objects: &dyn Objects,
        folder: &str,
        at: &TopicPartition,
    ) -> Result<Found, LedgerError> {
        let mut found = None;
        let mut rejected = Vec::new();
        let marks = self.walk(objects, folder, |name| {
            let path = path(folder, &name.text());
            let Some(content) = objects.get(&path)? else { return Ok(false) };
            match Snapshot::decode(at, name.number(), content) {
                Ok(snapshot) => {
                    found = Some((name, snapshot));
                    Ok(true)
                }
                Err(SnapshotError::Checkpoint(CheckpointError::Damaged { source, .. })) => {
                    rejected.push((path, source.to_string()));
                    Ok(false)
                }
                Err(error) => Err(LedgerError::NotUnderstood { path, reason: error.to_string() }),
            }
        })?;
        let (base, snapshot) = found.unzip();
        Ok(Found { base, snapshot, marks, rejected })
    }
}

#[cfg(test)]
mod tests;
