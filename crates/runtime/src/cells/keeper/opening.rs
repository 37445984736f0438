//! From a partition that was assigned to a cell that goes on where the last owner's checkpoint ends.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crossbeam_channel::RecvTimeoutError;

use super::saving::Saving;
use super::{End, Keeper, Open, ToCell};
use crate::alerts::AlertFigures;
use crate::api::SubmitError;
use crate::cells::cell::Cell;
use crate::cells::figures::CellFigures;
use crate::cells::ledger::{Base, Claimant, Ledger, LedgerError};
use crate::cells::output::Predecessors;

/// Pause after an attempt that failed.
const RETRY_AFTER: Duration = Duration::from_secs(1);
/// Makes each claim of a process another one.
static CLAIMS: AtomicU64 = AtomicU64::new(0);

impl Keeper {
    /// Opens the cell; tries until it succeeds or is not wanted any more.
    pub(super) fn open(&self) -> Result<Open, End> {
        let began = Instant::now();
        loop {
            // Whoever is no member must not claim: it would take the partition from its owner.
            if !self.is_ours() {
                return Err(End::Fenced);
            }
            match self.try_open() {
                Ok(open) => {
                    let mut figures = self.shared.figures.lock();
                    figures.opened += 1;
                    figures.last_opening_took = began.elapsed();
                    figures.opening_took += began.elapsed();
                    figures.last_error = None;
                    drop(figures);
                    self.shared.opened.lock().push((self.at.clone(), open.cell.next()));
                    return Ok(open);
                }
                Err(error) => {
                    let mut figures = self.shared.figures.lock();
                    figures.open_failures += 1;
                    figures.last_error = Some(error);
                }
            }
            let retry_at = Instant::now() + RETRY_AFTER;
            loop {
                match self.inbox.recv_deadline(retry_at) {
                    Ok(ToCell::HandOver { .. }) | Err(RecvTimeoutError::Disconnected) => {
                        return Err(End::Asked);
                    }
                    Ok(ToCell::Record { answer, .. }) => answer.with(Err(SubmitError::Recovering)),
                    // There is nothing to be seen yet.
                    Ok(ToCell::Begin { .. } | ToCell::View { .. } | ToCell::Usage(_)) => {}
                    Err(RecvTimeoutError::Timeout) => break,
                }
            }
        }
    }

    fn try_open(&self) -> Result<Open, String> {
        let (ledger, base) = self.claim().map_err(|error| error.to_string())?;
        let Base { snapshot, marks, claimants, rejected } = base;
        self.shared.output.supersede(&self.predecessors(&claimants))?;
        // What those before us have told behind the checkpoint. They tell nothing more.
        let taken = self.shared.output.taken_since(&marks)?;
        let hash_seed = self.shared.options.hash_seed;
        let (mut cell, mut undelivered, mut made_at) = (None, Vec::new(), None);
        if let Some(mut snapshot) = snapshot {
            let restored = Cell::restore(&snapshot, hash_seed);
            cell = Some(
                restored.map_err(|error| format!("checkpoint cannot be understood: {error}"))?,
            );
            undelivered = std::mem::take(&mut snapshot.undelivered);
            made_at = Some(self.shared.clock.now());
        }
        let cell = cell.unwrap_or_else(|| Cell::new(&self.settings, hash_seed));
        let mut figures = self.shared.figures.lock();
        figures.checkpoints_rejected += rejected.len() as u64;
        if let Some((path, reason)) = rejected.into_iter().next() {
            figures.last_error =
                Some(format!("checkpoint does not verify: path=`{path}`: {reason}"));
        }
        let (series, watched) = cell.series();
        let (epoch, next) = (ledger.epoch(), cell.next());
        let of_cell = CellFigures { epoch, next, series, watched, checkpoint_at: made_at };
        figures.open.insert(self.at.clone(), of_cell);
        drop(figures);
        let has_base = cell.next().is_some();
        Ok(Open {
            saving: Saving::new(ledger, cell.next(), has_base, &self.shared.options),
            cell,
            unsettled: BTreeSet::new(),
            taken,
            undelivered,
            told_below: None,
            counted: AlertFigures::default(),
            has_told_standing: false,
        })
    }

    /// The workers of `claimants`, without this one.
    fn predecessors(&self, claimants: &[String]) -> Predecessors {
        let mut known = BTreeSet::from([self.shared.options.worker.as_str()]);
        let names = claimants.iter().filter_map(|claimant| Some(claimant.rsplit_once('/')?.0));
        let workers = names.filter(|name| known.insert(name)).map(str::to_owned).collect();
        Predecessors { at: self.at.clone(), workers }
    }

    fn claim(&self) -> Result<(Ledger, Base), LedgerError> {
        let options = &self.shared.options;
        let claim = CLAIMS.fetch_add(1, Ordering::Relaxed);
        let claimant = Claimant {
            name: format!("{}/{claim}", options.worker),
            now: self.shared.clock.now(),
            generations_kept: options.generations_kept,
        };
        let folder = format!("{}/{}/{}", options.folder, self.at.topic, self.at.partition);
        let objects = Arc::clone(&self.shared.objects);
        Ledger::claim(objects, &self.at, folder, &claimant, || self.shared.output.marks())
    }
}
