//! What the tests of several figures draw their cases from.

use proptest::prelude::*;

/// Labels, at least one of them true, and as many scores, many of them equal.
pub(super) fn labelled_scores() -> impl Strategy<Value = (Vec<bool>, Vec<f64>)> {
    let row = (prop::bool::weighted(0.3), 0..8_u8);
    prop::collection::vec(row, 1..80).prop_map(|mut rows| {
        if !rows.iter().any(|row| row.0) {
            rows[0].0 = true;
        }
        rows.into_iter().map(|(label, score)| (label, f64::from(score) / 8.0)).unzip()
    })
}
