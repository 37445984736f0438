//! `bellwether run`: the engine with its sources and sinks.

use crate::cli::RunArgs;

/// Runs until it is told to stop.
///
/// # Errors
/// When it cannot start.
#[expect(clippy::needless_pass_by_value, reason = "the signature is final, the body is not")]
pub fn run(args: RunArgs) -> anyhow::Result<()> {
    anyhow::bail!("`run` is not there yet: config=`{:?}`", args.config)
}
