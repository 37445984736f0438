//! Threads change no event.

use std::sync::Arc;

use bellwether_engine::{Engine, Event, Outputs, Record, RecordBody, Settings};
use bellwether_runtime::Ingest;

use crate::support::{STEPS, Told, options, request, start};

fn through_the_engine() -> Vec<Event> {
    let mut engine = Engine::new(&Arc::new(Settings::default()), 1);
    let (mut outputs, mut events) = (Outputs::default(), Vec::new());
    for step in 0..STEPS {
        let request = request(step);
        let body = RecordBody::Request(&request.write);
        engine.apply(&Record { received_at: request.received_at, body }, &mut outputs);
        events.append(&mut outputs.events);
    }
    events
}

#[test]
fn any_number_of_shards_gives_the_events_of_the_engine() {
    let expected = through_the_engine();
    assert!(expected.len() > 12, "{}", expected.len());
    for shards in [1, 2, 5] {
        let told = Told::default();
        let runtime = start(options(shards), told.listener());
        for step in 0..STEPS {
            runtime.handle().submit(request(step), Box::new(|_| {})).expect("room for all");
        }
        runtime.stop();
        assert!(told.events() == expected, "{shards} shards");
    }
}

#[test]
fn figures_agree_with_what_was_sent() {
    let told = Told::default();
    let runtime = start(options(3), told.listener());
    let handle = runtime.handle();
    for step in 0..STEPS {
        handle.submit(request(step), Box::new(|_| {})).expect("room for all");
    }
    runtime.stop();
    let (stats, samples) = (handle.stats(), (STEPS * crate::support::SERIES) as u64);
    assert_eq!(stats.samples_accepted(), samples);
    assert_eq!((stats.series(), stats.watched()), (crate::support::SERIES, crate::support::SERIES));
    assert_eq!(stats.queue_depth(), 0);
    let decided = stats.decided();
    assert_eq!(decided.counts.judged + decided.counts.warming_up, samples);
    assert_eq!(decided.latency_buckets.iter().sum::<u64>(), STEPS as u64);
    assert_eq!(decided.events.iter().sum::<u64>(), told.events().len() as u64);
    assert_eq!(decided.open_episodes, 0);
    assert!(decided.state_bytes > 0);
}
