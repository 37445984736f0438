//! The web configuration in force, and how it follows its file.
//!
//! The file and the certificates, keys and tokens that it names are read every few seconds: no notification of the file
//! system survives the way in which Kubernetes replaces what it mounts.

use std::time::Duration;

use bellwether_connect::http::{Guard, SecurityError};
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use crate::config::web::{self, WebError};
use crate::config::{Exposed, ServerConfig};

/// How often the files are read.
const READ_EVERY: Duration = Duration::from_secs(5);

/// Reads the web configuration again.
#[derive(Debug)]
pub(crate) struct LiveWeb {
    /// What was said at the start; where it listens and which file it is stay.
    server: ServerConfig,
    /// What was wrong at the last attempt.
    fault: Mutex<Option<String>>,
}

/// Why the old web configuration stays in force.
#[derive(Debug, thiserror::Error)]
enum WebReloadError {
    #[error(transparent)]
    Web(#[from] WebError),
    #[error(transparent)]
    Exposed(#[from] Exposed),
    #[error(transparent)]
    Security(#[from] SecurityError),
}

impl LiveWeb {
    pub(crate) fn new(server: ServerConfig) -> Self {
        Self { server, fault: Mutex::default() }
    }

    /// Whether the last attempt to read it succeeded; the start counts as one.
    pub(crate) fn is_current(&self) -> bool {
        self.fault.lock().is_none()
    }

    /// Reads the files and tells `guard` if they have changed. A fault is logged once.
    pub(crate) fn reload(&self, guard: &Guard) {
        let mut fault = self.fault.lock();
        match self.try_reload(guard) {
            Ok(true) => tracing::info!("web configuration reloaded"),
            Ok(false) => {}
            Err(error) => {
                let error = error.to_string();
                if fault.as_ref() != Some(&error) {
                    tracing::error!(
                        "web configuration not reloaded, the old one stays in force: {error}"
                    );
                    *fault = Some(error);
                }
                return;
            }
        }
        *fault = None;
    }

    fn try_reload(&self, guard: &Guard) -> Result<bool, WebReloadError> {
        let Some(path) = &self.server.web_config_file else { return Ok(false) };
        let security = web::load(path)?;
        self.server.check_exposure(&security)?;
        let has_changed = guard.options() != security;
        if has_changed {
            guard.replace(security)?;
        }
        Ok(has_changed)
    }
}

/// Has the web configuration read again and again by `reload` until `shutdown`.
pub(crate) async fn follow(
    reload: impl Fn() + Clone + Send + 'static,
    shutdown: CancellationToken,
) {
    loop {
        tokio::select! {
            () = tokio::time::sleep(READ_EVERY) => {}
            () = shutdown.cancelled() => return,
        }
        // A panic has been printed by then.
        _ = tokio::task::spawn_blocking(reload.clone()).await;
    }
}
