//! Checkpoints of workers in a bucket, behind a server that speaks S3's protocol.
//!
//! The server is moto, by the command that `BELLWETHER_MOTO` names; `.ci/moto` fetches it. It forgets everything when it ends.

use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use bellwether_connect::objects::{ObjectStoreOptions, StoredObjects};
use bellwether_runtime::cells::Objects;

use super::broker::free_address;
use super::workers::crew::Crew;
use super::workers::feed::Feed;
use super::workers::{PARTITIONS, broker, holds};
use crate::exposition::total;
use crate::http;
use crate::poll::{seconds, until};
use crate::process::Process;

const BUCKET: &str = "bellwether";

/// A running server, with an empty bucket.
struct Moto {
    address: SocketAddr,
    _process: Process,
}

impl Moto {
    fn start(dir: &Path) -> Self {
        let server = env::var("BELLWETHER_MOTO").expect("BELLWETHER_MOTO names it: `.ci/moto`");
        let address = free_address();
        let mut command = Command::new(server);
        command.args(["-H", "127.0.0.1", "-p", &address.port().to_string()]);
        let mut process = Process::start("moto", dir, &mut command);
        process.until("a bucket", |_| {
            let head = format!("PUT /{BUCKET} HTTP/1.0\r\nContent-Length: 0\r\n");
            http::exchange(address, &head, &[]).is_ok_and(|made| made.status == 200).then_some(())
        });
        Self { address, _process: process }
    }

    /// How it is reached.
    fn properties(&self) -> [(&'static str, String); 5] {
        [
            ("aws_endpoint", format!("http://{}", self.address)),
            ("aws_region", "us-east-1".to_owned()),
            ("aws_access_key_id", "anybody".to_owned()),
            ("aws_secret_access_key", "anything".to_owned()),
            ("allow_http", "true".to_owned()),
        ]
    }

    /// The store of the workers that share `prefix`.
    fn store(&self, prefix: &str, runtime: &tokio::runtime::Runtime) -> StoredObjects {
        let properties = self.properties().map(|(name, value)| (name.to_owned(), value.into()));
        let options = ObjectStoreOptions {
            url: format!("s3://{BUCKET}/{prefix}"),
            properties: BTreeMap::from(properties),
        };
        StoredObjects::open(&options, runtime.handle().clone()).unwrap()
    }

    /// As the configuration has it.
    fn yaml(&self, prefix: &str) -> String {
        let properties = self.properties().map(|(name, value)| format!("{name}: \"{value}\""));
        format!("\"s3://{BUCKET}/{prefix}\", properties: {{ {} }}", properties.join(", "))
    }
}

fn runtime() -> tokio::runtime::Runtime {
    rustls::crypto::ring::default_provider().install_default().ok();
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
}

#[test]
fn a_bucket_keeps_what_was_created_and_creates_nothing_twice() {
    let dir = tempfile::tempdir().unwrap();
    let moto = Moto::start(dir.path());
    let runtime = runtime();
    let objects = moto.store("some/prefix", &runtime);
    let (folder, claim) = ("group/metrics/0", "group/metrics/0/claim-1");
    assert_eq!(objects.list(folder).unwrap(), Vec::<String>::new());
    assert_eq!(objects.get(claim).unwrap(), None);
    assert!(objects.create(claim, b"first").unwrap());
    assert!(!objects.create(claim, b"second").unwrap(), "there is one");
    assert_eq!(objects.get(claim).unwrap().as_deref(), Some(&b"first"[..]));
    // Another partition, whose name begins like this one's, and another group of workers.
    assert!(objects.create("group/metrics/01/claim-1", b"").unwrap());
    assert!(moto.store("some", &runtime).create(claim, b"theirs").unwrap());
    assert_eq!(objects.list(folder).unwrap(), ["claim-1"]);
    // As large as the checkpoint of a large partition.
    let large = vec![7; 64 << 20];
    assert!(objects.create("group/metrics/0/checkpoint-1", &large).unwrap());
    assert!(objects.get("group/metrics/0/checkpoint-1").unwrap() == Some(large));
    let listed = BTreeSet::from_iter(objects.list(folder).unwrap());
    assert_eq!(listed, BTreeSet::from(["checkpoint-1", "claim-1"].map(str::to_owned)));
    for _ in 0..2 {
        objects.remove(claim).unwrap();
    }
    assert_eq!(objects.get(claim).unwrap(), None);
    assert!(objects.create(claim, b"again").unwrap());
}

#[test]
fn more_objects_than_one_answer_lists_are_all_listed() {
    let dir = tempfile::tempdir().unwrap();
    let moto = Moto::start(dir.path());
    let runtime = runtime();
    let objects = moto.store("some/prefix", &runtime);
    // S3 lists a thousand at a time.
    let names: BTreeSet<String> = (0..1_100).map(|number| format!("claim-{number:010}")).collect();
    for name in &names {
        assert!(objects.create(&format!("group/metrics/0/{name}"), b"").unwrap());
    }
    assert_eq!(BTreeSet::from_iter(objects.list("group/metrics/0").unwrap()), names);
}

#[test]
fn partitions_go_from_worker_to_worker_by_way_of_a_bucket() {
    let dir = tempfile::tempdir().unwrap();
    let (broker, clients) = broker(dir.path());
    let moto = Moto::start(dir.path());
    let crew = Crew::new(dir.path(), &broker, "crew", "events");
    let mut crew = crew.with_store(&moto.yaml("workers"));
    crew.join();
    crew.until_each_has(PARTITIONS);
    let feed = Feed::start(&broker, PARTITIONS, 1_000, seconds(20));
    let made = |crew: &Crew<'_>| {
        let made = |metrics: &String| total(metrics, "bellwether_worker_checkpoints_total") as i32;
        crew.metrics().iter().map(made).sum::<i32>()
    };
    until(seconds(60), "checkpoints", || (made(&crew) >= PARTITIONS).then_some(()));
    // One that joins is handed half of the partitions, and goes on where the other one was.
    crew.join();
    crew.until_each_has(PARTITIONS / 2);
    // One that is killed leaves its last checkpoints behind.
    crew.kill(0);
    crew.until_each_has(PARTITIONS);
    feed.finish();
    crew.until_all_is_taken(&clients, PARTITIONS, seconds(60));
    crew.leave_all();

    let runtime = runtime();
    let store = moto.store("workers", &runtime);
    for partition in 0..PARTITIONS {
        let names = store.list(&format!("crew/metrics/{partition}")).unwrap();
        let of = |kind: &str| names.iter().filter(|name| name.starts_with(kind)).count();
        assert!((1..=2).contains(&of("checkpoint-")) && of("claim-") > 0, "{names:?}");
    }
    let events = holds(&crew, &broker, &clients);
    println!("through a bucket: {events} events, lost 0, doubled 0");
}
