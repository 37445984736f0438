//! `bellwether replay`: recorded history through the same engine.

mod corpus;
mod excluded;
mod history;
mod inputs;
mod journal;
mod server;
mod state;
mod stop;
mod verify;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use bellwether_engine::Settings;
use bellwether_replay::Exclusions;
use bellwether_replay::history::HistoryOptions;
use bellwether_replay::journal::is_journal;
use indicatif::{ProgressBar, ProgressStyle};

use crate::cli::{HistoryArgs, ReplayArgs, ResumeArgs, WarmStartArgs};
use crate::config::Config;
use crate::usage::{refuse_for_journals, wrong};

use excluded::exclusions;
pub(crate) use history::Notes;
pub(crate) use inputs::{find as find_inputs, keep_servers};
use state::{Seen, Target};

pub(crate) use journal::complain;
pub(crate) use stop::asked_to_stop;

/// Replays files with history, a journal or a corpus. Says whether all is well: with `--verify` whether nothing differs, else
/// whether all of it was replayed.
///
/// # Errors
/// When the configuration is wrong, what is to be replayed cannot be read, or the results cannot be written.
pub fn replay(args: &ReplayArgs) -> anyhow::Result<bool> {
    let ReplayArgs { inputs, corpus, output, config, events, seed, history, resume, .. } = args;
    let config = config.as_deref();
    match (&**inputs, corpus, output) {
        (_, Some(manifest), Some(output)) => {
            corpus::corpus(manifest, output, config).map(|()| true)
        }
        ([folder], _, _) if args.verify => {
            let seed = seed.unwrap_or(1);
            verify::verify(folder, settings(config)?.as_ref(), events.as_deref(), seed)
        }
        (_, _, _) if args.verify => Err(wrong("one journal is verified at a time")),
        // Not said to clap: with --output, which excludes --verify, it would not miss that.
        _ if events.is_some() => Err(wrong("--events is for --verify, which is missing")),
        _ if seed.is_some() => Err(wrong("--seed is for --verify, which is missing")),
        (inputs, _, output) => {
            let target = args.write_state.as_deref();
            let target = target
                .map(|folder| Target::take(folder, inputs, config, args.force))
                .transpose()?;
            let exclusions = exclusions(&args.excluded)?;
            let output = output.as_deref();
            let resume = Some(resume);
            Learn { inputs, output, config, exclusions, history, target, resume }.learn()
        }
    }
}

/// Learns from history what `run` then goes on with. Says whether all of it was replayed; nothing is written otherwise.
///
/// # Errors
/// When the configuration is wrong, the history cannot be read, or the data folder cannot be used.
pub fn warm_start(args: &WarmStartArgs) -> anyhow::Result<bool> {
    let WarmStartArgs { inputs, data_dir, config, output, force, excluded, history } = args;
    if history.partition.is_some() {
        return Err(wrong("--partition: a state is of all series, not of a part of them"));
    }
    let config = config.as_deref();
    let folder = match data_dir {
        Some(folder) => folder.clone(),
        None => Config::load(config).context("nothing was replayed")?.data_dir,
    };
    let target = Some(Target::take(&folder, inputs, config, *force)?);
    let exclusions = exclusions(excluded)?;
    let (output, resume) = (output.as_deref(), None);
    Learn { inputs, output, config, exclusions, history, target, resume }.learn()
}

/// A replay of files or of a journal.
struct Learn<'a> {
    inputs: &'a [PathBuf],
    output: Option<&'a Path>,
    config: Option<&'a Path>,
    exclusions: Exclusions,
    history: &'a HistoryArgs,
    /// Whoever goes on with what was learned.
    target: Option<Target>,
    /// How it goes on when it is interrupted, if it does.
    resume: Option<&'a ResumeArgs>,
}

impl Learn<'_> {
    fn learn(self) -> anyhow::Result<bool> {
        let Self { inputs, output, config, exclusions, history, target, resume } = self;
        let output = output.map(Path::to_owned).or_else(|| target.as_ref().map(Target::results));
        let output =
            output.context("there is no folder for the results: name one with --output")?;
        let (seen, learned) = match inputs {
            [folder] if is_journal(folder) => {
                let resumes = resume.is_some_and(|resume| resume.resume);
                refuse_for_journals(&history.given(resumes))?;
                let (summary, learned) = journal::journal(
                    folder,
                    &output,
                    settings(config)?,
                    &exclusions,
                    history.report_bytes(),
                )?;
                target.as_ref().map(|target| target.check(&summary)).transpose()?;
                (Seen::of_journal(&summary), Some(learned))
            }
            inputs => {
                let checkpoints = resume.map(ResumeArgs::checkpoints);
                let options = HistoryOptions { checkpoints, ..history.options(&exclusions) };
                let inputs = find_inputs(inputs, &history.server)?;
                let (summary, learned) = history::history(&inputs, &output, config, &options)?;
                if !summary.complete {
                    return Ok(false);
                }
                (Seen::of_history(&summary), learned)
            }
        };
        if let Some(target) = target {
            let learned = learned.context("a state is of all series, not of a part of them")?;
            target.adopt(learned, &seen)?;
        }
        Ok(true)
    }
}

/// What the configuration file says, if there is one.
fn settings(config: Option<&Path>) -> anyhow::Result<Option<Arc<Settings>>> {
    let load = |path| Config::load(Some(path)).context("nothing was replayed");
    config.map(load).transpose().map(|config| config.map(|config| Arc::new(config.engine)))
}

/// Drawn on standard error, and only if that is a terminal.
pub(crate) fn bar(template: &str) -> ProgressBar {
    ProgressBar::new(0).with_style(
        ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()),
    )
}
