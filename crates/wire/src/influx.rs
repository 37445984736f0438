//! `InfluxDB`'s line protocol.
//!
//! ```text
//! measurement[,tag=value...] field=value[,field=value...] timestamp
//! ```
//!
//! Each field that is a number or a boolean (1 or 0) is a sample of the series `measurement_field{tags}`; texts are no samples and no
//! fault. A line that is not valid is named, and the next one goes on. A timestamp is required: when a line arrived says nothing.
//!
//! Specification: "Line protocol", `influxdata/line-protocol`.

mod line;

use crate::Precision;
use crate::lines::Lines;
use crate::measurement::push_field_name;
use crate::remote_write::{
    Assembler, DecodeError, LabelBuffer, Limits, RawSample, SameName, WriteRequest,
};

use self::line::{Fault, Line};

/// Decodes lines with timestamps of `precision`.
pub(crate) fn decode(
    body: &[u8],
    precision: Precision,
    limits: &Limits,
) -> Result<WriteRequest, DecodeError> {
    let mut assembler = Assembler::new(body.len(), limits);
    let mut labels = LabelBuffer::default();
    let mut line = Line::default();
    let mut lines = Lines::new(body);
    let mut at = 0;
    while at < body.len() {
        let start = at;
        let read = line.read(body, &mut at);
        let timestamp = read.and_then(|has_samples| {
            if !has_samples {
                return Ok(None);
            }
            let count = line.timestamp.ok_or(Fault { at, what: "timestamp is missing" })?;
            let timestamp = precision.timestamp(count);
            timestamp.map(Some).ok_or(Fault { at, what: "timestamp is out of range" })
        });
        match timestamp {
            Ok(None) => {}
            Ok(Some(timestamp)) => {
                labels.clear();
                for (name, value) in line.tags() {
                    assembler.object(start)?;
                    labels.push(name, value);
                }
                let tags = labels.mark();
                for (name, value) in line.fields() {
                    assembler.object(start)?;
                    push_field_name(&mut labels, line.measurement(), name);
                    let sample = RawSample { timestamp, value };
                    assembler.sample(start, &mut labels, SameName::Keep, sample)?;
                    labels.truncate(tags);
                }
            }
            Err(Fault { at: offset, what }) => {
                let line = lines.number_at(start);
                assembler.bad_point(format_args!(
                    "line is invalid: line=`{line}`, offset=`{offset}`, fault=`{what}`"
                ));
            }
        }
    }
    Ok(assembler.finish())
}

#[cfg(test)]
mod tests;
