//! The real servers around bellwether: Prometheus, node exporter, promtool.

use std::env;
use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::http;
use crate::process::Process;

/// A command of the peers: from the folder `BELLWETHER_PEERS`, or from the `PATH`.
pub(crate) fn command(name: &str) -> Command {
    let folder = env::var_os("BELLWETHER_PEERS").map(PathBuf::from).unwrap_or_default();
    Command::new(folder.join(name))
}

/// Debian's node exporter: a few hundred real series of the machine that runs the test.
pub(crate) struct NodeExporter {
    address: SocketAddr,
    _process: Process,
}

impl NodeExporter {
    /// Starts it on a free port.
    pub(crate) fn start(dir: &Path) -> Self {
        let mut process = Process::start(
            "node_exporter",
            dir,
            command("prometheus-node-exporter").args([
                "--web.listen-address=127.0.0.1:0",
                // They read what only an installed system has, and fill the log with it.
                "--no-collector.systemd",
                "--no-collector.textfile",
            ]),
        );
        Self { address: process.listening_address(), _process: process }
    }

    /// Where it is scraped.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

/// A Prometheus that scrapes every second and passes everything on.
pub(crate) struct Prometheus {
    address: SocketAddr,
    _process: Process,
}

impl Prometheus {
    /// Starts it on a free port: scrapes `targets` (job, address) and itself, writes to `remote_write`.
    pub(crate) fn start(dir: &Path, targets: &[(&str, SocketAddr)], remote_write: &str) -> Self {
        let dir = dir.join("prometheus");
        fs::create_dir(&dir).unwrap();
        fs::write(dir.join("prometheus.yml"), configuration(targets, remote_write)).unwrap();
        let mut process = Process::start(
            "prometheus",
            &dir,
            command("prometheus").current_dir(&dir).args([
                "--config.file=prometheus.yml",
                "--storage.tsdb.path=tsdb",
                "--web.listen-address=127.0.0.1:0",
                // So that it also takes derived gauges.
                "--web.enable-remote-write-receiver",
            ]),
        );
        let address = process.listening_address();
        process.until_ready(address);
        // Only now does anybody know its port, so that it finds itself through a file.
        fs::write(dir.join("self.json"), format!(r#"[{{"targets":["{address}"]}}]"#)).unwrap();
        Self { address, _process: process }
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its own metrics.
    pub(crate) fn metrics(&self) -> String {
        http::get(self.address, "/metrics").unwrap().body
    }
}

/// Debian's `VictoriaMetrics`.
pub(crate) struct VictoriaMetrics {
    address: SocketAddr,
    _process: Process,
}

impl VictoriaMetrics {
    /// Starts it on a free port.
    pub(crate) fn start(dir: &Path) -> Self {
        let address = free_address();
        let mut process = Process::start(
            "victoria-metrics",
            dir,
            command("victoria-metrics").current_dir(dir).args([
                &format!("-httpListenAddr={address}"),
                "-storageDataPath=victoria-metrics",
                // What was just written is to be found.
                "-search.latencyOffset=0s",
                "-retentionPeriod=1y",
            ]),
        );
        process.until("readiness", |_| {
            http::get(address, "/health").is_ok_and(|answer| answer.status == 200).then_some(())
        });
        Self { address, _process: process }
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

/// An address that nobody listens on; somebody may take it before it is used.
pub(crate) fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

fn configuration(targets: &[(&str, SocketAddr)], remote_write: &str) -> String {
    let mut yaml = "global: { scrape_interval: 1s, scrape_timeout: 1s }\n\
        scrape_configs:\n\
        - job_name: prometheus\n  file_sd_configs: [ { files: [self.json], refresh_interval: 1s } ]\n"
        .to_owned();
    for (job, address) in targets {
        writeln!(yaml, "- job_name: {job}\n  static_configs: [ {{ targets: ['{address}'] }} ]")
            .unwrap();
    }
    writeln!(
        yaml,
        "remote_write:\n- url: {remote_write}\n  queue_config: {{ batch_send_deadline: 1s }}"
    )
    .unwrap();
    yaml
}

/// Lets `promtool check metrics` judge an exposition.
///
/// # Panics
/// When it finds anything to say.
pub(crate) fn promtool_check_metrics(text: &str) {
    let mut promtool = command("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    promtool.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = promtool.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
