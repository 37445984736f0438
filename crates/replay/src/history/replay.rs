//! The whole way: from files to results.

use std::cell::Cell;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Instant;

use bellwether_detect::Tables;
use bellwether_engine::{NumberedSample, Settings, Shard};
use bellwether_runtime::Learned;
use bellwether_series::Timestamp;

use super::catalog::Catalog;
use super::checkpoint::{self, Checkpoint, Identity};
use super::error::HistoryError;
use super::feed::{Feed, Readings};
use super::input::Input;
use super::judge::Judges;
use super::options::{Checkpoints, HistoryOptions};
use super::order::{Next, OrderOptions, Ordered};
use super::records::Recorder;
use super::results::Results;
use super::resume::{Resumed, resume};
use super::summary::HistorySummary;

/// How far a replay of history is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HistoryProgress {
    /// Bytes of the files that were read.
    pub read_bytes: u64,
    /// Bytes of all files.
    pub total_bytes: u64,
    /// Samples that were read.
    pub read_samples: u64,
    /// Whether these are all.
    pub is_read: bool,
    /// Samples that were handed to the engine.
    pub replayed_samples: u64,
    /// Event time up to which they go.
    pub at: Option<Timestamp>,
}

/// Who hears of a replay while it goes on.
pub struct Watch<'a> {
    /// Hears of each file which columns were taken for what, when it is opened.
    pub note: &'a (dyn Fn(&Input, &str) + Sync),
    /// Hears now and then how far it is.
    pub progress: &'a (dyn Fn(HistoryProgress) + Sync),
    /// Ends the replay when it becomes true: what was replayed until then is complete.
    pub stop: &'a AtomicBool,
}

/// Replays `inputs` under `settings` and writes `events.jsonl`, `events.parquet`, `summary.json`, `report.html` and, if
/// asked for, `scores.parquet` to `output`, which is made when it is missing. What the engine has learned by the end comes with the
/// summary if all partitions were judged.
///
/// # Errors
/// Whatever [`HistoryError`] lists.
pub fn replay_history(
    inputs: &[Input],
    output: &Path,
    settings: &Arc<Settings>,
    options: &HistoryOptions,
    watch: &Watch<'_>,
) -> Result<(HistorySummary, Option<Learned>), HistoryError> {
    fs::create_dir_all(output).map_err(HistoryError::output(output))?;
    if inputs.iter().any(|input| input.is_in(output)) {
        return Err(HistoryError::OutputIsInput { path: output.to_owned() });
    }
    let identity = checkpoint::identity(
        &settings.digest,
        options.arguments(),
        inputs.iter().map(Input::identity).collect(),
    );
    let run = Run { inputs, output, settings, options, watch, identity };
    let resumed = match run.checkpoints().filter(|checkpoints| checkpoints.resume) {
        Some(_) => Checkpoint::read(output, &run.identity)?,
        None => None,
    };
    if resumed.is_none() {
        checkpoint::remove(output)?;
    }
    let sorts = resumed.as_ref().is_some_and(|resumed| resumed.head.sorts);
    let mut replayed = run.attempt(sorts, resumed, watch.note)?;
    if replayed.is_none() {
        // What seemed to be in order and was not is read again, without that hope. States that were reached in vain are of no use.
        checkpoint::remove(output)?;
        replayed = run.attempt(true, None, &|_, _| {})?;
    }
    let replayed = replayed.ok_or(HistoryError::Thread)?;
    if replayed.0.complete {
        checkpoint::remove(output)?;
    }
    Ok(replayed)
}

struct Run<'a> {
    inputs: &'a [Input],
    output: &'a Path,
    settings: &'a Arc<Settings>,
    options: &'a HistoryOptions,
    watch: &'a Watch<'a>,
    identity: Identity,
}

impl Run<'_> {
    /// When states are written. A file of judgements cannot be gone on with.
    fn checkpoints(&self) -> Option<Checkpoints> {
        self.options.checkpoints.filter(|_| !self.options.scores)
    }

    /// `None` if the rows were not in order, as without `sorts` they were hoped to be. Goes on from `resumed`.
    fn attempt(
        &self,
        sorts: bool,
        resumed: Option<Checkpoint>,
        note: &(dyn Fn(&Input, &str) + Sync),
    ) -> Result<Option<(HistorySummary, Option<Learned>)>, HistoryError> {
        let Self { inputs, output, settings, options, watch, ref identity } = *self;
        let checkpoints = self.checkpoints();
        let (catalog, readings) = (Arc::new(Catalog::new(options.series_max)), Readings::default());
        let mut results = Results::create(
            output,
            settings,
            options.scores.then_some(&catalog),
            options.report_bytes,
            checkpoints.map(|_| (identity.clone(), sorts)),
        )?;
        let (numbers, count) = options.part.shards(options.threads);
        let tables = Tables::default();
        let mut shards: Vec<_> =
            numbers.iter().map(|&number| Shard::new(settings, &tables, number, count)).collect();
        let resumed = match resumed {
            Some(checkpoint) => Some(resume(checkpoint, settings, output, &tables, &mut shards)?),
            None => None,
        };
        let is_parallel = shards.len() > 1;
        let total_bytes = inputs.iter().map(|input| input.size_bytes).sum();
        let replayed = Cell::new((0, None));
        let tell = || {
            let (replayed_samples, at) = replayed.get();
            (watch.progress)(HistoryProgress {
                read_bytes: readings.done_bytes(),
                total_bytes,
                read_samples: readings.samples(),
                is_read: readings.is_done(),
                replayed_samples,
                at,
            });
        };
        let told = thread::scope(|scope| -> Result<_, HistoryError> {
            let mut feed =
                Feed::new(inputs, &options.mapping, &catalog, &readings, watch.stop, note);
            let mut rows_of: Box<super::order::Source<'_>> = if is_parallel {
                let mut reading = feed.on_thread(scope);
                Box::new(move |rows| reading.read(rows))
            } else {
                Box::new(move |rows| feed.read(rows))
            };
            let source = Box::new(move |rows: &mut Vec<NumberedSample>| {
                tell();
                rows_of(rows)
            });
            let order = OrderOptions {
                memory_bytes: options.memory_bytes,
                folder: output.to_owned(),
                sorts,
            };
            let mut ordered = Ordered::new(source, order);
            let records = match resumed {
                None => {
                    results.begin()?;
                    None
                }
                Some(Resumed { records, intake, results: head, cap }) => {
                    results.resume(head, cap)?;
                    Some((records, intake))
                }
            };
            let judges = Judges::start(scope, shards, &mut results);
            let exclusions = &options.exclusions;
            let mut recorder =
                Recorder::new(settings, &catalog, exclusions, (numbers, count), judges);
            if let Some((records, intake)) = records {
                recorder.resume(records, intake);
            }
            let is_complete = self.drive(&mut ordered, &mut recorder, &|samples, at| {
                replayed.set((samples, at));
                tell();
            });
            if let Ok(None) = is_complete {
                return Ok(None);
            }
            if checkpoints.is_some() && !matches!(is_complete, Ok(Some(true))) {
                // Also of what cannot be read now, and perhaps later.
                recorder.save()?;
            }
            let spilled_rows = ordered.spilled_rows();
            drop(ordered);
            let told = recorder.finish()?;
            Ok(Some((told, is_complete? == Some(true), spilled_rows)))
        })?;
        let Some(((told, intake, shards), is_complete, spilled_rows)) = told else {
            return Ok(None);
        };
        let summary = &mut results.summary;
        told.put_into(summary);
        summary.complete = is_complete;
        summary.spilled_rows = spilled_rows;
        summary.part = (options.part.number, options.part.count);
        summary.config_digest = settings.digest.to_string();
        readings.take_reports().into_iter().for_each(|report| summary.add_input(report));
        let summary = results.finish()?;
        let settings = Arc::clone(settings);
        let learned =
            Shard::gather(shards).map(|partitions| Learned { settings, intake, partitions });
        Ok(Some((summary, learned)))
    }

    /// Takes one second after the other: whether that were all; `None` if one came that should have come before.
    fn drive(
        &self,
        ordered: &mut Ordered<'_>,
        recorder: &mut Recorder<'_, '_>,
        tell: &dyn Fn(u64, Option<Timestamp>),
    ) -> Result<Option<bool>, HistoryError> {
        let (mut cell, mut saved_at) = (Vec::new(), Instant::now());
        loop {
            if self.watch.stop.load(Ordering::Relaxed) {
                return Ok(Some(false));
            }
            match ordered.next(&mut cell)? {
                Next::Cell => {}
                Next::End => return Ok(Some(!self.watch.stop.load(Ordering::Relaxed))),
                Next::Disorder => return Ok(None),
            }
            if cell.last().is_some_and(|row| !recorder.has_taken(row.at)) {
                if !recorder.take(&mut cell)? {
                    return Ok(Some(false));
                }
                if let Some(checkpoints) = self.checkpoints()
                    && saved_at.elapsed() >= checkpoints.every
                {
                    if !recorder.save()? {
                        return Ok(Some(false));
                    }
                    saved_at = Instant::now();
                }
            }
            tell(recorder.samples(), recorder.at());
        }
    }
}
