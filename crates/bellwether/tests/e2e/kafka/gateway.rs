//! A gateway before the topic: what it has taken is judged as if it had been received, and is there whatever becomes of the broker.

use std::collections::BTreeSet;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, ExitStatus};
use std::time::Duration;

use bellwether_wire::remote_write::{Limits, WriteRequest, compress};

use super::broker::Broker;
use super::records::{Clients, MINUTES, PARTITIONS, record};
use super::{configuration, ids, until_taken};
use crate::bellwether::Bellwether;
use crate::exposition::total;
use crate::http;
use crate::poll::{seconds, until};
use crate::process::Process;

const PATH: &str = "/api/v1/write";

/// A running `bellwether gateway`.
pub(super) struct Gateway {
    address: SocketAddr,
    process: Process,
}

impl Gateway {
    /// Starts it on a free port, and waits until it listens.
    pub(super) fn start(dir: &Path, broker: &Broker) -> Self {
        let dir = dir.join("gateway");
        fs::create_dir(&dir).unwrap();
        let configuration = include_str!("gateway.yml").replace("BROKER", &broker.address());
        fs::write(dir.join("bellwether.yml"), configuration).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_bellwether"));
        command.current_dir(&dir).args(["gateway", "--config", "bellwether.yml"]);
        let mut process = Process::start("gateway", &dir, &mut command);
        let address = process.until("its address", |process| {
            let log = process.log();
            let (_, rest) = log.split_once(r#""address":""#)?;
            rest.split_once('"')?.0.parse().ok()
        });
        Self { address, process }
    }

    pub(super) fn until_ready(&mut self) {
        self.process.until_ready(self.address);
    }

    fn is_ready(&self) -> bool {
        http::get(self.address, "/-/ready").unwrap().status == 200
    }

    pub(super) fn metrics(&self) -> String {
        http::get(self.address, "/metrics").unwrap().body
    }

    /// Sends a compressed body, again and again, until it is acknowledged; how often it was not.
    pub(super) fn post(&self, body: &[u8]) -> usize {
        let mut refused = 0;
        until(seconds(60), "a request to be taken", || {
            let answer = http::post_remote_write(self.address, PATH, body).unwrap();
            match answer.status {
                204 => Some(()),
                503 => {
                    refused += 1;
                    None
                }
                _ => panic!("{answer:?}"),
            }
        });
        refused
    }

    /// Sends a minute of every instance until it is acknowledged; how often it was not.
    pub(super) fn send(&self, minute: i64) -> usize {
        let body = |instance| compress(&record(instance, minute));
        (0..PARTITIONS).map(|instance| self.post(&body(instance))).sum()
    }

    pub(super) fn terminate(&mut self, limit: Duration) -> ExitStatus {
        self.process.terminate(limit)
    }
}

/// Ids of the events in the folder of a bellwether that ran in `dir`.
fn told(dir: &Path) -> BTreeSet<String> {
    ids(&fs::read_to_string(dir.join("bellwether/bellwether-data/events.jsonl")).unwrap())
}

/// What is in the topic: which minute of which series, by its labels.
fn content(clients: &Clients) -> BTreeSet<(Vec<u8>, i64)> {
    let mut content = BTreeSet::new();
    for partition in 0..PARTITIONS {
        for record in clients.read_all("metrics", partition) {
            let request = WriteRequest::decode(record.value, &Limits::default()).unwrap();
            for series in request.series() {
                let minutes = series.samples.iter().map(|sample| sample.timestamp.as_ms());
                content.extend(minutes.map(|ms| (series.labels.to_vec(), ms)));
            }
        }
    }
    content
}

/// What the requests for `minutes` hold.
fn expected(minutes: i64) -> BTreeSet<(Vec<u8>, i64)> {
    let mut content = BTreeSet::new();
    for body in (0..minutes).flat_map(|minute| (0..PARTITIONS).map(move |i| record(i, minute))) {
        let request = WriteRequest::decode(body, &Limits::default()).unwrap();
        for series in request.series() {
            content.insert((series.labels.to_vec(), series.samples[0].timestamp.as_ms()));
        }
    }
    content
}

#[test]
fn what_goes_through_a_gateway_and_a_topic_gives_the_events_of_what_is_received() {
    let dir = tempfile::tempdir().unwrap();
    let broker = Broker::start(dir.path());
    let clients = Clients::new(&broker);
    clients.create_topics();
    let mut gateway = Gateway::start(dir.path(), &broker);
    gateway.until_ready();
    (0..MINUTES).for_each(|minute| _ = gateway.send(minute));
    let metrics = gateway.metrics();
    crate::peers::promtool_check_metrics(&metrics);
    let requests = MINUTES as u64 * PARTITIONS as u64;
    let confirmed = total(&metrics, "bellwether_gateway_requests_confirmed_total") as u64;
    assert_eq!(confirmed, requests);
    assert!(gateway.terminate(seconds(10)).success());

    let mut bellwether = Bellwether::configured(dir.path(), &configuration(&broker));
    // Each of these requests is one instance, hence one record; and there are heartbeats.
    let heartbeats = total(&metrics, "bellwether_gateway_heartbeats_total") as u64;
    until_taken(&bellwether, requests + heartbeats);
    let metrics = bellwether.metrics();
    assert!(total(&metrics, "bellwether_kafka_poison_records_total") < 0.5, "{metrics}");
    assert!(total(&metrics, "bellwether_kafka_heartbeats_total") as u64 >= heartbeats);
    assert!(bellwether.terminate(seconds(10)).success());

    let other = tempfile::tempdir().unwrap();
    let plain = "server: { listen: \"127.0.0.1:0\" }\nsinks: { json_lines: {} }\n";
    let mut direct = Bellwether::configured(other.path(), plain);
    for minute in 0..MINUTES {
        for instance in 0..PARTITIONS {
            let body = compress(&record(instance, minute));
            until(seconds(60), "a request to be taken", || {
                let answer = http::post_remote_write(direct.address(), PATH, &body).unwrap();
                (answer.status == 204).then_some(())
            });
        }
    }
    assert!(direct.terminate(seconds(10)).success());
    let told_directly = told(other.path());
    assert!(told_directly.len() > 4, "{told_directly:?}");
    assert_eq!(told(dir.path()), told_directly);
}

#[test]
fn while_the_broker_is_away_senders_are_told_to_come_back_and_nothing_acknowledged_is_lost() {
    let dir = tempfile::tempdir().unwrap();
    let mut broker = Broker::start(dir.path());
    let clients = Clients::new(&broker);
    clients.create_topics();
    let mut gateway = Gateway::start(dir.path(), &broker);
    gateway.until_ready();
    let refused: usize = (0..20).map(|minute| gateway.send(minute)).sum();
    assert_eq!(refused, 0);
    broker.kill();
    let body = compress(&record(0, 20));
    until(seconds(30), "it to notice", || (!gateway.is_ready()).then_some(()));
    let answer = http::post_remote_write(gateway.address, PATH, &body).unwrap();
    assert_eq!(answer.status, 503, "{answer:?}");
    broker.start_again();
    gateway.until_ready();
    (20..40).for_each(|minute| _ = gateway.send(minute));
    assert!(gateway.terminate(seconds(10)).success());
    assert_eq!(content(&clients), expected(40));
}
