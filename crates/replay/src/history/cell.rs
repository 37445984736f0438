//! The order of samples within a record: by time, series and value, whatever order they had in a file.
//!
//! Series go by their fingerprints. History mostly repeats itself: the same series at one time, in the order of the file.
//! How these have to be moved is remembered, so that they are sorted once and not every second.

use bellwether_engine::NumberedSample;

/// Brings the samples of seconds into order.
#[derive(Debug, Default)]
pub(super) struct CellOrder {
    /// The series of the second before, as they came, if it had one time and none of them twice.
    series: Vec<u32>,
    /// Which of them comes at each place.
    places: Vec<u32>,
    scratch: Vec<NumberedSample>,
}

impl CellOrder {
    /// Sorts `cell`, which goes by time already. `ranks` are those of series, by number.
    pub(super) fn sort(&mut self, cell: &mut [NumberedSample], ranks: &[u64]) {
        let at = cell.first().map(|row| row.at);
        let has_one_time = cell.last().map(|row| row.at) == at;
        if has_one_time && cell.iter().map(|row| &row.series).eq(&self.series) {
            self.scratch.clear();
            self.scratch.extend_from_slice(cell);
            for (row, &place) in cell.iter_mut().zip(&self.places) {
                *row = self.scratch[place as usize];
            }
            return;
        }
        let rank = |row: &NumberedSample| (ranks.get(row.series as usize), row.series);
        self.series.clear();
        self.places.clear();
        if !has_one_time {
            cell.sort_by(|one, other| {
                let by_time = one.at.cmp(&other.at).then_with(|| rank(one).cmp(&rank(other)));
                by_time.then_with(|| one.value.total_cmp(&other.value))
            });
            return;
        }
        self.places.extend(0..cell.len() as u32);
        self.places.sort_by(|&one, &other| {
            let (one, other) = (&cell[one as usize], &cell[other as usize]);
            rank(one).cmp(&rank(other)).then_with(|| one.value.total_cmp(&other.value))
        });
        self.series.extend(cell.iter().map(|row| row.series));
        self.scratch.clear();
        self.scratch.extend_from_slice(cell);
        for (row, &place) in cell.iter_mut().zip(&self.places) {
            *row = self.scratch[place as usize];
        }
        if cell.windows(2).any(|pair| pair[0].series == pair[1].series) {
            // Their values decide, which are others next time.
            self.series.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use bellwether_series::Timestamp;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_second_is_sorted_whatever_was_before(
            cells in proptest::collection::vec(
                (proptest::collection::vec((0..4_u32, 0..3_i64, -2..2_i32), 0..8), 1..4_usize, any::<bool>()),
                1..12,
            ),
        ) {
            let ranks = [7_u64, 3, 9, 1];
            let mut order = CellOrder::default();
            for (rows, times, spread) in cells {
                let sample = |(number, &(series, at, value)): (usize, &(u32, i64, i32))| NumberedSample {
                    at: Timestamp::from_ms(if spread { at } else { 0 }),
                    value: f64::from(value) + number as f64 * 0.01,
                    series,
                };
                let mut cell: Vec<_> = rows.iter().enumerate().map(sample).collect();
                cell.sort_by_key(|row| row.at);
                // The same series come again, with other values.
                for time in 0..times {
                    let mut again: Vec<_> = cell
                        .iter()
                        .map(|row| NumberedSample { value: row.value * (1.0 - time as f64), ..*row })
                        .collect();
                    let mut expected = again.clone();
                    expected.sort_by(|one, other| {
                        let rank = |row: &NumberedSample| ranks[row.series as usize];
                        one.at.cmp(&other.at)
                            .then(rank(one).cmp(&rank(other)))
                            .then(one.value.total_cmp(&other.value))
                    });
                    order.sort(&mut again, &ranks);
                    prop_assert_eq!(format!("{again:?}"), format!("{expected:?}"));
                }
            }
        }
    }
}
