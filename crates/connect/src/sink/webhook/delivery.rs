//! The task that posts what waits.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bellwether_engine::Event;
use bellwether_runtime::SinkStats;
use jiff::Timestamp;
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::attempt::{Attempt, Poster};
use super::queue::{Queue, Waiting};
use crate::outbound::Backoff;

/// Lost events are logged at most this often.
const LOSSES_LOGGED_EVERY: Duration = Duration::from_mins(1);

/// A queue and how it is emptied; shared between the publisher and the task.
pub(super) struct Delivery {
    name: String,
    poster: Poster,
    backoff: Backoff,
    queue: Mutex<Queue>,
    published: Notify,
    stop: CancellationToken,
}

impl Delivery {
    pub(super) fn new(name: String, poster: Poster, queue: Queue, backoff: Backoff) -> Self {
        Self {
            name,
            poster,
            backoff,
            queue: Mutex::new(queue),
            published: Notify::new(),
            stop: CancellationToken::new(),
        }
    }

    pub(super) fn publish(&self, event: &Arc<Event>, now: Instant) {
        self.queue.lock().push(event, now);
        self.published.notify_one();
    }

    pub(super) fn undelivered(&self) -> Vec<Arc<Event>> {
        self.queue.lock().undelivered()
    }

    pub(super) fn stats(&self) -> SinkStats {
        self.queue.lock().stats()
    }

    /// From here on the task tries each event once and then ends.
    pub(super) fn stop(&self) {
        self.queue.lock().close();
        self.stop.cancel();
    }

    /// Gives up what waits; returns how many events these were.
    pub(super) fn abandon(&self) -> usize {
        self.queue.lock().abandon()
    }

    /// Posts until it is stopped and nothing waits.
    pub(super) async fn run(&self) {
        let mut failures_in_a_row = 0;
        let mut losses = LossLog::default();
        loop {
            // Asked first, so that what came before the end is not overlooked.
            let stopping = self.stop.is_cancelled();
            let next = self.queue.lock().take(Instant::now());
            losses.log(self);
            let Some(waiting) = next else {
                if stopping {
                    return;
                }
                tokio::select! {
                    () = self.stop.cancelled() => {}
                    () = self.published.notified() => {}
                }
                continue;
            };
            let attempt = self.poster.post(&waiting.event).await;
            if let Some(pause) = self.settle(waiting, attempt, &mut failures_in_a_row) {
                tokio::select! {
                    () = self.stop.cancelled() => {}
                    () = tokio::time::sleep(pause) => {}
                }
            }
        }
    }

    /// Notes what became of `waiting`; returns how long to pause before the next attempt.
    fn settle(
        &self,
        waiting: Waiting,
        attempt: Attempt,
        failures_in_a_row: &mut u32,
    ) -> Option<Duration> {
        match attempt {
            Attempt::Delivered => {
                self.queue.lock().delivered(Timestamp::now().as_millisecond());
                if std::mem::take(failures_in_a_row) > 0 {
                    tracing::info!(sink = self.name, "webhook takes events again");
                }
                None
            }
            Attempt::Refused(error) => {
                self.queue.lock().refused(error);
                *failures_in_a_row = 0;
                None
            }
            Attempt::Failed { error, retry_after } => {
                *failures_in_a_row = failures_in_a_row.saturating_add(1);
                if *failures_in_a_row == 1 {
                    let url = self.poster.shown_url();
                    tracing::warn!(
                        sink = self.name,
                        url,
                        error,
                        "webhook takes no events, retrying"
                    );
                }
                self.queue.lock().failed(waiting, error);
                Some(self.backoff.pause(*failures_in_a_row, retry_after))
            }
        }
    }
}

/// Says that events were lost, but not each time.
#[derive(Default)]
struct LossLog {
    logged_events: u64,
    logged_at: Option<Instant>,
}

impl LossLog {
    fn log(&mut self, delivery: &Delivery) {
        let now = Instant::now();
        let recently = |at: Instant| now.duration_since(at) < LOSSES_LOGGED_EVERY;
        if self.logged_at.is_some_and(recently) {
            return;
        }
        let (lost_events, why) = {
            let queue = delivery.queue.lock();
            let (lost_events, why) = queue.losses();
            if lost_events == self.logged_events {
                return;
            }
            (lost_events, why.to_owned())
        };
        let events = lost_events - self.logged_events;
        let url = delivery.poster.shown_url();
        tracing::warn!(sink = delivery.name, url, events, why, "events lost to a webhook");
        (self.logged_events, self.logged_at) = (lost_events, Some(now));
    }
}
