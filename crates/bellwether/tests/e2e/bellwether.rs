//! The program under test, as a user runs it: its binary with a configuration file.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, ExitStatus};
use std::time::Duration;

use crate::http;
use crate::process::Process;

/// A running `bellwether run`.
pub(crate) struct Bellwether {
    address: SocketAddr,
    process: Process,
}

impl Bellwether {
    /// Starts it on a free port, with its data in `dir`, and waits until it is ready.
    pub(crate) fn start(dir: &Path, alertmanager: &str) -> Self {
        Self::configured(dir, &include_str!("bellwether.yml").replace("ALERTMANAGER", alertmanager))
    }

    /// Starts it with `configuration`, with its data in `dir`, and waits until it is ready.
    pub(crate) fn configured(dir: &Path, configuration: &str) -> Self {
        let dir = dir.join("bellwether");
        fs::create_dir(&dir).unwrap();
        fs::write(dir.join("bellwether.yml"), configuration).unwrap();
        Self::run(&dir)
    }

    /// Starts it again with what it was started with in `dir`, and waits until it is ready.
    #[cfg(feature = "kafka")]
    pub(crate) fn again(dir: &Path) -> Self {
        let dir = dir.join("bellwether");
        // What it left when it was killed says nothing.
        fs::remove_file(dir.join("bellwether-data/listen.addr")).ok();
        Self::run(&dir)
    }

    fn run(dir: &Path) -> Self {
        let mut process = Process::start(
            "bellwether",
            dir,
            Command::new(env!("CARGO_BIN_EXE_bellwether")).current_dir(dir).args([
                "run",
                "--config",
                "bellwether.yml",
            ]),
        );
        let address_file = dir.join("bellwether-data/listen.addr");
        let address = process
            .until("its address", |_| fs::read_to_string(&address_file).ok()?.trim().parse().ok());
        process.until_ready(address);
        Self { address, process }
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its own metrics.
    pub(crate) fn metrics(&self) -> String {
        let answer = http::get(self.address, "/metrics").unwrap();
        assert_eq!(answer.status, 200, "{}", answer.body);
        answer.body
    }

    /// Sends it the signal called `name`.
    #[cfg(feature = "kafka")]
    pub(crate) fn signal(&self, name: &str) {
        self.process.signal(name);
    }

    /// Ends it at once.
    #[cfg(feature = "kafka")]
    pub(crate) fn kill(self) {
        drop(self.process);
    }

    /// Asks it to end and waits for it, at most for `limit`.
    pub(crate) fn terminate(&mut self, limit: Duration) -> ExitStatus {
        self.process.terminate(limit)
    }
}
