//! Events of a replay: straight through an engine, and through the runtime with several shards.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};

use bellwether_engine::{Engine, Event, Outputs, Record, RecordBody, Settings};
use bellwether_runtime::{
    Clock, HEARTBEAT, Ingest, News, Options, Request, Runtime, SubmitError, TENANT_UNDER_WAY,
};
use bellwether_series::{LabelSet, Timestamp};
use bellwether_wire::remote_write::{Limits, RawSample, WriteRequest, WriteRequestBuilder};

use crate::fixture::{IDS, read};
use crate::golden::check;

/// The rows of a series as requests with their time of receipt.
fn requests(id: &str) -> Vec<(Timestamp, WriteRequest)> {
    let text = read(id);
    let header: Vec<_> = text.lines().next().expect("a header").split(',').collect();
    let labels: Vec<_> = header[1..header.len() - 1]
        .iter()
        .map(|name| LabelSet::from_pairs([("__name__", *name), ("instance", id)]))
        .collect::<Result<_, _>>()
        .expect("label sets");
    let request = |line: &str| {
        let cells: Vec<_> = line.split(',').collect();
        let seconds: i64 = cells[0].parse().expect("a timestamp");
        let timestamp = Timestamp::from_ms(seconds * 1000);
        let mut builder = WriteRequestBuilder::default();
        for (labels, cell) in labels.iter().zip(&cells[1..]) {
            if let Ok(value) = cell.parse() {
                builder.series(labels, &[RawSample { timestamp, value }]);
            }
        }
        let request = WriteRequest::decode(builder.encode(), &Limits::default());
        (timestamp, request.expect("a request"))
    };
    text.lines().skip(1).map(request).collect()
}

fn lines(events: &[Event]) -> String {
    let mut text = String::new();
    for event in events {
        writeln!(text, "{}", serde_json::to_string(event).expect("JSON")).expect("a string");
    }
    text
}

/// The events of an engine that gets `requests`.
pub(crate) fn through_the_engine(
    settings: &Arc<Settings>,
    requests: impl IntoIterator<Item = (Timestamp, WriteRequest)>,
) -> Vec<Event> {
    let mut engine = Engine::new(settings, 5);
    let (mut outputs, mut events) = (Outputs::default(), Vec::new());
    for (received_at, request) in requests {
        let body = RecordBody::request(&request);
        engine.apply(&Record { received_at, body }, &mut outputs);
        events.append(&mut outputs.events);
    }
    events
}

/// The time of the newest request: a heartbeat, should the machine be slow enough for one, changes nothing.
struct RequestClock(AtomicI64);

impl Clock for RequestClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_ms(self.0.load(Ordering::SeqCst))
    }
}

/// The events of a runtime that gets `requests`, all of which its queue holds.
pub(crate) fn through_the_runtime(
    settings: &Arc<Settings>,
    requests: Vec<(Timestamp, WriteRequest)>,
    shards: usize,
) -> Vec<Event> {
    let heard = Arc::new(Mutex::new(Vec::new()));
    let hearing = Arc::clone(&heard);
    let on_news = Box::new(move |news: News| hearing.lock().expect("no panic").extend(news.events));
    let clock = Arc::new(RequestClock(AtomicI64::new(0)));
    let queue_requests_max = requests.len();
    let options = Options {
        shards,
        queue_requests_max,
        tenant_under_way_max: TENANT_UNDER_WAY,
        heartbeat: HEARTBEAT,
        hash_seed: 3,
    };
    let runtime =
        Runtime::start(settings, options, Arc::clone(&clock) as _, on_news).expect("threads");
    for (received_at, write) in requests {
        clock.0.store(received_at.as_ms(), Ordering::SeqCst);
        let taken = runtime
            .handle()
            .submit(Request { tenant: None, write, received_at, received: None }, Box::new(|_| {}));
        assert_ne!(taken, Err(SubmitError::Full), "the queue takes all requests");
    }
    runtime.stop();
    let mut heard = heard.lock().expect("no panic");
    std::mem::take(&mut *heard)
}

#[test]
fn every_event_is_as_committed() {
    let settings = Arc::new(Settings::default());
    let lines = |id| lines(&through_the_engine(&settings, requests(id)));
    let events: String = IDS.into_iter().map(lines).collect();
    check("events.jsonl", &events);
}

#[test]
fn the_runtime_gives_the_same_events_with_any_number_of_shards() {
    let settings = Arc::new(Settings::default());
    for id in IDS {
        let straight = lines(&through_the_engine(&settings, requests(id)));
        assert!(!straight.is_empty());
        for shards in [1, 3] {
            let sharded = lines(&through_the_runtime(&settings, requests(id), shards));
            assert!(sharded == straight, "{id}, {shards} shards");
        }
    }
}
