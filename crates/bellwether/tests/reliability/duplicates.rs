//! Requests that come more than once, in another order within the allowed lateness, and from both of a pair of senders,
//! change nothing.

use std::thread;

use crate::figures::{grouped, mix};
use crate::fleet::Fleet;
use crate::load::{fleets, introduce, send_steps};
use crate::poll::seconds;
use crate::sender::Sender;
use crate::server::Server;
use crate::setting;

const SENDERS: usize = 2;
const SERIES: usize = 100;
/// Steps are a minute apart, so that none comes more than three minutes late.
const CONFIGURATION: &str = "ordering: { lateness: 5m }";
const SHUFFLED_STEPS: usize = 4;
/// By so much the second sender of a pair looks later.
const OTHER_LATER_MS: i64 = 7_000;

#[test]
fn repeated_and_shuffled_requests_change_nothing() {
    let steps = 1 + setting::pick(800, 8000);
    let dir = tempfile::tempdir().unwrap();
    let fleets: Vec<Fleet> = fleets(SENDERS, SERIES)
        .into_iter()
        .enumerate()
        .map(|(sender, fleet)| fleet.labelled("cluster", &format!("cluster{sender}")))
        .collect();
    let mut straight = Server::start_in(dir.path(), "straight", CONFIGURATION);
    send_steps(straight.address(), &fleets, &[steps; SENDERS]);
    straight.stop();

    let mut shuffled = Server::start_in(dir.path(), "shuffled", CONFIGURATION);
    let address = shuffled.address();
    let replica =
        |name| fleets.iter().map(move |fleet| fleet.clone().labelled("__replica__", name));
    let elected: Vec<Fleet> = replica("a").collect();
    // The other one has samples of its own, which would be news if they were taken.
    let other = replica("b").map(|fleet| fleet.later(OTHER_LATER_MS));
    introduce(address, &elected);
    let sent: usize = thread::scope(|scope| {
        let senders: Vec<_> = elected
            .iter()
            .cloned()
            .chain(other)
            .enumerate()
            .map(|(seed, fleet)| {
                scope.spawn(move || shuffle(&Sender::new(address), &fleet, steps, seed))
            })
            .collect();
        senders.into_iter().map(|sender| sender.join().unwrap()).sum()
    });
    let dropped = shuffled.total("bellwether_samples_dropped_total") as u64;
    let failovers = shuffled.total("bellwether_ha_failovers_total") as u64;
    shuffled.stop();

    let (after, before) = (shuffled.events(), straight.events());
    println!(
        "reliability duplicates: requests {} sent {} times by {SENDERS} pairs in another order, dropped {} samples, failovers {failovers}, events {}, doubled {}, hash \
         {:016x}, undisturbed {:016x}",
        grouped((steps * SENDERS) as u64),
        grouped(sent as u64),
        grouped(dropped),
        after.count(),
        after.doubled,
        after.hash(),
        before.hash(),
    );
    assert!(dropped > 0, "nothing came twice");
    assert_eq!(failovers, 0, "the elected sender fell silent");
    assert_eq!(after.doubled, 0);
    after.assert_same_as(&before);
}

/// Sends steps 1 up to `steps`, each one to three times, shuffled a few at a time; how many requests that were.
fn shuffle(sender: &Sender, fleet: &Fleet, steps: usize, seed: usize) -> usize {
    let all: Vec<usize> = (1..steps).collect();
    let mut sent = 0;
    for few in all.chunks(SHUFFLED_STEPS) {
        let noise = |step: usize, copy: usize| mix(((seed << 48) | (step << 8) | copy) as u64);
        let mut order: Vec<(u64, usize)> = Vec::new();
        for &step in few {
            let copies = 1 + noise(step, 0) as usize % 3;
            order.extend((1..=copies).map(|copy| (noise(step, copy), step)));
        }
        order.sort_unstable();
        for (_, step) in order {
            sender.deliver(&fleet.body(step), seconds(120));
            sent += 1;
        }
    }
    sent
}
