//! `bellwether run`: the engine with its sources and sinks, until it is told to stop.

mod announce;
pub(crate) mod data_dir;
pub(crate) mod live;
pub(crate) mod web;

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;

use crate::cli::RunArgs;
use crate::config::Config;
use crate::health::alert_file::AlertFile;
use crate::process::{self, Signals};
use crate::service::Service;
use crate::{logging, panics};

use announce::Announcer;
use data_dir::DataDir;

/// How often it is tried to write where it listens.
const PUBLISH_EVERY: Duration = Duration::from_secs(10);

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
    let alert = AlertFile::within(Some(&config.data_dir));
    let service = Service::start(args, config, vec![Arc::new(announcer)], alert).await?;
    let address = service.address;
    let is_published = data_dir.publish_or_warn(address);
    tokio::select! {
        recovered = service.recover() => recovered?,
        () = signals.stop() => {
            // As after a kill: nothing was taken since the start.
            tracing::info!("stopped while it recovered");
            data_dir.hold_to_the_end();
            return Ok(());
        }
    }
    tracing::info!(%address, rules, alertmanagers, "ready");
    let app = Arc::clone(&service.app);
    let publishing = data_dir.publish_later(address, PUBLISH_EVERY);
    tokio::select! {
        // How a reload went is in the log.
        () = signals.reload_until_stopped(move || _ = app.reload()) => {}
        never = publishing, if !is_published => match never {},
    }
    data_dir.withdraw_address();
    signals.stop_with(service.stop()).await;
    data_dir.hold_to_the_end();
    Ok(())
}
