//! The thread of a source: it reads, decodes, submits, and hears what became of it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::time::{Duration, Instant};

use bellwether_engine::Outcome;
use bellwether_runtime::{
    Ingest, KafkaRecord, Offsets, Received, Request, Source, SubmitError, TopicPartition,
};
use bellwether_series::Timestamp;
use bellwether_wire::remote_write::{Limits, WriteRequest};
use bellwether_wire::{Compression, Format, Message};
use rdkafka::message::Message as _;

use super::context::{Change, Shared};
use super::letter::DeadLetters;
use super::line::{DeadLetter, Line, Read, Record};
use super::options::KafkaOptions;
use super::poison::Poison;
use super::reader::{Polled, Reader, record};
use super::stats::PartitionFigures;
use super::tenancy::{anybody, tenant_of};
use crate::kafka::{ClientError, Undelivered, describe};

/// Longest wait for a record; as often it is looked whether to stop.
const POLL_MAX: Duration = Duration::from_millis(100);
/// Longest wait for an answer, or until somebody else leaves room in the engine.
const ANSWER_MAX: Duration = Duration::from_millis(10);
/// Records that are taken over from librdkafka before anything else is done.
const RECORDS_PER_TURN: usize = 256;
/// When nothing could be read for so long because nothing was taken, partitions are paused: whoever does not ask for records must
/// say so, or loses them to other members.
const STALLED_MAX: Duration = Duration::from_secs(1);
/// Pause after a dead letter that could not be sent, and between questions for the end of a partition.
const RETRY_AFTER: Duration = Duration::from_secs(1);
/// Pause before another consumer after one that failed for good.
const RESTART_AFTER: Duration = Duration::from_secs(10);
/// Poison is logged at most this often.
const POISON_LOGGED_EVERY: Duration = Duration::from_mins(1);
/// How an empty request is written.
const EMPTY: Format = Format::new(Message::RemoteWrite1, Compression::None);

/// What others tell the thread.
pub(super) enum News {
    /// What became of a request.
    Answer { at: TopicPartition, offset: i64, result: Result<Outcome, SubmitError> },
    /// What became of a dead letter.
    Letter { at: TopicPartition, offset: i64, result: Result<(), Undelivered> },
}

/// The thread's state.
pub(super) struct Worker {
    options: KafkaOptions,
    shared: Arc<Shared>,
    ingest: Arc<dyn Ingest>,
    clock: Box<dyn Fn() -> Timestamp + Send>,
    stop: Arc<AtomicBool>,
    lines: BTreeMap<TopicPartition, Line>,
    /// Names of topics, so that not every record makes one.
    topics: BTreeSet<Arc<str>>,
    /// Records that are with the engine.
    under_way: usize,
    news: (Sender<News>, Receiver<News>),
    letters: Option<DeadLetters>,
    /// Records whose dead letter was too large with its value.
    oversized: BTreeSet<(TopicPartition, i64)>,
    /// No dead letter is sent before.
    letters_due: Instant,
    /// Partitions that begin at their end, which is not known yet, and when to ask.
    without_position: BTreeSet<TopicPartition>,
    positions_due: Instant,
    commit_due: Instant,
    /// Since when nothing could be read because nothing was taken.
    stalled_since: Option<Instant>,
    is_paused: bool,
    /// When poison was logged, and how much since.
    poison_logged: (Option<Instant>, u64),
}

impl Worker {
    /// A worker that has read nothing yet.
    pub(super) fn new(
        options: KafkaOptions,
        shared: Arc<Shared>,
        ingest: Arc<dyn Ingest>,
        clock: Box<dyn Fn() -> Timestamp + Send>,
        stop: Arc<AtomicBool>,
        taken: &Offsets,
    ) -> Result<Self, ClientError> {
        let news = mpsc::channel();
        let letters = DeadLetters::start(&options, news.0.clone())?;
        let lines = taken.iter().map(|(at, next)| (at.clone(), Line::new(Some(next))));
        let now = Instant::now();
        Ok(Self {
            lines: lines.collect(),
            options,
            shared,
            ingest,
            clock,
            stop,
            topics: BTreeSet::new(),
            under_way: 0,
            news,
            letters,
            oversized: BTreeSet::new(),
            letters_due: now,
            without_position: BTreeSet::new(),
            positions_due: now,
            commit_due: now,
            stalled_since: None,
            is_paused: false,
            poison_logged: (None, 0),
        })
    }

    /// Reads until it is stopped. A consumer that fails for good is replaced by another.
    pub(super) fn run(mut self) {
        while !self.is_stopped() {
            let ended = match Reader::start(&self.options, &self.shared) {
                Ok(reader) => self.read_all(&reader),
                Err(error) => Err(error.to_string()),
            };
            let Err(error) = ended else { return };
            tracing::error!(error, "Kafka cannot be read any more, trying again");
            self.shared.stats.failed(&error);
            self.lines.values_mut().for_each(Line::revoke);
            let until = Instant::now() + RESTART_AFTER;
            while !self.is_stopped() && Instant::now() < until {
                self.hear(ANSWER_MAX);
            }
        }
    }

    fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Reads until it is stopped.
    ///
    /// # Errors
    /// What made it impossible to go on.
    fn read_all(&mut self, reader: &Reader) -> Result<(), String> {
        (self.stalled_since, self.is_paused) = (None, false);
        while !self.is_stopped() {
            self.hear(Duration::ZERO);
            self.notice_changes();
            self.read_again(reader);
            self.submit_all();
            self.settle_positions(reader);
            self.commit(reader);
            let waiting_bytes: usize = self.lines.values().map(Line::waiting_bytes).sum();
            self.pause_or_resume(reader, waiting_bytes)?;
            if waiting_bytes >= self.options.buffer_bytes_max && !self.is_paused {
                self.hear(ANSWER_MAX);
                continue;
            }
            // Whoever has something to submit must not wait for more.
            let limit =
                if waiting_bytes == 0 || self.is_paused { POLL_MAX } else { Duration::ZERO };
            if !self.poll(reader, limit)? && waiting_bytes > 0 {
                self.hear(ANSWER_MAX);
            }
        }
        self.commit_due = Instant::now();
        self.commit(reader);
        reader.leave();
        Ok(())
    }

    /// Takes over what was read, after waiting for `limit` at the most; whether there was something.
    fn poll(&mut self, reader: &Reader, limit: Duration) -> Result<bool, String> {
        for turn in 0..RECORDS_PER_TURN {
            match reader.poll(if turn == 0 { limit } else { Duration::ZERO }) {
                Polled::Nothing => return Ok(turn > 0),
                Polled::Record(message) => {
                    let now_ms = (self.clock)().as_ms();
                    self.shared.stats.read(message.payload_len(), now_ms);
                    let at = self.place(message.topic(), message.partition());
                    // Partitions that came with this poll, so that their first record is not passed over.
                    self.notice_changes();
                    let line = self.lines.entry(at).or_default();
                    if line.read(record(&message)) == Read::Known {
                        self.shared.stats.count(|figures| figures.records_known += 1);
                    }
                }
                Polled::PositionLost => self.find_lost_positions(reader),
                Polled::Error(error) => {
                    tracing::warn!(error, "Kafka complains");
                    self.shared.stats.failed(&error);
                }
                Polled::Fatal(error) => return Err(error),
            }
        }
        Ok(true)
    }

    fn place(&mut self, topic: &str, partition: i32) -> TopicPartition {
        let topic = self.topics.get(topic).cloned().unwrap_or_else(|| {
            let topic: Arc<str> = topic.into();
            self.topics.insert(Arc::clone(&topic));
            topic
        });
        TopicPartition { topic, partition }
    }

    fn notice_changes(&mut self) {
        for change in self.shared.take_changes() {
            match change {
                Change::Assigned(partitions) => {
                    tracing::info!(partitions = ?shown(&partitions), "reading partitions of Kafka");
                    for at in partitions {
                        let line = self.lines.entry(at.clone()).or_default();
                        line.assign();
                        if line.submit_next().is_none()
                            && self.options.start == super::StartAt::Latest
                        {
                            self.without_position.insert(at);
                        }
                    }
                }
                Change::Revoked(partitions) => {
                    tracing::info!(partitions = ?shown(&partitions), "partitions of Kafka went");
                    for at in partitions {
                        self.without_position.remove(&at);
                        self.lines.entry(at).or_default().revoke();
                    }
                }
            }
        }
    }

    /// Hears what became of what is under way, after waiting for `limit` at the most.
    fn hear(&mut self, limit: Duration) {
        let first = if limit.is_zero() { None } else { self.news.1.recv_timeout(limit).ok() };
        let more: Vec<News> = first.into_iter().chain(self.news.1.try_iter()).collect();
        for news in more {
            match news {
                News::Answer { at, offset, result } => {
                    self.under_way -= 1;
                    let Some(line) = self.lines.get_mut(&at) else { continue };
                    line.answered(offset, result.is_ok());
                    match result {
                        Ok(outcome) => self.shared.stats.taken(&outcome),
                        Err(error) => tracing::debug!(offset, %error, "record was refused"),
                    }
                }
                News::Letter { at, offset, result } => self.letter_answered(at, offset, result),
            }
        }
    }

    fn letter_answered(
        &mut self,
        at: TopicPartition,
        offset: i64,
        result: Result<(), Undelivered>,
    ) {
        if let Some(line) = self.lines.get_mut(&at) {
            line.letter_answered(offset, result.is_ok());
        }
        match result {
            Ok(()) => {
                self.oversized.remove(&(at, offset));
                self.shared.stats.count(|figures| figures.dead_letters += 1);
            }
            Err(undelivered) => self.letter_failed(at, offset, &undelivered),
        }
    }

    fn letter_failed(&mut self, at: TopicPartition, offset: i64, why: &Undelivered) {
        self.shared.stats.count(|figures| figures.dead_letter_failures += 1);
        if why.is_too_large && self.oversized.insert((at, offset)) {
            return;
        }
        self.letters_due = Instant::now() + RETRY_AFTER;
        if !why.is_queue_full {
            tracing::warn!(error = why.error, "dead letter is not taken, trying again");
            self.shared.stats.failed(&why.error);
        }
    }

    /// Goes back to what was refused, once the engine takes something again.
    fn read_again(&mut self, reader: &Reader) {
        if self.ingest.check().is_err() {
            return;
        }
        for (at, line) in &mut self.lines {
            // What said that nothing was taken yet is below the first record.
            let Some(offset) = line.must_read_again().map(|offset| offset.max(0)) else { continue };
            if let Err(error) = reader.read_from(at, offset) {
                tracing::debug!(offset, error = describe(&error), "cannot go back yet");
                continue;
            }
            line.read_again(offset);
            self.shared.goes_on_at(at, offset);
            self.shared.stats.count(|figures| figures.rereads += 1);
        }
    }

    /// Submits what waits, a record of each partition in turn, as far as the engine takes it.
    fn submit_all(&mut self) {
        let mut lines = std::mem::take(&mut self.lines);
        let mut again = true;
        while again {
            again = false;
            for (at, line) in &mut lines {
                again |= self.submit_next(at, line);
            }
        }
        self.lines = lines;
    }

    /// Submits the next record of `at`; false when it has to wait.
    fn submit_next(&mut self, at: &TopicPartition, line: &mut Line) -> bool {
        if self.under_way >= self.options.under_way_max || line.dead_letter() == DeadLetter::Sent {
            return false;
        }
        let Some(head) = line.head() else { return false };
        if self.ingest.check().is_err() {
            return false;
        }
        if line.dead_letter() == DeadLetter::Confirmed {
            return self.leave_out(at, line);
        }
        let tenants = self.shared.tenants.read();
        let tenant = match tenant_of(head, self.options.tenant_from, tenants.as_ref()) {
            Ok(tenant) if !line.may_follow(tenant.as_ref()) => return false,
            other => other,
        };
        drop(tenants);
        let judged = tenant.and_then(|tenant| Ok((tenant, self.decode(head)?)));
        let (tenant, write) = match judged {
            Ok(good) => good,
            Err(poison) => return self.put_aside(at, line, &poison),
        };
        self.shared.stats.decoded(&write);
        let expected = line.submit_next();
        let Some(Record { offset, value, .. }) = line.submit(tenant.clone()) else { return false };
        let body = value.unwrap_or_default();
        self.submit(
            at,
            line,
            Submission { tenant, offset, expected, write, format: self.options.format, body },
        );
        true
    }

    fn decode(&self, record: &Record) -> Result<WriteRequest, Poison> {
        let value = record.value.as_deref().ok_or(Poison::NoValue)?;
        let (bytes, bytes_max) = (value.len(), self.options.record_bytes_max);
        if bytes > bytes_max {
            return Err(Poison::TooLarge { bytes, bytes_max });
        }
        Ok(self.options.format.decode(value, &self.options.limits)?)
    }

    /// Sends the head away as a dead letter, or leaves it out at once where there is no place for these; false when it has to
    /// wait.
    fn put_aside(&mut self, at: &TopicPartition, line: &mut Line, poison: &Poison) -> bool {
        let Some(head) = line.head() else { return false };
        let offset = head.offset;
        let Some(letters) = &self.letters else {
            self.count_poison(at, offset, poison);
            return self.leave_out(at, line);
        };
        if Instant::now() < self.letters_due {
            return false;
        }
        let place = (at.clone(), offset);
        let without_value = self.oversized.contains(&place);
        if let Err(undelivered) = letters.send(at, head, poison, without_value) {
            self.letter_failed(place.0, offset, &undelivered);
            return false;
        }
        line.letter_sent();
        self.count_poison(at, offset, poison);
        false
    }

    fn count_poison(&mut self, at: &TopicPartition, offset: i64, poison: &Poison) {
        self.shared.stats.poison(poison.index());
        self.poison_logged.1 += 1;
        if self.poison_logged.0.is_some_and(|logged| logged.elapsed() < POISON_LOGGED_EVERY) {
            return;
        }
        let (topic, partition, records) = (&*at.topic, at.partition, self.poison_logged.1);
        tracing::warn!(topic, partition, offset, records, %poison, "records are no requests");
        self.poison_logged = (Some(Instant::now()), 0);
    }

    /// Submits an empty request in place of the head: the engine knows then that it is behind it.
    fn leave_out(&mut self, at: &TopicPartition, line: &mut Line) -> bool {
        let tenant = anybody(self.shared.tenants.read().as_ref());
        if !line.may_follow(tenant.as_ref()) {
            return false;
        }
        let expected = line.submit_next();
        let Some(record) = line.submit(tenant.clone()) else { return false };
        self.submit_empty(at, line, tenant, record.offset, expected)
    }

    fn submit_empty(
        &mut self,
        at: &TopicPartition,
        line: &mut Line,
        tenant: Option<Arc<str>>,
        offset: i64,
        expected: Option<i64>,
    ) -> bool {
        let body = Vec::new();
        let Ok(write) = EMPTY.decode(&body, &Limits::default()) else {
            unreachable!("what is empty is a request without series")
        };
        self.submit(at, line, Submission { tenant, offset, expected, write, format: EMPTY, body });
        true
    }

    fn submit(&mut self, at: &TopicPartition, line: &mut Line, submission: Submission) {
        let Submission { tenant, offset, expected, write, format, body } = submission;
        let record = KafkaRecord { at: at.clone(), offset };
        let source = Source::Kafka { record, expected };
        let received = Some(Received { source, format, body });
        let request = Request { tenant, write, received_at: (self.clock)(), received };
        let (news, answer_at) = (self.news.0.clone(), at.clone());
        let reply = Box::new(move |result| {
            // Nobody listens any more when the source has stopped.
            _ = news.send(News::Answer { at: answer_at, offset, result });
        });
        match self.ingest.submit(request, reply) {
            Ok(()) => {
                self.under_way += 1;
                self.shared.goes_on_at(at, offset + 1);
            }
            // Somebody else took the last place.
            Err(_) => line.answered(offset, false),
        }
    }

    /// Partitions that begin at their end are told to the engine, so that a restart does not begin at another.
    fn settle_positions(&mut self, reader: &Reader) {
        if self.without_position.is_empty() || Instant::now() < self.positions_due {
            return;
        }
        self.positions_due = Instant::now() + RETRY_AFTER;
        let Some(at) = self.without_position.pop_first() else { return };
        let mut line = self.lines.remove(&at).unwrap_or_default();
        if line.submit_next().is_none() && line.head().is_none() && self.ingest.check().is_ok() {
            match reader.ends_of(&at) {
                Ok((_, end)) => {
                    self.positions_due = Instant::now();
                    let tenant = anybody(self.shared.tenants.read().as_ref());
                    line.note_submitted(end - 1, tenant.clone());
                    self.submit_empty(&at, &mut line, tenant, end - 1, None);
                }
                Err(error) => {
                    tracing::debug!(error = describe(&error), "end of a partition is not known");
                    self.without_position.insert(at.clone());
                }
            }
        } else if line.submit_next().is_none() && line.head().is_none() {
            self.without_position.insert(at.clone());
        }
        self.lines.insert(at, line);
    }

    /// Goes on with the oldest record of each partition whose next record does not exist.
    fn find_lost_positions(&mut self, reader: &Reader) {
        for (at, line) in &mut self.lines {
            let Some(next) = line.read_next().filter(|_| line.is_assigned()) else { continue };
            let (oldest, end) = match reader.ends_of(at) {
                Ok(ends) => ends,
                Err(error) => {
                    tracing::warn!(error = describe(&error), "ends of a partition are not known");
                    continue;
                }
            };
            if (oldest..=end).contains(&next) {
                continue;
            }
            let (topic, partition) = (&*at.topic, at.partition);
            let lost_records = (oldest - next).max(0) as u64;
            tracing::error!(
                topic,
                partition,
                next,
                oldest,
                end,
                lost_records,
                "the next record of a partition does not exist, going on with the oldest"
            );
            if let Err(error) = reader.read_from(at, oldest) {
                tracing::warn!(error = describe(&error), "cannot go on there");
                continue;
            }
            line.skip_to(oldest);
            self.shared.stats.count(|figures| {
                figures.positions_lost += 1;
                figures.records_lost += lost_records;
            });
        }
    }

    fn pause_or_resume(&mut self, reader: &Reader, waiting_bytes: usize) -> Result<(), String> {
        let failed = |error| describe(&error);
        let is_full = waiting_bytes >= self.options.buffer_bytes_max;
        if self.is_paused && waiting_bytes <= self.options.buffer_bytes_max / 2 {
            reader.resume().map_err(failed)?;
            (self.is_paused, self.stalled_since) = (false, None);
        } else if !is_full {
            self.stalled_since = None;
        } else {
            let since = *self.stalled_since.get_or_insert_with(Instant::now);
            if !self.is_paused && since.elapsed() >= STALLED_MAX {
                reader.pause().map_err(failed)?;
                self.is_paused = true;
                self.shared.stats.count(|figures| figures.pauses += 1);
            }
        }
        let is_paused = self.is_paused;
        self.shared.stats.count(|figures| figures.is_paused = is_paused);
        Ok(())
    }

    /// Tells the group how far we are, and whoever asks for our figures.
    fn commit(&mut self, reader: &Reader) {
        if Instant::now() < self.commit_due {
            return;
        }
        self.commit_due = Instant::now() + self.options.commit_every;
        let ours = || self.lines.iter().filter(|(_, line)| line.is_assigned());
        let taken = ours().filter_map(|(at, line)| Some((at, line.taken_next()?)));
        if let Err(error) = reader.commit(taken) {
            tracing::debug!(error = describe(&error), "offsets were not committed");
            self.shared.stats.count(|figures| figures.commit_failures += 1);
        }
        let figures_of = |(at, line): (&TopicPartition, &Line)| PartitionFigures {
            at: at.clone(),
            next: line.taken_next(),
            end: self.shared.end_of(at),
        };
        let partitions: Vec<_> = ours().map(figures_of).collect();
        self.shared.stats.count(|figures| figures.partitions = partitions);
    }
}

/// A request on its way to the engine.
struct Submission {
    tenant: Option<Arc<str>>,
    offset: i64,
    expected: Option<i64>,
    write: WriteRequest,
    format: Format,
    body: Vec<u8>,
}

/// Partitions as a log shows them.
fn shown(partitions: &[TopicPartition]) -> Vec<String> {
    partitions.iter().map(|at| format!("{}/{}", at.topic, at.partition)).collect()
}
