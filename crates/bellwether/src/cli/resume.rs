//! Options of `bellwether replay` for a replay that was interrupted.

use std::time::Duration;

use bellwether_replay::history::Checkpoints;
use clap::Args;

use super::server::parse_positive;

/// How a replay that ended early goes on.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Going on")]
pub struct ResumeArgs {
    /// Go on where an earlier replay into the same folder was interrupted, by Ctrl-C or a kill, and end with the results of
    /// one that was not. Everything else must be as it was. Begins where there is nothing to go on with.
    #[arg(long, conflicts_with_all = ["corpus", "verify"])]
    pub resume: bool,
    /// Write the state of a replay of history to the folder for the results this often, to go on from.
    #[arg(long, value_name = "DURATION", default_value = "5m", value_parser = parse_positive,
          conflicts_with_all = ["corpus", "verify"])]
    pub checkpoint_interval: i64,
}

impl ResumeArgs {
    /// The same for the replay.
    pub(crate) fn checkpoints(&self) -> Checkpoints {
        let every = Duration::from_millis(self.checkpoint_interval.unsigned_abs());
        Checkpoints { every, resume: self.resume }
    }
}
