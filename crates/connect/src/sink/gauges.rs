//! Takes derived gauges out: how surprising chosen series are, and the band they are expected in.
//!
//! A board holds the latest reading of each series, for `/metrics`; remote write 1.0 takes every reading to
//! each target. There is a queue and a task per target: one that hangs or is down delays nobody else.
//!
//! ```text
//! Gauge ─▶ board ─┬▶ queue of target A ─▶ task ─▶ POST, one request at a time
//!           │     └▶ queue of target B ─▶ task ─▶ POST …
//!           └▶ shown()
//! ```
//!
//! A topic of Kafka gets every reading as well (`topic`), as far as librdkafka's queue has room.
//!
//! Within a gauge timestamps strictly increase, whatever comes in: news that is not newer than what was
//! sent is dropped, and a series that ends is remembered for a while in case it comes back.
//!
//! Memory, in bytes, where `labels` is the size of a series' labels (16 KiB at most, a few hundred
//! usually): about `series_max × (5 × labels + 1,500)` for the board; per target `12 × queue_samples_max`
//! for the queue, doubled while it grows, and one request in flight, `samples_per_request_max × (labels +
//! 24)` and its compressed form. A queue keeps the names of series that have ended since, four times
//! `labels` each; the worst case, every four samples from another series that has ended, is
//! `queue_samples_max × labels`, once for all targets.
//!
//! Specification: "Prometheus Remote-Write 1.0"; retries as in `prometheus/prometheus:storage/remote`.

mod board;
mod encode;
mod ended;
mod naming;
mod options;
mod queue;
mod target;
#[cfg(feature = "kafka")]
mod topic;

use std::sync::Arc;
use std::time::Duration;

use bellwether_engine::{Gauge, GaugeReading};
use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::sink::vital::vital;

use board::{Board, Point};
pub use naming::{GAUGE_NAMES, gauge_values};
pub use options::{GaugesError, GaugesOptions};
use target::Target;
#[cfg(feature = "kafka")]
pub use topic::TopicOptions;

/// The wall clock, in milliseconds since the Unix epoch.
type Clock = Arc<dyn Fn() -> i64 + Send + Sync>;

/// The derived gauges and the connection to whoever stores them. Dropping it stops sending at once.
pub struct Gauges {
    clock: Clock,
    options: GaugesOptions,
    state: Mutex<State>,
    /// In configured order.
    targets: Vec<Arc<Target>>,
    #[cfg(feature = "kafka")]
    topic: Option<Arc<topic::Topic>>,
    tasks: Mutex<JoinSet<()>>,
    stop: CancellationToken,
}

struct State {
    board: Board,
    /// Memory that is used again.
    points: Vec<Point>,
    /// Whether news is still taken.
    open: bool,
}

impl Gauges {
    /// Starts one task per target on the current tokio runtime.
    ///
    /// # Errors
    /// When an option is invalid, no runtime is running, or the TLS root certificates of the system
    /// cannot be loaded (for `https` targets only).
    pub fn start(options: GaugesOptions) -> Result<Self, GaugesError> {
        Self::start_with_clock(options, || jiff::Timestamp::now().as_millisecond())
    }

    /// Like [`Self::start`], with another wall clock, in milliseconds since the Unix epoch.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn start_with_clock(
        options: GaugesOptions,
        clock: impl Fn() -> i64 + Send + Sync + 'static,
    ) -> Result<Self, GaugesError> {
        let runtime = Handle::try_current().map_err(|_| GaugesError::NoRuntime)?;
        options.check()?;
        let clock: Clock = Arc::new(clock);
        let target = |(index, endpoint)| {
            let target = Target::new(endpoint, &options, Arc::clone(&clock));
            target.map(Arc::new).map_err(|source| GaugesError::Target { index, source })
        };
        let targets =
            options.targets.iter().enumerate().map(target).collect::<Result<Vec<_>, _>>()?;
        let (stop, mut tasks) = (CancellationToken::new(), JoinSet::new());
        for target in &targets {
            tasks.spawn_on(vital(Arc::clone(target).run(stop.clone())), &runtime);
        }
        #[cfg(feature = "kafka")]
        let topic = options.topic.as_ref().map(|topic| {
            topic::Topic::start(topic, options.queue_samples_max, Arc::clone(&clock)).map(Arc::new)
        });
        let board = Board::new(options.series_max, options.stale_after_ms);
        Ok(Self {
            clock,
            options,
            state: Mutex::new(State { board, points: Vec::new(), open: true }),
            targets,
            #[cfg(feature = "kafka")]
            topic: topic.transpose()?,
            tasks: Mutex::new(tasks),
            stop,
        })
    }

    /// Notes `gauges`, in order. Never blocks, never fails; after [`Self::shutdown`] it has no effect.
    pub fn publish(&self, gauges: Vec<Gauge>) {
        let now_ms = (self.clock)();
        let mut state = self.state.lock();
        let State { board, points, open } = &mut *state;
        if !*open {
            return;
        }
        for gauge in gauges {
            board.note(&gauge, now_ms, points);
        }
        self.enqueue(points);
    }

    /// Hands `points` to every target. The caller holds the lock on the board, so that all hear the same.
    fn enqueue(&self, points: &mut Vec<Point>) {
        if !points.is_empty() {
            for target in &self.targets {
                target.publish(points);
            }
            #[cfg(feature = "kafka")]
            if let Some(topic) = &self.topic {
                topic.publish(points);
            }
            points.clear();
        }
    }

    /// The latest reading of each series with news within `stale_after_ms`, sorted by labels. Of series
    /// whose labels differ only in what the text format cannot say, one is shown.
    pub fn shown(&self) -> Vec<ShownGauge> {
        let mut shown = self.state.lock().board.shown((self.clock)());
        shown.sort_unstable_by(|(one, series), (other, other_series)| {
            one.labels.cmp(&other.labels).then(series.cmp(other_series))
        });
        shown.dedup_by(|(later, _), (earlier, _)| later.labels == earlier.labels);
        shown.into_iter().map(|(gauge, _)| gauge).collect()
    }

    /// How the gauges and each target are doing.
    pub fn stats(&self) -> GaugesStats {
        let targets = self.targets.iter().map(|target| target.stats());
        #[cfg(feature = "kafka")]
        let targets = targets.chain(self.topic.iter().map(|topic| topic.stats()));
        let targets = targets.collect();
        let board = &self.state.lock().board;
        GaugesStats {
            series: board.len(),
            series_max: self.options.series_max,
            refused_series_total: board.refused(),
            out_of_order_total: board.out_of_order(),
            targets,
        }
    }

    /// Sends every target what waits for it and the end of every series, so that queries do not show what
    /// nobody watches any more, and stops. A target that fails is tried a few times more.
    ///
    /// Returns after `deadline` at the latest.
    pub async fn shutdown(&self, deadline: Duration) {
        {
            let mut state = self.state.lock();
            let State { board, points, open } = &mut *state;
            *open = false;
            board.end_all(points);
            self.enqueue(points);
        }
        self.stop.cancel();
        #[cfg(feature = "kafka")]
        let flushed = self
            .topic
            .clone()
            .map(|topic| tokio::task::spawn_blocking(move || topic.flush(deadline)));
        let mut tasks = std::mem::take(&mut *self.tasks.lock());
        let all_ended = async { while tasks.join_next().await.is_some() {} };
        if tokio::time::timeout(deadline, all_ended).await.is_err() {
            tracing::warn!("not every remote-write target took the last gauges in time");
            tasks.shutdown().await;
        }
        #[cfg(feature = "kafka")]
        if let Some(flushed) = flushed
            && !flushed.await.unwrap_or_default()
        {
            tracing::warn!("the topic did not take the last gauges in time");
        }
    }
}

/// The latest reading of a series, for the text format 0.0.4.
#[derive(Debug, Clone, PartialEq)]
pub struct ShownGauge {
    /// Label names and values without `__name__`, sorted by name. Names are legal, `[a-zA-Z_][a-zA-Z0-9_]*`,
    /// and unique; values are as they came, to be escaped.
    pub labels: Arc<[(String, String)]>,
    /// What it says.
    pub reading: GaugeReading,
}

/// How the gauges are doing; counters are since the start.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GaugesStats {
    /// Series that have a place.
    pub series: usize,
    /// Places.
    pub series_max: usize,
    /// News dropped because its series got no place. Each piece of news counts: a series that is judged a
    /// hundred times without a place counts a hundred times.
    pub refused_series_total: u64,
    /// News dropped because it was not newer than what was sent of its series.
    pub out_of_order_total: u64,
    /// Each target, in configured order, and the topic last.
    pub targets: Vec<TargetStats>,
}

/// How one target is doing; counters are since the start.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TargetStats {
    /// The URL without its query; of a topic `kafka:` and its name.
    pub url: String,
    /// Samples taken by the target, stale markers included.
    pub sent_samples: u64,
    /// Samples lost to this target: the queue was full, the target refused the request that they were in
    /// (it may have taken some of it), or the end came first.
    pub dropped_samples: u64,
    /// Requests that failed, tried again or not.
    pub failed_requests: u64,
    /// Samples that wait or are in flight.
    pub pending_samples: usize,
    /// Requests that failed since the last one that did not; above 0 the target is unwell.
    pub failures_in_a_row: u32,
    /// Wall-clock time of the last request that succeeded, in milliseconds.
    pub last_success_ms: Option<i64>,
    /// What went wrong last, if it was after the last success.
    pub last_error: Option<String>,
}
