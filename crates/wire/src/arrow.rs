//! Arrow IPC streams: record batches with a row for each sample.
//!
//! ```text
//! timestamp: timestamp of any unit, or timestamp_ms: int64      value: a number
//! labels: map<text, text>      name or metric: text      any other text column: the label that is called as it is
//! ```
//!
//! A row whose value is null is no sample; a label that is null or empty is none. A column of another type is refused, because
//! without it series might be one that are not. Text may be of any of Arrow's layouts, dictionaries included.
//!
//! Each message is looked at before it is decoded: the decoder takes memory for what a compressed buffer claims to hold.
//!
//! Specification: "Arrow Columnar Format", "Serialization and Interprocess Communication (IPC)".

mod claims;
mod columns;
mod text;

use std::panic::{AssertUnwindSafe, catch_unwind};

use arrow_array::RecordBatch;
use arrow_buffer::Buffer;
use arrow_ipc::reader::StreamDecoder;
use arrow_schema::ArrowError;

use crate::remote_write::{
    Assembler, DecodeError, LabelBuffer, Limits, RawSample, SameName, WriteRequest,
};

use self::claims::Claims;
use self::columns::{Columns, Rows};

/// Decodes a stream.
pub(crate) fn decode(body: &[u8], limits: &Limits) -> Result<WriteRequest, DecodeError> {
    let mut assembler = Assembler::new(body.len(), limits);
    let mut labels = LabelBuffer::default();
    let mut claims = Claims::new(limits);
    let mut decoder = StreamDecoder::new();
    let mut columns: Option<Columns> = None;
    let bytes = Buffer::from(body);
    let (mut at, mut batches) = (0, 0);
    while let Some(end) = claims.next(body, at)? {
        let mut message_bytes = bytes.slice_with_length(at, end - at);
        let batch = held(|| decoder.decode(&mut message_bytes))
            .map_err(|fault| DecodeError::NotArrow { offset: at, fault })?;
        if columns.is_none()
            && let Some(schema) = decoder.schema()
        {
            let found = Columns::find(&schema);
            columns = Some(found.map_err(|fault| DecodeError::NotArrow { offset: at, fault })?);
        }
        if let (Some(batch), Some(columns)) = (batch, &columns) {
            batches += 1;
            let rows = columns.rows(&batch);
            let rows = rows.map_err(|fault| DecodeError::NotArrow { offset: at, fault })?;
            take(&rows, at, batches, &mut labels, &mut assembler)?;
        }
        at = end;
    }
    if columns.is_none() {
        let fault = "stream has no schema".to_owned();
        return Err(DecodeError::NotArrow { offset: at, fault });
    }
    Ok(assembler.finish())
}

/// Takes the rows of the batch that is the `ordinal`th, counted from 1, and begins at `offset` of the body.
fn take(
    rows: &Rows<'_>,
    offset: usize,
    ordinal: usize,
    labels: &mut LabelBuffer,
    assembler: &mut Assembler,
) -> Result<(), DecodeError> {
    for row in 0..rows.count() {
        assembler.object(offset)?;
        let Some(value) = rows.value(row) else { continue };
        let timestamp = match rows.timestamp(row) {
            Ok(timestamp) => timestamp,
            Err(fault) => {
                let row = row + 1;
                assembler.bad_point(format_args!(
                    "row is invalid: batch=`{ordinal}`, row=`{row}`, fault=`{fault}`"
                ));
                continue;
            }
        };
        labels.clear();
        for (name, value) in rows.labels(row) {
            assembler.object(offset)?;
            labels.push(name.as_bytes(), value.as_bytes());
        }
        assembler.sample(offset, labels, SameName::Keep, RawSample { timestamp, value })?;
    }
    Ok(())
}

/// What the decoder makes of a message. That it may panic over a damaged one is its fault, and must not become ours.
fn held(
    decode: impl FnOnce() -> Result<Option<RecordBatch>, ArrowError>,
) -> Result<Option<RecordBatch>, String> {
    match catch_unwind(AssertUnwindSafe(decode)) {
        Ok(result) => result.map_err(|error| error.to_string()),
        Err(_) => Err("message makes the decoder panic".to_owned()),
    }
}

#[cfg(test)]
mod tests;
