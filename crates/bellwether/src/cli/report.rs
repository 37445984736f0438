//! Options of `bellwether report`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use jiff::civil::Date;

use crate::report::{parse_day, parse_moment};

pub(super) const HELP: &str = "\
Examples:
  bellwether report
  bellwether report --config /etc/bellwether/bellwether.yml --week 2026-03-04
  bellwether report events.jsonl --day 2026-03-04 --format json
  bellwether report --since 2026-03-01 --until 2026-04-01 --format html --output march.html";

/// Options of `bellwether report`.
#[derive(Debug, Clone, Args)]
pub struct ReportArgs {
    /// Events to read: a file of JSON lines, a Parquet file, or the folder of an event log [default: that of the
    /// data folder].
    #[arg(value_name = "EVENTS")]
    pub events: Option<PathBuf>,
    /// Configuration file: says where the data folder is and what the budget allows; embedded defaults without one.
    #[arg(long, short, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Folder for data, instead of `data_dir` [default: ./bellwether-data].
    #[arg(long, value_name = "DIR", conflicts_with = "events")]
    pub data_dir: Option<PathBuf>,
    /// This day, from midnight to midnight in UTC.
    #[arg(long, value_name = "YYYY-MM-DD", value_parser = parse_day, conflicts_with_all = ["week", "since", "until"])]
    pub day: Option<Date>,
    /// The week that this day is in, from Monday to Sunday in UTC.
    #[arg(long, value_name = "YYYY-MM-DD", value_parser = parse_day, conflicts_with_all = ["since", "until"])]
    pub week: Option<Date>,
    /// From this time on; a date is its midnight, and without an offset both are in UTC. Without --until up to the newest event.
    #[arg(long, value_name = "TIME", value_parser = parse_moment)]
    pub since: Option<i64>,
    /// Until just before this time. Without --since the seven days before.
    #[arg(long, value_name = "TIME", value_parser = parse_moment)]
    pub until: Option<i64>,
    /// How the report is written.
    #[arg(long, value_enum, default_value_t)]
    pub format: ReportFormat,
    /// File to write instead of standard output.
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

/// How a report is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum ReportFormat {
    /// For a terminal.
    #[default]
    Text,
    /// For programs; docs/report.md says what is in it.
    Json,
    /// A page for a browser that needs nothing else.
    Html,
}
