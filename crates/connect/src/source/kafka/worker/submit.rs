//! From a record to a request: decoded, put aside, or left out.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bellwether_runtime::{KafkaRecord, Received, Request, Source, TopicPartition};
use bellwether_series::Timestamp;
use bellwether_wire::remote_write::{Limits, WriteRequest, compress};
use bellwether_wire::{Compression, Format, Message};

use super::{News, Worker};
use crate::source::kafka::line::{DeadLetter, Line, Record};
use crate::source::kafka::poison::Poison;
use crate::source::kafka::tenancy::{anybody, is_heartbeat, tenant_of};

/// Poison is logged at most this often.
const POISON_LOGGED_EVERY: Duration = Duration::from_mins(1);
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
    /// Submits what waits, a record of each partition in turn, as far as the engine takes it.
    pub(super) fn submit_all(&mut self) {
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
        if is_heartbeat(head) {
            let has_turn = self.leave_out(at, line);
            self.shared.stats.count(|figures| figures.heartbeats += u64::from(has_turn));
            return has_turn;
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
        let Some(record) = line.submit(tenant.clone()) else { return false };
        let Record { offset, value, timestamp_ms: produced_at_ms, .. } = record;
        let body = value.unwrap_or_default();
        self.submit(
            at,
            line,
            Submission {
                tenant,
                offset,
                expected,
                produced_at_ms,
                write,
                format: self.options.format,
                body,
            },
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
            let has_turn = self.leave_out(at, line);
            if has_turn {
                self.count_poison(at, offset, poison);
            }
            return has_turn;
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
        self.submit_empty(at, line, tenant, (record.offset, record.timestamp_ms), expected)
    }

    pub(super) fn submit_empty(
        &mut self,
        at: &TopicPartition,
        line: &mut Line,
        tenant: Option<Arc<str>>,
        (offset, produced_at_ms): (i64, Option<i64>),
        expected: Option<i64>,
    ) -> bool {
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
        true
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
