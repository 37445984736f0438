//! Ctrl-C and SIGTERM, for commands that end early with what they have.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context;
use tokio::runtime::Builder;
use tokio::signal::unix::{SignalKind, signal};

use crate::output;

/// Becomes true when the user asks to end, who is given `answer` then. Whoever asks twice does not want to wait: the process ends at once.
///
/// # Errors
/// When the system does not let us listen.
pub(crate) fn asked_to_stop(answer: &'static str) -> anyhow::Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    let asked = Arc::clone(&stop);
    let runtime = Builder::new_current_thread().enable_all().build().context("no event loop")?;
    let (mut interrupt, mut terminate) = {
        let _inside = runtime.enter();
        let listen = |kind| signal(kind).context("cannot listen to signals");
        (listen(SignalKind::interrupt())?, listen(SignalKind::terminate())?)
    };
    std::thread::Builder::new()
        .name("signals".to_owned())
        .spawn(move || {
            runtime.block_on(async {
                loop {
                    tokio::select! {
                        _ = interrupt.recv() => {}
                        _ = terminate.recv() => {}
                    }
                    if asked.swap(true, Ordering::Relaxed) {
                        std::process::exit(130);
                    }
                    output::warn(&format!("{answer}; once more ends at once"));
                }
            });
        })
        .context("no thread for signals")?;
    Ok(stop)
}
