//! The collector: puts what the shards made of a record together again, and tells of it.

use std::sync::Arc;
use std::time::Instant;

use bellwether_engine::{AlertCap, Counts, Event, Gauge, Outputs, Settings, StateError};
use crossbeam_channel::{Receiver, Sender};

use crate::alerts::{AlertBook, AlertFigures};
use crate::sequencer::{Part, Position};
use crate::stats::Stats;

/// What a record brought; never nothing at all. With any number of shards it is the same.
#[derive(Debug)]
pub struct News {
    /// Whether it is news.
    pub told: Told,
    /// Changes of alerts, in log order.
    pub events: Vec<Event>,
    /// News of series whose gauges are exported: see [`Settings::gauges`]. By fingerprint; those of a series in
    /// the order of event time.
    pub gauges: Vec<Gauge>,
}

/// Whether what is told was told before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    /// For the first time.
    First,
    /// Perhaps for the second time: by a record of the journal that a process before this one may have told of. Ids are the
    /// same.
    Again,
    /// For the second time: alerts that were firing when this process began, and still do.
    Standing,
    /// When what had been learned was [replaced](crate::adopt): the ends of the alerts that stood, and before them what a process
    /// may not have told of. Until the first checkpoint after that each start tells of it. Ids are the same.
    Overdue,
}

/// Hears the news, record by record, on the collector's thread. Must not block for long.
pub type OnNews = Box<dyn FnMut(News) + Send>;

/// What the collector is told.
#[expect(clippy::large_enum_variant, reason = "nearly every message is a record")]
pub(crate) enum ToCollector {
    Record(Header),
    Save {
        at: Position,
        part: Sender<Part<Vec<u8>>>,
    },
    Barrier(Sender<()>),
    /// Tells of the alerts that stand, and of what is overdue.
    Standing,
}

/// What the collector must know of a record besides what the shards make of it.
pub(crate) struct Header {
    pub(crate) sequence: u64,
    pub(crate) is_replayed: bool,
    pub(crate) elapsed_ms: i64,
    pub(crate) counts: Counts,
    pub(crate) arrived: Option<Instant>,
    pub(crate) settings: Option<Arc<Settings>>,
}

/// What a shard made of a record.
pub(crate) struct Done {
    pub(crate) outputs: Outputs,
    pub(crate) open_episodes: usize,
    pub(crate) demoted_series: usize,
    pub(crate) state_bytes: usize,
    pub(crate) cold_bytes: u64,
}

/// The collector's state.
#[derive(Debug)]
pub(crate) struct Collector {
    cap: AlertCap,
    book: AlertBook,
    /// What nobody was told of for sure, and will not be made again: see [`Told::Overdue`].
    overdue: Vec<Event>,
    /// Records below this were told of before the state was saved.
    seen_below: u64,
}

/// What a collector has to say of a record.
pub(crate) struct Collected {
    pub(crate) events: Vec<Event>,
    pub(crate) gauges: Vec<Gauge>,
    pub(crate) counts: Counts,
}

impl Collector {
    /// A collector that has seen nothing.
    pub(crate) fn new(settings: Arc<Settings>) -> Self {
        let (cap, book) = (AlertCap::new(settings), AlertBook::default());
        Self { cap, book, overdue: Vec::new(), seen_below: 0 }
    }

    /// Takes in what all shards made of a record; `None` of one that was told of before.
    pub(crate) fn take(
        &mut self,
        header: &Header,
        mut outputs: Outputs,
        figures: &mut AlertFigures,
    ) -> Option<Collected> {
        if header.sequence < self.seen_below {
            return None;
        }
        if let Some(settings) = &header.settings {
            self.cap.configure(settings);
        }
        outputs.counts.add(&header.counts);
        outputs.sort();
        let Outputs { events, gauges, counts, .. } = outputs;
        let events = self.cap.apply(events, header.elapsed_ms);
        for event in &events {
            self.book.enter(event, figures);
        }
        Some(Collected { events, gauges, counts })
    }

    /// The newest event of each alert that fires.
    pub(crate) fn firing(&self) -> impl Iterator<Item = &Event> {
        self.book.firing()
    }

    /// These events are overdue from now on.
    pub(crate) fn owe(&mut self, events: impl IntoIterator<Item = Event>) {
        self.overdue.extend(events);
    }

    /// Ends all alerts, under the configuration `settings`: what `end` makes of the newest event of each is overdue from now
    /// on. How many there were.
    pub(crate) fn replace(
        &mut self,
        settings: &Arc<Settings>,
        end: impl Fn(&Event) -> Event,
    ) -> usize {
        self.cap.configure(settings);
        self.cap.forget_alerts();
        let ends: Vec<Event> = std::mem::take(&mut self.book).firing().map(end).collect();
        let count = ends.len();
        self.owe(ends);
        count
    }

    /// What is overdue; from now on it is not.
    pub(crate) fn take_overdue(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.overdue)
    }

    /// The cap's state, and the firing alerts.
    #[cfg(any(test, feature = "testing"))]
    pub(crate) fn parts(&self) -> (Vec<u8>, Vec<Event>) {
        let mut cap = Vec::new();
        self.cap.save(&mut cap);
        (cap, self.book.firing().cloned().collect())
    }

    /// Its state: a number, so many bytes of the cap's, the firing alerts' events as JSON, and behind that what is overdue, if
    /// anything is.
    pub(crate) fn save(&self) -> Vec<u8> {
        let mut cap = Vec::new();
        self.cap.save(&mut cap);
        let firing: Vec<&Event> = self.book.firing().collect();
        // Events are made of what JSON can say.
        let firing = serde_json::to_vec(&firing).unwrap_or_default();
        let overdue = match &*self.overdue {
            [] => Vec::new(),
            events => serde_json::to_vec(events).unwrap_or_default(),
        };
        [&(cap.len() as u32).to_le_bytes()[..], &cap, &firing, &overdue].concat()
    }

    /// The collector that was saved as `bytes` under these `settings`, after all records below `seen_below`.
    pub(crate) fn restore(
        settings: Arc<Settings>,
        bytes: &[u8],
        seen_below: u64,
        figures: &mut AlertFigures,
    ) -> Result<Self, CollectorError> {
        let (cap_bytes, rest) = bytes.split_first_chunk::<4>().ok_or(CollectorError::Short)?;
        let (cap, events) = rest
            .split_at_checked(u32::from_le_bytes(*cap_bytes) as usize)
            .ok_or(CollectorError::Short)?;
        let cap = AlertCap::restore(settings, cap)?;
        let mut events = serde_json::Deserializer::from_slice(events).into_iter::<Vec<Event>>();
        let firing = events.next().ok_or(CollectorError::Short)??;
        let overdue = events.next().transpose()?.unwrap_or_default();
        let book = AlertBook::of(firing, figures);
        Ok(Self { cap, book, overdue, seen_below })
    }
}

/// Why bytes are no state of a collector.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CollectorError {
    #[error("it is cut short")]
    Short,
    #[error(transparent)]
    Cap(#[from] StateError),
    #[error("alerts cannot be read: {0}")]
    Firing(#[from] serde_json::Error),
}

/// The collector, and whom it hears and tells.
pub(crate) struct CollectorStage {
    pub(crate) collector: Collector,
    pub(crate) messages: Receiver<ToCollector>,
    /// Of each shard.
    pub(crate) dones: Vec<Receiver<Done>>,
    pub(crate) stats: Arc<Stats>,
    pub(crate) on_news: OnNews,
}

impl CollectorStage {
    /// Puts records together again, in order, until the other threads are gone.
    pub(crate) fn run(mut self) {
        while let Ok(message) = self.messages.recv() {
            if !self.take(message) {
                return;
            }
        }
    }

    /// Takes a message, for a record after waiting for what the shards make of it; false when they are gone.
    pub(crate) fn take(&mut self, message: ToCollector) -> bool {
        match message {
            ToCollector::Record(header) => {
                let is_alive = self.record(&header);
                self.stats.told();
                return is_alive;
            }
            // Whoever asked may have stopped waiting.
            ToCollector::Save { at, part } => {
                _ = part.send(Part { at, content: self.collector.save() });
            }
            ToCollector::Barrier(done) => _ = done.send(()),
            ToCollector::Standing => {
                let firing: Vec<_> = self.collector.firing().cloned().collect();
                let overdue = self.collector.take_overdue();
                for (told, events) in [(Told::Overdue, overdue), (Told::Standing, firing)] {
                    if !events.is_empty() {
                        (self.on_news)(News { told, events, gauges: Vec::new() });
                    }
                }
            }
        }
        true
    }

    fn record(&mut self, header: &Header) -> bool {
        let mut outputs = Outputs::default();
        let (mut open_episodes, mut demoted_series) = (0, 0);
        let (mut state_bytes, mut cold_bytes) = (0, 0);
        for done in &self.dones {
            let Ok(mut done) = done.recv() else { return false };
            outputs.counts.add(&done.outputs.counts);
            outputs.events.append(&mut done.outputs.events);
            outputs.gauges.append(&mut done.outputs.gauges);
            open_episodes += done.open_episodes;
            demoted_series += done.demoted_series;
            state_bytes += done.state_bytes;
            cold_bytes += done.cold_bytes;
        }
        let mut news = None;
        self.stats.decide(|decided| {
            decided.open_episodes = open_episodes;
            decided.demoted_series = demoted_series;
            decided.state_bytes = state_bytes;
            decided.cold_bytes = cold_bytes;
            if let Some(arrived) = header.arrived {
                decided.observe_latency(arrived.elapsed());
            }
            news = self.collector.take(header, outputs, &mut decided.alerts);
            if let Some(news) = &news {
                decided.counts.add(&news.counts);
                for event in &news.events {
                    decided.events[event.severity as usize] += 1;
                }
            }
        });
        let Some(Collected { events, gauges, .. }) = news else { return true };
        if !events.is_empty() || !gauges.is_empty() {
            let told = if header.is_replayed { Told::Again } else { Told::First };
            (self.on_news)(News { told, events, gauges });
        }
        true
    }
}
