//! Senders that offer as much as they are told to, whether it is taken or not.

use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::fleet::Fleet;
use crate::sender::{Answer, Sender};

/// What became of requests.
#[derive(Default)]
pub(crate) struct Counted {
    /// Answered 204.
    pub(crate) taken: AtomicU64,
    /// Answered 503 with `Retry-After`.
    pub(crate) refused: AtomicU64,
    /// Answered otherwise, or not.
    pub(crate) wrong: AtomicU64,
}

/// Sends from all `fleets` at once for `lasting`, each with a sender of its own: as fast as they are answered, or `per_second`
/// attempts of all together. Also says how long it took.
pub(crate) fn offer(
    sender: impl Fn() -> Sender + Sync,
    fleets: &[Fleet],
    next: &mut [usize],
    lasting: Duration,
    per_second: Option<f64>,
) -> (Counted, Duration) {
    let counted = Counted::default();
    let pause = per_second.map(|rate| Duration::from_secs_f64(fleets.len() as f64 / rate));
    let started = Instant::now();
    thread::scope(|scope| {
        for (fleet, step) in fleets.iter().zip(next.iter_mut()) {
            let (counted, sender) = (&counted, &sender);
            scope.spawn(move || {
                step_back();
                let sender = sender();
                let mut body = fleet.body(*step);
                let mut due = started;
                while started.elapsed() < lasting {
                    let of = match sender.post(&body) {
                        Some(Answer { status: 204, .. }) => {
                            *step += 1;
                            body = fleet.body(*step);
                            &counted.taken
                        }
                        Some(Answer { status: 503, has_retry_after: true, .. }) => &counted.refused,
                        _ => &counted.wrong,
                    };
                    of.fetch_add(1, Ordering::SeqCst);
                    due += pause.unwrap_or_default();
                    thread::sleep(due.saturating_duration_since(Instant::now()));
                }
            });
        }
    });
    (counted, started.elapsed())
}

/// Senders have machines of their own. On this one they leave the cores to the server when it wants them, or it would be
/// measured how well the system shares cores.
fn step_back() {
    const NICENESS: i32 = 15;
    // On Linux, of this thread alone.
    rustix::process::setpriority_process(None, NICENESS).unwrap();
}
