//! Adoption: whoever goes on with what was learned elsewhere ends the alerts that stood, and rings for nothing else.

use std::collections::BTreeSet;
use std::sync::Arc;

use bellwether_engine::{
    ChangeKind, Engine, Event, Outputs, Partition, Record, RecordBody, Settings,
};
use bellwether_runtime::{Adopted, Learned, Told, adopt};
use bellwether_series::Timestamp;

use crate::durable::{by_id, copy, durability, open, send};
use crate::support::{SERIES, Told as Log, request_body};

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
