//! Changes of alerts on standard output, for people.

use std::io;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, channel, sync_channel};
use std::thread;
use std::time::Duration;

use bellwether_engine::{ChangeKind, Event};

use crate::output::{self, one_line, time};

/// Lines that may wait for whoever reads standard output.
const LINES_MAX: usize = 1024;

/// Prints from a thread of its own: a reader that is slow or gone holds nothing up.
#[derive(Debug)]
pub(crate) struct Printer {
    lines: SyncSender<String>,
    skipped: u64,
}

/// Hears when a [`Printer`] that was dropped has printed its last line.
#[derive(Debug)]
pub(crate) struct Printed(Receiver<()>);

impl Printer {
    /// Starts the thread.
    ///
    /// # Errors
    /// When the system refuses one.
    pub(crate) fn start() -> io::Result<(Self, Printed)> {
        let (lines, waiting) = sync_channel::<String>(LINES_MAX);
        let (done, printed) = channel();
        thread::Builder::new().name("printer".to_owned()).spawn(move || {
            // Ends when nobody reads any more, or nobody prints.
            _ = waiting.iter().try_for_each(|line| output::print(&line));
            drop(done);
        })?;
        Ok((Self { lines, skipped: 0 }, Printed(printed)))
    }

    /// Prints `event` as soon as the reader has come to it; skips it when too many wait.
    pub(crate) fn print(&mut self, event: &Event) {
        let mut text = line(event);
        if self.skipped > 0 {
            text = format!("({} lines skipped, nobody read them)\n{text}", self.skipped);
        }
        match self.lines.try_send(text) {
            Ok(()) => self.skipped = 0,
            Err(TrySendError::Full(_)) => self.skipped += 1,
            Err(TrySendError::Disconnected(_)) => {}
        }
    }
}

impl Printed {
    /// Waits for the last line, at most for `limit`.
    pub(crate) fn wait(&self, limit: Duration) {
        // Either it is done or we have waited long enough.
        _ = self.0.recv_timeout(limit);
    }
}

/// One line about `event`, without control characters, whatever senders put into labels.
fn line(event: &Event) -> String {
    let change = match event.change {
        ChangeKind::Noticed => "NOTICED",
        ChangeKind::Firing => "FIRING",
        ChangeKind::Escalated => "ESCALATED",
        ChangeKind::Resolved => "RESOLVED",
    };
    let text = format!(
        "{} {:<8} {change:<9} {}  {} (rule {}, event {})",
        time(event.at_ms),
        event.severity.as_str(),
        event.labels,
        event.explanation,
        event.rule,
        event.id,
    );
    one_line(&text) + "\n"
}

#[cfg(test)]
mod tests {
    use bellwether_detect::Severity;

    use super::*;
    use crate::events::tests::event;

    #[test]
    fn a_line_says_when_how_bad_what_where_and_why() {
        let event = event("up", 1_767_571_200_999, ChangeKind::Firing, Severity::Warning);
        assert_eq!(
            line(&event),
            "2026-01-05T00:00:00Z warning  FIRING    up{job=\"j\"}  up is 9, above the expected 1. \
             (rule MetricAnomaly, event up-1767571200999)\n"
        );
    }

    #[test]
    fn hostile_labels_stay_within_their_line() {
        let event = event("up\n\u{1b}[2J", 0, ChangeKind::Resolved, Severity::Info);
        let line = line(&event);
        assert_eq!(line.lines().count(), 1);
        assert!(!line.contains('\u{1b}'), "{line}");
    }
}
