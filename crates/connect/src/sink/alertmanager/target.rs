//! One Alertmanager: its book, and the task that keeps it informed.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::alert::Change;
use super::book::{AlertBook, Item, Next};
use super::client::AlertmanagerClient;
use super::deliver::{Report, deliver};
use super::options::AlertmanagerOptions;
use super::{Clock, TargetStats};

/// Longest pause after failures.
const BACKOFF_MAX_MS: u64 = 30_000;

/// A target, shared between the publisher and the task.
pub(super) struct TargetTask {
    url: String,
    client: Mutex<Arc<AlertmanagerClient>>,
    clock: Arc<Clock>,
    changed: Notify,
    /// Ends a pause after failures, which may have had to do with how the target was configured.
    reconfigured: Notify,
    state: Mutex<State>,
}

struct State {
    book: AlertBook,
    stats: TargetStats,
}

impl TargetTask {
    pub(super) fn new(client: AlertmanagerClient, book: AlertBook, clock: Arc<Clock>) -> Self {
        let url = client.base_url().to_owned();
        let stats = TargetStats { url: url.clone(), ..TargetStats::default() };
        Self {
            url,
            client: Mutex::new(Arc::new(client)),
            clock,
            changed: Notify::new(),
            reconfigured: Notify::new(),
            state: Mutex::new(State { book, stats }),
        }
    }

    /// Its base URL.
    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// Goes on with `client`, which is for the same URL, and `options`.
    pub(super) fn reconfigure(&self, client: AlertmanagerClient, options: &AlertmanagerOptions) {
        let mut current = self.client.lock();
        let mut state = self.state.lock();
        state.book.configure(options);
        if current.is_same(&client) {
            // The client keeps its connections, and a pause after failures goes on.
            self.changed.notify_one();
            return;
        }
        if !current.is_same_user(&client) {
            // Who logs in as somebody else may reach somebody else.
            state.book.repeat_all();
        }
        *current = Arc::new(client);
        self.changed.notify_one();
        self.reconfigured.notify_one();
    }

    pub(super) fn publish(&self, change: &Change, now_ms: i64) {
        self.state.lock().book.note(change, now_ms);
        self.changed.notify_one();
    }

    pub(super) fn stats(&self) -> TargetStats {
        let state = self.state.lock();
        TargetStats {
            dropped_alerts: state.book.dropped(),
            known_alerts: state.book.len(),
            pending_alerts: state.book.changed_len(),
            ..state.stats.clone()
        }
    }

    /// Keeps the target informed until `stop`, then sends what changed, once.
    pub(super) async fn run(self: Arc<Self>, stop: CancellationToken) {
        while !stop.is_cancelled() {
            let next = self.state.lock().book.next(self.clock.now());
            let delivered = match next {
                Next::Send(items) => self.deliver(items).await,
                Next::WaitMs(wait_ms) => {
                    let wait = Duration::from_millis(wait_ms.max(1).unsigned_abs());
                    tokio::select! {
                        () = stop.cancelled() => {}
                        () = self.changed.notified() => {}
                        () = tokio::time::sleep(wait) => {}
                    }
                    true
                }
            };
            if !delivered {
                let backoff = backoff(self.state.lock().stats.failures_in_a_row);
                tokio::select! {
                    () = stop.cancelled() => {}
                    () = self.reconfigured.notified() => {}
                    () = tokio::time::sleep(backoff) => {}
                }
            }
        }
        loop {
            let items = self.state.lock().book.changes(self.clock.now());
            if items.is_empty() || !self.deliver(items).await {
                return;
            }
        }
    }

    /// Delivers `items`; whether the target answered.
    async fn deliver(&self, items: Vec<Item>) -> bool {
        let now_ms = self.clock.now().steady_ms;
        let mut answered = true;
        let client = Arc::clone(&self.client.lock());
        deliver(&*client, items, &mut |report| {
            answered &= !matches!(report, Report::Lost { .. });
            self.record(report, now_ms);
        })
        .await;
        answered
    }

    fn record(&self, report: Report, now_ms: i64) {
        let State { book, stats } = &mut *self.state.lock();
        match report {
            Report::Taken(items) => {
                book.taken(&items, now_ms);
                stats.sent_alerts += items.len() as u64;
                stats.last_success_ms = Some(self.clock.now().wall_ms);
                stats.last_error = None;
                if std::mem::take(&mut stats.failures_in_a_row) > 0 {
                    tracing::info!(url = self.url, "Alertmanager takes alerts again");
                }
            }
            Report::Rejected { item, error } => {
                book.rejected(&item);
                stats.rejected_alerts += 1;
                let labels = &item.post.labels;
                let episode = item.post.annotations.get("episode_id");
                tracing::warn!(
                    url = self.url,
                    ?labels,
                    ?episode,
                    error,
                    "alert refused and dropped"
                );
            }
            Report::Lost { items, error, maybe_received } => {
                if maybe_received {
                    book.unsure(&items);
                }
                stats.failed_requests += 1;
                stats.failures_in_a_row = stats.failures_in_a_row.saturating_add(1);
                if stats.failures_in_a_row == 1 {
                    tracing::warn!(url = self.url, error, "Alertmanager takes no alerts, retrying");
                }
                stats.last_error = Some(error);
            }
        }
    }
}

/// 1, 2, 4 … 30 seconds.
fn backoff(failures_in_a_row: u32) -> Duration {
    let doublings = failures_in_a_row.saturating_sub(1).min(5);
    Duration::from_millis((1_000 << doublings).min(BACKOFF_MAX_MS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_half_a_minute() {
        let seconds: Vec<u64> = (1..=7).map(|failures| backoff(failures).as_secs()).collect();
        assert_eq!(seconds, [1, 2, 4, 8, 16, 30, 30]);
    }
}
