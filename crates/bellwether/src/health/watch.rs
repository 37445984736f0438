//! Watches the engine's own health: keeps a history, and raises an alert of its own when something is wrong
//! for long.
//!
//! Such an alert follows from the wall clock and from what other servers answer, not from records: it goes
//! straight to the sinks, and a replay of the same records does not repeat it. What it said last is in a file of its own
//! ([`super::alert_file`]).

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bellwether_detect::Severity;
use bellwether_engine::{ChangeKind, Event, HEALTH_RULE, Settings, next_own_event, own_event};
use bellwether_runtime::Told;
use bellwether_series::{LabelSet, METRIC_NAME, Timestamp};
use parking_lot::Mutex;
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use super::alert_file::{AlertFile, KeptAlert};
use super::{Health, Status};
use crate::config::HealthConfig;
use crate::service::App;

/// What its label `__name__` says; also a metric.
const HEALTH_METRIC: &str = "bellwether_health_status";

/// How often health is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// Health became another at some time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct HealthChange {
    /// Wall-clock time, in milliseconds.
    at_ms: Timestamp,
    status: Status,
    score: u8,
    /// What is not healthy: each check with its message, worst first.
    unwell: Vec<Unwell>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Unwell {
    check: String,
    status: Status,
    message: String,
}

/// The history of health, and the alert about it.
#[derive(Debug)]
pub(crate) struct HealthWatch {
    config: HealthConfig,
    /// Tells this engine's alert from those of others: host and port.
    instance: String,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Oldest first.
    history: VecDeque<HealthChange>,
    /// Changes that are in it no more.
    forgotten: u64,
    /// Since when it has been at least degraded, and since when critical.
    unwell_since: Option<Instant>,
    critical_since: Option<Instant>,
    /// Since when all has been well.
    well_since: Option<Instant>,
    /// The newest event of the alert that fires.
    firing: Option<Event>,
}

impl HealthWatch {
    /// A watch that has seen nothing. `instance` becomes the alert's label of that name.
    pub(crate) fn new(config: HealthConfig, instance: String) -> Self {
        Self { config, instance, state: Mutex::default() }
    }

    /// Changes since the start, newest first.
    pub(crate) fn history(&self) -> Vec<HealthChange> {
        self.state.lock().history.iter().rev().cloned().collect()
    }

    /// Changes forgotten since the start, because no more are remembered.
    pub(crate) fn forgotten(&self) -> u64 {
        self.state.lock().forgotten
    }

    /// Goes on with the alert whose newest event, of a process before this one, is `event`.
    fn go_on(&self, event: Event) {
        self.state.lock().firing = (event.change != ChangeKind::Resolved).then_some(event);
    }

    /// Takes in how everything is doing at `now`, which is `at` on the wall clock, and returns what is to be
    /// told about it.
    fn look(
        &self,
        health: &Health,
        now: Instant,
        at: Timestamp,
        settings: &Settings,
    ) -> Option<Event> {
        let change = HealthChange::of(health, at);
        let mut state = self.state.lock();
        state.remember(&change, self.config.history_max);
        let since = |is_so: bool, since: Option<Instant>| is_so.then(|| since.unwrap_or(now));
        state.unwell_since = since(change.status >= Status::Degraded, state.unwell_since);
        state.critical_since = since(change.status == Status::Critical, state.critical_since);
        state.well_since = since(change.status == Status::Healthy, state.well_since);
        let alert_after = Duration::from_millis(self.config.alert_after_ms.unsigned_abs());
        let lasted = |since: Option<Instant>| {
            since.is_some_and(|since| now.duration_since(since) >= alert_after)
        };
        let severity = if lasted(state.critical_since) {
            Some(Severity::Critical)
        } else {
            lasted(state.unwell_since).then_some(Severity::Warning)
        };
        let event = match (&state.firing, severity) {
            (None, Some(severity)) => Some(self.fire(&change, severity, settings)),
            (Some(before), Some(Severity::Critical)) if before.severity < Severity::Critical => {
                Some(escalate(before, &change))
            }
            (Some(before), _) if lasted(state.well_since) => Some(resolve(before, at)),
            _ => None,
        }?;
        state.firing = (event.change != ChangeKind::Resolved).then(|| event.clone());
        Some(event)
    }

    fn fire(&self, change: &HealthChange, severity: Severity, settings: &Settings) -> Event {
        let check = change.unwell.first().map_or("", |worst| &worst.check);
        let labels = [(METRIC_NAME, HEALTH_METRIC), ("check", check), ("instance", &self.instance)];
        // A check's name and a host are valid labels; if they ever are not, the alert matters more.
        let labels = LabelSet::from_pairs(labels)
            .or_else(|_| LabelSet::from_pairs([(METRIC_NAME, HEALTH_METRIC)]))
            .unwrap_or_else(|_| unreachable!("a constant label set"));
        Event {
            severity,
            value: f64::from(change.status as u8),
            explanation: change.to_string(),
            ..own_event(settings, HEALTH_RULE, labels, change.at_ms)
        }
    }
}

impl State {
    /// Appends `change` unless it only repeats what is known.
    fn remember(&mut self, change: &HealthChange, history_max: usize) {
        let is_known = match self.history.back() {
            Some(last) => last.is_like(change),
            None => change.status == Status::Healthy,
        };
        if is_known || history_max == 0 {
            return;
        }
        if self.history.len() >= history_max {
            self.history.pop_front();
            self.forgotten += 1;
        }
        self.history.push_back(change.clone());
        if change.status == Status::Healthy {
            tracing::info!("{change}");
        } else {
            tracing::warn!("{change}");
        }
    }
}

fn escalate(before: &Event, change: &HealthChange) -> Event {
    Event {
        severity: Severity::Critical,
        value: f64::from(change.status as u8),
        explanation: change.to_string(),
        ..next_own_event(before, ChangeKind::Escalated, change.at_ms)
    }
}

fn resolve(before: &Event, at: Timestamp) -> Event {
    Event {
        value: f64::from(Status::Healthy as u8),
        explanation: "Bellwether is healthy again.".to_owned(),
        ..next_own_event(before, ChangeKind::Resolved, at)
    }
}

impl HealthChange {
    fn of(health: &Health, at_ms: Timestamp) -> Self {
        let mut unwell: Vec<Unwell> = health
            .checks
            .iter()
            .filter(|(_, check)| check.status > Status::Healthy)
            .map(|(name, check)| Unwell {
                check: name.clone(),
                status: check.status,
                message: check.message.clone(),
            })
            .collect();
        // Stable: checks of the same status stay in order of their names.
        unwell.sort_by_key(|unwell| std::cmp::Reverse(unwell.status));
        Self { at_ms, status: health.status, score: health.score, unwell }
    }

    /// Whether the same checks are unwell in the same way. Messages hold figures that change all the time.
    fn is_like(&self, other: &Self) -> bool {
        let checks = |change: &Self| {
            let checks = change.unwell.iter().map(|unwell| (unwell.check.clone(), unwell.status));
            checks.collect::<Vec<_>>()
        };
        self.status == other.status && checks(self) == checks(other)
    }
}

impl std::fmt::Display for HealthChange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let status = match self.status {
            Status::Healthy => "healthy",
            Status::Degraded => "degraded",
            Status::Critical => "critical",
        };
        write!(f, "Bellwether is {status} (score {} of 100).", self.score)?;
        for Unwell { check, message, .. } in &self.unwell {
            write!(f, " {check}: {message}.")?;
        }
        Ok(())
    }
}

/// Looks at health until `stop`, and tells the sinks. `file` has what a process before this one left.
pub(crate) async fn watch(app: Arc<App>, mut file: AlertFile, stop: CancellationToken) {
    let mut ticks = tokio::time::interval(LOOK_EVERY);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut has_gone_on = false;
    while stop.run_until_cancelled(ticks.tick()).await.is_some() {
        // That it catches up after a start is no news.
        if app.engine.stats().phase().is_recovering() {
            continue;
        }
        if !std::mem::replace(&mut has_gone_on, true)
            && let Some(left) = file.left_behind()
        {
            let app = Arc::clone(&app);
            // Sinks may look up what they have. A panic has been printed by then.
            _ = tokio::task::spawn_blocking(move || go_on(&app, left)).await;
        }
        let at = Timestamp::from_ms(jiff::Timestamp::now().as_millisecond());
        let health = Health::of(&app);
        let settings = app.live.engine();
        match app.health_watch.look(&health, Instant::now(), at, &settings) {
            Some(event) => {
                file.tell(event.clone()).await;
                app.outlets.publish(Told::First, event);
            }
            None => file.told().await,
        }
    }
}

/// Goes on with what a process before this one left.
fn go_on(app: &App, KeptAlert { event, is_told }: KeptAlert) {
    if !is_told {
        app.outlets.publish(Told::Overdue, event.clone());
    }
    if event.change != ChangeKind::Resolved {
        app.outlets.publish(Told::Standing, event.clone());
    }
    app.health_watch.go_on(event);
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::Check;
    use super::*;

    const ALERT_AFTER_S: u64 = 60;

    struct Scene {
        watch: HealthWatch,
        start: Instant,
        seconds: u64,
    }

    impl Scene {
        fn new(history_max: usize) -> Self {
            let config = HealthConfig { alert_after_ms: ALERT_AFTER_S as i64 * 1000, history_max };
            let watch = HealthWatch::new(config, "host:2355".to_owned());
            Self { watch, start: Instant::now(), seconds: 0 }
        }

        /// What is told over `seconds` seconds in which health is as given.
        fn during(&mut self, seconds: u64, checks: &[(&str, Status)]) -> Vec<Event> {
            let mut told = Vec::new();
            for _ in 0..seconds {
                let now = self.start + Duration::from_secs(self.seconds);
                let at = Timestamp::from_ms(self.seconds as i64 * 1000);
                // A message that changes all the time.
                let message = format!("after {} s", self.seconds);
                let check = |&(name, status): &(&str, Status)| {
                    (name.to_owned(), Check { status, message: message.clone() })
                };
                let checks: BTreeMap<_, _> = checks.iter().map(check).collect();
                let status = checks.values().map(|check| check.status).max();
                let status = status.unwrap_or(Status::Healthy);
                let health = Health { status, score: 100, checks };
                told.extend(self.watch.look(&health, now, at, &Settings::default()));
                self.seconds += 1;
            }
            told
        }
    }

    fn told(events: &[Event]) -> Vec<(ChangeKind, Severity)> {
        events.iter().map(|event| (event.change, event.severity)).collect()
    }

    const WELL: &[(&str, Status)] = &[("engine", Status::Healthy)];
    const DEGRADED: &[(&str, Status)] =
        &[("engine", Status::Healthy), ("sink_event_log", Status::Degraded)];
    const CRITICAL: &[(&str, Status)] =
        &[("engine", Status::Critical), ("sink_event_log", Status::Degraded)];

    #[test]
    fn what_is_unwell_for_long_is_told_once_and_so_is_its_end() {
        let mut scene = Scene::new(10);
        assert!(scene.during(5, WELL).is_empty());
        assert!(scene.during(ALERT_AFTER_S, DEGRADED).is_empty());
        let fired = scene.during(300, DEGRADED);
        assert_eq!(told(&fired), [(ChangeKind::Firing, Severity::Warning)]);
        assert!(fired[0].alert && &*fired[0].rule == HEALTH_RULE);
        assert_eq!(fired[0].labels.get("check"), Some("sink_event_log"));
        assert_eq!(fired[0].labels.get("instance"), Some("host:2355"));
        assert!(fired[0].explanation.contains("sink_event_log: after"), "{}", fired[0].explanation);
        assert!(scene.during(ALERT_AFTER_S, WELL).is_empty());
        let over = scene.during(300, WELL);
        assert_eq!(told(&over), [(ChangeKind::Resolved, Severity::Warning)]);
        assert_eq!(over[0].episode_id, fired[0].episode_id);
        assert_eq!((over[0].sequence, over[0].labels.clone()), (1, fired[0].labels.clone()));
    }

    #[test]
    fn an_alert_of_the_process_before_goes_on_and_ends() {
        let fired = Scene::new(10).during(100, DEGRADED).remove(0);
        let mut scene = Scene::new(10);
        scene.watch.go_on(fired.clone());
        assert!(scene.during(300, DEGRADED).is_empty(), "it was told");
        let critical = scene.during(100, CRITICAL);
        assert_eq!(critical[0].id, format!("{}-1", fired.episode_id));
        let over = scene.during(100, WELL);
        assert_eq!(told(&over), [(ChangeKind::Resolved, Severity::Critical)]);
        assert_eq!((over[0].starts_at_ms, over[0].sequence), (fired.starts_at_ms, 2));
        let mut scene = Scene::new(10);
        scene.watch.go_on(over[0].clone());
        let anew = scene.during(100, DEGRADED);
        assert_eq!(told(&anew), [(ChangeKind::Firing, Severity::Warning)]);
    }

    #[test]
    fn it_becomes_critical_within_the_same_alert() {
        let mut scene = Scene::new(10);
        let degraded = scene.during(100, DEGRADED);
        let critical = scene.during(100, CRITICAL);
        assert_eq!(told(&critical), [(ChangeKind::Escalated, Severity::Critical)]);
        assert_eq!(critical[0].episode_id, degraded[0].episode_id);
        assert!(scene.during(100, DEGRADED).is_empty());
        assert_eq!(told(&scene.during(100, WELL)), [(ChangeKind::Resolved, Severity::Critical)]);
    }

    #[test]
    fn what_comes_and_goes_is_in_the_history_only() {
        let mut scene = Scene::new(10);
        for _ in 0..3 {
            assert!(scene.during(ALERT_AFTER_S / 2, DEGRADED).is_empty());
            assert!(scene.during(1, WELL).is_empty());
        }
        let history = scene.watch.history();
        assert_eq!(history.len(), 6);
        assert_eq!((history[0].status, history[1].status), (Status::Healthy, Status::Degraded));
        assert_eq!(history[1].unwell[0].check, "sink_event_log");
    }

    #[test]
    fn the_history_is_bounded_and_keeps_the_newest() {
        let mut scene = Scene::new(3);
        for _ in 0..5 {
            scene.during(1, DEGRADED);
            scene.during(1, WELL);
        }
        let history = scene.watch.history();
        assert_eq!(history.len(), 3);
        assert_eq!(scene.watch.forgotten(), 7);
        assert_eq!(history[0].at_ms, Timestamp::from_ms(9000));
    }
}
