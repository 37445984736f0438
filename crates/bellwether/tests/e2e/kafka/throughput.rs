//! How fast a topic is read, judged and journaled, beside how fast it is read and nothing is done with it.

use std::time::{Duration, Instant};

use bellwether_series::{LabelSet, Timestamp};
use bellwether_wire::remote_write::{RawSample, WriteRequestBuilder, compress};

use super::gateway::Gateway;
use super::{Broker, Clients, PARTITIONS};
use crate::bellwether::Bellwether;
use crate::exposition::total;
use crate::poll::{seconds, until};

/// Samples of a record, each of another series.
const SAMPLES: u64 = 500;
/// Records of one partition for one minute: 20,000 series in all.
const RECORDS: u64 = 10;
/// Minutes: 4 million samples.
const MINUTES: u64 = 200;
const START_MS: i64 = 1_760_000_000_000;

fn record(partition: i32, number: u64, minute: u64) -> Vec<u8> {
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
        let noise = (minute * 7919 + sample * 104_729) % 101;
        let timestamp = Timestamp::from_ms(START_MS + minute as i64 * 60_000);
        let value = 100.0 + noise as f64 / 10.0;
        builder.series(&labels.unwrap(), &[RawSample { timestamp, value }]);
    }
    builder.encode()
}

#[test]
#[ignore = "a measurement: run it alone, in a release build"]
fn samples_a_second_beside_bare_consumption() {
    let dir = tempfile::tempdir().unwrap();
    let broker = Broker::start(dir.path());
    let clients = Clients::new(&broker);
    clients.create_topics();
    let mut bytes = 0;
    for minute in 0..MINUTES {
        for partition in 0..PARTITIONS {
            for number in 0..RECORDS {
                let record = record(partition, number, minute);
                bytes += record.len();
                clients.produce(partition, &record);
            }
        }
        clients.flush();
    }
    let records = MINUTES * RECORDS * PARTITIONS as u64;
    let samples = records * SAMPLES;
    let per_second = |took: Duration| samples as f64 / took.as_secs_f64();

    let bare = clients.read_as_fast_as_possible("metrics", records);
    println!(
        "{records} records of {SAMPLES} samples, {} bytes each: bare {:.0} samples/s",
        bytes as u64 / records,
        per_second(bare),
    );
    let shipped = super::configuration(&broker).replace("json_lines: {}", "stdout: off");
    let shallow = format!("{shipped}\ndeep: {{ memory_bytes_max: 0 }}\n");
    for (name, configuration) in [("both tiers", shipped), ("base tier", shallow)] {
        let dir = tempfile::tempdir().unwrap();
        let took =
            until_all_are_taken(&Bellwether::configured(dir.path(), &configuration), records);
        println!(
            "to the verdict, {name}: {:.0} samples/s, {:.0} %",
            per_second(took),
            100.0 * per_second(took) / per_second(bare),
        );
    }
}

#[test]
#[ignore = "a measurement: run it alone, in a release build"]
fn samples_a_second_through_a_gateway() {
    let dir = tempfile::tempdir().unwrap();
    let broker = Broker::start(dir.path());
    Clients::new(&broker).create_topics();
    let mut gateway = Gateway::start(dir.path(), &broker);
    gateway.until_ready();
    // A request is a minute of one instance of each number: 2,000 samples that touch several partitions.
    let body = |number, minute| {
        let records = (0..PARTITIONS).map(|partition| record(partition, number, minute));
        compress(&records.collect::<Vec<_>>().concat())
    };
    let bodies: Vec<Vec<Vec<u8>>> = (0..RECORDS)
        .map(|number| (0..MINUTES).map(|minute| body(number, minute)).collect())
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
    let samples = (MINUTES * RECORDS * SAMPLES * PARTITIONS as u64) as f64;
    println!(
        "through a gateway: {:.0} samples/s, {:.2} µs of CPU time a sample",
        samples / took.as_secs_f64(),
        1e6 * cpu / samples,
    );
    let confirmed = total(&gateway.metrics(), "bellwether_samples_accepted_total");
    assert!((confirmed - samples).abs() < 0.5, "{confirmed} of {samples}");
}

/// How long that takes, from the first record on: joining the group is no part of it.
fn until_all_are_taken(bellwether: &Bellwether, records: u64) -> Duration {
    let taken = |figure: &str| total(&bellwether.metrics(), figure) as u64;
    until(seconds(60), "the first record", || {
        (taken("bellwether_kafka_records_total") > 0).then_some(())
    });
    let (started, before) = (Instant::now(), taken("bellwether_kafka_samples_accepted_total"));
    until(seconds(600), "all records to be taken", || {
        (taken("bellwether_kafka_records_taken_total") >= records).then_some(())
    });
    let samples = records * SAMPLES;
    started.elapsed().mul_f64(samples as f64 / (samples - before) as f64)
}
