//! A small fleet and a runtime around it.

use std::sync::{Arc, Mutex};

use bellwether_engine::{Event, Gauge, Settings};
use bellwether_runtime::{
    Clock, Durability, HEARTBEAT, News, OnNews, Options, Request, Runtime, TENANT_UNDER_WAY,
    Told as How,
};
use bellwether_series::{LabelSet, MatchOp, Matcher, Matchers, Timestamp};
use bellwether_wire::remote_write::{Limits, RawSample, WriteRequest, WriteRequestBuilder};

pub(crate) const SERIES: usize = 12;
/// Steps until every series has had its fault and is well again.
pub(crate) const STEPS: usize = 260;

const START: Timestamp = Timestamp::from_ms(1_750_000_020_000);

/// Labels of a series.
pub(crate) fn labels(series: usize) -> LabelSet {
    let instance = format!("host-{series:02}");
    LabelSet::from_pairs([("__name__", "queue_depth"), ("instance", &instance)])
        .expect("a label set")
}

/// What is received at a minute: every series once. From minute 120 on one series after the other is ten
/// times as large for a quarter of an hour.
pub(crate) fn request(step: usize) -> Request {
    let (write, received_at, _) = request_body(step);
    Request { tenant: None, write, received_at, received: None }
}

/// The same with its encoding, not compressed.
pub(crate) fn request_body(step: usize) -> (WriteRequest, Timestamp, Vec<u8>) {
    let timestamp = START.plus_ms(step as i64 * 60_000);
    let mut builder = WriteRequestBuilder::default();
    for series in 0..SERIES {
        let fault = 120 + 5 * series;
        let factor = if (fault..fault + 15).contains(&step) { 10.0 } else { 1.0 };
        let noise = (step * 7919 + series * 104_729) % 101;
        let value = factor * (100.0 + series as f64 + noise as f64 / 25.0);
        builder.series(&labels(series), &[RawSample { timestamp, value }]);
    }
    let body = builder.encode();
    let write = WriteRequest::decode(body.clone(), &Limits::default()).expect("a request");
    (write, timestamp, body)
}

pub(crate) fn options(shards: usize) -> Options {
    Options {
        shards,
        queue_requests_max: STEPS,
        tenant_under_way_max: TENANT_UNDER_WAY,
        heartbeat: HEARTBEAT,
        hash_seed: 11,
    }
}

/// A clock that stands still. Should the machine be slow enough for a heartbeat, no event changes: to the
/// engine it is a step back in time, which counts as none.
pub(crate) struct StoppedClock;

impl Clock for StoppedClock {
    fn now(&self) -> Timestamp {
        START
    }
}

/// Settings under which the gauges of the first five series are exported.
pub(crate) fn exporting() -> Settings {
    let first = Matcher::new("instance", MatchOp::Regex, "host-0[0-4]").expect("a pattern");
    Settings { gauges: vec![Matchers::new(vec![first])], ..Settings::default() }
}

pub(crate) fn start(options: Options, on_news: OnNews) -> Runtime {
    start_with(Settings::default(), options, on_news)
}

pub(crate) fn start_with(settings: Settings, options: Options, on_news: OnNews) -> Runtime {
    Runtime::start(&Arc::new(settings), options, Arc::new(StoppedClock), on_news).expect("threads")
}

/// A runtime whose state survives.
pub(crate) fn start_durable(
    settings: Settings,
    options: Options,
    on_news: OnNews,
    durability: Durability,
) -> Runtime {
    let clock = Arc::new(StoppedClock);
    Runtime::open(&Arc::new(settings), options, clock, on_news, Some(durability)).expect("threads")
}

/// What a runtime told so far.
#[derive(Clone, Default)]
pub(crate) struct Told(Arc<Mutex<Vec<News>>>);

impl Told {
    pub(crate) fn listener(&self) -> OnNews {
        let told = self.clone();
        Box::new(move |news| told.0.lock().expect("no panic").push(news))
    }

    pub(crate) fn events(&self) -> Vec<Event> {
        self.0.lock().expect("no panic").iter().flat_map(|news| news.events.clone()).collect()
    }

    /// All but what stands.
    pub(crate) fn first_and_again(&self) -> Vec<Event> {
        [How::First, How::Again].into_iter().flat_map(|how| self.of(how)).collect()
    }

    pub(crate) fn of(&self, how: How) -> Vec<Event> {
        let told = self.0.lock().expect("no panic");
        let told = told.iter().filter(|news| news.told == how);
        told.flat_map(|news| news.events.clone()).collect()
    }

    pub(crate) fn gauges(&self) -> Vec<Gauge> {
        self.0.lock().expect("no panic").iter().flat_map(|news| news.gauges.clone()).collect()
    }

    /// Whether somebody was called for nothing.
    pub(crate) fn any_empty(&self) -> bool {
        let told = self.0.lock().expect("no panic");
        told.iter().any(|news| news.events.is_empty() && news.gauges.is_empty())
    }
}
