//! How far a search is: a bar on a terminal, else a line now and then.

use std::io::IsTerminal;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use bellwether_replay::tune::SearchProgress;
use indicatif::ProgressBar;

use crate::output;
use crate::replay::bar;

/// Time between two lines where there is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(10);

pub(super) struct Shown {
    bar: ProgressBar,
    is_terminal: bool,
    /// The rung that the bar is about, and when a line was said.
    state: Mutex<(usize, Instant)>,
}

impl Shown {
    pub(super) fn new() -> Self {
        Self {
            bar: bar("{msg} {wide_bar} {pos}/{len} candidates, {eta} left"),
            is_terminal: std::io::stderr().is_terminal(),
            state: Mutex::new((usize::MAX, Instant::now())),
        }
    }

    pub(super) fn show(&self, progress: SearchProgress) {
        let SearchProgress { rung, rungs, done, total } = progress;
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if !self.is_terminal {
            if state.1.elapsed() >= LINE_EVERY {
                state.1 = Instant::now();
                output::say(&format!(
                    "share {} of {rungs}: {done} of {total} candidates tried",
                    rung + 1
                ));
            }
            return;
        }
        if state.0 != rung {
            state.0 = rung;
            self.bar.reset();
            self.bar.set_message(format!("share {} of {rungs}", rung + 1));
        }
        self.bar.set_length(total as u64);
        self.bar.set_position(done as u64);
    }

    pub(super) fn end(&self) {
        self.bar.finish_and_clear();
    }
}
