//! A start is quick however much was learned, and reads the journal behind the checkpoint. The checkpoint that it makes then keeps
//! nobody waiting for long.

use std::time::{Duration, Instant};

use crate::figures::grouped;
use crate::fleet::{Fleet, LONG_AGO};
use crate::poll::{seconds, until};
use crate::sender::Sender;
use crate::server::Server;
use crate::setting;

/// Series in each request, as Prometheus sends them.
const REQUEST_SERIES: usize = 2000;
/// Steps that the checkpoint covers.
const LEARNED_STEPS: usize = 4;
/// Steps behind it: of 60 seconds, scraped every 15.
const JOURNAL_STEPS: usize = 4;
const DELIVERY_MAX: Duration = seconds(120);
/// Longest wait for an answer while a checkpoint is made.
const STALLED_MAX: Duration = Duration::from_millis(100);

#[test]
fn a_hundred_thousand_series_are_back_within_5_seconds() {
    recover(100_000, seconds(5));
}

#[test]
#[ignore = "filling it takes minutes: in full only"]
fn a_million_series_are_back_within_30_seconds() {
    recover(1_000_000, seconds(30));
}

fn recover(series: usize, limit: Duration) {
    let dir = tempfile::tempdir().unwrap();
    let fleets: Vec<Fleet> = (0..series / REQUEST_SERIES)
        .map(|request| Fleet::new(&format!("sender{request}"), REQUEST_SERIES, LONG_AGO))
        .collect();
    let mut server = Server::start_in(dir.path(), "recovery", "checkpoints: { every: 2s }");
    send(&server, &fleets, 0..LEARNED_STEPS);
    server.until_judged();
    // The one that is being made may have begun before the last request; the one behind it has not.
    let generation = server.generation();
    until(seconds(300), "a checkpoint of it all", || {
        (server.generation() > generation + 1).then_some(())
    });
    server.kill();
    server.configure("checkpoints: { every: 1d }");
    server.start();
    send(&server, &fleets, LEARNED_STEPS..LEARNED_STEPS + JOURNAL_STEPS);
    server.kill();

    let generation = server.generation();
    let took = server.start();
    // There is something behind the checkpoint, so another one is made at once.
    let (mut answers, made) = (Vec::new(), Instant::now());
    let sender = Sender::new(server.address());
    for step in LEARNED_STEPS + JOURNAL_STEPS.. {
        let body = fleets[0].body(step);
        let sent = Instant::now();
        sender.deliver(&body, DELIVERY_MAX);
        answers.push(sent.elapsed());
        if server.generation() > generation {
            break;
        }
    }
    let (made, longest) = (made.elapsed(), answers.iter().max().copied().unwrap_or_default());
    let back = server.total("bellwether_series_active") as usize;
    let recovered = until(seconds(10), "what it recovered", || server.logged("recovered"));
    let records: usize = field(&recovered, "records=");
    println!(
        "reliability recovery: series {}, journal {} samples in {records} records, ready after {took:.1?} (at most {limit:?}); \
         a checkpoint in {made:.1?}, longest of {} answers meanwhile {longest:.1?}",
        grouped(series as u64),
        grouped((series * JOURNAL_STEPS) as u64),
        grouped(answers.len() as u64),
    );
    assert_eq!(back, series);
    assert!(records >= fleets.len() * JOURNAL_STEPS, "{recovered}");
    setting::demand(took <= limit, &format!("ready after {took:?}"));
    setting::demand(longest <= STALLED_MAX, &format!("{longest:?} for an answer"));
}

fn send(server: &Server, fleets: &[Fleet], steps: std::ops::Range<usize>) {
    let sender = Sender::new(server.address());
    for step in steps {
        for fleet in fleets {
            sender.deliver(&fleet.body(step), DELIVERY_MAX);
        }
    }
}

/// The number behind `name` in a line of the log.
fn field(line: &str, name: &str) -> usize {
    let (_, rest) = line.split_once(name).unwrap();
    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().unwrap()
}
