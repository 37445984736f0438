//! `bellwether presets`: which presets there are, and what they stand for.

use std::fmt::Write;

use crate::cli::PresetsArgs;
use crate::config::{PRESETS, Preset};
use crate::output;

/// Prints the named preset, or a line about each.
///
/// # Errors
/// When it cannot be printed.
pub fn presets(args: &PresetsArgs) -> anyhow::Result<()> {
    let Some(name) = &args.name else { return output::print(&list()) };
    // The command line takes only names that there are.
    output::print(Preset::named(name).map_or("", |preset| preset.yaml))
}

/// A line about each preset.
fn list() -> String {
    let width = PRESETS.iter().map(|preset| preset.name.len()).max().unwrap_or_default();
    let mut list = String::new();
    for preset in &PRESETS {
        // Writing to a String cannot fail.
        _ = writeln!(list, "{:width$}  {}", preset.name, preset.summary());
    }
    list
}
