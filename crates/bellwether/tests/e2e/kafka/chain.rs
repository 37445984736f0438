//! The whole way past one machine: senders, a gateway, a topic, workers that share it, and an Alertmanager.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::broker::Broker;
use super::gateway::Gateway;
use super::records::{Clients, MINUTES};
use super::workers::crew::Crew;
use crate::alerts::Alertmanager;
use crate::poll::{seconds, until};

const PARTITIONS: i32 = 8;
/// Within the fault, and long enough for it to have rung.
const RINGING: i64 = 215;

/// Labels of what fires, and since when it does.
type Firing = BTreeMap<BTreeMap<String, String>, Timestamp>;

fn firing(alertmanager: &Alertmanager) -> Firing {
    let alerts = alertmanager.all_alerts().into_iter();
    alerts.map(|alert| (alert.labels, alert.starts_at)).collect()
}

fn instances(firing: &Firing) -> BTreeSet<&str> {
    firing.keys().map(|labels| labels["instance"].as_str()).collect()
}

#[test]
fn a_fault_comes_through_gateway_topic_and_workers_and_outlives_the_worker_that_found_it() {
    let dir = tempfile::tempdir().unwrap();
    let broker = Broker::start(dir.path());
    let clients = Clients::new(&broker);
    clients.create_topics_of(&[("metrics", PARTITIONS), ("metrics.dlq", 1), ("events", 2)]);
    let alertmanager = Alertmanager::start(dir.path());
    let crew = Crew::new(dir.path(), &broker, "crew", "events");
    let mut crew = crew.with_alertmanager(&alertmanager.url());
    for _ in 0..3 {
        crew.join();
    }
    crew.until_each_has(PARTITIONS / 3);
    let mut gateway = Gateway::start(dir.path(), &broker);
    gateway.until_ready();

    (0..RINGING).for_each(|minute| _ = gateway.send(minute));
    crew.until_all_is_taken(&clients, PARTITIONS, seconds(60));
    let rings = until(seconds(60), "the faults to ring", || {
        let firing = firing(&alertmanager);
        (instances(&firing) == BTreeSet::from(["host-0", "host-2"])).then_some(firing)
    });

    // Whoever had them: in the end everybody else has.
    for _ in 0..2 {
        crew.kill(0);
        assert_eq!(firing(&alertmanager), rings);
    }
    let killed_at = Timestamp::now();
    crew.until_each_has(PARTITIONS);
    until(seconds(90), "what fires to be told again", || {
        alertmanager.all_alerts().iter().all(|alert| alert.updated_at > killed_at).then_some(())
    });
    assert_eq!(firing(&alertmanager), rings, "what fires is what fired, since when it did");

    (RINGING..MINUTES).for_each(|minute| _ = gateway.send(minute));
    until(seconds(60), "the alerts to resolve", || firing(&alertmanager).is_empty().then_some(()));
    assert!(gateway.terminate(seconds(10)).success());
    crew.leave_all();
    let doubled: Vec<_> =
        clients.read_ids("events", 2).into_iter().filter(|(_, count)| *count > 1).collect();
    assert!(doubled.is_empty(), "in the topic twice: {doubled:?}");
}
