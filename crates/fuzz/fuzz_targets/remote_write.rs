//! A request body, first as it would arrive (compressed), then as if it had been decompressed, of 1.0 and of 2.0.
#![no_main]

#[path = "shared/walk.rs"]
mod walk;

use bellwether_series::{LabelLimits, LabelSet};
use bellwether_wire::Message;
use bellwether_wire::remote_write::{Limits, WriteRequest, decompress};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let limits = Limits { decoded_bytes_max: 1 << 20, ..Limits::default() };
    if let Ok(body) = decompress(bytes, &limits) {
        walk(body, &limits);
    }
    walk(bytes.to_vec(), &limits);
    walk::walk(Message::RemoteWrite2, bytes);
});

/// Decodes `body` and looks at everything it gives out.
fn walk(body: Vec<u8>, limits: &Limits) {
    let Ok(request) = WriteRequest::decode(body, limits) else { return };
    let mut samples = 0;
    for series in request.series() {
        samples += series.samples.len();
        if let Ok(labels) = LabelSet::from_wire(series.labels, &LabelLimits::default()) {
            assert!(!labels.metric_name().is_empty());
        }
    }
    assert_eq!(samples, request.sample_count());
    assert_eq!(request.series().count(), request.series_count());
    assert!(request.metadata().all(|metadata| metadata.family.len() <= request.body_bytes()));
}
