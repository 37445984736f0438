//! The whole way: from files to results.

use std::cell::{Cell, RefCell};
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use bellwether_detect::Tables;
use bellwether_engine::{NumberedSample, PARTITIONS, Settings, Shard};
use bellwether_runtime::Learned;
use bellwether_series::Timestamp;

use super::catalog::Catalog;
use super::error::HistoryError;
use super::events::{Heard, Listener, Tap};
use super::feed::{Feed, Readings};
use super::input::Input;
use super::judge::Judges;
use super::layout::Mapping;
use super::merge::{Merge, Sink};
use super::order::{Next, OrderOptions, Ordered};
use super::records::Recorder;
use super::results::Results;
use super::summary::HistorySummary;
use crate::exclude::Exclusions;

/// Memory for judgements that the report may show, in bytes, unless somebody says otherwise.
pub const REPORT_BYTES: usize = 64 * 1024 * 1024;

/// How history is replayed. None of it but `mapping`, `exclusions` and `part` changes an event.
#[derive(Debug, Clone)]
pub struct HistoryOptions {
    /// Which columns mean what.
    pub mapping: Mapping,
    /// What is left out.
    pub exclusions: Exclusions,
    /// The part of the series that is judged.
    pub part: Part,
    /// Threads that judge; with more than one there are others that read and write. 0 counts as 1.
    pub threads: usize,
    /// Most memory for rows that wait to be in order, in bytes.
    pub memory_bytes: usize,
    /// Most series.
    pub series_max: usize,
    /// Whether every judgement is written, too.
    pub scores: bool,
    /// Most memory for the newest judgements, of which the report shows those before an alert, in bytes.
    pub report_bytes: usize,
}

impl Default for HistoryOptions {
    fn default() -> Self {
        Self {
            mapping: Mapping::default(),
            exclusions: Exclusions::default(),
            part: Part::default(),
            threads: 1,
            memory_bytes: 256 * 1024 * 1024,
            series_max: Catalog::SERIES_MAX,
            scores: false,
            report_bytes: REPORT_BYTES,
        }
    }
}

/// A part of all series, by the partition that owns them: part `number` of `count`, from 1. Parts can be replayed one by one, and
/// their events together are those of the whole, but for the cap on alerts a day, which each part has for itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    number: usize,
    count: usize,
}

impl Default for Part {
    /// The whole.
    fn default() -> Self {
        Self { number: 1, count: 1 }
    }
}

impl Part {
    /// Part `number` of `count`; `None` unless `1 <= number <= count <= 64`.
    pub fn new(number: usize, count: usize) -> Option<Self> {
        (1 <= number && number <= count && count <= PARTITIONS).then_some(Self { number, count })
    }

    /// The shards of this part, as numbers, and how many there are of all parts.
    fn shards(self, threads: usize) -> (Vec<usize>, usize) {
        let threads = threads.clamp(1, PARTITIONS / self.count);
        let number = |thread| self.number - 1 + thread * self.count;
        ((0..threads).map(number).collect(), threads * self.count)
    }
}

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
    let is_read = |input: &Input| {
        let folder = input.path.parent().filter(|folder| !folder.as_os_str().is_empty());
        let same = fs::canonicalize(folder.unwrap_or(Path::new("."))).ok();
        same.is_some() && same == fs::canonicalize(output).ok()
    };
    if inputs.iter().any(is_read) {
        return Err(HistoryError::OutputIsInput { path: output.to_owned() });
    }
    let run = Run { inputs, folder: output, settings, options, tap: None, watch };
    let (Replayed { mut summary, learned }, results) = run.all(&|catalog| {
        let scores_of = options.scores.then_some(catalog);
        Results::create(output, settings, scores_of, options.report_bytes)
    })?;
    results.finish(&mut summary)?;
    Ok((summary, learned))
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
    let run = Run { inputs, folder: &folder, settings, options, tap, watch };
    let (replayed, heard) = run.all(&|_| Ok(Heard(listener())))?;
    Ok((replayed.summary, heard.0))
}

struct Run<'a> {
    inputs: &'a [Input],
    /// Where rows are put aside.
    folder: &'a Path,
    settings: &'a Arc<Settings>,
    options: &'a HistoryOptions,
    tap: Option<&'a RefCell<dyn Tap>>,
    watch: &'a Watch<'a>,
}

/// What a replay gave beside its events.
struct Replayed {
    summary: HistorySummary,
    learned: Option<Learned>,
}

/// Makes what takes the results, which may ask for the names of series.
type Begin<'a, S> = &'a dyn Fn(&Arc<Catalog>) -> Result<S, HistoryError>;

impl Run<'_> {
    fn all<S: Sink>(&self, begin: Begin<'_, S>) -> Result<(Replayed, S), HistoryError> {
        // What seemed to be in order and was not is read again, without that hope.
        match self.attempt(false, self.watch.note, begin)? {
            Some(replayed) => Ok(replayed),
            None => self.attempt(true, &|_, _| {}, begin)?.ok_or(HistoryError::Thread),
        }
    }

    /// `None` if the rows were not in order, as without `sorts` they were hoped to be.
    fn attempt<S: Sink>(
        &self,
        sorts: bool,
        note: &(dyn Fn(&Input, &str) + Sync),
        begin: Begin<'_, S>,
    ) -> Result<Option<(Replayed, S)>, HistoryError> {
        let Self { inputs, folder, settings, options, tap, watch } = *self;
        let mut tap = tap.map(RefCell::borrow_mut);
        if let Some(tap) = &mut tap {
            tap.begin();
        }
        let (catalog, readings) = (Arc::new(Catalog::new(options.series_max)), Readings::default());
        let mut merge = Merge::new(settings, begin(&catalog)?);
        let (numbers, count) = options.part.shards(options.threads);
        let tables = Tables::default();
        let shards: Vec<_> =
            numbers.iter().map(|&number| Shard::new(settings, &tables, number, count)).collect();
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
        let told = thread::scope(|scope| {
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
                folder: folder.to_owned(),
                sorts,
            };
            let mut ordered = Ordered::new(source, order);
            let judges = Judges::start(scope, shards, &mut merge);
            let exclusions = &options.exclusions;
            let tap = tap.as_deref_mut().map(|tap| tap as &mut dyn Tap);
            let mut recorder =
                Recorder::new(settings, &catalog, exclusions, tap, (numbers, count), judges);
            let mut cell = Vec::new();
            let is_complete = loop {
                if watch.stop.load(Ordering::Relaxed) {
                    break false;
                }
                match ordered.next(&mut cell)? {
                    Next::Cell => {}
                    Next::End => break !watch.stop.load(Ordering::Relaxed),
                    Next::Disorder => return Ok(None),
                }
                if !recorder.take(&mut cell)? {
                    break false;
                }
                replayed.set((recorder.samples(), recorder.at()));
                tell();
            };
            let spilled_rows = ordered.spilled_rows();
            drop(ordered);
            recorder.finish().map(|told| Some((told, is_complete, spilled_rows)))
        })?;
        let Some(((told, intake, shards), is_complete, spilled_rows)) = told else {
            return Ok(None);
        };
        let Merge { mut summary, sink, .. } = merge;
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
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_partition_is_in_one_shard_of_one_part() {
        for (count, threads) in [(1, 1), (1, 3), (2, 2), (3, 8), (64, 4), (1, 900)] {
            let mut owners = vec![0; PARTITIONS];
            for number in 1..=count {
                let (shards, all) = Part::new(number, count).unwrap().shards(threads);
                for shard in shards {
                    (0..PARTITIONS).filter(|p| p % all == shard).for_each(|p| owners[p] += 1);
                }
            }
            assert!(owners.iter().all(|&owners| owners == 1), "{count} {threads} {owners:?}");
        }
        assert!([(0, 1), (2, 1), (1, 65)].iter().all(|&(n, c)| Part::new(n, c).is_none()));
    }
}
