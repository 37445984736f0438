//! Options for history from a server.

use std::path::PathBuf;

use bellwether_connect::source::history::{HistoryQuery, Selector};
use bellwether_signal::parse_selector;
use clap::Args;

use super::history::MIB;
use crate::config::parse_duration_ms;
use crate::report::parse_moment;

/// What is asked of an input that is the URL of a server with Prometheus' API.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "History from a server")]
pub struct ServerArgs {
    /// Series to ask a server for, as PromQL selects them; may be given several times. All series without it.
    #[arg(long = "match", value_name = "SELECTOR", value_parser = parse_match)]
    pub selectors: Vec<Selector>,
    /// From this time on: RFC 3339, in UTC without an offset, or a date for its midnight in UTC. A server needs it.
    #[arg(long, value_name = "TIME", value_parser = parse_moment)]
    pub start: Option<i64>,
    /// Until just before this time. A server needs it.
    #[arg(long, value_name = "TIME", value_parser = parse_moment)]
    pub end: Option<i64>,
    /// Ask query_range for a value every so often, instead of remote read for the samples that were stored. A server without
    /// remote read is asked for one every minute.
    #[arg(long, value_name = "DURATION", value_parser = parse_positive)]
    pub step: Option<i64>,
    /// File that says how to log in and whom to trust: basic_auth, bearer_token_file, authorization, tls_config, proxy_url, as
    /// in the configuration.
    #[arg(long, value_name = "FILE")]
    pub http_config: Option<PathBuf>,
    /// Longest time that a request to a server may take.
    #[arg(long, value_name = "DURATION", default_value = "2m", value_parser = parse_positive)]
    pub timeout: i64,
    /// How often in a row a request is tried again after a failure that may pass.
    #[arg(long, value_name = "N", default_value_t = HistoryQuery::RETRIES_MAX)]
    pub retries: u32,
    /// Largest answer of a server, in MiB; of what is more, shorter times are asked for.
    #[arg(long, value_name = "MIB", default_value_t = HistoryQuery::ANSWER_BYTES_MAX / MIB)]
    pub answer_memory: usize,
}

impl ServerArgs {
    /// Those that were given and mean nothing without a server.
    pub(crate) fn given(&self) -> Vec<&'static str> {
        let all = [
            ("--match", !self.selectors.is_empty()),
            ("--start", self.start.is_some()),
            ("--end", self.end.is_some()),
            ("--step", self.step.is_some()),
            ("--http-config", self.http_config.is_some()),
        ];
        all.into_iter().filter_map(|(name, is_given)| is_given.then_some(name)).collect()
    }

    /// Largest answer, in bytes.
    pub(crate) fn answer_bytes(&self) -> usize {
        self.answer_memory.max(1).saturating_mul(MIB)
    }
}

fn parse_match(text: &str) -> Result<Selector, String> {
    let matchers = parse_selector(text.trim()).map_err(|error| error.to_string())?;
    Ok(Selector { text: text.trim().to_owned(), matchers })
}

/// Reads a duration above 0, in milliseconds.
pub(super) fn parse_positive(text: &str) -> Result<i64, String> {
    let step = parse_duration_ms(text)?;
    if step > 0 { Ok(step) } else { Err("expected a duration above 0, such as 1m".to_owned()) }
}
