//! What both sinks share: a bounded queue, a thread that empties it, and how it is doing.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bellwether_engine::Event;
use bellwether_runtime::SinkStats;
use parking_lot::{Condvar, Mutex};

use crate::guard::hold_panic;

const BACKOFF_MIN: Duration = Duration::from_millis(100);
const BACKOFF_MAX: Duration = Duration::from_secs(5);
/// Longer limits for closing are taken as this.
const CLOSE_MAX: Duration = Duration::from_hours(24);

/// Puts events on disk.
pub(crate) trait Write: Send + 'static {
    /// Writes `waiting`, in order, and removes from it what is safely written, also when it then fails: what
    /// is left is tried again. With nothing to write it makes ready to.
    fn write(&mut self, waiting: &mut Vec<Arc<Event>>) -> io::Result<()>;

    /// Files that it has removed since its start because no more are kept.
    fn removed_files(&self) -> u64 {
        0
    }
}

/// When to write.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    /// Least time between two writes.
    pub(crate) interval: Duration,
    /// So many waiting events are written before the interval is over.
    pub(crate) events_max: usize,
}

/// A queue with a thread behind it. Dropping it without [`Worker::close`] ends the thread after one more attempt.
pub(crate) struct Worker {
    name: String,
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    queue_events_max: usize,
    pace: Pace,
}

#[derive(Default)]
struct State {
    queue: VecDeque<Arc<Event>>,
    /// Events that the thread took and has not written yet.
    in_hand_events: usize,
    /// Events that the thread took from the queue since its start. Events are told apart by how many came before.
    taken_events: u64,
    /// So many from the first one on are written. The writer may write later ones before earlier ones, so this moves only
    /// when it has written all that it was given.
    written_through: u64,
    /// Somebody waits for those from the first one up to this many.
    wanted_through: u64,
    stats: SinkStats,
    close_by: Option<Instant>,
    ended: bool,
}

impl State {
    fn waiting_events(&self) -> usize {
        self.queue.len() + self.in_hand_events
    }

    /// Events that were ever queued.
    fn queued_events(&self) -> u64 {
        self.taken_events + self.queue.len() as u64
    }

    /// Whether somebody waits for something that is still in the queue.
    fn is_urgent(&self) -> bool {
        self.wanted_through > self.taken_events
    }
}

/// The last attempt at writing.
struct Attempt {
    at: Instant,
    /// How long to wait before the next one, if it failed.
    backoff: Option<Duration>,
}

impl Worker {
    /// Starts the thread; `writer` is asked to make ready at once.
    pub(crate) fn start(
        name: &str,
        queue_events_max: usize,
        pace: Pace,
        writer: impl Write,
    ) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            state: Mutex::default(),
            changed: Condvar::new(),
            queue_events_max: queue_events_max.max(1),
            pace,
        });
        let worker = Self { name: name.to_owned(), shared: Arc::clone(&shared) };
        let thread_name = name.to_owned();
        std::thread::Builder::new()
            .name(format!("sink-{name}"))
            .spawn(move || run(&shared, &thread_name, writer))?;
        Ok(worker)
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn publish(&self, event: &Arc<Event>) {
        let mut state = self.shared.state.lock();
        if state.close_by.is_some() || state.waiting_events() >= self.shared.queue_events_max {
            state.stats.dropped_events += 1;
            return;
        }
        state.queue.push_back(Arc::clone(event));
        self.shared.changed.notify_all();
    }

    pub(crate) fn stats(&self) -> SinkStats {
        let state = self.shared.state.lock();
        SinkStats {
            waiting_events: state.waiting_events(),
            queue_events_max: self.shared.queue_events_max,
            ..state.stats.clone()
        }
    }

    /// Has what is queued written at once and waits for it, for `limit` at the most; whether it is. What is queued
    /// meanwhile is not waited for: in a storm there would be no end to it.
    pub(crate) fn settle(&self, limit: Duration) -> bool {
        let by = Instant::now() + limit.min(CLOSE_MAX);
        let mut state = self.shared.state.lock();
        let through = state.queued_events();
        state.wanted_through = through;
        self.shared.changed.notify_all();
        while state.written_through < through && !state.ended {
            if self.shared.changed.wait_until(&mut state, by).timed_out() {
                break;
            }
        }
        state.written_through >= through
    }

    /// Asks for the end and waits for it, for `limit` at the most: a thread that hangs in a system call is
    /// left behind.
    pub(crate) fn close(&self, limit: Duration) {
        let mut state = self.shared.state.lock();
        let close_by = Instant::now() + limit.min(CLOSE_MAX);
        state.close_by = Some(state.close_by.map_or(close_by, |earlier| earlier.min(close_by)));
        self.shared.changed.notify_all();
        while !state.ended {
            if self.shared.changed.wait_until(&mut state, close_by).timed_out() {
                return;
            }
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.shared.state.lock().close_by.get_or_insert_with(Instant::now);
        self.shared.changed.notify_all();
    }
}

fn run(shared: &Shared, name: &str, mut writer: impl Write) {
    let mut waiting = Vec::new();
    let mut backoff = BACKOFF_MIN;
    loop {
        let before = waiting.len();
        let written = hold_panic(|| writer.write(&mut waiting))
            .unwrap_or_else(|| Err(io::Error::other("writer panicked")));
        shared.state.lock().stats.removed_files = writer.removed_files();
        shared.note(name, before.saturating_sub(waiting.len()), waiting.len(), written.as_ref());
        let attempt = Attempt { at: Instant::now(), backoff: written.err().map(|_| backoff) };
        backoff =
            if attempt.backoff.is_some() { (backoff * 2).min(BACKOFF_MAX) } else { BACKOFF_MIN };
        if !shared.gather(&mut waiting, &attempt) {
            break;
        }
    }
    shared.end(name);
}

impl Shared {
    /// Waits for a reason to write, and moves what is queued to `waiting`. False when the end has come.
    fn gather(&self, waiting: &mut Vec<Arc<Event>>, last: &Attempt) -> bool {
        let mut state = self.state.lock();
        loop {
            let now = Instant::now();
            let due = match (state.close_by, last.backoff) {
                (Some(_), _) if state.waiting_events() == 0 => return false,
                (Some(_), None) => Some(now),
                (Some(close_by), Some(backoff)) => {
                    let again = last.at + backoff.min(BACKOFF_MIN);
                    if again >= close_by {
                        return false;
                    }
                    Some(again)
                }
                (None, Some(backoff)) => Some(last.at + backoff),
                (None, None) if state.queue.is_empty() => None,
                (None, None) if state.is_urgent() => Some(now),
                (None, None) if state.queue.len() >= self.pace.events_max => Some(now),
                (None, None) => Some(last.at + self.pace.interval),
            };
            match due {
                Some(due) if due <= now => break,
                Some(due) => _ = self.changed.wait_until(&mut state, due),
                None => self.changed.wait(&mut state),
            }
        }
        state.taken_events = state.queued_events();
        waiting.extend(state.queue.drain(..));
        state.in_hand_events = waiting.len();
        true
    }

    /// Takes down how an attempt went.
    fn note(&self, name: &str, written: usize, left: usize, result: Result<&(), &io::Error>) {
        let mut guard = self.state.lock();
        guard.in_hand_events = left;
        if left == 0 {
            guard.written_through = guard.taken_events;
        }
        let stats = &mut guard.stats;
        stats.delivered_events += written as u64;
        if written > 0 {
            stats.last_success_ms = Some(jiff::Timestamp::now().as_millisecond());
        }
        match result {
            Ok(()) => {
                if stats.failures_in_a_row > 0 {
                    tracing::info!(sink = name, "sink writes again");
                }
                stats.failures_in_a_row = 0;
                stats.last_error = None;
            }
            Err(error) => {
                if stats.failures_in_a_row == 0 {
                    tracing::warn!(sink = name, %error, "sink cannot write, events wait");
                }
                stats.failed_attempts += 1;
                stats.failures_in_a_row = stats.failures_in_a_row.saturating_add(1);
                stats.last_error = Some(error.to_string());
            }
        }
        self.changed.notify_all();
    }

    fn end(&self, name: &str) {
        let mut state = self.state.lock();
        let lost_events = state.waiting_events() as u64;
        if lost_events > 0 {
            tracing::warn!(
                sink = name,
                lost_events,
                "sink ended with events that it could not write"
            );
        }
        state.stats.dropped_events += lost_events;
        // What is lost was taken and is never written, so nobody is told that it is safe.
        state.taken_events = state.queued_events();
        state.queue.clear();
        state.in_hand_events = 0;
        state.ended = true;
        self.changed.notify_all();
    }
}

#[cfg(test)]
mod tests;
