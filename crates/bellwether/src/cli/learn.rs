//! Options of `bellwether replay` and `bellwether warm-start` that say what is learned, and for whom.

use std::path::PathBuf;

use bellwether_replay::Exclusion;
use bellwether_series::{Matchers, Timestamp};
use bellwether_signal::parse_selector;
use clap::Args;

use super::HistoryArgs;
use crate::report::parse_moment;

pub(super) const WARM_START_HELP: &str = "\
Examples:
  bellwether warm-start january.parquet february.parquet --data-dir /var/lib/bellwether
  bellwether warm-start export.csv.gz --config /etc/bellwether/bellwether.yml --exclude 2026-02-03T10:00:00Z/2026-02-03T14:30:00Z
  bellwether run --data-dir /var/lib/bellwether          then goes on with what was learned";

/// Samples that the engine is never given.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "What is left out")]
pub struct ExcludeArgs {
    /// Leave out the samples from FROM until just before TO, of all series or of those that the selector matches; may be given
    /// several times. Times are RFC 3339, in UTC without an offset, or dates for their midnight in UTC.
    #[arg(long, value_name = "FROM/TO[,SELECTOR]", value_parser = parse_exclusion)]
    pub exclude: Vec<Exclusion>,
    /// The same from a file: a line for each; empty lines and those that begin with # say nothing.
    #[arg(long, value_name = "FILE")]
    pub exclude_file: Vec<PathBuf>,
}

/// Options of `bellwether warm-start`.
#[derive(Debug, Clone, Args)]
pub struct WarmStartArgs {
    /// Files with history, folders of such files, URLs of servers with Prometheus' API, or a journal. They are only read.
    #[arg(required = true, value_name = "INPUT")]
    pub inputs: Vec<PathBuf>,
    /// Folder for data, instead of `data_dir` [default: ./bellwether-data].
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// Configuration file that `run` will have; embedded defaults without one.
    #[arg(long, short, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Folder for what the engine said meanwhile [default: `replay` in the folder for data].
    #[arg(long, value_name = "DIR")]
    pub output: Option<PathBuf>,
    /// Replace what was learned before.
    #[arg(long)]
    pub force: bool,
    /// What is left out.
    #[command(flatten)]
    pub excluded: ExcludeArgs,
    /// What only files with history have.
    #[command(flatten)]
    pub history: HistoryArgs,
}

/// Reads `FROM/TO` or `FROM/TO,SELECTOR`.
///
/// # Errors
/// Says what is wrong, and what would be right.
pub(crate) fn parse_exclusion(text: &str) -> Result<Exclusion, String> {
    let (times, selector) = match text.split_once(',') {
        Some((times, selector)) => (times, Some(selector)),
        None => (text, None),
    };
    let (from, until) = times.split_once('/').ok_or(
        "expected FROM/TO or FROM/TO,SELECTOR, such as 2026-02-03T10:00:00Z/2026-02-03T14:30:00Z,up{job=\"api\"}",
    )?;
    let moment = |text: &str| parse_moment(text.trim()).map(Timestamp::from_ms);
    let (from, until) = (moment(from)?, moment(until)?);
    if until <= from {
        return Err("it ends before it begins".to_owned());
    }
    let parsed = selector.map(|selector| parse_selector(selector.trim())).transpose();
    let series = parsed.map_err(|error| error.to_string())?.unwrap_or_else(Matchers::default);
    Ok(Exclusion { from, until, series })
}

#[cfg(test)]
mod tests {
    use bellwether_series::LabelSet;

    use super::*;

    #[test]
    fn an_exclusion_has_times_and_perhaps_a_selector() {
        let day = parse_exclusion("1970-01-01/1970-01-02").unwrap();
        assert_eq!((day.from.as_ms(), day.until.as_ms()), (0, 86_400_000));
        let some = "1970-01-01T00:00:01Z/1970-01-01T00:00:02.5Z, up{job=\"a\",zone=~\"b|c\"}";
        let some = parse_exclusion(some).unwrap();
        assert_eq!((some.from.as_ms(), some.until.as_ms()), (1000, 2500));
        let up = |zone| LabelSet::from_pairs([("__name__", "up"), ("job", "a"), ("zone", zone)]);
        assert!(some.series.matches(&up("b").unwrap()) && !some.series.matches(&up("d").unwrap()));
        assert!(day.series.matches(&up("d").unwrap()));
        let hours = parse_exclusion("1970-01-01T23:00:00/1970-01-02T01:00:00").unwrap();
        assert_eq!((hours.from.as_ms(), hours.until.as_ms()), (82_800_000, 90_000_000));
    }

    #[test]
    fn what_is_no_exclusion_is_refused_with_words() {
        for (text, word) in [
            ("1970-01-01", "FROM/TO"),
            ("yesterday/1970-01-02", "expected a date"),
            ("1970-01-02/1970-01-01", "before it begins"),
            ("1970-01-01/1970-01-01", "before it begins"),
            ("1970-01-01/1970-01-02,rate(up[5m])", "selector"),
        ] {
            let error = parse_exclusion(text).unwrap_err();
            assert!(error.contains(word), "{text}: {error}");
        }
    }
}
