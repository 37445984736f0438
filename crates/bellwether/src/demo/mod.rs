//! `bellwether demo`: the whole thing on a generated fleet with known incidents.

use crate::cli::DemoArgs;

/// Runs the demonstration.
///
/// # Errors
/// When it cannot start.
#[expect(clippy::needless_pass_by_value, reason = "the signature is final, the body is not")]
pub fn demo(args: DemoArgs) -> anyhow::Result<()> {
    anyhow::bail!("`demo` is not there yet: seed=`{}`", args.seed)
}
