//! `bellwether replay`: recorded history through the same engine.

use crate::cli::ReplayArgs;

/// Replays a corpus.
///
/// # Errors
/// When the corpus cannot be read or the results cannot be written.
#[expect(clippy::needless_pass_by_value, reason = "the signature is final, the body is not")]
pub fn replay(args: ReplayArgs) -> anyhow::Result<()> {
    anyhow::bail!("`replay` is not there yet: corpus=`{}`", args.corpus.display())
}
