//! The configuration in force, and how it is replaced while everything goes on.

use std::fmt;
use std::sync::Arc;

use bellwether_connect::sink::alertmanager::{AlertmanagerOptions, OptionsError};
use bellwether_engine::Settings;
use parking_lot::Mutex;

use crate::cli::RunArgs;
use crate::config::{Config, ConfigError};
use crate::service::App;

/// The configuration that `args` ask for: the file, or the embedded defaults, and above it what the
/// command line says.
///
/// # Errors
/// When the file is not a valid configuration, or others could come in without logging in.
pub(crate) fn load(args: &RunArgs) -> Result<Config, ConfigError> {
    let mut config = Config::load(args.config.as_deref())?;
    if let Some(listen) = args.listen {
        config.server.listen = listen;
    }
    if let Some(data_dir) = &args.data_dir {
        config.data_dir.clone_from(data_dir);
    }
    // Once more, for the command line may have changed the address.
    config.server.check_exposure(&config.security)?;
    Ok(config)
}

/// The configuration in force.
#[derive(Debug)]
pub(crate) struct LiveConfig {
    args: RunArgs,
    /// What was read at the start; what cannot change while running still is as it says.
    started: Config,
    state: Mutex<State>,
    /// Held while the file is read and handed on: one at a time.
    reloading: Mutex<()>,
}

#[derive(Debug)]
struct State {
    engine: Arc<Settings>,
    alerting: AlertmanagerOptions,
    last: LastReload,
}

/// How the last attempt to read the configuration went; the start counts as one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LastReload {
    /// Whether the last attempt succeeded.
    pub(crate) success: bool,
    /// Wall-clock time of the last attempt that did.
    pub(crate) success_at: jiff::Timestamp,
}

/// Why the old configuration stays in force.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReloadError {
    /// There is nothing to read. Whoever asked should start with `--config`.
    #[error("there is no configuration file: bellwether was started without --config")]
    NoFile,
    /// The file is wrong. To be mended and tried again.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The Alertmanagers cannot be talked to like that. To be mended and tried again.
    #[error(transparent)]
    Alertmanagers(#[from] OptionsError),
    /// The engine takes no configuration any more.
    #[error("engine is stopping")]
    Stopping,
}

/// What a new configuration changed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Reloaded {
    digest: Arc<str>,
    engine_changed: bool,
    alerting_changed: bool,
    /// Keys whose change has no effect before the next start.
    restart_needed: Vec<&'static str>,
}

impl LiveConfig {
    /// `config` is in force now, as `args` asked for.
    pub(crate) fn new(args: RunArgs, config: Config) -> Self {
        let engine = Arc::new(config.engine.clone());
        let alerting = config.alertmanagers.clone();
        let last = LastReload { success: true, success_at: jiff::Timestamp::now() };
        Self {
            args,
            started: config,
            state: Mutex::new(State { engine, alerting, last }),
            reloading: Mutex::default(),
        }
    }

    /// What the engine works by.
    pub(crate) fn engine(&self) -> Arc<Settings> {
        Arc::clone(&self.state.lock().engine)
    }

    /// How the last attempt to read the configuration went.
    pub(crate) fn last_reload(&self) -> LastReload {
        self.state.lock().last
    }

    /// Reads the file again and hands the engine, the sources and the Alertmanagers of `app` what changed. Blocks for as long as the engine's queue is
    /// full.
    ///
    /// # Errors
    /// When the old configuration stays in force.
    pub(crate) fn reload(&self, app: &App) -> Result<Reloaded, ReloadError> {
        let reloaded = self.try_reload(app);
        match &reloaded {
            Ok(reloaded) => tracing::info!("{reloaded}"),
            Err(error @ (ReloadError::NoFile | ReloadError::Stopping)) => {
                tracing::warn!("configuration not reloaded: {error}");
            }
            Err(error) => {
                self.state.lock().last.success = false;
                tracing::error!("configuration not reloaded, the old one stays in force: {error}");
            }
        }
        reloaded
    }

    fn try_reload(&self, app: &App) -> Result<Reloaded, ReloadError> {
        if self.args.config.is_none() {
            return Err(ReloadError::NoFile);
        }
        let _one_at_a_time = self.reloading.lock();
        let config = load(&self.args)?;
        let mut restart_needed = restart_needed(&self.started, &config);
        let before = self.state.lock().alerting.clone();
        // The URL is the server's, which stays.
        let external_url = before.external_url.clone();
        let alerting = AlertmanagerOptions { external_url, ..config.alertmanagers };
        let alerting_changed = alerting != before;
        if alerting_changed {
            // First, since it may refuse, and then changes nothing.
            app.outlets.alertmanagers.reconfigure(alerting.clone())?;
            self.state.lock().alerting = alerting;
        }
        let in_force = self.engine();
        let mut engine = Arc::new(config.engine);
        let mut engine_changed =
            in_force.digest != engine.digest || in_force.gauges != engine.gauges;
        if engine_changed && app.topics.is_worker() {
            // All workers must judge alike: what a partition's events are must not depend on when each of them has read the file.
            restart_needed.push("what is judged, and how");
            (engine, engine_changed) = (in_force, false);
        }
        if engine_changed {
            app.engine.configure(Arc::clone(&engine)).map_err(|_| ReloadError::Stopping)?;
        }
        // In any order: whoever comes in between as a tenant that only one of both knows is asked to come back.
        app.receiver.tell_apart(config.tenants.clone());
        app.topics.tell_apart(config.tenants);
        let mut state = self.state.lock();
        state.engine = Arc::clone(&engine);
        state.last = LastReload { success: true, success_at: jiff::Timestamp::now() };
        Ok(Reloaded {
            digest: Arc::clone(&engine.digest),
            engine_changed,
            alerting_changed,
            restart_needed,
        })
    }
}

impl fmt::Display for Reloaded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = if self.engine_changed { "" } else { ", detection is unchanged" };
        write!(f, "configuration reloaded{what}: digest=`{}`", self.digest)?;
        if self.alerting_changed {
            f.write_str("; Alertmanagers changed")?;
        }
        if !self.restart_needed.is_empty() {
            write!(f, "; needs a restart: {}", self.restart_needed.join(", "))?;
        }
        Ok(())
    }
}

/// The keys that differ and are read at the start only.
fn restart_needed(old: &Config, new: &Config) -> Vec<&'static str> {
    [
        ("server", old.server != new.server),
        ("data_dir", old.data_dir != new.data_dir),
        ("journal", old.durability != new.durability),
        ("remote_write", old.remote_write != new.remote_write),
        ("kafka", old.kafka != new.kafka || old.workers != new.workers),
        ("runtime", old.runtime != new.runtime),
        ("gauges", old.gauges != new.gauges),
        ("sinks", old.sinks != new.sinks),
        ("health", old.health != new.health),
        ("log", old.log != new.log),
    ]
    .into_iter()
    .filter_map(|(key, changed)| changed.then_some(key))
    .collect()
}
