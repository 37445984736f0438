//! Options of `bellwether eval`.

use std::path::PathBuf;

use bellwether_replay::eval::TOLERANCE;
use clap::Args;

pub(super) const HELP: &str = "\
Examples:
  bellwether eval results --labels datasets/labels.json
  bellwether eval results --labels datasets/labels.json --save-baseline baseline.json
  bellwether eval results --labels datasets/labels.json --baseline baseline.json --tolerance 0.02
  bellwether eval results --labels NAB/labels/combined_windows.json --data NAB/data --json";

/// Options of `bellwether eval`.
#[derive(Debug, Clone, Args)]
pub struct EvalArgs {
    /// Folder of results.
    #[arg(value_name = "RESULTS")]
    pub results: PathBuf,
    /// Labels: a JSON object from ids, of the results of a replay series as Prometheus writes them, to lists of [start, end], in unix seconds, as RFC 3339, or as in NAB's combined_windows.json.
    #[arg(long, value_name = "FILE")]
    pub labels: PathBuf,
    /// Manifest of the corpus, which says how each series is scored [default: manifest.json beside the labels, if
    /// there is one].
    #[arg(long, value_name = "FILE", conflicts_with = "data")]
    pub manifest: Option<PathBuf>,
    /// Folder of the data, for labels without a manifest; without it the rows of a series are those of its result.
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Score from which on a row alerts, whatever is_alert says; without it 0.5 where not every result has that column.
    #[arg(long, value_name = "SCORE", value_parser = parse_finite)]
    pub threshold: Option<f64>,
    /// Print one JSON object instead of tables; docs/eval.md says what is in it.
    #[arg(long)]
    pub json: bool,
    /// Compare with these figures, which --save-baseline wrote.
    #[arg(long, value_name = "FILE", conflicts_with = "save_baseline")]
    pub baseline: Option<PathBuf>,
    /// Write the figures to this file, for --baseline.
    #[arg(long, value_name = "FILE")]
    pub save_baseline: Option<PathBuf>,
    /// How much worse than in the baseline a figure may be, as a share of what it was.
    #[arg(long, value_name = "SHARE", default_value_t = TOLERANCE, value_parser = parse_share, requires = "baseline")]
    pub tolerance: f64,
}

pub(super) fn parse_finite(text: &str) -> Result<f64, String> {
    let value = text.parse::<f64>().ok().filter(|value| value.is_finite());
    value.ok_or_else(|| "expected a number".into())
}

fn parse_share(text: &str) -> Result<f64, String> {
    let share = parse_finite(text).ok().filter(|share| (0.0..=1.0).contains(share));
    share.ok_or_else(|| "expected a share from 0 to 1, such as 0.01".into())
}
