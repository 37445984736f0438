//! Where the series that ended lately stopped, so that one that comes back goes on behind its stale marker.
//!
//! A sender that was away for hours sends what it has from back then, for series that were ended in the
//! meantime. A receiver refuses a whole request for a sample that is older than the marker.

use std::collections::BTreeMap;

use bellwether_series::Fingerprint;

/// The times of the last samples of ended series, the latest to end of them.
pub(super) struct Ended {
    series_max: usize,
    /// Time of the last sample, and when it was noted, in notes.
    last: BTreeMap<Fingerprint, (i64, u64)>,
    by_age: BTreeMap<u64, Fingerprint>,
    noted: u64,
}

impl Ended {
    /// Remembers at most `series_max` series.
    pub(super) fn new(series_max: usize) -> Self {
        Self { series_max, last: BTreeMap::new(), by_age: BTreeMap::new(), noted: 0 }
    }

    /// `series` ended with a sample at `last_ms`.
    pub(super) fn note(&mut self, series: Fingerprint, last_ms: i64) {
        self.forget(series);
        self.noted += 1;
        self.last.insert(series, (last_ms, self.noted));
        self.by_age.insert(self.noted, series);
        if self.last.len() > self.series_max
            && let Some((_, oldest)) = self.by_age.pop_first()
        {
            self.last.remove(&oldest);
        }
    }

    /// `series` goes on.
    pub(super) fn forget(&mut self, series: Fingerprint) {
        if let Some((_, noted)) = self.last.remove(&series) {
            self.by_age.remove(&noted);
        }
    }

    /// Time of the last sample of `series`, if it ended lately.
    pub(super) fn last_ms(&self, series: Fingerprint) -> Option<i64> {
        self.last.get(&series).map(|&(last_ms, _)| last_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_to_end_are_remembered_and_no_more() {
        let [a, b, c] = [1, 2, 3].map(Fingerprint::from_u128);
        let mut ended = Ended::new(2);
        ended.note(a, 10);
        ended.note(b, 20);
        ended.note(a, 11);
        ended.note(c, 30);
        assert_eq!([a, b, c].map(|series| ended.last_ms(series)), [Some(11), None, Some(30)]);
        ended.forget(a);
        assert_eq!((ended.last.len(), ended.by_age.len()), (1, 1));
    }
}
