//! How fast a topic is read, judged and journaled, beside how fast it is read and nothing is done with it.

use std::fmt;
use std::path::Path;
use std::time::{Duration, Instant};

use bellwether_series::{LabelSet, Timestamp};
use bellwether_wire::remote_write::{RawSample, WriteRequestBuilder, compress};

use super::gateway::Gateway;
use super::{Broker, Clients, PARTITIONS, garbage};
use crate::bellwether::Bellwether;
use crate::exposition::total;
use crate::poll::{seconds, until};
use crate::process;

/// Samples of a record, each of another series.
const SAMPLES: u64 = 500;
/// Records of one partition for one round: 100,000 series in all.
const RECORDS: u64 = 50;
/// Records of all partitions for one round.
const ROUND_RECORDS: u64 = RECORDS * PARTITIONS as u64;
/// Rounds, in each of which every series has a sample, until the last detector of the default chain is past its warm-up, which takes
/// `seasonal` two days: what is measured until then is mostly the creation of series and their warm-up.
const WARM_UP_ROUNDS: u64 = 150;
/// Rounds of series that are known and judged by all detectors: 5 million samples.
const STEADY_ROUNDS: u64 = 50;
/// From one round to the next, in the time of samples. What is done once an hour is done for every third of them.
const INTERVAL_MS: i64 = 20 * 60_000;
const START_MS: i64 = 1_760_000_000_000;

const WITHOUT_DEEP: &str = "deep: { memory_bytes_max: 0 }";
/// What there is with garbage, of the throughput without it: what is promised.
const SHARE_WITH_GARBAGE_MIN: f64 = 0.9;

/// Rounds that go through a gateway, and records of each partition for one.
const GATEWAY_ROUNDS: u64 = 200;
const GATEWAY_RECORDS: u64 = 10;

fn record(partition: i32, number: u64, round: u64) -> Vec<u8> {
    let mut builder = WriteRequestBuilder::default();
    for sample in 0..SAMPLES {
        let [instance, handler, code, number] = [
            format!("host-{partition}-{number}"),
            format!("/api/v1/{}", sample % 50),
            (200 + sample % 7).to_string(),
            sample.to_string(),
        ];
        let labels = LabelSet::from_pairs([
            ("__name__", "request_load"),
            ("instance", instance.as_str()),
            ("handler", handler.as_str()),
            ("code", code.as_str()),
            ("number", number.as_str()),
            ("job", "shop"),
            ("cluster", "one"),
            ("environment", "production"),
        ]);
        let noise = (round * 7919 + sample * 104_729) % 101;
        let timestamp = Timestamp::from_ms(START_MS + round as i64 * INTERVAL_MS);
        let value = 100.0 + noise as f64 / 10.0;
        builder.series(&labels.unwrap(), &[RawSample { timestamp, value }]);
    }
    builder.encode()
}

/// What was done within some time, and what it took.
struct Pace {
    samples: f64,
    took: Duration,
    /// CPU time of whoever reads the topic.
    reader_cpu_seconds: f64,
    /// CPU time of the broker.
    broker_cpu_seconds: f64,
}

impl Pace {
    fn samples_per_second(&self) -> f64 {
        self.samples / self.took.as_secs_f64()
    }
}

impl fmt::Display for Pace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:.0} samples/s, CPU time a sample: reader {:.2} µs, broker {:.2} µs",
            self.samples_per_second(),
            1e6 * self.reader_cpu_seconds / self.samples,
            1e6 * self.broker_cpu_seconds / self.samples,
        )
    }
}

/// Where things stood at some time.
struct Mark {
    at: Instant,
    samples: f64,
    reader_cpu_seconds: f64,
    broker_cpu_seconds: f64,
}

impl Mark {
    fn until(&self, later: &Self) -> Pace {
        Pace {
            samples: later.samples - self.samples,
            took: later.at - self.at,
            reader_cpu_seconds: later.reader_cpu_seconds - self.reader_cpu_seconds,
            broker_cpu_seconds: later.broker_cpu_seconds - self.broker_cpu_seconds,
        }
    }
}

/// Fills the topic with so many rounds, and in between with `garbage_records` that cannot be read, all in one partition.
fn fill(clients: &Clients, rounds: u64, garbage_records: u64) {
    let every = (rounds * ROUND_RECORDS).checked_div(garbage_records);
    let (mut records, mut bytes) = (0, 0);
    for round in 0..rounds {
        for number in 0..RECORDS {
            for partition in 0..PARTITIONS {
                let record = record(partition, number, round);
                (records, bytes) = (records + 1, bytes + record.len());
                clients.produce(partition, &record);
                if every.is_some_and(|every| (records as u64).is_multiple_of(every)) {
                    clients.produce(partition, &garbage(records as i64));
                }
            }
        }
        clients.flush();
    }
    println!("{records} records of {SAMPLES} samples, {} bytes each", bytes / records);
}

/// How fast the topic is read when nothing is done with it.
fn bare_consumption(broker: &Broker, clients: &Clients, records: u64) -> Pace {
    let cpu_seconds = || (process::cpu_seconds("self"), broker.cpu_seconds());
    let before = cpu_seconds();
    let took = clients.read_as_fast_as_possible("metrics", records);
    let after = cpu_seconds();
    Pace {
        samples: (records * SAMPLES) as f64,
        took,
        reader_cpu_seconds: after.0 - before.0,
        broker_cpu_seconds: after.1 - before.1,
    }
}

/// How fast the topic gets to the verdict: the first rounds, and those behind them. Joining the group is no part of it.
fn to_the_verdict(bellwether: &Bellwether, broker: &Broker, rounds: [u64; 2]) -> [Pace; 2] {
    let reached = |samples: u64| {
        until(seconds(600), "samples to be taken", || {
            let metrics = bellwether.metrics();
            let taken = total(&metrics, "bellwether_kafka_samples_accepted_total");
            (taken >= samples as f64).then(|| Mark {
                at: Instant::now(),
                samples: taken,
                reader_cpu_seconds: total(&metrics, "process_cpu_seconds_total"),
                broker_cpu_seconds: broker.cpu_seconds(),
            })
        })
    };
    let round = ROUND_RECORDS * SAMPLES;
    let marks = [1, rounds[0] * round, (rounds[0] + rounds[1]) * round].map(reached);
    [marks[0].until(&marks[1]), marks[1].until(&marks[2])]
}

/// The configuration as it is shipped, with `workers` in its section on the topic, and `deep`.
fn configured(dir: &Path, broker: &Broker, workers: &str, deep: &str) -> Bellwether {
    let store = format!("file://{}", dir.join("store").display());
    let configuration = include_str!("throughput.yml")
        .replace("BROKER", &broker.address())
        .replace("WORKERS", &workers.replace("STORE", &store))
        .replace("DEEP", deep);
    Bellwether::configured(dir, &configuration)
}

#[test]
#[ignore = "a measurement: run it alone, in a release build"]
fn samples_a_second_beside_bare_consumption() {
    let dir = tempfile::tempdir().unwrap();
    let broker = Broker::start(dir.path());
    let clients = Clients::new(&broker);
    clients.create_topics();
    let rounds = [WARM_UP_ROUNDS, STEADY_ROUNDS];
    fill(&clients, rounds.iter().sum(), 0);
    let bare = bare_consumption(&broker, &clients, rounds.iter().sum::<u64>() * ROUND_RECORDS);
    println!("bare consumption: {bare}");
    let workers = "workers: { checkpoints: \"STORE\" }";
    for (name, workers, deep) in [
        ("one process, both tiers", "", ""),
        ("one process, base tier", "", WITHOUT_DEEP),
        ("worker, both tiers", workers, ""),
        ("worker, base tier", workers, WITHOUT_DEEP),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let bellwether = configured(dir.path(), &broker, workers, deep);
        let [first, steady] = to_the_verdict(&bellwether, &broker, rounds);
        let share = 100.0 * steady.samples_per_second() / bare.samples_per_second();
        println!("{name}, creation and warm-up: {first}");
        println!("{name}, steady: {steady}: {share:.0} % of bare consumption");
    }
}

#[test]
#[ignore = "a measurement: run it alone, in a release build"]
fn samples_a_second_with_garbage_in_between() {
    let rounds = [20, 60];
    let records = rounds.iter().sum::<u64>() * ROUND_RECORDS;
    let paces = [0, records / 100].map(|garbage_records| {
        let dir = tempfile::tempdir().unwrap();
        let broker = Broker::start(dir.path());
        let clients = Clients::new(&broker);
        clients.create_topics();
        fill(&clients, rounds.iter().sum(), garbage_records);
        let bellwether = configured(dir.path(), &broker, "", WITHOUT_DEEP);
        let [_, pace] = to_the_verdict(&bellwether, &broker, rounds);
        let letters = || clients.end_of("metrics.dlq", 0) as u64;
        until(seconds(60), "all letters", || (letters() >= garbage_records).then_some(()));
        assert_eq!(letters(), garbage_records);
        println!("{garbage_records} records of garbage, all put aside: {pace}");
        pace.samples_per_second()
    });
    let share = paces[1] / paces[0];
    println!("with 1 % garbage: {:.0} % of the throughput without", 100.0 * share);
    assert!(share >= SHARE_WITH_GARBAGE_MIN, "{share} of the throughput");
}

#[test]
#[ignore = "a measurement: run it alone, in a release build"]
fn samples_a_second_through_a_gateway() {
    let dir = tempfile::tempdir().unwrap();
    let broker = Broker::start(dir.path());
    Clients::new(&broker).create_topics();
    let mut gateway = Gateway::start(dir.path(), &broker);
    gateway.until_ready();
    // A request is a round of one instance of each number: 2,000 samples that touch several partitions.
    let body = |number, round| {
        let records = (0..PARTITIONS).map(|partition| record(partition, number, round));
        compress(&records.collect::<Vec<_>>().concat())
    };
    let bodies: Vec<Vec<Vec<u8>>> = (0..GATEWAY_RECORDS)
        .map(|number| (0..GATEWAY_ROUNDS).map(|round| body(number, round)).collect())
        .collect();
    let cpu_seconds = || total(&gateway.metrics(), "process_cpu_seconds_total");
    let (started, cpu_before) = (Instant::now(), cpu_seconds());
    // Each sender has series of its own, and waits for its answer.
    std::thread::scope(|scope| {
        for bodies in &bodies {
            scope.spawn(|| bodies.iter().for_each(|body| _ = gateway.post(body)));
        }
    });
    let (took, cpu) = (started.elapsed(), cpu_seconds() - cpu_before);
    let samples = (GATEWAY_ROUNDS * GATEWAY_RECORDS * SAMPLES * PARTITIONS as u64) as f64;
    println!(
        "through a gateway: {:.0} samples/s, {:.2} µs of CPU time a sample",
        samples / took.as_secs_f64(),
        1e6 * cpu / samples,
    );
    let confirmed = total(&gateway.metrics(), "bellwether_samples_accepted_total");
    assert!((confirmed - samples).abs() < 0.5, "{confirmed} of {samples}");
}
