//! A full disk is said at once, survived, and over as soon as there is room.

use std::fs;
use std::os::unix::fs::symlink;
use std::thread;
use std::time::{Duration, Instant};

use crate::figures::grouped;
use crate::fleet::{Fleet, LONG_AGO};
use crate::journal;
use crate::load::{Load, fleets, send_steps};
use crate::poll::seconds;
use crate::sender::{Answer, Sender};
use crate::server::Server;
use crate::setting;
use crate::volume::Volume;

const SENDERS: usize = 2;
const SERIES: usize = 100;
const VOLUME_BYTES: u64 = 128 << 20;
/// The whole journal is kept, to be compared; it fits on the volume.
const CONFIGURATION: &str =
    "checkpoints: { every: 1s }\njournal: { segment_bytes: 1MiB, keep_when_full: true }";
/// Taken in each cycle while there is room, so that there is something to lose.
const CYCLE_REQUESTS: u64 = 100;
const FULL_FOR: Duration = seconds(2);
const REFUSED_MAX: Duration = seconds(1);
const RESUMED_MAX: Duration = seconds(5);

#[test]
fn a_full_disk_loses_nothing_and_is_over_when_there_is_room() {
    let cycles = setting::pick(5, 20);
    let dir = tempfile::tempdir().unwrap();
    let volume = Volume::mount(&dir.path().join("volume"), VOLUME_BYTES);
    let fleets = fleets(SENDERS, SERIES);
    let folder = dir.path().join("full");
    fs::create_dir(&folder).unwrap();
    // Only what it keeps is on the volume; its log is not, to be read when this fails.
    symlink(volume.path(), folder.join("data")).unwrap();
    let mut full = Server::new(&folder, CONFIGURATION);
    full.start();
    let load = Load::start(full.address(), &fleets);
    let (mut slowest_refusal, mut slowest_return) = (Duration::ZERO, Duration::ZERO);
    for _ in 0..cycles {
        let enough = load.taken() + CYCLE_REQUESTS;
        wait("requests to be taken", seconds(60), || load.taken() >= enough);

        volume.fill();
        let since = Instant::now();
        // The reserve is given up now, for checkpoints; whoever fills a disk takes that too.
        wait("a refusal", seconds(30), || {
            volume.fill();
            !full.is_ready()
        });
        slowest_refusal = slowest_refusal.max(since.elapsed());
        let (refused_before, taken_before) = (load.failures(), load.taken());
        while since.elapsed() < FULL_FOR {
            volume.fill();
            thread::sleep(Duration::from_millis(10));
        }
        assert!(load.failures() > refused_before, "nothing was refused while the disk was full");
        assert!(load.taken() < taken_before + CYCLE_REQUESTS, "a full disk took requests");

        volume.free();
        let since = Instant::now();
        let taken = load.taken();
        wait("a request to be taken", seconds(60), || load.taken() > taken && full.is_ready());
        slowest_return = slowest_return.max(since.elapsed());
    }
    let refused = load.failures();
    let steps = load.stop();
    full.until_judged();
    // What was written is what a start finds.
    full.kill();
    full.start();
    full.stop();

    let mut undisturbed = Server::start_in(dir.path(), "undisturbed", CONFIGURATION);
    send_steps(undisturbed.address(), &fleets, &steps);
    undisturbed.stop();
    let lost = journal::lost(&full.data(), &fleets, &steps);
    let (after, before) = (full.events(), undisturbed.events());
    println!(
        "reliability disk-full: cycles {cycles}, slowest refusal {slowest_refusal:.2?}, slowest return {slowest_return:.2?}, \
         acknowledged {} samples, refused {} requests, lost {lost}, events {}, doubled {}, hash {:016x}, undisturbed {:016x}",
        grouped((steps.iter().sum::<usize>() * SERIES) as u64),
        grouped(refused),
        after.count(),
        after.doubled,
        after.hash(),
        before.hash(),
    );
    assert_eq!((lost, after.doubled), (0, 0));
    after.assert_same_as(&before);
    setting::demand(
        slowest_refusal <= REFUSED_MAX,
        &format!("{slowest_refusal:?} until the first 503"),
    );
    setting::demand(
        slowest_return <= RESUMED_MAX,
        &format!("{slowest_return:?} until requests were taken again"),
    );
}

/// What is kept for replay makes room for what comes.
#[test]
fn a_journal_that_outgrows_its_disk_takes_what_comes_for_ever() {
    /// Sent from one checkpoint to the next.
    const CHECKPOINT_BYTES: u64 = 4 << 20;
    /// Three checkpoints fit, of some 10 MB, and a journal of twice that.
    const SMALL_VOLUME_BYTES: u64 = 48 << 20;
    let dir = tempfile::tempdir().unwrap();
    let volume = Volume::mount(&dir.path().join("volume"), SMALL_VOLUME_BYTES);
    let folder = dir.path().join("outgrown");
    fs::create_dir(&folder).unwrap();
    symlink(volume.path(), folder.join("data")).unwrap();
    let configuration = "checkpoints: { every: 1s }\njournal: { segment_bytes: 1MiB }";
    let mut server = Server::new(&folder, configuration);
    server.start();
    let fleet = Fleet::new("sender", 10 * SERIES, LONG_AGO);
    let sender = Sender::new(server.address());
    let (mut sent_bytes, mut covered_bytes, mut steps) = (0, 0, 0);
    while sent_bytes < setting::pick(1, 10) * SMALL_VOLUME_BYTES {
        let body = fleet.body(steps);
        sender.deliver(&body, RESUMED_MAX);
        sent_bytes += body.len() as u64;
        steps += 1;
        // A real sender is slower: what no checkpoint covers has to fit.
        if sent_bytes - covered_bytes > CHECKPOINT_BYTES {
            let generation = server.generation();
            wait("a checkpoint", seconds(30), || server.generation() > generation);
            covered_bytes = sent_bytes;
        }
    }
    server.until_judged();
    let given_up = server.total("bellwether_journal_segments_given_up_total");
    server.stop();
    let mut undisturbed = Server::start_in(dir.path(), "not-outgrown", configuration);
    send_steps(undisturbed.address(), &[fleet], &[steps]);
    undisturbed.stop();
    let (after, before) = (server.events(), undisturbed.events());
    println!(
        "reliability outgrown: a volume of {} bytes took {}, {given_up} files given up, events {}, doubled {}, hash {:016x}, \
         undisturbed {:016x}",
        grouped(SMALL_VOLUME_BYTES),
        grouped(sent_bytes),
        after.count(),
        after.doubled,
        after.hash(),
        before.hash(),
    );
    assert!(given_up > 0.0);
    assert_eq!(after.doubled, 0);
    after.assert_same_as(&before);
}

/// Whoever sends more than fits does so again and again.
#[test]
fn a_request_that_is_too_large_for_what_is_left_keeps_no_room_from_smaller_ones() {
    let dir = tempfile::tempdir().unwrap();
    let volume = Volume::mount(&dir.path().join("volume"), 32 << 20);
    let folder = dir.path().join("nearly-full");
    fs::create_dir(&folder).unwrap();
    symlink(volume.path(), folder.join("data")).unwrap();
    let mut server = Server::new(&folder, "journal: { reserve_bytes: 0 }");
    server.start();
    let (small, large) = (Fleet::new("small", 20, LONG_AGO), Fleet::new("large", 45_000, LONG_AGO));
    let sender = Sender::new(server.address());
    sender.deliver(&small.body(0), RESUMED_MAX);
    let too_large = large.body(0);
    volume.fill_but(too_large.len() as u64 / 2);
    for step in 1..=8 {
        let answer = sender.post(&too_large);
        assert!(matches!(answer, Some(Answer { status: 503, .. })), "{step}: {answer:?}");
        sender.deliver(&small.body(step), RESUMED_MAX);
    }
    println!(
        "reliability nearly-full: a request of {} bytes refused 8 times, smaller ones taken after each",
        grouped(too_large.len() as u64)
    );
    server.stop();
}

/// Like [`until`](crate::poll::until), and looks more often: what is measured here is short.
fn wait(what: &str, limit: Duration, mut holds: impl FnMut() -> bool) {
    let started = Instant::now();
    while !holds() {
        assert!(started.elapsed() < limit, "waited {limit:?} in vain for {what}");
        thread::sleep(Duration::from_millis(10));
    }
}
