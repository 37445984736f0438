//! A flood of new series stops at the limit, those that were known notice nothing, and who falls silent leaves memory.

use std::time::{Duration, Instant};
use std::{fmt, fs};

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
/// Of the memory that a series takes, what is kept to remember it by when it has left.
const KEPT_SILENT_MAX: f64 = 1.0 / 5.0;
/// The same when it is forgotten.
const KEPT_FORGOTTEN_MAX: f64 = 1.0 / 20.0;

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
    let gone = |server: &Server| server.total("bellwether_cold_series_evicted_total");
    let silence = Silence::of("silent", "idle_after: 5m", gone);
    println!(
        "reliability silence: {silence}, out of memory, of which {:.0} % is kept to remember them",
        100.0 * silence.kept()
    );
    assert!(silence.kept() <= KEPT_SILENT_MAX, "{} of the memory kept", silence.kept());
}

#[test]
fn series_that_are_forgotten_give_their_memory_back() {
    let gone = |server: &Server| {
        -server.total("bellwether_series_active") - server.total("bellwether_cold_series")
    };
    let silence = Silence::of("forgotten", "idle_after: 5m, time_to_live: 15m", gone);
    println!(
        "reliability forgotten: {silence}, forgotten, {:.0} % of their memory kept",
        100.0 * silence.kept()
    );
    assert!(silence.kept() <= KEPT_FORGOTTEN_MAX, "{} of the memory kept", silence.kept());
}

/// Three times many series that come and fall silent.
struct Silence {
    series: u32,
    empty_bytes: u64,
    /// When all of them are there, each time.
    resident_bytes: [u64; 3],
    /// The longest until they were gone.
    slowest: Duration,
}

impl Silence {
    /// Under the configuration `series`; what `gone` says grows by one with each that goes.
    fn of(name: &str, series: &str, gone: impl Fn(&Server) -> f64) -> Self {
        let silent: u32 = setting::pick(50_000, 500_000);
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join(name);
        fs::create_dir(&folder).unwrap();
        let mut server = Server::new(&folder, &format!("series: {{ {series} }}"));
        let clock = Clock::of(&mut server, dir.path());
        server.start();
        let sender = Sender::new(server.address());
        let heard = Fleet::new("heard", KNOWN, LONG_AGO);
        let mut minutes = 1..;
        // Time passes by what still counts as time and not as a pause.
        let mut hear_after_a_minute = || {
            let minute = minutes.next().unwrap();
            clock.set(60 * minute as i64);
            sender.deliver(&heard.body(minute), DELIVERY_MAX);
        };
        let empty_bytes = server.resident_bytes();
        let mut slowest = Duration::ZERO;
        let resident_bytes = ["first", "second", "third"].map(|wave| {
            for first in (0..silent).step_by(REQUEST_SERIES) {
                let fleet = Fleet::new(&format!("{wave}{first}"), REQUEST_SERIES, LONG_AGO);
                sender.deliver(&fleet.body(0), DELIVERY_MAX);
            }
            server.until_judged();
            let resident_bytes = server.resident_bytes();
            let before = gone(&server);
            let fell_silent = Instant::now();
            until(DELIVERY_MAX, "silent series to go", || {
                hear_after_a_minute();
                (gone(&server) - before >= 0.95 * f64::from(silent)).then_some(())
            });
            slowest = slowest.max(fell_silent.elapsed());
            resident_bytes
        });
        server.stop();
        Self { series: silent, empty_bytes, resident_bytes, slowest }
    }

    /// Of the memory that they take, how much the next time comes on top of. The first time the memory comes as well in which states are
    /// written down.
    fn kept(&self) -> f64 {
        let [first, second, third] = self.resident_bytes;
        third.saturating_sub(second) as f64 / (first - self.empty_bytes) as f64
    }
}

impl fmt::Display for Silence {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [first, second, third] = self.resident_bytes.map(|bytes| bytes >> 20);
        write!(
            formatter,
            "three times {} series that fall silent, resident {first}, {second} and {third} MiB, 95 % after {:.1?} at the latest",
            grouped(u64::from(self.series)),
            self.slowest,
        )
    }
}
