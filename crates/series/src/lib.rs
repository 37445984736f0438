//! The vocabulary that every other crate speaks: label sets, fingerprints, matchers, timestamps and
//! samples.
//!
//! Pure: no IO, no clock, no threads, no randomness. Whatever is not finite is settled here, once
//! ([`Value::classify`]), so that no detector ever asks whether a number is a number.

mod chunked;
mod fingerprint;
mod labels;
mod matcher;
mod prefetch;
mod sample;

pub use chunked::{BareFingerprint, Chunked};
pub use fingerprint::Fingerprint;
pub use labels::{
    LabelError, LabelLimits, LabelSet, METRIC_NAME, label_field, put_varint, take_varint,
};
pub use matcher::{MatchOp, Matcher, MatcherError, Matchers};
pub use prefetch::{prefetch, prefetch_first};
pub use sample::{STALE_NAN_BITS, Sample, Timestamp, Value};
