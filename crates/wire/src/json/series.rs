//! Records with labels and samples: our own shape, and that of prometheus-kafka-adapter.

use bellwether_series::{METRIC_NAME, Timestamp};

use super::field::{self, Field, Verdict, integer, rfc3339, value};
use super::{JsonReader, Kind, Place, Records};
use crate::remote_write::{Assembler, DecodeError, LabelBuffer, RawSample, SameName};

/// What is kept from one record to the next, so that none allocates.
#[derive(Debug, Default)]
pub(super) struct SeriesRecords {
    labels: LabelBuffer,
    samples: Vec<RawSample>,
    name: String,
}

/// The members that say a time and a value, of a record or of one of its samples.
#[derive(Debug)]
struct Point {
    at: Field<Timestamp>,
    value: Field<f64>,
}

impl Point {
    const NOTHING: Self = Self { at: Ok(None), value: Ok(None) };

    /// Whether the member called `key` is one of them; it is read then.
    fn take(&mut self, key: &str, reader: &mut JsonReader<'_>) -> Result<bool, DecodeError> {
        match key {
            "timestamp_ms" => {
                self.at = integer(reader)?.map(|ms| ms.map(Timestamp::from_ms));
            }
            "timestamp" => self.at = rfc3339(reader)?,
            "value" => self.value = value(reader)?,
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn sample(&self) -> Result<RawSample, &'static str> {
        match (self.at?, self.value?) {
            (Some(timestamp), Some(value)) => Ok(RawSample { timestamp, value }),
            (None, _) => Err("timestamp is missing"),
            (_, None) => Err("value is missing"),
        }
    }

    fn is_nothing(&self) -> bool {
        matches!(self, Self { at: Ok(None), value: Ok(None) })
    }
}

impl Records for SeriesRecords {
    fn read(
        &mut self,
        reader: &mut JsonReader<'_>,
        place: Place,
        assembler: &mut Assembler,
    ) -> Result<(), DecodeError> {
        let offset = reader.at();
        assembler.object(offset)?;
        self.labels.clear();
        self.samples.clear();
        self.name.clear();
        let mut point = Point::NOTHING;
        let mut has_samples = false;
        let mut verdict = Ok(());
        let mut members = reader.object()?;
        while let Some(key) = reader.key(&mut members)? {
            match &*key {
                "labels" => verdict = verdict.and(self.read_labels(reader, assembler)?),
                "name" | "metric" => verdict = verdict.and(field::name(reader, &mut self.name)?),
                "samples" => {
                    has_samples = true;
                    verdict = verdict.and(self.read_samples(reader, place, assembler)?);
                }
                key if point.take(key, reader)? => {}
                _ => reader.skip()?,
            }
        }
        if !self.name.is_empty() && !self.labels.has(METRIC_NAME.as_bytes()) {
            self.labels.push(METRIC_NAME.as_bytes(), self.name.as_bytes());
        }
        if !has_samples || !point.is_nothing() {
            verdict = verdict.and(point.sample().map(|sample| self.samples.push(sample)));
        }
        if let Err(fault) = verdict {
            assembler.bad_point(format_args!("record is invalid: {place}, fault=`{fault}`"));
            return Ok(());
        }
        assembler.samples(offset, &mut self.labels, SameName::Keep, &self.samples)
    }
}

impl SeriesRecords {
    fn read_labels(
        &mut self,
        reader: &mut JsonReader<'_>,
        assembler: &mut Assembler,
    ) -> Result<Verdict, DecodeError> {
        if reader.kind()? != Kind::Object {
            reader.skip()?;
            return Ok(Err("labels are not an object"));
        }
        let mut verdict = Ok(());
        let mut members = reader.object()?;
        while let Some(name) = reader.key(&mut members)? {
            assembler.object(reader.at())?;
            match reader.kind()? {
                Kind::String => {
                    let value = reader.string()?;
                    self.labels.push(name.as_bytes(), value.as_bytes());
                }
                Kind::Null => _ = reader.word()?,
                _ => {
                    reader.skip()?;
                    verdict = Err("label value is not a string");
                }
            }
        }
        Ok(verdict)
    }

    /// Samples, each an object or a pair of milliseconds and value. One that is none is named, and the others are taken.
    fn read_samples(
        &mut self,
        reader: &mut JsonReader<'_>,
        place: Place,
        assembler: &mut Assembler,
    ) -> Result<Verdict, DecodeError> {
        if reader.kind()? != Kind::Array {
            reader.skip()?;
            return Ok(Err("samples are not an array"));
        }
        let mut items = reader.array()?;
        let mut ordinal = 0;
        while reader.has_next(&mut items)? {
            ordinal += 1;
            assembler.object(reader.at())?;
            match read_sample(reader)? {
                Ok(sample) => self.samples.push(sample),
                Err(fault) => assembler.bad_point(format_args!(
                    "sample is invalid: {place}, sample=`{ordinal}`, fault=`{fault}`"
                )),
            }
        }
        Ok(Ok(()))
    }
}

fn read_sample(
    reader: &mut JsonReader<'_>,
) -> Result<Result<RawSample, &'static str>, DecodeError> {
    let mut point = Point::NOTHING;
    match reader.kind()? {
        Kind::Object => {
            let mut members = reader.object()?;
            while let Some(key) = reader.key(&mut members)? {
                if !point.take(&key, reader)? {
                    reader.skip()?;
                }
            }
        }
        Kind::Array => {
            let mut items = reader.array()?;
            let mut count = 0;
            while reader.has_next(&mut items)? {
                count += 1;
                match count {
                    1 => _ = point.take("timestamp_ms", reader)?,
                    2 => _ = point.take("value", reader)?,
                    _ => reader.skip()?,
                }
            }
            if count > 2 {
                return Ok(Err("sample is not a pair"));
            }
        }
        _ => {
            reader.skip()?;
            return Ok(Err("sample is neither an object nor a pair"));
        }
    }
    Ok(point.sample())
}
