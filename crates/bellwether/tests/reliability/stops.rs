//! Stops and reloads under load, as they are every day: each ends well and soon, and costs no sender anything.

use std::thread;
use std::time::Duration;

use crate::figures::mix;
use crate::journal;
use crate::load::{Load, fleets};
use crate::server::Server;
use crate::setting;

const SENDERS: usize = 4;
const SERIES: usize = 200;
/// All of the journal is kept, to look for what was acknowledged.
const CONFIGURATION: &str = "journal: { keep_bytes_max: 1TiB }";

#[test]
fn stops_under_load_lose_nothing() {
    let stops = setting::pick(5, 50);
    let dir = tempfile::tempdir().unwrap();
    let fleets = fleets(SENDERS, SERIES);
    let mut server = Server::start_in(dir.path(), "stopped", CONFIGURATION);
    let load = Load::start(server.address(), &fleets);
    let mut slowest = Duration::ZERO;
    for stop in 0..stops {
        thread::sleep(Duration::from_millis(50 + mix(stop) % 450));
        slowest = slowest.max(server.stop());
        server.start();
    }
    let sent = load.stop();
    server.stop();
    let lost = journal::lost(&server.data(), &fleets, &sent);
    let events = server.events();
    println!(
        "reliability stops: SIGTERM {stops} times, slowest end {slowest:.1?}, lost {lost}, events {}, doubled {}",
        events.count(),
        events.doubled,
    );
    assert_eq!((lost, events.doubled), (0, 0));
    server.verify();
}

#[test]
fn reloads_under_load_fail_no_request() {
    let reloads = setting::pick(60, 1000);
    let dir = tempfile::tempdir().unwrap();
    let fleets = fleets(SENDERS, SERIES);
    let mut server = Server::start_in(dir.path(), "reloaded", CONFIGURATION);
    let load = Load::start(server.address(), &fleets);
    let mut refused = 0;
    for reload in 0..reloads {
        let is_valid = reload % 3 != 2;
        server.configure(&if is_valid {
            format!("{CONFIGURATION}\nalerting: {{ budget: {{ per_day: {} }} }}", 1 + reload)
        } else {
            format!("{CONFIGURATION}\nno_such_key: {reload}")
        });
        let status = server.reload();
        assert_eq!(status == 200, is_valid, "reload {reload}: status {status}");
        refused += u32::from(!is_valid);
    }
    let failures = load.failures();
    let steps = load.stop();
    server.stop();
    let lost = journal::lost(&server.data(), &fleets, &steps);
    println!(
        "reliability reloads: {reloads}, {refused} of them invalid and refused, requests taken meanwhile {}, failed {failures}, \
         lost {lost}",
        steps.iter().sum::<usize>(),
    );
    assert_eq!((failures, lost), (0, 0));
}
