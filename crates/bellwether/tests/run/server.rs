//! A running `bellwether run`, and requests for it.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};

use bellwether_series::{LabelSet, Timestamp};
use bellwether_wire::remote_write::{RawSample, WriteRequestBuilder, compress};
use serde_json::Value;

use crate::exposition::total;
use crate::http::{self, Answer};
use crate::poll::{seconds, until};
use crate::process::Process;

const MINUTE_MS: i64 = 60_000;

/// The program with `bellwether.yml` and the data in `dir`, if there is a file.
pub(crate) fn command(dir: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bellwether"));
    command.current_dir(dir).args(["run", "--listen", "127.0.0.1:0", "--data-dir", "data"]);
    if dir.join("bellwether.yml").exists() {
        command.args(["--config", "bellwether.yml"]);
    }
    command
}

/// Where the process with its data in `dir` listens, once it does.
pub(crate) fn address(dir: &Path) -> Option<SocketAddr> {
    fs::read_to_string(dir.join("data/listen.addr")).ok()?.trim().parse().ok()
}

/// Sends a remote write body.
pub(crate) fn write(address: SocketAddr, body: &[u8]) -> Answer {
    http::post_remote_write(address, "/api/v1/write", body).unwrap()
}

/// The body of a request with one series, a sample a minute up to now.
pub(crate) fn samples(metric: &str, values: &[f64]) -> Vec<u8> {
    let labels = LabelSet::from_pairs([("__name__", metric), ("job", "test")]).unwrap();
    let start = jiff::Timestamp::now().as_millisecond() - values.len() as i64 * MINUTE_MS;
    let at = |index: usize| Timestamp::from_ms(start + index as i64 * MINUTE_MS);
    let samples: Vec<RawSample> = values
        .iter()
        .enumerate()
        .map(|(index, &value)| RawSample { timestamp: at(index), value })
        .collect();
    let mut builder = WriteRequestBuilder::default();
    builder.series(&labels, &samples);
    compress(&builder.encode())
}

/// So many values around 100, with noise that repeats only after a long time.
pub(crate) fn steady(count: usize) -> Vec<f64> {
    (0..count).map(|index| 100.0 + ((index * 7919) % 101) as f64 / 10.0).collect()
}

/// A running server; it is killed when dropped.
pub(crate) struct Server {
    address: SocketAddr,
    config: PathBuf,
    process: Process,
}

impl Server {
    /// Starts it with `config` as its configuration file, or with none if that is empty.
    pub(crate) fn start(dir: &Path, config: &str) -> Self {
        let file = dir.join("bellwether.yml");
        if !config.is_empty() {
            fs::write(&file, config).unwrap();
        }
        // One that was killed leaves it behind.
        _ = fs::remove_file(dir.join("data/listen.addr"));
        let mut process = Process::start("bellwether", dir, &mut command(dir));
        let address = process.until("its address", |_| address(dir));
        process.until_ready(address);
        Self { address, config: file, process }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    pub(crate) fn configure(&self, config: &str) {
        fs::write(&self.config, config).unwrap();
    }

    pub(crate) fn reload(&self) -> Answer {
        http::post_remote_write(self.address, "/-/reload", &[]).unwrap()
    }

    pub(crate) fn signal(&self, name: &str) {
        self.process.signal(name);
    }

    pub(crate) fn write(&self, body: &[u8]) {
        let answer = write(self.address, body);
        assert_eq!(answer.status, 204, "{}", answer.body);
    }

    /// Waits until the engine is done with so many requests.
    pub(crate) fn until_decided(&self, requests: u32) {
        until(seconds(20), "the decisions", || {
            let decided = total(&self.metrics(), "bellwether_decision_latency_seconds_count");
            (decided > f64::from(requests) - 0.5).then_some(())
        });
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        http::get(self.address, path).unwrap()
    }

    /// The answer to a request with `head`, whose lines all end, and no body.
    pub(crate) fn request(&self, head: &str) -> Answer {
        http::exchange(self.address, head, &[]).unwrap()
    }

    /// The answer to a request with `head`, whose lines all end, and `body`.
    pub(crate) fn exchange(&self, head: &str, body: &[u8]) -> Answer {
        http::exchange(self.address, head, body).unwrap()
    }

    pub(crate) fn json(&self, path: &str) -> Value {
        let answer = self.get(path);
        assert_eq!(answer.status, 200, "{}", answer.body);
        serde_json::from_str(&answer.body).unwrap()
    }

    pub(crate) fn metrics(&self) -> String {
        self.get("/metrics").body
    }

    pub(crate) fn log(&self) -> String {
        self.process.log()
    }

    pub(crate) fn terminate(&mut self) -> ExitStatus {
        self.process.terminate(seconds(10))
    }
}
