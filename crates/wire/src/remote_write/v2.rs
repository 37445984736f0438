//! Remote write 2.0: `io.prometheus.write.v2.Request`, whose texts are in a table of symbols.
//!
//! The table may come after the series that refer to it, so the body is walked over twice. What is said of a series is put into the
//! form of 1.0. A series whose references lead nowhere, that has no name or that brings nothing is named, and the rest is taken.
//! Start timestamps are not looked at.
//!
//! Specification: "Prometheus Remote-Write 2.0"; messages: `prometheus/prometheus:prompb/io/prometheus/write/v2/types.proto`.

use bellwether_series::METRIC_NAME;

use super::budget::Budget;
use super::decode::{
    METADATA as METADATA_1, SYMBOLS_2 as SYMBOLS, TIMESERIES as TIMESERIES_1,
    TIMESERIES_2 as TIMESERIES, read_sample,
};
use super::label_buffer::{LabelBuffer, SameName};
use super::reader::{Reader, bytes_tag, varint_tag};
use super::request::Span;
use super::{Assembler, DecodeError, Limits, MetricType, RawSample, WriteRequest};

const SERIES_LABEL_REFS: u32 = bytes_tag(1);
const SERIES_LABEL_REF: u32 = varint_tag(1);
const SAMPLES: u32 = bytes_tag(2);
const HISTOGRAMS: u32 = bytes_tag(3);
const EXEMPLARS: u32 = bytes_tag(4);
const METADATA: u32 = bytes_tag(5);

const METADATA_TYPE: u32 = varint_tag(1);
const METADATA_HELP: u32 = varint_tag(3);
const METADATA_UNIT: u32 = varint_tag(4);

/// Most bytes of all names and values of a series: the most that any configuration allows. A symbol is sent once and may be
/// referred to a million times, so this is looked at before anything is copied.
const LABEL_TEXT_BYTES_MAX: usize = 1 << 20;

/// Whether something can be taken, or why not.
type Verdict = Result<(), &'static str>;

const NO_SYMBOL: &str = "reference leads to no symbol";
const ODD: &str = "number of references is odd";

/// Decodes a decompressed body.
///
/// # Errors
/// [`DecodeError::TooLarge`], [`DecodeError::Malformed`], [`DecodeError::TooManyObjects`] and [`DecodeError::OtherVersion`].
pub(crate) fn decode(body: &[u8], limits: &Limits) -> Result<WriteRequest, DecodeError> {
    let assembler = Assembler::new(body.len(), limits);
    let mut decoder = Decoder {
        limits,
        assembler,
        symbols: Symbols { body, spans: Vec::new() },
        refs: Vec::new(),
        labels: LabelBuffer::default(),
        samples: Vec::new(),
    };
    let mut series_left = Budget::new("series", limits.series_max);
    decoder.read_symbols()?;
    let mut message = Reader::new(body);
    let (mut has_series, mut of_1) = (false, None);
    while !message.is_done() {
        let offset = message.at();
        match message.tag()? {
            TIMESERIES => {
                has_series = true;
                series_left.take(offset)?;
                decoder.assembler.object(offset)?;
                decoder.read_series(message.message()?)?;
            }
            tag => {
                if matches!(tag, TIMESERIES_1 | METADATA_1) {
                    of_1.get_or_insert(offset);
                }
                message.skip(tag)?;
            }
        }
    }
    // As with a body of 2.0 that is read as one of 1.0.
    match of_1 {
        Some(offset) if !has_series => {
            Err(DecodeError::OtherVersion { is: "1.0", expected: "2.0", offset })
        }
        _ => Ok(decoder.assembler.finish()),
    }
}

struct Decoder<'a> {
    limits: &'a Limits,
    assembler: Assembler,
    symbols: Symbols<'a>,
    /// Scratch of a series.
    refs: Vec<u32>,
    labels: LabelBuffer,
    samples: Vec<RawSample>,
}

/// The texts of a request, by number.
struct Symbols<'a> {
    body: &'a [u8],
    spans: Vec<Span>,
}

impl<'a> Symbols<'a> {
    fn get(&self, reference: u32) -> Result<&'a [u8], &'static str> {
        let span = self.spans.get(reference as usize).ok_or(NO_SYMBOL)?;
        Ok(&self.body[span.range()])
    }

    /// Names and values, in pairs.
    fn pairs(
        &self,
        refs: &[u32],
    ) -> impl Iterator<Item = Result<(&'a [u8], &'a [u8]), &'static str>> {
        let (pairs, rest) = refs.as_chunks();
        let odd = (!rest.is_empty()).then_some(Err(ODD));
        let pair = |&[name, value]: &[u32; 2]| Ok((self.get(name)?, self.get(value)?));
        odd.into_iter().chain(pairs.iter().map(pair))
    }
}

/// What a series brings besides labels and samples.
#[derive(Debug, Default)]
struct Extras {
    kind: MetricType,
    /// Valid ones.
    histograms: usize,
    /// Valid ones.
    exemplars: usize,
}

impl<'a> Decoder<'a> {
    fn read_symbols(&mut self) -> Result<(), DecodeError> {
        let mut message = Reader::new(self.symbols.body);
        while !message.is_done() {
            let offset = message.at();
            match message.tag()? {
                SYMBOLS => {
                    self.assembler.object(offset)?;
                    self.symbols.spans.push(Span::new(message.bytes()?));
                }
                tag => message.skip(tag)?,
            }
        }
        Ok(())
    }

    fn read_series(&mut self, message: Reader<'a>) -> Result<(), DecodeError> {
        let offset = message.at();
        let (extras, verdict) = self.read_fields(message)?;
        match verdict.and_then(|()| self.gather_labels()) {
            Ok(name) => {
                if let Some(family) = family_of(name, extras.kind) {
                    self.assembler.metadata(offset, family, extras.kind)?;
                }
                self.assembler.count_valid(extras.histograms, extras.exemplars);
                self.assembler.samples(offset, &mut self.labels, SameName::Keep, &self.samples)
            }
            Err(fault) => {
                self.assembler.bad_point(format_args!(
                    "series is invalid: offset=`{offset}`, fault=`{fault}`"
                ));
                Ok(())
            }
        }
    }

    /// Reads what a series has; the references to its labels and its samples are then in the scratch.
    fn read_fields(&mut self, mut message: Reader<'a>) -> Result<(Extras, Verdict), DecodeError> {
        self.refs.clear();
        self.samples.clear();
        let (mut extras, mut verdict) = (Extras::default(), Ok(()));
        let (mut exemplars, mut is_empty) = (0, true);
        while !message.is_done() {
            let offset = message.at();
            let tag = message.tag()?;
            if matches!(tag, SAMPLES | HISTOGRAMS | EXEMPLARS | METADATA) {
                self.assembler.object(offset)?;
            }
            match tag {
                SERIES_LABEL_REF => {
                    self.assembler.object(offset)?;
                    self.refs.push(message.varint()? as u32);
                }
                SERIES_LABEL_REFS => {
                    let mut packed = message.message()?;
                    while !packed.is_done() {
                        self.assembler.object(packed.at())?;
                        self.refs.push(packed.varint()? as u32);
                    }
                }
                SAMPLES => {
                    is_empty = false;
                    self.samples.push(read_sample(message.message()?)?);
                }
                HISTOGRAMS => {
                    is_empty = false;
                    let is_valid = self.assembler.histogram(message.message()?, self.limits)?;
                    extras.histograms += usize::from(is_valid);
                }
                EXEMPLARS => {
                    exemplars += 1;
                    let is_valid = self.read_exemplar(message.message()?, exemplars)?;
                    extras.exemplars += usize::from(is_valid);
                }
                METADATA => {
                    let (kind, of_metadata) = self.read_metadata(message.message()?)?;
                    extras.kind = kind;
                    verdict = verdict.and(of_metadata);
                }
                tag => message.skip(tag)?,
            }
        }
        if is_empty {
            verdict = verdict.and(Err("series has neither samples nor histograms"));
        }
        Ok((extras, verdict))
    }

    /// Looks up the labels; their metric name.
    fn gather_labels(&mut self) -> Result<&'a [u8], &'static str> {
        self.labels.clear();
        let (mut text_bytes, mut metric_name) = (0, &[][..]);
        for pair in self.symbols.pairs(&self.refs) {
            let (name, value) = pair?;
            text_bytes += name.len() + value.len();
            if text_bytes > LABEL_TEXT_BYTES_MAX {
                return Err("labels are too long");
            }
            if name == METRIC_NAME.as_bytes() {
                metric_name = value;
            }
            self.labels.push(name, value);
        }
        if metric_name.is_empty() { Err("series has no metric name") } else { Ok(metric_name) }
    }

    /// Reads an exemplar, the `ordinal`th of its series. Whether it is valid.
    fn read_exemplar(
        &mut self,
        mut message: Reader<'a>,
        ordinal: usize,
    ) -> Result<bool, DecodeError> {
        let offset = message.at();
        let (mut refs, mut count) = ([0; EXEMPLAR_REFS_MAX], 0);
        let mut add = |reference: u64| {
            if let Some(place) = refs.get_mut(count) {
                *place = reference as u32;
            }
            count += 1;
        };
        while !message.is_done() {
            match message.tag()? {
                SERIES_LABEL_REF => add(message.varint()?),
                SERIES_LABEL_REFS => {
                    let mut packed = message.message()?;
                    while !packed.is_done() {
                        add(packed.varint()?);
                    }
                }
                tag => message.skip(tag)?,
            }
        }
        let verdict = match refs.get(..count) {
            _ if ordinal > self.limits.exemplars_per_series_max => {
                Err("series has too many exemplars")
            }
            Some(refs) => self.check_exemplar(refs),
            None => Err("labels are too many"),
        };
        if let Err(fault) = verdict {
            self.assembler.bad_exemplar(offset, fault);
        }
        Ok(verdict.is_ok())
    }

    fn check_exemplar(&self, refs: &[u32]) -> Verdict {
        let mut chars = 0;
        for pair in self.symbols.pairs(refs) {
            let (name, value) = pair?;
            for text in [name, value] {
                if text.len() > 4 * self.limits.exemplar_label_chars_max {
                    return Err("labels are too long");
                }
                let text = str::from_utf8(text).map_err(|_| "label is not valid UTF-8")?;
                chars += text.chars().count();
            }
        }
        if chars > self.limits.exemplar_label_chars_max {
            return Err("labels are too long");
        }
        Ok(())
    }

    fn read_metadata(&self, mut message: Reader<'_>) -> Result<(MetricType, Verdict), DecodeError> {
        let (mut kind, mut verdict) = (MetricType::Unknown, Ok(()));
        while !message.is_done() {
            match message.tag()? {
                METADATA_TYPE => kind = MetricType::from_wire(message.varint()?),
                METADATA_HELP | METADATA_UNIT => {
                    let symbol = self.symbols.get(message.varint()? as u32);
                    verdict = verdict.and(symbol.map(|_| ()));
                }
                tag => message.skip(tag)?,
            }
        }
        Ok((kind, verdict))
    }
}

/// Most references of one exemplar: its labels have 128 characters, and each name one at least.
const EXEMPLAR_REFS_MAX: usize = 256;

/// The family of the metric called `name`: 2.0 says what a series is without naming its family.
fn family_of(name: &[u8], kind: MetricType) -> Option<&str> {
    let name = str::from_utf8(name).ok()?;
    let suffixes: &[&str] = match kind {
        MetricType::Unknown => return None,
        MetricType::Histogram | MetricType::GaugeHistogram => &["_bucket", "_count", "_sum"],
        MetricType::Summary => &["_count", "_sum"],
        MetricType::Counter | MetricType::Gauge | MetricType::Info | MetricType::StateSet => &[],
    };
    Some(suffixes.iter().find_map(|suffix| name.strip_suffix(suffix)).unwrap_or(name))
}

#[cfg(test)]
mod tests;
