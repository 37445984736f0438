//! `bellwether schema` and `bellwether completions`: what editors and shells want to know.

use clap::CommandFactory;

use crate::cli::{Cli, CompletionsArgs};
use crate::{config, output};

/// Prints the JSON Schema of the configuration file.
///
/// # Errors
/// When it cannot be printed.
pub fn schema() -> anyhow::Result<()> {
    output::print(&format!("{:#}\n", config::json_schema()))
}

/// Prints the completion script of a shell.
///
/// # Errors
/// When it cannot be printed.
pub fn completions(args: &CompletionsArgs) -> anyhow::Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "bellwether", &mut script);
    output::print(&String::from_utf8_lossy(&script))
}
