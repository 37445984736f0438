//! The history of a server as a replay reads it.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use bellwether_connect::source::history::{
    HistoryQuery, Method, Page, ServerHistory, ServerHistoryError,
};
use bellwether_engine::NumberedSample;
use bellwether_replay::history::{Catalog, HistoryError, HistoryReader, HistorySource, ReadCounts};
use bellwether_series::Timestamp;

/// Rows that are handed over at a time.
const HANDED_ROWS: usize = 1 << 14;

/// A server, and what is asked of it.
#[derive(Debug)]
pub(super) struct ServerSource {
    pub(super) query: HistoryQuery,
}

impl HistorySource for ServerSource {
    fn identity(&self) -> String {
        let HistoryQuery { selectors, start, end, step_ms, .. } = &self.query;
        let selectors: Vec<_> = selectors.iter().map(|selector| selector.text.as_str()).collect();
        let selectors = selectors.join(" ");
        format!("{selectors}, from_ms {start}, to_ms {end}, step_ms {step_ms:?}")
    }

    fn open<'a>(
        &'a self,
        catalog: &Arc<Catalog>,
        stop: &'a AtomicBool,
    ) -> Result<(Box<dyn HistoryReader + 'a>, String), HistoryError> {
        let name = self.query.endpoint.url.as_str();
        let history = ServerHistory::open(self.query.clone(), stop).map_err(refused(name))?;
        let note = match history.method() {
            Method::RemoteRead => "samples by remote read".to_owned(),
            Method::QueryRange { step_ms } => {
                format!("values by query_range, every {} s", step_ms as f64 / 1000.0)
            }
        };
        let reader = ServerReader {
            name,
            history,
            catalog: Arc::clone(catalog),
            start: self.query.start,
            done_until: self.query.start,
            has_repetitions: self.query.selectors.len() > 1,
            rows: Vec::new(),
            given: 0,
            counts: ReadCounts::default(),
        };
        Ok((Box::new(reader), note))
    }
}

fn refused(name: &str) -> impl Fn(ServerHistoryError) -> HistoryError + '_ {
    |source| HistoryError::Source { name: name.to_owned(), source: source.into() }
}

/// Gives the samples of a server in the order of time.
struct ServerReader<'a> {
    name: &'a str,
    history: ServerHistory<'a>,
    catalog: Arc<Catalog>,
    start: Timestamp,
    done_until: Timestamp,
    /// Whether a series may come more than once.
    has_repetitions: bool,
    /// A page.
    rows: Vec<NumberedSample>,
    /// Rows of it that were given.
    given: usize,
    counts: ReadCounts,
}

impl ServerReader<'_> {
    fn take(&mut self, page: Page) -> Result<(), HistoryError> {
        self.rows.clear();
        self.given = 0;
        for one in page.series {
            let series = self.catalog.number(one.labels)?;
            self.rows.extend(one.samples.into_iter().map(|sample| NumberedSample {
                at: sample.timestamp,
                value: sample.value,
                series,
            }));
        }
        let order = |row: &NumberedSample| (row.at, row.series, row.value.to_bits());
        self.rows.sort_unstable_by_key(order);
        if self.has_repetitions {
            self.rows.dedup_by_key(|row| order(row));
        }
        let samples = self.rows.len() as u64;
        // A native histogram is a row without a value that could be judged.
        self.counts.add(ReadCounts {
            rows: samples + page.histograms as u64,
            samples,
            empty_values: page.histograms as u64,
            rows_without_time: 0,
        });
        self.done_until = page.until;
        Ok(())
    }
}

impl HistoryReader for ServerReader<'_> {
    fn read(&mut self, rows: &mut Vec<NumberedSample>) -> Result<bool, HistoryError> {
        if self.given == self.rows.len() {
            let Some(page) = self.history.next_page().map_err(refused(self.name))? else {
                return Ok(false);
            };
            self.take(page)?;
        }
        let some = &self.rows[self.given..];
        let some = &some[..some.len().min(HANDED_ROWS)];
        rows.extend_from_slice(some);
        self.given += some.len();
        Ok(true)
    }

    /// In milliseconds of its time.
    fn done_bytes(&self) -> u64 {
        self.done_until.ms_since(self.start).unsigned_abs()
    }

    fn counts(&self) -> ReadCounts {
        self.counts
    }
}
