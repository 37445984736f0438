//! Several senders at once, each with a fleet of its own and each in order: what was not answered is sent again.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};

use crate::fleet::{Fleet, LONG_AGO};
use crate::poll::seconds;
use crate::sender::Sender;

/// A request that is not taken for this long fails the test.
const DELIVERY_MAX: std::time::Duration = seconds(120);

/// So many fleets of so many series each, all long ago.
pub(crate) fn fleets(senders: usize, series: usize) -> Vec<Fleet> {
    (0..senders).map(|sender| Fleet::new(&format!("sender{sender}"), series, LONG_AGO)).collect()
}

/// Sends the first step of each fleet, one after the other: who is known first is the same in every run.
pub(crate) fn introduce(address: SocketAddr, fleets: &[Fleet]) {
    let sender = Sender::new(address);
    for fleet in fleets {
        sender.deliver(&fleet.body(0), DELIVERY_MAX);
    }
}

/// Sends as many steps of each fleet as `steps` says, and waits until they are taken.
pub(crate) fn send_steps(address: SocketAddr, fleets: &[Fleet], steps: &[usize]) {
    introduce(address, fleets);
    thread::scope(|scope| {
        for (fleet, &steps) in fleets.iter().zip(steps) {
            scope.spawn(move || {
                let sender = Sender::new(address);
                for step in 1..steps {
                    sender.deliver(&fleet.body(step), DELIVERY_MAX);
                }
            });
        }
    });
}

/// Senders at work.
pub(crate) struct Load {
    stop: Arc<AtomicBool>,
    taken: Arc<AtomicU64>,
    failures: Arc<AtomicU64>,
    senders: Vec<JoinHandle<usize>>,
}

impl Load {
    /// Introduces `fleets`, then sets a sender to work for each.
    pub(crate) fn start(address: SocketAddr, fleets: &[Fleet]) -> Self {
        introduce(address, fleets);
        let (stop, taken, failures) =
            <(Arc<AtomicBool>, Arc<AtomicU64>, Arc<AtomicU64>)>::default();
        let senders = fleets
            .iter()
            .map(|fleet| {
                let fleet = fleet.clone();
                let (stop, taken, failures) =
                    (Arc::clone(&stop), Arc::clone(&taken), Arc::clone(&failures));
                thread::spawn(move || {
                    let sender = Sender::new(address);
                    let mut next = 1;
                    while !stop.load(Ordering::SeqCst) {
                        sender.deliver_counting(&fleet.body(next), DELIVERY_MAX, &failures);
                        taken.fetch_add(1, Ordering::SeqCst);
                        next += 1;
                    }
                    next
                })
            })
            .collect();
        Self { stop, taken, failures, senders }
    }

    /// Requests taken so far.
    pub(crate) fn taken(&self) -> u64 {
        self.taken.load(Ordering::SeqCst)
    }

    /// Attempts that were not answered, or with 503.
    pub(crate) fn failures(&self) -> u64 {
        self.failures.load(Ordering::SeqCst)
    }

    /// Ends the senders: how many steps of each fleet were taken.
    pub(crate) fn stop(self) -> Vec<usize> {
        self.stop.store(true, Ordering::SeqCst);
        self.senders.into_iter().map(|sender| sender.join().unwrap()).collect()
    }
}
