//! What a message claims, before it is decoded.

use std::ops::Range;

use arrow_ipc::{RecordBatch, root_as_message};

use crate::remote_write::{DecodeError, Limits};

/// Goes before the length of a message.
const CONTINUATION: u32 = u32::MAX;

/// What the messages of a stream claim together, and may.
#[derive(Debug)]
pub(super) struct Claims {
    bytes: usize,
    bytes_max: usize,
    rows: usize,
    rows_max: usize,
    values_max: usize,
}

impl Claims {
    /// Of a stream of which nothing was seen.
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            bytes: 0,
            bytes_max: limits.decoded_bytes_max,
            rows: 0,
            rows_max: limits.samples_max,
            values_max: limits.objects_max,
        }
    }

    /// Where the message that begins at `at` ends; `None` at the end of the stream.
    ///
    /// # Errors
    /// When it is none, or claims more than all messages together may.
    pub(super) fn next(&mut self, body: &[u8], at: usize) -> Result<Option<usize>, DecodeError> {
        let damaged =
            |offset: usize, fault: &str| DecodeError::NotArrow { offset, fault: fault.to_owned() };
        if at == body.len() {
            return Ok(None);
        }
        let short = || damaged(at, "stream ends within a message");
        let mut start = at;
        let mut length = word(body, start).ok_or_else(short)?;
        start += 4;
        if length == CONTINUATION {
            length = word(body, start).ok_or_else(short)?;
            start += 4;
        }
        if length == 0 {
            if body.len() > start {
                return Err(damaged(start, "bytes are behind the end of the stream"));
            }
            return Ok(None);
        }
        let metadata = part(body, start, length as usize).ok_or_else(short)?;
        let message = root_as_message(&body[metadata.clone()])
            .map_err(|error| damaged(metadata.start, &error.to_string()))?;
        let body_bytes = usize::try_from(message.bodyLength())
            .map_err(|_| damaged(metadata.start, "length of a message is negative"))?;
        let data = part(body, metadata.end, body_bytes).ok_or_else(short)?;
        if let Some(batch) = message.header_as_record_batch() {
            self.rows(batch, at)?;
            self.batch(batch, &body[data.clone()], data.start)?;
        } else if let Some(dictionary) = message.header_as_dictionary_batch() {
            if dictionary.isDelta() {
                return Err(damaged(at, "dictionaries that grow are not taken"));
            }
            let batch = dictionary.data().ok_or_else(|| damaged(at, "dictionary has no values"))?;
            self.batch(batch, &body[data.clone()], data.start)?;
        }
        Ok(Some(data.end))
    }

    fn rows(&mut self, batch: RecordBatch<'_>, offset: usize) -> Result<(), DecodeError> {
        let rows = usize::try_from(batch.length()).unwrap_or(usize::MAX);
        self.rows = self.rows.saturating_add(rows);
        let (what, limit) = ("samples", self.rows_max);
        if self.rows > limit {
            return Err(DecodeError::TooManyObjects { what, limit, offset });
        }
        Ok(())
    }

    /// Of a batch whose buffers lie in `data`, which begins at `offset` of the body.
    fn batch(
        &mut self,
        batch: RecordBatch<'_>,
        data: &[u8],
        offset: usize,
    ) -> Result<(), DecodeError> {
        let damaged = |fault: &str| DecodeError::NotArrow { offset, fault: fault.to_owned() };
        for node in batch.nodes().into_iter().flatten() {
            let length = usize::try_from(node.length())
                .map_err(|_| damaged("length of a column is negative"))?;
            if length > self.values_max {
                let (what, limit) = ("messages", self.values_max);
                return Err(DecodeError::TooManyObjects { what, limit, offset });
            }
        }
        let buffers = batch.buffers().unwrap_or_default();
        let views = batch.variadicBufferCounts().into_iter().flatten();
        let views = views.fold(0_i64, |sum, count| sum.saturating_add(count.max(0)));
        if usize::try_from(views).is_ok_and(|views| views > buffers.len()) {
            return Err(damaged("a column claims more buffers than there are"));
        }
        for buffer in buffers {
            let place =
                usize::try_from(buffer.offset()).ok().zip(usize::try_from(buffer.length()).ok());
            let place = place.and_then(|(at, length)| part(data, at, length));
            let bytes =
                &data[place.ok_or_else(|| damaged("a buffer is outside of its message"))?];
            let held = match (batch.compression(), bytes.first_chunk()) {
                // -1 says that it is not compressed after all.
                (Some(_), Some(&claimed)) => {
                    usize::try_from(i64::from_le_bytes(claimed)).unwrap_or(0)
                }
                _ => 0,
            };
            self.bytes = self.bytes.saturating_add(held.max(bytes.len()));
        }
        if self.bytes > self.bytes_max {
            let (bytes, limit_bytes) = (self.bytes, self.bytes_max);
            return Err(DecodeError::TooLarge { part: "decoded", bytes, limit_bytes });
        }
        Ok(())
    }
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// So many bytes from `at` on, if they are there.
fn part(bytes: &[u8], at: usize, length: usize) -> Option<Range<usize>> {
    let end = at.checked_add(length)?;
    (end <= bytes.len()).then_some(at..end)
}
