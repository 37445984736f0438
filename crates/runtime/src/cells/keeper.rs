//! The thread of a cell: opens it, applies records, tells what they bring, makes checkpoints.

mod opening;
mod saving;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bellwether_engine::{Event, Gauge, Outcome, SeriesView, Settings, Usage};
use bellwether_series::Timestamp;
use bellwether_wire::remote_write::WriteRequest;
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender};

use super::cell::{Applied, Cell, CellRecord};
use super::{Shared, Tenure};
use crate::alerts::AlertFigures;
use crate::api::{Reply, SubmitError};
use crate::collector::{News, Told};
use crate::source::TopicPartition;
use crate::views::Wanted;
use saving::Saving;

/// Longest wait for a message; as often it is looked whether a checkpoint is due and the partition still ours.
const WAIT_MAX: Duration = Duration::from_millis(100);

/// What a cell is told.
#[expect(clippy::large_enum_variant, reason = "nearly every message is a record")]
pub(super) enum ToCell {
    /// A record of its partition.
    Record {
        offset: i64,
        /// The offset that comes next, as far as the source knows.
        expected: Option<i64>,
        received_at: Timestamp,
        tenant: Option<Arc<str>>,
        write: WriteRequest,
        answer: Answer,
    },
    /// Records come from now on.
    Begin { told_below: i64 },
    /// Make the last checkpoint by then, and end.
    HandOver { deadline: Instant },
    /// Somebody wants to see its series; whoever asked may have stopped waiting.
    View { wanted: Wanted, limit: usize, views: Sender<Vec<SeriesView>> },
    /// The same of what memory is used for.
    Usage(Sender<Usage>),
}

/// Whoever waits for what becomes of a record: hears that the cell has ended when it hears nothing else.
pub(super) struct Answer(Option<Reply>);

impl Answer {
    pub(super) fn new(reply: Reply) -> Self {
        Self(Some(reply))
    }

    /// Answers.
    pub(super) fn with(mut self, result: Result<Outcome, SubmitError>) {
        if let Some(reply) = self.0.take() {
            reply(result);
        }
    }

    /// Never answers.
    pub(super) fn forget(mut self) {
        self.0 = None;
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        if let Some(reply) = self.0.take() {
            reply(Err(SubmitError::Stopping));
        }
    }
}

/// The thread of a cell.
pub(super) struct Keeper {
    at: TopicPartition,
    settings: Arc<Settings>,
    shared: Arc<Shared>,
    tenure: Arc<Tenure>,
    inbox: Receiver<ToCell>,
}

/// How a cell ends.
enum End {
    /// Somebody else has the partition, or may have it.
    Fenced,
    /// It was asked to.
    Asked,
}

/// An open cell, and what was told of it.
struct Open {
    cell: Cell,
    saving: Saving,
    /// Events that some sink may not have yet.
    unsettled: BTreeSet<String>,
    /// Events behind the checkpoint that are in topics already.
    taken: BTreeSet<String>,
    /// What sinks had not delivered at the checkpoint, until records come.
    undelivered: Vec<u8>,
    /// Records below may have been told of by somebody else; `None` before records come.
    told_below: Option<i64>,
    /// Its alerts as they are counted in the worker's figures.
    counted: AlertFigures,
    /// Whether those who need no history were told what fires.
    has_told_standing: bool,
}

impl Keeper {
    pub(super) fn new(
        settings: Arc<Settings>,
        shared: Arc<Shared>,
        tenure: Arc<Tenure>,
        inbox: Receiver<ToCell>,
    ) -> Self {
        Self { at: tenure.at().clone(), settings, shared, tenure, inbox }
    }

    /// Keeps the cell until it is handed over, dropped or fenced.
    pub(super) fn run(self) {
        let mut open = match self.open() {
            Ok(open) => open,
            Err(end) => return self.ended(&end),
        };
        let end = self.keep(&mut open);
        self.shared.figures.lock().open.remove(&self.at);
        // What fired here goes on firing where the partition is now.
        let gone = AlertFigures { firing: [0; 3], ..open.counted };
        self.shared.stats.decide(|decided| decided.alerts.replace_part(&open.counted, &gone));
        // First of all for those who repeat what fires: in the name of this tenure nothing is told any more.
        self.tenure.end();
        self.ended(&end);
    }

    fn ended(&self, end: &End) {
        if matches!(end, End::Fenced) {
            self.shared.figures.lock().fenced += 1;
        }
    }

    /// Whether anything may be done in the name of this cell.
    fn is_ours(&self) -> bool {
        self.tenure.is_ours()
    }

    fn keep(&self, open: &mut Open) -> End {
        loop {
            let message = self.inbox.recv_timeout(WAIT_MAX);
            // The process may have been stopped while it waited, for however long.
            if !self.is_ours() {
                return End::Fenced;
            }
            match message {
                Ok(ToCell::Record { offset, expected, received_at, tenant, write, answer }) => {
                    if expected != open.cell.next() {
                        answer.with(Err(SubmitError::OutOfTurn));
                        continue;
                    }
                    let tenant = tenant.as_deref().unwrap_or_default();
                    let record = CellRecord { offset, received_at, tenant, write: &write };
                    let Some(applied) = self.apply(open, &record) else {
                        return End::Fenced;
                    };
                    answer.with(Ok(applied));
                }
                Ok(ToCell::Begin { told_below }) => self.begin(open, told_below),
                Ok(ToCell::HandOver { deadline }) => {
                    self.save_last(open, deadline);
                    return End::Asked;
                }
                Ok(ToCell::View { wanted, limit, views }) => {
                    _ = views.send(open.cell.view(&*wanted, limit));
                }
                Ok(ToCell::Usage(answer)) => _ = answer.send(open.cell.usage()),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return End::Asked,
            }
            if self.save_when_due(open).is_err() {
                return End::Fenced;
            }
        }
    }

    /// Goes on with what was under way when the checkpoint was made, and with a configuration that is another since.
    fn begin(&self, open: &mut Open, told_below: i64) {
        open.told_below = Some(told_below);
        let undelivered = std::mem::take(&mut open.undelivered);
        if !undelivered.is_empty() {
            open.unsettled.extend(self.shared.output.resume(&undelivered));
        }
        if let Some(applied) = open.cell.configure(&self.settings) {
            self.count(open, &applied);
            self.tell(open, Told::Again, applied.events, applied.gauges);
        }
        self.count_alerts(open);
        self.tell_standing(open);
    }

    /// Applies a record and tells what it brought; `None` when the partition is not ours any more, and nobody was told.
    fn apply(&self, open: &mut Open, record: &CellRecord<'_>) -> Option<Outcome> {
        let applied = open.cell.apply(record);
        // The process may have been stopped meanwhile, for however long.
        if !self.is_ours() {
            return None;
        }
        self.count(open, &applied);
        let is_news = open.told_below.is_some_and(|told_below| record.offset >= told_below);
        let told = if is_news { Told::First } else { Told::Again };
        self.tell(open, told, applied.events, applied.gauges);
        self.tell_standing(open);
        Some(applied.outcome)
    }

    fn count(&self, open: &mut Open, applied: &Applied) {
        self.shared.stats.decide(|decided| {
            decided.counts.add(&applied.counts);
            for event in &applied.events {
                decided.events[event.severity as usize] += 1;
            }
        });
        self.count_alerts(open);
        let (series, watched) = open.cell.series();
        if let Some(figures) = self.shared.figures.lock().open.get_mut(&self.at) {
            figures.next = open.cell.next();
            (figures.series, figures.watched) = (series, watched);
        }
    }

    fn count_alerts(&self, open: &mut Open) {
        let now = *open.cell.alerts();
        if now != open.counted {
            self.shared.stats.decide(|decided| decided.alerts.replace_part(&open.counted, &now));
            open.counted = now;
        }
    }

    fn tell(&self, open: &mut Open, told: Told, events: Vec<Event>, gauges: Vec<Gauge>) {
        if events.is_empty() && gauges.is_empty() {
            return;
        }
        let known = events.iter().filter(|event| open.taken.contains(&event.id)).count();
        self.shared.figures.lock().events_known += known as u64;
        open.unsettled.extend(events.iter().map(|event| event.id.clone()));
        self.shared.output.tell(News { told, events, gauges }, &open.taken, &self.tenure);
    }

    /// Once there is nothing more that somebody else may have told of, tells what fires.
    fn tell_standing(&self, open: &mut Open) {
        let Some(told_below) = open.told_below.filter(|_| !open.has_told_standing) else { return };
        if open.cell.next().unwrap_or(0) < told_below {
            return;
        }
        open.has_told_standing = true;
        open.taken.clear();
        let events = open.cell.firing();
        if !events.is_empty() {
            let news = News { told: Told::Standing, events, gauges: Vec::new() };
            self.shared.output.tell(news, &open.taken, &self.tenure);
        }
    }
}
