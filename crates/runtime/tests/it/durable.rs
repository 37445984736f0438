//! What survives: whoever goes on from the files of a process that was stopped at any moment tells the same events.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use bellwether_engine::{Event, Outcome, RecordKind, Settings};
use bellwether_runtime::checkpoint::CheckpointOptions;
use bellwether_runtime::cold::ColdOptions;
use bellwether_runtime::journal::{Entry, JournalOptions, ReadFrom, Reader};
use bellwether_runtime::storage::{DiskStorage, ReserveOptions};
use bellwether_runtime::testing::FaultyStorage;
use bellwether_runtime::{
    Durability, Ingest, NoCheckpoint, Phase, Received, Recovery, Request, Runtime, Source,
    SubmitError, Told,
};
use bellwether_wire::remote_write::compress;
use bellwether_wire::{Compression, Format, Message};
use tempfile::TempDir;

use crate::support::{STEPS, Told as Log, options, request_body, start_durable};

pub(crate) fn durability(folder: &Path) -> Durability {
    Durability {
        storage: Arc::new(DiskStorage::new(folder)),
        journal: JournalOptions { segment_bytes_max: 20_000, ..JournalOptions::default() },
        checkpoints: CheckpointOptions::default(),
        cold: ColdOptions::default(),
        checkpoint_every: Duration::from_hours(1),
        reserve: ReserveOptions { bytes_max: 1 << 16, ..ReserveOptions::default() },
        deliveries: Arc::new(()),
        id_seed: 5,
    }
}

pub(crate) fn open(folder: &Path, shards: usize, log: &Log) -> (Runtime, Recovery) {
    let runtime =
        start_durable(Settings::default(), options(shards), log.listener(), durability(folder));
    let found = runtime.recovering().wait().expect("what was kept can be read");
    assert_eq!(runtime.handle().stats().phase(), Phase::Ready);
    (runtime, found)
}

/// Sends a step, and waits for what becomes of it.
pub(crate) fn send(runtime: &Runtime, step: usize) -> Result<Outcome, SubmitError> {
    let (write, received_at, body) = request_body(step);
    // What is journaled is read again in the format in which it came, and these take turns.
    let (format, body) = if step.is_multiple_of(2) {
        (Format::REMOTE_WRITE_1, compress(&body))
    } else {
        (Format::new(Message::RemoteWrite1, Compression::None), body)
    };
    let received = Some(Received { source: Source::Address("test".into()), format, body });
    let (reply, answer) = mpsc::channel();
    let reply = Box::new(move |outcome| reply.send(outcome).expect("somebody waits"));
    runtime.handle().submit(Request { tenant: None, write, received_at, received }, reply)?;
    answer.recv().expect("an answer")
}

/// The folder as it is now: what a process leaves that is killed.
pub(crate) fn copy(folder: &Path) -> TempDir {
    let copy = tempfile::tempdir().expect("a folder");
    for part in ["journal", "checkpoint"] {
        let Ok(files) = fs::read_dir(folder.join(part)) else { continue };
        fs::create_dir(copy.path().join(part)).expect("a folder");
        for file in files {
            let file = file.expect("a file");
            fs::copy(file.path(), copy.path().join(part).join(file.file_name())).expect("a copy");
        }
    }
    copy
}

/// What was told, once each, by id.
pub(crate) fn by_id(events: impl IntoIterator<Item = Event>) -> BTreeMap<String, String> {
    let mut told = BTreeMap::new();
    for event in events {
        let text = format!("{event:?}");
        let before = told.insert(event.id.clone(), text.clone());
        assert!(before.is_none_or(|before| before == text), "one id, two events: {text}");
    }
    told
}

fn undisturbed() -> BTreeMap<String, String> {
    let (log, folder) = (Log::default(), tempfile::tempdir().expect("a folder"));
    let (runtime, _) = open(folder.path(), 2, &log);
    for step in 0..STEPS {
        send(&runtime, step).expect("taken");
    }
    runtime.stop();
    assert!(log.events().len() > 12);
    by_id(log.events())
}

#[test]
fn whoever_is_stopped_anywhere_goes_on_as_if_nothing_had_happened() {
    let expected = undisturbed();
    for (round, (checkpoint, stop)) in
        [(None, 150), (Some(100), 130), (Some(140), 141), (Some(199), 230)].into_iter().enumerate()
    {
        let (log, folder) = (Log::default(), tempfile::tempdir().expect("a folder"));
        let (runtime, found) = open(folder.path(), 1 + round, &log);
        assert_eq!((found.generation, found.records), (None, 0));
        for step in 0..stop {
            send(&runtime, step).expect("taken");
            if checkpoint == Some(step) {
                assert_eq!(runtime.handle().checkpoint().expect("a checkpoint"), 1);
            }
        }
        let left = copy(folder.path());
        runtime.stop();
        let (runtime, found) = open(left.path(), 5 - round, &log);
        assert_eq!(found.generation, checkpoint.map(|_| 1));
        // The first record is the configuration.
        let after = checkpoint.map_or(0, |step| step + 1) as u64;
        assert_eq!(found.records, stop as u64 - after + u64::from(checkpoint.is_none()));
        for step in stop..STEPS {
            send(&runtime, step).expect("taken");
        }
        runtime.stop();
        assert!(by_id(log.first_and_again()) == expected, "round {round}");
    }
}

#[test]
fn what_was_told_before_a_checkpoint_is_not_told_again_but_what_stands() {
    let (log, folder) = (Log::default(), tempfile::tempdir().expect("a folder"));
    let (runtime, _) = open(folder.path(), 2, &log);
    // The first fault is from minute 120 on.
    for step in 0..130 {
        send(&runtime, step).expect("taken");
    }
    runtime.handle().checkpoint().expect("a checkpoint");
    let left = copy(folder.path());
    runtime.stop();
    let firing = by_id(log.first_and_again().into_iter().filter(|event| event.alert));
    assert!(!firing.is_empty());
    let again = Log::default();
    let (runtime, _) = open(left.path(), 3, &again);
    runtime.stop();
    assert_eq!(again.first_and_again().len(), 0);
    let standing = by_id(again.of(Told::Standing));
    assert!(!standing.is_empty() && standing.iter().all(|(id, text)| firing.get(id) == Some(text)));
}

#[test]
fn a_damaged_newest_checkpoint_is_named_and_the_one_before_it_taken() {
    let (log, folder) = (Log::default(), tempfile::tempdir().expect("a folder"));
    let (runtime, _) = open(folder.path(), 2, &log);
    for step in 0..STEPS {
        send(&runtime, step).expect("taken");
        if [120, 180].contains(&step) {
            runtime.handle().checkpoint().expect("a checkpoint");
        }
        if step == 200 {
            let left = copy(folder.path());
            let newest = left.path().join("checkpoint/00000000000000000002.checkpoint");
            let mut bytes = fs::read(&newest).expect("a checkpoint");
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
            fs::write(&newest, bytes).expect("room");
            let told = Log::default();
            let (again, found) = open(left.path(), 2, &told);
            assert_eq!((found.generation, found.records), (Some(1), 80));
            assert_eq!(found.rejected.len(), 1);
            for step in 201..STEPS {
                send(&again, step).expect("taken");
            }
            again.stop();
            let expected = undisturbed();
            let again = by_id(told.first_and_again());
            assert!(again.iter().all(|(id, text)| expected.get(id) == Some(text)));
            assert!(expected.keys().rev().any(|id| again.contains_key(id)));
        }
    }
    runtime.stop();
}

#[test]
fn a_journal_that_cannot_be_written_refuses_and_goes_on_when_it_can() {
    let (log, folder) = (Log::default(), tempfile::tempdir().expect("a folder"));
    let storage = FaultyStorage::new(3);
    let durability = Durability { storage: Arc::new(storage.clone()), ..durability(folder.path()) };
    let runtime = start_durable(Settings::default(), options(2), log.listener(), durability);
    runtime.recovering().wait().expect("nothing to recover");
    for step in 0..100 {
        send(&runtime, step).expect("taken");
    }
    storage.fail_from(0, std::io::ErrorKind::StorageFull);
    assert_eq!(send(&runtime, 100), Err(SubmitError::Unrecorded));
    assert_eq!(runtime.handle().stats().phase(), Phase::Unrecorded);
    assert_eq!(send(&runtime, 100), Err(SubmitError::Unrecorded));
    let error = runtime.handle().stats().kept().journal_error.expect("an error");
    assert!(error.ends_with("ordered fault"), "{error}");
    assert!(matches!(runtime.handle().checkpoint(), Err(NoCheckpoint::Checkpoint(_))));
    storage.heal();
    while runtime.handle().stats().phase() != Phase::Ready {
        std::thread::yield_now();
    }
    for step in 100..STEPS {
        send(&runtime, step).expect("taken");
    }
    runtime.stop();
    assert!(by_id(log.first_and_again()) == undisturbed());
}

#[test]
fn an_fsync_that_fails_is_followed_by_no_acknowledgement_and_loses_none() {
    const ROUNDS: u64 = 50;
    const STEPS_BEFORE: usize = 4;
    let (mut acknowledged, mut lost) = (0, 0);
    for seed in 0..ROUNDS {
        let storage = FaultyStorage::new(seed);
        let durability =
            Durability { storage: Arc::new(storage.clone()), ..durability(Path::new("unused")) };
        let folder = durability.journal.folder.clone();
        let listener = Log::default().listener();
        let runtime = start_durable(Settings::default(), options(1), listener, durability);
        runtime.recovering().wait().expect("nothing to recover");
        for step in 0..STEPS_BEFORE {
            send(&runtime, step).expect("taken");
        }
        // Of the next group, the write and then the sync.
        storage.fail_next(1, std::io::ErrorKind::Other);
        match send(&runtime, STEPS_BEFORE) {
            Ok(_) => acknowledged += 1,
            Err(error) => assert_eq!(error, SubmitError::Unrecorded),
        }
        storage.crash();
        runtime.stop();
        let read = Reader::open(Arc::new(storage), &folder, ReadFrom::Oldest).expect("a journal");
        let is_request = |entry: &Entry| matches!(entry, Entry::Record(record) if record.kind == RecordKind::Request as u8);
        let there = read.map(|entry| entry.expect("an entry")).filter(is_request).count();
        lost += STEPS_BEFORE.saturating_sub(there);
    }
    println!(
        "reliability fsync: failed under {ROUNDS} requests, acknowledged {acknowledged}, lost of those before {lost}"
    );
    assert_eq!((acknowledged, lost), (0, 0));
}

#[test]
fn a_start_that_had_records_to_read_again_makes_a_checkpoint_before_it_is_time() {
    let (log, folder) = (Log::default(), tempfile::tempdir().expect("a folder"));
    let (runtime, _) = open(folder.path(), 2, &log);
    for step in 0..20 {
        send(&runtime, step).expect("taken");
    }
    let killed = copy(folder.path());
    runtime.stop();
    let (runtime, found) = open(killed.path(), 2, &log);
    assert_eq!(found.generation, None);
    assert!(found.records >= 20, "{found:?}");
    let handle = runtime.handle();
    let deadline = Instant::now() + Duration::from_mins(1);
    while handle.stats().kept().checkpoints == 0 {
        assert!(Instant::now() < deadline, "no checkpoint");
        thread::sleep(Duration::from_millis(5));
    }
    runtime.stop();
}
