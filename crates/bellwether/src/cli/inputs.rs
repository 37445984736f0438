//! Which history a command works on, and how it is read.

use std::path::PathBuf;

use bellwether_replay::Exclusions;
use bellwether_replay::history::{Catalog, HistoryOptions, Part};
use bellwether_replay::journal::is_journal;
use bellwether_replay::plan::PlanInput;
use clap::Args;

use super::ServerArgs;
use super::history::{ColumnArgs, MIB};
use crate::replay::find_inputs;
use crate::usage::refuse_for_journals;

/// Files with history or a journal, and what only files have.
#[derive(Debug, Clone, Args)]
pub struct InputArgs {
    /// Files with history, folders of such files, URLs of servers with Prometheus' API, or a journal: the data folder of `run`, or
    /// the folder `journal` in it. They are only read.
    #[arg(value_name = "INPUT", required = true)]
    pub inputs: Vec<PathBuf>,
    /// Which column is what.
    #[command(flatten)]
    pub columns: ColumnArgs,
    /// What a server is asked.
    #[command(flatten)]
    pub server: ServerArgs,
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
    /// When a file cannot be read, or options were given that mean nothing to a journal.
    pub(crate) fn find(&self, together: usize) -> anyhow::Result<PlanInput> {
        if let [folder] = &*self.inputs
            && is_journal(folder)
        {
            let given = [self.columns.given(), self.server.given()].concat();
            refuse_for_journals(&given)?;
            return Ok(PlanInput::Journal(folder.clone()));
        }
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let options = Box::new(HistoryOptions {
            mapping: self.columns.mapping(),
            part: Part::default(),
            threads: self.threads.unwrap_or(cores.div_ceil(together.max(1))),
            memory_bytes: self.sort_memory.saturating_mul(MIB),
            series_max: self.series_max,
            scores: false,
            exclusions: Exclusions::default(),
            // Nobody looks at the report.
            report_bytes: 0,
            checkpoints: None,
        });
        Ok(PlanInput::History { inputs: find_inputs(&self.inputs, &self.server)?, options })
    }
}
