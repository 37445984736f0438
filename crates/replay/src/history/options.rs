//! How history is replayed.

use std::time::Duration;

use bellwether_engine::PARTITIONS;

use super::catalog::Catalog;
use super::layout::Mapping;
use crate::exclude::Exclusions;

/// Memory for judgements that the report may show, in bytes, unless somebody says otherwise.
pub const REPORT_BYTES: usize = 64 * 1024 * 1024;

/// How history is replayed. None of it but `mapping`, `exclusions` and `part` changes an event.
#[derive(Debug, Clone)]
pub struct HistoryOptions {
    /// Which columns mean what.
    pub mapping: Mapping,
    /// What is left out.
    pub exclusions: Exclusions,
    /// The part of the series that is judged.
    pub part: Part,
    /// Threads that judge; with more than one there are others that write, and as many that read a file each. 0 counts as 1.
    pub threads: usize,
    /// Most memory for rows that wait to be in order, in bytes.
    pub memory_bytes: usize,
    /// Most series.
    pub series_max: usize,
    /// Whether every judgement is written, too.
    pub scores: bool,
    /// Most memory for the newest judgements, of which the report shows those before an alert, in bytes.
    pub report_bytes: usize,
    /// Whether the state is written down now and then, so that somebody may go on with it.
    pub checkpoints: Option<Checkpoints>,
}

/// When the state of a replay is written down, and whether one goes on with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Checkpoints {
    /// Time from one to the next, by the clock on the wall. There is another one when a replay ends early.
    pub every: Duration,
    /// Whether the replay goes on from the one that is in the folder for the results, if there is one.
    pub resume: bool,
}

impl Checkpoints {
    /// [`Checkpoints::every`] unless somebody says otherwise.
    pub const EVERY: Duration = Duration::from_mins(5);
}

impl Default for HistoryOptions {
    fn default() -> Self {
        Self {
            mapping: Mapping::default(),
            exclusions: Exclusions::default(),
            part: Part::default(),
            threads: 1,
            memory_bytes: 256 * 1024 * 1024,
            series_max: Catalog::SERIES_MAX,
            scores: false,
            report_bytes: REPORT_BYTES,
            checkpoints: None,
        }
    }
}

impl HistoryOptions {
    /// What of them changes a result, by the options of the command line.
    pub(super) fn arguments(&self) -> Vec<(&'static str, String)> {
        let Self { mapping, exclusions, part, series_max, scores, report_bytes, .. } = self;
        let Mapping { time, time_unit, metric, labels, values, ignored } = mapping;
        let one = |column: &Option<String>| column.clone().unwrap_or_else(|| "guessed".to_owned());
        vec![
            ("--time", one(time)),
            ("--time-unit", one(&time_unit.map(|unit| unit.to_string()))),
            ("--metric", one(metric)),
            ("--label", labels.join(", ")),
            ("--value", values.join(", ")),
            ("--ignore", ignored.join(", ")),
            ("--exclude", exclusions.to_string()),
            ("--partition", format!("{}/{}", part.number, part.count)),
            ("--series-max", series_max.to_string()),
            ("--scores", scores.to_string()),
            ("--report-memory", format!("{report_bytes} bytes")),
        ]
    }
}

/// A part of all series, by the partition that owns them: part `number` of `count`, from 1. Parts can be replayed one by one, and
/// their events together are those of the whole, but for the cap on alerts a day, which each part has for itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    pub(super) number: usize,
    pub(super) count: usize,
}

impl Default for Part {
    /// The whole.
    fn default() -> Self {
        Self { number: 1, count: 1 }
    }
}

impl Part {
    /// Part `number` of `count`; `None` unless `1 <= number <= count <= 64`.
    pub fn new(number: usize, count: usize) -> Option<Self> {
        (1 <= number && number <= count && count <= PARTITIONS).then_some(Self { number, count })
    }

    /// The shards of this part, as numbers, and how many there are of all parts.
    pub(super) fn shards(self, threads: usize) -> (Vec<usize>, usize) {
        let threads = threads.clamp(1, PARTITIONS / self.count);
        let number = |thread| self.number - 1 + thread * self.count;
        ((0..threads).map(number).collect(), threads * self.count)
    }
}

#[cfg(test)]
mod tests {
    use bellwether_series::{Matchers, Timestamp};

    use super::*;
    use crate::Exclusion;

    #[test]
    fn what_changes_a_result_is_named_by_its_option() {
        let changed = |options: HistoryOptions| {
            let (then, now) = (HistoryOptions::default().arguments(), options.arguments());
            let pairs = then.into_iter().zip(now);
            pairs.filter(|(then, now)| then != now).map(|(then, _)| then.0).collect::<Vec<_>>()
        };
        let usual = HistoryOptions::default;
        assert_eq!(changed(HistoryOptions { threads: 7, memory_bytes: 0, ..usual() }), [""; 0]);
        assert_eq!(changed(HistoryOptions { scores: true, ..usual() }), ["--scores"]);
        let part = Part { number: 2, count: 3 };
        assert_eq!(changed(HistoryOptions { part, ..usual() }), ["--partition"]);
        let mapping = Mapping { time: Some("at".to_owned()), ..Mapping::default() };
        assert_eq!(changed(HistoryOptions { mapping, ..usual() }), ["--time"]);
        let (from, until) = (Timestamp::from_ms(1), Timestamp::from_ms(2));
        let exclusion = Exclusion { from, until, series: Matchers::default() };
        let exclusions = Exclusions::new(vec![exclusion]);
        assert_eq!(changed(HistoryOptions { exclusions, ..usual() }), ["--exclude"]);
    }

    #[test]
    fn every_partition_is_in_one_shard_of_one_part() {
        for (count, threads) in [(1, 1), (1, 3), (2, 2), (3, 8), (64, 4), (1, 900)] {
            let mut owners = vec![0; PARTITIONS];
            for number in 1..=count {
                let (shards, all) = Part::new(number, count).unwrap().shards(threads);
                for shard in shards {
                    (0..PARTITIONS).filter(|p| p % all == shard).for_each(|p| owners[p] += 1);
                }
            }
            assert!(owners.iter().all(|&owners| owners == 1), "{count} {threads} {owners:?}");
        }
        assert!([(0, 1), (2, 1), (1, 65)].iter().all(|&(n, c)| Part::new(n, c).is_none()));
    }
}
