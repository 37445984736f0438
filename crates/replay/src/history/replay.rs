//! The whole way: from files to results.

use std::cell::{Cell, RefCell};
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
use super::checkpoint::{self, Checkpoint, ResultsHead};
use super::earlier;
use super::error::HistoryError;
use super::events::{Heard, Listener, Tap};
use super::feed::{Feed, Reading, Readings};
use super::input::{Input, InputKind};
use super::judge::Judges;
use super::manifest::Manifest;
use super::merge::{Merge, Sink};
use super::options::{Checkpoints, HistoryOptions};
use super::order::{Next, OrderOptions, Ordered};
use super::records::Recorder;
use super::results::{About, Results};
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

/// Replays `inputs` under `settings` and writes `events.jsonl`, `events.parquet`, `summary.json`, `replay.json`, `report.html` and, if
/// asked for, `scores.parquet` to `output`, which is made when it is missing. What the engine has learned by the end comes with
/// the summary if all partitions were judged.
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
    // What is wrong with the arguments costs nobody the results that are there.
    understand(inputs, options, watch.stop)?;
    fs::create_dir_all(output).map_err(HistoryError::output(output))?;
    if inputs.iter().any(|input| input.is_in(output)) {
        return Err(HistoryError::OutputIsInput { path: output.to_owned() });
    }
    let identity = checkpoint::identity(
        &settings.digest,
        options.arguments(),
        inputs.iter().map(Input::identity).collect(),
    );
    let checkpoints = options.checkpoints;
    let run = Run { inputs, folder: output, settings, options, checkpoints, tap: None, watch };
    let resumed = match checkpoints.filter(|checkpoints| checkpoints.resume) {
        Some(_) => Checkpoint::read(output, &identity)?,
        None => None,
    };
    if resumed.is_none() {
        checkpoint::remove(output)?;
    }
    earlier::remove_ends(output)?;
    // Before any event, so that those of one replay never stand beside the manifest of another.
    Manifest::new(inputs, options, settings).write(output)?;
    let (Replayed { mut summary, learned }, results) = run.all(resumed, &|beginning| {
        let Beginning { catalog, sorts, resumed } = beginning;
        let about = About {
            settings,
            scores_of: options.scores.then_some(catalog),
            report_bytes: options.report_bytes,
            identity: checkpoints.map(|_| (identity.clone(), sorts)),
        };
        Results::create(output, about, resumed)
    })?;
    results.finish(&mut summary)?;
    if summary.complete {
        checkpoint::remove(output)?;
    }
    Ok((summary, learned))
}

/// Opens each file once, to know whether its columns are understood. What a server has is known when it is asked.
fn understand(
    inputs: &[Input],
    options: &HistoryOptions,
    stop: &AtomicBool,
) -> Result<(), HistoryError> {
    let catalog = Arc::new(Catalog::new(options.series_max));
    let mut files = inputs.iter().filter(|input| input.kind != InputKind::Server);
    files.try_for_each(|file| file.open(&options.mapping, &catalog, stop).map(drop))
}

/// Replays `inputs` under `settings` and hands each event to what `listener` makes: it is asked again if rows turn out not to
/// be in order, since then all of it is replayed once more. `tap` sees the rows on their way. Nothing is written but rows that are
/// sorted, into the temporary folder.
///
/// # Errors
/// Whatever [`HistoryError`] lists.
pub fn replay_events<L: Listener>(
    inputs: &[Input],
    settings: &Arc<Settings>,
    options: &HistoryOptions,
    tap: Option<&RefCell<dyn Tap>>,
    watch: &Watch<'_>,
    listener: &dyn Fn() -> L,
) -> Result<(HistorySummary, L), HistoryError> {
    let folder = std::env::temp_dir();
    let run = Run { inputs, folder: &folder, settings, options, checkpoints: None, tap, watch };
    let (replayed, heard) = run.all(None, &|_| Ok(Heard(listener())))?;
    Ok((replayed.summary, heard.0))
}

struct Run<'a> {
    inputs: &'a [Input],
    /// Where rows are put aside, and states.
    folder: &'a Path,
    settings: &'a Arc<Settings>,
    options: &'a HistoryOptions,
    /// When states are written.
    checkpoints: Option<Checkpoints>,
    tap: Option<&'a RefCell<dyn Tap>>,
    watch: &'a Watch<'a>,
}

/// What a replay gave beside its events.
struct Replayed {
    summary: HistorySummary,
    learned: Option<Learned>,
}

/// What is known of a replay when it begins.
struct Beginning<'a> {
    /// The names of series, as they come.
    catalog: &'a Arc<Catalog>,
    sorts: bool,
    /// Where the results go on.
    resumed: Option<ResultsHead>,
}

/// Makes what takes the results.
type Begin<'a, S> = &'a dyn Fn(Beginning<'_>) -> Result<S, HistoryError>;

impl Run<'_> {
    /// Goes on from `resumed`.
    fn all<S: Sink>(
        &self,
        resumed: Option<Checkpoint>,
        begin: Begin<'_, S>,
    ) -> Result<(Replayed, S), HistoryError> {
        let sorts = resumed.as_ref().is_some_and(|resumed| resumed.head.sorts);
        if let Some(replayed) = self.attempt(sorts, resumed, self.watch.note, begin)? {
            return Ok(replayed);
        }
        // What seemed to be in order and was not is read again, without that hope. States that were reached in vain are of no use.
        if self.checkpoints.is_some() {
            checkpoint::remove(self.folder)?;
        }
        self.attempt(true, None, &|_, _| {}, begin)?.ok_or(HistoryError::Thread)
    }

    /// `None` if the rows were not in order, as without `sorts` they were hoped to be.
    fn attempt<S: Sink>(
        &self,
        sorts: bool,
        resumed: Option<Checkpoint>,
        note: &(dyn Fn(&Input, &str) + Sync),
        begin: Begin<'_, S>,
    ) -> Result<Option<(Replayed, S)>, HistoryError> {
        let Self { inputs, folder, settings, options, checkpoints, tap, watch } = *self;
        let mut tap = tap.map(RefCell::borrow_mut);
        if let Some(tap) = &mut tap {
            tap.begin();
        }
        let (catalog, readings) = (Arc::new(Catalog::new(options.series_max)), Readings::default());
        let (numbers, count) = options.part.shards(options.threads);
        let tables = Tables::default();
        let mut shards: Vec<_> =
            numbers.iter().map(|&number| Shard::new(settings, &tables, number, count)).collect();
        let resumed = match resumed {
            Some(checkpoint) => Some(resume(checkpoint, settings, folder, &tables, &mut shards)?),
            None => None,
        };
        let (records, merged, results) = resumed.map_or((None, None, None), |resumed| {
            let Resumed { records, intake, merged, cap, results } = resumed;
            (Some((records, intake)), Some((merged, cap)), Some(results))
        });
        let beginning = Beginning { catalog: &catalog, sorts, resumed: results };
        let mut merge = Merge::new(settings, begin(beginning)?);
        if let Some((merged, cap)) = merged {
            merge.resume(&merged, cap);
        }
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
            let (catalog, readings) = (&catalog, &readings);
            let reading =
                Reading { mapping: &options.mapping, catalog, readings, stop: watch.stop };
            let mut feed = Feed::new(inputs, reading, note);
            let mut rows_of: Box<super::order::Source<'_>> = if is_parallel {
                let mut hands = feed.on_threads(scope, options.threads);
                Box::new(move |rows| hands.read(rows))
            } else {
                Box::new(move |rows| feed.read(rows))
            };
            let source = Box::new(move |rows: &mut Vec<NumberedSample>| {
                tell();
                rows_of(rows)
            });
            let order = OrderOptions {
                memory_bytes: options.memory_bytes,
                folder: folder.to_owned(),
                sorts,
            };
            let mut ordered = Ordered::new(source, order);
            let judges = Judges::start(scope, shards, &mut merge);
            let exclusions = &options.exclusions;
            let tap = tap.as_deref_mut().map(|tap| tap as &mut dyn Tap);
            let mut recorder =
                Recorder::new(settings, catalog, exclusions, tap, (numbers, count), judges);
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
        let (mut summary, sink) = merge.finish();
        told.put_into(&mut summary);
        summary.complete = is_complete;
        summary.spilled_rows = spilled_rows;
        summary.part = (options.part.number, options.part.count);
        summary.config_digest = settings.digest.to_string();
        readings.take_reports().into_iter().for_each(|report| summary.add_input(report));
        let settings = Arc::clone(settings);
        let learned =
            Shard::gather(shards).map(|partitions| Learned { settings, intake, partitions });
        Ok(Some((Replayed { summary, learned }, sink)))
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
                if let Some(checkpoints) = self.checkpoints
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
