//! Every judgement of a sample, as a Parquet file: what was expected, how surprising the value was, and whether an alert
//! fired.

mod parts;

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::builder::{BooleanBuilder, Float64Builder, TimestampMillisecondBuilder};
use arrow_array::types::UInt32Type;
use arrow_array::{ArrayRef, DictionaryArray, RecordBatch, StringArray, UInt32Array};
use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};
use bellwether_detect::ExpectedBand;
use bellwether_detect::tail::Tail;
use bellwether_engine::{ChangeKind, Event, Score};
use bellwether_series::{Fingerprint, LabelSet};
use foldhash::fast::RandomState;

use self::parts::Parts;
use super::catalog::Catalog;
use super::checkpoint::ScoresHead;
use super::error::{Cause, HistoryError};

pub(super) use parts::remove as remove_parts;

/// Surprise at which a score is one half, as in the results of a corpus.
const SCORE_HALF: f64 = 4.0;
/// Rows that are handed to the Parquet writer at a time.
const BATCH_ROWS: usize = 1 << 16;
const COLUMNS: [&str; 6] = ["value", "surprise", "score", "expected", "lower", "upper"];

/// Writes scores. The file gets its name when it is complete.
pub(super) struct Scores {
    path: PathBuf,
    parts: Parts,
    schema: SchemaRef,
    catalog: Arc<Catalog>,
    series: Vec<LabelSet>,
    numbers: HashMap<Fingerprint, u32, RandomState>,
    /// The names of the series in the dictionary of the batch, and where in it each is.
    names: Vec<String>,
    places: HashMap<u32, u32, RandomState>,
    /// Alerts that fire, by series and episode.
    firing: BTreeSet<(Fingerprint, Fingerprint)>,
    keys: Vec<u32>,
    times: TimestampMillisecondBuilder,
    columns: [Float64Builder; COLUMNS.len()],
    alerts: BooleanBuilder,
    firings: BooleanBuilder,
    rows: u64,
    tail: Tail,
}

impl Scores {
    /// Goes on behind what was written when `head` was saved, if it was.
    pub(super) fn create(
        path: &Path,
        catalog: Arc<Catalog>,
        head: Option<ScoresHead>,
    ) -> Result<Self, HistoryError> {
        let time = DataType::Timestamp(TimeUnit::Millisecond, Some("UTC".into()));
        let text = DataType::Dictionary(DataType::UInt32.into(), DataType::Utf8.into());
        let mut fields =
            vec![Field::new("series", text, false), Field::new("timestamp", time, false)];
        fields.extend(COLUMNS.map(|name| Field::new(name, DataType::Float64, false)));
        let flag = |name| Field::new(name, DataType::Boolean, false);
        fields.extend([flag("is_alert"), flag("is_firing")]);
        let schema = Arc::new(Schema::new(fields));
        let ScoresHead { parts, rows, firing } = head.unwrap_or_default();
        Ok(Self {
            parts: Parts::create(path, Arc::clone(&schema), parts)?,
            path: path.to_owned(),
            schema,
            catalog,
            series: Vec::new(),
            numbers: HashMap::default(),
            names: Vec::new(),
            places: HashMap::default(),
            firing: firing.into_iter().collect(),
            keys: Vec::new(),
            times: TimestampMillisecondBuilder::new().with_timezone("UTC"),
            columns: std::array::from_fn(|_| Float64Builder::new()),
            alerts: BooleanBuilder::new(),
            firings: BooleanBuilder::new(),
            rows,
            tail: Tail::new(),
        })
    }

    /// Rows so far.
    pub(super) fn rows(&self) -> u64 {
        self.rows
    }

    /// Adds the scores of a record, by time and fingerprint, beside its events in log order.
    pub(super) fn add(
        &mut self,
        scores: &mut [Score],
        events: &[Event],
    ) -> Result<(), HistoryError> {
        scores.sort_unstable_by_key(|score| (score.at, score.fingerprint));
        let mut alerts = BTreeSet::new();
        let mut events = events.iter().peekable();
        for score in scores {
            while let Some(event) = events.next_if(|event| event.at_ms <= score.at) {
                self.hear(event, &mut alerts);
            }
            let Some(key) = self.key(score.fingerprint) else { continue };
            self.keys.push(key);
            self.times.append_value(score.at.as_ms());
            let share = score.surprise / (score.surprise + SCORE_HALF);
            let ExpectedBand { lower, upper } = score.band(&self.tail);
            let Score { value, surprise, expected, .. } = *score;
            let row = [value, surprise, share, expected.center, lower, upper];
            for (column, value) in self.columns.iter_mut().zip(row) {
                column.append_value(value);
            }
            let is_alert = alerts.contains(&(score.fingerprint, score.at));
            let no_episode = Fingerprint::from_u128(0);
            let from = (score.fingerprint, no_episode);
            let is_firing = is_alert
                || (!self.firing.is_empty()
                    && self
                        .firing
                        .range(from..)
                        .next()
                        .is_some_and(|one| one.0 == score.fingerprint));
            self.alerts.append_value(is_alert);
            self.firings.append_value(is_firing);
            self.rows += 1;
        }
        events.for_each(|event| self.hear(event, &mut alerts));
        if self.keys.len() >= BATCH_ROWS {
            self.flush()?;
        }
        Ok(())
    }

    fn hear(
        &mut self,
        event: &Event,
        alerts: &mut BTreeSet<(Fingerprint, bellwether_series::Timestamp)>,
    ) {
        if !event.alert {
            return;
        }
        let episode = (event.fingerprint, event.episode_id);
        if matches!(event.change, ChangeKind::Firing | ChangeKind::Escalated) {
            alerts.insert((event.fingerprint, event.at_ms));
            self.firing.insert(episode);
        } else {
            self.firing.remove(&episode);
        }
    }

    /// The place of a series in the dictionary of the batch.
    fn key(&mut self, fingerprint: Fingerprint) -> Option<u32> {
        if !self.numbers.contains_key(&fingerprint) {
            let known = self.series.len();
            self.catalog.copy_new(&mut self.series);
            for (labels, number) in self.series[known..].iter().zip(known as u32..) {
                self.numbers.insert(labels.fingerprint(), number);
            }
        }
        let number = *self.numbers.get(&fingerprint)?;
        if let Some(&place) = self.places.get(&number) {
            return Some(place);
        }
        let place = self.names.len() as u32;
        self.names.push(self.series[number as usize].to_string());
        self.places.insert(number, place);
        Some(place)
    }

    fn flush(&mut self) -> Result<(), HistoryError> {
        if self.keys.is_empty() {
            return Ok(());
        }
        let batch = self.batch().map_err(HistoryError::output::<Cause>(&self.path))?;
        self.parts.write(&batch).map_err(HistoryError::output(&self.path))
    }

    fn batch(&mut self) -> Result<RecordBatch, Cause> {
        let keys = UInt32Array::from(std::mem::take(&mut self.keys));
        let names = StringArray::from(std::mem::take(&mut self.names));
        self.places.clear();
        let series = DictionaryArray::<UInt32Type>::try_new(keys, Arc::new(names))?;
        let mut arrays: Vec<ArrayRef> = vec![Arc::new(series), Arc::new(self.times.finish())];
        arrays.extend(self.columns.iter_mut().map(|column| Arc::new(column.finish()) as ArrayRef));
        arrays.push(Arc::new(self.alerts.finish()));
        arrays.push(Arc::new(self.firings.finish()));
        Ok(RecordBatch::try_new(Arc::clone(&self.schema), arrays)?)
    }

    /// Makes durable what there is: where somebody may go on.
    pub(super) fn save(&mut self) -> Result<ScoresHead, HistoryError> {
        self.flush()?;
        let parts = self.parts.end_part().map_err(HistoryError::output(&self.path))?;
        let firing = self.firing.iter().copied().collect();
        Ok(ScoresHead { parts, rows: self.rows, firing })
    }

    /// Ends the file and gives it its name. With `keeps` somebody may go on with what was saved.
    pub(super) fn finish(mut self, keeps: bool) -> Result<(), HistoryError> {
        self.flush()?;
        self.parts.finish(keeps).map_err(HistoryError::output(&self.path))
    }
}
