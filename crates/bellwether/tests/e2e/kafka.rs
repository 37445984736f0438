//! Against a real Apache Kafka: what is read counts once whatever is killed, what cannot be read is put aside, and brokers that
//! are away are waited for. Events come out on a topic.
//!
//! The jars are in the folder that `BELLWETHER_KAFKA` names; `.ci/kafka` fetches them.

mod broker;
mod chain;
mod gate;
mod gateway;
mod journal;
mod records;
mod s3;
mod throughput;
mod transactions;
mod workers;

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::bellwether::Bellwether;
use crate::exposition::total;
use crate::poll::{seconds, until};
use broker::Broker;
use gate::{Gate, Request};
use records::{Clients, MINUTES, PARTITIONS, garbage, record};

/// How long the broker is away.
const AWAY: Duration = seconds(60);
/// Longest that it then takes to catch up, from the broker's first answer on.
const CAUGHT_UP_MAX: Duration = seconds(30);
/// Most by which memory may grow meanwhile, and until all is caught up with, in bytes.
const GROWN_MEANWHILE_MAX: f64 = 8e6;
const GROWN_MAX: f64 = 24e6;

/// Whether all that is promised is held to it, as in .ci/accept, or as much as in CI.
fn is_full() -> bool {
    std::env::var("BELLWETHER_E2E").is_ok_and(|value| value == "full")
}

fn configuration(broker: &Broker) -> String {
    configuration_of(&broker.address())
}

/// Of a process that reaches the broker at `address`.
fn configuration_of(address: &str) -> String {
    include_str!("kafka/bellwether.yml").replace("BROKER", address)
}

/// Events that wait for the topic.
fn pending(metrics: &str) -> f64 {
    total(metrics, r#"bellwether_sink_events_pending{sink="kafka"}"#)
}

/// Waits until the engine has taken `records`.
fn until_taken(bellwether: &Bellwether, records: u64) {
    until(seconds(90), "all records to be taken", || {
        let metrics = bellwether.metrics();
        (total(&metrics, "bellwether_kafka_records_taken_total") as u64 >= records).then_some(())
    });
}

/// Holds the journal of the engine that ran in `dir` to what it did, and gives back the ids of its events.
fn replayed(dir: &Path) -> BTreeSet<String> {
    let dir = dir.join("bellwether");
    let replay = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_bellwether"));
        let output = command.current_dir(&dir).arg("replay").args(arguments).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };
    replay(&["bellwether-data/journal", "--verify"]);
    replay(&["bellwether-data/journal", "--output", "replayed"]);
    ids(&std::fs::read_to_string(dir.join("replayed/events.jsonl")).unwrap())
}

/// The ids of events, a JSON object each on a line of its own.
fn ids(lines: &str) -> BTreeSet<String> {
    let id = |line: &str| {
        let event: serde_json::Value = serde_json::from_str(line).unwrap();
        event["id"].as_str().unwrap().to_owned()
    };
    lines.lines().map(id).collect()
}

#[test]
fn what_a_topic_holds_is_judged_as_its_replay_and_garbage_is_put_aside() {
    let dir = tempfile::tempdir().unwrap();
    let broker = Broker::start(dir.path());
    let clients = Clients::new(&broker);
    clients.create_topics();
    let mut garbage_records = 0;
    for minute in 0..MINUTES {
        for partition in 0..PARTITIONS {
            clients.produce(partition, &record(partition, minute));
            if (minute * i64::from(PARTITIONS) + i64::from(partition)) % 100 == 7 {
                clients.produce(partition, &garbage(minute));
                garbage_records += 1;
            }
        }
    }
    clients.flush();
    let mut bellwether = Bellwether::configured(dir.path(), &configuration(&broker));
    until_taken(&bellwether, MINUTES as u64 * PARTITIONS as u64 + garbage_records);
    let metrics = bellwether.metrics();
    crate::peers::promtool_check_metrics(&metrics);
    let is = |name: &str, expected: u64| {
        let found = total(&metrics, name) as u64;
        assert_eq!(found, expected, "{name}");
    };
    is("bellwether_kafka_poison_records_total", garbage_records);
    is("bellwether_kafka_dead_letters_total", garbage_records);
    is("bellwether_kafka_rereads_total", 0);
    assert!(bellwether.terminate(seconds(10)).success());

    let letters = clients.read("metrics.dlq", garbage_records as usize);
    for letter in &letters {
        assert_eq!(letter.header("bellwether.error.class"), "undecodable");
        let offset: i64 = letter.header("bellwether.error.offset").parse().unwrap();
        let partition: i32 = letter.header("bellwether.error.partition").parse().unwrap();
        let original = clients.read_at("metrics", partition, offset);
        assert_eq!(letter.value, original.value);
    }
    for (partition, offsets) in journal::offsets(dir.path()) {
        let end = clients.end_of("metrics", partition);
        assert_eq!(offsets, (0..end).collect::<Vec<_>>(), "partition {partition}");
    }
    let told = std::fs::read_to_string(dir.path().join("bellwether/bellwether-data/events.jsonl"));
    let told = ids(&told.unwrap());
    assert!(told.len() > 4, "{told:?}");
    assert_eq!(told, replayed(dir.path()));
    let events = clients.read_events();
    assert_eq!(events.len(), told.len(), "each is in the topic once");
    assert_eq!(ids(&events.join("\n")), told);
}

#[test]
fn whoever_is_killed_while_it_reads_loses_nothing_and_takes_nothing_twice() {
    let dir = tempfile::tempdir().unwrap();
    let broker = Broker::start(dir.path());
    let clients = Clients::new(&broker);
    clients.create_topics();
    let configuration = configuration(&broker);
    let mut bellwether = Bellwether::configured(dir.path(), &configuration);
    let kills = 4;
    let mut taken = 0;
    for minute in 0..MINUTES {
        for partition in 0..PARTITIONS {
            clients.produce(partition, &record(partition, minute));
        }
        if minute % (MINUTES / (kills + 1)) == MINUTES / (kills + 1) - 1 && minute + 1 < MINUTES {
            clients.flush();
            // Somewhere within what was just produced.
            until(seconds(60), "records to be taken", || {
                let metrics = bellwether.metrics();
                let now = total(&metrics, "bellwether_kafka_records_taken_total") as u64;
                (now > 20).then_some(())
            });
            bellwether.kill();
            taken += 1;
            bellwether = Bellwether::again(dir.path());
        }
    }
    assert_eq!(taken, kills);
    clients.flush();
    let all = || journal::offsets(dir.path());
    until(seconds(90), "all records to be taken", || {
        all().values().all(|offsets| offsets.len() as i64 >= MINUTES).then_some(())
    });
    assert!(bellwether.terminate(seconds(10)).success());
    for (partition, offsets) in all() {
        assert_eq!(offsets, (0..MINUTES).collect::<Vec<_>>(), "partition {partition}");
    }
    transactions::holds(&clients, dir.path());
}

#[test]
fn a_broker_that_is_away_for_a_while_is_caught_up_with() {
    let dir = tempfile::tempdir().unwrap();
    let mut broker = Broker::start(dir.path());
    let clients = Clients::new(&broker);
    clients.create_topics();
    let mut bellwether = Bellwether::configured(dir.path(), &configuration(&broker));
    let half = MINUTES / 2;
    for minute in 0..half {
        (0..PARTITIONS)
            .for_each(|partition| clients.produce(partition, &record(partition, minute)));
    }
    clients.flush();
    until_taken(&bellwether, half as u64 * PARTITIONS as u64);
    // What is needed for the first of them stays.
    until(seconds(60), "two checkpoints", || {
        let made = total(&bellwether.metrics(), "bellwether_checkpoints_total");
        (made >= 2.0).then_some(())
    });
    let memory = || total(&bellwether.metrics(), "process_resident_memory_bytes");
    let before = memory();
    broker.kill();
    std::thread::sleep(AWAY);
    let grown_meanwhile = memory() - before;
    let health = crate::http::get(bellwether.address(), "/health").unwrap().body;
    assert!(health.contains("source_kafka") && !health.contains("partitions, "), "{health}");
    broker.start_again();
    let began = Instant::now();
    for minute in half..MINUTES {
        (0..PARTITIONS)
            .for_each(|partition| clients.produce(partition, &record(partition, minute)));
    }
    clients.flush();
    until_taken(&bellwether, MINUTES as u64 * PARTITIONS as u64);
    let caught_up = began.elapsed();
    let grown = memory() - before;
    println!(
        "broker away for {AWAY:?}: memory grew by {grown_meanwhile:.0} bytes, caught up {caught_up:.1?} after, {grown:.0} bytes"
    );
    assert!(grown_meanwhile < GROWN_MEANWHILE_MAX && grown < GROWN_MAX, "memory grew");
    assert!(caught_up <= CAUGHT_UP_MAX, "caught up after {caught_up:?}");
    assert!(bellwether.terminate(seconds(10)).success());
    for (partition, offsets) in journal::offsets(dir.path()) {
        assert_eq!(offsets, (0..MINUTES).collect::<Vec<_>>(), "partition {partition}");
    }
}
