//! History from servers that people have: what a replay reads from them is what was written to them.

use std::fmt::Write as _;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use bellwether_series::{LabelSet, Timestamp};
use bellwether_wire::remote_write::{RawSample, WriteRequestBuilder, compress};
use serde_json::Value;

use crate::http;
use crate::peers::{Prometheus, VictoriaMetrics};
use crate::poll::{seconds, until};

const STEP_MS: i64 = 10_000;
const SAMPLES: i64 = 300;

/// Fifty minutes of three series, one of which breaks.
struct History {
    start_ms: i64,
}

impl History {
    /// One that is just over: Prometheus takes nothing that is older than an hour.
    fn new() -> Self {
        let now = jiff::Timestamp::now().as_millisecond();
        Self { start_ms: now / STEP_MS * STEP_MS - (SAMPLES + 2) * STEP_MS }
    }

    fn end_ms(&self) -> i64 {
        self.start_ms + (SAMPLES - 1) * STEP_MS + 1
    }

    fn series(&self) -> Vec<(LabelSet, Vec<RawSample>)> {
        let series = [("queue_depth", "a"), ("queue_depth", "b"), ("requests_total", "a")];
        let one = |(number, (metric, host)): (i64, (&str, &str))| {
            let labels =
                LabelSet::from_pairs([("__name__", metric), ("job", "line"), ("host", host)]);
            let mut sum = 0.0;
            let sample = |index: i64| {
                // Few digits: VictoriaMetrics keeps fifteen of them.
                let noise = (((index + 13 * number) * 7919) % 101) as f64 / 8.0;
                let is_broken = number == 0 && (240..275).contains(&index);
                let value = if is_broken { 900.0 + noise } else { 100.0 + noise };
                sum += value;
                RawSample {
                    timestamp: Timestamp::from_ms(self.start_ms + index * STEP_MS),
                    value: if metric == "requests_total" { sum } else { value },
                }
            };
            (labels.unwrap(), (0..SAMPLES).map(sample).collect())
        };
        (0..).zip(series).map(one).collect()
    }

    fn write_to(&self, store: SocketAddr) {
        let mut builder = WriteRequestBuilder::default();
        for (labels, samples) in self.series() {
            builder.series(&labels, &samples);
        }
        let body = compress(&builder.encode());
        let answer = http::post_remote_write(store, "/api/v1/write", &body).unwrap();
        assert!((200..300).contains(&answer.status), "{answer:?}");
    }

    /// The same as a file, which other tests hold to be read as it should be.
    fn file(&self, folder: &Path) -> PathBuf {
        let mut lines = String::new();
        for (labels, samples) in self.series() {
            for RawSample { timestamp, value } in samples {
                let line = serde_json::json!({
                    "metric": labels.to_string(), "timestamp": timestamp.as_ms(), "value": value
                });
                writeln!(lines, "{line}").unwrap();
            }
        }
        let path = folder.join("history.jsonl");
        fs::write(&path, lines).unwrap();
        path
    }
}

/// What a replay of `arguments` gives: events, scores, summary and what it said.
fn replay(output: &Path, arguments: &[&str]) -> (String, Vec<u8>, Value, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bellwether"));
    let done =
        command.arg("replay").args(arguments).args(["--scores", "--output"]).arg(output).output();
    let done = done.unwrap();
    let said = String::from_utf8_lossy(&done.stderr).into_owned();
    assert!(done.status.success(), "{arguments:?}: {said}");
    let read = |name: &str| fs::read(output.join(name)).unwrap();
    let events = String::from_utf8(read("events.jsonl")).unwrap();
    (events, read("scores.parquet"), serde_json::from_slice(&read("summary.json")).unwrap(), said)
}

/// Replays what each store has, in each way, beside the file with the same.
fn check(history: &History, dir: &Path, store: SocketAddr, ways: &[(&[&str], &str)]) {
    let file = history.file(dir);
    let (events, scores, _, _) = replay(&dir.join("of-file"), &[file.to_str().unwrap()]);
    assert!(events.lines().any(|event| event.contains("\"firing\"")), "{events}");
    let (start, end) = (history.start_ms, history.end_ms());
    let time = |ms| jiff::Timestamp::from_millisecond(ms).unwrap().to_string();
    let (url, start, end) = (format!("http://{store}"), time(start), time(end));
    for (index, (options, expected)) in ways.iter().enumerate() {
        let both = ["{host=\"a\",job=\"line\"}", "{job=~\"l.ne\",__name__=\"queue_depth\"}"];
        let asked = [
            &[&*url, "--start", &start, "--end", &end, "--match", both[0], "--match", both[1]],
            *options,
        ];
        let (found, judged, summary, said) =
            replay(&dir.join(format!("of-server-{index}")), &asked.concat());
        assert!(said.contains(expected), "{said}");
        assert_eq!(summary["read"]["samples"], 3 * SAMPLES, "{options:?}: {summary:#}");
        assert_eq!(summary["inputs"][0]["path"], url);
        assert_eq!(found, events, "{options:?}");
        assert!(judged == scores, "{options:?}");
    }
}

#[test]
fn a_replay_of_prometheus_is_that_of_the_samples_that_it_was_given() {
    let dir = tempfile::tempdir().unwrap();
    let history = History::new();
    // It writes to nobody, and takes samples while it scrapes itself.
    let prometheus = Prometheus::start(dir.path(), &[], "http://127.0.0.1:9/api/v1/write");
    history.write_to(prometheus.address());
    let small: &[&str] = &["--answer-memory", "1"];
    check(
        &history,
        dir.path(),
        prometheus.address(),
        &[
            (&[], "(server): samples by remote read"),
            (small, "(server): samples by remote read"),
            (&["--step", "10s"], "(server): values by query_range, every 10 s"),
        ],
    );
}

#[test]
fn what_prometheus_scraped_comes_whole_with_its_stale_markers() {
    let dir = tempfile::tempdir().unwrap();
    let prometheus = Prometheus::start(dir.path(), &[], "http://127.0.0.1:9/api/v1/write");
    let address = prometheus.address();
    let count = || {
        let path = "/api/v1/query?query=count_over_time(up%5B1h%5D)";
        let answer: Value = serde_json::from_str(&http::get(address, path).unwrap().body).unwrap();
        answer["data"]["result"][0]["value"][1].as_str()?.parse::<u64>().ok()
    };
    until(seconds(60), "some scrapes", || count().filter(|&count| count >= 5));
    // The end lies before what is still to be scraped.
    let end = jiff::Timestamp::now();
    let ms = end.as_millisecond();
    let path = format!(
        "/api/v1/query?query=count_over_time(up%5B1h%5D)&time={}.{:03}",
        ms / 1000,
        ms % 1000
    );
    let answer: Value = serde_json::from_str(&http::get(address, &path).unwrap().body).unwrap();
    let counted: u64 = answer["data"]["result"][0]["value"][1].as_str().unwrap().parse().unwrap();
    let url = format!("http://{address}");
    let start = (end - jiff::SignedDuration::from_hours(1)).to_string();
    let end = jiff::Timestamp::from_millisecond(ms + 1).unwrap().to_string();
    let asked = ["--match", "up", "--start", &start, "--end", &end];
    let (_, _, summary, _) = replay(&dir.path().join("up"), &[&[&*url], &asked[..]].concat());
    assert_eq!(summary["read"]["samples"], counted, "{summary:#}");
    assert_eq!(summary["series"], 1);
    // All of them, hundreds of series with histograms and counters.
    let asked = ["--start", &start, "--end", &end];
    let (_, _, summary, _) = replay(&dir.path().join("all"), &[&[&*url], &asked[..]].concat());
    assert!(summary["series"].as_u64().unwrap() > 100, "{summary:#}");
    assert_eq!(summary["refused_samples"], serde_json::json!({}));
}

#[test]
fn a_replay_of_victoria_metrics_is_that_of_the_samples_that_it_was_given() {
    let dir = tempfile::tempdir().unwrap();
    let history = History::new();
    let victoria_metrics = VictoriaMetrics::start(dir.path());
    let store = victoria_metrics.address();
    history.write_to(store);
    until(seconds(30), "the samples to be found", || {
        let path = "/api/v1/query?query=count(count_over_time(%7Bjob=%22line%22%7D%5B1h%5D))";
        let answer: Value = serde_json::from_str(&http::get(store, path).unwrap().body).unwrap();
        (answer["data"]["result"][0]["value"][1] == "3").then_some(())
    });
    let expected = "(server): values by query_range, every 10 s";
    check(&history, dir.path(), store, &[(&["--step", "10s"], expected)]);
    let time = |ms| jiff::Timestamp::from_millisecond(ms).unwrap().to_string();
    let (start, end) = (time(history.start_ms), time(history.end_ms()));
    let url = format!("http://{store}");
    let asked = [&*url, "--match", "queue_depth", "--start", &start, "--end", &end];
    let (_, _, _, said) = replay(&dir.path().join("fallback"), &asked);
    assert!(said.contains("(server): values by query_range, every 60 s"), "{said}");
}
