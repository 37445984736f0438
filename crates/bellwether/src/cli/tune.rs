//! Options of `bellwether tune`.

use std::path::PathBuf;

use clap::Args;

use super::{InputArgs, parse_finite};

pub(super) const HELP: &str = "\
Examples:
  bellwether tune history/ --per-day 2 --output tuned.yml
  bellwether tune history/ --labels labels.json --per-day 1 --output tuned.yml
  bellwether tune bellwether-data --per-day 2 --output tuned.yml";

/// Options of `bellwether tune`.
#[derive(Debug, Clone, Args)]
pub struct TuneArgs {
    /// What is replayed.
    #[command(flatten)]
    pub input: InputArgs,
    /// Labels: a JSON object from series, as Prometheus writes them, to lists of [start, end], in unix seconds or as dates.
    #[arg(long, value_name = "FILE")]
    pub labels: Option<PathBuf>,
    /// Most alerts a day, above 0, in each block of time; with --labels most false ones.
    #[arg(long, value_name = "N", default_value_t = 1.0, value_parser = parse_limit)]
    pub per_day: f64,
    /// Seed of the series that are drawn anew for the interval.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// File for the configuration; an existing one is overwritten.
    #[arg(long, short, value_name = "FILE")]
    pub output: PathBuf,
}

fn parse_limit(text: &str) -> Result<f64, String> {
    let limit = parse_finite(text).ok().filter(|&limit| limit > 0.0);
    limit.ok_or_else(|| "expected a number above 0, such as 2".to_owned())
}
