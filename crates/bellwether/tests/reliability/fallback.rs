//! A checkpoint that the disk has damaged is passed over, loudly, and what comes of the one before it is the same.

use crate::figures::{grouped, mix};
use crate::journal;
use crate::load::{Load, fleets, send_steps};
use crate::poll::{seconds, until};
use crate::server::Server;
use crate::setting;

const SENDERS: usize = 2;
const SERIES: usize = 200;
/// All of the journal is kept, to look for what was acknowledged.
const CONFIGURATION: &str = "checkpoints: { every: 1s }\njournal: { keep_bytes_max: 1TiB }";

#[test]
fn a_damaged_checkpoint_is_told_of_and_costs_nothing() {
    let rounds = setting::pick(3, 20);
    let dir = tempfile::tempdir().unwrap();
    let fleets = fleets(SENDERS, SERIES);
    let mut damaged = Server::start_in(dir.path(), "damaged", CONFIGURATION);
    let load = Load::start(damaged.address(), &fleets);
    let mut told = 0;
    for round in 0..rounds {
        let before = damaged.generation();
        until(seconds(60), "two more checkpoints", || {
            (damaged.generation() >= before + 2).then_some(())
        });
        damaged.kill();
        damaged.damage_newest_checkpoint(mix(round));
        damaged.start();
        assert!(damaged.logged("an older checkpoint is taken").is_some());
        told += damaged.total("bellwether_checkpoints_rejected_total") as u64;
    }
    let steps = load.stop();
    damaged.stop();

    let mut undisturbed = Server::start_in(dir.path(), "undisturbed", CONFIGURATION);
    send_steps(undisturbed.address(), &fleets, &steps);
    undisturbed.stop();

    let lost = journal::lost(&damaged.data(), &fleets, &steps);
    let (after, before) = (damaged.events(), undisturbed.events());
    println!(
        "reliability fallback: checkpoints damaged {rounds}, told of {told}, acknowledged {} samples, lost {lost}, events {}, doubled {}, \
         hash {:016x}, undisturbed {:016x}",
        grouped((steps.iter().sum::<usize>() * SERIES) as u64),
        after.count(),
        after.doubled,
        after.hash(),
        before.hash(),
    );
    assert_eq!((told, lost, after.doubled), (rounds, 0, 0));
    after.assert_same_as(&before);
}
