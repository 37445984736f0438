//! Options of `bellwether tune`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::InputArgs;
use super::eval::parse_finite;

pub(super) const HELP: &str = "\
Examples:
  bellwether tune history/ --per-day 2 --output tuned.yml
  bellwether tune history/ --labels labels.json --per-day 1 --trials 200 --output tuned.yml
  bellwether tune history/ --labels labels.json --per-day 1 --trials 200 --output tuned.yml --resume
  bellwether tune bellwether-data --per-day 2 --output tuned.yml
  bellwether tune --corpus corpus/manifest.json --format json --output tuned.yml";

/// Options of `bellwether tune`.
#[derive(Debug, Clone, Args)]
#[command(mut_arg("inputs", |arg| arg.required(false).required_unless_present("corpus")))]
pub struct TuneArgs {
    /// What is replayed.
    #[command(flatten)]
    pub input: InputArgs,
    /// A labelled corpus instead: the manifest that lists its series, each of which is a fleet of its own.
    #[arg(long, value_name = "MANIFEST", conflicts_with = "inputs")]
    pub corpus: Option<PathBuf>,
    /// Labels: a JSON object from series, as Prometheus writes them, to lists of [start, end], in unix seconds or as dates
    /// [default for --corpus: labels.json beside the manifest].
    #[arg(long, value_name = "FILE")]
    pub labels: Option<PathBuf>,
    /// Most false alarms a day, above 0, in each block of time: alerts that are on nothing labelled and on no fault that was put in.
    #[arg(long, value_name = "N", default_value_t = 1.0, value_parser = parse_limit)]
    pub per_day: f64,
    /// Configurations that are tried, the default among them: 1 to 10000.
    #[arg(long, value_name = "N", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    pub trials: u64,
    /// Seed of the configurations, of the faults that are put in, and of what is drawn anew for the interval.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// Go on with what was tried before it was ended, which is in a file beside the output.
    #[arg(long)]
    pub resume: bool,
    /// How it is said what was tried and what won.
    #[arg(long, value_enum, default_value_t)]
    pub format: TuneFormat,
    /// File for the configuration; an existing one is overwritten.
    #[arg(long, short, value_name = "FILE")]
    pub output: PathBuf,
}

/// How it is said what was tried and what won.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum TuneFormat {
    /// For a terminal.
    #[default]
    Text,
    /// For programs; docs/tune.md says what is in it.
    Json,
}

fn parse_limit(text: &str) -> Result<f64, String> {
    let limit = parse_finite(text).ok().filter(|&limit| limit > 0.0);
    limit.ok_or_else(|| "expected a number above 0, such as 2".to_owned())
}
