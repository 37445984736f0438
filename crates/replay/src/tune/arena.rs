//! Where candidates are tried: files with history, a journal, or a labelled corpus.

use std::cell::RefCell;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bellwether_engine::Settings;
use bellwether_series::{LabelSet, Timestamp};

use super::choose::Objective;
use super::corpus::CorpusArena;
use super::error::TuneError;
use super::faults::Faults;
use super::fit::Fit;
use super::halving::{Share, Unit, shares};
use super::score::{BLOCKS, Blocks, Trial};
use super::sieve::{Census, Scout, Sieve, unit};
use super::windows::{Windows, count};
use crate::eval::CorpusFiles;
use crate::history::notation::labels;
use crate::history::{HistoryOptions, Input, Tap, Watch, replay_events};
use crate::journal::{Findings, each_time, widen};
use crate::plan::{Alerts, PlanInput, PlanWatch, replay_alerts};

/// Who hears of files, and may end everything.
pub struct ArenaWatch<'a> {
    /// Hears of each file which columns were taken for what.
    pub note: &'a (dyn Fn(&Input, &str) + Sync),
    /// Ends it when it becomes true, with [`TuneError::Stopped`].
    pub stop: &'a AtomicBool,
}

/// An input that was looked at: how long it is, what is in it, and on which shares of it candidates are tried.
pub struct Arena {
    ground: Ground,
    objective: Objective,
    shares: Vec<Share>,
    fit: Option<Fit>,
    findings: Findings,
}

enum Ground {
    Recorded(Recorded),
    Corpus(CorpusArena),
}

/// Files with history, or a journal.
struct Recorded {
    input: PlanInput,
    blocks: Blocks,
    /// Labelled ones, by series.
    windows: Windows,
    /// How many series there are, and what can be a share of them; nobody looks at those of a journal.
    series: usize,
    units: Vec<Unit>,
    /// What decides about faults that are put into files; `None` where windows are labelled.
    faults_by: Option<u64>,
}

impl Arena {
    /// Looks at `input`. With `windows`, labelled ones by series, these are to be found. Without, faults are put into files by
    /// `seed`; a journal is left as it is.
    ///
    /// # Errors
    /// When the input cannot be read or is too short, a block of it holds no sample, or no labelled window can be found in it.
    pub fn of_input(
        input: PlanInput,
        windows: Option<Windows>,
        seed: u64,
        watch: &ArenaWatch<'_>,
    ) -> Result<Self, TuneError> {
        let Scouted { times, units, series, findings } = match &input {
            PlanInput::Journal(folder) => scout_journal(folder)?,
            PlanInput::History { inputs, options } => scout(inputs, options, watch)?,
        };
        let (first, last) = times.ok_or(TuneError::TooShort)?;
        let (since_ms, until_ms) = (first.as_ms(), last.as_ms());
        let blocks = Blocks::new(since_ms, until_ms).ok_or(TuneError::TooShort)?;
        if let Some(block) = census(&input, blocks, watch)?.empty() {
            return Err(TuneError::EmptyBlock {
                block: block + 1,
                from_ms: blocks.start_ms(block),
                until_ms: blocks.start_ms(block + 1),
                first_ms: since_ms,
                last_ms: until_ms,
            });
        }
        let windows = windows.map(named);
        let is_labelled = windows.is_some();
        let known = matches!(input, PlanInput::History { .. }).then_some(&*series);
        let fit = windows.as_ref().map(|windows| Fit::of(windows, known, &blocks, until_ms));
        if let Some(fit) = fit.filter(Fit::is_nothing) {
            return Err(TuneError::NoWindows { fit });
        }
        let series = series.len();
        let objective = match (&input, is_labelled) {
            (_, true) => Objective::F1,
            (PlanInput::History { .. }, false) => Objective::Recall,
            (PlanInput::Journal(_), false) => Objective::Alerts,
        };
        let windows = windows.unwrap_or_default();
        let units = with_windows(units, &windows, &blocks);
        let shares = match &input {
            PlanInput::Journal(_) => vec![Share::WHOLE],
            PlanInput::History { .. } => shares(&units, is_labelled),
        };
        let faults_by = (!is_labelled).then_some(seed);
        let recorded = Recorded { input, blocks, windows, series, units, faults_by };
        Ok(Self { ground: Ground::Recorded(recorded), objective, shares, fit, findings })
    }

    /// Looks at the labelled corpus in `files`: each of its series is a fleet by itself.
    ///
    /// # Errors
    /// When a file cannot be read, or none is long enough.
    pub fn of_corpus(files: &CorpusFiles, watch: &ArenaWatch<'_>) -> Result<Self, TuneError> {
        let corpus = CorpusArena::look_at(files, watch.stop)?;
        let shares = shares(&corpus.units(), true);
        let (ground, findings) = (Ground::Corpus(corpus), Findings::default());
        Ok(Self { ground, objective: Objective::F1, shares, fit: None, findings })
    }

    /// What is looked for.
    pub fn objective(&self) -> Objective {
        self.objective
    }

    /// How the labels fit the input; `None` without any, and of a corpus, whose series have their own.
    pub fn fit(&self) -> Option<Fit> {
        self.fit
    }

    /// What is wrong with a journal; files have nothing.
    pub fn findings(&self) -> &Findings {
        &self.findings
    }

    /// The shares that candidates are tried on, the whole last.
    pub fn shares(&self) -> &[Share] {
        &self.shares
    }

    /// Replays `share` under `settings`, on this thread.
    ///
    /// # Errors
    /// When the input cannot be replayed, or `stop` becomes true.
    pub fn play(
        &self,
        settings: &Arc<Settings>,
        share: Share,
        stop: &AtomicBool,
    ) -> Result<Trial, TuneError> {
        match &self.ground {
            Ground::Corpus(corpus) => corpus.play(settings, share, stop),
            Ground::Recorded(recorded) => match &recorded.input {
                PlanInput::Journal(_) => recorded.journal(settings, stop),
                PlanInput::History { inputs, options } => {
                    recorded.files(inputs, options, settings, share, stop)
                }
            },
        }
    }
}

impl Recorded {
    fn journal(&self, settings: &Arc<Settings>, stop: &AtomicBool) -> Result<Trial, TuneError> {
        let watch = PlanWatch { note: &|_, _| {}, progress: &|_, _| {}, stop };
        let replayed = replay_alerts(&self.input, Some(settings), 1, &watch)?;
        if stop.load(Ordering::Relaxed) {
            return Err(TuneError::Stopped);
        }
        let mut trial = Trial { days: [self.blocks.days(); BLOCKS], ..Trial::default() };
        count(&mut trial, &replayed.alerts, &self.windows, &self.blocks);
        Ok(trial)
    }

    fn files(
        &self,
        inputs: &[Input],
        options: &HistoryOptions,
        settings: &Arc<Settings>,
        share: Share,
        stop: &AtomicBool,
    ) -> Result<Trial, TuneError> {
        let Self { blocks, windows, series, units, faults_by, .. } = self;
        let kept = units.iter().filter(|unit| share.has(unit.key)).count();
        let part = kept as f64 / units.len().max(1) as f64;
        let faults = faults_by.map(|seed| {
            let kept_series = (*series as f64 * part).ceil() as usize;
            Faults::new(seed, *blocks, kept_series)
        });
        let mut settings = Settings::clone(settings);
        // A part of the fleet has its part of the budget, so that thresholds are about those of the whole.
        settings.budget.per_day *= part;
        if faults.is_some() {
            // So many faults at a time are nothing that the cap is made for.
            settings.budget.cap_per_day = u32::MAX;
        }
        let settings = Arc::new(settings);
        let sieve = RefCell::new(Sieve::new(share, blocks, faults));
        let watch = Watch { note: &|_, _| {}, progress: &|_| {}, stop };
        let (_, alerts) =
            replay_events(inputs, &settings, options, Some(&sieve), &watch, &Alerts::default)?;
        if stop.load(Ordering::Relaxed) {
            return Err(TuneError::Stopped);
        }
        let days = blocks.days() * part;
        let days = std::array::from_fn(|block| if block < share.blocks { days } else { 0.0 });
        let mut trial = Trial { days, ..Trial::default() };
        let sieve = sieve.into_inner();
        let windows: Windows = if faults_by.is_some() {
            let faults = sieve.faults();
            faults.map(|(labels, windows)| (labels.to_string(), windows.to_vec())).collect()
        } else {
            let is_in = |series: &str| {
                let has = |labels| share.has(unit(&labels));
                share.one_in == 1 || labels(series).is_some_and(has)
            };
            let its = windows.iter().filter(|(series, _)| is_in(series));
            its.map(|(series, windows)| (series.clone(), windows.clone())).collect()
        };
        count(&mut trial, &alerts.finish(), &windows, blocks);
        Ok(trial)
    }
}

/// What was seen of an input.
struct Scouted {
    /// Event times of the first and the last sample.
    times: Option<(Timestamp, Timestamp)>,
    /// What can be a share of it.
    units: Vec<Unit>,
    series: Vec<LabelSet>,
    findings: Findings,
}

/// Nobody looks at the series of a journal.
fn scout_journal(folder: &Path) -> Result<Scouted, TuneError> {
    let mut times = None;
    let findings = each_time(folder, &Arc::default(), &mut |at| widen(&mut times, at))?;
    Ok(Scouted { times, units: Vec::new(), series: Vec::new(), findings })
}

fn scout(
    inputs: &[Input],
    options: &HistoryOptions,
    watch: &ArenaWatch<'_>,
) -> Result<Scouted, TuneError> {
    let tap = RefCell::new(Scout::default());
    read(inputs, options, &tap, watch)?;
    let Scout { series, times } = tap.into_inner();
    let mut keys: Vec<u64> = series.iter().map(unit).collect();
    keys.sort_unstable();
    keys.dedup();
    let units = keys.into_iter().map(|key| Unit { key, windows: [0; BLOCKS] }).collect();
    Ok(Scouted { times, units, series, findings: Findings::default() })
}

/// Counts the samples of each block.
fn census(input: &PlanInput, blocks: Blocks, watch: &ArenaWatch<'_>) -> Result<Census, TuneError> {
    let mut census = Census::new(blocks);
    match input {
        PlanInput::Journal(folder) => {
            each_time(folder, &Arc::default(), &mut |at| census.count(at))?;
            Ok(census)
        }
        PlanInput::History { inputs, options } => {
            let tap = RefCell::new(census);
            // Which columns there are was said before.
            read(inputs, options, &tap, &ArenaWatch { note: &|_, _| {}, stop: watch.stop })?;
            Ok(tap.into_inner())
        }
    }
}

/// Shows all rows of files to `tap`.
fn read(
    inputs: &[Input],
    options: &HistoryOptions,
    tap: &RefCell<dyn Tap>,
    watch: &ArenaWatch<'_>,
) -> Result<(), TuneError> {
    let listen = Watch { note: watch.note, progress: &|_| {}, stop: watch.stop };
    replay_events(inputs, &Arc::default(), options, Some(tap), &listen, &Alerts::default)?;
    if watch.stop.load(Ordering::Relaxed) { Err(TuneError::Stopped) } else { Ok(()) }
}

/// `windows` by the names that alerts have for series, however their labels are written.
fn named(windows: Windows) -> Windows {
    let mut named = Windows::new();
    for (series, its) in windows {
        let name = labels(&series).map_or(series, |labels| labels.to_string());
        named.entry(name).or_default().extend(its);
    }
    named
}

/// Counts `windows` at the units that they are of.
fn with_windows(mut units: Vec<Unit>, windows: &Windows, blocks: &Blocks) -> Vec<Unit> {
    for (series, windows) in windows {
        let Some(key) = labels(series).map(|labels| unit(&labels)) else { continue };
        let Ok(place) = units.binary_search_by_key(&key, |unit| unit.key) else { continue };
        for block in windows.iter().filter_map(|window| blocks.of(window.0)) {
            units[place].windows[block] += 1;
        }
    }
    units
}

#[cfg(test)]
mod tests;
