//! Seconds of history made ready for the engine: series with their labels, nothing that is left out, in the order of a record;
//! and when nothing came between two of them.

use bellwether_engine::NumberedSample;
use bellwether_runtime::HEARTBEAT;
use bellwether_series::{LabelSet, Timestamp};

use super::catalog::Catalog;
use super::cell::CellOrder;
use crate::exclude::Exclusions;

/// Quiet beyond this is a pause of whoever recorded the history: it ages nothing any further.
const QUIET_MAX_MS: i64 = 7 * 86_400_000;
const BEAT_MS: i64 = HEARTBEAT.as_millis() as i64;

/// Makes them ready, one after the other.
pub(super) struct Seconds<'c> {
    catalog: &'c Catalog,
    series: Vec<LabelSet>,
    /// By number the beginning of each series' fingerprint, by which series go.
    ranks: Vec<u64>,
    exclusions: &'c Exclusions,
    order: CellOrder,
}

impl<'c> Seconds<'c> {
    pub(super) fn new(catalog: &'c Catalog, exclusions: &'c Exclusions) -> Self {
        let (series, ranks, order) = (Vec::new(), Vec::new(), CellOrder::default());
        Self { catalog, series, ranks, exclusions, order }
    }

    /// The labels of all series so far, by number.
    pub(super) fn series(&self) -> &[LabelSet] {
        &self.series
    }

    /// Learns of series that came since.
    pub(super) fn look_up(&mut self, cell: &[NumberedSample]) {
        let newest = cell.iter().map(|row| row.series as usize).max().unwrap_or(0);
        if newest < self.series.len() {
            return;
        }
        let known = self.series.len();
        self.catalog.copy_new(&mut self.series);
        let rank = |labels: &LabelSet| (labels.fingerprint().as_u128() >> 64) as u64;
        self.ranks.extend(self.series[known..].iter().map(rank));
    }

    /// Removes what is excluded, and says how much that was: it leaves no trace, not even as a time.
    pub(super) fn leave_out(&mut self, cell: &mut Vec<NumberedSample>) -> u64 {
        let (exclusions, series) = (self.exclusions, &self.series);
        if !cell.iter().any(|row| exclusions.may_exclude(row.at)) {
            return 0;
        }
        let before = cell.len();
        cell.retain(|row| {
            let labels = series.get(row.series as usize);
            labels.is_none_or(|labels| !exclusions.excludes(labels, row.at))
        });
        (before - cell.len()) as u64
    }

    /// Brings the samples of a second into the order of a record.
    pub(super) fn sort(&mut self, cell: &mut [NumberedSample]) {
        self.order.sort(cell, &self.ranks);
    }
}

/// When there are heartbeats between two records.
pub(super) fn beats(before: Timestamp, until: Timestamp) -> impl Iterator<Item = Timestamp> {
    let until = until.min(before.plus_ms(QUIET_MAX_MS));
    let after = move |at: &Timestamp| Some(at.plus_ms(BEAT_MS));
    let all = std::iter::successors(Some(before.plus_ms(BEAT_MS)), after);
    all.take_while(move |&at| at < until)
}

/// Until when there are heartbeats behind the last record, so that nothing is held back any more for what may come late.
pub(super) fn end_behind(last: Timestamp, lateness_ms: i64) -> Timestamp {
    if lateness_ms > 0 {
        // One more than the lateness, so that it is over.
        last.plus_ms(lateness_ms + 2 * BEAT_MS)
    } else {
        last
    }
}
