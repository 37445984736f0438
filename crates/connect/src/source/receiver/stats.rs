//! What the receiver counts. Every set of labels is fixed: nothing a sender says becomes a label.

use std::sync::atomic::{AtomicU64, Ordering};

use axum::http::StatusCode;
use bellwether_engine::{Outcome, RejectReason};
use bellwether_wire::remote_write::{DecodeError, WriteRequest};

use super::ProtocolName;
use super::tenants::{TENANT_REFUSALS, TenantRefusal};
use super::unavailable::{UNAVAILABLE_REASONS, Unavailable};

/// Every status code that the receiver answers with.
pub const STATUSES: [u16; 8] = [200, 204, 400, 403, 405, 413, 415, 503];

/// The protocols that requests come in.
pub const PROTOCOLS: [&str; 2] = ["remote_write", "otlp"];

/// Every reason for which a body is not decoded.
pub const DECODE_REASONS: [&str; 7] =
    ["too_large", "snappy", "gzip", "protobuf", "json", "too_many_objects", "other"];

/// Counters since the start; read with `Ordering::Relaxed`.
#[derive(Debug, Default)]
pub struct ReceiverStats {
    /// Requests answered, of each of [`PROTOCOLS`] in the order of [`STATUSES`].
    pub requests: [[AtomicU64; STATUSES.len()]; PROTOCOLS.len()],
    /// Bodies that could not be decoded, in the order of [`DECODE_REASONS`].
    pub undecodable: [AtomicU64; DECODE_REASONS.len()],
    /// Requests answered 503, in the order of [`UNAVAILABLE_REASONS`].
    pub unavailable: [AtomicU64; UNAVAILABLE_REASONS.len()],
    /// Requests that no tenant is answerable for, in the order of [`TENANT_REFUSALS`](super::TENANT_REFUSALS).
    pub tenants_refused: [AtomicU64; TENANT_REFUSALS.len()],
    /// Bytes of bodies, compressed.
    pub body_bytes: AtomicU64,
    /// Samples decoded, whatever became of them.
    pub samples_received: AtomicU64,
    /// Samples that the engine accepted.
    pub samples_accepted: AtomicU64,
    /// Samples that the engine refused, by `RejectReason::index`.
    pub samples_rejected: [AtomicU64; RejectReason::ALL.len()],
    /// Valid native histograms, which are not looked at.
    pub histograms_ignored: AtomicU64,
    /// Native histograms that contradict themselves.
    pub histograms_invalid: AtomicU64,
    /// Valid exemplars, which are not looked at.
    pub exemplars_ignored: AtomicU64,
    /// Exemplars with too much text or text that is not UTF-8.
    pub exemplars_invalid: AtomicU64,
    /// Samples that could not be read, or lines or messages of some.
    pub points_invalid: AtomicU64,
    /// Metadata whose family name is not UTF-8; not a reason to answer 400.
    pub metadata_invalid: AtomicU64,
}

impl ReceiverStats {
    pub(super) fn count_request(&self, protocol: ProtocolName, status: StatusCode) {
        if let Some(index) = STATUSES.iter().position(|&known| known == status.as_u16()) {
            add(&self.requests[protocol as usize][index], 1);
        }
    }

    pub(super) fn count_body(&self, bytes: usize) {
        add(&self.body_bytes, bytes as u64);
    }

    pub(super) fn count_tenant_refused(&self, refusal: TenantRefusal) {
        add(&self.tenants_refused[refusal as usize], 1);
    }

    pub(super) fn count_unavailable(&self, why: Unavailable) {
        add(&self.unavailable[why as usize], 1);
    }

    pub(super) fn count_undecodable(&self, error: &DecodeError) {
        let index = DECODE_REASONS.iter().position(|&known| known == error.reason());
        add(&self.undecodable[index.unwrap_or(DECODE_REASONS.len() - 1)], 1);
    }

    pub(super) fn count_received(&self, write: &WriteRequest) {
        for (counter, count) in [
            (&self.samples_received, write.sample_count()),
            (&self.histograms_ignored, write.histogram_count()),
            (&self.histograms_invalid, write.invalid_histograms().count()),
            (&self.exemplars_ignored, write.exemplar_count()),
            (&self.exemplars_invalid, write.invalid_exemplars().count()),
            (&self.points_invalid, write.invalid_points().count()),
            (&self.metadata_invalid, write.invalid_metadata().count()),
        ] {
            add(counter, count as u64);
        }
    }

    pub(super) fn count_outcome(&self, outcome: &Outcome) {
        add(&self.samples_accepted, outcome.accepted_samples);
        for (counter, &samples) in self.samples_rejected.iter().zip(&outcome.rejected_samples) {
            add(counter, samples);
        }
    }
}

fn add(counter: &AtomicU64, count: u64) {
    counter.fetch_add(count, Ordering::Relaxed);
}
