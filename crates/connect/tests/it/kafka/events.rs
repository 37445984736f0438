//! Events on a topic: in order, with their keys, and until the brokers have confirmed them.

use std::sync::Arc;
use std::time::Duration;

use bellwether_connect::sink::kafka::{EventKey, KafkaEvents, KafkaEventsOptions};
use bellwether_detect::Severity;
use bellwether_engine::{ChangeKind, Event};
use bellwether_runtime::cells::{Membership, Tenure};
use bellwether_runtime::{EventSink, TopicPartition};
use rdkafka::types::RDKafkaRespErr;

use super::topic::Cluster;
use crate::support::{PATIENCE, event, until};

const TOPIC: &str = "events";

fn options(cluster: &Cluster) -> KafkaEventsOptions {
    KafkaEventsOptions {
        name: "kafka".to_owned(),
        cluster: cluster.address(),
        topic: TOPIC.to_owned(),
        key: EventKey::Series,
        severity: Severity::Warning,
        transactions: None,
        produced_within: None,
        queue_events_max: 100,
    }
}

fn events(count: usize) -> Vec<Arc<Event>> {
    let event = |number| event(&format!("host-{number}"), ChangeKind::Firing, Severity::Warning);
    (0..count).map(event).map(Arc::new).collect()
}

fn publish(sink: &KafkaEvents, events: &[Arc<Event>]) {
    for event in events {
        sink.publish(event);
    }
}

#[tokio::test]
async fn events_are_in_the_topic_in_order_with_their_keys() {
    let cluster = Cluster::start(1);
    let sink = KafkaEvents::start(options(&cluster)).unwrap();
    let all = events(20);
    publish(&sink, &all);
    sink.publish(&Arc::new(event("quiet", ChangeKind::Noticed, Severity::Info)));
    sink.close(PATIENCE);
    let records = cluster.read_all(TOPIC, 20);
    for (record, event) in records.iter().zip(&all) {
        assert_eq!(record.key.as_deref(), Some(event.fingerprint.to_string().as_bytes()));
        let read: Event = serde_json::from_slice(record.value.as_ref().unwrap()).unwrap();
        assert_eq!(read, **event);
    }
    let stats = sink.stats();
    assert_eq!((stats.delivered_events, stats.dropped_events, stats.waiting_events), (20, 0, 0));
}

#[tokio::test]
async fn the_key_may_be_that_of_the_episode_or_of_the_event() {
    let cluster = Cluster::start(1);
    let all = events(1);
    for key in [EventKey::Episode, EventKey::Event] {
        let sink = KafkaEvents::start(KafkaEventsOptions { key, ..options(&cluster) }).unwrap();
        sink.publish(&all[0]);
        sink.close(PATIENCE);
    }
    let keys: Vec<_> = cluster.read_all(TOPIC, 2).into_iter().map(|record| record.key).collect();
    let (episode, event) = (all[0].episode_id.to_string(), all[0].id.clone());
    assert_eq!(keys, [Some(episode.into_bytes()), Some(event.into_bytes())]);
}

#[tokio::test]
async fn what_the_topic_refuses_is_produced_again() {
    let cluster = Cluster::start(1);
    cluster.refuse(TOPIC, RDKafkaRespErr::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED);
    let sink = KafkaEvents::start(options(&cluster)).unwrap();
    let all = events(3);
    publish(&sink, &all);
    until("it fails", || sink.stats().failures_in_a_row > 0).await;
    assert!(sink.stats().last_error.is_some());
    assert_eq!(sink.undelivered(), all);
    cluster.refuse(TOPIC, RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR);
    until("all are delivered", || sink.stats().delivered_events == 3).await;
    assert!(sink.undelivered().is_empty() && sink.stats().last_error.is_none());
    sink.close(PATIENCE);
    assert_eq!(cluster.read_all(TOPIC, 3).len(), 3);
}

#[tokio::test]
async fn while_brokers_are_away_events_wait_and_the_end_gives_them_up() {
    let cluster = Cluster::start(1);
    cluster.down();
    let sink = KafkaEvents::start(KafkaEventsOptions { queue_events_max: 2, ..options(&cluster) })
        .unwrap();
    let all = events(3);
    publish(&sink, &all);
    assert_eq!(sink.undelivered(), all[..2]);
    assert_eq!(sink.stats().dropped_events, 1);
    sink.close(Duration::from_millis(50));
    let stats = sink.stats();
    assert_eq!((stats.delivered_events, stats.dropped_events, stats.waiting_events), (0, 3, 0));
}

/// A sink that has told three events, was at rest after the first, and is gone; and what a checkpoint kept then.
async fn killed(cluster: &Cluster, all: &[Arc<Event>]) -> Option<String> {
    let sink = KafkaEvents::start(options(cluster)).unwrap();
    let count = || sink.stats().delivered_events;
    let delivered = |events| until("they are delivered", move || count() == events);
    publish(&sink, &all[..1]);
    delivered(1).await;
    let bookmark = sink.bookmark();
    publish(&sink, &all[1..3]);
    delivered(3).await;
    sink.close(PATIENCE);
    bookmark
}

fn ids_in(cluster: &Cluster) -> Vec<String> {
    let records = cluster.read_partition(TOPIC, 0).into_iter();
    let events = records.map(|record| serde_json::from_slice::<Event>(&record.value.unwrap()));
    events.map(|event| event.unwrap().id).collect()
}

fn ids_of(events: &[Arc<Event>]) -> Vec<String> {
    events.iter().map(|event| event.id.clone()).collect()
}

/// Tells all but the first again, of which the topic lacks the fourth, and the last as news.
fn tell_again(sink: &KafkaEvents, all: &[Arc<Event>]) {
    for event in &all[1..4] {
        sink.publish_again(event);
    }
    sink.publish(&all[4]);
}

#[tokio::test]
async fn what_is_told_again_after_a_kill_is_in_the_topic_once() {
    for has_checkpoint in [true, false] {
        let cluster = Cluster::start(1);
        let all = events(5);
        let bookmark = killed(&cluster, &all).await.filter(|_| has_checkpoint);
        let sink = KafkaEvents::start(options(&cluster)).unwrap();
        if let Some(bookmark) = &bookmark {
            sink.return_to(bookmark);
        }
        tell_again(&sink, &all);
        until("all is settled", || sink.undelivered().is_empty()).await;
        assert_eq!(sink.stats().delivered_events, 2);
        assert_eq!(bookmark.is_some(), has_checkpoint);
        sink.close(PATIENCE);
        assert_eq!(ids_in(&cluster), ids_of(&all), "{has_checkpoint}");
    }
}

#[tokio::test]
async fn what_is_told_again_while_brokers_are_away_is_in_the_topic_once() {
    let cluster = Cluster::start(1);
    let all = events(5);
    killed(&cluster, &all).await;
    cluster.down();
    let sink = KafkaEvents::start(options(&cluster)).unwrap();
    tell_again(&sink, &all);
    assert_eq!(sink.undelivered(), all[1..]);
    until("it has failed", || sink.stats().failures_in_a_row > 0).await;
    cluster.up();
    until("all is settled", || sink.undelivered().is_empty()).await;
    assert_eq!(sink.stats().failures_in_a_row, 0);
    sink.close(PATIENCE);
    assert_eq!(ids_in(&cluster), ids_of(&all));
}

#[tokio::test]
async fn a_topic_that_cannot_be_read_gets_what_is_told_again() {
    let cluster = Cluster::start(1);
    let all = events(5);
    killed(&cluster, &all).await;
    cluster.refuse_reading(RDKafkaRespErr::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED);
    let sink = KafkaEvents::start(options(&cluster)).unwrap();
    tell_again(&sink, &all);
    until("all is settled", || sink.undelivered().is_empty()).await;
    let stats = sink.stats();
    assert_eq!((stats.delivered_events, stats.dropped_events), (4, 0));
    assert!(stats.failed_attempts > 0);
    sink.close(PATIENCE);
    cluster.allow_reading();
    assert_eq!(ids_in(&cluster), [&ids_of(&all)[..3], &ids_of(&all)[1..]].concat());
}

/// A sink of a worker, and the tenure of a partition.
fn of_worker(cluster: &Cluster) -> (KafkaEvents, Arc<Tenure>) {
    let produced_within = Some(Duration::from_secs(1));
    let sink = KafkaEvents::start(KafkaEventsOptions { produced_within, ..options(cluster) });
    let at = TopicPartition { topic: "metrics".into(), partition: 0 };
    let membership = Arc::new(Membership::begin(Duration::MAX));
    (sink.unwrap(), Arc::new(Tenure::begin(at, membership)))
}

#[tokio::test]
async fn what_waits_within_the_client_when_a_partition_goes_is_withdrawn() {
    let cluster = Cluster::start(1);
    let (sink, tenure) = of_worker(&cluster);
    let all = events(3);
    sink.publish_held(&all[0], &tenure);
    until("the first is delivered", || sink.stats().delivered_events == 1).await;
    cluster.down();
    sink.publish_held(&all[1], &tenure);
    // It is with the client until that gives it up.
    until("it is given up", || sink.stats().failures_in_a_row > 0).await;
    tenure.end();
    sink.publish_held(&all[2], &tenure);
    until("they are withdrawn", || sink.stats().withdrawn_events == 2).await;
    cluster.up();
    sink.close(PATIENCE);
    assert_eq!(cluster.read_all(TOPIC, 1).len(), 1);
}

#[tokio::test]
async fn an_event_whose_confirmation_is_late_is_in_the_topic_once() {
    let cluster = Cluster::start(1);
    let (sink, tenure) = of_worker(&cluster);
    let all = events(3);
    sink.publish_held(&all[0], &tenure);
    until("the first is delivered", || sink.stats().delivered_events == 1).await;
    // The broker takes it, and says so when the client has given it up.
    cluster.answer_after(Duration::from_secs(4));
    sink.publish_held(&all[1], &tenure);
    until("it is given up", || sink.stats().failures_in_a_row > 0).await;
    cluster.answer_after(Duration::ZERO);
    until("it is found", || sink.undelivered().is_empty()).await;
    sink.publish_held(&all[2], &tenure);
    until("the next is delivered", || sink.stats().delivered_events == 2).await;
    sink.close(PATIENCE);
    assert_eq!(cluster.read_all(TOPIC, 3).len(), 3);
}
