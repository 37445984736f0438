//! The recorder: gives everything that happens its place in the order, and writes it to the journal before anybody
//! acts on it or acknowledges it.
//!
//! What waits at the same time is written as one group. With tenants few requests of each are between here and the shards at a
//! time, so that nobody waits long for those of another. When the journal cannot be written, requests are refused, time stands
//! still for the engine, and it is tried again every second; a configuration waits until it succeeds.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bellwether_engine::{RecordKind, SeriesView, Settings, Usage};
use bellwether_series::Timestamp;
use crossbeam_channel::{Receiver, Sender, never, select};

use crate::api::{Clock, Received, Request, SubmitError};
use crate::causes::with_causes;
use crate::durability::Phase;
use crate::journal::{Journal, JournalError, RequestHeader, SyncPolicy};
use crate::lines::Owner;
use crate::sequencer::{Caller, Save, Sequenced, ToSequencer};
use crate::source::Source;
use crate::stats::Stats;
use crate::storage::{Reserve, Storage};
use crate::stored::{self, StoredBody};
use crate::turns::Turns;
use crate::views::Wanted;
use crate::waiting_room::WaitingRoom;

/// Messages that are written as one group.
const GROUP_MESSAGES_MAX: usize = 64;
/// While the journal cannot be written it is tried again this often.
const RETRY_EVERY: Duration = Duration::from_secs(1);

/// What the recorder is told.
#[expect(clippy::large_enum_variant, reason = "nearly every message is a request")]
pub(crate) enum ToRecorder {
    Request(Submitted),
    Errand(Errand),
}

/// What it is told besides requests.
pub(crate) enum Errand {
    Configure(Arc<Settings>),
    View {
        wanted: Wanted,
        limit: usize,
        views: Sender<Vec<SeriesView>>,
    },
    Usage(Sender<Usage>),
    Save(Save),
    /// Makes durable what was committed, then says so.
    Sync(Sender<Result<(), JournalError>>),
    /// A checkpoint that counts covers all records below this.
    Covered(u64),
    /// There was no room for a checkpoint.
    DiskFull,
}

/// A request, and who wants to know what becomes of it.
pub(crate) struct Submitted {
    pub(crate) request: Request,
    pub(crate) caller: Caller,
}

/// The journal, and what belongs to it.
pub(crate) struct Log {
    pub(crate) journal: Journal,
    pub(crate) storage: Arc<dyn Storage>,
    pub(crate) reserve: Reserve,
    pub(crate) sync: SyncPolicy,
    /// Wakes the checkpointer: what a checkpoint covers may go when there is no room.
    pub(crate) wake: Sender<()>,
}

/// The recorder's state.
pub(crate) struct Recorder {
    /// `None` where nothing survives.
    pub(crate) log: Option<Log>,
    /// The sequence of the next record, while there is no journal to say it.
    pub(crate) next: u64,
    pub(crate) turns: Turns,
    pub(crate) settings: Arc<Settings>,
    /// A configuration that could not be recorded yet.
    pub(crate) waiting: Option<Arc<Settings>>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) heartbeat: Duration,
    pub(crate) to_sequencer: Sender<ToSequencer>,
    pub(crate) stats: Arc<Stats>,
    /// What is on its way to the sequencer once the group is written.
    pub(crate) group: Vec<ToSequencer>,
    pub(crate) due: Due,
    /// Requests of one tenant that may be between here and the shards, at least 1.
    pub(crate) tenant_under_way_max: usize,
    /// What has come and is not taken yet.
    pub(crate) waiting_room: WaitingRoom,
    /// Whose requests the sequencer has passed on, or were refused: not more than were taken.
    pub(crate) passed: (Sender<Owner>, Receiver<Owner>),
}

/// What the recorder has waited for.
#[expect(clippy::large_enum_variant, reason = "it is moved once")]
enum Heard {
    Message(ToRecorder),
    /// Something is due, or somebody who waits may be served.
    Nothing,
    /// Nobody is left who could say anything, and nobody waits.
    End,
}

/// When something is due although nobody says so, in milliseconds since the recorder began.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Due {
    heartbeat_ms: u64,
    retry_ms: u64,
}

impl Due {
    /// For a recorder that begins.
    pub(crate) fn new(heartbeat: Duration) -> Self {
        Self { heartbeat_ms: heartbeat.as_millis() as u64, retry_ms: 0 }
    }
}

impl Recorder {
    /// Records what the configuration is, if it is another than before.
    pub(crate) fn begin(&mut self) {
        if let Some(settings) = self.waiting.take() {
            self.record(StoredBody::Configuration(settings));
        }
        self.commit();
    }

    /// Records until nobody is left who could tell it anything, or the sequencer is gone.
    pub(crate) fn run(mut self, messages: &Receiver<ToRecorder>) {
        let started = Instant::now();
        let now_ms = || started.elapsed().as_millis() as u64;
        loop {
            let mut first = None;
            if !self.waiting_room.has_next(self.under_way_max()) {
                let until = started + Duration::from_millis(self.turn_due_ms(now_ms()));
                match self.wait(messages, until) {
                    Heard::Message(message) => first = Some(message),
                    Heard::Nothing => {}
                    Heard::End => break,
                }
            }
            let arrived = first.into_iter().chain(messages.try_iter());
            if !self.turn(arrived, GROUP_MESSAGES_MAX, now_ms()) {
                return;
            }
        }
        self.finish();
    }

    /// Waits until somebody says something, one of those who wait may be served, or `until`.
    fn wait(&mut self, messages: &Receiver<ToRecorder>, until: Instant) -> Heard {
        let (no_messages, none_passed) = (never(), never());
        let is_empty = self.waiting_room.is_empty();
        let heard = if self.waiting_room.is_open() { messages } else { &no_messages };
        let passed = if is_empty { &none_passed } else { &self.passed.1 };
        let owner = select! {
            recv(heard) -> message => match message {
                Ok(message) => return Heard::Message(message),
                Err(_) if is_empty => return Heard::End,
                // Nobody says anything any more: it will be ready at once for ever.
                Err(_) => passed.recv_deadline(until).ok(),
            },
            recv(passed) -> owner => owner.ok(),
            default(until.saturating_duration_since(Instant::now())) => None,
        };
        if let Some(owner) = owner {
            self.waiting_room.passed(&owner);
        }
        Heard::Nothing
    }

    /// How many requests of one tenant may be under way.
    fn under_way_max(&self) -> usize {
        if self.settings.tenants.is_some() { self.tenant_under_way_max } else { usize::MAX }
    }

    /// Takes what has `arrived`, of the requests that wait a group of at most `requests_max`, and does what is due at
    /// `now_ms`, since the start; false when the sequencer is gone.
    pub(crate) fn turn(
        &mut self,
        arrived: impl Iterator<Item = ToRecorder>,
        requests_max: usize,
        now_ms: u64,
    ) -> bool {
        let mut alive = true;
        self.passed.1.try_iter().for_each(|owner| self.waiting_room.passed(&owner));
        let mut arrived = arrived.fuse();
        while self.waiting_room.is_open()
            && let Some(message) = arrived.next()
        {
            match message {
                ToRecorder::Request(submitted) => {
                    if self.waiting_room.is_held(&submitted.request.tenant, self.under_way_max()) {
                        self.stats.tenant_request_held();
                    }
                    self.waiting_room.wait(submitted);
                }
                ToRecorder::Errand(errand) => {
                    if let Some(errand) = self.waiting_room.admit(errand) {
                        alive &= self.take(errand);
                    }
                }
            }
        }
        for _ in 0..requests_max {
            let Some((owner, request)) = self.waiting_room.request(self.under_way_max()) else {
                break;
            };
            self.put_heartbeat_off(now_ms);
            self.stats.dequeued();
            alive &= self.request(self.noticed(owner, request));
        }
        if let Some(errand) = self.waiting_room.barrier() {
            // Questions make no record, so they must not put the heartbeat off.
            if matches!(errand, Errand::Configure(_)) {
                self.put_heartbeat_off(now_ms);
            }
            alive &= self.take(errand);
        }
        if self.has_failed() && now_ms >= self.due.retry_ms {
            self.due.retry_ms = now_ms + RETRY_EVERY.as_millis() as u64;
            self.retry();
        } else if !self.has_failed() && now_ms >= self.due.heartbeat_ms {
            self.put_heartbeat_off(now_ms);
            alive &= self.record(StoredBody::Heartbeat);
        }
        alive &= self.commit();
        self.sync_if_due(now_ms);
        alive
    }

    /// `request`, of which it is told here when it is under way no more.
    fn noticed(&self, owner: Owner, Submitted { request, caller }: Submitted) -> Submitted {
        let passed = self.passed.0.clone();
        let Caller { reply, arrived } = caller;
        let reply = Box::new(move |result| {
            // When the recorder has ended nobody waits for it.
            _ = passed.send(owner);
            reply(result);
        });
        Submitted { request, caller: Caller { reply, arrived } }
    }

    fn put_heartbeat_off(&mut self, now_ms: u64) {
        self.due.heartbeat_ms = now_ms + self.heartbeat.as_millis() as u64;
    }

    /// Nothing comes any more: what was written is made durable.
    pub(crate) fn finish(&mut self) {
        if let Some(log) = &mut self.log
            && !log.journal.is_failed()
            && let Err(error) = log.journal.sync()
        {
            self.stats.journal_unwritten(&error);
            tracing::error!(error = with_causes(&error), "journal cannot be made durable");
        }
    }

    /// Does an errand; false when the sequencer is gone.
    fn take(&mut self, errand: Errand) -> bool {
        match errand {
            Errand::Configure(settings) => {
                if self.has_failed() {
                    self.waiting = Some(settings);
                    return true;
                }
                self.record(StoredBody::Configuration(settings))
            }
            Errand::View { wanted, limit, views } => {
                self.group.push(ToSequencer::View { wanted, limit, views });
                true
            }
            Errand::Usage(answer) => {
                self.group.push(ToSequencer::Usage(answer));
                true
            }
            Errand::Save(save) => {
                self.group.push(ToSequencer::Save(save));
                true
            }
            // Whoever asked may have stopped waiting for it.
            Errand::Sync(done) => {
                let alive = self.commit();
                let had_failed = self.has_failed();
                let synced = self.log.as_mut().map_or(Ok(()), |log| log.journal.sync());
                // That it has failed before is known, with a better reason.
                if let Err(error) = &synced
                    && !had_failed
                {
                    self.failed(error);
                }
                _ = done.send(synced);
                alive
            }
            Errand::Covered(below) => {
                self.covered(below);
                true
            }
            Errand::DiskFull => {
                self.make_room();
                true
            }
        }
    }

    fn request(&mut self, Submitted { request, caller }: Submitted) -> bool {
        let Request { tenant, write, received_at, received } = request;
        let is_stranger = self.is_stranger(tenant.as_deref());
        let tenant = tenant.unwrap_or_else(|| Arc::clone(&self.settings.tenant));
        let source = received.as_ref().map(|received| &received.source);
        let record = source.and_then(Source::kafka).cloned();
        let is_in_turn = source.is_none_or(|source| self.turns.admits(source));
        let placed = match &received {
            // Whoever let it in went by the configuration of before, or already by the next one.
            _ if is_stranger => Err(SubmitError::UnknownTenant),
            _ if !is_in_turn => Err(SubmitError::OutOfTurn),
            _ if self.log.is_none() => Ok(self.count()),
            Some(received) => self.append_request(received_at, &tenant, received),
            None => Err(SubmitError::Unrecorded),
        };
        match placed {
            Ok(sequence) => {
                if let Some(record) = &record {
                    self.turns.take(record);
                }
                let body = StoredBody::Request { tenant, record, write };
                self.enter(sequence, received_at, body, Some(caller))
            }
            Err(error) => {
                (caller.reply)(Err(error));
                true
            }
        }
    }

    /// Whether there are tenants, and `tenant` is none of them.
    fn is_stranger(&self, tenant: Option<&str>) -> bool {
        let tenants = self.settings.tenants.as_ref();
        tenants.is_some_and(|tenants| !tenant.is_some_and(|tenant| tenants.knows(tenant)))
    }

    /// Records something that happens now.
    fn record(&mut self, body: StoredBody) -> bool {
        let received_at = self.clock.now();
        let (kind, payload) = match &body {
            StoredBody::Configuration(settings) => {
                (RecordKind::Configuration, stored::encode_settings(settings))
            }
            StoredBody::Request { .. } | StoredBody::Heartbeat => {
                (RecordKind::Heartbeat, Vec::new())
            }
        };
        let Ok(sequence) = self.append(kind, received_at, &[&payload]) else {
            if let StoredBody::Configuration(settings) = body {
                self.waiting = Some(settings);
            }
            return true;
        };
        if let StoredBody::Configuration(settings) = &body {
            self.settings = Arc::clone(settings);
            self.restate(payload);
        }
        self.enter(sequence, received_at, body, None)
    }

    fn append_request(
        &mut self,
        received_at: Timestamp,
        tenant: &str,
        received: &Received,
    ) -> Result<u64, SubmitError> {
        let Received { format, source, body } = received;
        let header = RequestHeader { format: *format, tenant, source: &source.text() };
        let mut head = Vec::with_capacity(64);
        header.encode(&mut head).map_err(|_| SubmitError::Unrecorded)?;
        self.append(RecordKind::Request, received_at, &[&head, body])
            .map_err(|_| SubmitError::Unrecorded)
    }

    /// Appends to the group, after writing it if it is full.
    fn append(
        &mut self,
        kind: RecordKind,
        received_at: Timestamp,
        payload: &[&[u8]],
    ) -> Result<u64, JournalError> {
        let Some(log) = &mut self.log else { return Ok(self.count()) };
        match log.journal.append(kind as u8, received_at, payload) {
            Err(JournalError::GroupFull { .. }) => {
                self.commit();
                let Some(log) = &mut self.log else { return Ok(self.count()) };
                log.journal.append(kind as u8, received_at, payload)
            }
            other => other,
        }
    }

    fn count(&mut self) -> u64 {
        self.next += 1;
        self.next - 1
    }

    /// What the sequencer hears of once the group is written. Without a journal, that is at once.
    fn enter(
        &mut self,
        sequence: u64,
        received_at: Timestamp,
        body: StoredBody,
        caller: Option<Caller>,
    ) -> bool {
        let record = Sequenced { sequence, received_at, body, caller, is_replayed: false };
        self.group.push(ToSequencer::Record(record));
        self.log.is_some() || self.commit()
    }

    /// Writes the group, and hands it on if that succeeds; else refuses its requests. False when the sequencer is gone.
    fn commit(&mut self) -> bool {
        let written = self.log.as_mut().map_or(Ok(()), |log| {
            if log.journal.is_failed() { Ok(()) } else { log.journal.commit() }
        });
        if let Err(error) = &written {
            self.failed(error);
        }
        let is_written = written.is_ok();
        self.turns.settle(is_written);
        let group = std::mem::take(&mut self.group);
        group.into_iter().all(|message| match message {
            ToSequencer::Record(record) if !is_written => {
                if let Some(caller) = record.caller {
                    (caller.reply)(Err(SubmitError::Unrecorded));
                }
                if let StoredBody::Configuration(settings) = record.body {
                    self.waiting = Some(settings);
                }
                true
            }
            message => self.to_sequencer.send(message).is_ok(),
        })
    }

    fn has_failed(&self) -> bool {
        self.log.as_ref().is_some_and(|log| log.journal.is_failed())
    }

    /// It cannot be written, and could be before.
    fn failed(&mut self, error: &JournalError) {
        tracing::error!(
            error = with_causes(error),
            "journal cannot be written, requests are refused"
        );
        self.stats.set_phase(Phase::Unrecorded);
        self.stats.journal_unwritten(error);
        if error.is_disk_full() {
            self.make_room();
        }
        self.report();
    }

    /// On a full disk: the reserve goes, and the oldest segment that is kept for replay only.
    fn make_room(&mut self) {
        let Some(log) = &mut self.log else { return };
        if let Err(error) = log.reserve.release(&*log.storage) {
            self.stats.journal_failed(&error);
        }
        match log.journal.give_up_oldest() {
            Ok(true) => self.due.retry_ms = 0,
            Ok(false) => {}
            Err(error) => self.stats.journal_failed(&error),
        }
    }

    /// Tries to begin another segment.
    fn retry(&mut self) {
        let now = self.clock.now();
        let Some(log) = &mut self.log else { return };
        if let Err(error) = log.journal.recover_from_failure(now) {
            self.stats.journal_unwritten(&error);
            if error.is_disk_full() {
                self.make_room();
            }
            return;
        }
        tracing::info!("journal is written again");
        // It is awake if it has been told already.
        _ = log.wake.try_send(());
        self.stats.set_phase(Phase::Ready);
        self.stats.journal_well();
        if let Some(settings) = self.waiting.take() {
            self.record(StoredBody::Configuration(settings));
        } else {
            self.record(StoredBody::Heartbeat);
        }
    }

    /// What each new segment says again.
    pub(crate) fn restate(&mut self, settings: Vec<u8>) {
        if let Some(log) = &mut self.log
            && let Err(error) = log.journal.set_preamble(settings)
        {
            self.stats.journal_failed(&error);
        }
    }

    /// Removes of the journal what nobody needs any more: checkpoints cover all records below this.
    pub(crate) fn covered(&mut self, below: u64) {
        let now = self.clock.now();
        let Some(log) = &mut self.log else { return };
        match log.journal.retain(below, now) {
            Err(error) => self.stats.journal_failed(&error),
            Ok(_) if log.journal.is_failed() => {}
            Ok(_) => self.stats.journal_well(),
        }
        self.report();
    }

    /// When it is its turn although nobody says anything: for what is due, or when the sync policy asks for a look.
    fn turn_due_ms(&self, now_ms: u64) -> u64 {
        let due_ms = if self.has_failed() { self.due.retry_ms } else { self.due.heartbeat_ms };
        match self.log.as_ref().map(|log| log.sync) {
            Some(SyncPolicy::Interval { interval_ms }) => due_ms.min(now_ms + interval_ms.max(1)),
            _ => due_ms,
        }
    }

    fn sync_if_due(&mut self, now_ms: u64) {
        if let Some(log) = &mut self.log
            && !log.journal.is_failed()
            && let Err(error) = log.journal.sync_if_due(now_ms)
        {
            self.failed(&error);
        }
        self.report();
    }

    fn report(&self) {
        if let Some(log) = &self.log {
            self.stats.observe_journal(log.journal.figures());
        }
    }
}
