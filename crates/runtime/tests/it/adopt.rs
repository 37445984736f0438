//! Adoption: whoever goes on with what was learned elsewhere ends the alerts that stood, and rings for nothing else.

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::sync::{Arc, mpsc};

use bellwether_engine::{
    ChangeKind, Engine, Event, Outputs, Partition, Record, RecordBody, SeriesLimits, Settings,
};
use bellwether_runtime::testing::FaultyStorage;
use bellwether_runtime::{
    Adopted, Durability, Ingest, Learned, Received, Request, Source, Told, adopt,
};
use bellwether_series::Timestamp;
use bellwether_wire::remote_write::{Limits, RawSample, WriteRequest, WriteRequestBuilder};
use bellwether_wire::{Compression, Format, Message};

use crate::durable::{by_id, copy, durability, open, send};
use crate::support::{SERIES, Told as Log, labels, options, request_body, start_durable};

/// What an engine has learned from the steps up to `until`.
fn learned(until: usize) -> (Learned, usize) {
    let settings = Arc::new(Settings::default());
    let (mut engine, mut outputs) = (Engine::new(&settings, 1), Outputs::default());
    for step in 0..until {
        let (write, received_at, _) = request_body(step);
        let body = RecordBody::Request { tenant: "", write: &write };
        engine.apply(&Record { received_at, body }, &mut outputs);
    }
    let open = engine.partitions().iter().map(Partition::open_episodes).sum();
    let (intake, partitions) = engine.into_learned();
    (Learned { settings, intake, partitions }, open)
}

fn alerts(events: &[Event], change: ChangeKind) -> usize {
    events.iter().filter(|event| event.alert && event.change == change).count()
}

#[test]
fn a_fresh_folder_goes_on_with_what_was_learned_and_tells_nobody_of_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let (learned, open_episodes) = learned(140);
    assert!(open_episodes > 2);
    let at = Timestamp::from_ms(1);
    let adopted = adopt(learned, &durability(folder.path()), at).expect("room");
    assert_eq!(adopted, Adopted { generation: 1, next: 1, ended_alerts: 0 });
    let log = Log::default();
    let (runtime, found) = open(folder.path(), 2, &log);
    assert_eq!((found.generation, found.records, found.gaps.len()), (Some(1), 0, 0));
    assert!(log.events().is_empty());
    // All faults but the last ones are over, and the threshold is known from the first sample on.
    for step in 141..146 {
        send(&runtime, step).expect("taken");
    }
    runtime.stop();
    let events = log.events();
    assert!(alerts(&events, ChangeKind::Firing) > 2, "{events:?}");
    assert!(events.iter().all(|event| event.starts_at_ms >= request_body(141).1), "{events:?}");
}

const MINUTE_MS: i64 = 60_000;
/// Minutes after which nothing was heard of all series but one for long enough.
const SILENT: usize = 12;

fn forgetful() -> Settings {
    let series = SeriesLimits { idle_after_ms: 5 * MINUTE_MS, ..Settings::default().series };
    Settings { series, ..Settings::default() }
}

/// All series for two minutes, then one of them; `level` is where their values are.
fn minute(minute: usize, level: f64) -> Request {
    let series = if minute < 2 { SERIES } else { 1 };
    let received_at = Timestamp::from_ms(1_750_000_020_000 + minute as i64 * MINUTE_MS);
    let mut builder = WriteRequestBuilder::default();
    for series in 0..series {
        let value = level + (minute * 7919 + series) as f64;
        builder.series(&labels(series), &[RawSample { timestamp: received_at, value }]);
    }
    let body = builder.encode();
    let write = WriteRequest::decode(body.clone(), &Limits::default()).expect("a request");
    let format = Format::new(Message::RemoteWrite1, Compression::None);
    let received = Some(Received { source: Source::Address("test".into()), format, body });
    Request { tenant: None, write, received_at, received }
}

/// What has learned all minutes, with silent series.
fn learned_silence() -> Learned {
    let settings = Arc::new(forgetful());
    let (mut engine, mut outputs) = (Engine::new(&settings, 1), Outputs::default());
    for step in 0..SILENT {
        let Request { write, received_at, .. } = minute(step, 1e6);
        let body = RecordBody::Request { tenant: "", write: &write };
        engine.apply(&Record { received_at, body }, &mut outputs);
    }
    let silent: usize = engine.partitions().iter().map(Partition::cold_series).sum();
    assert_eq!(silent, SERIES - 1);
    let (intake, partitions) = engine.into_learned();
    Learned { settings, intake, partitions }
}

/// An engine that takes `requests`, and what it says of silent series then: reloaded, and lost.
fn take(storage: &FaultyStorage, requests: impl Iterator<Item = Request>) -> (u64, u64) {
    let folder = std::path::Path::new("unused");
    let durability = Durability { storage: Arc::new(storage.clone()), ..durability(folder) };
    let runtime = start_durable(forgetful(), options(1), Log::default().listener(), durability);
    runtime.recovering().wait().expect("what was kept can be read");
    for request in requests {
        let (reply, answer) = mpsc::channel();
        let reply = Box::new(move |outcome| reply.send(outcome).expect("somebody waits"));
        runtime.handle().submit(request, reply).expect("room");
        answer.recv().expect("an answer").expect("taken");
    }
    // The collector is asked last, so it knows all by then.
    runtime.handle().checkpoint().expect("a checkpoint");
    let counts = runtime.handle().stats().decided().counts;
    runtime.stop();
    (counts.cold_reloaded, counts.cold_lost)
}

#[test]
fn an_adoption_that_fails_anywhere_leaves_the_silent_series_that_there_were() {
    let come_back = || {
        std::iter::once(minute(0, 0.0)).map(|request| Request {
            received_at: request.received_at.plus_ms(SILENT as i64 * MINUTE_MS),
            ..request
        })
    };
    // Some 220 operations; more of them would take half a minute.
    for operations in (0..).step_by(7) {
        let storage = FaultyStorage::new(1);
        assert_eq!(take(&storage, (0..SILENT).map(|step| minute(step, 0.0))), (0, 0));
        storage.fail_from(operations, ErrorKind::StorageFull);
        let folder = std::path::Path::new("unused");
        let durability = Durability { storage: Arc::new(storage.clone()), ..durability(folder) };
        let adopted = adopt(learned_silence(), &durability, Timestamp::from_ms(1));
        storage.heal();
        if adopted.is_ok() {
            assert!(operations > 5, "only {operations} were tried");
            break;
        }
        let (reloaded, lost) = take(&storage, come_back());
        assert_eq!((reloaded, lost), (SERIES as u64 - 1, 0), "after {operations} operations");
    }
}

#[test]
fn alerts_that_stood_end_once_and_what_was_learned_before_is_replaced() {
    let (log, folder) = (Log::default(), tempfile::tempdir().expect("a folder"));
    let (runtime, _) = open(folder.path(), 2, &log);
    for step in 0..130 {
        send(&runtime, step).expect("taken");
        if step == 123 {
            runtime.handle().checkpoint().expect("a checkpoint");
        }
    }
    runtime.stop();
    let told = log.first_and_again();
    let firing: BTreeSet<_> =
        told.iter().filter(|event| event.alert).map(|event| event.episode_id).collect();
    assert!(!firing.is_empty() && alerts(&told, ChangeKind::Resolved) == 0);

    let (learned, _) = learned(110);
    let at = request_body(140).1;
    let adopted = adopt(learned, &durability(folder.path()), at).expect("room");
    assert_eq!((adopted.generation, adopted.next), (2, 132));
    // Whoever is killed before its first checkpoint tells the same again.
    let (first, left) = (Log::default(), copy(folder.path()));
    open(left.path(), 1, &first).0.stop();
    let again = Log::default();
    let (runtime, found) = open(folder.path(), 3, &again);
    assert_eq!((found.generation, found.records), (Some(2), 0));
    // The collector is asked last, so it has told by then.
    assert_eq!(runtime.handle().checkpoint().expect("a checkpoint"), 3);
    let overdue = first.of(Told::Overdue);
    assert_eq!(by_id(again.of(Told::Overdue)), by_id(overdue.clone()));
    assert_eq!((again.of(Told::Standing).len(), again.first_and_again().len()), (0, 0));
    let views = runtime.handle().view(Arc::new(|_| true), SERIES).expect("it runs");
    assert!(views.len() == SERIES && views.iter().all(|view| view.severity.is_none()));
    runtime.stop();
    let after = Log::default();
    open(folder.path(), 1, &after).0.stop();
    assert!(after.events().is_empty(), "{:?}", after.events());

    let is_end = |event: &&Event| event.change == ChangeKind::Resolved;
    let ends: Vec<_> = overdue.iter().filter(is_end).collect();
    assert_eq!((ends.len(), ends.len() as u64), (firing.len(), adopted.ended_alerts));
    for end in &ends {
        assert!(firing.contains(&end.episode_id) && end.alert && end.ends_at_ms == Some(at));
        assert!(told.iter().all(|event| event.id != end.id), "{end:?}");
    }
    // What came behind the checkpoint may not have been told; it is what it was.
    let others = by_id(overdue.iter().filter(|event| !is_end(event)).cloned());
    let told = by_id(told);
    assert!(!others.is_empty() && others.iter().all(|(id, text)| told.get(id) == Some(text)));
}
