//! `kill -9` at random moments under load loses nothing that was acknowledged and raises nothing twice.

use std::thread;
use std::time::{Duration, Instant};

use crate::figures::{grouped, mix};
use crate::journal;
use crate::load::{Load, fleets, send_steps};
use crate::server::Server;
use crate::setting;

const SENDERS: usize = 4;
const SERIES: usize = 200;
/// Often, so that kills meet checkpoints.
const CONFIGURATION: &str =
    "checkpoints: { every: 1s }\njournal: { segment_bytes: 1MiB, keep_bytes_max: 1TiB }";
/// Longest wait for a checkpoint to begin, for the kills that are to meet one.
const CHECKPOINT_WAIT_MAX: Duration = Duration::from_secs(3);

#[test]
fn kills_lose_nothing_acknowledged_and_double_nothing() {
    let kills = setting::pick(25, 100);
    let dir = tempfile::tempdir().unwrap();
    let fleets = fleets(SENDERS, SERIES);
    let mut killed = Server::start_in(dir.path(), "killed", CONFIGURATION);
    let load = Load::start(killed.address(), &fleets);
    let (mut in_checkpoint, mut slowest) = (0, Duration::ZERO);
    for kill in 0..kills {
        thread::sleep(Duration::from_millis(50 + mix(kill) % 1450));
        if kill % 3 == 0 {
            let waiting = Instant::now();
            while !killed.is_checkpointing() && waiting.elapsed() < CHECKPOINT_WAIT_MAX {
                thread::yield_now();
            }
        }
        killed.kill();
        in_checkpoint += u32::from(killed.is_checkpointing());
        slowest = slowest.max(killed.start());
    }
    let repeated = load.failures();
    let steps = load.stop();
    killed.stop();

    let mut undisturbed = Server::start_in(dir.path(), "undisturbed", CONFIGURATION);
    send_steps(undisturbed.address(), &fleets, &steps);
    undisturbed.stop();

    let lost = journal::lost(&killed.data(), &fleets, &steps);
    let (after, before) = (killed.events(), undisturbed.events());
    println!(
        "reliability kills: kills {kills} ({in_checkpoint} during a checkpoint), acknowledged {} samples, sent again {} \
         times, lost {lost}, events {}, doubled {}, hash {:016x}, undisturbed {:016x}, slowest start {slowest:.1?}",
        grouped((steps.iter().sum::<usize>() * SERIES) as u64),
        grouped(repeated),
        after.count(),
        after.doubled,
        after.hash(),
        before.hash(),
    );
    assert_eq!((lost, after.doubled), (0, 0));
    assert!(in_checkpoint > 0, "no kill fell into a checkpoint");
    setting::demand(3 * u64::from(in_checkpoint) >= kills, "too few kills fell into a checkpoint");
    after.assert_same_as(&before);
    // A minute for each ten million samples; `stops` verifies a shorter journal on every change.
    if setting::pick(false, true) {
        killed.verify();
    }
}
