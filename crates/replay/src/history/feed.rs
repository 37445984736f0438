//! All files of a history, one after the other, as one source of rows.
//!
//! On threads of their own several files are read at a time. Their rows come file by file all the same, so that history that goes on
//! from file to file stays in order, and the first fault is the same however many threads there are.

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
/// Such hands full of one file that wait.
const WAITING_MAX: usize = 8;

/// What becomes known while files are read, for all threads.
#[derive(Debug, Default)]
pub(super) struct Readings {
    done_bytes: AtomicU64,
    samples: AtomicU64,
    is_done: AtomicBool,
    /// Each with the place of its file among all.
    reports: Mutex<Vec<(usize, InputReport)>>,
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

    /// What was read of each file that was opened, in the order of the files.
    pub(super) fn take_reports(&self) -> Vec<InputReport> {
        let mut reports =
            std::mem::take(&mut *self.reports.lock().unwrap_or_else(PoisonError::into_inner));
        reports.sort_by_key(|(place, _)| *place);
        reports.into_iter().map(|(_, report)| report).collect()
    }
}

/// What all files are read with.
#[derive(Clone, Copy)]
pub(super) struct Reading<'a> {
    pub(super) mapping: &'a Mapping,
    pub(super) catalog: &'a Arc<Catalog>,
    pub(super) readings: &'a Readings,
    pub(super) stop: &'a AtomicBool,
}

impl<'a> Reading<'a> {
    fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Opens `input`, which is at that place among all.
    fn open(self, place: usize, input: &'a Input) -> Result<OpenFile<'a>, HistoryError> {
        let (reader, columns) = input.open(self.mapping, self.catalog, self.stop)?;
        let counts = reader.counts();
        let report = InputReport { path: input.path.clone(), kind: input.kind, columns, counts };
        Ok(OpenFile { reading: self, place, reader, report, done_bytes: 0 })
    }
}

/// A file that is being read. What was read of it is reported when it is dropped.
struct OpenFile<'a> {
    reading: Reading<'a>,
    place: usize,
    reader: Box<dyn HistoryReader + 'a>,
    report: InputReport,
    done_bytes: u64,
}

impl OpenFile<'_> {
    /// Appends some rows; false when there are no more.
    fn read(&mut self, rows: &mut Vec<NumberedSample>) -> Result<bool, HistoryError> {
        let is_more = self.reader.read(rows)?;
        let (bytes, counts) = (self.reader.done_bytes(), self.reader.counts());
        let readings = self.reading.readings;
        readings.done_bytes.fetch_add(bytes.saturating_sub(self.done_bytes), Ordering::Relaxed);
        let new = counts.samples.saturating_sub(self.report.counts.samples);
        readings.samples.fetch_add(new, Ordering::Relaxed);
        (self.done_bytes, self.report.counts) = (bytes, counts);
        Ok(is_more)
    }
}

impl Drop for OpenFile<'_> {
    fn drop(&mut self) {
        let reports = &self.reading.readings.reports;
        let mut reports = reports.lock().unwrap_or_else(PoisonError::into_inner);
        reports.push((self.place, self.report.clone()));
    }
}

/// Hears of each file which columns were taken for what, before its rows come.
type Note<'a> = &'a (dyn Fn(&Input, &str) + Sync);

/// Reads one file after the other.
pub(super) struct Feed<'a> {
    reading: Reading<'a>,
    waiting: VecDeque<(usize, &'a Input)>,
    current: Option<OpenFile<'a>>,
    note: Note<'a>,
}

impl<'a> Feed<'a> {
    pub(super) fn new(inputs: &'a [Input], reading: Reading<'a>, note: Note<'a>) -> Self {
        Self { reading, waiting: inputs.iter().enumerate().collect(), current: None, note }
    }

    /// Appends some rows; false when there are no more, or none are wanted any more.
    pub(super) fn read(&mut self, rows: &mut Vec<NumberedSample>) -> Result<bool, HistoryError> {
        if self.reading.is_stopped() {
            self.current = None;
            return Ok(false);
        }
        let Some(file) = &mut self.current else {
            let Some((place, input)) = self.waiting.pop_front() else {
                self.reading.readings.is_done.store(true, Ordering::Relaxed);
                return Ok(false);
            };
            let file = self.current.insert(self.reading.open(place, input)?);
            (self.note)(input, &file.report.columns);
            return Ok(true);
        };
        if !file.read(rows)? {
            self.current = None;
        }
        Ok(true)
    }

    /// Reads on `threads` of `scope` instead of the one that asks, each one file at a time.
    pub(super) fn on_threads<'scope>(
        self,
        scope: &'scope Scope<'scope, '_>,
        threads: usize,
    ) -> Hands<'scope>
    where
        'a: 'scope,
    {
        let Self { reading, waiting, note, .. } = self;
        let (mut files, mut queue) = (VecDeque::new(), VecDeque::new());
        for (place, input) in waiting {
            let (sender, receiver) = sync_channel(WAITING_MAX);
            queue.push_back((place, input, sender));
            files.push_back((input, receiver));
        }
        let threads = threads.min(files.len());
        let (queue, empty) = (Arc::new(Mutex::new(queue)), Arc::new(Mutex::new(Vec::new())));
        let spawn = |_| {
            let (queue, empty) = (Arc::clone(&queue), Arc::clone(&empty));
            scope.spawn(move || {
                let next = || queue.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
                while let Some((place, input, hands)) = next() {
                    if reading.is_stopped() || !hand_over(reading, (place, input), &hands, &empty) {
                        break;
                    }
                }
            })
        };
        let threads = (0..threads).map(spawn).collect();
        Hands { reading, files, empty, note, threads }
    }
}

/// What is handed over of a file.
enum Handed {
    /// Which columns were taken for what: the first.
    Columns(String),
    Rows(Vec<NumberedSample>),
    Failed(HistoryError),
    /// The last.
    End,
}

/// Vectors whose memory can be used again.
type Empty = Mutex<Vec<Vec<NumberedSample>>>;

/// Reads a file and hands it over; false when nobody wants more.
fn hand_over<'a>(
    reading: Reading<'a>,
    (place, input): (usize, &'a Input),
    hands: &SyncSender<Handed>,
    empty: &Empty,
) -> bool {
    let read = || -> Result<bool, HistoryError> {
        let mut file = reading.open(place, input)?;
        let mut is_wanted = hands.send(Handed::Columns(file.report.columns.clone())).is_ok();
        let mut is_more = true;
        while is_more && is_wanted && !reading.is_stopped() {
            let rows = empty.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let mut rows = rows.unwrap_or_default();
            while is_more && rows.len() < HANDED_ROWS {
                is_more = file.read(&mut rows)?;
            }
            is_wanted = hands.send(Handed::Rows(rows)).is_ok();
        }
        Ok(is_wanted)
    };
    match read() {
        Ok(is_wanted) => is_wanted && hands.send(Handed::End).is_ok(),
        Err(error) => hands.send(Handed::Failed(error)).is_ok(),
    }
}

/// Files that are read on threads of their own.
pub(super) struct Hands<'scope> {
    reading: Reading<'scope>,
    /// Those that are not read to their end, in order.
    files: VecDeque<(&'scope Input, Receiver<Handed>)>,
    empty: Arc<Empty>,
    note: Note<'scope>,
    threads: Vec<ScopedJoinHandle<'scope, ()>>,
}

impl Hands<'_> {
    /// As [`Feed::read`].
    pub(super) fn read(&mut self, rows: &mut Vec<NumberedSample>) -> Result<bool, HistoryError> {
        let Some((input, hands)) = self.files.front() else {
            self.reading.readings.is_done.store(true, Ordering::Relaxed);
            return Ok(false);
        };
        match hands.recv() {
            Ok(Handed::Columns(columns)) => (self.note)(input, &columns),
            Ok(Handed::Rows(mut some)) => {
                rows.append(&mut some);
                let mut empty = self.empty.lock().unwrap_or_else(PoisonError::into_inner);
                if empty.len() < WAITING_MAX {
                    empty.push(some);
                }
            }
            Ok(Handed::Failed(error)) => return Err(error),
            Ok(Handed::End) => _ = self.files.pop_front(),
            // Whoever was to read it has ended before, because it was told to, or by a panic.
            Err(_) => {
                self.files.clear();
                let threads = self.threads.drain(..);
                return match threads.map(ScopedJoinHandle::join).find(Result::is_err) {
                    Some(_) => Err(HistoryError::Thread),
                    None => Ok(false),
                };
            }
        }
        Ok(true)
    }
}
