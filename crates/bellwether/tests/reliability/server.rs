//! `bellwether run` as a process that is started, killed and started again where it was.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use crate::events::Events;
use crate::exposition::total;
use crate::http;
use crate::peers::free_address;
use crate::poll::{seconds, until};
use crate::process::Process;

/// What all rows have in common: events are written, the Parquet log often, so that the memory for it is there before
/// something goes wrong; and few series are judged by the deep tier, which needs a hundred times the time.
const COMMON: &str = "sinks: { stdout: 'off', json_lines: {}, event_log: { flush_interval: 5s } }\n\
     deep: { memory_bytes_max: 8MiB }\n";

/// A budget under which all incidents of the load fire; a key of `alerting`.
pub(crate) const BUDGET: &str =
    "budget: { per_day: 1000, per_series_per_day: 2, cap_per_day: 1000000 }";

/// A server with an address and a folder of its own. A process that runs is killed when this is dropped.
pub(crate) struct Server {
    address: SocketAddr,
    folder: PathBuf,
    environment: Vec<(String, String)>,
    process: Option<Process>,
    /// Whether its newest checkpoint was damaged, and whether that of the process that runs was when it started.
    is_damaged: bool,
    began_damaged: bool,
}

impl Server {
    /// Not started yet; its data is in `folder`, which must be there. `extra` is configuration besides the common one.
    pub(crate) fn new(folder: &Path, extra: &str) -> Self {
        let address = free_address();
        let server = Self {
            address,
            folder: folder.to_owned(),
            environment: Vec::new(),
            process: None,
            is_damaged: false,
            began_damaged: false,
        };
        server.configure(extra);
        server
    }

    /// A running one in a folder `name` of `dir`.
    pub(crate) fn start_in(dir: &Path, name: &str, extra: &str) -> Self {
        let folder = dir.join(name);
        fs::create_dir(&folder).unwrap();
        let mut server = Self::new(&folder, extra);
        server.start();
        server
    }

    /// What it is configured with at its next start; without `alerting`, that is [`BUDGET`] alone.
    pub(crate) fn configure(&self, extra: &str) {
        let alerting = format!("alerting: {{ {BUDGET} }}\n");
        let alerting = if extra.contains("alerting:") { "" } else { &alerting };
        let configuration = format!("{COMMON}{alerting}{extra}\n");
        fs::write(self.folder.join("bellwether.yml"), configuration).unwrap();
    }

    /// Sets a variable of the environment of its next start.
    pub(crate) fn set_environment(&mut self, name: &str, value: &str) {
        self.environment.push((name.to_owned(), value.to_owned()));
    }

    /// Starts the process and waits until it is ready; says how long that took.
    pub(crate) fn start(&mut self) -> Duration {
        let started = Instant::now();
        let mut process = Process::start(
            "bellwether",
            &self.folder,
            Command::new(env!("CARGO_BIN_EXE_bellwether"))
                .current_dir(&self.folder)
                .envs(self.environment.iter().map(|(name, value)| (name, value)))
                .args(["run", "--config", "bellwether.yml", "--data-dir", "data"])
                .args(["--listen", &self.address.to_string()]),
        );
        let address = self.address;
        process.until("readiness", |_| is_ready(address).then_some(()));
        self.process = Some(process);
        self.began_damaged = std::mem::take(&mut self.is_damaged);
        started.elapsed()
    }

    /// Flips a bit of the newest checkpoint, while no process runs: which one follows from `random`.
    pub(crate) fn damage_newest_checkpoint(&mut self, random: u64) {
        let file = format!("checkpoint/{:020}.checkpoint", self.generation());
        let path = self.data().join(file);
        let mut bytes = fs::read(&path).unwrap();
        let at = (random >> 3) as usize % bytes.len();
        bytes[at] ^= 1 << (random % 8);
        fs::write(&path, bytes).unwrap();
        self.is_damaged = true;
    }

    /// That it has named a checkpoint as not valid if one was damaged, and else none.
    fn assert_told(&self, process: &Process) {
        let log = process.log();
        assert_eq!(log.contains("checkpoint is not valid"), self.began_damaged, "{log}");
    }

    /// `kill -9`; the process is gone when this returns.
    pub(crate) fn kill(&mut self) {
        let process = self.process.take().unwrap();
        self.assert_told(&process);
        drop(process);
    }

    /// Ends it as a user does; says how long that took.
    ///
    /// # Panics
    /// When that takes more than ten seconds, or it ends otherwise than well.
    pub(crate) fn stop(&mut self) -> Duration {
        let started = Instant::now();
        let mut process = self.process.take().unwrap();
        let status = process.terminate(seconds(10));
        assert!(status.success(), "{status}");
        let took = started.elapsed();
        self.assert_told(&process);
        took
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Whether it says that it is ready.
    pub(crate) fn is_ready(&self) -> bool {
        is_ready(self.address)
    }

    /// Its data.
    pub(crate) fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// The newest line of its log that has `text`, since it was started.
    pub(crate) fn logged(&self, text: &str) -> Option<String> {
        let log = self.process.as_ref().unwrap().log();
        log.lines().rev().find(|line| line.contains(text)).map(str::to_owned)
    }

    /// The sum of the metric `name` over its labels.
    pub(crate) fn total(&self, name: &str) -> f64 {
        total(&http::get(self.address, "/metrics").unwrap().body, name)
    }

    /// Its resident memory in bytes.
    pub(crate) fn resident_bytes(&self) -> u64 {
        self.total("process_resident_memory_bytes") as u64
    }

    /// Waits until everything that was taken has been judged.
    pub(crate) fn until_judged(&self) {
        until(seconds(120), "everything to be judged", || {
            let taken = self.total("bellwether_records_total");
            let text = http::get(self.address, "/metrics").unwrap().body;
            let queued = total(&text, "bellwether_queue_depth");
            (queued < 0.5 && (total(&text, "bellwether_records_total") - taken).abs() < 0.5)
                .then_some(())
        });
    }

    /// The events that it has written.
    pub(crate) fn events(&self) -> Events {
        Events::read(&self.data().join("events.jsonl"))
    }

    /// Replays its journal in all ways that must not matter, and compares with the events that it has written.
    ///
    /// # Panics
    /// When anything differs.
    pub(crate) fn verify(&self) {
        let verified = Command::new(env!("CARGO_BIN_EXE_bellwether"))
            .current_dir(&self.folder)
            .args(["replay", "--verify", "data", "--events", "data/events"])
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&verified.stdout);
        println!("{said}");
        assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stderr));
    }

    /// Reads the configuration again; the status of the answer.
    pub(crate) fn reload(&self) -> u16 {
        let head = "POST /-/reload HTTP/1.0\r\nContent-Length: 0\r\n";
        http::exchange(self.address, head, &[]).unwrap().status
    }

    /// Whether a checkpoint is being written at this moment.
    pub(crate) fn is_checkpointing(&self) -> bool {
        self.checkpoints().iter().any(|name| name.strip_suffix(".tmp").is_some())
    }

    /// Number of the newest checkpoint, 0 before the first.
    pub(crate) fn generation(&self) -> u64 {
        let numbers = self.checkpoints().into_iter();
        numbers.filter_map(|name| name.strip_suffix(".checkpoint")?.parse().ok()).max().unwrap_or(0)
    }

    fn checkpoints(&self) -> Vec<String> {
        let entries = fs::read_dir(self.data().join("checkpoint"));
        let names = entries.into_iter().flatten().filter_map(Result::ok);
        names.filter_map(|entry| entry.file_name().into_string().ok()).collect()
    }
}

fn is_ready(address: SocketAddr) -> bool {
    http::get(address, "/ready").is_ok_and(|answer| answer.status == 200)
}
