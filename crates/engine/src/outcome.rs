//! What became of the samples of a request.

use serde::{Deserialize, Serialize};

/// Why samples were refused at the door: the sender is told, with status 400. Closed, so that it can
/// label a metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RejectReason {
    /// The label set is invalid: no name, a duplicate, not UTF-8.
    InvalidLabels,
    /// The label set passes a limit on number or length.
    LabelLimit,
    /// The limit on active series is reached and the series is new.
    SeriesLimit,
    /// The tenant's limit on series is reached and the series is new.
    TenantLimit,
    /// The limit on series of one metric is reached and the series is new.
    MetricLimit,
    /// The limit on clusters of replicas is reached and the series is of a new one.
    ClusterLimit,
    /// The request is of a tenant that there is not.
    UnknownTenant,
    /// The sample is further ahead of its receipt than `ordering.future_max` allows.
    Future,
}

impl RejectReason {
    /// Every reason, in the order of [`RejectReason::index`].
    pub const ALL: [Self; 8] = [
        Self::InvalidLabels,
        Self::LabelLimit,
        Self::SeriesLimit,
        Self::TenantLimit,
        Self::MetricLimit,
        Self::ClusterLimit,
        Self::UnknownTenant,
        Self::Future,
    ];

    /// The word used in metrics and error bodies.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InvalidLabels => "invalid_labels",
            Self::LabelLimit => "label_limit",
            Self::SeriesLimit => "series_limit",
            Self::TenantLimit => "tenant_limit",
            Self::MetricLimit => "metric_limit",
            Self::ClusterLimit => "cluster_limit",
            Self::UnknownTenant => "unknown_tenant",
            Self::Future => "future_timestamp",
        }
    }

    /// Position in [`RejectReason::ALL`].
    pub const fn index(self) -> usize {
        self as usize
    }
}

/// What became of one request.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// Samples taken, those that a filter leaves out on purpose included.
    pub accepted_samples: u64,
    /// Samples refused, by [`RejectReason::index`].
    pub rejected_samples: [u64; RejectReason::ALL.len()],
    /// Metric families whose metadata was not remembered because of a limit.
    pub refused_families: u64,
    /// What was wrong with the first refused series or samples, for the sender; at most a few lines.
    pub examples: Vec<String>,
}

impl Outcome {
    /// Most examples kept.
    pub const EXAMPLES_MAX: usize = 5;

    /// Counts `samples` as refused for `reason`; `example` says which and why.
    pub fn reject(&mut self, reason: RejectReason, samples: u64, example: impl FnOnce() -> String) {
        self.rejected_samples[reason.index()] += samples;
        if self.examples.len() < Self::EXAMPLES_MAX {
            self.examples.push(example());
        }
    }

    /// Whether anything was refused.
    pub fn any_rejected(&self) -> bool {
        !self.examples.is_empty()
    }
}
