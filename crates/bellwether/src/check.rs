//! `bellwether check`: everything that is wrong with configuration files, without running anything.

use std::error::Error;
use std::fmt::Write;
use std::path::Path;

use crate::cli::CheckArgs;
use crate::config::{Config, ConfigError};
use crate::output::{self, Closed};

/// Prints what is wrong with each file; answers whether all of them are good.
///
/// # Errors
/// When the result cannot be printed.
pub fn check(args: &CheckArgs) -> anyhow::Result<bool> {
    let mut all_good = true;
    for path in &args.files {
        let (report, good) = report(path);
        all_good &= good;
        match output::print(&report) {
            // The exit code may still be of interest.
            Err(error) if error.is::<Closed>() => {}
            printed => printed?,
        }
    }
    Ok(all_good)
}

fn report(path: &Path) -> (String, bool) {
    let name = path.display();
    match Config::load(Some(path)) {
        Ok(config) => {
            let rules = config.engine.rules.len() - 1;
            let rules = match config.preset_rules {
                0 => rules.to_string(),
                of_presets => format!("{rules}, {of_presets} of them from presets"),
            };
            let alertmanagers = config.alertmanagers.targets.len();
            let digest = &config.engine.digest;
            let report = format!(
                "{name}: good (rules: {rules}, Alertmanagers: {alertmanagers}, digest: {digest})\n"
            );
            (report, true)
        }
        Err(ConfigError::Invalid(faults)) => {
            let number = faults.iter().count();
            let plural = if number == 1 { "" } else { "s" };
            (format!("{faults}\n\n{name}: {number} fault{plural}\n"), false)
        }
        Err(error) => {
            let mut text = format!("error: {error}");
            if let Some(cause) = error.source() {
                // Writing to a String cannot fail.
                _ = write!(text, ": {cause}");
            }
            (text + "\n", false)
        }
    }
}
