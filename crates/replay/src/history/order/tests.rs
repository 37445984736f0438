//! Against a plain sort of everything.

use std::collections::VecDeque;

use proptest::prelude::*;

use super::*;

fn row(at: i64, series: u32) -> NumberedSample {
    NumberedSample { at: Timestamp::from_ms(at), value: at as f64, series }
}

/// Time and series of the rows of a second.
type Cell = Vec<(i64, u32)>;

/// The cells of `rows`, each sorted, and whether rows were put aside. They come `batch` at a time.
fn cells(
    rows: &[NumberedSample],
    batch: usize,
    rows_max: usize,
    sorts: bool,
) -> (Option<Vec<Cell>>, bool) {
    let folder = tempfile::tempdir().unwrap();
    let mut batches: VecDeque<Vec<NumberedSample>> =
        rows.chunks(batch).map(<[NumberedSample]>::to_vec).collect();
    let source = move |rows: &mut Vec<NumberedSample>| {
        let Some(mut batch) = batches.pop_front() else { return Ok(false) };
        rows.append(&mut batch);
        Ok(true)
    };
    let folder = folder.path().to_owned();
    let options = OrderOptions { memory_bytes: rows_max * ROW_BYTES, folder, sorts };
    let mut ordered = Ordered::new(Box::new(source), options);
    let (mut cell, mut cells) = (Vec::new(), Vec::new());
    loop {
        match ordered.next(&mut cell).unwrap() {
            Next::Cell => {
                assert!(cell.is_sorted_by_key(|row| row.at));
                let mut cell: Vec<_> =
                    cell.iter().map(|row| (row.at.as_ms(), row.series)).collect();
                cell.sort_unstable();
                cells.push(cell);
            }
            Next::End => return (Some(cells), ordered.spilled_rows() > 0),
            Next::Disorder => return (None, ordered.spilled_rows() > 0),
        }
    }
}

fn reference(rows: &[NumberedSample]) -> Vec<Cell> {
    let mut all: Vec<_> = rows.iter().map(|row| (row.at.as_ms(), row.series)).collect();
    all.sort_unstable();
    all.chunk_by(|one, other| one.0.div_euclid(CELL_MS) == other.0.div_euclid(CELL_MS))
        .map(<[_]>::to_vec)
        .collect()
}

#[test]
fn what_is_in_order_streams_and_what_goes_by_series_is_sorted_on_disk() {
    let by_time: Vec<_> = (0..5000).flat_map(|at| [row(at * 700, 0), row(at * 700, 1)]).collect();
    assert!(cells(&by_time, 100, 2000, false) == (Some(reference(&by_time)), false));
    let by_series: Vec<_> =
        (0..20).flat_map(|series| (0..500).map(move |at| row(at * 700, series))).collect();
    assert!(cells(&by_series, 100, 2000, false) == (Some(reference(&by_series)), true));
    assert!(cells(&by_series, 100, 20_000, false) == (Some(reference(&by_series)), false));
}

#[test]
fn what_turns_out_not_to_be_in_order_has_to_be_sorted() {
    let mut rows: Vec<_> = (0..9000).map(|at| row(at * 1000, 0)).collect();
    rows.push(row(0, 1));
    assert!(cells(&rows, 100, 2000, false) == (None, false));
    assert!(cells(&rows, 100, 2000, true) == (Some(reference(&rows)), true));
}

#[test]
fn more_runs_than_files_may_be_open_are_merged_on_the_way() {
    let rows: Vec<_> = (0..500_u32 * ROWS_MIN as u32)
        .map(|number| row(i64::from(number.wrapping_mul(2_654_435_761) % 100_000), number))
        .collect();
    assert!(cells(&rows, 64, ROWS_MIN, false) == (Some(reference(&rows)), true));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn any_rows_come_out_as_a_plain_sort_has_them(
        jumps in proptest::collection::vec(-3000..3000_i64, 0..6000),
        trend in 0..600_i64,
        batch in 1..700_usize,
        sorts: bool,
    ) {
        let rows: Vec<_> = jumps
            .iter()
            .zip(0..)
            .map(|(&jump, number)| row(i64::from(number) * trend + jump, number % 7))
            .collect();
        // Where it streams and must not, that has to be told.
        if let (Some(cells), _) = cells(&rows, batch, 0, sorts) {
            prop_assert!(cells == reference(&rows));
        } else {
            prop_assert!(!sorts);
        }
    }
}
