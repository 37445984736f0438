//! What a replay of history counted: `summary.json`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use bellwether_engine::{Counts, DropReason, Outcome, RejectReason};
use bellwether_series::Timestamp;
use serde::Serialize;

use super::input::InputKind;
use super::read::ReadCounts;
use crate::journal::EventCounts;

/// What a replay of history did. Its JSON is `summary.json`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct HistorySummary {
    /// Whether all of the history was replayed; otherwise up to `last_received_ms`.
    pub complete: bool,
    /// Records that the engine was given.
    pub records: u64,
    /// Those with samples.
    pub requests: u64,
    /// Those that say that nothing arrived.
    pub heartbeats: u64,
    /// Samples that were taken.
    pub samples: u64,
    /// Samples that the engine was not given because they are excluded.
    pub excluded_samples: u64,
    /// Samples that were refused, by reason.
    pub refused_samples: BTreeMap<&'static str, u64>,
    /// Samples that were taken and not judged, by reason.
    pub dropped_samples: BTreeMap<&'static str, u64>,
    /// Samples that were judged.
    pub judged_samples: u64,
    /// Samples from which was only learned.
    pub warming_up_samples: u64,
    /// Series in what was read.
    pub series: usize,
    /// Events by what happened.
    pub events: EventCounts,
    /// Rows of `scores.parquet`.
    pub scores: u64,
    /// When the first record was received, in Unix milliseconds: the event time of the first sample.
    pub first_received_ms: Option<Timestamp>,
    /// When the last record was received, in Unix milliseconds.
    pub last_received_ms: Option<Timestamp>,
    /// Digest of the configuration.
    pub config_digest: String,
    /// Which part of the series this is about, from 1, and of how many.
    pub part: (usize, usize),
    /// Rows that were put aside on disk to be sorted.
    pub spilled_rows: u64,
    /// What was read.
    pub read: ReadCounts,
    /// The files that were read, the first [`HistorySummary::INPUTS_MAX`] of them.
    pub inputs: Vec<InputReport>,
    /// Files beyond these.
    pub more_inputs: u64,
}

/// What was read of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct InputReport {
    /// The file.
    pub path: PathBuf,
    /// What it holds.
    pub kind: InputKind,
    /// Which columns were taken for what; empty where the format says.
    pub columns: String,
    /// What was read.
    #[serde(flatten)]
    pub counts: ReadCounts,
}

impl HistorySummary {
    /// Most files that are listed.
    pub const INPUTS_MAX: usize = 100;

    pub(super) fn add_outcome(&mut self, outcome: &Outcome) {
        self.samples += outcome.accepted_samples;
        for reason in RejectReason::ALL {
            let count = outcome.rejected_samples[reason.index()];
            if count > 0 {
                *self.refused_samples.entry(reason.as_str()).or_default() += count;
            }
        }
    }

    pub(super) fn add_counts(&mut self, counts: &Counts) {
        self.judged_samples += counts.judged;
        self.warming_up_samples += counts.warming_up;
        for reason in DropReason::ALL {
            let count = counts.dropped[reason.index()];
            if count > 0 {
                *self.dropped_samples.entry(reason.as_str()).or_default() += count;
            }
        }
    }

    pub(super) fn add_input(&mut self, report: InputReport) {
        self.read.add(report.counts);
        if self.inputs.len() < Self::INPUTS_MAX {
            self.inputs.push(report);
        } else {
            self.more_inputs += 1;
        }
    }
}
