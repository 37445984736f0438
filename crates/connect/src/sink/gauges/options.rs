//! Which gauges are kept, and where they are sent.

use crate::{Endpoint, EndpointError};

use super::naming::GAUGES;

/// Options of the derived gauges.
#[derive(Debug, Clone, PartialEq)]
pub struct GaugesOptions {
    /// Most series whose gauges are kept at a time; first come, first served. At least 1.
    pub series_max: usize,
    /// How long a series without news is shown, in milliseconds; after that, its place may be taken by
    /// another series. At least 1.
    pub stale_after_ms: i64,
    /// How long samples wait for others to go with them, in milliseconds.
    pub flush_interval_ms: u64,
    /// Most samples in a request, 4 to 100,000. One piece of news is four samples, which stay together.
    pub samples_per_request_max: usize,
    /// Most samples that wait for a target, at least 4; beyond it the oldest are dropped.
    pub queue_samples_max: usize,
    /// How long one request may take, in milliseconds. Above 0.
    pub timeout_ms: u64,
    /// Remote-write receivers, by the whole URL; each gets every sample.
    pub targets: Vec<Endpoint>,
    /// A topic of Kafka that gets every sample, too.
    #[cfg(feature = "kafka")]
    pub topic: Option<super::TopicOptions>,
}

impl Default for GaugesOptions {
    fn default() -> Self {
        Self {
            series_max: 1_000,
            stale_after_ms: 5 * 60_000,
            flush_interval_ms: 5_000,
            samples_per_request_max: 2_000,
            queue_samples_max: 100_000,
            timeout_ms: 30_000,
            targets: Vec::new(),
            #[cfg(feature = "kafka")]
            topic: None,
        }
    }
}

/// Why the sink cannot start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GaugesError {
    /// Nothing can be sent to a target.
    #[error("remote-write target is invalid: index=`{index}`")]
    Target {
        /// Its position in [`GaugesOptions::targets`], from 0.
        index: usize,
        /// What is wrong with it.
        source: EndpointError,
    },
    /// The topic cannot be produced to.
    #[cfg(feature = "kafka")]
    #[error(transparent)]
    Topic(#[from] crate::kafka::ClientError),
    /// A number is out of range.
    #[error("option is out of range: option=`{option}`")]
    OutOfRange {
        /// Name of the field.
        option: &'static str,
    },
    /// Started outside a tokio runtime.
    #[error("no tokio runtime is running")]
    NoRuntime,
}

impl GaugesOptions {
    pub(super) fn check(&self) -> Result<(), GaugesError> {
        let in_range = [
            ("series_max", self.series_max >= 1),
            ("stale_after_ms", self.stale_after_ms >= 1),
            // The upper end keeps a body, of labels as long as they may be, under snappy's 4 GiB.
            ("samples_per_request_max", (GAUGES..=100_000).contains(&self.samples_per_request_max)),
            ("queue_samples_max", self.queue_samples_max >= GAUGES),
            ("timeout_ms", self.timeout_ms > 0),
        ];
        match in_range.into_iter().find(|(_, good)| !good) {
            Some((option, _)) => Err(GaugesError::OutOfRange { option }),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(change: impl FnOnce(&mut GaugesOptions)) -> String {
        let mut options = GaugesOptions::default();
        change(&mut options);
        options.check().unwrap_err().to_string()
    }

    #[test]
    fn defaults_are_in_range_and_what_is_not_is_named() {
        assert!(GaugesOptions::default().check().is_ok());
        assert!(fault(|options| options.series_max = 0).contains("series_max"));
        assert!(fault(|options| options.stale_after_ms = 0).contains("stale_after_ms"));
        for samples in [3, 100_001] {
            let fault = fault(|options| options.samples_per_request_max = samples);
            assert!(fault.contains("samples_per_request_max"));
        }
        assert!(fault(|options| options.queue_samples_max = 3).contains("queue_samples_max"));
        assert!(fault(|options| options.timeout_ms = 0).contains("timeout_ms"));
    }
}
