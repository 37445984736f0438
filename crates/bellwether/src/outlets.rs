//! Where everything goes that the engine finds: the API's memory, Alertmanagers, sinks, gauges.

#[cfg(feature = "kafka")]
mod of_cells;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
#[cfg(feature = "kafka")]
use bellwether_connect::kafka::Group;
use bellwether_connect::sink::alertmanager::Alertmanagers;
use bellwether_connect::sink::gauges::Gauges;
#[cfg(feature = "kafka")]
use bellwether_connect::sink::kafka::KafkaEvents;
use bellwether_connect::sink::webhook::Webhook;
use bellwether_engine::{ChangeKind, Event, Gauge};
use bellwether_eventlog::{EventLogOptions, FileSink, JsonLinesOptions};
use bellwether_runtime::cells::Tenure;
use bellwether_runtime::{Deliveries, EventSink, SinkStats, Told};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use crate::config::Config;
use crate::events::EventStore;

/// Longest wait for a sink's files before a checkpoint.
const SETTLE_MAX: Duration = Duration::from_secs(10);

/// Everybody who is told of events. None of them is waited for.
pub(crate) struct Outlets {
    pub(crate) alertmanagers: Arc<Alertmanagers>,
    pub(crate) gauges: Arc<Gauges>,
    pub(crate) events: EventStore,
    sinks: Vec<Arc<dyn EventSink>>,
    /// What the topic's transactions share with a source, if it makes any.
    #[cfg(feature = "kafka")]
    group: Option<Arc<Group>>,
    /// Held while everybody is told of an event, so that all hear of events in the same order.
    telling: Mutex<()>,
}

impl Outlets {
    /// Starts what `config` asks for; `more` are told as well.
    ///
    /// # Errors
    /// When an option is unusable, or a file or thread cannot be had.
    pub(crate) fn start(config: &Config, more: Vec<Arc<dyn EventSink>>) -> anyhow::Result<Self> {
        let mut sinks = more;
        if let Some(options) = &config.sinks.json_lines {
            let path = config.data_dir.join(&options.path);
            let shown = path.display().to_string();
            let options = JsonLinesOptions { path, ..options.clone() };
            let sink = FileSink::json_lines("json_lines", options);
            sinks.push(Arc::new(sink.with_context(|| {
                format!("sink cannot start: sinks.json_lines, path=`{shown}`")
            })?));
        }
        if let Some(options) = &config.sinks.event_log {
            let folder = config.data_dir.join(&options.folder);
            let shown = folder.display().to_string();
            let options = EventLogOptions { folder, ..options.clone() };
            let sink = FileSink::event_log("event_log", options);
            sinks.push(Arc::new(
                sink.with_context(|| {
                    format!("sink cannot start: sinks.event_log, path=`{shown}`")
                })?,
            ));
        }
        for options in &config.sinks.webhooks {
            let name = options.name.clone();
            let sink = Webhook::start(options.clone());
            sinks.push(Arc::new(sink.with_context(|| format!("sink cannot start: {name}"))?));
        }
        #[cfg(feature = "kafka")]
        let mut group = None;
        #[cfg(feature = "kafka")]
        if let Some(options) = &config.sinks.kafka {
            let sink = KafkaEvents::start(options.clone());
            let sink = sink.context("sink cannot start: sinks.kafka")?;
            group = sink.group();
            sinks.push(Arc::new(sink));
        }
        Ok(Self {
            alertmanagers: Arc::new(Alertmanagers::start(config.alertmanagers.clone())?),
            gauges: Arc::new(Gauges::start(config.gauges.clone())?),
            events: EventStore::new(config.server.events_max),
            sinks,
            #[cfg(feature = "kafka")]
            group,
            telling: Mutex::default(),
        })
    }

    /// Tells everybody, as far as it is news to them. Never blocks but for the first event that is told again: then
    /// sinks look up what they have.
    pub(crate) fn publish(&self, told: Told, event: Event) {
        self.tell_each(told, event, None, |sink, event| match told {
            Told::First => sink.publish(event),
            Told::Again | Told::Overdue => sink.publish_again(event),
            Told::Standing => {}
        });
    }

    /// Likewise, in the name of `tenure`; `each` tells a sink of it.
    fn tell_each(
        &self,
        told: Told,
        event: Event,
        tenure: Option<&Arc<Tenure>>,
        each: impl Fn(&dyn EventSink, &Arc<Event>),
    ) {
        let _in_turn = self.telling.lock();
        // Alertmanagers are told what stands; what happened before is of no use to them, but that it is over.
        let is_news = match told {
            Told::First | Told::Standing => true,
            Told::Again => false,
            Told::Overdue => event.change == ChangeKind::Resolved,
        };
        if is_news {
            match tenure {
                Some(tenure) => self.alertmanagers.publish_held(&event, tenure),
                None => self.alertmanagers.publish(&event),
            }
        }
        let event = Arc::new(event);
        self.sinks.iter().for_each(|sink| each(&**sink, &event));
        if told != Told::Standing || !self.events.has(&event) {
            self.events.push(event);
        }
    }

    /// Tells who wants gauges. Never blocks.
    pub(crate) fn publish_gauges(&self, gauges: Vec<Gauge>) {
        self.gauges.publish(gauges);
    }

    /// What transactions of a topic share with the source, if any are made.
    #[cfg(feature = "kafka")]
    pub(crate) fn group(&self) -> Option<Arc<Group>> {
        self.group.clone()
    }

    /// How each sink is doing, with its name.
    pub(crate) fn sink_stats(&self) -> Vec<(String, SinkStats)> {
        self.sinks.iter().map(|sink| (sink.name().to_owned(), sink.stats())).collect()
    }

    /// Delivers what waits. Returns after `limit`, or a little later, whatever is out there.
    pub(crate) async fn close(&self, limit: Duration) {
        let closing: Vec<_> = self
            .sinks
            .iter()
            .map(|sink| {
                let sink = Arc::clone(sink);
                tokio::task::spawn_blocking(move || sink.close(limit))
            })
            .collect();
        tokio::join!(self.alertmanagers.shutdown(limit), self.gauges.shutdown(limit), async {
            for sink in closing {
                // A panic has been printed by then.
                _ = tokio::time::timeout(limit, sink).await;
            }
        });
    }
}

/// By name, the events that a sink was told and has not delivered.
type Undelivered = BTreeMap<String, Vec<Arc<Event>>>;

/// What a checkpoint keeps of the sinks, as JSON.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    undelivered: Undelivered,
    /// By name, where a sink can be asked from what it has.
    bookmarks: BTreeMap<String, String>,
}

impl Kept {
    /// Where no sink has a bookmark nothing is said of any, as in earlier versions.
    fn encode(&self) -> serde_json::Result<Vec<u8>> {
        if self.bookmarks.is_empty() {
            return serde_json::to_vec(&self.undelivered);
        }
        serde_json::to_vec(self)
    }

    fn decode(bytes: &[u8]) -> serde_json::Result<Self> {
        serde_json::from_slice(bytes).or_else(|_| {
            let undelivered = serde_json::from_slice(bytes)?;
            Ok(Self { undelivered, bookmarks: BTreeMap::new() })
        })
    }
}

impl Deliveries for Outlets {
    fn settle(&self) -> Option<Vec<u8>> {
        if !self.sinks.iter().all(|sink| sink.settle(SETTLE_MAX)) {
            return None;
        }
        let named = |sink: &Arc<dyn EventSink>| sink.name().to_owned();
        let sinks = self.sinks.iter();
        let bookmarks = sinks.filter_map(|sink| Some((named(sink), sink.bookmark()?))).collect();
        let undelivered: Undelivered = self
            .sinks
            .iter()
            .map(|sink| (named(sink), sink.undelivered()))
            .filter(|(_, events)| !events.is_empty())
            .collect();
        let kept = Kept { undelivered, bookmarks }.encode();
        kept.inspect_err(|error| tracing::error!(%error, "events cannot be kept")).ok()
    }

    fn resume(&self, undelivered: &[u8]) {
        let Kept { undelivered, bookmarks } = match Kept::decode(undelivered) {
            Ok(kept) => kept,
            Err(error) => {
                tracing::error!(%error, "events that sinks had not delivered cannot be read");
                return;
            }
        };
        let find = |name: &str| self.sinks.iter().find(|sink| sink.name() == name);
        for (name, bookmark) in &bookmarks {
            if let Some(sink) = find(name) {
                sink.return_to(bookmark);
            }
        }
        for (name, events) in undelivered {
            let Some(sink) = find(&name) else {
                tracing::warn!(
                    sink = name,
                    events = events.len(),
                    "events were for a sink that is gone"
                );
                continue;
            };
            tracing::info!(sink = name, events = events.len(), "delivering what waited before");
            for event in &events {
                sink.publish_again(event);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_of_sinks_is_read_as_it_was_written_with_bookmarks_and_without() {
        let events = |name: &str| BTreeMap::from([(name.to_owned(), Vec::new())]);
        let bookmarks = BTreeMap::from([("kafka".to_owned(), "7".to_owned())]);
        let kept = Kept { undelivered: events("undelivered"), bookmarks };
        let read = Kept::decode(&kept.encode().unwrap()).unwrap();
        assert_eq!(read.bookmarks, kept.bookmarks);
        assert!(read.undelivered.contains_key("undelivered"));
        let plain = Kept { undelivered: events("webhook"), ..Kept::default() };
        let bytes = plain.encode().unwrap();
        assert_eq!(bytes, br#"{"webhook":[]}"#);
        assert!(Kept::decode(&bytes).unwrap().undelivered.contains_key("webhook"));
        assert!(Kept::decode(b"[]").is_err());
    }
}
