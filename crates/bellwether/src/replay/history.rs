//! `bellwether replay FILE... --output DIR`: the events of history from files.

use std::io::IsTerminal;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Context;
use bellwether_replay::history::{
    HistoryOptions, HistoryProgress, HistorySummary, Input, Watch, replay_history,
};
use bellwether_replay::report::counted;
use bellwether_runtime::Learned;
use indicatif::{ProgressBar, ProgressStyle};

use super::bar;
use super::journal::{say_excluded, warn_of_nothing};
use super::stop::asked_to_stop;
use crate::config::Config;
use crate::output;

/// Time between two lines of progress where there is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(10);
/// Time between two looks of the bar.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// Columns of files are shown for so many different kinds of file.
const NOTES_MAX: usize = 5;

/// Replays the history in `inputs`: what was replayed, and what was learned of all series.
///
/// # Errors
/// When the configuration is wrong, the files cannot be read or the results cannot be written.
pub(super) fn history(
    inputs: &[Input],
    output: &Path,
    config: Option<&Path>,
    options: &HistoryOptions,
) -> anyhow::Result<(HistorySummary, Option<Learned>)> {
    let settings = Arc::new(Config::load(config).context("nothing was replayed")?.engine);
    let stop = asked_to_stop("ending with what was replayed")?;
    let (shown, notes) = (Shown::new(), Notes::default());
    let started = Instant::now();
    let watch = Watch {
        note: &|input, columns| notes.show(input, columns),
        progress: &|progress| shown.show(progress),
        stop: &stop,
    };
    let replayed = replay_history(inputs, output, &settings, options, &watch);
    shown.bar.finish_and_clear();
    let (summary, learned) = replayed.context("history cannot be replayed")?;
    let seconds = started.elapsed().as_secs_f64();
    if let (false, Some(last)) = (summary.complete, summary.last_received_ms) {
        let mend = if options.checkpoints.is_some() { "; --resume goes on from there" } else { "" };
        output::warn(&format!("ended early: the results go up to {}{mend}", output::time(last)));
    }
    // Times that were read in a wrong unit show here.
    let covered = summary.first_received_ms.zip(summary.last_received_ms);
    let covered = covered.map_or_else(String::new, |(first, last)| {
        format!(" from {} to {}", output::time(first), output::time(last))
    });
    output::print(&format!(
        "{}, {} series, {}{covered} in {seconds:.1} s ({:.0} samples/s); results in {}\n",
        counted(summary.samples, "sample"),
        summary.series,
        counted(summary.events.total, "event"),
        summary.samples as f64 / seconds,
        output.display(),
    ))?;
    if summary.complete {
        say_excluded(summary.excluded_samples, &options.exclusions)?;
        warn_of_nothing(summary.samples, summary.excluded_samples);
    }
    Ok((summary, learned))
}

/// Which columns were taken for what, as far as the user knows.
#[derive(Default)]
pub(crate) struct Notes(Mutex<Vec<String>>);

impl Notes {
    /// Shows which columns were taken for what, once for all files in which that is the same.
    pub(crate) fn show(&self, input: &Input, columns: &str) {
        let mut notes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if columns.is_empty() || notes.len() >= NOTES_MAX || notes.iter().any(|one| one == columns)
        {
            return;
        }
        notes.push(columns.to_owned());
        output::say(&format!("{} ({}): {columns}", input.path.display(), input.kind));
    }
}

/// What the user sees meanwhile: a bar on a terminal, else a line now and then.
struct Shown {
    bar: ProgressBar,
    is_terminal: bool,
    state: Mutex<State>,
}

struct State {
    looked: Instant,
    is_read: bool,
}

impl Shown {
    fn new() -> Self {
        Self {
            bar: bar("reading {wide_bar} {bytes}/{total_bytes}, {bytes_per_sec}, {eta} left {msg}"),
            is_terminal: std::io::stderr().is_terminal(),
            state: Mutex::new(State { looked: Instant::now(), is_read: false }),
        }
    }

    fn show(&self, progress: HistoryProgress) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let every = if self.is_terminal { LOOK_EVERY } else { LINE_EVERY };
        if state.looked.elapsed() < every {
            return;
        }
        state.looked = Instant::now();
        let at = progress.at.map_or_else(String::new, |at| format!("up to {}", output::time(at)));
        if !self.is_terminal {
            let HistoryProgress { replayed_samples, read_samples, .. } = progress;
            output::say(&format!("{replayed_samples} of {read_samples} samples replayed, {at}"));
            return;
        }
        if progress.is_read && !state.is_read {
            state.is_read = true;
            let style = ProgressStyle::with_template(
                "replaying {wide_bar} {human_pos}/{human_len} samples, {per_sec}, {eta} left {msg}",
            );
            self.bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
            self.bar.reset();
        }
        let (done, total) = if progress.is_read {
            (progress.replayed_samples, progress.read_samples)
        } else {
            (progress.read_bytes, progress.total_bytes)
        };
        self.bar.set_length(total);
        self.bar.set_position(done);
        self.bar.set_message(at);
    }
}
