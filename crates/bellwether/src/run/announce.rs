//! Changes of alerts on standard output, for people, and in the log.

use std::io;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, channel, sync_channel};
use std::thread;
use std::time::Duration;

use bellwether_detect::Severity;
use bellwether_engine::{ChangeKind, Event};
use tracing::Level;

use crate::config::LogConfig;
use crate::output::{self, one_line, time};

/// Events that may wait for whoever reads standard output and standard error.
const EVENTS_MAX: usize = 1024;

/// Announces events from a thread of its own: a reader that is slow or gone holds nothing up.
#[derive(Debug)]
pub(super) struct Announcer {
    events: SyncSender<Announcement>,
    least: Severity,
    skipped: u64,
}

#[derive(Debug)]
struct Announcement {
    event: Event,
    /// How many there was no room for before it.
    skipped: u64,
}

/// Hears when an [`Announcer`] that was dropped has announced its last event.
#[derive(Debug)]
pub(super) struct Announced(Receiver<()>);

impl Announcer {
    /// Starts the thread. Events that alert nobody are announced only if `log` wants details.
    ///
    /// # Errors
    /// When the system refuses a thread.
    pub(super) fn start(log: LogConfig) -> io::Result<(Self, Announced)> {
        let (events, waiting) = sync_channel(EVENTS_MAX);
        let (done, announced) = channel();
        thread::Builder::new().name("announcer".to_owned()).spawn(move || {
            announce(&waiting, log.anomalies);
            drop(done);
        })?;
        let least = if log.level >= Level::DEBUG { Severity::Info } else { Severity::Warning };
        Ok((Self { events, least, skipped: 0 }, Announced(announced)))
    }

    /// Announces `event` as soon as the readers have come to it; skips it when too many wait.
    pub(super) fn announce(&mut self, event: &Event) {
        if event.severity < self.least {
            return;
        }
        let announcement = Announcement { event: event.clone(), skipped: self.skipped };
        match self.events.try_send(announcement) {
            Ok(()) => self.skipped = 0,
            Err(TrySendError::Full(_)) => self.skipped += 1,
            Err(TrySendError::Disconnected(_)) => {}
        }
    }
}

impl Announced {
    /// Waits for the last event, at most for `limit`.
    pub(super) fn wait(&self, limit: Duration) {
        // Either it is done or we have waited long enough.
        _ = self.0.recv_timeout(limit);
    }
}

fn announce(events: &Receiver<Announcement>, mut print: bool) {
    for Announcement { event, skipped } in events {
        if skipped > 0 {
            tracing::warn!(skipped, "anomalies not announced, nobody read them");
        }
        log(&event);
        // Once nobody reads standard output, the log still tells.
        print = print && output::print(&line(&event)).is_ok();
    }
}

/// A message about `event`: a change of state if it alerts, a detail if not.
fn log(event: &Event) {
    macro_rules! log_at {
        ($level:ident) => {
            tracing::$level!(
                event_id = event.id,
                change = ?event.change,
                severity = event.severity.as_str(),
                rule = &*event.rule,
                series = %event.labels,
                surprise = event.surprise,
                threshold = event.threshold,
                "anomaly"
            )
        };
    }
    if event.alert {
        log_at!(info);
    } else {
        log_at!(debug);
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
