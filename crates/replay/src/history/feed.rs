//! All files of a history, one after the other, as one source of rows.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{Scope, ScopedJoinHandle};

use bellwether_engine::NumberedSample;

use super::catalog::Catalog;
use super::error::HistoryError;
use super::input::Input;
use super::layout::Mapping;
use super::read::HistoryReader;
use super::summary::InputReport;

/// Rows that are handed from thread to thread at a time.
const HANDED_ROWS: usize = 1 << 15;
/// Such hands full that wait.
const WAITING_MAX: usize = 8;

/// What becomes known while files are read, for all threads.
#[derive(Debug, Default)]
pub(super) struct Readings {
    done_bytes: AtomicU64,
    samples: AtomicU64,
    is_done: AtomicBool,
    reports: Mutex<Vec<InputReport>>,
}

impl Readings {
    pub(super) fn done_bytes(&self) -> u64 {
        self.done_bytes.load(Ordering::Relaxed)
    }

    pub(super) fn samples(&self) -> u64 {
        self.samples.load(Ordering::Relaxed)
    }

    pub(super) fn is_done(&self) -> bool {
        self.is_done.load(Ordering::Relaxed)
    }

    pub(super) fn take_reports(&self) -> Vec<InputReport> {
        std::mem::take(&mut *self.reports.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Reads one file after the other.
pub(super) struct Feed<'a> {
    waiting: VecDeque<&'a Input>,
    current: Option<(Box<dyn HistoryReader + 'a>, InputReport)>,
    /// Bytes of the files that are done.
    before_bytes: u64,
    before_samples: u64,
    mapping: &'a Mapping,
    catalog: &'a Arc<Catalog>,
    readings: &'a Readings,
    stop: &'a AtomicBool,
    /// Hears of each file which columns were taken for what.
    note: &'a (dyn Fn(&Input, &str) + Sync),
}

impl<'a> Feed<'a> {
    pub(super) fn new(
        inputs: &'a [Input],
        mapping: &'a Mapping,
        catalog: &'a Arc<Catalog>,
        readings: &'a Readings,
        stop: &'a AtomicBool,
        note: &'a (dyn Fn(&Input, &str) + Sync),
    ) -> Self {
        let (waiting, current) = (inputs.iter().collect(), None);
        let (before_bytes, before_samples) = (0, 0);
        Self {
            waiting,
            current,
            before_bytes,
            before_samples,
            mapping,
            catalog,
            readings,
            stop,
            note,
        }
    }

    /// Appends some rows; false when there are no more, or none are wanted any more.
    pub(super) fn read(&mut self, rows: &mut Vec<NumberedSample>) -> Result<bool, HistoryError> {
        if self.stop.load(Ordering::Relaxed) {
            self.end_of_file();
            return Ok(false);
        }
        let Some((reader, report)) = &mut self.current else {
            let Some(input) = self.waiting.pop_front() else {
                self.readings.is_done.store(true, Ordering::Relaxed);
                return Ok(false);
            };
            let (reader, columns) = input.open(self.mapping, self.catalog, self.stop)?;
            (self.note)(input, &columns);
            let counts = reader.counts();
            let report =
                InputReport { path: input.path.clone(), kind: input.kind, columns, counts };
            self.current = Some((reader, report));
            return Ok(true);
        };
        let is_more = reader.read(rows)?;
        report.counts = reader.counts();
        let (bytes, samples) = (reader.done_bytes(), report.counts.samples);
        self.readings.done_bytes.store(self.before_bytes + bytes, Ordering::Relaxed);
        self.readings.samples.store(self.before_samples + samples, Ordering::Relaxed);
        if !is_more {
            self.end_of_file();
        }
        Ok(true)
    }

    fn end_of_file(&mut self) {
        let Some((reader, report)) = self.current.take() else { return };
        self.before_bytes += reader.done_bytes();
        self.before_samples += report.counts.samples;
        self.readings.reports.lock().unwrap_or_else(PoisonError::into_inner).push(report);
    }

    /// Reads on a thread of `scope` instead of the one that asks.
    pub(super) fn on_thread<'scope>(mut self, scope: &'scope Scope<'scope, '_>) -> Reading<'scope>
    where
        'a: 'scope,
    {
        let (sender, full): (SyncSender<Vec<NumberedSample>>, _) = sync_channel(WAITING_MAX);
        let (recycle, empty) = sync_channel::<Vec<NumberedSample>>(WAITING_MAX);
        let thread = scope.spawn(move || {
            let mut is_more = true;
            while is_more {
                let mut rows = empty.try_recv().unwrap_or_default();
                while is_more && rows.len() < HANDED_ROWS {
                    is_more = self.read(&mut rows)?;
                }
                if sender.send(rows).is_err() {
                    // Nobody wants more.
                    break;
                }
            }
            self.end_of_file();
            Ok(())
        });
        Reading { full, recycle, thread: Some(thread) }
    }
}

/// A thread that reads.
pub(super) struct Reading<'scope> {
    full: Receiver<Vec<NumberedSample>>,
    recycle: SyncSender<Vec<NumberedSample>>,
    thread: Option<ScopedJoinHandle<'scope, Result<(), HistoryError>>>,
}

impl Reading<'_> {
    /// As [`Feed::read`].
    pub(super) fn read(&mut self, rows: &mut Vec<NumberedSample>) -> Result<bool, HistoryError> {
        if let Ok(mut some) = self.full.recv() {
            rows.append(&mut some);
            // What there is no room for is dropped.
            _ = self.recycle.try_send(some);
            return Ok(true);
        }
        let Some(thread) = self.thread.take() else { return Ok(false) };
        thread.join().unwrap_or(Err(HistoryError::Thread)).map(|()| false)
    }
}
