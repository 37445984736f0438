//! The `bellwether` command.

use std::process::ExitCode;

use bellwether::cli::{Cli, Command};
use bellwether::output::{self, Closed};
use bellwether::usage::WrongUsage;
use bellwether::{
    check, completions, demo, eval, explain, gateway, plan, presets, process, replay, report, run,
    tune,
};
use clap::Parser;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    process::leave_no_core();
    // An error means that somebody installed one before; either will do.
    _ = rustls::crypto::ring::default_provider().install_default();
    let done = match Cli::parse().command {
        Command::Run(args) => run::run(args),
        Command::Gateway(args) => gateway::gateway(args),
        Command::Demo(args) => demo::demo(&args),
        Command::Replay(args) => match replay::replay(&args) {
            Ok(true) => Ok(()),
            Ok(false) => return ExitCode::FAILURE,
            Err(error) => Err(error),
        },
        Command::WarmStart(args) => match replay::warm_start(&args) {
            Ok(true) => Ok(()),
            Ok(false) => return ExitCode::FAILURE,
            Err(error) => Err(error),
        },
        Command::Plan(args) => match plan::plan(&args) {
            Ok(true) => Ok(()),
            // 2 is wrong usage.
            Ok(false) => return ExitCode::from(3),
            Err(error) => Err(error),
        },
        Command::Tune(args) => tune::tune(&args),
        Command::Explain(args) => match explain::explain(&args) {
            Ok(true) => Ok(()),
            Ok(false) => return ExitCode::FAILURE,
            Err(error) => Err(error),
        },
        Command::Eval(args) => match eval::eval(&args) {
            Ok(true) => Ok(()),
            Ok(false) => return ExitCode::FAILURE,
            Err(error) => Err(error),
        },
        Command::Report(args) => report::report(&args),
        Command::Check(args) => match check::check(&args) {
            Ok(true) => Ok(()),
            Ok(false) => return ExitCode::FAILURE,
            Err(error) => Err(error),
        },
        Command::Presets(args) => presets::presets(&args),
        Command::Schema => completions::schema(),
        Command::Completions(args) => completions::completions(&args),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever read our output has seen enough.
        Err(error) if error.is::<Closed>() => ExitCode::SUCCESS,
        Err(error) => {
            output::complain(&error);
            if error.is::<WrongUsage>() { ExitCode::from(2) } else { ExitCode::FAILURE }
        }
    }
}
