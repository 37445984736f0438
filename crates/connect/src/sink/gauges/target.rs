//! One remote-write target: its queue, and the task that empties it.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;
use parking_lot::Mutex;
use reqwest::StatusCode;
use reqwest::header::{CONTENT_ENCODING, CONTENT_TYPE};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::board::Point;
use super::encode::body;
use super::naming::GAUGES;
use super::queue::PointQueue;
use super::{Clock, GaugesOptions, TargetStats};
use crate::outbound::{Backoff, Outbound, answer_text, describe, describe_answer, retry_after};
use crate::{Endpoint, EndpointError};

/// Pauses between attempts, as Prometheus makes them.
const BACKOFF: Backoff =
    Backoff { first: Duration::from_millis(30), longest: Duration::from_secs(5) };
/// How often a request is tried again once the end has come.
const LAST_RETRIES: u32 = 5;
/// Shortest time between two log lines about lost samples.
const LOG_INTERVAL: Duration = Duration::from_mins(1);

/// A target, shared between the publisher and the task.
pub(super) struct Target {
    outbound: Outbound,
    clock: Clock,
    flush_interval: Duration,
    request_samples_max: usize,
    changed: Notify,
    state: Mutex<State>,
}

struct State {
    queue: PointQueue,
    in_flight_samples: usize,
    stats: TargetStats,
    loss_logged: Option<Instant>,
}

/// What became of a request.
enum Outcome {
    Taken,
    /// It will never be taken.
    Refused(String),
    /// It may be taken later; the server may have said when.
    Failed(String, Option<Duration>),
}

impl Target {
    pub(super) fn new(
        endpoint: &Endpoint,
        options: &GaugesOptions,
        clock: Clock,
    ) -> Result<Self, EndpointError> {
        let outbound = Outbound::new(endpoint, "", Duration::from_millis(options.timeout_ms))?;
        let whole_points = |samples: usize| samples / GAUGES * GAUGES;
        let stats = TargetStats { url: outbound.shown_url().to_owned(), ..TargetStats::default() };
        Ok(Self {
            outbound,
            clock,
            flush_interval: Duration::from_millis(options.flush_interval_ms),
            request_samples_max: whole_points(
                options.samples_per_request_max.min(options.queue_samples_max),
            ),
            changed: Notify::new(),
            state: Mutex::new(State {
                queue: PointQueue::new(options.queue_samples_max),
                in_flight_samples: 0,
                stats,
                loss_logged: None,
            }),
        })
    }

    /// Adds `points` to the queue.
    pub(super) fn publish(&self, points: &[Point]) {
        let mut state = self.state.lock();
        let before = state.queue.samples();
        let lost = state.queue.push(points);
        if lost > 0 {
            state.lose(lost, "queue is full");
        }
        if before == 0 || state.queue.samples() >= self.request_samples_max {
            self.changed.notify_one();
        }
    }

    pub(super) fn stats(&self) -> TargetStats {
        let state = self.state.lock();
        let pending_samples = state.queue.samples() + state.in_flight_samples;
        TargetStats { pending_samples, ..state.stats.clone() }
    }

    /// Sends what comes into the queue, until `stop`, and then what is left in it.
    pub(super) async fn run(self: Arc<Self>, stop: CancellationToken) {
        loop {
            self.wait(&stop).await;
            let points = self.take();
            if points.is_empty() {
                return;
            }
            if !self.deliver(points, &stop).await {
                let mut state = self.state.lock();
                let lost = state.queue.take(usize::MAX).len() * GAUGES;
                state.lose(lost, "target takes nothing and the end has come");
                return;
            }
        }
    }

    /// Waits until there is a full request, or a part of one that has waited long enough, or `stop`.
    async fn wait(&self, stop: &CancellationToken) {
        while self.state.lock().queue.samples() == 0 && !stop.is_cancelled() {
            tokio::select! {
                () = stop.cancelled() => {}
                () = self.changed.notified() => {}
            }
        }
        let flush = sleep(self.flush_interval);
        tokio::pin!(flush);
        while self.state.lock().queue.samples() < self.request_samples_max {
            tokio::select! {
                () = stop.cancelled() => return,
                () = &mut flush => return,
                () = self.changed.notified() => {}
            }
        }
    }

    fn take(&self) -> Vec<Point> {
        let mut state = self.state.lock();
        let points = state.queue.take(self.request_samples_max);
        state.in_flight_samples = points.len() * GAUGES;
        points
    }

    /// Sends `points`, as often as it takes. `false` when the end came first.
    async fn deliver(&self, points: Vec<Point>, stop: &CancellationToken) -> bool {
        let body = body(points);
        let (mut retries, mut last_retries) = (0, 0);
        loop {
            let (error, asked) = match self.post(&body, retries).await {
                Outcome::Taken => {
                    self.state.lock().taken((self.clock)());
                    return true;
                }
                Outcome::Refused(error) => {
                    self.state.lock().refused(error);
                    return true;
                }
                Outcome::Failed(error, asked) => (error, asked),
            };
            self.state.lock().failed(error);
            retries += 1;
            if stop.is_cancelled() {
                if last_retries == LAST_RETRIES {
                    let mut state = self.state.lock();
                    let lost = std::mem::take(&mut state.in_flight_samples);
                    state.lose(lost, "target takes nothing and the end has come");
                    return false;
                }
                last_retries += 1;
                sleep(BACKOFF.pause(last_retries, asked)).await;
            } else {
                tokio::select! {
                    () = stop.cancelled() => {}
                    () = sleep(BACKOFF.pause(retries, asked)) => {}
                }
            }
        }
    }

    async fn post(&self, body: &Bytes, retries: u32) -> Outcome {
        let mut request = self
            .outbound
            .post()
            .header(CONTENT_TYPE, "application/x-protobuf")
            .header(CONTENT_ENCODING, "snappy")
            .header("X-Prometheus-Remote-Write-Version", "0.1.0")
            .body(body.clone());
        if retries > 0 {
            request = request.header("Retry-Attempt", retries);
        }
        let response = match request.send().await {
            Ok(response) => response,
            Err(error) if error.is_builder() => return Outcome::Refused(describe(error)),
            Err(error) => return Outcome::Failed(describe(error), None),
        };
        let now = Timestamp::from_millisecond((self.clock)()).unwrap_or(Timestamp::MAX);
        let asked = retry_after(response.headers(), now);
        let status = response.status();
        let text = answer_text(response).await;
        if status.is_success() {
            return Outcome::Taken;
        }
        let error = describe_answer(status, &text, self.outbound.credentials());
        if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
            Outcome::Failed(error, asked)
        } else {
            Outcome::Refused(error)
        }
    }
}

impl State {
    fn taken(&mut self, now_ms: i64) {
        self.stats.sent_samples += std::mem::take(&mut self.in_flight_samples) as u64;
        self.stats.last_success_ms = Some(now_ms);
        self.stats.last_error = None;
        if std::mem::take(&mut self.stats.failures_in_a_row) > 0 {
            tracing::info!(url = self.stats.url, "remote-write target takes samples again");
        }
    }

    fn refused(&mut self, error: String) {
        let lost = std::mem::take(&mut self.in_flight_samples);
        self.lose(lost, &error);
        self.count_failure(error);
    }

    fn failed(&mut self, error: String) {
        if self.stats.failures_in_a_row == 0 {
            let url = &self.stats.url;
            tracing::warn!(url, error, "remote-write target takes no samples, retrying");
        }
        self.count_failure(error);
    }

    fn count_failure(&mut self, error: String) {
        self.stats.failed_requests += 1;
        self.stats.failures_in_a_row = self.stats.failures_in_a_row.saturating_add(1);
        self.stats.last_error = Some(error);
    }

    /// Counts `samples` as lost, and says so unless that was said a short while ago.
    fn lose(&mut self, samples: usize, reason: &str) {
        self.stats.dropped_samples += samples as u64;
        let now = Instant::now();
        if self.loss_logged.is_none_or(|logged| now.duration_since(logged) >= LOG_INTERVAL) {
            self.loss_logged = Some(now);
            let (url, dropped_total) = (&self.stats.url, self.stats.dropped_samples);
            tracing::warn!(url, reason, samples, dropped_total, "samples of gauges are lost");
        }
    }
}
