//! History from a server with Prometheus' API, page by page: remote read, or `query_range` where there is none.
//!
//! ```text
//! window of time ── ask ──▶ answer within a bound ──▶ page of series with their samples ── next window ──▶ …
//! ```
//!
//! Remote read gives samples as they were stored, stale markers included. `query_range` gives a value every so often, which is
//! another history: it is used where a step is asked for, or the server knows no remote read. Memory is bounded by the answer
//! that is taken at most: of what is too much, for us or for the server, half the time is asked for, and so on. What is
//! asked for in one go shows in no sample.

mod error;
mod exchange;
mod query_range;
mod remote_read;
mod window;

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bellwether_series::{LabelSet, Matchers, Timestamp};
use bellwether_wire::remote_write::RawSample;
use tokio::runtime::{Builder, Runtime};
use tokio::time::sleep;

use crate::Endpoint;
use crate::outbound::Backoff;

pub use error::ServerHistoryError;
use exchange::{Failure, Server};
use window::Window;

/// Step of `query_range` where a server knows nothing else and no step was asked for.
pub const DEFAULT_STEP_MS: i64 = 60_000;
/// Most points of a series in one answer: the limit of Prometheus' `query_range`.
pub const POINTS_MAX: i64 = 11_000;

const BACKOFF: Backoff =
    Backoff { first: Duration::from_millis(200), longest: Duration::from_secs(10) };
/// How long after it was asked to stop a wait ends.
const STOP_LOOK: Duration = Duration::from_millis(50);

/// Series that are asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct Selector {
    /// As PromQL writes it; it means the same as `matchers`.
    pub text: String,
    /// The same, parsed.
    pub matchers: Matchers,
}

/// What is asked of which server.
#[derive(Debug, Clone)]
pub struct HistoryQuery {
    /// The server: its URL up to `/api/v1`, which is added.
    pub endpoint: Endpoint,
    /// Series that match any of these.
    pub selectors: Vec<Selector>,
    /// From this time on.
    pub start: Timestamp,
    /// Until just before this time.
    pub end: Timestamp,
    /// The step of `query_range`, above 0 ms; without it remote read is asked, if there is one.
    pub step_ms: Option<i64>,
    /// Longest time that a request may take.
    pub timeout: Duration,
    /// How often in a row a request is tried again that failed for a reason that may pass.
    pub retries_max: u32,
    /// Largest answer that is taken, decompressed, in bytes. Memory is some three times that.
    pub answer_bytes_max: usize,
}

impl HistoryQuery {
    /// [`HistoryQuery::timeout`] unless somebody says otherwise: as long as Prometheus lets a query take.
    pub const TIMEOUT: Duration = Duration::from_mins(2);
    /// [`HistoryQuery::retries_max`] unless somebody says otherwise: half a minute of pauses.
    pub const RETRIES_MAX: u32 = 8;
    /// [`HistoryQuery::answer_bytes_max`] unless somebody says otherwise.
    pub const ANSWER_BYTES_MAX: usize = 64 << 20;
}

/// How a server is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// Remote read: the samples that were stored.
    RemoteRead,
    /// `query_range`: a value every `step_ms`.
    QueryRange {
        /// From one value to the next, in milliseconds.
        step_ms: i64,
    },
}

/// The samples of a series within a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeriesPage {
    /// The series. With more than one selector it may be in a page more than once.
    pub labels: LabelSet,
    /// Its samples by time, with the bits of a NaN intact.
    pub samples: Vec<RawSample>,
}

/// What a server has of one window of time, which no other page has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// Everything before this time has come.
    pub until: Timestamp,
    /// The series that have samples.
    pub series: Vec<SeriesPage>,
    /// Native histograms, which are not taken.
    pub histograms: usize,
}

/// The history of a server, from its beginning to its end. Has an event loop of its own, so it must not be used within another.
pub struct ServerHistory<'a> {
    runtime: Runtime,
    asked: Asked,
    stop: &'a AtomicBool,
}

/// What is asked next, and how.
struct Asked {
    server: Server,
    query: HistoryQuery,
    method: Method,
    window: Window,
    /// Whether the server has shown that it knows the method.
    is_sure: bool,
    /// The page that came when the server was first asked.
    first: Option<Page>,
}

/// What a server gave in one go.
struct Answer {
    series: Vec<SeriesPage>,
    histograms: usize,
    /// Its size in bytes.
    bytes: usize,
}

impl<'a> ServerHistory<'a> {
    /// Asks for the first page, and so finds out how the server can be asked. When `stop` becomes true nothing is waited for any
    /// more, and there are no more pages.
    ///
    /// # Errors
    /// Whatever [`ServerHistoryError`] lists.
    pub fn open(query: HistoryQuery, stop: &'a AtomicBool) -> Result<Self, ServerHistoryError> {
        let runtime = Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|source| ServerHistoryError::Runtime { source })?;
        let method = match query.step_ms {
            Some(step_ms) => Method::QueryRange { step_ms },
            None => Method::RemoteRead,
        };
        let server = Server::new(&query)?;
        let window = Window::new(query.start, query.end, method);
        let asked = Asked { server, query, method, window, is_sure: false, first: None };
        let mut history = Self { runtime, asked, stop };
        history.asked.first = history.ask()?;
        Ok(history)
    }

    /// How the server is asked.
    pub fn method(&self) -> Method {
        self.asked.method
    }

    /// The next page; `None` when there are no more.
    ///
    /// # Errors
    /// Whatever [`ServerHistoryError`] lists; there is nothing more then.
    pub fn next_page(&mut self) -> Result<Option<Page>, ServerHistoryError> {
        match self.asked.first.take() {
            Some(first) => Ok(Some(first)),
            None => self.ask(),
        }
    }

    fn ask(&mut self) -> Result<Option<Page>, ServerHistoryError> {
        let Self { runtime, asked, stop } = self;
        runtime.block_on(async {
            tokio::select! {
                page = asked.next_page() => page,
                () = stopped(stop) => Ok(None),
            }
        })
    }
}

impl Asked {
    /// Asks for the next window until it is answered.
    async fn next_page(&mut self) -> Result<Option<Page>, ServerHistoryError> {
        let mut failures = 0;
        while let Some((first, last)) = self.window.now() {
            let failure = match self.answer(first, last).await {
                Ok(answer) => {
                    self.is_sure = true;
                    self.window.advance(answer.bytes < self.query.answer_bytes_max / 4);
                    let Answer { series, histograms, .. } = answer;
                    return Ok(Some(Page { until: last.plus_ms(1), series, histograms }));
                }
                Err(failure) => failure,
            };
            match failure {
                Failure::NoSuchMethod(_) if !self.is_sure && self.method == Method::RemoteRead => {
                    self.method = Method::QueryRange { step_ms: DEFAULT_STEP_MS };
                    self.window = Window::new(self.query.start, self.query.end, self.method);
                }
                Failure::TooMuch(refusal) => {
                    if !self.window.halve() {
                        return Err(self.server.refused(refusal, Some((first, last))));
                    }
                }
                Failure::Passing { refusal, asked } => {
                    failures += 1;
                    if failures > self.query.retries_max {
                        return Err(self.server.refused(refusal, Some((first, last))));
                    }
                    // Less may be answered sooner. It is no matter if there is no less.
                    self.window.halve();
                    sleep(BACKOFF.pause(failures, asked)).await;
                }
                Failure::NoSuchMethod(refusal) | Failure::Final(refusal) => {
                    return Err(self.server.refused(refusal, None));
                }
            }
        }
        Ok(None)
    }

    async fn answer(&self, first: Timestamp, last: Timestamp) -> Result<Answer, Failure> {
        match self.method {
            Method::RemoteRead => remote_read::ask(&self.server, &self.query, first, last).await,
            Method::QueryRange { step_ms } => {
                query_range::ask(&self.server, &self.query, first, last, step_ms).await
            }
        }
    }
}

async fn stopped(stop: &AtomicBool) {
    while !stop.load(Ordering::Relaxed) {
        sleep(STOP_LOOK).await;
    }
}

#[cfg(test)]
mod tests;
