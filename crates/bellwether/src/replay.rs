//! `bellwether replay`: recorded history through the same engine.

use std::sync::Arc;
use std::time::Instant;

use bellwether_replay::corpus::replay_corpus;
use indicatif::{ProgressBar, ProgressStyle};

use crate::cli::ReplayArgs;
use crate::config::Config;
use crate::output;

/// Replays a corpus.
///
/// # Errors
/// When the configuration is wrong, the corpus cannot be read or the results cannot be written.
pub fn replay(args: &ReplayArgs) -> anyhow::Result<()> {
    let config = Config::load(args.config.as_deref())?;
    let started = Instant::now();
    // Drawn on standard error, and only if that is a terminal.
    let bar = ProgressBar::new(0).with_style(
        ProgressStyle::with_template("{wide_bar} {pos}/{len} series, {eta} left")
            .unwrap_or_else(|_| ProgressStyle::default_bar()),
    );
    let progress = |done: usize, total: usize| {
        bar.set_length(total as u64);
        bar.set_position(done as u64);
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let report =
        replay_corpus(&args.corpus, &args.output, &Arc::new(config.engine), threads, &progress)?;
    bar.finish_and_clear();
    output::print(&format!(
        "{} series, {} rows, {} alerts in {:.1} s; results in {}\n",
        report.series,
        report.rows,
        report.alerts,
        started.elapsed().as_secs_f64(),
        args.output.display(),
    ))
}
