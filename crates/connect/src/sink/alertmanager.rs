//! Keeps Alertmanagers informed of what is firing (API v2).
//!
//! What is sent is the current state and not a queue of messages: each target has a book of the alerts
//! that it should know and of what it was last told, and one task that closes the difference. A target
//! that hangs or is down therefore delays nobody else, grows nothing, and is up to date half a minute
//! after it is back. Alertmanagers behind each other's backs (a cluster) must all be listed. A further
//! book that no target has holds what fires; a target that is added later starts with a copy of it.
//!
//! ```text
//! Event ─▶ Alert ─▶ book of target A ◀─ task ─▶ POST /api/v2/alerts
//!               └─▶ book of target B ◀─ task ─▶ POST …
//! ```
//!
//! Sources: `prometheus/alertmanager:api/v2/openapi.yaml`, `docs/alerts_api.md`;
//! `prometheus/compliance:alert_generator/specification.md`.

mod alert;
mod annotations;
mod book;
mod client;
mod clock;
mod deliver;
mod options;
mod target;

use std::sync::Arc;
use std::time::Duration;

use bellwether_engine::Event;
use bellwether_runtime::cells::Tenure;
use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::sink::vital::vital;

use alert::{Change, Naming};
use book::AlertBook;
use client::AlertmanagerClient;
use clock::Clock;
pub use options::{AlertmanagerOptions, OptionsError};
use target::TargetTask;

/// The connection to all configured Alertmanagers. Dropping it stops sending at once.
pub struct Alertmanagers {
    clock: Arc<Clock>,
    runtime: Handle,
    stop: CancellationToken,
    state: Mutex<State>,
}

struct State {
    naming: Naming,
    /// What fires, whoever was told.
    firing: AlertBook,
    /// In configured order.
    targets: Vec<Running>,
    tasks: JoinSet<()>,
}

/// A target and how to end its task.
struct Running {
    target: Arc<TargetTask>,
    stop: CancellationToken,
}

impl Alertmanagers {
    /// Starts one task per target on the current tokio runtime.
    ///
    /// # Errors
    /// When an option is invalid, no runtime is running, or the TLS root certificates of the system
    /// cannot be loaded (for `https` targets only).
    pub fn start(options: AlertmanagerOptions) -> Result<Self, OptionsError> {
        let runtime = Handle::try_current().map_err(|_| OptionsError::NoRuntime)?;
        let state = State {
            naming: Naming::new(None, false),
            firing: AlertBook::new(&options),
            targets: Vec::new(),
            tasks: JoinSet::new(),
        };
        let (clock, stop) = (Arc::new(Clock::start()), CancellationToken::new());
        let alertmanagers = Self { clock, runtime, stop, state: Mutex::new(state) };
        alertmanagers.reconfigure(options)?;
        Ok(alertmanagers)
    }

    /// Goes on with other options.
    ///
    /// A target whose URL stays keeps its task and what it was told; where its credentials changed it is
    /// told everything again, at once. A target that is new is told everything that fires. One that is
    /// gone is told what changed, once, and no more; what it knows as firing expires there.
    ///
    /// # Errors
    /// As [`Self::start`]; nothing has changed then.
    pub fn reconfigure(&self, options: AlertmanagerOptions) -> Result<(), OptionsError> {
        options.check()?;
        let client = |target| AlertmanagerClient::new(target, &options);
        let clients = options.targets.iter().map(client).collect::<Result<Vec<_>, _>>()?;
        let mut state = self.state.lock();
        let State { naming, firing, targets, tasks } = &mut *state;
        let mut before = std::mem::take(targets);
        firing.configure(&options);
        for client in clients {
            let same = before.iter().position(|running| running.target.url() == client.base_url());
            targets.push(if let Some(index) = same {
                let running = before.remove(index);
                running.target.reconfigure(client, &options);
                running
            } else {
                let target = TargetTask::new(client, firing.of_firing(), Arc::clone(&self.clock));
                let (target, stop) = (Arc::new(target), self.stop.child_token());
                let task = vital(Arc::clone(&target).run(stop.clone()));
                tasks.spawn_on(task, &self.runtime);
                Running { target, stop }
            });
        }
        for gone in before {
            gone.stop.cancel();
        }
        while tasks.try_join_next().is_some() {}
        *naming = Naming::new(options.external_url, options.utf8_label_names);
        Ok(())
    }

    /// Notes what `event` changes, for every target. Never blocks, never fails.
    ///
    /// Events of one episode must come in order. Events that alert nobody have no effect.
    pub fn publish(&self, event: &Event) {
        self.note(event, None);
    }

    /// Likewise, in the name of `tenure`: when that is over, others tell of what fires, and it is repeated no more.
    pub fn publish_held(&self, event: &Event, tenure: &Arc<Tenure>) {
        self.note(event, Some(tenure));
    }

    fn note(&self, event: &Event, tenure: Option<&Arc<Tenure>>) {
        let mut state = self.state.lock();
        if let Some(change) = Change::of(event, &state.naming) {
            let change = Change { tenure: tenure.cloned(), ..change };
            let now_ms = self.clock.now().steady_ms;
            state.firing.note(&change, now_ms);
            state.firing.prune(now_ms);
            for running in &state.targets {
                running.target.publish(&change, now_ms);
            }
        }
    }

    /// Sends every target what changed since it was last told, and stops. Firing alerts are not
    /// resolved: they expire by themselves unless a successor goes on sending them.
    ///
    /// Returns after `deadline` at the latest.
    pub async fn shutdown(&self, deadline: Duration) {
        self.stop.cancel();
        let mut tasks = std::mem::take(&mut self.state.lock().tasks);
        let all_ended = async { while tasks.join_next().await.is_some() {} };
        if tokio::time::timeout(deadline, all_ended).await.is_err() {
            tracing::warn!("not every Alertmanager took the last changes in time");
            tasks.shutdown().await;
        }
    }

    /// How each target is doing, in configured order.
    pub fn stats(&self) -> Vec<TargetStats> {
        self.state.lock().targets.iter().map(|running| running.target.stats()).collect()
    }
}

/// How one target is doing; counters are since the target was configured.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TargetStats {
    /// The base URL.
    pub url: String,
    /// Alerts taken by the target, repetitions included.
    pub sent_alerts: u64,
    /// Requests that failed: no answer, or one that says try again.
    pub failed_requests: u64,
    /// Alerts given up: over the limit on alerts, or resolved so long ago that nobody cares.
    pub dropped_alerts: u64,
    /// Alerts that the target refused as invalid.
    pub rejected_alerts: u64,
    /// Alerts that the target is being kept informed of, firing and lately resolved.
    pub known_alerts: usize,
    /// Alerts with a change that the target has not taken yet.
    pub pending_alerts: usize,
    /// Requests that failed since the last one that did not; above 0 the target is unwell.
    pub failures_in_a_row: u32,
    /// Wall-clock time of the last request that succeeded, in milliseconds.
    pub last_success_ms: Option<i64>,
    /// What went wrong last, if it was after the last success.
    pub last_error: Option<String>,
}
