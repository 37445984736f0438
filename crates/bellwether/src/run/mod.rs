//! `bellwether run`: the engine with its sources and sinks, until it is told to stop.

mod announce;
pub(crate) mod data_dir;
pub(crate) mod live;
pub(crate) mod web;

use std::sync::Arc;

use anyhow::Context;

use crate::cli::RunArgs;
use crate::config::Config;
use crate::process::{self, Signals};
use crate::service::Service;
use crate::{logging, panics};

use announce::Announcer;
use data_dir::DataDir;

/// Runs until it is told to stop.
///
/// # Errors
/// When it cannot start.
pub fn run(args: RunArgs) -> anyhow::Result<()> {
    let config = live::load(&args)?;
    let _logging = logging::init(config.log)?;
    panics::end_the_process();
    process::attend(serve(args, config))
}

async fn serve(args: RunArgs, config: Config) -> anyhow::Result<()> {
    let mut signals = Signals::listen()?;
    let data_dir = DataDir::open(&config.data_dir)?;
    let sinks = &config.sinks;
    let announcer = Announcer::start(sinks.stdout, config.log.level, sinks.queue_events_max)
        .context("cannot start threads")?;
    let rules = config.engine.rules.len() - 1;
    let alertmanagers = config.alertmanagers.targets.len();
    let service = Service::start(args, config, vec![Arc::new(announcer)]).await?;
    // On a full disk as well it must be there when room is.
    if let Err(error) = data_dir.publish_address(service.address) {
        tracing::warn!("nobody can look up where it listens: {error:#}");
    }
    tokio::select! {
        recovered = service.recover() => recovered?,
        () = signals.stop() => {
            data_dir.withdraw_address();
            process::end_at_once("stopped while it recovered");
        }
    }
    tracing::info!(address = %service.address, rules, alertmanagers, "ready");
    let app = Arc::clone(&service.app);
    // How it went is in the log.
    signals.reload_until_stopped(move || _ = app.reload()).await;
    data_dir.withdraw_address();
    signals.stop_with(service.stop()).await;
    Ok(())
}
