//! Options of `bellwether explain`.

use std::path::PathBuf;

use clap::{ArgGroup, Args};

use crate::explain::parse_time;

pub(super) const HELP: &str = "\
Examples:
  bellwether explain 9f3c2a7e --journal bellwether-data
  bellwether explain 9f3c2a7e results
  bellwether explain 9f3c2a7e --events results/events.jsonl
  bellwether explain 9f3c2a7e --url http://127.0.0.1:2355 --journal /var/lib/bellwether
  bellwether explain --series 'up{job=\"api\"}' --at 2026-03-04T05:06:00Z --journal bellwether-data
  bellwether explain --series 'up{job=\"api\"}' --at 2026-03-04T05:06:00Z results";

/// Options of `bellwether explain`.
#[derive(Debug, Clone, Args)]
#[command(group(ArgGroup::new("what").required(true).multiple(true).args(["event", "series"])))]
pub struct ExplainArgs {
    /// The event: its id, the first digits of it, or the `episode_id` of an alert, of which the event that fired is meant.
    /// With --series this is DIR instead.
    #[arg(value_name = "EVENT")]
    pub event: Option<String>,
    /// Where it is recomputed from: the results of a replay of files, which are still where they were and as they were, or a data
    /// folder as for --journal.
    #[arg(value_name = "DIR", conflicts_with_all = ["series", "journal", "events", "url"])]
    pub folder: Option<PathBuf>,
    /// Say why these series did not alert at --at: a PromQL selector, as in the configuration. A group is
    /// group{instance="..."}.
    #[arg(long, value_name = "SELECTOR", requires = "at", conflicts_with_all = ["events", "url"])]
    pub series: Option<String>,
    /// The event time in question, like 2026-03-04T05:06:00Z or in Unix milliseconds; the newest sample at or before it counts.
    #[arg(long, value_name = "TIME", value_parser = parse_time, requires = "series")]
    pub at: Option<i64>,
    /// A journal to recompute it from: the data folder of `run`, or the folder `journal` in it. It is only read.
    /// [default: ./bellwether-data, unless --events or --url is given]
    #[arg(long, value_name = "DIR")]
    pub journal: Option<PathBuf>,
    /// Where the event is stored: a file of JSON lines, a Parquet file, an event log, a data folder or results of a
    /// replay [default: the event log beside the journal].
    #[arg(long, value_name = "EVENTS", conflicts_with = "url")]
    pub events: Option<PathBuf>,
    /// A running server to ask for the event, which has the newest ones; a user and a password may stand in the URL.
    #[arg(long, value_name = "URL")]
    pub url: Option<reqwest::Url>,
    /// Most series that --series answers for: 1 to 1000.
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=1000))]
    pub limit: u64,
    /// Print one JSON object; docs/explain.md says what is in it.
    #[arg(long)]
    pub json: bool,
}
