//! Whoever reads the topic of events sees each once, whenever the process is killed: without transactions, and with events and
//! offsets that are committed together.

use std::collections::BTreeMap;

use bellwether_connect::kafka::Cluster;
use bellwether_connect::sink::kafka::{EventKey, KafkaEvents, KafkaEventsOptions};
use bellwether_detect::Severity;
use bellwether_runtime::EventSink;
use rdkafka::ClientConfig;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};

use super::*;

/// Partitions of the topic of events.
const EVENT_PARTITIONS: i32 = 2;
/// When the fault is under way.
const FAULTY: i64 = 206;

fn produce(clients: &Clients, minutes: std::ops::Range<i64>) {
    for minute in minutes {
        (0..PARTITIONS)
            .for_each(|partition| clients.produce(partition, &record(partition, minute)));
    }
    clients.flush();
}

/// Waits until everything below `minutes` is committed to the group.
fn until_committed(clients: &Clients, minutes: i64) {
    until(seconds(90), "all offsets to be committed", || {
        (0..PARTITIONS)
            .all(|partition| clients.committed("bellwether", "metrics", partition) == Some(minutes))
            .then_some(())
    });
}

fn with_transactions(address: &str) -> String {
    configuration_of(address)
        .replace("    topic: events", "    topic: events\n    transactions: true")
}

/// Holds what is committed to the topic of events to the journal of the engine that ran in `dir`.
pub(super) fn holds(clients: &Clients, dir: &std::path::Path) {
    let told = clients.read_ids("events", EVENT_PARTITIONS);
    let doubled: BTreeMap<_, _> = told.iter().filter(|(_, count)| **count > 1).collect();
    assert!(doubled.is_empty(), "in the topic twice: {doubled:?}");
    assert!(told.len() > 4, "{told:?}");
    println!("{} events in the topic, doubled 0", told.len());
    assert_eq!(told.into_keys().collect::<BTreeSet<_>>(), replayed(dir));
}

#[test]
fn whoever_reads_what_is_committed_sees_each_event_once_whenever_the_process_is_killed() {
    killed_while_it_tells(with_transactions);
}

#[test]
fn without_transactions_each_event_is_in_the_topic_once_whenever_the_process_is_killed() {
    killed_while_it_tells(configuration_of);
}

/// A process is killed again and again while it tells of a fault. `configured` is for a broker at an address.
fn killed_while_it_tells(configured: fn(&str) -> String) {
    let dir = tempfile::tempdir().unwrap();
    let broker = Broker::start(dir.path());
    let clients = Clients::new(&broker);
    clients.create_topics();
    let mut bellwether = Bellwether::configured(dir.path(), &configured(&broker.address()));
    let events = || clients.read_ids("events", EVENT_PARTITIONS);
    produce(&clients, 0..FAULTY);
    // Killed when events are out of which no checkpoint may know, so that they are told again.
    for minute in FAULTY..FAULTY + 6 {
        produce(&clients, minute..minute + 1);
        until(seconds(90), "events", || (!events().is_empty()).then_some(()));
        bellwether.kill();
        bellwether = Bellwether::again(dir.path());
    }
    produce(&clients, FAULTY + 6..MINUTES);
    until_committed(&clients, MINUTES);
    crate::peers::promtool_check_metrics(&bellwether.metrics());
    bellwether.kill();
    let mut bellwether = Bellwether::again(dir.path());
    until(seconds(90), "what is told again to be settled", || {
        (pending(&bellwether.metrics()) < 1.0).then_some(())
    });
    assert!(bellwether.terminate(seconds(15)).success());
    holds(&clients, dir.path());
    until_committed(&clients, MINUTES);
    for (partition, offsets) in journal::offsets(dir.path()) {
        assert_eq!(offsets, (0..MINUTES).collect::<Vec<_>>(), "partition {partition}");
    }
}

#[test]
fn what_arrives_after_its_process_was_killed_is_committed_once_or_refused() {
    let dir = tempfile::tempdir().unwrap();
    let gate = Gate::new();
    let broker = Broker::start_behind(dir.path(), &gate);
    let clients = Clients::new(&broker);
    clients.create_topics();
    let configuration = with_transactions(&gate.address().to_string());
    let mut bellwether = Bellwether::configured(dir.path(), &configuration);
    let until_held = |bellwether: &Bellwether, requests: usize| {
        until(seconds(90), "events that are on their way", || {
            (gate.held() >= requests && pending(&bellwether.metrics()) > 0.0).then_some(())
        });
    };
    // That a transaction is to be committed is said once the next process has begun one.
    gate.close_for(Request::END_TRANSACTION);
    produce(&clients, 0..FAULTY);
    until_held(&bellwether, 1);
    bellwether.kill();
    bellwether = Bellwether::again(dir.path());
    until_held(&bellwether, 2);
    gate.open();
    until_committed(&clients, FAULTY);
    // Records arrive when nobody is there any more.
    gate.close_for(Request::PRODUCE);
    produce(&clients, FAULTY..MINUTES);
    until_held(&bellwether, 1);
    bellwether.kill();
    gate.open();
    let mut bellwether = Bellwether::again(dir.path());
    until_committed(&clients, MINUTES);
    until(seconds(90), "events to be committed", || {
        (pending(&bellwether.metrics()) < 1.0).then_some(())
    });
    assert!(bellwether.terminate(seconds(15)).success());
    holds(&clients, dir.path());
}

/// A producer with transactions, of somebody else.
fn producer(broker: &Broker, id: &str) -> BaseProducer {
    let producer: BaseProducer = ClientConfig::new()
        .set("bootstrap.servers", broker.address())
        .set("transactional.id", id)
        .set("transaction.timeout.ms", "3000")
        .create()
        .unwrap();
    producer.init_transactions(seconds(30)).unwrap();
    producer
}

fn send(producer: &BaseProducer, id: &str) {
    let value = format!(r#"{{"id":"{id}"}}"#);
    let record = BaseRecord::<(), str>::to("events").partition(0).payload(value.as_str());
    producer.send(record).map_err(|(error, _)| error).unwrap();
}

#[test]
fn a_topic_is_read_to_its_end_though_nothing_but_marks_of_transactions_is_there() {
    let dir = tempfile::tempdir().unwrap();
    let broker = Broker::start(dir.path());
    Clients::new(&broker).create_topics();
    let sink = KafkaEvents::start(KafkaEventsOptions {
        name: "kafka".to_owned(),
        cluster: Cluster { brokers: vec![broker.address()], properties: BTreeMap::new() },
        topic: "events".to_owned(),
        key: EventKey::Series,
        severity: Severity::Info,
        queue_events_max: 1,
        transactions: None,
        produced_within: None,
    });
    let sink = sink.unwrap();
    let ids = |marks: &str| sink.taken_since(marks).unwrap().into_iter().collect::<Vec<_>>();
    let one = producer(&broker, "one");
    for (id, is_committed) in [("a", true), ("b", false), ("c", true), ("d", false)] {
        one.begin_transaction().unwrap();
        send(&one, id);
        one.flush(seconds(30)).unwrap();
        if is_committed {
            one.commit_transaction(seconds(30)).unwrap();
        } else {
            one.abort_transaction(seconds(30)).unwrap();
        }
    }
    assert_eq!(ids("{}"), ["a", "c"], "and behind them what was aborted, and marks");
    let marks = sink.marks().unwrap().unwrap();
    assert!(ids(&marks).is_empty());
    // Somebody commits behind the first record of a transaction that nobody ends: the brokers do.
    let killed = producer(&broker, "killed");
    killed.begin_transaction().unwrap();
    send(&killed, "e");
    killed.flush(seconds(30)).unwrap();
    one.begin_transaction().unwrap();
    send(&one, "f");
    one.commit_transaction(seconds(30)).unwrap();
    assert_eq!(ids(&marks), ["f"]);
    sink.close(seconds(5));
}
