//! Neither our clock nor those of others change what is found in what they do not touch.

use std::fs;

use bellwether_series::Timestamp;

use crate::clock::Clock;
use crate::figures::{grouped, mix};
use crate::fleet::{Fleet, STEP_MS};
use crate::journal::for_each_request;
use crate::load::{fleets, introduce, send_steps};
use crate::poll::seconds;
use crate::sender::Sender;
use crate::server::Server;
use crate::setting;

const SERIES: usize = 200;
const HOUR_S: i64 = 3600;
/// Where our clock stands, from the true time on, one after the other.
const JUMPS_S: [i64; 8] = [HOUR_S, 0, -HOUR_S, 24 * HOUR_S, -24 * HOUR_S, 0, -10 * 60, 25 * HOUR_S];
/// One sample in so many is from a clock that is ahead.
const STRAY_EVERY: u64 = 100;
const HOUR_MS: u64 = 3_600_000;
const TEN_YEARS_HOURS: u64 = 10 * 365 * 24;

#[test]
fn jumps_of_our_clock_change_no_event() {
    let per_jump = setting::pick(60, 400);
    let steps = 1 + JUMPS_S.len() * per_jump;
    let dir = tempfile::tempdir().unwrap();
    let fleets = fleets(1, SERIES);
    let mut steady = Server::start_in(dir.path(), "steady", "");
    send_steps(steady.address(), &fleets, &[steps]);
    steady.stop();

    let folder = dir.path().join("jumping");
    fs::create_dir(&folder).unwrap();
    let mut jumping = Server::new(&folder, "");
    let clock = Clock::of(&mut jumping, dir.path());
    jumping.start();
    introduce(jumping.address(), &fleets);
    let sender = Sender::new(jumping.address());
    for (jump, at_s) in JUMPS_S.into_iter().enumerate() {
        clock.set(at_s);
        for step in 1 + jump * per_jump..=(jump + 1) * per_jump {
            sender.deliver(&fleets[0].body(step), seconds(120));
        }
    }
    jumping.stop();

    let mut received: Vec<Timestamp> = Vec::new();
    for_each_request(&jumping.data(), |at, _| received.push(at));
    let spread_s = received
        .iter()
        .max()
        .zip(received.iter().min())
        .map_or(0, |(latest, first)| (latest.as_ms() - first.as_ms()) / 1000);
    let (after, before) = (jumping.events(), steady.events());
    println!(
        "reliability clock: jumps {}, times of receipt {} h apart, events {}, doubled {}, hash {:016x}, undisturbed {:016x}",
        JUMPS_S.len(),
        spread_s / HOUR_S,
        after.count(),
        after.doubled,
        after.hash(),
        before.hash(),
    );
    assert!(spread_s >= 48 * HOUR_S, "the clock did not jump");
    assert_eq!(after.doubled, 0);
    after.assert_same_as(&before);
}

#[test]
fn samples_from_the_future_change_nothing_for_the_others() {
    let steps = setting::pick(500, 4000);
    let dir = tempfile::tempdir().unwrap();
    let now = Timestamp::from_ms(jiff::Timestamp::now().as_millisecond());
    let fleet = Fleet::new("outside", SERIES, now.plus_ms(-(steps as i64 * STEP_MS)));
    let mut right = Server::start_in(dir.path(), "right", "");
    send_steps(right.address(), std::slice::from_ref(&fleet), &[steps]);
    right.stop();

    let mut wrong = Server::start_in(dir.path(), "wrong", "");
    introduce(wrong.address(), std::slice::from_ref(&fleet));
    let sender = Sender::new(wrong.address());
    let mut strays = 0;
    for step in 1..steps {
        let stray = |index: usize| {
            let noise = mix((step * SERIES + index) as u64);
            let ahead_ms = HOUR_MS * (1 + (noise >> 32) % TEN_YEARS_HOURS);
            noise.is_multiple_of(STRAY_EVERY).then(|| now.plus_ms(ahead_ms as i64))
        };
        let found = (0..SERIES).filter(|&index| stray(index).is_some()).count() as u64;
        let body = fleet.body_with(step, stray);
        if found == 0 {
            sender.deliver(&body, seconds(120));
        } else {
            // A sender whose clock is wrong hears it, for good; the rest is taken.
            let answer = sender.post(&body).unwrap();
            assert_eq!(answer.status, 400, "{answer:?}");
            strays += found;
        }
    }
    let rejected = wrong.total("bellwether_samples_rejected_total") as u64;
    wrong.stop();

    let (after, before) = (wrong.events(), right.events());
    println!(
        "reliability future: samples {}, of them {} from +1 h to +10 y, refused {}, events {}, doubled {}, hash {:016x}, \
         undisturbed {:016x}",
        grouped((steps * SERIES) as u64 + strays),
        grouped(strays),
        grouped(rejected),
        after.count(),
        after.doubled,
        after.hash(),
        before.hash(),
    );
    assert!(strays > 0);
    assert_eq!((rejected, after.doubled), (strays, 0));
    after.assert_same_as(&before);
}
