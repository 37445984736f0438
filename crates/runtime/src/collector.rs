//! The collector: puts what the shards made of a record together again, and tells of it.

use std::sync::Arc;
use std::time::Instant;

use bellwether_engine::{AlertCap, Counts, Event, Gauge, Outputs, Settings};
use crossbeam_channel::Receiver;

use crate::alerts::AlertBook;
use crate::stats::Stats;

/// What a record brought; never nothing at all. With any number of shards it is the same.
#[derive(Debug, Default)]
pub struct News {
    /// Changes of alerts, in log order.
    pub events: Vec<Event>,
    /// News of series whose gauges are exported: see [`Settings::gauges`]. By fingerprint; those of a series in
    /// the order of event time.
    pub gauges: Vec<Gauge>,
}

/// Hears the news, record by record, on the collector's thread. Must not block for long.
pub type OnNews = Box<dyn FnMut(News) + Send>;

/// What the collector must know of a record besides what the shards make of it.
pub(crate) struct Header {
    pub(crate) elapsed_ms: i64,
    pub(crate) counts: Counts,
    pub(crate) arrived: Option<Instant>,
    pub(crate) settings: Option<Arc<Settings>>,
}

/// What a shard made of a record.
pub(crate) struct Done {
    pub(crate) outputs: Outputs,
    pub(crate) open_episodes: usize,
    pub(crate) state_bytes: usize,
}

/// Puts records together again, in order, until the other threads are gone.
pub(crate) fn collect(
    mut cap: AlertCap,
    headers: &Receiver<Header>,
    dones: &[Receiver<Done>],
    stats: &Stats,
    mut on_news: OnNews,
) {
    let mut alerts = AlertBook::default();
    for header in headers {
        if let Some(settings) = &header.settings {
            cap.configure(settings);
        }
        let mut outputs = Outputs { counts: header.counts, ..Outputs::default() };
        let (mut open_episodes, mut state_bytes) = (0, 0);
        for done in dones {
            let Ok(mut done) = done.recv() else { return };
            outputs.counts.add(&done.outputs.counts);
            outputs.events.append(&mut done.outputs.events);
            outputs.gauges.append(&mut done.outputs.gauges);
            open_episodes += done.open_episodes;
            state_bytes += done.state_bytes;
        }
        outputs.sort();
        let Outputs { events, gauges, counts, .. } = outputs;
        let events = cap.apply(events, header.elapsed_ms);
        stats.decide(|decided| {
            decided.counts.add(&counts);
            decided.open_episodes = open_episodes;
            decided.state_bytes = state_bytes;
            for event in &events {
                decided.events[event.severity as usize] += 1;
                alerts.enter(event, &mut decided.alerts);
            }
            if let Some(arrived) = header.arrived {
                decided.observe_latency(arrived.elapsed());
            }
        });
        if !events.is_empty() || !gauges.is_empty() {
            on_news(News { events, gauges });
        }
    }
}
