//! What must hold of any request that was put together from another format.

use bellwether_series::{LabelLimits, LabelSet};
use bellwether_wire::remote_write::{Limits, WriteRequest};
use bellwether_wire::{Compression, Format, Message};

/// Decodes `body` as a plain `message` and looks at everything it gives out.
pub fn walk(message: Message, body: &[u8]) {
    let limits = Limits { decoded_bytes_max: 1 << 20, ..Limits::default() };
    let Ok(request) = Format::new(message, Compression::None).decode(body, &limits) else { return };
    check(&request, &limits);
}

fn check(request: &WriteRequest, limits: &Limits) {
    assert!(request.text_bytes() <= limits.decoded_bytes_max);
    assert!(request.invalid_points().messages().len() <= request.invalid_points().count());
    let mut samples = 0;
    for series in request.series() {
        samples += series.samples.len();
        if let Ok(labels) = LabelSet::from_wire(series.labels, &LabelLimits::default()) {
            assert_eq!(labels.as_wire(), series.labels, "labels are not in their canonical form");
        }
    }
    assert_eq!(samples, request.sample_count());
    assert_eq!(request.series().count(), request.series_count());
    assert!(request.metadata().all(|metadata| metadata.family.len() <= request.text_bytes()));
}
