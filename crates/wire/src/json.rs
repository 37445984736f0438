//! Samples as JSON: records one behind the other, usually one a line, or an array of them.
//!
//! A record that is not JSON is named by its line, and the next line goes on; within an array nothing can be trusted behind such a
//! fault, so the request is refused. A record that is JSON and says no sample is named, and the rest is taken, in either.

mod field;
mod reader;
mod series;
mod telegraf;

pub(crate) use reader::{JsonReader, Kind};

use crate::Precision;
use crate::lines::Lines;
use crate::remote_write::{Assembler, DecodeError, Limits, WriteRequest};

use self::series::SeriesRecords;
use self::telegraf::TelegrafRecords;

/// Something that reads the records of one shape.
trait Records {
    /// Reads the record that comes next to its end. What is wrong with it is said by `place`; what it says goes to `assembler`.
    ///
    /// # Errors
    /// When it is not JSON, or a limit is passed.
    fn read(
        &mut self,
        reader: &mut JsonReader<'_>,
        place: Place,
        assembler: &mut Assembler,
    ) -> Result<(), DecodeError>;
}

/// Where a record is, for people; counted from 1.
#[derive(Debug, Clone, Copy)]
enum Place {
    Line(usize),
    Element(usize),
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Line(line) => write!(f, "line=`{line}`"),
            Self::Element(element) => write!(f, "element=`{element}`"),
        }
    }
}

/// Decodes records with labels and samples: see [`Message::Json`](crate::Message::Json).
pub(crate) fn decode_series(body: &[u8], limits: &Limits) -> Result<WriteRequest, DecodeError> {
    decode(body, limits, &mut SeriesRecords::default())
}

/// Decodes Telegraf's metrics.
pub(crate) fn decode_telegraf(
    body: &[u8],
    precision: Precision,
    limits: &Limits,
) -> Result<WriteRequest, DecodeError> {
    decode(body, limits, &mut TelegrafRecords::new(precision))
}

fn decode(
    body: &[u8],
    limits: &Limits,
    records: &mut impl Records,
) -> Result<WriteRequest, DecodeError> {
    let mut assembler = Assembler::new(body.len(), limits);
    let mut reader = JsonReader::new(body);
    if !reader.is_done() && reader.kind() == Ok(Kind::Array) {
        read_array(&mut reader, records, &mut assembler)?;
        if !reader.is_done() {
            return Err(reader.fault("text is behind the array"));
        }
        return Ok(assembler.finish());
    }
    let mut lines = Lines::new(body);
    while !reader.is_done() {
        let offset = reader.at();
        let place = Place::Line(lines.number_at(offset));
        match records.read(&mut reader, place, &mut assembler) {
            Err(DecodeError::NotJson { offset: at, fault }) => {
                assembler.bad_point(format_args!(
                    "record is not JSON: {place}, offset=`{at}`, fault=`{fault}`"
                ));
                reader.resume_behind(offset, at);
            }
            other => other?,
        }
    }
    Ok(assembler.finish())
}

fn read_array(
    reader: &mut JsonReader<'_>,
    records: &mut impl Records,
    assembler: &mut Assembler,
) -> Result<(), DecodeError> {
    let mut items = reader.array()?;
    let mut element = 0;
    while reader.has_next(&mut items)? {
        element += 1;
        records.read(reader, Place::Element(element), assembler)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
