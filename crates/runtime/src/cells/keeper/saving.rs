//! Checkpoints of a cell: the state is saved between two records, and written by a thread of its own while the cell goes on.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, TryRecvError, bounded};

use super::{Keeper, Open};
use crate::cells::ledger::{Ledger, LedgerError};
use crate::cells::snapshot::Snapshot;
use crate::cells::{CellsOptions, Shared, Tenure};

/// Pause after an attempt that failed.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// The checkpoints of a cell.
pub(super) struct Saving {
    /// `None` while one is written.
    ledger: Option<Ledger>,
    under_way: Option<Receiver<Written>>,
    due: Instant,
    every: Duration,
    /// The offset that the newest one that counts stands at.
    saved_next: Option<i64>,
}

/// What became of a checkpoint.
struct Written {
    ledger: Ledger,
    next: i64,
    /// Events that some sink may not have, and how it went.
    unsettled: BTreeSet<String>,
    result: Result<u64, WriteError>,
}

#[derive(Debug, thiserror::Error)]
enum WriteError {
    #[error("sinks did not take events in time")]
    Unsettled,
    #[error("the partition is not ours any more")]
    Over,
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

/// The partition is somebody else's.
pub(super) struct Fenced;

impl Saving {
    pub(super) fn new(
        ledger: Ledger,
        saved_next: Option<i64>,
        has_base: bool,
        options: &CellsOptions,
    ) -> Self {
        let every = options.checkpoint_every;
        // As long as there is none, everything would be done again.
        let due = Instant::now() + if has_base { every } else { Duration::ZERO };
        Self { ledger: Some(ledger), under_way: None, due, every, saved_next }
    }
}

impl Keeper {
    /// Begins a checkpoint when one is due, and hears what became of the one before.
    pub(super) fn save_when_due(&self, open: &mut Open) -> Result<(), Fenced> {
        if let Some(under_way) = &open.saving.under_way {
            match under_way.try_recv() {
                Ok(written) => self.written(open, written)?,
                Err(TryRecvError::Empty) => {}
                // Its thread has ended without a word: what it owned is gone.
                Err(TryRecvError::Disconnected) => return Err(Fenced),
            }
        }
        let is_due = Instant::now() >= open.saving.due && open.saving.ledger.is_some();
        if is_due && open.cell.next() != open.saving.saved_next && open.told_below.is_some() {
            self.begin_to_save(open);
        }
        Ok(())
    }

    /// Makes the last checkpoint, waiting until `deadline` at the most.
    pub(super) fn save_last(&self, open: &mut Open, deadline: Instant) {
        if !self.hear_of_saving(open, deadline) || open.told_below.is_none() {
            return;
        }
        if open.cell.next() != open.saving.saved_next {
            self.begin_to_save(open);
            self.hear_of_saving(open, deadline);
        }
    }

    /// Waits for the checkpoint that is under way, if one is, until `deadline` at the most; whether another may be made.
    fn hear_of_saving(&self, open: &mut Open, deadline: Instant) -> bool {
        let Some(under_way) = open.saving.under_way.take() else { return true };
        match under_way.recv_deadline(deadline) {
            Ok(written) => self.written(open, written).is_ok(),
            Err(_) => false,
        }
    }

    fn begin_to_save(&self, open: &mut Open) {
        open.saving.due = Instant::now() + RETRY_AFTER;
        // First: what is told from here on is behind these marks.
        let marks = match self.shared.output.marks() {
            Ok(marks) => marks,
            Err(error) => return self.save_failed(error),
        };
        let Some(snapshot) = open.cell.save(marks) else { return };
        // It is given its work when it is there: what a thread owns that the system refuses is lost.
        let (give, work) = bounded(1);
        let (done, under_way) = bounded(1);
        let (shared, tenure) = (Arc::clone(&self.shared), Arc::clone(&self.tenure));
        let started = std::thread::Builder::new()
            .name(format!("save-{}", self.at.partition))
            .spawn(move || {
                if let Ok((ledger, snapshot, unsettled)) = work.recv() {
                    // Whoever asked may be gone.
                    _ = done.send(write(&shared, &tenure, ledger, snapshot, unsettled));
                }
            });
        if let Err(error) = started {
            return self.save_failed(error.to_string());
        }
        let Some(ledger) = open.saving.ledger.take() else { return };
        _ = give.send((ledger, snapshot, std::mem::take(&mut open.unsettled)));
        open.saving.under_way = Some(under_way);
    }

    /// What became of a checkpoint.
    fn written(&self, open: &mut Open, written: Written) -> Result<(), Fenced> {
        let Written { ledger, next, unsettled, result } = written;
        open.saving.under_way = None;
        open.saving.ledger = Some(ledger);
        open.unsettled.extend(unsettled);
        match result {
            Ok(bytes) => {
                open.saving.saved_next = Some(next);
                open.saving.due = Instant::now() + open.saving.every;
                let mut figures = self.shared.figures.lock();
                figures.checkpoints += 1;
                figures.checkpoint_bytes += bytes;
                figures.last_error = None;
                if let Some(cell) = figures.open.get_mut(&self.at) {
                    cell.checkpoint_at = Some(self.shared.clock.now());
                }
                Ok(())
            }
            Err(WriteError::Over | WriteError::Ledger(LedgerError::Fenced { .. })) => Err(Fenced),
            Err(error) => {
                self.save_failed(error.to_string());
                Ok(())
            }
        }
    }

    fn save_failed(&self, error: String) {
        let mut figures = self.shared.figures.lock();
        figures.checkpoint_failures += 1;
        figures.last_error = Some(error);
    }
}

/// Writes `snapshot` once the sinks have what they were told before it.
fn write(
    shared: &Shared,
    tenure: &Tenure,
    mut ledger: Ledger,
    mut snapshot: Snapshot,
    unsettled: BTreeSet<String>,
) -> Written {
    let next = snapshot.next;
    let Some((waiting, undelivered)) = shared.output.settle(&unsettled) else {
        return Written { ledger, next, unsettled, result: Err(WriteError::Unsettled) };
    };
    // A sink may have withdrawn them: only as long as the partition is ours is what it does not have any more delivered.
    if !tenure.is_ours() {
        return Written { ledger, next, unsettled, result: Err(WriteError::Over) };
    }
    snapshot.undelivered = undelivered;
    let result = ledger.write(&snapshot, shared.clock.now()).map_err(WriteError::from);
    // When it does not count, all of them stay so for the next one.
    let unsettled = if result.is_ok() { waiting } else { unsettled };
    Written { ledger, next, unsettled, result }
}
