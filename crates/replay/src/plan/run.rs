//! The same input under two configurations, at the same time.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use bellwether_engine::Settings;
use bellwether_series::Timestamp;

use super::alert::{Alert, Alerts};
use super::error::PlanError;
use crate::history::{HistoryOptions, HistoryProgress, Input, Watch, replay_events};
use crate::journal::{Findings, each_event};

/// What is replayed.
#[derive(Debug, Clone)]
pub enum PlanInput {
    /// Files with history.
    History {
        /// The files.
        inputs: Vec<Input>,
        /// How they are read; nothing is written, whatever it says.
        options: Box<HistoryOptions>,
    },
    /// The folder of a journal, or one with a journal in it.
    Journal(PathBuf),
}

/// Who hears of replays while they go on.
pub struct PlanWatch<'a> {
    /// Hears of each file which columns were taken for what.
    pub note: &'a (dyn Fn(&Input, &str) + Sync),
    /// Hears now and then how far a replay is: its number, 0 or 1, and a share from 0 to 1.
    pub progress: &'a (dyn Fn(usize, f64) + Sync),
    /// Ends it when it becomes true, with [`PlanError::Stopped`].
    pub stop: &'a AtomicBool,
}

/// What a replay gave.
#[derive(Debug, Clone, PartialEq)]
pub struct Replayed {
    /// Its alerts, by series and in it by time.
    pub alerts: Vec<Alert>,
    /// Event times of the first and the last sample, in Unix milliseconds; `None` of an input without samples.
    pub sampled_ms: Option<(i64, i64)>,
    /// Digest of the configuration in force at the end.
    pub config_digest: Arc<str>,
    /// What is wrong with a journal; history has nothing.
    pub findings: Findings,
}

/// Replays `input` under both configurations, each on threads of its own. Without settings a journal is replayed under what was in
/// force when it was written, history under the defaults.
///
/// # Errors
/// Whatever [`PlanError`] lists.
pub fn replay_both(
    input: &PlanInput,
    old: Option<&Arc<Settings>>,
    new: Option<&Arc<Settings>>,
    watch: &PlanWatch<'_>,
) -> Result<(Replayed, Replayed), PlanError> {
    thread::scope(|scope| {
        let new = scope.spawn(|| replay_alerts(input, new, 1, watch));
        let old = replay_alerts(input, old, 0, watch);
        Ok((old?, new.join().map_err(|_| PlanError::Thread)??))
    })
}

/// Replays `input` and keeps its alerts. `number` is what `watch` knows it by.
///
/// # Errors
/// Whatever [`PlanError`] lists.
pub fn replay_alerts(
    input: &PlanInput,
    settings: Option<&Arc<Settings>>,
    number: usize,
    watch: &PlanWatch<'_>,
) -> Result<Replayed, PlanError> {
    match input {
        PlanInput::Journal(folder) => {
            let mut alerts = Alerts::default();
            let progress = &mut |progress: crate::journal::Progress| {
                (watch.progress)(number, share(progress.done_bytes, progress.total_bytes));
            };
            let take = &mut |event: &_| alerts.take(event);
            let replayed = each_event(folder, settings.cloned(), take, progress)?;
            let ms = |(first, last): (Timestamp, Timestamp)| (first.as_ms(), last.as_ms());
            Ok(Replayed {
                alerts: alerts.finish(),
                sampled_ms: replayed.sampled.map(ms),
                config_digest: replayed.config_digest,
                findings: replayed.findings,
            })
        }
        PlanInput::History { inputs, options } => {
            let settings = settings.cloned().unwrap_or_default();
            history(inputs, options, &settings, number, watch)
        }
    }
}

fn history(
    inputs: &[Input],
    options: &HistoryOptions,
    settings: &Arc<Settings>,
    number: usize,
    watch: &PlanWatch<'_>,
) -> Result<Replayed, PlanError> {
    let progress = |progress: HistoryProgress| {
        let read = share(progress.read_bytes, progress.total_bytes);
        let replayed = share(progress.replayed_samples, progress.read_samples);
        // Of rows that are read as they are judged the second is 1, of sorted ones the first.
        (watch.progress)(number, read * replayed);
    };
    let watch_one = Watch {
        // Both replays read the same files.
        note: if number == 0 { watch.note } else { &|_, _| {} },
        progress: &progress,
        stop: watch.stop,
    };
    let (summary, alerts) =
        replay_events(inputs, settings, options, None, &watch_one, &Alerts::default)?;
    if !summary.complete || watch.stop.load(Ordering::Relaxed) {
        return Err(PlanError::Stopped);
    }
    // Files are received at the event times of their samples.
    let sampled = summary.first_received_ms.zip(summary.last_received_ms);
    Ok(Replayed {
        alerts: alerts.finish(),
        sampled_ms: sampled.map(|(first, last)| (first.as_ms(), last.as_ms())),
        config_digest: summary.config_digest.into(),
        findings: Findings::default(),
    })
}

/// `done` of `total`, from 0 to 1.
fn share(done: u64, total: u64) -> f64 {
    if total == 0 { 0.0 } else { (done as f64 / total as f64).min(1.0) }
}
