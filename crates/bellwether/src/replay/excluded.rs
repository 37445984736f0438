//! What the command line leaves out of a replay.

use std::fs;

use anyhow::{Context, anyhow};
use bellwether_replay::Exclusions;

use crate::cli::{ExcludeArgs, parse_exclusion};

/// All that `args` exclude, that of files included.
///
/// # Errors
/// When a file cannot be read, or a line of it is no exclusion.
pub(super) fn exclusions(args: &ExcludeArgs) -> anyhow::Result<Exclusions> {
    let mut all = args.exclude.clone();
    for path in &args.exclude_file {
        let shown = path.display();
        let text = fs::read_to_string(path);
        let text = text.with_context(|| format!("file cannot be read: path=`{shown}`"))?;
        for (number, line) in (1..).zip(text.lines().map(str::trim)) {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let exclusion = parse_exclusion(line)
                .map_err(|error| anyhow!("{error}: path=`{shown}`, line=`{number}`"))?;
            all.push(exclusion);
        }
    }
    Ok(Exclusions::new(all))
}
