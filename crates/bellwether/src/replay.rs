//! `bellwether replay`: recorded history through the same engine.

mod corpus;
mod journal;
mod verify;

use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use bellwether_engine::Settings;
use indicatif::{ProgressBar, ProgressStyle};

use crate::cli::ReplayArgs;
use crate::config::Config;

pub(crate) use journal::complain;

/// Replays a corpus or a journal. Says whether all is well: with `--verify` whether nothing differs.
///
/// # Errors
/// When the configuration is wrong, what is to be replayed cannot be read, or the results cannot be written.
pub fn replay(args: &ReplayArgs) -> anyhow::Result<bool> {
    let ReplayArgs { journal, corpus, output, config, verify: _, events, seed } = args;
    let config = config.as_deref();
    match (journal, corpus, output) {
        (_, Some(manifest), Some(output)) => {
            corpus::corpus(manifest, output, config).map(|()| true)
        }
        (Some(folder), _, Some(output)) => {
            journal::journal(folder, output, settings(config)?).map(|()| true)
        }
        (Some(folder), _, None) => {
            verify::verify(folder, settings(config)?.as_ref(), events.as_deref(), *seed)
        }
        // The command line takes nothing else.
        _ => anyhow::bail!("name a journal or a corpus"),
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
