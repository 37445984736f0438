//! From a record to a request: decoded, put aside, or left out.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bellwether_runtime::{KafkaRecord, Received, Request, Source, TopicPartition};
use bellwether_series::Timestamp;
use bellwether_wire::remote_write::{Limits, WriteRequest, compress};
use bellwether_wire::{Compression, Format, Message};

use super::{News, Worker};
use crate::source::kafka::headers::{is_heartbeat, version_of};
use crate::source::kafka::line::{Judged, Kind, Line, Record};
use crate::source::kafka::poison::Poison;
use crate::source::kafka::tenancy::{anybody, tenant_of};

/// What is judged ahead takes at most this, of all partitions together: some ten milliseconds of records, in which a letter is
/// confirmed. More would leave the processor's caches before it is submitted.
const AHEAD_BYTES_MAX: usize = 8 << 20;
/// Newest version of Grafana Mimir's records that is read.
const VERSION_MAX: u32 = 1;
/// Pause until there is room for another dead letter.
const ROOM_AFTER: Duration = Duration::from_millis(10);
/// How an empty request is written.
const EMPTY: Format = Format::new(Message::RemoteWrite1, Compression::None);

/// A request on its way to the engine.
struct Submission {
    tenant: Option<Arc<str>>,
    offset: i64,
    expected: Option<i64>,
    /// The timestamp of the record.
    produced_at_ms: Option<i64>,
    write: WriteRequest,
    format: Format,
    body: Vec<u8>,
}

impl Worker {
    /// Submits what waits, a record of each partition in turn, as far as the engine takes it. Then judges another record of each,
    /// and sends dead letters; whether more is to be judged.
    pub(super) fn submit_all(&mut self) -> bool {
        let mut lines = std::mem::take(&mut self.lines);
        let mut again = true;
        while again {
            again = false;
            for (at, line) in &mut lines {
                again |= self.submit_next(at, line);
            }
        }
        let assigned = lines.values().filter(|line| line.is_assigned()).count();
        let bytes_max = self.options.buffer_bytes_max.min(AHEAD_BYTES_MAX) / assigned.max(1);
        let mut is_more = false;
        for (at, line) in &mut lines {
            self.judge_next(at, line, bytes_max);
            is_more |= line.unjudged(bytes_max).is_some();
        }
        self.send_letters(&mut lines);
        self.lines = lines;
        is_more
    }

    /// Submits the next record of `at`; false when it has to wait.
    fn submit_next(&mut self, at: &TopicPartition, line: &mut Line) -> bool {
        if self.under_way >= self.options.under_way_max || self.ingest.check().is_err() {
            return false;
        }
        // The head, if it is not judged.
        self.judge_next(at, line, 0);
        let Some(head) = line.head() else { return false };
        let tenant = match &head.kind {
            Kind::Request { tenant, .. } => tenant.clone(),
            Kind::Heartbeat | Kind::Poison(_) => anybody(self.shared.tenants.read().as_ref()),
        };
        if !line.may_follow(tenant.as_ref()) {
            return false;
        }
        let expected = line.submit_next();
        let Some(Judged { record, kind }) = line.submit(tenant.clone()) else { return false };
        let Record { offset, value, timestamp_ms: produced_at_ms, .. } = record;
        let write = match kind {
            Kind::Request { write, .. } => write,
            // An empty request in its place: the engine knows then that it is behind it.
            Kind::Poison(_) => {
                self.submit_empty(at, line, tenant, (offset, produced_at_ms), expected);
                return true;
            }
            Kind::Heartbeat => {
                self.shared.stats.count(|figures| figures.heartbeats += 1);
                self.submit_empty(at, line, tenant, (offset, produced_at_ms), expected);
                return true;
            }
        };
        self.shared.stats.decoded(&write);
        let (format, body) = (self.options.format, value.unwrap_or_default());
        self.submit(
            at,
            line,
            Submission { tenant, offset, expected, produced_at_ms, write, format, body },
        );
        true
    }

    /// Judges the next record of `at`, if it is the head or there is room ahead.
    fn judge_next(&mut self, at: &TopicPartition, line: &mut Line, bytes_max: usize) {
        let Some(record) = line.unjudged(bytes_max) else { return };
        let kind = self.kind_of(record);
        if let Kind::Poison(poison) = &kind {
            self.count_poison(at, record.offset, poison);
        }
        line.judged(kind, self.letters.is_some());
    }

    fn kind_of(&self, record: &Record) -> Kind {
        if is_heartbeat(record) {
            return Kind::Heartbeat;
        }
        let tenants = self.shared.tenants.read();
        let tenant = tenant_of(record, self.options.tenant_from, tenants.as_ref());
        drop(tenants);
        match tenant.and_then(|tenant| Ok((tenant, self.decode(record)?))) {
            Ok((tenant, write)) => Kind::Request { tenant, write },
            Err(poison) => Kind::Poison(poison),
        }
    }

    fn decode(&self, record: &Record) -> Result<WriteRequest, Poison> {
        let value = record.value.as_deref().ok_or(Poison::NoValue)?;
        let (bytes, bytes_max) = (value.len(), self.options.record_bytes_max);
        if bytes > bytes_max {
            return Err(Poison::TooLarge { bytes, bytes_max });
        }
        let format = self.options.format;
        if matches!(format.message, Message::RemoteWrite1 | Message::RemoteWrite2)
            && let Some(version) = version_of(record).filter(|&version| version > VERSION_MAX)
        {
            return Err(Poison::Version(version));
        }
        Ok(format.decode(value, &self.options.limits)?)
    }

    /// Sends dead letters that are due, one of each partition in turn, as far as the producer takes them.
    fn send_letters(&mut self, lines: &mut BTreeMap<TopicPartition, Line>) {
        let mut again = self.letters.is_some();
        while again {
            again = false;
            for (at, line) in &mut *lines {
                if Instant::now() < self.letters_due {
                    return;
                }
                again |= self.send_letter(at, line);
            }
        }
    }

    /// Sends the next dead letter of `at`; false when there is none.
    fn send_letter(&mut self, at: &TopicPartition, line: &mut Line) -> bool {
        let (Some(letters), Some(due)) = (&self.letters, line.letter_due()) else { return false };
        let (offset, sent) = (due.record.offset, letters.send(at, &due));
        match sent {
            Err(undelivered) if undelivered.is_queue_full => {
                // There is room once some are confirmed.
                self.letters_due = Instant::now() + ROOM_AFTER;
            }
            sent => {
                line.letter_sent();
                if let Err(undelivered) = sent {
                    let next = line.letter_failed(offset, undelivered.refusal);
                    self.letter_failed(at, offset, next, &undelivered);
                }
            }
        }
        true
    }

    fn count_poison(&mut self, at: &TopicPartition, offset: i64, poison: &Poison) {
        self.shared.stats.poison(poison.index());
        if let Some(records) = self.poison_logged.seen() {
            let (topic, partition) = (&*at.topic, at.partition);
            tracing::warn!(topic, partition, offset, records, %poison, "records are no requests");
        }
    }

    pub(super) fn submit_empty(
        &mut self,
        at: &TopicPartition,
        line: &mut Line,
        tenant: Option<Arc<str>>,
        (offset, produced_at_ms): (i64, Option<i64>),
        expected: Option<i64>,
    ) {
        let body = Vec::new();
        let Ok(write) = EMPTY.decode(&body, &Limits::default()) else {
            unreachable!("what is empty is a request without series")
        };
        let format = EMPTY;
        self.submit(
            at,
            line,
            Submission { tenant, offset, expected, produced_at_ms, write, format, body },
        );
    }

    fn submit(&mut self, at: &TopicPartition, line: &mut Line, submission: Submission) {
        let Submission { tenant, offset, expected, produced_at_ms, write, format, body } =
            submission;
        let record = KafkaRecord { at: at.clone(), offset };
        let source = Source::Kafka { record, expected };
        // A worker keeps no body: the topic does.
        let (format, body) =
            if self.shared.cells.is_none() { packed(format, body) } else { (format, body) };
        let received = Some(Received { source, format, body });
        // Whoever owns a partition must see the same time; our clock is for the one order of one process.
        let received_at = match self.shared.cells {
            Some(_) => Timestamp::from_ms(produced_at_ms.unwrap_or_default()),
            None => (self.clock)(),
        };
        let request = Request { tenant, write, received_at, received };
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
}

/// `body` as the journal keeps it. Kafka has unpacked it, and plain it would be some ten times as much as a disk has to take.
fn packed(format: Format, body: Vec<u8>) -> (Format, Vec<u8>) {
    if format.compression != Compression::None {
        return (format, body);
    }
    let compressed = compress(&body);
    if compressed.len() >= body.len() {
        return (format, body);
    }
    (Format { compression: Compression::Snappy, ..format }, compressed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_plain_is_compressed_if_that_makes_it_less() {
        let plain = Format::new(Message::Json, Compression::None);
        let labels = r#"{"labels":{"__name__":"up","job":"shop"},"samples":[]}"#.repeat(20);
        let (format, body) = packed(plain, labels.clone().into_bytes());
        assert_eq!(format, Format::new(Message::Json, Compression::Snappy));
        assert!(body.len() < labels.len() / 5);
        let unpacked = format.compression.decompress(&body, &Limits::default()).unwrap();
        assert_eq!(&*unpacked, labels.as_bytes());
        for (format, body) in [(plain, &b"[]"[..]), (plain, b""), (format, &body)] {
            assert_eq!(packed(format, body.to_vec()), (format, body.to_vec()));
        }
    }
}
