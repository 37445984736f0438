//! A flood of new series stops at the limit, those that were known notice nothing, and who falls silent leaves memory.

use std::fs;
use std::time::{Duration, Instant};

use crate::clock::Clock;
use crate::events::Events;
use crate::figures::grouped;
use crate::fleet::{Fleet, LONG_AGO};
use crate::poll::{seconds, until};
use crate::sender::Sender;
use crate::server::Server;
use crate::setting;

const KNOWN: usize = 400;
const REQUEST_SERIES: usize = 2000;
const STEPS: usize = 400;
const DELIVERY_MAX: Duration = seconds(120);
/// Longer than series that are not heard may stay; the clock goes on by what still counts as time and not as a pause.
const SILENT_MINUTES: i64 = 10;

#[test]
fn a_flood_of_new_series_changes_nothing_for_those_that_are_known() {
    let (limit, flood) = setting::pick((50_000, 500_000), (500_000, 5_000_000));
    let dir = tempfile::tempdir().unwrap();
    let configuration = format!("series: {{ active_max: {limit} }}");
    let calm = run(&mut Server::start_in(dir.path(), "calm", &configuration), limit, 0);
    let flooded = run(&mut Server::start_in(dir.path(), "flooded", &configuration), limit, flood);
    println!(
        "reliability cardinality: {} new series at a limit of {}, refused {} samples, resident {:.3} of what it was at the limit \
         ({} MiB), events {}, doubled {}, hash {:016x}, undisturbed {:016x}",
        grouped(flood as u64),
        grouped(limit as u64),
        grouped(flooded.refused),
        flooded.growth,
        flooded.at_limit_bytes >> 20,
        flooded.events.count(),
        flooded.events.doubled,
        flooded.events.hash(),
        calm.events.hash(),
    );
    assert_eq!(flooded.refused, flood as u64);
    assert!(flooded.growth <= 1.1, "resident memory grew to {:.3}", flooded.growth);
    flooded.events.assert_same_as(&calm.events);
}

struct Outcome {
    events: Events,
    refused: u64,
    at_limit_bytes: u64,
    /// Largest resident memory behind the limit, in parts of that at the limit.
    growth: f64,
}

/// Fills the server up to `limit` series, then lets those of one sender live on among `flood` new ones.
fn run(server: &mut Server, limit: usize, flood: usize) -> Outcome {
    let sender = Sender::new(server.address());
    let known = Fleet::new("known", KNOWN, LONG_AGO);
    sender.deliver(&known.body(0), DELIVERY_MAX);
    let mut left = limit - KNOWN;
    let mut others = 0;
    while left > 0 {
        let series = left.min(REQUEST_SERIES);
        sender.deliver(
            &Fleet::new(&format!("other{others}"), series, LONG_AGO).body(0),
            DELIVERY_MAX,
        );
        left -= series;
        others += 1;
    }
    server.until_judged();
    // What the known ones make it learn is no flood's doing.
    for step in 1..STEPS / 2 {
        sender.deliver(&known.body(step), DELIVERY_MAX);
    }
    let at_limit_bytes = server.resident_bytes();
    let mut most_bytes = at_limit_bytes;
    let per_step = flood.div_ceil(REQUEST_SERIES).div_ceil(STEPS - STEPS / 2);
    let mut sent = 0;
    for step in STEPS / 2..STEPS {
        sender.deliver(&known.body(step), DELIVERY_MAX);
        for _ in 0..per_step {
            let series = (flood - sent).min(REQUEST_SERIES);
            if series > 0 {
                let new = Fleet::new(&format!("new{sent}"), series, LONG_AGO);
                sent += series;
                refuse(&sender, &new.body(0));
            }
        }
        most_bytes = most_bytes.max(server.resident_bytes());
    }
    let refused = server.total("bellwether_samples_rejected_total") as u64;
    server.stop();
    let growth = most_bytes as f64 / at_limit_bytes as f64;
    Outcome { events: server.events().only("sender", "known"), refused, at_limit_bytes, growth }
}

/// Sends what must be refused, for good and with a reason.
fn refuse(sender: &Sender, body: &[u8]) {
    loop {
        match sender.post(body) {
            Some(answer) if answer.status == 400 => return,
            Some(answer) if answer.status == 503 => {}
            other => panic!("new series at the limit: {other:?}"),
        }
    }
}

#[test]
fn series_that_are_silent_leave_memory() {
    let silent = setting::pick(50_000, 500_000);
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("silent");
    fs::create_dir(&folder).unwrap();
    let mut server = Server::new(&folder, "series: { idle_after: 5m }");
    let clock = Clock::of(&mut server, dir.path());
    server.start();
    let sender = Sender::new(server.address());
    let introduce = |name: &str| {
        for first in (0..silent).step_by(REQUEST_SERIES) {
            let fleet = Fleet::new(&format!("{name}{first}"), REQUEST_SERIES, LONG_AGO);
            sender.deliver(&fleet.body(0), DELIVERY_MAX);
        }
        server.until_judged();
    };
    let heard = Fleet::new("heard", KNOWN, LONG_AGO);
    let mut steps = 0..;
    let mut hear = || sender.deliver(&heard.body(steps.next().unwrap()), DELIVERY_MAX);
    // What those that are heard make it learn is not what leaves.
    for _ in 0..STEPS / 2 {
        hear();
    }
    introduce("silent");
    let full_bytes = server.resident_bytes();
    let fell_silent = Instant::now();
    for minute in 1..=SILENT_MINUTES {
        clock.set(60 * minute);
        hear();
    }
    let left = until(DELIVERY_MAX, "silent series to leave", || {
        hear();
        let left = server.total("bellwether_series_active") - KNOWN as f64;
        (left <= 0.05 * silent as f64).then_some(left)
    });
    let took = fell_silent.elapsed();
    introduce("next");
    let refilled_bytes = server.resident_bytes();
    let growth = refilled_bytes as f64 / full_bytes as f64;
    println!(
        "reliability silence: of {} silent series {left} still in memory after {took:.1?}, resident {growth:.3} of what it was \
         ({} MiB) with as many new ones",
        grouped(silent as u64),
        full_bytes >> 20,
    );
    server.stop();
    assert!(growth <= 1.1, "resident memory grew to {growth:.3}");
}
