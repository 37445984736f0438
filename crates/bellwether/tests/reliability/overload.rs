//! Ten times what it can do makes it refuse, neither die nor grow nor slow down.
//!
//! A refusal is held back for a tenth of a second, so that as many connections get round to 640 requests a second. In full these
//! are so large that this is more than ten times as many as can be taken; what is decoded takes more memory then than the allocator
//! gives back at once where the machine has other things to do.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::figures::{grouped, p99};
use crate::fleet::{Fleet, LONG_AGO};
use crate::journal::lost;
use crate::load::introduce;
use crate::offer::offer;
use crate::poll::seconds;
use crate::sender::Sender;
use crate::server::Server;
use crate::setting;

const CONNECTIONS: usize = 64;
const SERIES: usize = 500;
/// Offered, in peaks.
const FACTOR: f64 = 10.0;
/// Bounded bodies, so that the memory that they may take is small as well; a queue that is shorter than the connections are
/// many, because each of them waits for its answer; one core to judge with, so that another one offers ten times as much; and
/// all of the journal, to look for what was acknowledged.
const CONFIGURATION: &str = "remote_write: { body_bytes_max: 1MiB, decoded_bytes_max: 1MiB }\n\
     runtime: { queue_requests_max: 8, shards: 1 }\n\
     journal: { keep_bytes_max: 1TiB }";
/// What requests may take at most under that configuration, docs/operating.md says: for each of twice the cores a body, compressed
/// and decoded, and what decoding takes meanwhile; and the buffers of the connections, 64 KiB to be read and to be written each.
fn memory_allowance_bytes() -> u64 {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    (2 * cores * (3 << 20) + CONNECTIONS * (128 << 10)) as u64
}

#[test]
fn overload_is_refused_and_passes() {
    let dir = tempfile::tempdir().unwrap();
    // Of each series in a request.
    let samples = setting::pick(1, 110);
    let fleets: Vec<Fleet> = (0..CONNECTIONS)
        .map(|sender| {
            Fleet::new(&format!("sender{sender}"), SERIES, LONG_AGO).in_bodies_of(samples)
        })
        .collect();
    let mut server = Server::start_in(dir.path(), "overload", CONFIGURATION);
    let address = server.address();
    introduce(address, &fleets);
    let senders = || Sender::new(address);
    let mut next = vec![1; CONNECTIONS];
    // Warm: it has seen everybody, and detectors have what they need.
    offer(senders, &fleets, &mut next, seconds(setting::pick(10, 30)), None);
    // As much as it can: what it needs meanwhile, flushes of the event log included, is what it needs anyway.
    let (peak, before_bytes) = most_resident(&server, || {
        [4, 8, 16].into_iter().fold(0.0_f64, |peak, connections| {
            let fleets = &fleets[..connections];
            let (counted, took) = offer(senders, fleets, &mut next, seconds(5), None);
            peak.max(counted.taken.into_inner() as f64 / took.as_secs_f64())
        })
    });
    let calm = probe(address, &fleets[0], &mut next[0]);

    let lasting = seconds(setting::pick(20, 60));
    let ((counted, took), most_bytes) =
        most_resident(&server, || offer(senders, &fleets, &mut next, lasting, Some(peak * FACTOR)));
    let ended = Instant::now();
    let mut after = probe(address, &fleets[0], &mut next[0]);
    while after > 2 * calm && ended.elapsed() < seconds(30) {
        after = probe(address, &fleets[0], &mut next[0]);
    }
    let recovered = ended.elapsed();
    server.stop();
    let lost = lost(&server.data(), &fleets, &next);

    let [taken, refused, wrong] =
        [counted.taken, counted.refused, counted.wrong].map(AtomicU64::into_inner);
    let goodput = taken as f64 / took.as_secs_f64();
    let offered = (taken + refused + wrong) as f64 / took.as_secs_f64();
    let allowed = before_bytes + memory_allowance_bytes();
    let (most_mib, allowed_mib) = (most_bytes >> 20, allowed >> 20);
    println!(
        "reliability overload: {CONNECTIONS} connections for {took:.0?}, peak {} samples/s, meant to offer {FACTOR} of these and got round to {:.1}, goodput {:.0} % of \
         the peak, refused {} requests, wrongly {wrong}, lost {lost}, resident {most_mib} of {allowed_mib} MiB, p99 {calm:.1?} before and \
         {after:.1?} {recovered:.1?} after",
        grouped((peak * (SERIES * samples) as f64) as u64),
        offered / peak,
        100.0 * goodput / peak,
        grouped(refused),
    );
    assert_eq!(wrong, 0, "answers other than 204 and 503 with Retry-After");
    assert_eq!(lost, 0, "acknowledged, and not in the journal");
    assert!(refused > 0, "it was no overload");
    setting::demand(
        offered >= 0.9 * FACTOR * peak,
        &format!("offered {offered} requests/s, peak {peak}"),
    );
    setting::demand(goodput >= 0.8 * peak, &format!("goodput {goodput} of {peak} requests/s"));
    assert!(most_mib <= allowed_mib, "resident {most_mib} of {allowed_mib} MiB");
    setting::demand(after <= 2 * calm && recovered <= seconds(30), "still slow after 30 s");
}

/// The most resident memory of `server` in bytes while `work` is done.
pub(crate) fn most_resident<T>(server: &Server, work: impl FnOnce() -> T) -> (T, u64) {
    let most_bytes = AtomicU64::new(0);
    let is_over = AtomicBool::new(false);
    let outcome = thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(Ordering::SeqCst) {
                most_bytes.fetch_max(server.resident_bytes(), Ordering::SeqCst);
                thread::sleep(Duration::from_millis(200));
            }
        });
        let outcome = work();
        is_over.store(true, Ordering::SeqCst);
        outcome
    });
    (outcome, most_bytes.into_inner())
}

/// The 99th percentile of a sender that is alone.
fn probe(address: SocketAddr, fleet: &Fleet, step: &mut usize) -> Duration {
    let sender = Sender::new(address);
    let mut latencies: Vec<Duration> = (0..100)
        .map(|_| {
            let body = fleet.body(*step);
            *step += 1;
            let sent = Instant::now();
            sender.deliver(&body, seconds(60));
            sent.elapsed()
        })
        .collect();
    p99(&mut latencies)
}
