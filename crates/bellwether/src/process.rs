//! The life of a process that serves until the operating system asks it to end.

use std::process;
use std::thread;
use std::time::Duration;

use anyhow::Context;
use rustix::process::{Resource, Rlimit, setrlimit};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Longest wait for what still runs in the background, at the end.
const BACKGROUND_MAX: Duration = Duration::from_millis(500);
/// Left to the thread that writes the log, when the process ends at once.
const LOG_MAX: Duration = Duration::from_millis(100);
/// Exit code after a second signal, as of a process that SIGINT ended.
const EXIT_INTERRUPTED: i32 = 130;

/// Asks the system to keep no image of this process' memory, which holds secrets, when it crashes.
pub fn leave_no_core() {
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    // What is allowed can always be made less; who forbids the call sees to it otherwise, as the systemd unit does.
    _ = setrlimit(Resource::Core, none);
}

/// Does what `service` is, with threads for it.
///
/// # Errors
/// When there are none, or it fails.
pub(crate) fn attend(service: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start threads")?;
    let done = runtime.block_on(service);
    runtime.shutdown_timeout(BACKGROUND_MAX);
    done
}

/// Ends the process without waiting for anything but the log, in which `what` is said.
fn end_at_once(what: &str) -> ! {
    tracing::warn!("{what}");
    thread::sleep(LOG_MAX);
    process::exit(EXIT_INTERRUPTED)
}

/// What is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asked {
    /// To end: SIGTERM or SIGINT.
    Stop,
    /// To read the configuration again: SIGHUP.
    Reload,
}

/// The signals that the process listens to.
#[derive(Debug)]
pub(crate) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Signals {
    /// Listens from now on.
    ///
    /// # Errors
    /// When the system does not let us.
    pub(crate) fn listen() -> anyhow::Result<Self> {
        let listen = |kind| signal(kind).context("cannot listen to signals");
        Ok(Self {
            terminate: listen(SignalKind::terminate())?,
            interrupt: listen(SignalKind::interrupt())?,
            hangup: listen(SignalKind::hangup())?,
        })
    }

    /// Calls `reload`, which reads the configuration again, in the background each time that is asked, until the process is
    /// asked to end.
    pub(crate) async fn reload_until_stopped(
        &mut self,
        reload: impl Fn() + Clone + Send + 'static,
    ) {
        while self.next().await == Asked::Reload {
            tokio::task::spawn_blocking(reload.clone());
        }
        tracing::info!("stopping");
    }

    /// Waits for what `stopping` does. Asked to end once more, the process does so at once.
    pub(crate) async fn stop_with(&mut self, stopping: impl Future<Output = ()>) {
        tokio::select! {
            () = stopping => tracing::info!("stopped"),
            () = self.stop() => end_at_once("stopped at once"),
        }
    }

    /// The next thing that is asked.
    async fn next(&mut self) -> Asked {
        tokio::select! {
            _ = self.terminate.recv() => Asked::Stop,
            _ = self.interrupt.recv() => Asked::Stop,
            _ = self.hangup.recv() => Asked::Reload,
        }
    }

    /// Waits until the process is asked to end.
    pub(crate) async fn stop(&mut self) {
        while self.next().await != Asked::Stop {}
    }
}

#[cfg(test)]
mod tests {
    use rustix::process::getrlimit;

    use super::*;

    #[test]
    fn no_core_is_left() {
        leave_no_core();
        assert_eq!(getrlimit(Resource::Core), Rlimit { current: Some(0), maximum: Some(0) });
    }
}
