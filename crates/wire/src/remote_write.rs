//! Prometheus remote write 1.0 (wip stub: see the interface).

/// A decoded request.
#[derive(Debug)]
pub struct WriteRequest {}
