//! A real Alertmanager, and the alerts it knows of.

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;

use jiff::Timestamp;
use serde::Deserialize;

use crate::http;
use crate::peers::command;
use crate::process::Process;

/// An alert as `GET /api/v2/alerts` shows it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Alert {
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) annotations: BTreeMap<String, String>,
    #[serde(rename = "startsAt", deserialize_with = "timestamp")]
    pub(crate) starts_at: Timestamp,
    #[serde(rename = "endsAt", deserialize_with = "timestamp")]
    pub(crate) ends_at: Timestamp,
    /// When it was told of the alert last.
    #[serde(rename = "updatedAt", deserialize_with = "timestamp")]
    pub(crate) updated_at: Timestamp,
    #[serde(rename = "generatorURL")]
    pub(crate) generator_url: String,
}

impl Alert {
    /// The value of a label, empty if it has none of that name.
    pub(crate) fn label(&self, name: &str) -> &str {
        self.labels.get(name).map_or("", String::as_str)
    }
}

fn timestamp<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
    String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
}

/// Debian's Alertmanager, telling nobody.
pub(crate) struct Alertmanager {
    address: SocketAddr,
    _process: Process,
}

impl Alertmanager {
    /// Starts it on a free port and waits until it is ready.
    pub(crate) fn start(dir: &Path) -> Self {
        Self::start_at(&dir.join("alertmanager"), SocketAddr::from(([127, 0, 0, 1], 0)))
    }

    /// Starts it at `listen`, with its data in the new folder `dir`, and waits until it is ready.
    pub(crate) fn start_at(dir: &Path, listen: SocketAddr) -> Self {
        fs::create_dir(dir).unwrap();
        let configuration = "route: { receiver: nobody }\nreceivers: [ { name: nobody } ]\n";
        fs::write(dir.join("alertmanager.yml"), configuration).unwrap();
        let mut process = Process::start(
            "alertmanager",
            dir,
            command("prometheus-alertmanager").current_dir(dir).args([
                "--config.file=alertmanager.yml",
                "--storage.path=data",
                &format!("--web.listen-address={listen}"),
                "--cluster.listen-address=",
            ]),
        );
        let address = process.listening_address();
        process.until_ready(address);
        Self { address, _process: process }
    }

    /// Its base URL.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The alerts of `job` that are firing; Alertmanager leaves out what is resolved.
    pub(crate) fn alerts(&self, job: &str) -> Vec<Alert> {
        self.get(&format!("/api/v2/alerts?filter=job%3D%22{job}%22"))
    }

    /// All alerts that are firing.
    pub(crate) fn all_alerts(&self) -> Vec<Alert> {
        self.get("/api/v2/alerts")
    }

    fn get(&self, path: &str) -> Vec<Alert> {
        let answer = http::get(self.address, path).unwrap();
        assert_eq!(answer.status, 200, "{}", answer.body);
        serde_json::from_str(&answer.body).unwrap()
    }
}
