//! Overload is refused at the door, and what was taken is finished.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;

use bellwether_runtime::{Ingest, Options, Reply, SubmitError};

use crate::support::{STEPS, Told, options, request, start};

fn counting(replies: &Arc<AtomicUsize>) -> Reply {
    let replies = Arc::clone(replies);
    Box::new(move |outcome| {
        assert!(!outcome.expect("taken").any_rejected());
        replies.fetch_add(1, Ordering::SeqCst);
    })
}

#[test]
fn a_listener_that_hangs_fills_the_queue_and_loses_nothing() {
    const QUEUE: usize = 4;
    // By then the first series has made its first event.
    const BROKEN: usize = 130;
    // More than all queues together hold: what is submitted beyond is refused for certain.
    const ROUNDS: usize = 100;
    let (entered, has_entered) = mpsc::channel();
    let (open, gate) = mpsc::channel::<()>();
    let told = Told::default();
    let mut listener = told.listener();
    let runtime = start(
        Options { queue_requests_max: QUEUE, ..options(2) },
        Box::new(move |news| {
            // Neither end is there any more once the test lets go.
            _ = entered.send(());
            _ = gate.recv();
            listener(news);
        }),
    );
    let (handle, replies) = (runtime.handle(), Arc::new(AtomicUsize::new(0)));
    for step in 0..BROKEN {
        while handle.submit(request(step), counting(&replies)) == Err(SubmitError::Full) {
            thread::yield_now();
        }
    }
    has_entered.recv().expect("the listener hears of the first fault");
    let refused = (BROKEN..BROKEN + ROUNDS)
        .map(|step| handle.submit(request(step), counting(&replies)))
        .filter(|submitted| *submitted == Err(SubmitError::Full))
        .count();
    assert!(refused > 0, "everything was taken");
    assert!(handle.stats().queue_depth() <= QUEUE);
    drop(open);
    runtime.stop();
    assert_eq!(replies.load(Ordering::SeqCst), BROKEN + ROUNDS - refused);
    assert!(!told.events().is_empty());
}

#[test]
fn everything_taken_before_the_stop_is_finished_and_nothing_after_is_taken() {
    for round in 0..20 {
        let runtime = start(options(1 + round % 3), Told::default().listener());
        let (taken, replies) = (AtomicUsize::new(0), Arc::new(AtomicUsize::new(0)));
        let handle = runtime.handle();
        thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    for step in (0..STEPS).cycle() {
                        match handle.submit(request(step), counting(&replies)) {
                            Ok(()) => _ = taken.fetch_add(1, Ordering::SeqCst),
                            Err(SubmitError::Full) => thread::yield_now(),
                            Err(_) => return,
                        }
                    }
                });
            }
            while taken.load(Ordering::SeqCst) < 50 {
                thread::yield_now();
            }
            runtime.stop();
        });
        assert_eq!(replies.load(Ordering::SeqCst), taken.load(Ordering::SeqCst));
        assert_eq!(handle.stats().records(), taken.load(Ordering::SeqCst) as u64);
        assert_eq!(handle.stats().queue_depth(), 0);
    }
}

#[test]
fn a_stopped_runtime_refuses_everything() {
    let runtime = start(options(1), Told::default().listener());
    let handle = runtime.handle();
    runtime.stop();
    let reply: Reply = Box::new(|_| panic!("a refused request has no outcome"));
    assert_eq!(handle.submit(request(0), reply), Err(SubmitError::Stopping));
    assert_eq!(handle.configure(Arc::default()), Err(SubmitError::Stopping));
    let view = handle.view(Arc::new(|_| true), 1);
    assert_eq!(view.map(|views| views.len()), Err(SubmitError::Stopping));
}
