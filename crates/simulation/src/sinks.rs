//! Those who are told: a file of events, a webhook, and an Alertmanager. They are fed as the binary feeds them.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use bellwether_engine::{ChangeKind, Event};
use bellwether_runtime::{Deliveries, News, Told};
use bellwether_series::{Fingerprint, Timestamp};
use parking_lot::Mutex;

use crate::random::{Purpose, Random};
use crate::webhook::Webhook;

/// How often an alert that fires is sent again, and for how long the server believes it.
const RESEND_MS: u64 = 60_000;
const BELIEVED_MS: u64 = 4 * RESEND_MS;

/// What identifies an alert outside: its rule and its series.
pub(crate) type AlertKey = (Arc<str>, Fingerprint);

/// Everybody who is told.
pub(crate) struct Sinks {
    /// Every event that was told, by id, whatever became of it.
    pub(crate) told: BTreeMap<String, String>,
    pub(crate) file: File,
    pub(crate) webhook: Webhook,
    pub(crate) pager: Pager,
    /// Ids of events that followed from records that are lost: they may be told otherwise the next time.
    pub(crate) excused: BTreeSet<String>,
    /// Id and reason of what must not happen, unless it is excused by the time that somebody looks.
    faults: Vec<(String, String)>,
    /// Events told again, and as standing.
    pub(crate) again: u64,
    pub(crate) standing: Vec<Event>,
    random: Random,
}

impl Sinks {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            told: BTreeMap::new(),
            file: File::default(),
            webhook: Webhook::default(),
            pager: Pager::default(),
            excused: BTreeSet::new(),
            faults: Vec::new(),
            again: 0,
            standing: Vec::new(),
            random: Random::new(seed, Purpose::Sinks),
        }
    }

    /// Hears news at `now_ms`.
    pub(crate) fn hear(&mut self, news: News) {
        for event in news.events {
            if news.told == Told::Standing {
                self.standing.push(event.clone());
            } else {
                self.again += u64::from(news.told == Told::Again);
                self.note(&event);
                self.webhook.publish(&event.id);
                self.file.queue.push_back((news.told, event.clone()));
            }
            if news.told != Told::Again {
                self.pager.publish(&event);
            }
        }
    }

    fn note(&mut self, event: &Event) {
        let text = format!("{event:?}");
        let before = self.told.insert(event.id.clone(), text.clone());
        if let Some(before) = before
            && before != text
        {
            self.faults.push((event.id.clone(), format!("one id, two events:\n{before}\n{text}")));
        }
    }

    /// What must not happen and did since somebody looked.
    pub(crate) fn fault(&mut self) -> Option<String> {
        let faults = std::mem::take(&mut self.faults).into_iter();
        faults.filter(|(id, _)| !self.excused.contains(id)).map(|(_, reason)| reason).next()
    }

    /// The file's worker does a little; sometimes it cannot.
    pub(crate) fn work(&mut self, now_ms: u64) {
        if !self.random.one_in(4) {
            let count = self.random.below(4);
            self.write(count);
        }
        if self.random.one_in(8) {
            self.file.synced = self.file.lines.len();
        }
        if self.random.one_in(3) {
            let count = self.random.below(4);
            self.webhook.deliver(count);
        }
        if self.random.one_in(40) {
            self.pager.is_up = !self.pager.is_up;
        }
        self.pager.push(now_ms);
    }

    fn write(&mut self, count: usize) {
        for _ in 0..count {
            let Some((told, event)) = self.file.queue.pop_front() else { return };
            let is_there = self.file.lines.iter().any(|(id, _)| *id == event.id);
            if is_there && told == Told::First {
                self.faults.push((event.id.clone(), format!("told twice as new: {event:?}")));
            }
            if !is_there {
                self.file.lines.push((event.id.clone(), format!("{event:?}")));
            }
        }
    }

    /// Whether everything is where it survives. A sink that is unwell takes too long.
    pub(crate) fn settle(&mut self) -> bool {
        if self.random.one_in(6) {
            return false;
        }
        self.flush();
        true
    }

    /// Everything gets where it survives.
    pub(crate) fn flush(&mut self) {
        self.write(usize::MAX);
        self.file.synced = self.file.lines.len();
    }

    /// The process ends, with the machine or without.
    pub(crate) fn end(&mut self, with_machine: bool) {
        self.file.queue.clear();
        if with_machine {
            let kept = self.random.between(self.file.synced as i64, self.file.lines.len() as i64);
            self.file.lines.truncate(kept as usize);
            self.file.synced = kept as usize;
        }
        self.webhook.end();
        self.pager.book.clear();
        self.standing.clear();
    }
}

/// As a checkpoint sees them.
pub(crate) struct Outlets(pub(crate) Arc<Mutex<Sinks>>);

impl Deliveries for Outlets {
    fn settle(&self) -> Option<Vec<u8>> {
        let mut sinks = self.0.lock();
        sinks.settle().then(|| sinks.webhook.undelivered())
    }

    fn resume(&self, undelivered: &[u8]) {
        self.0.lock().webhook.resume(undelivered);
    }
}

/// A file of events that looks up what it has when it is told again.
#[derive(Default)]
pub(crate) struct File {
    queue: VecDeque<(Told, Event)>,
    /// Id and event.
    pub(crate) lines: Vec<(String, String)>,
    /// So many lines survive a crash of the machine.
    synced: usize,
}

/// What the process knows of an alert.
#[derive(Clone)]
struct Known {
    starts_at: Timestamp,
    fires: bool,
    due_ms: u64,
}

/// An Alertmanager, and the process' book of what it should know.
#[derive(Clone)]
pub(crate) struct Pager {
    is_up: bool,
    book: BTreeMap<AlertKey, Known>,
    /// What the server believes: since when each alert fires, and until when it believes so.
    server: BTreeMap<AlertKey, (Timestamp, u64)>,
}

impl Default for Pager {
    fn default() -> Self {
        Self { is_up: true, book: BTreeMap::new(), server: BTreeMap::new() }
    }
}

impl Pager {
    fn publish(&mut self, event: &Event) {
        let fires = match event.change {
            ChangeKind::Noticed => return,
            ChangeKind::Firing | ChangeKind::Escalated if !event.alert => return,
            ChangeKind::Firing | ChangeKind::Escalated => true,
            ChangeKind::Resolved => false,
        };
        let key = (Arc::clone(&event.rule), event.fingerprint);
        if !fires && !self.book.contains_key(&key) {
            return;
        }
        self.book.insert(key, Known { starts_at: event.starts_at_ms, fires, due_ms: 0 });
    }

    /// Tells the server what it must know.
    fn push(&mut self, now_ms: u64) {
        self.server.retain(|_, (_, until_ms)| *until_ms > now_ms);
        if !self.is_up {
            return;
        }
        let server = &mut self.server;
        self.book.retain(|key, known| {
            if !known.fires {
                server.remove(key);
            } else if known.due_ms <= now_ms {
                server.insert(key.clone(), (known.starts_at, now_ms + BELIEVED_MS));
                known.due_ms = now_ms + RESEND_MS;
            }
            known.fires
        });
    }

    /// What the server would believe firing once it is up again and everything of before has expired.
    pub(crate) fn believed(&self, now_ms: u64) -> BTreeMap<AlertKey, Timestamp> {
        let mut then = Self { is_up: true, ..self.clone() };
        then.push(now_ms);
        then.push(now_ms + BELIEVED_MS - 1);
        then.server.retain(|_, (_, until_ms)| *until_ms > now_ms + BELIEVED_MS);
        then.server.into_iter().map(|(key, (starts_at, _))| (key, starts_at)).collect()
    }
}
