//! Half of what it can do, for long: neither memory nor files grow, and the journal is trimmed.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use std::{env, thread};

use crate::figures::grouped;
use crate::fleet::{Fleet, LONG_AGO};
use crate::load::introduce;
use crate::offer::offer;
use crate::poll::seconds;
use crate::sender::Sender;
use crate::server::Server;
use crate::setting;

const CONNECTIONS: usize = 4;
const SERIES: usize = 5000;
/// What is held against each other is read as often as that.
const LOOK_EVERY: Duration = seconds(2);
/// How much of its memory it may grow in an hour, beyond three times of what chance makes of that.
const GROWTH_MAX: f64 = 0.01;
const ERRORS: f64 = 3.0;
/// A journal that is soon large enough to be trimmed.
const CONFIGURATION: &str = "checkpoints: { every: 20s }\njournal: { keep_bytes_max: 128MiB }";

/// What a process takes.
struct Look {
    hours: f64,
    resident_bytes: f64,
    open_files: f64,
    journal_bytes: f64,
}

#[test]
#[ignore = "it takes half an hour, or so many minutes as `BELLWETHER_SOAK_MINUTES` says"]
fn nothing_grows_at_half_of_what_it_can_do() {
    let minutes = env::var("BELLWETHER_SOAK_MINUTES").map_or(30, |text| text.parse().unwrap());
    let dir = tempfile::tempdir().unwrap();
    let fleets: Vec<Fleet> = (0..CONNECTIONS)
        .map(|sender| Fleet::new(&format!("sender{sender}"), SERIES, LONG_AGO))
        .collect();
    let mut server = Server::start_in(dir.path(), "soaked", CONFIGURATION);
    let address = server.address();
    introduce(address, &fleets);
    let mut next = vec![1; CONNECTIONS];
    let mut offer = |lasting, per_second| {
        offer(|| Sender::new(address), &fleets, &mut next, lasting, per_second)
    };
    offer(seconds(20), None);
    let (counted, took) = offer(seconds(10), None);
    let peak = counted.taken.into_inner() as f64 / took.as_secs_f64();
    // In the first third the windows of all detectors fill up.
    let third = seconds(minutes * 60 / 3);
    offer(third, Some(peak / 2.0));
    let ((counted, _), looks) = looking_at(&server, || offer(2 * third, Some(peak / 2.0)));
    let removed = server.total("bellwether_journal_segments_removed_total");
    server.stop();

    let [taken, refused, wrong] =
        [counted.taken, counted.refused, counted.wrong].map(AtomicU64::into_inner);
    let (growth, error) = growth_an_hour(&looks);
    let (earlier, later) = looks.split_at(looks.len() / 2);
    let [files, journal, resident] = [
        |look: &Look| look.open_files,
        |look: &Look| look.journal_bytes,
        |look: &Look| look.resident_bytes,
    ]
    .map(|of| [earlier, later].map(|looks| median(looks, of)));
    let [journal_mib, resident_mib] =
        [journal, resident].map(|bytes| bytes.map(|bytes| bytes / f64::from(1 << 20)));
    println!(
        "reliability soak: {minutes} min, {} samples/s, refused {refused}, wrongly {wrong}; medians of the second and of the last third: \
         resident {:.1} and {:.1} MiB, {:+.1} % an hour with an error of {:.1}, open files {} and {}, journal {:.0} and {:.0} MiB, {removed} files of it removed",
        grouped((peak / 2.0 * SERIES as f64) as u64),
        resident_mib[0],
        resident_mib[1],
        100.0 * growth,
        100.0 * error,
        files[0],
        files[1],
        journal_mib[0],
        journal_mib[1],
    );
    assert!(taken > 0 && wrong == 0, "answers other than 204 and 503 with Retry-After");
    assert!(files[1] <= files[0], "files are left open");
    assert!(removed > 0.0 && journal[1] <= 1.2 * journal[0], "the journal grows");
    setting::demand(
        growth <= GROWTH_MAX + ERRORS * error,
        &format!("memory grows by {growth} of it an hour"),
    );
}

/// What `server` takes while `work` is done.
fn looking_at<T>(server: &Server, work: impl FnOnce() -> T) -> (T, Vec<Look>) {
    let is_over = AtomicBool::new(false);
    let began = Instant::now();
    thread::scope(|scope| {
        let looks = scope.spawn(|| {
            let mut looks = Vec::new();
            while !is_over.load(Ordering::SeqCst) {
                looks.push(Look {
                    hours: began.elapsed().as_secs_f64() / 3600.0,
                    resident_bytes: server.total("process_resident_memory_bytes"),
                    open_files: server.total("process_open_fds"),
                    journal_bytes: server.total("bellwether_journal_bytes"),
                });
                thread::sleep(LOOK_EVERY);
            }
            looks
        });
        let outcome = work();
        is_over.store(true, Ordering::SeqCst);
        (outcome, looks.join().unwrap())
    })
}

/// Of what a process takes, the number in the middle: what is written meanwhile comes and goes.
fn median(looks: &[Look], of: fn(&Look) -> f64) -> f64 {
    let mut all: Vec<f64> = looks.iter().map(of).collect();
    all.sort_unstable_by(f64::total_cmp);
    all[all.len() / 2]
}

/// By how much of its mean resident memory grows in an hour, and the standard error of that: the line of least squares through means
/// of each minute, since looks that follow each other say nearly the same.
fn growth_an_hour(looks: &[Look]) -> (f64, f64) {
    let points: Vec<(f64, f64)> = looks
        .chunks(60 / LOOK_EVERY.as_secs() as usize)
        .map(|minute| {
            let count = minute.len() as f64;
            let mean = |of: fn(&Look) -> f64| minute.iter().map(of).sum::<f64>() / count;
            (mean(|look| look.hours), mean(|look| look.resident_bytes))
        })
        .collect();
    let count = points.len() as f64;
    let mean_hours = points.iter().map(|(hours, _)| hours).sum::<f64>() / count;
    let mean_bytes = points.iter().map(|(_, bytes)| bytes).sum::<f64>() / count;
    let spread: f64 = points.iter().map(|(hours, _)| (hours - mean_hours).powi(2)).sum();
    let slope =
        points.iter().map(|(hours, bytes)| (hours - mean_hours) * bytes).sum::<f64>() / spread;
    let off = |&(hours, bytes): &(f64, f64)| bytes - mean_bytes - slope * (hours - mean_hours);
    let variance = points.iter().map(|point| off(point).powi(2)).sum::<f64>() / (count - 2.0);
    (slope / mean_bytes, (variance / spread).sqrt() / mean_bytes)
}

#[test]
fn growth_is_a_slope_that_chance_blurs() {
    let growth = |noise: f64| {
        let looks: Vec<Look> = (0..600)
            .map(|index| {
                let hours = f64::from(index) / 1800.0;
                let minute = f64::from(index / 30 % 2) - 0.5;
                let resident_bytes = 100.0 + 2.0 * (hours - 1.0 / 6.0) + noise * minute;
                Look { hours, resident_bytes, open_files: 0.0, journal_bytes: 0.0 }
            })
            .collect();
        growth_an_hour(&looks)
    };
    let (slope, error) = growth(0.0);
    assert!((slope - 0.02).abs() < 1e-3 && error < 1e-9, "{slope} {error}");
    let (slope, error) = growth(2.0);
    assert!((slope - 0.02).abs() < error && (0.01..0.04).contains(&error), "{slope} {error}");
}
