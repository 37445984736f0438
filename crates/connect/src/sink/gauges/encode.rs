//! From points to the body of a request.

use std::sync::Arc;

use bellwether_series::Timestamp;
use bellwether_wire::remote_write::{RawSample, WriteRequestBuilder, compress};
use bytes::Bytes;

use super::board::Point;

/// The body with `points`: those of a series are put together and stay in order.
pub(super) fn body(mut points: Vec<Point>) -> Bytes {
    points.sort_by_key(|point| point.series.fingerprint);
    let mut builder = WriteRequestBuilder::default();
    let mut samples = Vec::new();
    for of_series in points.chunk_by(|one, next| Arc::ptr_eq(&one.series, &next.series)) {
        for (gauge, labels) in of_series[0].series.labels.iter().enumerate() {
            samples.clear();
            samples.extend(of_series.iter().map(|point| RawSample {
                timestamp: Timestamp::from_ms(point.at_ms),
                value: point.values[gauge],
            }));
            builder.series(labels, &samples);
        }
    }
    compress(&builder.encode()).into()
}
