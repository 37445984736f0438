//! Which history a command works on, and how it is read.

use std::path::PathBuf;

use bellwether_replay::Exclusions;
use bellwether_replay::history::{Catalog, HistoryOptions, Input, Mapping, Part};
use bellwether_replay::journal::is_journal;
use bellwether_replay::plan::PlanInput;
use clap::Args;

use super::history::{MIB, UnitArg};

/// Files with history or a journal, and what only files have.
#[derive(Debug, Clone, Args)]
pub struct InputArgs {
    /// Files with history, folders of such files, or a journal: the data folder of `run`, or the folder `journal` in it.
    /// They are only read.
    #[arg(value_name = "INPUT", required = true)]
    pub inputs: Vec<PathBuf>,
    /// Column with the time: RFC 3339, or a number since 1970. Guessed without it.
    #[arg(long, value_name = "COLUMN", help_heading = FILES)]
    pub time: Option<String>,
    /// Unit of times that are numbers. Guessed from the first one without it.
    #[arg(long, value_name = "UNIT", value_enum, help_heading = FILES)]
    pub time_unit: Option<UnitArg>,
    /// Column with the metric name, or with a series as Prometheus writes it. Guessed without it.
    #[arg(long, value_name = "COLUMN", help_heading = FILES)]
    pub metric: Option<String>,
    /// Column with values; several make a series each. Guessed without it.
    #[arg(long, value_name = "COLUMN", help_heading = FILES)]
    pub value: Vec<String>,
    /// Column that is a label; all that are not named are left out then. Guessed without it.
    #[arg(long, value_name = "COLUMN", help_heading = FILES)]
    pub label: Vec<String>,
    /// Column that means nothing.
    #[arg(long, value_name = "COLUMN", help_heading = FILES)]
    pub ignore: Vec<String>,
    /// Threads that judge, for each configuration that is tried at the same time [default: as many as keep each core busy].
    #[arg(long, value_name = "N", help_heading = FILES)]
    pub threads: Option<usize>,
    /// Most memory for rows that are brought into order, in MiB, for each configuration that is tried at the same time; what is
    /// more is sorted in the temporary folder.
    #[arg(long, value_name = "MIB", default_value_t = 256, help_heading = FILES)]
    pub sort_memory: usize,
    /// Most series that the files may hold.
    #[arg(long, value_name = "N", default_value_t = Catalog::SERIES_MAX, help_heading = FILES)]
    pub series_max: usize,
}

const FILES: &str = "Files with history";

impl InputArgs {
    /// What is replayed, for `together` configurations at the same time.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub(crate) fn find(&self, together: usize) -> anyhow::Result<PlanInput> {
        if let [folder] = &*self.inputs
            && is_journal(folder)
        {
            return Ok(PlanInput::Journal(folder.clone()));
        }
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let options = Box::new(HistoryOptions {
            mapping: Mapping {
                time: self.time.clone(),
                time_unit: self.time_unit.map(UnitArg::unit),
                metric: self.metric.clone(),
                labels: self.label.clone(),
                values: self.value.clone(),
                ignored: self.ignore.clone(),
            },
            part: Part::default(),
            threads: self.threads.unwrap_or(cores.div_ceil(together.max(1))),
            memory_bytes: self.sort_memory.saturating_mul(MIB),
            series_max: self.series_max,
            scores: false,
            exclusions: Exclusions::default(),
            // Nobody looks at the report.
            report_bytes: 0,
        });
        Ok(PlanInput::History { inputs: Input::find(&self.inputs)?, options })
    }
}
