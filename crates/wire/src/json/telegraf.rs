//! Telegraf's JSON: a metric with tags and several fields, or `{"metrics": [...]}` with some of them.
//!
//! Format: `influxdata/telegraf:plugins/serializers/json/README.md`.

use super::field::{self, Field, Verdict, integer, value};
use super::{JsonReader, Kind, Place, Records};
use crate::Precision;
use crate::measurement::push_field_name;
use crate::remote_write::{Assembler, DecodeError, LabelBuffer, RawSample, SameName};

/// What is kept from one metric to the next.
#[derive(Debug)]
pub(super) struct TelegrafRecords {
    precision: Precision,
    labels: LabelBuffer,
    name: String,
    /// Names of the fields, one behind the other.
    names: String,
    /// Where a field's name ends, and its value.
    fields: Vec<(usize, f64)>,
}

impl TelegrafRecords {
    pub(super) fn new(precision: Precision) -> Self {
        let (labels, name, names) = Default::default();
        Self { precision, labels, name, names, fields: Vec::new() }
    }

    /// Reads `{"metrics": [...]}` or a metric, which is at `place`.
    fn read_object(
        &mut self,
        reader: &mut JsonReader<'_>,
        place: Place,
        assembler: &mut Assembler,
        is_in_batch: bool,
    ) -> Result<(), DecodeError> {
        let offset = reader.at();
        assembler.object(offset)?;
        self.clear();
        let (mut count, mut is_batch): (Field<i64>, _) = (Ok(None), false);
        let mut verdict = Ok(());
        let mut members = reader.object()?;
        while let Some(key) = reader.key(&mut members)? {
            match &*key {
                "name" => verdict = verdict.and(field::name(reader, &mut self.name)?),
                "tags" => verdict = verdict.and(self.read_tags(reader, assembler)?),
                "fields" => verdict = verdict.and(self.read_fields(reader, assembler)?),
                "timestamp" => count = integer(reader)?,
                "metrics" if !is_in_batch && reader.kind()? == Kind::Array => {
                    is_batch = true;
                    let mut items = reader.array()?;
                    let mut element = 0;
                    while reader.has_next(&mut items)? {
                        element += 1;
                        self.read_object(reader, Place::Element(element), assembler, true)?;
                    }
                }
                _ => reader.skip()?,
            }
        }
        if is_batch {
            return Ok(());
        }
        match verdict.and_then(|()| self.timestamp(count)) {
            Ok(timestamp) => self.add(offset, timestamp, assembler),
            Err(fault) => {
                assembler.bad_point(format_args!("metric is invalid: {place}, fault=`{fault}`"));
                Ok(())
            }
        }
    }

    fn clear(&mut self) {
        self.labels.clear();
        self.name.clear();
        self.names.clear();
        self.fields.clear();
    }

    fn timestamp(&self, count: Field<i64>) -> Result<bellwether_series::Timestamp, &'static str> {
        if self.name.is_empty() {
            return Err("name is missing");
        }
        let count = count?.ok_or("timestamp is missing")?;
        self.precision.timestamp(count).ok_or("timestamp is out of range")
    }

    fn add(
        &mut self,
        offset: usize,
        timestamp: bellwether_series::Timestamp,
        assembler: &mut Assembler,
    ) -> Result<(), DecodeError> {
        let tags = self.labels.mark();
        let mut start = 0;
        for &(end, value) in &self.fields {
            let field = &self.names.as_bytes()[start..end];
            start = end;
            push_field_name(&mut self.labels, self.name.as_bytes(), field);
            let sample = RawSample { timestamp, value };
            assembler.sample(offset, &mut self.labels, SameName::Keep, sample)?;
            self.labels.truncate(tags);
        }
        Ok(())
    }

    fn read_tags(
        &mut self,
        reader: &mut JsonReader<'_>,
        assembler: &mut Assembler,
    ) -> Result<Verdict, DecodeError> {
        if reader.kind()? != Kind::Object {
            reader.skip()?;
            return Ok(Err("tags are not an object"));
        }
        let mut verdict = Ok(());
        let mut members = reader.object()?;
        while let Some(name) = reader.key(&mut members)? {
            assembler.object(reader.at())?;
            if reader.kind()? == Kind::String {
                let value = reader.string()?;
                self.labels.push(name.as_bytes(), value.as_bytes());
            } else {
                reader.skip()?;
                verdict = Err("tag is not a string");
            }
        }
        Ok(verdict)
    }

    /// Numbers are samples, and booleans are 1 or 0; texts are no samples and no fault.
    fn read_fields(
        &mut self,
        reader: &mut JsonReader<'_>,
        assembler: &mut Assembler,
    ) -> Result<Verdict, DecodeError> {
        if reader.kind()? != Kind::Object {
            reader.skip()?;
            return Ok(Err("fields are not an object"));
        }
        let mut members = reader.object()?;
        while let Some(name) = reader.key(&mut members)? {
            assembler.object(reader.at())?;
            let field = match reader.kind()? {
                Kind::Number => value(reader)?.unwrap_or_default(),
                Kind::True | Kind::False => Some(f64::from(u8::from(reader.word()? == Kind::True))),
                _ => {
                    reader.skip()?;
                    None
                }
            };
            if let Some(value) = field {
                self.names.push_str(&name);
                self.fields.push((self.names.len(), value));
            }
        }
        Ok(Ok(()))
    }
}

impl Records for TelegrafRecords {
    fn read(
        &mut self,
        reader: &mut JsonReader<'_>,
        place: Place,
        assembler: &mut Assembler,
    ) -> Result<(), DecodeError> {
        self.read_object(reader, place, assembler, false)
    }
}
