//! What comes out of a step besides changed state.

use std::sync::Arc;

use bellwether_detect::profile::SignalClass;
use bellwether_detect::tail::Tail;
use bellwether_detect::{Expected, ExpectedBand};
use bellwether_series::{Fingerprint, LabelSet, Timestamp};
use serde::{Deserialize, Serialize};

use crate::event::Event;
use crate::threshold::NOTABLE;
use crate::trace::Traces;

/// Why a sample that was taken is not judged. Closed, so that it can label a metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum DropReason {
    /// The same sample again.
    Duplicate,
    /// Another value for a time that already has one; the first one stays.
    Conflict,
    /// Older than its series' newest sample by more than the allowed lateness.
    Late,
    /// More samples are held back for order than `ordering.held_samples_max` allows.
    HeldLimit,
    /// NaN or an infinity.
    NonFinite,
    /// The configuration does not watch this series.
    Excluded,
    /// A bucket of a classic histogram.
    HistogramBucket,
    /// A metric of bellwether's own coming back.
    OwnMetric,
    /// From a replica that is not the elected one of its cluster.
    Replica,
}

impl DropReason {
    /// Every reason, in the order of [`DropReason::index`].
    pub const ALL: [Self; 9] = [
        Self::Duplicate,
        Self::Conflict,
        Self::Late,
        Self::HeldLimit,
        Self::NonFinite,
        Self::Excluded,
        Self::HistogramBucket,
        Self::OwnMetric,
        Self::Replica,
    ];

    /// The word used in metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Duplicate => "duplicate",
            Self::Conflict => "conflict",
            Self::Late => "late",
            Self::HeldLimit => "held_limit",
            Self::NonFinite => "non_finite",
            Self::Excluded => "excluded",
            Self::HistogramBucket => "histogram_bucket",
            Self::OwnMetric => "own_metric",
            Self::Replica => "replica",
        }
    }

    /// Position in [`DropReason::ALL`].
    pub const fn index(self) -> usize {
        self as usize
    }
}

/// How often surprises were as large as they say, by class of signal: the calibration, measured as it goes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CalibrationCounts {
    /// Samples judged, by [`SignalClass::index`].
    pub judged: [u64; SignalClass::ALL.len()],
    /// Those with a surprise of at least 1, 2, 3 and 4, by [`SignalClass::index`]. While nothing is wrong a tenth, a
    /// hundredth and so on of them should be.
    pub exceeding: [[u64; CalibrationCounts::LEVELS]; SignalClass::ALL.len()],
}

impl CalibrationCounts {
    /// Surprises that are counted: 1 to this.
    pub const LEVELS: usize = 4;

    /// Counts one judgement.
    #[inline]
    pub(crate) fn count(&mut self, class: SignalClass, surprise: f64) {
        self.judged[class.index()] += 1;
        // In 32 bits, of which a conversion is shorter.
        let levels = (surprise as u32 as usize).min(Self::LEVELS);
        for count in &mut self.exceeding[class.index()][..levels] {
            *count += 1;
        }
    }

    fn add(&mut self, other: &Self) {
        for (sum, count) in self.judged.iter_mut().zip(other.judged) {
            *sum += count;
        }
        let counts = other.exceeding.iter().flatten();
        for (sum, count) in self.exceeding.iter_mut().flatten().zip(counts) {
            *sum += count;
        }
    }
}

/// Samples by what became of them after they were taken, and series that a limit left out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Samples not judged, by [`DropReason::index`].
    pub dropped: [u64; DropReason::ALL.len()],
    /// Samples judged by at least one detector.
    pub judged: u64,
    /// How these were judged.
    pub calibration: CalibrationCounts,
    /// Samples learned from while all detectors warm up, and first samples of counters.
    pub warming_up: u64,
    /// Stale markers.
    pub stale: u64,
    /// Samples in a maintenance window: neither judged nor learned from.
    pub in_maintenance: u64,
    /// Series that found no memory left in the deep tier, each time that they were admitted.
    pub deep_refused: u64,
    /// Series that found their group full, each time that they were admitted.
    pub group_refused: u64,
    /// Series whose states left memory because they were silent.
    pub cold_evicted: u64,
    /// Series that came back and went on with the state that they had.
    pub cold_reloaded: u64,
    /// Series out of memory that were forgotten before their time: too many bytes, or another configuration.
    pub cold_forgotten: u64,
    /// Series that came back, or others of their group did, and whose states could not be read: they begin anew.
    pub cold_lost: u64,
    /// Times that another replica of a cluster took the place of the elected one.
    pub failovers: u64,
}

impl Counts {
    /// Counts one sample as not judged.
    pub(crate) fn drop_one(&mut self, reason: DropReason) {
        self.dropped[reason.index()] += 1;
    }

    /// Adds `other` to `self`.
    pub fn add(&mut self, other: &Self) {
        for (sum, count) in self.dropped.iter_mut().zip(other.dropped) {
            *sum += count;
        }
        self.judged += other.judged;
        self.calibration.add(&other.calibration);
        self.warming_up += other.warming_up;
        self.stale += other.stale;
        self.in_maintenance += other.in_maintenance;
        self.deep_refused += other.deep_refused;
        self.group_refused += other.group_refused;
        self.cold_evicted += other.cold_evicted;
        self.cold_reloaded += other.cold_reloaded;
        self.cold_forgotten += other.cold_forgotten;
        self.cold_lost += other.cold_lost;
        self.failovers += other.failovers;
    }
}

/// The judgement of one sample.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Score {
    /// The series.
    pub fingerprint: Fingerprint,
    /// Event time of the sample.
    pub at: Timestamp,
    /// The value that was judged: of a counter its rate per second.
    pub value: f64,
    /// Combined surprise.
    pub surprise: f64,
    /// What the most surprised detector expected.
    pub expected: Expected,
}

impl Score {
    /// The band outside of which that detector would have found the value notable. Worked out when somebody wants it, since
    /// that takes longer than the judgement.
    pub fn band(&self, tail: &Tail) -> ExpectedBand {
        self.expected.band(tail, NOTABLE)
    }
}

/// News of a series whose gauges are exported.
#[derive(Debug, Clone, PartialEq)]
pub struct Gauge {
    /// The series.
    pub fingerprint: Fingerprint,
    /// Its labels.
    pub labels: LabelSet,
    /// Name of the rule that judges it.
    pub rule: Arc<str>,
    /// Event time of the judged sample, or of the series' newest sample when its gauges end.
    pub at: Timestamp,
    /// How that sample was judged; `None` when the series ended or its gauges are not exported any more.
    pub reading: Option<GaugeReading>,
}

/// The judgement of one sample with the band it was judged by, in the unit of the signal.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GaugeReading {
    /// Combined surprise.
    pub surprise: f64,
    /// What the most surprised detector expected.
    pub expected: f64,
    /// Lower edge of its expected band.
    pub lower: f64,
    /// Upper edge of its expected band.
    pub upper: f64,
}

/// What comes out of a step.
#[derive(Debug, Default)]
pub struct Outputs {
    /// Changes of alerts, in the order in which they happened within a partition.
    pub events: Vec<Event>,
    /// News of series whose gauges are exported, in order for each series.
    pub gauges: Vec<Gauge>,
    /// What became of the samples.
    pub counts: Counts,
    /// Every judgement, if asked for.
    pub scores: Option<Vec<Score>>,
    /// Every judgement of a group, as event time and surprise, if asked for.
    pub group_scores: Option<Vec<(Timestamp, f64)>>,
    /// What became of each sample of some series, if asked for. Only [`crate::Engine`] sees every sample.
    pub traces: Option<Box<Traces>>,
}

impl Outputs {
    /// Brings the outputs of a record into an order that depends on nothing but the record: events into log
    /// order (event time, fingerprint, sequence), gauges by fingerprint, those of a series as they came.
    pub fn sort(&mut self) {
        self.events.sort_by_key(|event| (event.at_ms, event.fingerprint, event.sequence));
        self.gauges.sort_by_key(|gauge| gauge.fingerprint);
    }

    /// Empties everything, keeping the memory.
    pub fn clear(&mut self) {
        self.events.clear();
        self.gauges.clear();
        self.counts = Counts::default();
        if let Some(scores) = &mut self.scores {
            scores.clear();
        }
        if let Some(scores) = &mut self.group_scores {
            scores.clear();
        }
        if let Some(traces) = &mut self.traces {
            traces.clear();
        }
    }
}
