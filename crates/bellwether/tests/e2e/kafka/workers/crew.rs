//! The workers of a group.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::super::Broker;
use super::super::records::Clients;
use super::PATIENCE;
use crate::bellwether::Bellwether;
use crate::exposition::total;
use crate::http;
use crate::poll::{seconds, until};

/// The workers of a group.
pub(in super::super) struct Crew<'b> {
    dir: PathBuf,
    broker: &'b Broker,
    group: &'static str,
    events: &'static str,
    transactions: bool,
    /// Of the sink of events, as the configuration has them.
    properties: &'static str,
    /// As the configuration has them.
    alertmanagers: String,
    /// As the configuration has it.
    store: String,
    workers: Vec<Bellwether>,
    joined: usize,
}

impl<'b> Crew<'b> {
    /// Nobody yet. They keep checkpoints in `dir` and tell events to the topic `events`.
    pub(in super::super) fn new(
        dir: &Path,
        broker: &'b Broker,
        group: &'static str,
        events: &'static str,
    ) -> Self {
        Self {
            dir: dir.to_owned(),
            broker,
            group,
            events,
            transactions: false,
            properties: "{}",
            alertmanagers: String::new(),
            store: format!("\"file://{}\"", dir.join("store").display()),
            workers: Vec::new(),
            joined: 0,
        }
    }

    /// The same, whose workers commit events together with offsets.
    pub(super) fn with_transactions(self) -> Self {
        Self { transactions: true, ..self }
    }

    /// The same, whose sink of events has these `properties`.
    pub(super) fn with_properties(self, properties: &'static str) -> Self {
        Self { properties, ..self }
    }

    /// The same, which tells the Alertmanager at `url` as well.
    pub(in super::super) fn with_alertmanager(self, url: &str) -> Self {
        Self { alertmanagers: format!("{{ url: \"{url}\" }}"), ..self }
    }

    /// The same, whose checkpoints are in `store`, as the configuration has it.
    pub(in super::super) fn with_store(self, store: &str) -> Self {
        Self { store: store.to_owned(), ..self }
    }

    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    /// Another worker joins.
    pub(in super::super) fn join(&mut self) {
        self.join_through(&self.broker.address());
    }

    /// Another worker joins, which reaches the broker at `address`.
    pub(super) fn join_through(&mut self, address: &str) {
        let dir = self.dir.join(format!("{}-{}", self.group, self.joined));
        self.joined += 1;
        fs::create_dir(&dir).unwrap();
        let configuration = include_str!("../workers.yml")
            .replace("BROKER", address)
            .replace("GROUP", self.group)
            .replace("STORE", &self.store)
            .replace("EVENTS", self.events)
            .replace("TRANSACTIONS", &self.transactions.to_string())
            .replace("PROPERTIES", self.properties)
            .replace("ALERTMANAGERS", &self.alertmanagers);
        self.workers.push(Bellwether::configured(&dir, &configuration));
    }

    /// One of them is killed.
    pub(in super::super) fn kill(&mut self, which: usize) {
        let which = which % self.workers.len();
        self.workers.remove(which).kill();
    }

    /// One of them leaves.
    pub(super) fn leave(&mut self, which: usize) {
        let which = which % self.workers.len();
        assert!(self.workers.remove(which).terminate(seconds(15)).success());
    }

    /// All of them leave.
    pub(in super::super) fn leave_all(&mut self) {
        while !self.workers.is_empty() {
            self.leave(0);
        }
    }

    /// Sends a signal to one of them.
    pub(super) fn signal(&self, which: usize, name: &str) {
        self.workers[which].signal(name);
    }

    pub(super) fn metrics_of(&self, which: usize) -> String {
        self.workers[which].metrics()
    }

    pub(in super::super) fn metrics(&self) -> Vec<String> {
        self.workers.iter().map(Bellwether::metrics).collect()
    }

    /// How often each series is shown by some worker, by its labels.
    pub(super) fn series(&self) -> BTreeMap<String, usize> {
        let mut shown = BTreeMap::new();
        for worker in &self.workers {
            let answer = http::get(worker.address(), "/api/v1/series?limit=10000").unwrap();
            let answer: Value = serde_json::from_str(&answer.body).unwrap();
            for series in answer["series"].as_array().unwrap() {
                *shown.entry(series["labels"].to_string()).or_default() += 1;
            }
        }
        shown
    }

    /// Waits until each has so many partitions.
    pub(in super::super) fn until_each_has(&self, partitions: i32) {
        until(PATIENCE, "everybody to have partitions", || {
            let has = |metrics: &String| total(metrics, "bellwether_worker_partitions") as i32;
            self.metrics().iter().all(|metrics| has(metrics) >= partitions).then_some(())
        });
    }

    /// Waits until the group has taken all that there is.
    pub(in super::super) fn until_all_is_taken(
        &self,
        clients: &Clients,
        partitions: i32,
        limit: Duration,
    ) {
        until(limit, "all records to be taken", || {
            let all = (0..partitions).all(|partition| {
                let end = clients.end_of("metrics", partition);
                end == 0 || clients.committed(self.group, "metrics", partition) == Some(end)
            });
            all.then_some(())
        });
    }

    /// Watches for `time` how partitions get on.
    pub(super) fn watch(&self, pauses: &mut Pauses, time: Duration) {
        let ended = Instant::now() + time;
        while Instant::now() < ended {
            for metrics in self.metrics() {
                for (labels, next) in labelled(&metrics, "bellwether_kafka_next_offset") {
                    pauses.seen(labels, next as i64);
                }
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

/// The series of the gauge `name`: labels and value.
fn labelled(text: &str, name: &str) -> Vec<(String, f64)> {
    let series = text.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix('{'));
    let parsed = series.filter_map(|line| {
        let (labels, value) = line.rsplit_once("} ")?;
        Some((labels.to_owned(), value.parse().ok()?))
    });
    parsed.collect()
}

/// How long each partition did not get on, at each change of hands.
#[derive(Default)]
pub(super) struct Pauses {
    /// By partition how far it was, and since when.
    at: BTreeMap<String, (i64, Instant)>,
    now: BTreeMap<String, Duration>,
    all: Vec<Duration>,
}

impl Pauses {
    fn seen(&mut self, partition: String, next: i64) {
        let now = Instant::now();
        let (known, since) = self.at.entry(partition.clone()).or_insert((next, now));
        let longest = self.now.entry(partition).or_default();
        *longest = (*longest).max(now - *since);
        if next > *known {
            (*known, *since) = (next, now);
        }
    }

    /// What is seen from now on belongs to the next change. A pause that has not ended lasts until now: whoever has no worker is
    /// seen by nobody.
    pub(super) fn next_change(&mut self) {
        for (partition, (_, since)) in &self.at {
            let longest = self.now.entry(partition.clone()).or_default();
            *longest = (*longest).max(since.elapsed());
        }
        self.all.extend(std::mem::take(&mut self.now).into_values());
    }

    pub(super) fn p99(&self) -> Duration {
        self.quantile(0.99)
    }

    fn quantile(&self, share: f64) -> Duration {
        let mut all = self.all.clone();
        all.sort_unstable();
        all[((all.len() as f64 * share).ceil() as usize).clamp(1, all.len()) - 1]
    }
}

impl fmt::Debug for Pauses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [p50, p99] = [0.5, 0.99].map(|share| self.quantile(share));
        write!(f, "p50 {p50:.1?}, p99 {p99:.1?} of {}", self.all.len())
    }
}
