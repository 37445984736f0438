//! `bellwether replay`: recorded history through the same engine.

mod corpus;
mod history;
mod journal;
mod stop;
mod verify;

use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use bellwether_engine::Settings;
use bellwether_replay::journal::is_journal;
use indicatif::{ProgressBar, ProgressStyle};

use crate::cli::ReplayArgs;
use crate::config::Config;

pub(crate) use history::Notes;
pub(crate) use journal::complain;
pub(crate) use stop::asked_to_stop;

/// Replays files with history, a journal or a corpus. Says whether all is well: with `--verify` whether nothing differs, else
/// whether all of it was replayed.
///
/// # Errors
/// When the configuration is wrong, what is to be replayed cannot be read, or the results cannot be written.
pub fn replay(args: &ReplayArgs) -> anyhow::Result<bool> {
    let ReplayArgs { inputs, corpus, output, config, verify: _, events, seed, history } = args;
    let config = config.as_deref();
    match (&**inputs, corpus, output) {
        (_, Some(manifest), Some(output)) => {
            corpus::corpus(manifest, output, config).map(|()| true)
        }
        ([folder], _, Some(output)) if is_journal(folder) => {
            journal::journal(folder, output, settings(config)?).map(|()| true)
        }
        (inputs, _, Some(output)) => history::history(inputs, output, config, history),
        ([folder], _, None) => {
            verify::verify(folder, settings(config)?.as_ref(), events.as_deref(), *seed)
        }
        (_, _, None) => anyhow::bail!("one journal is verified at a time"),
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
