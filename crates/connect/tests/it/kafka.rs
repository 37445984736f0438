//! Kafka as a source, and as a sink, against librdkafka's mock cluster: what reaches the engine, in which order, and what does not.

mod engine;
mod events;
mod gateway;
mod gauges;
mod topic;

use std::sync::Arc;
use std::time::Duration;

use axum::http::HeaderName;
use bellwether_connect::source::kafka::{
    KafkaOptions, KafkaSource, POISON_REASONS, StartAt, TenantFrom,
};
use bellwether_connect::source::receiver::{TenantAccess, TenantOptions};
use bellwether_runtime::{Offsets, SubmitError};
use bellwether_series::Timestamp;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::types::RDKafkaRespErr;

use crate::support::until;
use engine::{FakeEngine, offsets};
use topic::{Cluster, SESSION_MS, body};

const NOW: Timestamp = Timestamp::from_ms(1_700_000_000_000);

fn start(options: KafkaOptions, taken: &Offsets, engine: &Arc<FakeEngine>) -> KafkaSource {
    let ingest = Arc::clone(engine) as _;
    KafkaSource::start(options, None, taken, ingest, None, || NOW).unwrap()
}

#[tokio::test]
async fn every_record_is_read_once_in_order_from_where_the_engine_stands() {
    let cluster = Cluster::start(2);
    for partition in 0..2 {
        (0..9).for_each(|offset| cluster.produce(partition, &body(offset)));
    }
    let engine = FakeEngine::standing_at(&[(0, 3)]);
    let source = start(cluster.options(), &offsets(&[(0, 3)]), &engine);
    until("all are taken", || engine.taken().len() == 6 + 9).await;
    assert_eq!(engine.taken_of(0), (3..9).collect::<Vec<_>>());
    assert_eq!(engine.taken_of(1), (0..9).collect::<Vec<_>>());
    // Samples are those of the record, and the body is kept as it was.
    assert!(engine.taken().iter().all(|taken| taken.sample == taken.offset));
    until("that is counted", || source.stats().figures().records_taken == 15).await;
    let figures = source.stats().figures();
    assert_eq!((figures.records, figures.samples_accepted), (15, 15));
    assert!(source.stop(crate::support::PATIENCE));
}

#[tokio::test]
async fn a_refused_record_and_those_behind_it_are_read_again() {
    let cluster = Cluster::start(1);
    (0..40).for_each(|offset| cluster.produce(0, &body(offset)));
    let engine = FakeEngine::standing_at(&[]);
    engine.refuse([
        (7, SubmitError::Unrecorded),
        (7, SubmitError::Unrecorded),
        (20, SubmitError::Unrecorded),
    ]);
    let source = start(cluster.options(), &Offsets::default(), &engine);
    until("all are taken", || engine.taken().len() == 40).await;
    assert_eq!(engine.taken_of(0), (0..40).collect::<Vec<_>>());
    assert_eq!(source.stats().figures().rereads, 3);
}

#[tokio::test]
async fn while_the_engine_is_full_partitions_are_paused_and_nothing_is_lost() {
    let cluster = Cluster::start(1);
    (0..60).for_each(|offset| cluster.produce(0, &body(offset)));
    let engine = FakeEngine::standing_at(&[]);
    engine.set_full(true);
    let options = KafkaOptions { buffer_bytes_max: 600, ..cluster.options() };
    let source = start(options, &Offsets::default(), &engine);
    until("it is paused", || source.stats().figures().is_paused).await;
    assert!(source.stats().figures().records < 60);
    engine.set_full(false);
    until("all are taken", || engine.taken().len() == 60).await;
    assert_eq!(engine.taken_of(0), (0..60).collect::<Vec<_>>());
    let figures = source.stats().figures();
    assert!(figures.pauses >= 1 && !figures.is_paused, "{figures:?}");
}

/// With a buffer of some records, and a member that hears of others soon.
fn rebalanced(cluster: &Cluster) -> KafkaOptions {
    let mut options = KafkaOptions { buffer_bytes_max: 600, ..cluster.options() };
    let properties = [("session.timeout.ms", SESSION_MS), ("heartbeat.interval.ms", "50")];
    let properties = properties.map(|(name, value)| (name.to_owned(), value.to_owned().into()));
    options.cluster.properties.extend(properties);
    options
}

#[tokio::test]
async fn a_partition_that_goes_while_it_is_paused_is_read_when_it_comes_back() {
    let cluster = Cluster::start(2);
    for partition in 0..2 {
        (0..30).for_each(|offset| cluster.produce(partition, &body(offset)));
    }
    let engine = FakeEngine::standing_at(&[]);
    engine.set_full(true);
    let source = start(rebalanced(&cluster), &Offsets::default(), &engine);
    until("both are paused", || source.stats().figures().pauses == 2).await;
    let other = cluster.join("bellwether");
    until("another has one of both", || has(&other, 1)).await;
    engine.set_full(false);
    let all: Vec<_> = (0..30).collect();
    let is_all = |partition| engine.taken_of(partition) == all;
    until("what is left is taken", || is_all(0) || is_all(1)).await;
    assert!(!source.stats().figures().is_paused);
    other.unsubscribe();
    until("the other has none", || has(&other, 0)).await;
    until("all are taken", || is_all(0) && is_all(1)).await;
}

/// Whether `member` has so many partitions by now.
fn has(member: &BaseConsumer, count: usize) -> bool {
    assert!(!matches!(member.poll(Duration::from_millis(10)), Some(Err(_))));
    member.assignment().unwrap().count() == count
}

#[tokio::test]
async fn a_partition_that_comes_while_another_is_paused_has_no_more_than_the_buffer_either() {
    let cluster = Cluster::start(2);
    for partition in 0..2 {
        (0..200).for_each(|offset| cluster.produce(partition, &body(offset)));
    }
    let other = cluster.join("bellwether");
    until("another has both", || has(&other, 2)).await;
    let engine = FakeEngine::standing_at(&[]);
    engine.set_full(true);
    let source = start(rebalanced(&cluster), &Offsets::default(), &engine);
    let pauses = |source: &KafkaSource| source.stats().figures().pauses;
    until("the one that it has is paused", || has(&other, 1) && pauses(&source) == 1).await;
    other.unsubscribe();
    until("the other is paused", || has(&other, 0) && pauses(&source) == 2).await;
    let records = source.stats().figures().records;
    assert!(records < 30, "{records}");
    engine.set_full(false);
    until("all are taken", || engine.taken().len() == 400).await;
    assert!((0..2).all(|partition| engine.taken_of(partition) == (0..200).collect::<Vec<_>>()));
}

#[tokio::test]
async fn poison_goes_to_the_dead_letter_topic_as_it_is_and_an_empty_request_takes_its_place() {
    let cluster = Cluster::start(1);
    cluster.produce(0, &body(0));
    cluster.produce_with(0, Some(b"key"), Some(b"no protobuf"), &[("from", b"a\xff")]);
    cluster.produce(0, &body(2));
    cluster.produce_with(0, None, None, &[]);
    cluster.produce(0, &vec![0; 2000]);
    cluster.produce(0, &body(5));
    let engine = FakeEngine::standing_at(&[]);
    let options = KafkaOptions {
        dead_letter_topic: Some("dead".to_owned()),
        record_bytes_max: 1000,
        ..cluster.options()
    };
    let source = start(options, &Offsets::default(), &engine);
    until("all are taken", || engine.taken().len() == 6).await;
    assert_eq!(engine.taken_of(0), (0..6).collect::<Vec<_>>());
    let empty: Vec<_> = engine.taken().iter().map(|taken| taken.is_empty).collect();
    assert_eq!(empty, [false, true, false, true, true, false]);
    let letters = cluster.read_all("dead", 3);
    let header = |letter: usize, name: &str| letters[letter].header(name);
    for (letter, (class, offset)) in
        [("undecodable", "1"), ("no_value", "3"), ("too_large", "4")].into_iter().enumerate()
    {
        assert_eq!(header(letter, "bellwether.error.class").as_deref(), Some(class));
        assert_eq!(header(letter, "bellwether.error.topic").as_deref(), Some("metrics"));
        assert_eq!(header(letter, "bellwether.error.partition").as_deref(), Some("0"));
        assert_eq!(header(letter, "bellwether.error.offset").as_deref(), Some(offset));
        assert!(header(letter, "bellwether.error.message").is_some());
        assert!(header(letter, "bellwether.error.timestamp").is_some());
    }
    assert_eq!(letters[0].key.as_deref(), Some(&b"key"[..]));
    assert_eq!(letters[0].value.as_deref(), Some(&b"no protobuf"[..]));
    assert_eq!(letters[0].raw_header("from").as_deref(), Some(&b"a\xff"[..]));
    assert_eq!((letters[1].value.as_ref(), letters[2].value.as_ref().unwrap().len()), (None, 2000));
    let figures = source.stats().figures();
    assert_eq!(figures.dead_letters, 3);
    let poison: Vec<_> =
        POISON_REASONS.iter().zip(figures.poison).filter(|(_, count)| *count > 0).collect();
    assert_eq!(poison, [(&"no_value", 1), (&"too_large", 1), (&"undecodable", 1)]);
}

#[tokio::test]
async fn records_of_versions_that_are_not_read_are_poison_and_not_taken_for_nothing() {
    let cluster = Cluster::start(1);
    let version = |version: u32| version.to_be_bytes();
    for (of, value) in [
        (Some(1), body(0)),
        (Some(2), body(1)),
        // Remote write 2.0, and nobody says so.
        (None, b"\x22\x00\x2a\x02\x12\x00".to_vec()),
        (None, body(3)),
    ] {
        let header = of.map(version);
        let headers: Vec<_> = header.iter().map(|value| ("Version", &value[..])).collect();
        cluster.produce_with(0, None, Some(&value), &headers);
    }
    let engine = FakeEngine::standing_at(&[]);
    let source = start(with_letters(&cluster), &Offsets::default(), &engine);
    until("all are taken", || engine.taken_of(0) == [0, 1, 2, 3]).await;
    let empty: Vec<_> = engine.taken().iter().map(|taken| taken.is_empty).collect();
    assert_eq!(empty, [false, true, true, false]);
    let letters = cluster.read_all("dead", 2);
    let says = |letter: usize| letters[letter].header("bellwether.error.message").unwrap();
    assert!(says(0).contains("Grafana Mimir") && says(1).contains("remote write 2.0"));
    assert_eq!(letters[0].header("bellwether.error.class").as_deref(), Some("undecodable"));
    assert_eq!(source.stats().figures().poison.iter().sum::<u64>(), 2);
}

#[tokio::test]
async fn a_heartbeat_is_no_poison_and_an_empty_request_takes_its_place() {
    let cluster = Cluster::start(1);
    let header: [(&str, &[u8]); 1] = [("bellwether.heartbeat", b"1")];
    cluster.produce_with(0, None, None, &header);
    cluster.produce(0, &body(1));
    cluster.produce_with(0, None, None, &header);
    let engine = FakeEngine::standing_at(&[]);
    let source = start(cluster.options(), &Offsets::default(), &engine);
    until("all are taken", || engine.taken_of(0) == [0, 1, 2]).await;
    let empty: Vec<_> = engine.taken().iter().map(|taken| taken.is_empty).collect();
    assert_eq!(empty, [true, false, true]);
    until("that is counted", || source.stats().figures().heartbeats == 2).await;
    assert_eq!(source.stats().figures().poison.iter().sum::<u64>(), 0);
}

fn with_letters(cluster: &Cluster) -> KafkaOptions {
    KafkaOptions { dead_letter_topic: Some("dead".to_owned()), ..cluster.options() }
}

#[tokio::test]
async fn dead_letters_are_sent_before_it_is_their_records_turn() {
    let cluster = Cluster::start(1);
    for offset in 0..30 {
        let good = body(offset);
        cluster.produce(0, if offset % 3 == 1 { b"no protobuf" } else { &good });
    }
    let engine = FakeEngine::standing_at(&[]);
    engine.set_full(true);
    let source = start(with_letters(&cluster), &Offsets::default(), &engine);
    until("letters are confirmed", || source.stats().figures().dead_letters == 10).await;
    assert!(engine.taken().is_empty());
    engine.set_full(false);
    until("all are taken", || engine.taken().len() == 30).await;
    assert_eq!(engine.taken_of(0), (0..30).collect::<Vec<_>>());
    let letters = cluster.read_all("dead", 10);
    let offsets: Vec<_> =
        letters.iter().filter_map(|letter| letter.header("bellwether.error.offset")).collect();
    assert_eq!(offsets, (0..10).map(|letter| (3 * letter + 1).to_string()).collect::<Vec<_>>());
}

#[tokio::test]
async fn what_is_behind_a_dead_letter_that_is_not_confirmed_is_not_taken_and_other_partitions_are()
{
    let cluster = Cluster::start(2);
    cluster.produce(0, &body(0));
    cluster.produce(0, b"no protobuf");
    cluster.produce(0, &body(2));
    cluster.produce(0, b"no protobuf");
    (0..5).for_each(|offset| cluster.produce(1, &body(offset)));
    cluster.refuse("dead", RDKafkaRespErr::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED);
    let engine = FakeEngine::standing_at(&[]);
    let source = start(with_letters(&cluster), &Offsets::default(), &engine);
    until("letters were refused twice", || source.stats().figures().dead_letter_failures > 2).await;
    until("others are taken", || engine.taken().len() == 6).await;
    assert_eq!((engine.taken_of(0), engine.taken_of(1)), (vec![0], (0..5).collect()));
    until("that is said", || source.stats().figures().last_error.is_some()).await;
    let figures = source.stats().figures();
    assert_eq!((figures.dead_letters, figures.letters_under_way), (0, 2));
    cluster.refuse("dead", RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR);
    until("all are taken", || engine.taken_of(0) == [0, 1, 2, 3]).await;
    assert_eq!(source.stats().figures().dead_letters, 2);
    until("that is counted", || source.stats().figures().letters_under_way == 0).await;
    assert_eq!(source.stats().figures().poison.iter().sum::<u64>(), 2);
}

#[tokio::test]
async fn a_partition_that_waits_for_its_dead_letter_leaves_the_others_their_part_of_the_buffer() {
    let cluster = Cluster::start(2);
    cluster.produce(0, b"no protobuf");
    (1..100).for_each(|offset| cluster.produce(0, &body(offset)));
    (0..100).for_each(|offset| cluster.produce(1, &body(offset)));
    cluster.refuse("dead", RDKafkaRespErr::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED);
    let engine = FakeEngine::standing_at(&[]);
    let options = KafkaOptions { buffer_bytes_max: 2000, ..with_letters(&cluster) };
    let source = start(options, &Offsets::default(), &engine);
    until("the one that waits is paused", || source.stats().figures().is_paused).await;
    (100..200).for_each(|offset| cluster.produce(1, &body(offset)));
    until("the other goes on", || engine.taken_of(1).len() == 200).await;
    assert!(engine.taken_of(0).is_empty());
    assert_eq!(source.stats().figures().pauses, 1);
    cluster.refuse("dead", RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR);
    until("all are taken", || engine.taken_of(0).len() == 100).await;
    assert_eq!(engine.taken_of(0), (0..100).collect::<Vec<_>>());
    assert_eq!(engine.taken_of(1), (0..200).collect::<Vec<_>>());
    until("nothing is paused", || !source.stats().figures().is_paused).await;
}

#[tokio::test]
async fn a_letter_that_its_topic_will_never_take_is_sent_with_what_it_takes() {
    let cluster = Cluster::start(1);
    cluster.produce(0, b"no protobuf");
    cluster.produce(0, &body(1));
    cluster.refuse_next_produce(RDKafkaRespErr::RD_KAFKA_RESP_ERR_INVALID_RECORD);
    let engine = FakeEngine::standing_at(&[]);
    let source = start(with_letters(&cluster), &Offsets::default(), &engine);
    until("both are taken", || engine.taken_of(0) == [0, 1]).await;
    let letters = cluster.read_all("dead", 1);
    assert_eq!(letters[0].key.as_deref(), Some(&b"metrics/0@0"[..]));
    assert_eq!(letters[0].value.as_deref(), Some(&b"no protobuf"[..]));
    assert_eq!(letters[0].header("bellwether.error.left_out").as_deref(), Some("timestamp"));
    let timestamp_ms = letters[0].header("bellwether.error.timestamp").unwrap().parse().unwrap();
    assert!(letters[0].timestamp_ms > Some(timestamp_ms));
    let figures = source.stats().figures();
    assert_eq!((figures.dead_letter_failures, figures.dead_letters), (1, 1));
}

#[tokio::test]
async fn a_letter_that_is_too_large_whatever_is_left_out_is_given_up_and_the_stream_goes_on() {
    let cluster = Cluster::start(1);
    cluster.produce_with(0, Some(b"key"), Some(b"no protobuf"), &[]);
    cluster.produce(0, &body(1));
    for _ in 0..3 {
        cluster.refuse_next_produce(RDKafkaRespErr::RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE);
    }
    let engine = FakeEngine::standing_at(&[]);
    let source = start(with_letters(&cluster), &Offsets::default(), &engine);
    until("both are taken", || engine.taken_of(0) == [0, 1]).await;
    let figures = source.stats().figures();
    assert_eq!((figures.dead_letters, figures.dead_letters_given_up), (0, 1));
    assert_eq!(figures.dead_letter_failures, 3);
    until("none is under way", || source.stats().figures().letters_under_way == 0).await;
}

#[tokio::test]
async fn dead_letters_go_on_with_another_producer_when_theirs_has_failed_for_good() {
    let cluster = Cluster::start(1);
    (0..3).for_each(|_| cluster.produce(0, b"no protobuf"));
    // What an idempotent producer is told when brokers have not what it sent before.
    cluster.refuse_next_produce(RDKafkaRespErr::RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER);
    let engine = FakeEngine::standing_at(&[]);
    let source = start(with_letters(&cluster), &Offsets::default(), &engine);
    until("all are taken", || engine.taken_of(0) == [0, 1, 2]).await;
    let figures = source.stats().figures();
    assert!(figures.dead_letter_failures > 0 && figures.dead_letters == 3, "{figures:?}");
    cluster.read_all("dead", 3);
}

#[tokio::test]
async fn without_a_dead_letter_topic_poison_is_counted_and_the_stream_goes_on() {
    let cluster = Cluster::start(1);
    for offset in 0..20 {
        let good = body(offset);
        cluster.produce(0, if offset % 2 == 0 { b"no protobuf" } else { &good });
    }
    let engine = FakeEngine::standing_at(&[]);
    let source = start(cluster.options(), &Offsets::default(), &engine);
    until("all are taken", || engine.taken().len() == 20).await;
    assert_eq!(engine.taken_of(0), (0..20).collect::<Vec<_>>());
    assert_eq!(source.stats().figures().poison.iter().sum::<u64>(), 10);
}

#[tokio::test]
async fn records_are_of_the_tenant_that_their_key_names_and_of_no_other() {
    let cluster = Cluster::start(1);
    let keys: [&[u8]; 3] = [b"shop", b"open", b"other"];
    for offset in 0..60 {
        let key = keys[offset % keys.len()];
        // Of each third record nobody knows whose it is.
        cluster.produce_with(0, Some(key), Some(&body(offset as i64)), &[]);
    }
    let access = TenantAccess { users: [].into(), requests_max: 1, share_percent: 50 };
    let tenants = TenantOptions {
        header: HeaderName::from_static("x-scope-orgid"),
        default: None,
        tenants: ["open", "shop"].map(|name| (name.into(), access.clone())).into(),
    };
    let engine = FakeEngine::standing_at(&[]);
    let options = KafkaOptions { tenant_from: TenantFrom::Key, ..cluster.options() };
    let ingest = Arc::clone(&engine) as _;
    let source =
        KafkaSource::start(options, Some(tenants), &Offsets::default(), ingest, None, || NOW)
            .unwrap();
    until("all are taken", || engine.taken().len() == 60).await;
    assert_eq!(engine.taken_of(0), (0..60).collect::<Vec<_>>());
    for (offset, taken) in engine.taken().iter().enumerate() {
        let expected = ["shop", "open", "open"][offset % keys.len()];
        assert_eq!((taken.tenant.as_deref(), taken.is_empty), (Some(expected), offset % 3 == 2));
    }
    let tenant = POISON_REASONS.iter().position(|&reason| reason == "tenant").unwrap();
    let poison = source.stats().figures().poison;
    assert_eq!((poison[tenant], poison.iter().sum::<u64>()), (20, 20));
}

#[tokio::test]
async fn when_the_next_record_does_not_exist_it_goes_on_with_the_oldest() {
    let cluster = Cluster::start(1);
    (0..5).for_each(|offset| cluster.produce(0, &body(offset)));
    // As after a topic was deleted and made anew.
    let engine = FakeEngine::standing_at(&[(0, 1000)]);
    let source = start(cluster.options(), &offsets(&[(0, 1000)]), &engine);
    until("all are taken", || engine.taken().len() == 5).await;
    assert_eq!(engine.taken_of(0), (0..5).collect::<Vec<_>>());
    assert_eq!(source.stats().figures().positions_lost, 1);
}

#[tokio::test]
async fn who_begins_at_the_end_tells_the_engine_where_that_is() {
    let cluster = Cluster::start(2);
    (0..5).for_each(|offset| cluster.produce(0, &body(offset)));
    let engine = FakeEngine::standing_at(&[]);
    let options = KafkaOptions { start: StartAt::Latest, ..cluster.options() };
    let source = start(options.clone(), &Offsets::default(), &engine);
    until("both have a position", || engine.taken().len() == 2).await;
    assert_eq!((engine.taken_of(0), engine.taken_of(1)), (vec![4], vec![-1]));
    assert!(engine.taken().iter().all(|taken| taken.is_empty));
    assert!(source.stop(crate::support::PATIENCE));
    // What comes while nobody reads is not passed over.
    cluster.produce(0, &body(5));
    cluster.produce(1, &body(0));
    // The mock does not let somebody back in as the same member; and what a group has committed says nothing.
    let options = KafkaOptions { group: "another".to_owned(), ..options };
    let _source = start(options, &offsets(&[(0, 5), (1, 0)]), &engine);
    until("both are taken", || engine.taken().len() == 4).await;
    assert_eq!((engine.taken_of(0), engine.taken_of(1)), (vec![4, 5], vec![-1, 0]));
}

#[tokio::test]
async fn brokers_that_are_away_are_waited_for() {
    let cluster = Cluster::start(1);
    let engine = FakeEngine::standing_at(&[]);
    let source = start(cluster.options(), &Offsets::default(), &engine);
    cluster.produce(0, &body(0));
    until("the first is taken", || engine.taken().len() == 1).await;
    cluster.down();
    until("that is noticed", || source.stats().figures().client_errors > 0).await;
    cluster.up();
    cluster.produce(0, &body(1));
    until("the second is taken", || engine.taken_of(0) == [0, 1]).await;
}
