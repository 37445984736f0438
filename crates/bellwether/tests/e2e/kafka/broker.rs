//! A real Apache Kafka: one process that is broker and controller, and needs no other.

use std::env;
use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;

use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};

use super::gate::Gate;
use crate::poll::seconds;
use crate::process::Process;

/// One cluster's id is as good as another's.
const CLUSTER_ID: &str = "MkU3OEVBNTcwNTJENDM2Qg";

/// A running broker.
pub(super) struct Broker {
    address: SocketAddr,
    dir: PathBuf,
    process: Option<Process>,
}

impl Broker {
    /// Starts it on a free port with its data in `dir`, and waits until it answers.
    pub(super) fn start(dir: &Path) -> Self {
        let nobody = free_address();
        Self::start_reached_by(dir, [nobody; 2])
    }

    /// The same, which is to be reached through `gate` as well.
    pub(super) fn start_behind(dir: &Path, gate: &Gate) -> Self {
        Self::start_reached_by(dir, [gate.address(), gate.behind()])
    }

    fn start_reached_by(dir: &Path, [gate, behind]: [SocketAddr; 2]) -> Self {
        let dir = dir.join("kafka");
        fs::create_dir(&dir).unwrap();
        let [address, controller] = [(); 2].map(|()| free_address());
        let properties = include_str!("server.properties")
            .replace("BEHIND_GATE", &behind.to_string())
            .replace("GATE", &gate.to_string())
            .replace("BROKER", &address.to_string())
            .replace("CONTROLLER_ADDRESS", &controller.to_string())
            .replace("DATA", &dir.join("data").display().to_string());
        fs::write(dir.join("server.properties"), properties).unwrap();
        let formatted = java(&dir)
            .args(["kafka.tools.StorageTool", "format", "-t", CLUSTER_ID])
            .args(["-c", "server.properties"])
            .output()
            .unwrap_or_else(|error| panic!("java does not start ({error}); see `.ci/kafka`"));
        let complaint = String::from_utf8_lossy(&formatted.stderr);
        assert!(formatted.status.success(), "see `.ci/kafka`: {complaint}");
        let mut broker = Self { address, dir, process: None };
        broker.start_again();
        broker
    }

    /// Starts it with the data that it has.
    pub(super) fn start_again(&mut self) {
        let mut command = java(&self.dir);
        command.args(["-Xms128m", "-Xmx384m", "kafka.Kafka", "server.properties"]);
        let mut process = Process::start("kafka", &self.dir, &mut command);
        let client: BaseConsumer =
            ClientConfig::new().set("bootstrap.servers", self.address()).create().unwrap();
        process.until("an answer", |_| client.fetch_metadata(None, seconds(1)).ok().map(drop));
        self.process = Some(process);
    }

    /// Ends it at once.
    pub(super) fn kill(&mut self) {
        self.process = None;
    }

    /// CPU time that it has used since it was started, in seconds; 0 when it is not running.
    pub(super) fn cpu_seconds(&self) -> f64 {
        self.process.as_ref().map_or(0.0, Process::cpu_seconds)
    }

    /// `host:port`.
    pub(super) fn address(&self) -> String {
        self.address.to_string()
    }
}

/// A JVM with the jars, in `dir`.
fn java(dir: &Path) -> Command {
    let jars = env::var("BELLWETHER_KAFKA").expect("BELLWETHER_KAFKA names the jars: `.ci/kafka`");
    let mut command = Command::new("java");
    command.current_dir(dir).args([
        "-XX:+UseSerialGC",
        "-XX:TieredStopAtLevel=1",
        "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
        "-cp",
        &format!("{jars}/*"),
    ]);
    command
}

/// An address that nobody listened on a moment ago.
pub(super) fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}
