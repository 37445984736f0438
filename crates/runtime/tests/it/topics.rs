//! Records of Kafka topics: each is taken once and in its turn, and whoever goes on knows how far that was.

use std::sync::{Arc, mpsc};

use bellwether_engine::{Outcome, Settings};
use bellwether_runtime::{
    Durability, Ingest, KafkaRecord, Learned, Offsets, Phase, Received, Request, Runtime, Source,
    SubmitError, TopicPartition, adopt,
};
use bellwether_wire::Format;
use bellwether_wire::remote_write::compress;

use crate::durable::{copy, durability, open};
use crate::support::{Told as Log, options, request_body, start_durable};

fn at(partition: i32) -> TopicPartition {
    TopicPartition { topic: "metrics".into(), partition }
}

type Answer = mpsc::Receiver<Result<Outcome, SubmitError>>;

/// Submits `offset` of `partition` as the one after `expected`, and does not wait.
fn submit(runtime: &Runtime, partition: i32, offset: i64, expected: Option<i64>) -> Answer {
    let (write, received_at, body) = request_body(offset as usize);
    let source = Source::Kafka { record: KafkaRecord { at: at(partition), offset }, expected };
    let received = Some(Received { source, format: Format::REMOTE_WRITE_1, body: compress(&body) });
    let (reply, answer) = mpsc::channel();
    let reply = Box::new(move |outcome| reply.send(outcome).expect("somebody waits"));
    let request = Request { tenant: None, write, received_at, received };
    runtime.handle().submit(request, reply).expect("room");
    answer
}

fn take(runtime: &Runtime, partition: i32, offset: i64, expected: Option<i64>) -> bool {
    match submit(runtime, partition, offset, expected).recv().expect("an answer") {
        Ok(_) => true,
        Err(SubmitError::OutOfTurn) => false,
        Err(error) => panic!("{error}"),
    }
}

fn next(offsets: &Offsets) -> Vec<(i32, i64)> {
    offsets.iter().map(|(at, next)| (at.partition, next)).collect()
}

#[test]
fn each_record_is_taken_once_and_offsets_come_back_from_checkpoint_and_journal() {
    let (log, folder) = (Log::default(), tempfile::tempdir().expect("a folder"));
    let (runtime, found) = open(folder.path(), 2, &log);
    assert_eq!(found.offsets, Offsets::default());
    assert!(take(&runtime, 0, 0, None));
    assert!(take(&runtime, 0, 1, Some(1)));
    assert!(!take(&runtime, 0, 1, Some(1)) && !take(&runtime, 0, 3, Some(3)));
    assert!(take(&runtime, 7, 5, None));
    // The journal alone has them, then a checkpoint and what came after it, then a checkpoint alone.
    let left = copy(folder.path());
    let (second, found) = open(left.path(), 1, &log);
    assert_eq!(next(&found.offsets), [(0, 2), (7, 6)]);
    assert!(!take(&second, 0, 1, Some(1)));
    second.stop();
    runtime.handle().checkpoint().expect("a checkpoint");
    assert!(take(&runtime, 0, 2, Some(2)));
    let left = copy(folder.path());
    let (second, found) = open(left.path(), 1, &log);
    assert_eq!((found.records, next(&found.offsets)), (1, vec![(0, 3), (7, 6)]));
    second.stop();
    runtime.handle().checkpoint().expect("a checkpoint");
    runtime.stop();
    let (runtime, found) = open(folder.path(), 1, &log);
    assert_eq!((found.records, next(&found.offsets)), (0, vec![(0, 3), (7, 6)]));
    assert!(take(&runtime, 7, 6, Some(6)));
    runtime.stop();
}

#[test]
fn adoption_keeps_how_far_topics_were_taken() {
    let (log, folder) = (Log::default(), tempfile::tempdir().expect("a folder"));
    let (runtime, _) = open(folder.path(), 2, &log);
    assert!(take(&runtime, 0, 0, None));
    runtime.handle().checkpoint().expect("a checkpoint");
    assert!(take(&runtime, 0, 1, Some(1)));
    runtime.stop();
    let settings = Arc::new(Settings::default());
    let engine = bellwether_engine::Engine::new(&settings, 1);
    let (intake, partitions) = engine.into_learned();
    let learned = Learned { settings, intake, partitions };
    adopt(learned, &durability(folder.path()), request_body(2).1).expect("room");
    let (runtime, found) = open(folder.path(), 1, &log);
    assert_eq!((found.records, next(&found.offsets)), (0, vec![(0, 2)]));
    runtime.stop();
}

#[test]
fn none_behind_a_record_that_could_not_be_written_is_taken() {
    let (log, folder) = (Log::default(), tempfile::tempdir().expect("a folder"));
    let storage = bellwether_runtime::testing::FaultyStorage::new(3);
    let durability = Durability { storage: Arc::new(storage.clone()), ..durability(folder.path()) };
    let runtime = start_durable(Settings::default(), options(2), log.listener(), durability);
    runtime.recovering().wait().expect("nothing to recover");
    assert!(take(&runtime, 0, 0, None));
    storage.fail_next(0, std::io::ErrorKind::Other);
    let refused = submit(&runtime, 0, 1, Some(1)).recv().expect("an answer");
    assert_eq!(refused, Err(SubmitError::Unrecorded));
    while runtime.handle().stats().phase() != Phase::Ready {
        std::thread::yield_now();
    }
    assert!(!take(&runtime, 0, 2, Some(2)));
    assert!(take(&runtime, 0, 1, Some(1)) && take(&runtime, 0, 2, Some(2)));
    runtime.stop();
}
