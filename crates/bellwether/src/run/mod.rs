//! `bellwether run`: the engine with its sources and sinks, until it is told to stop.

mod announce;
pub(crate) mod data_dir;
pub(crate) mod live;
pub(crate) mod signals;
pub(crate) mod web;

use std::process;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;

use crate::cli::RunArgs;
use crate::config::Config;
use crate::service::{App, Service};
use crate::{logging, panics};

use announce::Announcer;
use data_dir::DataDir;
use signals::{Asked, Signals};

/// Longest wait for what still runs in the background, at the end.
const BACKGROUND_MAX: Duration = Duration::from_millis(500);
/// Exit code after a second signal, as of a process that SIGINT ended.
const EXIT_INTERRUPTED: i32 = 130;

/// Runs until it is told to stop.
///
/// # Errors
/// When it cannot start.
pub fn run(args: RunArgs) -> anyhow::Result<()> {
    let config = live::load(&args)?;
    let _logging = logging::init(config.log)?;
    panics::end_the_process();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start threads")?;
    let done = runtime.block_on(serve(args, config));
    runtime.shutdown_timeout(BACKGROUND_MAX);
    done
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
            tracing::warn!("stopped while it recovered");
            process::exit(EXIT_INTERRUPTED);
        }
    }
    tracing::info!(address = %service.address, rules, alertmanagers, "ready");
    while signals.next().await == Asked::Reload {
        reload(&service.app);
    }
    tracing::info!("stopping");
    data_dir.withdraw_address();
    tokio::select! {
        () = service.stop() => {}
        () = signals.stop() => {
            tracing::warn!("stopped at once");
            process::exit(EXIT_INTERRUPTED);
        }
    }
    tracing::info!("stopped");
    Ok(())
}

/// Reads the configuration again in the background; how it went is in the log.
fn reload(app: &Arc<App>) {
    let app = Arc::clone(app);
    tokio::task::spawn_blocking(move || app.reload());
}
