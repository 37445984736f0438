//! Options of `bellwether plan`.

use std::path::PathBuf;

use bellwether_replay::plan::Change;
use clap::{Args, ValueEnum};

use super::InputArgs;
use crate::config::parse_duration_ms;

pub(super) const HELP: &str = "\
Examples:
  bellwether plan --old bellwether.yml --new candidate.yml january.parquet
  bellwether plan --new candidate.yml bellwether-data
  bellwether plan --old main.yml --new branch.yml history/ --format markdown --output comment.md
  bellwether plan --old main.yml --new branch.yml history/ --fail-on appeared,vanished";

/// Options of `bellwether plan`.
#[derive(Debug, Clone, Args)]
pub struct PlanArgs {
    /// The old configuration. Without one a journal is replayed under what was in force when it was written, files with
    /// history under embedded defaults.
    #[arg(long, value_name = "FILE")]
    pub old: Option<PathBuf>,
    /// The new configuration.
    #[arg(long, value_name = "FILE")]
    pub new: PathBuf,
    /// How the plan is written.
    #[arg(long, value_enum, default_value_t)]
    pub format: PlanFormat,
    /// File to write instead of standard output.
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Most changes that are shown as text or Markdown; JSON has all.
    #[arg(long, value_name = "N", default_value_t = 100)]
    pub rows: usize,
    /// An alert counts as moved when somebody is told earlier or later by more than this.
    #[arg(long, value_name = "DURATION", default_value = "5m", value_parser = parse_duration_ms)]
    pub moved: i64,
    /// Exit with code 3 when there is a change of one of these kinds.
    #[arg(long, value_name = "KIND", value_enum, value_delimiter = ',')]
    pub fail_on: Vec<FailOn>,
    /// What is replayed.
    #[command(flatten)]
    pub input: InputArgs,
}

/// How a plan is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum PlanFormat {
    /// For a terminal.
    #[default]
    Text,
    /// For programs; docs/plan.md says what is in it.
    Json,
    /// For a comment on a pull request.
    Markdown,
}

/// A kind of change that fails a pipeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum FailOn {
    /// Any of the others.
    Any,
    /// An alert that only the new configuration raises.
    Appeared,
    /// An alert that only the old configuration raises.
    Vanished,
    /// Another severity.
    Severity,
    /// Another rule, hence another alertname.
    Rule,
    /// Told earlier or later than --moved allows.
    Moved,
}

impl FailOn {
    /// Whether a change of this kind is meant.
    pub(crate) fn means(self, change: Change) -> bool {
        match self {
            Self::Any => true,
            Self::Appeared => change == Change::Appeared,
            Self::Vanished => change == Change::Vanished,
            Self::Severity => change == Change::Severity,
            Self::Rule => change == Change::Rule,
            Self::Moved => change == Change::Moved,
        }
    }
}
