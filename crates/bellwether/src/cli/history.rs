//! Options of `bellwether replay` for files with history.

use bellwether_replay::Exclusions;
use bellwether_replay::history::{HistoryOptions, Mapping, Part, TimeUnit};
use clap::{Args, ValueEnum};

use super::ServerArgs;

pub(super) const MIB: usize = 1024 * 1024;

/// Which column of a file with history is what.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Files with history")]
pub struct ColumnArgs {
    /// Column with the time: RFC 3339, or a number since 1970. Guessed without it.
    #[arg(long, value_name = "COLUMN")]
    pub time: Option<String>,
    /// Unit of times that are numbers. Guessed from the first one without it.
    #[arg(long, value_name = "UNIT", value_enum)]
    pub time_unit: Option<UnitArg>,
    /// Column with the metric name, or with a series as Prometheus writes it. Guessed without it.
    #[arg(long, value_name = "COLUMN")]
    pub metric: Option<String>,
    /// Column with values; several make a series each. Guessed without it.
    #[arg(long, value_name = "COLUMN")]
    pub value: Vec<String>,
    /// Column that is a label; all that are not named are left out then. Guessed without it.
    #[arg(long, value_name = "COLUMN")]
    pub label: Vec<String>,
    /// Column that means nothing.
    #[arg(long, value_name = "COLUMN")]
    pub ignore: Vec<String>,
}

impl ColumnArgs {
    /// Those that were given.
    pub(super) fn given(&self) -> Vec<&'static str> {
        let all = [
            ("--time", self.time.is_some()),
            ("--time-unit", self.time_unit.is_some()),
            ("--metric", self.metric.is_some()),
            ("--value", !self.value.is_empty()),
            ("--label", !self.label.is_empty()),
            ("--ignore", !self.ignore.is_empty()),
        ];
        all.into_iter().filter_map(|(name, is_given)| is_given.then_some(name)).collect()
    }

    /// The same for the replay.
    pub(super) fn mapping(&self) -> Mapping {
        Mapping {
            time: self.time.clone(),
            time_unit: self.time_unit.map(UnitArg::unit),
            metric: self.metric.clone(),
            labels: self.label.clone(),
            values: self.value.clone(),
            ignored: self.ignore.clone(),
        }
    }
}

/// What only files with history have.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Files with history")]
pub struct HistoryArgs {
    /// Which column is what.
    #[command(flatten)]
    pub columns: ColumnArgs,
    /// What a server is asked.
    #[command(flatten)]
    pub server: ServerArgs,
    /// Write every judgement to scores.parquet: what was expected, how surprising the value was, whether an alert fired.
    #[arg(long)]
    pub scores: bool,
    /// Judge only part I of N, from 1 to 64; 0/N is the last one, so that I may count from 0. The events of all parts together are
    /// those of the whole.
    #[arg(long, value_name = "I/N", value_parser = parse_part)]
    pub partition: Option<Part>,
    /// Threads that judge [default: one for each core]. The events are the same with any number.
    #[arg(long, value_name = "N")]
    pub threads: Option<usize>,
    /// Most memory for rows that are brought into order, in MiB; what is more is sorted in files in the folder for the
    /// results.
    #[arg(long, value_name = "MIB", default_value_t = 256)]
    pub sort_memory: usize,
    /// Most memory for the newest judgements, in MiB: report.html shows those from before an alert fired. Of a journal, too.
    #[arg(long, value_name = "MIB", default_value_t = bellwether_replay::history::REPORT_BYTES / MIB)]
    pub report_memory: usize,
    /// Most series that the files may hold.
    #[arg(long, value_name = "N", default_value_t = bellwether_replay::history::Catalog::SERIES_MAX)]
    pub series_max: usize,
}

/// The unit of a time that is a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum UnitArg {
    /// Seconds.
    S,
    /// Milliseconds.
    Ms,
    /// Microseconds.
    Us,
    /// Nanoseconds.
    Ns,
}

impl UnitArg {
    /// The same for the replay.
    fn unit(self) -> TimeUnit {
        match self {
            Self::S => TimeUnit::Seconds,
            Self::Ms => TimeUnit::Milliseconds,
            Self::Us => TimeUnit::Microseconds,
            Self::Ns => TimeUnit::Nanoseconds,
        }
    }
}

impl HistoryArgs {
    /// Those that were given and decide what a replay of files or servers gives: to a journal they mean nothing.
    /// With `resumes` somebody wants to go on, which is of these, too.
    pub(crate) fn given(&self, resumes: bool) -> Vec<&'static str> {
        let mut given = self.columns.given();
        given.extend(self.server.given());
        given.extend(self.scores.then_some("--scores"));
        given.extend(self.partition.map(|_| "--partition"));
        given.extend(resumes.then_some("--resume"));
        given
    }

    /// Most memory for judgements that the report may show.
    pub(crate) fn report_bytes(&self) -> usize {
        self.report_memory.saturating_mul(MIB)
    }

    /// The same for the replay, which leaves `exclusions` out.
    pub(crate) fn options(&self, exclusions: &Exclusions) -> HistoryOptions {
        let cores = || std::thread::available_parallelism().map_or(1, usize::from);
        HistoryOptions {
            mapping: self.columns.mapping(),
            exclusions: exclusions.clone(),
            part: self.partition.unwrap_or_default(),
            threads: self.threads.unwrap_or_else(cores),
            memory_bytes: self.sort_memory.saturating_mul(MIB),
            series_max: self.series_max,
            scores: self.scores,
            report_bytes: self.report_bytes(),
            checkpoints: None,
        }
    }
}

fn parse_part(text: &str) -> Result<Part, String> {
    let part = text.split_once('/').and_then(|(number, count)| {
        let (number, count) = (number.trim().parse().ok()?, count.trim().parse().ok()?);
        // Those who count from 0 have no part N: with them the last one comes first.
        Part::new(if number == 0 { count } else { number }, count)
    });
    part.ok_or_else(|| "expected I/N with 1 <= I <= N <= 64, such as 1/4".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_may_be_counted_from_1_or_from_0() {
        for (text, number) in [("1/4", 1), ("4/4", 4), ("0/4", 4), (" 2 / 3", 2), ("0/1", 1)] {
            let count = text.rsplit('/').next().unwrap().trim().parse().unwrap();
            assert_eq!(parse_part(text).ok(), Part::new(number, count), "{text}");
        }
        for text in ["5/4", "0/0", "1/65", "-1/4", "1", "a/b", "1/4/1"] {
            assert!(parse_part(text).is_err(), "{text}");
        }
    }
}
