//! A tenant that sends ten times its share makes no other one wait much longer than if it kept to its share.

use std::net::SocketAddr;
use std::sync::atomic::AtomicU64;
use std::thread;
use std::time::{Duration, Instant};

use crate::figures::{grouped, p99};
use crate::fleet::{Fleet, LONG_AGO};
use crate::journal::lost;
use crate::offer::offer;
use crate::poll::{seconds, until};
use crate::sender::{Answer, Sender};
use crate::server::Server;
use crate::setting;

/// Connections of the loud tenant; the calm one has one.
const CONNECTIONS: usize = 200;
const SERIES: usize = 500;
/// Of each series in a request of the loud tenant. A refusal is held back for a tenth of a second, so that as many connections get
/// round to 2,000 requests a second and what is taken: ten shares of these.
const SAMPLES: usize = 24;
/// Offered by the loud tenant, in shares; there are two tenants, so a share is half of what can be taken.
const FACTOR: f64 = 10.0;
/// The calm tenant sends as often as that, whatever becomes of it.
const CALM_EVERY: Duration = Duration::from_millis(50);
/// How much longer it may wait than beside one that keeps to its share: the cores are busy then, too.
const SLOWER_MAX: f64 = 1.5;
/// Body sizes are bounded because memory for bodies is shared out by them; and a share of the queue is smaller than the
/// connections of the loud tenant are many, because each of them waits for its answer. One core judges, so that another one
/// offers ten times as much; and all of the journal stays, to look for what was acknowledged.
const CONFIGURATION: &str = "remote_write: { body_bytes_max: 1MiB, decoded_bytes_max: 1MiB }\n\
     runtime: { queue_requests_max: 16, shards: 1 }\n\
     journal: { keep_bytes_max: 1TiB }\n\
     tenants: { header: X-Scope-OrgID, allow: [{ name: loud }, { name: calm }] }";

#[test]
fn a_tenant_that_is_loud_does_not_slow_another_down() {
    let dir = tempfile::tempdir().unwrap();
    let fleet = |sender: usize| Fleet::new(&format!("sender{sender}"), SERIES, LONG_AGO);
    let mut fleets: Vec<Fleet> =
        (0..CONNECTIONS).map(|sender| fleet(sender).in_bodies_of(SAMPLES)).collect();
    let calm = fleet(CONNECTIONS);
    let mut server = Server::start_in(dir.path(), "neighbour", CONFIGURATION);
    let address = server.address();
    let mut next = vec![0; CONNECTIONS];
    let mut loudly = |fleets: &[Fleet], lasting: Duration, per_second: Option<f64>| {
        let loud = || Sender::of(address, "loud");
        offer(loud, fleets, &mut next[..fleets.len()], lasting, per_second)
    };
    let mut calm_next = 0;
    // Warm: it has seen everybody, and detectors have what they need.
    loudly(&fleets, seconds(setting::pick(10, 30)), None);
    _ = calmly(address, &calm, &mut calm_next, setting::pick(100, 300));
    let mut peak = 0.0_f64;
    for connections in [4, 8, 16] {
        let (counted, took) = loudly(&fleets[..connections], seconds(5), None);
        peak = peak.max(counted.taken.into_inner() as f64 / took.as_secs_f64());
    }
    let requests = setting::pick(300, 1200);
    let (alone, refused_alone) = calmly(address, &calm, &mut calm_next, requests);
    // Longer than the calm one needs, even if it is slowed down.
    let lasting = CALM_EVERY * requests as u32 + seconds(5);
    let mut beside = |shares: f64, is_there: &(dyn Fn() -> bool + Sync)| {
        thread::scope(|scope| {
            let calm_next = &mut calm_next;
            let beside = scope.spawn(|| {
                until(seconds(30), "the other tenant to be there", || is_there().then_some(()));
                calmly(address, &calm, calm_next, requests)
            });
            let offered = loudly(&fleets, lasting, Some(shares * peak / 2.0));
            (beside.join().unwrap(), offered)
        })
    };
    let ((fairly, refused_fairly), _) = beside(1.0, &|| true);
    let refusals = || server.total("bellwether_tenant_requests_refused_total");
    let refused_before = refusals();
    let ((loud, refused), (counted, took)) = beside(FACTOR, &|| refusals() > refused_before);
    server.stop();
    fleets.push(calm);
    next.push(calm_next);
    let lost = lost(&server.data(), &fleets, &next);

    let per_second = |count: u64| count as f64 / took.as_secs_f64();
    let [taken, loud_refused, wrong] =
        [counted.taken, counted.refused, counted.wrong].map(AtomicU64::into_inner);
    let refused = refused_alone + refused_fairly + refused;
    let slower = loud.as_secs_f64() / fairly.as_secs_f64();
    let shares = per_second(taken + loud_refused) / (peak / 2.0);
    println!(
        "reliability neighbour: peak {} samples/s, of which a share is half; the loud tenant got round to {shares:.1} shares, of which {:.1} \
         were taken and {} requests refused; p99 of the calm tenant {alone:.1?} alone, {fairly:.1?} beside it at its share and \
         {loud:.1?} beside it when loud, {slower:.2} times, refused {refused}, lost {lost}",
        grouped((peak * (SERIES * SAMPLES) as f64) as u64),
        per_second(taken) / (peak / 2.0),
        grouped(loud_refused),
    );
    assert_eq!((lost, wrong), (0, 0), "lost, and wrong answers");
    assert_eq!(refused, 0, "the calm tenant has done nothing wrong");
    assert!(loud_refused > 0, "it was no overload");
    setting::demand(shares >= 0.9 * FACTOR, &format!("offered {shares} shares"));
    let bound = format!("{slower:.2} times as slow as beside one that keeps to its share");
    setting::demand(slower <= SLOWER_MAX, &bound);
}

/// The 99th percentile of the answers to so many requests of the calm tenant, and how many were refused.
fn calmly(
    address: SocketAddr,
    fleet: &Fleet,
    step: &mut usize,
    requests: usize,
) -> (Duration, usize) {
    let sender = Sender::of(address, "calm");
    let mut refused = 0;
    let mut latencies = Vec::with_capacity(requests);
    for _ in 0..requests {
        let body = fleet.body(*step);
        let sent = Instant::now();
        match sender.post(&body) {
            Some(Answer { status: 204, .. }) => *step += 1,
            _ => refused += 1,
        }
        latencies.push(sent.elapsed());
        thread::sleep(CALM_EVERY.saturating_sub(sent.elapsed()));
    }
    (p99(&mut latencies), refused)
}
