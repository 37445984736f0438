//! From a request to records: for each partition those series whose routing key it owns, in the order in which they came.

use std::num::NonZeroU32;

use bellwether_engine::{Outcome, RejectReason, TenantRouting};
use bellwether_series::{Fingerprint, Timestamp};
use bellwether_wire::remote_write::{MetadataRef, RawSample, WriteRequest, WriteRequestBuilder};

/// Most bytes that a sample takes: tag and length, tag and value, tag and timestamp.
const SAMPLE_BYTES_MAX: usize = 2 + 9 + 11;
/// Most bytes that a series takes besides its labels and samples: tag and length.
const SERIES_BYTES_MAX: usize = 6;

/// The value of a record, and the partition that it is for.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) partition: i32,
    /// A `prometheus.WriteRequest`, not compressed.
    pub(super) value: Vec<u8>,
}

/// Splits requests.
#[derive(Debug, Clone, Copy)]
pub(super) struct Splitter<'s> {
    /// Where the series of this sender belong.
    pub(super) sender: &'s TenantRouting<'s>,
    pub(super) partitions: NonZeroU32,
    /// Samples after this are refused.
    pub(super) newest: Timestamp,
    pub(super) record_bytes_max: usize,
}

/// The partition of `partitions` that owns a routing key. The engine takes the first bits of a key for its own partitions, so
/// here the last ones count: what is of one partition of the topic is spread over all of the engine.
pub fn partition_of(key: Fingerprint, partitions: NonZeroU32) -> i32 {
    let low = key.as_u128() as u64;
    // A topic has fewer than 2^31.
    (low % u64::from(partitions.get())) as i32
}

impl Splitter<'_> {
    /// The records of `request`; `news` goes to every partition. Those of one partition are in order. And what is refused.
    pub(super) fn split(
        &self,
        request: &WriteRequest,
        news: &[MetadataRef<'_>],
    ) -> (Vec<Part>, Outcome) {
        let mut parts = Parts::new(self.partitions, self.record_bytes_max);
        for metadata in news {
            parts.put_everywhere(*metadata);
        }
        let mut outcome = Outcome::default();
        let mut welcome = Vec::new();
        for series in request.series() {
            let mut samples = series.samples;
            if samples.iter().any(|sample| sample.timestamp > self.newest) {
                welcome.clear();
                welcome.extend(samples.iter().filter(|sample| sample.timestamp <= self.newest));
                let refused = samples.len() - welcome.len();
                outcome.reject(RejectReason::Future, refused as u64, || {
                    format!("timestamp is too far in the future: ahead of {}", self.newest)
                });
                samples = &welcome;
            }
            if samples.is_empty() {
                continue;
            }
            match self.sender.key(series.labels) {
                Ok(key) => {
                    outcome.accepted_samples += samples.len() as u64;
                    parts.put(partition_of(key, self.partitions), series.labels, samples);
                }
                Err((reason, message)) => {
                    outcome.reject(reason, samples.len() as u64, || message);
                }
            }
        }
        (parts.finish(), outcome)
    }
}

/// Records that are being filled.
struct Parts {
    open: Vec<WriteRequestBuilder>,
    full: Vec<Part>,
    record_bytes_max: usize,
}

impl Parts {
    fn new(partitions: NonZeroU32, record_bytes_max: usize) -> Self {
        let open = vec![WriteRequestBuilder::default(); partitions.get() as usize];
        Self { open, full: Vec::new(), record_bytes_max }
    }

    fn put(&mut self, partition: i32, labels: &[u8], samples: &[RawSample]) {
        let own = labels.len() + SERIES_BYTES_MAX;
        let samples_max = (self.record_bytes_max.saturating_sub(own) / SAMPLE_BYTES_MAX).max(1);
        for samples in samples.chunks(samples_max) {
            self.make_room(partition, own + samples.len() * SAMPLE_BYTES_MAX);
            self.open[partition as usize].wire_series(labels, samples);
        }
    }

    fn put_everywhere(&mut self, metadata: MetadataRef<'_>) {
        let MetadataRef { family, kind } = metadata;
        for partition in 0..self.open.len() as i32 {
            self.make_room(partition, family.len() + 2 * SERIES_BYTES_MAX + 8);
            self.open[partition as usize].metadata(family, kind, "", "");
        }
    }

    /// Closes the open record of `partition` if `bytes` more do not fit.
    fn make_room(&mut self, partition: i32, bytes: usize) {
        let open = &self.open[partition as usize];
        if !open.is_empty() && open.bytes() + bytes > self.record_bytes_max {
            self.close(partition);
        }
    }

    fn close(&mut self, partition: i32) {
        let value = self.open[partition as usize].encode();
        self.full.push(Part { partition, value });
    }

    fn finish(mut self) -> Vec<Part> {
        for partition in 0..self.open.len() as i32 {
            if !self.open[partition as usize].is_empty() {
                self.close(partition);
            }
        }
        self.full
    }
}

#[cfg(test)]
mod tests;
