//! Changes of alerts on standard output, for people or programs, and in the log.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, channel, sync_channel};
use std::thread;
use std::time::Duration;
use std::{io, mem};

use bellwether_detect::Severity;
use bellwether_engine::{ChangeKind, Event};
use bellwether_runtime::{EventSink, SinkStats};
use parking_lot::Mutex;
use tracing::Level;

use crate::config::StdoutFormat;
use crate::output::{self, Closed, one_line, plain_json, time};

/// Announces events from a thread of its own: a reader that is slow or gone holds nothing up.
#[derive(Debug)]
pub(super) struct Announcer {
    /// `None` once it is closed.
    events: Mutex<Option<SyncSender<Arc<Event>>>>,
    /// Hears when the last event has been announced.
    finished: Mutex<Receiver<()>>,
    least: Severity,
    progress: Arc<Mutex<Progress>>,
    queue_events_max: usize,
}

#[derive(Debug, Default)]
struct Progress {
    stats: SinkStats,
    /// Events skipped since somebody was told of it.
    skipped: u64,
}

impl Announcer {
    /// Starts the thread. Events that alert nobody are announced to programs, and to people only if `level`
    /// wants details.
    ///
    /// # Errors
    /// When the system refuses a thread.
    pub(super) fn start(
        format: StdoutFormat,
        level: Level,
        queue_events_max: usize,
    ) -> io::Result<Self> {
        let (events, waiting) = sync_channel(queue_events_max);
        let (done, finished) = channel();
        let progress = Arc::new(Mutex::new(Progress::default()));
        let told = Arc::clone(&progress);
        thread::Builder::new().name("announcer".to_owned()).spawn(move || {
            announce(&waiting, format, &told);
            drop(done);
        })?;
        let everything = format == StdoutFormat::Json || level >= Level::DEBUG;
        let least = if everything { Severity::Info } else { Severity::Warning };
        Ok(Self {
            events: Mutex::new(Some(events)),
            finished: Mutex::new(finished),
            least,
            progress,
            queue_events_max,
        })
    }
}

impl EventSink for Announcer {
    fn name(&self) -> &'static str {
        "stdout"
    }

    fn publish(&self, event: &Arc<Event>) {
        if event.severity < self.least {
            return;
        }
        let events = self.events.lock();
        let Some(events) = &*events else { return };
        let mut progress = self.progress.lock();
        match events.try_send(Arc::clone(event)) {
            Ok(()) => progress.stats.waiting_events += 1,
            Err(TrySendError::Full(_)) => {
                progress.stats.dropped_events += 1;
                progress.skipped += 1;
            }
            Err(TrySendError::Disconnected(_)) => {}
        }
    }

    fn stats(&self) -> SinkStats {
        let stats = self.progress.lock().stats.clone();
        SinkStats { queue_events_max: self.queue_events_max, ..stats }
    }

    fn close(&self, limit: Duration) {
        self.events.lock().take();
        // Either it is done or we have waited long enough.
        _ = self.finished.lock().recv_timeout(limit);
    }
}

fn announce(events: &Receiver<Arc<Event>>, mut format: StdoutFormat, progress: &Mutex<Progress>) {
    for event in events {
        let skipped = mem::take(&mut progress.lock().skipped);
        if skipped > 0 {
            tracing::warn!(skipped, "anomalies not announced, nobody read them");
        }
        log(&event);
        let printed = print(&event, format);
        let mut progress = progress.lock();
        let stats = &mut progress.stats;
        stats.waiting_events -= 1;
        match printed {
            Ok(()) if format == StdoutFormat::Off => {}
            Ok(()) => {
                stats.delivered_events += 1;
                stats.failures_in_a_row = 0;
                stats.last_error = None;
                stats.last_success_ms = Some(jiff::Timestamp::now().as_millisecond());
            }
            Err(error) => {
                if error.is::<Closed>() {
                    // Once nobody reads standard output, the log still tells.
                    format = StdoutFormat::Off;
                }
                stats.dropped_events += 1;
                stats.failed_attempts += 1;
                stats.failures_in_a_row += 1;
                stats.last_error = Some(format!("{error:#}"));
            }
        }
    }
}

fn print(event: &Event, format: StdoutFormat) -> anyhow::Result<()> {
    match format {
        StdoutFormat::Off => Ok(()),
        StdoutFormat::Text => output::print(&line(event)),
        StdoutFormat::Json => output::print(&(plain_json(&serde_json::to_string(event)?) + "\n")),
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
    fn what_is_not_printed_is_not_counted_as_delivered() {
        let announcer = Announcer::start(StdoutFormat::Off, Level::INFO, 10).unwrap();
        for at in 0..3 {
            announcer.publish(&Arc::new(event("up", at, ChangeKind::Firing, Severity::Warning)));
        }
        announcer.close(Duration::from_secs(10));
        let stats = announcer.stats();
        assert_eq!((stats.delivered_events, stats.waiting_events, stats.dropped_events), (0, 0, 0));
    }

    #[test]
    fn hostile_labels_stay_within_their_line() {
        let event = event("up\n\u{1b}[2J", 0, ChangeKind::Resolved, Severity::Info);
        let line = line(&event);
        assert_eq!(line.lines().count(), 1);
        assert!(!line.contains('\u{1b}'), "{line}");
    }
}
