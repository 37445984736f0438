//! The same, as cells of a worker see it: what is told of one partition is told apart from what is told of the others.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bellwether_runtime::cells::{CellOutput, Predecessors, Tenure};
use bellwether_runtime::{Deliveries, News, Told};

use super::{Outlets, SETTLE_MAX, Undelivered};

/// As often it is looked whether a topic has what it was told.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// By name of the sink where it stands.
type Marks = BTreeMap<String, String>;

impl Outlets {
    /// What sinks were told of the events `ids` and have not delivered; of those that can be asked, or of the others.
    fn undelivered_of(&self, ids: &BTreeSet<String>, can_be_asked: bool) -> Undelivered {
        let sinks = self.sinks.iter().filter(|sink| sink.can_be_asked() == can_be_asked);
        let undelivered = sinks.map(|sink| {
            let events = sink.undelivered().into_iter().filter(|event| ids.contains(&event.id));
            (sink.name().to_owned(), events.collect::<Vec<_>>())
        });
        undelivered.filter(|(_, events)| !events.is_empty()).collect()
    }
}

fn ids_of(undelivered: &Undelivered) -> BTreeSet<String> {
    undelivered.values().flatten().map(|event| event.id.clone()).collect()
}

impl CellOutput for Outlets {
    fn marks(&self) -> Result<String, String> {
        let mut all = Marks::new();
        for sink in self.sinks.iter().filter(|sink| sink.can_be_asked()) {
            let marks = sink.marks().map_err(|error| format!("{}: {error}", sink.name()))?;
            all.extend(marks.map(|marks| (sink.name().to_owned(), marks)));
        }
        serde_json::to_string(&all).map_err(|error| error.to_string())
    }

    fn supersede(&self, before: &Predecessors) -> Result<(), String> {
        self.sinks.iter().try_for_each(|sink| {
            sink.supersede(before).map_err(|error| format!("{}: {error}", sink.name()))
        })
    }

    fn taken_since(&self, marks: &str) -> Result<BTreeSet<String>, String> {
        let all: Marks = serde_json::from_str(marks).map_err(|error| error.to_string())?;
        let mut taken = BTreeSet::new();
        for sink in &self.sinks {
            // One that was not there then has nothing of what was told since.
            let Some(marks) = all.get(sink.name()) else { continue };
            let of_sink = sink.taken_since(marks);
            taken.extend(of_sink.map_err(|error| format!("{}: {error}", sink.name()))?);
        }
        Ok(taken)
    }

    fn tell(&self, news: News, taken: &BTreeSet<String>, tenure: &Arc<Tenure>) {
        let told = news.told;
        for event in news.events {
            let is_taken = taken.contains(&event.id);
            self.tell_each(told, event, Some(tenure), |sink, event| {
                match (told, sink.can_be_asked()) {
                    (Told::Standing, _) => {}
                    (_, true) if is_taken => {}
                    (_, true) => sink.publish_held(event, tenure),
                    (Told::First, false) => sink.publish(event),
                    (Told::Again | Told::Overdue, false) => sink.publish_again(event),
                }
            });
        }
        if !news.gauges.is_empty() {
            self.publish_gauges(news.gauges);
        }
    }

    fn settle(&self, ids: &BTreeSet<String>) -> Option<(BTreeSet<String>, Vec<u8>)> {
        let deadline = Instant::now() + SETTLE_MAX;
        if !self.sinks.iter().all(|sink| sink.settle(SETTLE_MAX)) {
            return None;
        }
        while !self.undelivered_of(ids, true).is_empty() {
            if Instant::now() >= deadline {
                return None;
            }
            std::thread::sleep(LOOK_EVERY);
        }
        let undelivered = self.undelivered_of(ids, false);
        // Of those that can be asked each checkpoint has marks of its own.
        let kept = serde_json::to_vec(&undelivered);
        let kept =
            kept.inspect_err(|error| tracing::error!(%error, "events cannot be kept")).ok()?;
        Some((ids_of(&undelivered), kept))
    }

    fn resume(&self, undelivered: &[u8]) -> BTreeSet<String> {
        Deliveries::resume(self, undelivered);
        // What cannot be read was complained about.
        serde_json::from_slice(undelivered)
            .map(|undelivered| ids_of(&undelivered))
            .unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use bellwether_detect::Severity;
    use bellwether_engine::{ChangeKind, Event};
    use bellwether_runtime::cells::Membership;
    use bellwether_runtime::{EventSink, SinkStats, TopicPartition};
    use parking_lot::Mutex;
    use std::path::Path;

    use super::*;
    use crate::config::Config;
    use crate::events::tests::event;

    /// A sink that delivers nothing of what it was told.
    struct Stuck {
        name: &'static str,
        can_be_asked: bool,
        told: Mutex<Vec<Arc<Event>>>,
    }

    impl EventSink for Stuck {
        fn name(&self) -> &str {
            self.name
        }

        fn publish(&self, event: &Arc<Event>) {
            self.told.lock().push(Arc::clone(event));
        }

        fn undelivered(&self) -> Vec<Arc<Event>> {
            self.told.lock().clone()
        }

        fn can_be_asked(&self) -> bool {
            self.can_be_asked
        }

        fn marks(&self) -> Result<Option<String>, String> {
            Ok(Some("7".to_owned()))
        }

        fn taken_since(&self, marks: &str) -> Result<BTreeSet<String>, String> {
            Ok(BTreeSet::from([format!("since {marks}")]))
        }

        fn stats(&self) -> SinkStats {
            SinkStats::default()
        }

        fn close(&self, _: Duration) {}
    }

    fn outlets() -> (Outlets, Arc<Stuck>, Arc<Stuck>) {
        let sink =
            |name, can_be_asked| Arc::new(Stuck { name, can_be_asked, told: Mutex::default() });
        let (topic, webhook) = (sink("topic", true), sink("webhook", false));
        let off = "sinks: { event_log: { enabled: false } }";
        let config = Config::parse(off, "test", Path::new("."), &[].into()).unwrap();
        let more: Vec<Arc<dyn EventSink>> = vec![topic.clone(), webhook.clone()];
        (Outlets::start(&config, more).unwrap(), topic, webhook)
    }

    fn news(names: &[&str]) -> News {
        let of = |name: &&str| event(name, 0, ChangeKind::Firing, Severity::Warning);
        News { told: Told::Again, events: names.iter().map(of).collect(), gauges: Vec::new() }
    }

    fn tenure() -> Arc<Tenure> {
        let at = TopicPartition { topic: "metrics".into(), partition: 0 };
        Arc::new(Tenure::begin(at, Arc::new(Membership::begin(Duration::MAX))))
    }

    #[tokio::test]
    async fn a_topic_is_not_told_what_it_has_and_the_others_are() {
        let (outlets, topic, webhook) = outlets();
        outlets.tell(news(&["a", "b"]), &BTreeSet::from(["a-0".to_owned()]), &tenure());
        let ids = |sink: &Stuck| {
            sink.told.lock().iter().map(|event| event.id.clone()).collect::<Vec<_>>()
        };
        assert_eq!(
            (ids(&topic), ids(&webhook)),
            (vec!["b-0".into()], vec!["a-0".into(), "b-0".into()])
        );
        let marks = outlets.marks().unwrap();
        assert_eq!(marks, r#"{"topic":"7"}"#);
        assert_eq!(outlets.taken_since(&marks).unwrap(), BTreeSet::from(["since 7".to_owned()]));
        assert!(outlets.taken_since("{").is_err());
    }

    #[tokio::test]
    async fn what_others_have_not_delivered_of_a_partition_is_kept_with_it() {
        let (outlets, topic, webhook) = outlets();
        outlets.tell(news(&["a", "b"]), &BTreeSet::new(), &tenure());
        topic.told.lock().clear();
        let ours = BTreeSet::from(["a-0".to_owned()]);
        let (waiting, kept) = CellOutput::settle(&outlets, &ours).unwrap();
        assert_eq!(waiting, ours);
        webhook.told.lock().clear();
        assert_eq!(CellOutput::resume(&outlets, &kept), ours);
        assert_eq!(webhook.told.lock().len(), 1);
    }
}
