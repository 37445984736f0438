//! The thread of a source: it reads, decodes, submits, and hears what became of it.

mod holding;
mod offering;
mod positions;
mod room;
mod seldom;
mod submit;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::time::{Duration, Instant};

use bellwether_engine::Outcome;
use bellwether_runtime::{Ingest, Offsets, SubmitError, TopicPartition};
use bellwether_series::Timestamp;
use rdkafka::message::Message as _;

use super::context::{Change, Shared};
use super::form::Next;
use super::letter::DeadLetters;
use super::line::{Line, Read};
use super::options::KafkaOptions;
use super::reader::{Polled, Reader, record};
use crate::kafka::{ClientError, Undelivered, describe};
use holding::Holding;
use seldom::Seldom;

/// Longest wait for a record; as often it is looked whether to stop.
const POLL_MAX: Duration = Duration::from_millis(100);
/// Longest wait for an answer, or until somebody else leaves room in the engine.
const ANSWER_MAX: Duration = Duration::from_millis(10);
/// Records that are taken over from librdkafka before anything else is done.
const RECORDS_PER_TURN: usize = 256;
/// Pause after a dead letter that could not be sent, and between questions for the end of a partition.
const RETRY_AFTER: Duration = Duration::from_secs(1);
/// Pause before another consumer after one that failed for good.
const RESTART_AFTER: Duration = Duration::from_secs(10);
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
    /// No dead letter is sent before.
    letters_due: Instant,
    /// Partitions that begin at their end, which is not known yet, and when to ask.
    without_position: BTreeSet<TopicPartition>,
    positions_due: Instant,
    commit_due: Instant,
    /// What the group was told last.
    committed: Vec<(TopicPartition, i64)>,
    offer_due: Instant,
    /// Since when nothing could be read because nothing was taken.
    stalled_since: Option<Instant>,
    poison_logged: Seldom,
    given_up_logged: Seldom,
    /// Partitions whose state somebody has to get first.
    holding: Holding,
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
            letters_due: now,
            without_position: BTreeSet::new(),
            positions_due: now,
            commit_due: now,
            committed: Vec::new(),
            offer_due: now,
            stalled_since: None,
            poison_logged: Seldom::default(),
            given_up_logged: Seldom::default(),
            holding: Holding::default(),
        })
    }

    /// Reads until it is stopped. A consumer that fails for good is replaced by another.
    pub(super) fn run(mut self) {
        while !self.is_stopped() {
            self.shared.begin_membership();
            let ended = match Reader::start(&self.options, &self.shared) {
                Ok(reader) => self.read_all(&reader),
                Err(error) => Err(error.to_string()),
            };
            // The consumer is gone, and with it what it knew of the group.
            if let Some(group) = &self.shared.group {
                group.leave();
            }
            let Err(error) = ended else { return };
            tracing::error!(error, "Kafka cannot be read any more, trying again");
            self.shared.stats.failed(&error);
            self.lines.values_mut().for_each(Line::revoke);
            let pause = if self.lose_all() { Duration::ZERO } else { RESTART_AFTER };
            let until = Instant::now() + pause;
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
        self.stalled_since = None;
        while !self.is_stopped() {
            if !self.shared.membership().beat() {
                return Err(
                    "no member of the group any more: stopped for a session, or thrown out"
                        .to_owned(),
                );
            }
            self.hear(Duration::ZERO);
            self.notice_changes();
            self.open_cells(reader);
            self.read_again(reader);
            let is_judging = self.submit_all();
            self.settle_positions(reader);
            self.commit(reader);
            let room = self.pause_or_resume(reader)?;
            let answer_max = if is_judging { Duration::ZERO } else { ANSWER_MAX };
            if self.stalled_since.is_some() {
                self.hear(answer_max);
                continue;
            }
            // Whoever has something to judge or to submit must not wait for more.
            let limit = if room.is_idle && !is_judging { POLL_MAX } else { Duration::ZERO };
            if !self.poll(reader, limit, room.bytes)? && room.waiting_bytes > 0 {
                self.hear(answer_max);
            }
        }
        self.hand_over_all();
        self.commit_due = Instant::now();
        self.commit(reader);
        self.commit_last(reader);
        reader.leave();
        Ok(())
    }

    /// Takes over what was read until it is `room_bytes`, after waiting for `limit` at the most; whether there was something.
    fn poll(
        &mut self,
        reader: &Reader,
        limit: Duration,
        mut room_bytes: usize,
    ) -> Result<bool, String> {
        for turn in 0..RECORDS_PER_TURN {
            match reader.poll(if turn == 0 { limit } else { Duration::ZERO }) {
                Polled::Nothing => return Ok(turn > 0),
                Polled::Record(message) => {
                    let now_ms = (self.clock)().as_ms();
                    self.shared.stats.read(message.payload().map(<[u8]>::len), now_ms);
                    let at = self.place(message.topic(), message.partition());
                    // Partitions that came with this poll, so that their first record is not passed over.
                    self.notice_changes();
                    let line = self.lines.entry(at).or_default();
                    let record = record(&message);
                    let bytes = record.bytes();
                    match line.read(record) {
                        Read::Waits if bytes >= room_bytes => return Ok(true),
                        Read::Waits => room_bytes -= bytes,
                        Read::Known => {
                            self.shared.stats.count(|figures| figures.records_known += 1);
                        }
                        // Of a cell that is not open yet nothing is kept: it will be read again.
                        Read::NotNow => {}
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
                    if self.shared.cells.is_some() {
                        self.holding.assigned(partitions);
                        continue;
                    }
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
                        self.holding.revoked(&at);
                        if self.shared.cells.is_some() {
                            // Where it goes on is for the next owner to know.
                            self.lines.remove(&at);
                        } else {
                            self.lines.entry(at).or_default().revoke();
                        }
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
                News::Letter { at, offset, result } => self.letter_answered(&at, offset, result),
            }
        }
    }

    fn letter_answered(
        &mut self,
        at: &TopicPartition,
        offset: i64,
        result: Result<(), Undelivered>,
    ) {
        let Err(undelivered) = result else {
            self.shared.stats.count(|figures| figures.dead_letters += 1);
            if let Some(line) = self.lines.get_mut(at) {
                line.letter_confirmed(offset);
            }
            return;
        };
        let line = self.lines.get_mut(at);
        let next = line.map_or(Next::Again, |line| line.letter_failed(offset, undelivered.refusal));
        self.letter_failed(at, offset, next, &undelivered);
    }

    /// A letter was not taken. Those that are sent again as they were wait for a moment.
    fn letter_failed(&mut self, at: &TopicPartition, offset: i64, next: Next, why: &Undelivered) {
        self.shared.stats.count(|figures| figures.dead_letter_failures += 1);
        match next {
            Next::Send(_) => return,
            Next::GiveUp => return self.letter_given_up(at, offset, &why.error),
            Next::Again => {}
        }
        let now = Instant::now();
        // Those that are under way with it fail as well.
        if now >= self.letters_due {
            tracing::warn!(error = why.error, "dead letter is not taken, trying again");
            if why.is_fatal {
                self.replace_letters();
            }
        }
        self.shared.stats.failed(&why.error);
        self.letters_due = now + RETRY_AFTER;
    }

    /// Goes on with another producer, since this one takes nothing any more. What it had not confirmed fails with it.
    fn replace_letters(&mut self) {
        match DeadLetters::start(&self.options, self.news.0.clone()) {
            Ok(letters) => self.letters = letters,
            Err(error) => tracing::warn!(%error, "dead letters have no other producer yet"),
        }
    }

    /// The stream goes on without it, as without a topic of dead letters.
    fn letter_given_up(&mut self, at: &TopicPartition, offset: i64, error: &str) {
        self.shared.stats.count(|figures| figures.dead_letters_given_up += 1);
        if let Some(letters) = self.given_up_logged.seen() {
            let (topic, partition) = (&*at.topic, at.partition);
            tracing::error!(topic, partition, offset, letters, error, "dead letters are given up");
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
}

/// Partitions as a log shows them.
fn shown(partitions: &[TopicPartition]) -> Vec<String> {
    partitions.iter().map(|at| format!("{}/{}", at.topic, at.partition)).collect()
}
