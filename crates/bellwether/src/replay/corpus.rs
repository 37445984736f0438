//! `bellwether replay --corpus`: labelled series, scored row by row.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use bellwether_replay::corpus::replay_corpus;
use bellwether_replay::report::counted;

use super::bar;
use crate::config::Config;
use crate::output;

/// Replays the corpus that `manifest` lists.
///
/// # Errors
/// When the configuration is wrong, the corpus cannot be read or the results cannot be written.
pub(super) fn corpus(manifest: &Path, output: &Path, config: Option<&Path>) -> anyhow::Result<()> {
    let mut config = Config::load(config)?;
    // A corpus is of nobody.
    config.engine.tenants = None;
    let started = Instant::now();
    let bar = bar("{wide_bar} {pos}/{len} series, {eta} left");
    let progress = |done: usize, total: usize| {
        bar.set_length(total as u64);
        bar.set_position(done as u64);
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let report = replay_corpus(manifest, output, &Arc::new(config.engine), threads, &progress)?;
    bar.finish_and_clear();
    output::print(&format!(
        "{} series, {}, {} in {:.1} s; results in {}\n",
        report.series,
        counted(report.rows as u64, "row"),
        counted(report.alerts as u64, "alert"),
        started.elapsed().as_secs_f64(),
        output.display(),
    ))
}
