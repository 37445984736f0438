//! What one target should know, what it was told, and so what to send now.
//!
//! A pure state machine: time comes in as milliseconds of a steady clock, what to send comes out of
//! [`AlertBook::next`], and what became of it goes back in. One batch is on its way at a time.
//!
//! An alert is *known* when the target may hold it as firing: a firing post was taken, or failed in a
//! way that leaves it open. An alert that ends unknown is forgotten and not sent.
//!
//! What fires in a partition is told by whoever has it. Before anything is sent it is asked whether its tenure is over, for a process that
//! was stopped may wake up here first.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bellwether_runtime::cells::Tenure;
use bellwether_series::Fingerprint;

use super::alert::{Alert, Change, Labels, PostableAlert};
use super::clock::Now;
use super::options::AlertmanagerOptions;

/// A firing alert expires at the target after this many intervals without a repetition.
const EXPIRES_AFTER_RESENDS: i64 = 4;

/// What is to be done now.
#[derive(Debug, PartialEq)]
pub(super) enum Next {
    /// Send these.
    Send(Vec<Item>),
    /// Nothing for so many milliseconds, unless something changes.
    WaitMs(i64),
}

/// One alert on its way.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Item {
    pub(super) post: PostableAlert,
    firing: bool,
    revision: u64,
}

/// The alerts of one target.
#[derive(Debug)]
pub(super) struct AlertBook {
    resend_ms: i64,
    resolved_keep_ms: i64,
    batch_max: usize,
    alerts_max: usize,
    entries: BTreeMap<Labels, Entry>,
    /// How each open episode fires.
    open: BTreeMap<Fingerprint, Open>,
    revision: u64,
    dropped: u64,
}

/// An episode that fires.
#[derive(Debug, Clone)]
struct Open {
    labels: Labels,
    tenure: Option<Arc<Tenure>>,
}

#[derive(Debug)]
struct Entry {
    alert: Arc<Alert>,
    /// Episodes that fire under these labels: one, or more where two series look the same to the target.
    open_episodes: usize,
    ended: Option<Ended>,
    /// Number of the last change; greater is newer.
    revision: u64,
    sent: Option<Sent>,
    known: bool,
    /// The other half of an escalation, to be sent in the same request.
    twin: Option<Labels>,
    /// In whose name the last change was told.
    tenure: Option<Arc<Tenure>>,
}

fn is_over(tenure: Option<&Arc<Tenure>>) -> bool {
    tenure.is_some_and(|tenure| !tenure.is_ours())
}

#[derive(Debug, Clone, Copy)]
struct Ended {
    ends_at_ms: i64,
    /// Steady time at which it was heard of.
    noted_ms: i64,
}

/// What the target took last.
#[derive(Debug, Clone, Copy)]
struct Sent {
    revision: u64,
    at_ms: i64,
}

impl Entry {
    /// Whether the target has yet to hear of the last change.
    fn changed(&self) -> bool {
        self.sent.is_none_or(|sent| sent.revision != self.revision)
    }

    fn due_in_ms(&self, now_ms: i64, resend_ms: i64) -> i64 {
        match self.sent {
            // A clock that was set back makes everything due.
            Some(sent) if !self.changed() && sent.at_ms <= now_ms => {
                (sent.at_ms + resend_ms - now_ms).max(0)
            }
            _ => 0,
        }
    }

    fn end(&mut self, change: &Change, now_ms: i64, revision: u64) {
        self.open_episodes = self.open_episodes.saturating_sub(1);
        if self.open_episodes == 0 {
            // Not in the future, where it would still fire; not before its start, which is refused.
            let ends_at_ms = change.at_ms.min(now_ms).max(self.alert.starts_at_ms);
            self.ended = Some(Ended { ends_at_ms, noted_ms: now_ms });
            self.revision = revision;
            self.tenure.clone_from(&change.tenure);
        }
    }
}

impl AlertBook {
    pub(super) fn new(options: &AlertmanagerOptions) -> Self {
        Self {
            resend_ms: options.resend_ms,
            resolved_keep_ms: options.resolved_keep_ms,
            batch_max: options.alerts_per_request_max,
            alerts_max: options.alerts_max,
            entries: BTreeMap::new(),
            open: BTreeMap::new(),
            revision: 0,
            dropped: 0,
        }
    }

    /// Goes on with other intervals and bounds.
    pub(super) fn configure(&mut self, options: &AlertmanagerOptions) {
        let Self { resend_ms, resolved_keep_ms, batch_max, alerts_max, .. } = Self::new(options);
        (self.resend_ms, self.resolved_keep_ms) = (resend_ms, resolved_keep_ms);
        (self.batch_max, self.alerts_max) = (batch_max, alerts_max);
        while self.entries.len() > self.alerts_max {
            self.drop_one();
        }
    }

    /// A book of what fires here, for a target that was never told.
    pub(super) fn of_firing(&self) -> Self {
        let firing = self.entries.iter().filter(|(_, entry)| entry.ended.is_none());
        let untold = |entry: &Entry| Entry {
            alert: Arc::clone(&entry.alert),
            sent: None,
            known: false,
            twin: None,
            tenure: entry.tenure.clone(),
            ..*entry
        };
        Self {
            entries: firing.map(|(labels, entry)| (Arc::clone(labels), untold(entry))).collect(),
            open: self.open.clone(),
            dropped: 0,
            ..*self
        }
    }

    /// Makes everything due at once, as if the target had not been told yet.
    pub(super) fn repeat_all(&mut self) {
        let mut entries: Vec<&mut Entry> = self.entries.values_mut().collect();
        entries.sort_unstable_by_key(|entry| entry.revision);
        for entry in entries {
            self.revision += 1;
            entry.revision = self.revision;
        }
    }

    /// Notes a change. Changes of one episode come in order.
    pub(super) fn note(&mut self, change: &Change, now_ms: i64) {
        self.revision += 1;
        if change.fires {
            self.fire(change, now_ms);
        } else {
            self.resolve(change, now_ms);
        }
        while self.entries.len() > self.alerts_max {
            self.drop_one();
        }
    }

    fn fire(&mut self, change: &Change, now_ms: i64) {
        let labels = &change.alert.labels;
        let open = Open { labels: Arc::clone(labels), tenure: change.tenure.clone() };
        let before = self.open.insert(change.alert.episode, open).map(|open| open.labels);
        let escalated_from = before.as_ref().filter(|old| *old != labels);
        if let Some(old) = escalated_from.and_then(|old| self.entries.get_mut(old)) {
            old.end(change, now_ms, self.revision);
            old.twin = Some(Arc::clone(labels));
        }
        let entry = self.entries.entry(Arc::clone(labels)).or_insert_with(|| Entry {
            alert: Arc::clone(&change.alert),
            open_episodes: 0,
            ended: None,
            revision: 0,
            sent: None,
            known: false,
            twin: None,
            tenure: None,
        });
        if entry.ended.take().is_some() && !entry.changed() {
            entry.known = false; // the target took the end of what fired before
        }
        if before.as_ref() != Some(labels) {
            entry.open_episodes += 1;
        }
        entry.twin = escalated_from.cloned();
        entry.alert = Arc::clone(&change.alert);
        entry.revision = self.revision;
        entry.tenure.clone_from(&change.tenure);
    }

    fn resolve(&mut self, change: &Change, now_ms: i64) {
        let Some(Open { labels, .. }) = self.open.remove(&change.alert.episode) else { return };
        let Some(entry) = self.entries.get_mut(&labels) else { return };
        if entry.alert.episode == change.alert.episode {
            entry.alert = Arc::new(Alert { labels, ..Alert::clone(&change.alert) });
        }
        entry.end(change, now_ms, self.revision);
    }

    /// Forgets that `episode` fires, and tells nobody: somebody else goes on telling of it.
    fn withdraw(&mut self, episode: Fingerprint) {
        let Some(Open { labels, .. }) = self.open.remove(&episode) else { return };
        let Some(entry) = self.entries.get_mut(&labels) else { return };
        entry.open_episodes = entry.open_episodes.saturating_sub(1);
        if entry.open_episodes == 0 && entry.ended.is_none() {
            self.entries.remove(&labels);
        }
    }

    /// Withdraws what fires in the name of tenures that are over, and what ended so and was told. An end that the target has yet to
    /// hear of it hears of once: nobody else tells it.
    fn withdraw_what_is_over(&mut self) {
        let open = self.open.iter().filter(|(_, open)| is_over(open.tenure.as_ref()));
        let over: Vec<Fingerprint> = open.map(|(episode, _)| *episode).collect();
        for episode in over {
            self.withdraw(episode);
        }
        self.entries.retain(|_, entry| {
            entry.ended.is_none() || entry.changed() || !is_over(entry.tenure.as_ref())
        });
    }

    /// Gives up the alert that matters least: resolved before firing, then older before newer.
    fn drop_one(&mut self) {
        let least =
            self.entries.values().min_by_key(|entry| (entry.ended.is_none(), entry.revision));
        if let Some(labels) = least.map(|entry| Arc::clone(&entry.alert.labels)) {
            self.forget(&labels);
            self.dropped += 1;
        }
    }

    fn forget(&mut self, labels: &Labels) {
        if self.entries.remove(labels).is_some_and(|entry| entry.open_episodes > 0) {
            self.open.retain(|_, open| open.labels != *labels);
        }
    }

    /// What to send `now`: changes first, then repetitions.
    pub(super) fn next(&mut self, now: impl Into<Now>) -> Next {
        let now = now.into();
        let now_ms = now.steady_ms;
        self.prune(now_ms);
        let items = self.batch(now, |entry, resend_ms| entry.due_in_ms(now_ms, resend_ms) == 0);
        if !items.is_empty() {
            return Next::Send(items);
        }
        let waits = self.entries.values().map(|entry| entry.due_in_ms(now_ms, self.resend_ms));
        Next::WaitMs(waits.min().unwrap_or(self.resend_ms))
    }

    /// What the target has yet to hear of, at most a batch of it.
    pub(super) fn changes(&mut self, now: impl Into<Now>) -> Vec<Item> {
        let now = now.into();
        self.prune(now.steady_ms);
        self.batch(now, |entry, _| entry.changed())
    }

    /// Forgets what ended unknown, what ended so long ago that nobody needs to hear of it any more, and what others tell of now.
    pub(super) fn prune(&mut self, now_ms: i64) {
        self.withdraw_what_is_over();
        let (keep_ms, mut dropped) = (self.resolved_keep_ms, 0);
        self.entries.retain(|_, entry| {
            let Some(ended) = entry.ended else { return true };
            let fresh = now_ms < ended.noted_ms.saturating_add(keep_ms);
            dropped += u64::from(entry.known && entry.changed() && !fresh);
            entry.known && fresh
        });
        self.dropped += dropped;
    }

    fn batch(&self, now: Now, due: impl Fn(&Entry, i64) -> bool) -> Vec<Item> {
        let is_due = |entry: &&Entry| due(entry, self.resend_ms);
        let mut candidates: Vec<&Entry> = self.entries.values().filter(is_due).collect();
        candidates.sort_unstable_by_key(|entry| {
            (!entry.changed(), entry.ended.is_some(), Reverse(entry.revision))
        });
        let (mut items, mut taken) = (Vec::new(), BTreeSet::new());
        for entry in candidates {
            let twin = entry.twin.as_ref().and_then(|twin| self.entries.get(twin));
            let group = [Some(entry), twin.filter(is_due)];
            let group: Vec<&Entry> = group
                .into_iter()
                .flatten()
                .filter(|entry| !taken.contains(&entry.alert.labels))
                .collect();
            if items.len() + group.len() > self.batch_max {
                break;
            }
            for entry in group {
                taken.insert(&entry.alert.labels);
                items.push(self.item(entry, now));
            }
        }
        items
    }

    fn item(&self, entry: &Entry, now: Now) -> Item {
        let ends_at_ms = match entry.ended {
            Some(ended) => ended.ends_at_ms,
            None => now
                .latest_ms()
                .max(entry.alert.starts_at_ms)
                .saturating_add(EXPIRES_AFTER_RESENDS * self.resend_ms),
        };
        Item {
            post: PostableAlert::new(&entry.alert, ends_at_ms),
            firing: entry.ended.is_none(),
            revision: entry.revision,
        }
    }

    /// The target took `items`, which were sent at `now_ms`.
    pub(super) fn taken(&mut self, items: &[Item], now_ms: i64) {
        for item in items {
            let Some(entry) = self.entries.get_mut(&item.post.labels) else { continue };
            entry.sent = Some(Sent { revision: item.revision, at_ms: now_ms });
            // An alert whose end was taken stays known, so that the end is repeated; but what fired
            // under the same labels since is not.
            entry.known = item.firing || entry.revision == item.revision;
        }
    }

    /// Nobody knows whether the target took `items`.
    pub(super) fn unsure(&mut self, items: &[Item]) {
        for item in items.iter().filter(|item| item.firing) {
            if let Some(entry) = self.entries.get_mut(&item.post.labels) {
                entry.known = true;
            }
        }
    }

    /// The target will never take `item`: it is given up, unless it has changed since.
    pub(super) fn rejected(&mut self, item: &Item) {
        let labels = &item.post.labels;
        if self.entries.get(labels).is_some_and(|entry| entry.revision == item.revision) {
            self.forget(labels);
        }
    }

    /// Alerts in the book.
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Alerts with a change that the target has yet to take.
    pub(super) fn changed_len(&self) -> usize {
        self.entries.values().filter(|entry| entry.changed()).count()
    }

    /// Alerts given up since the start.
    pub(super) fn dropped(&self) -> u64 {
        self.dropped
    }
}

#[cfg(test)]
mod tests;
