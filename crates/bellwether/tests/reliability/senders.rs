//! A real Prometheus loses nothing while Bellwether is killed and away.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::Path;
use std::thread;

use bellwether_series::{LabelLimits, LabelSet};
use bellwether_wire::remote_write::{Limits, WriteRequest, decompress};
use serde_json::Value;

use crate::exposition::total;
use crate::figures::grouped;
use crate::http;
use crate::journal::for_each_request;
use crate::peers::{NodeExporter, Prometheus};
use crate::poll::{seconds, until};
use crate::server::Server;
use crate::setting;

/// A sample: the fingerprint of its series, and its time in Unix milliseconds.
type Place = (String, i64);

#[test]
fn prometheus_loses_nothing_while_we_are_killed_and_away() {
    let (kills, away_s) = setting::pick((4, 15), (10, 60));
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("bellwether");
    std::fs::create_dir(&folder).unwrap();
    let mut server = Server::new(&folder, "checkpoints: { every: 1s }");
    server.start();
    let node_exporter = NodeExporter::start(dir.path());
    let url = format!("http://{}/api/v1/write", server.address());
    let prometheus = Prometheus::start(dir.path(), &[("node", node_exporter.address())], &url);
    until(seconds(60), "the first samples", || {
        (server.total("bellwether_samples_accepted_total") > 0.0).then_some(())
    });
    for kill in 0..kills {
        // Its samples come every second; when it hears from us again differs from kill to kill.
        thread::sleep(seconds(3));
        server.kill();
        if kill == kills / 2 {
            thread::sleep(seconds(away_s));
        }
        server.start();
    }

    let (asked_s, expected) = samples_of(prometheus.address());
    until(seconds(120), "Prometheus to catch up", || {
        let metrics = prometheus.metrics();
        let sent =
            total(&metrics, "prometheus_remote_storage_queue_highest_sent_timestamp_seconds");
        (sent >= asked_s).then_some(())
    });
    let metrics = prometheus.metrics();
    let [failed, dropped, retried] = ["failed", "dropped", "retried"].map(|what| {
        total(&metrics, &format!("prometheus_remote_storage_samples_{what}_total")) as u64
    });
    server.stop();
    let there = samples_in(&server.data());
    let gaps = expected.difference(&there).count();
    println!(
        "reliability prometheus: kills {kills}, away {away_s} s, samples {}, failed {failed}, dropped {dropped}, retried {}, \
         gaps {gaps}",
        grouped(expected.len() as u64),
        grouped(retried),
    );
    assert!(expected.len() > 1000, "Prometheus has too little to compare");
    assert_eq!((failed, dropped, gaps), (0, 0, 0));
}

/// When it was asked, in Unix seconds, and the samples that Prometheus itself has of what it scraped.
fn samples_of(address: SocketAddr) -> (f64, BTreeSet<Place>) {
    let now_s = jiff::Timestamp::now().as_second();
    let path = format!("/api/v1/query?query=%7Bjob=%22node%22%7D%5B1h%5D&time={now_s}");
    let answer: Value = serde_json::from_str(&http::get(address, &path).unwrap().body).unwrap();
    let mut samples = BTreeSet::new();
    for series in answer["data"]["result"].as_array().unwrap() {
        let labels = series["metric"].as_object().unwrap();
        let labels = labels.iter().map(|(name, value)| (name.as_str(), value.as_str().unwrap()));
        let fingerprint = LabelSet::from_pairs(labels).unwrap().fingerprint().to_string();
        for sample in series["values"].as_array().unwrap() {
            let at_ms = (sample[0].as_f64().unwrap() * 1000.0).round() as i64;
            samples.insert((fingerprint.clone(), at_ms));
        }
    }
    (now_s as f64, samples)
}

/// Those in the journal under `data_dir`.
fn samples_in(data_dir: &Path) -> BTreeSet<Place> {
    let limits = Limits::default();
    let mut samples = BTreeSet::new();
    let gaps = for_each_request(data_dir, |_, body| {
        let request = WriteRequest::decode(decompress(body, &limits).unwrap(), &limits).unwrap();
        for series in request.series() {
            let labels = LabelSet::from_wire(series.labels, &LabelLimits::default()).unwrap();
            let fingerprint = labels.fingerprint().to_string();
            let of_series = series.samples.iter();
            samples.extend(of_series.map(|at| (fingerprint.clone(), at.timestamp.as_ms())));
        }
    });
    assert_eq!(gaps, 0, "gaps in the journal");
    samples
}
