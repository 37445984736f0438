//! From the cells that name a series to its number: labels are put together once for each series, not for each row.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use bellwether_series::LabelSet;
use foldhash::fast::RandomState;

use super::catalog::Catalog;
use super::error::{HistoryError, excerpt};
use super::layout::Layout;
use super::notation;

/// The series that the rows of one file are about.
#[derive(Debug)]
pub(super) struct SeriesKeys {
    catalog: Arc<Catalog>,
    path: PathBuf,
    has_metric: bool,
    label_names: Vec<String>,
    /// For each column of values the labels that its name gives.
    values: Vec<Vec<(String, String)>>,
    /// Where in `numbers` those of a key begin. A key is its cells, each behind its length.
    known: HashMap<Box<[u8]>, u32, RandomState>,
    /// One number for each column of values and key.
    numbers: Vec<u32>,
    key: Vec<u8>,
    last: Option<(Vec<u8>, u32)>,
}

impl SeriesKeys {
    pub(super) fn new(layout: &Layout, catalog: Arc<Catalog>, path: PathBuf) -> Self {
        Self {
            catalog,
            path,
            has_metric: layout.metric.is_some(),
            label_names: layout.labels.iter().map(|(_, name)| name.clone()).collect(),
            values: layout.values.iter().map(|value| value.labels.clone()).collect(),
            known: HashMap::default(),
            numbers: Vec::new(),
            key: Vec::new(),
            last: None,
        }
    }

    /// Where the numbers of the series begin that `cells` name, in the order of [`Layout::keys`]; `row` is for messages.
    pub(super) fn find(
        &mut self,
        cells: impl Iterator<Item: AsRef<str>> + Clone,
        row: u64,
    ) -> Result<u32, HistoryError> {
        self.key.clear();
        for cell in cells.clone() {
            let cell = cell.as_ref();
            self.key.extend_from_slice(&(cell.len() as u32).to_le_bytes());
            self.key.extend_from_slice(cell.as_bytes());
        }
        if let Some((last, place)) = &self.last
            && *last == self.key
        {
            return Ok(*place);
        }
        let place = if let Some(&place) = self.known.get(&*self.key) {
            place
        } else {
            let cells: Vec<_> = cells.collect();
            self.add(&cells.iter().map(AsRef::as_ref).collect::<Vec<_>>(), row)?
        };
        let (last, last_place) = self.last.get_or_insert_default();
        last.clone_from(&self.key);
        *last_place = place;
        Ok(place)
    }

    /// The numbers at `place`, one for each column of values.
    #[inline]
    pub(super) fn at(&self, place: u32) -> &[u32] {
        let start = place as usize;
        &self.numbers[start..start + self.values.len()]
    }

    #[cold]
    fn add(&mut self, cells: &[&str], row: u64) -> Result<u32, HistoryError> {
        let (metric, label_cells) = cells.split_at(usize::from(self.has_metric).min(cells.len()));
        let mut shared = Vec::new();
        if let [metric] = metric {
            shared = notation::parse(metric).ok_or_else(|| HistoryError::Cell {
                path: self.path.clone(),
                row,
                column: "metric".to_owned(),
                expected: "series in Prometheus' notation",
                value: excerpt(metric),
            })?;
        }
        let place = self.numbers.len() as u32;
        let mut numbers = Vec::with_capacity(self.values.len());
        for own in &self.values {
            let labels = own.iter().chain(&shared).map(|(name, value)| (&**name, &**value));
            let columns =
                self.label_names.iter().map(|name| &**name).zip(label_cells.iter().copied());
            let labels = LabelSet::from_pairs(labels.chain(columns))
                .map_err(|source| HistoryError::Labels { path: self.path.clone(), row, source })?;
            numbers.push(self.catalog.number(labels)?);
        }
        self.numbers.append(&mut numbers);
        self.known.insert(self.key.as_slice().into(), place);
        Ok(place)
    }
}
