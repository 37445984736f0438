//! What a replay of a journal counted, and what it found wrong.

use bellwether_engine::{ChangeKind, Event, Outcome};
use bellwether_runtime::journal::{Gap, TornTail};
use bellwether_series::Timestamp;
use serde::{Deserialize, Serialize};

/// What a replay did. Its JSON is `summary.json`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// Records that the engine was given.
    pub records: u64,
    /// Those that are requests.
    pub requests: u64,
    /// Those that say that nothing arrived.
    pub heartbeats: u64,
    /// Those that change the configuration, also if another one is in force throughout.
    pub configurations: u64,
    /// Samples that were taken.
    pub samples: u64,
    /// Samples that the engine was not given because they are excluded.
    pub excluded_samples: u64,
    /// Samples that were refused, as they were live.
    pub refused_samples: u64,
    /// Samples that were judged.
    pub judged_samples: u64,
    /// Series known at the end, with those that are silent and not forgotten.
    pub series: usize,
    /// Events by what happened.
    pub events: EventCounts,
    /// Sequence of the first record; `None` without any.
    pub first_sequence: Option<u64>,
    /// Sequence of the last record.
    pub last_sequence: Option<u64>,
    /// When the first record was received, in Unix milliseconds.
    pub first_received_ms: Option<Timestamp>,
    /// When the last record was received, in Unix milliseconds.
    pub last_received_ms: Option<Timestamp>,
    /// Digest of the configuration in force at the end.
    pub config_digest: String,
    /// What was found wrong with the journal.
    pub findings: Findings,
}

impl Summary {
    pub(super) fn count_request(&mut self, outcome: &Outcome) {
        self.samples += outcome.accepted_samples;
        self.refused_samples += outcome.rejected_samples.iter().sum::<u64>();
    }
}

/// Events by what happened.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventCounts {
    /// All of them.
    pub total: u64,
    /// Episodes that became worth an event.
    pub noticed: u64,
    /// Alerts that began.
    pub firing: u64,
    /// Alerts that became more severe.
    pub escalated: u64,
    /// Episodes that ended.
    pub resolved: u64,
}

impl EventCounts {
    pub(crate) fn count(&mut self, event: &Event) {
        self.total += 1;
        let count = match event.change {
            ChangeKind::Noticed => &mut self.noticed,
            ChangeKind::Firing => &mut self.firing,
            ChangeKind::Escalated => &mut self.escalated,
            ChangeKind::Resolved => &mut self.resolved,
        };
        *count += 1;
    }
}

/// What was found wrong with a journal. Of each kind the first [`Findings::KEPT_MAX`] are kept and all are counted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Findings {
    /// Whether nothing said under which configuration the first records were judged, so that the defaults were taken.
    pub configuration_unknown: bool,
    /// Damaged places.
    pub gaps: u64,
    /// Records known to be missing at them.
    pub missing_records: u64,
    /// The first of them.
    pub first_gaps: Vec<Gap>,
    /// Records whose checksum is right and that mean nothing to this program.
    pub undecodable: u64,
    /// The first of them.
    pub first_undecodable: Vec<Undecodable>,
    /// What does not verify at the end; mostly what a crash left half written.
    pub torn_tail: Option<TornTail>,
}

/// A record that means nothing to this program.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Undecodable {
    /// Path of its file, relative to the folder that is read.
    pub file: String,
    /// Where it begins, in bytes.
    pub offset: u64,
    /// Its sequence.
    pub sequence: u64,
    /// Why, with causes.
    pub cause: String,
}

impl Findings {
    /// Most gaps and most undecodable records that are kept.
    pub const KEPT_MAX: usize = 100;

    /// Whether every record that was acknowledged was there and understood, as far as can be told. What a crash left half
    /// written was not acknowledged.
    pub fn are_harmless(&self) -> bool {
        let is_torn_only = self.torn_tail.as_ref().is_none_or(|tail| !tail.is_damaged);
        self.gaps == 0 && self.undecodable == 0 && is_torn_only
    }

    pub(super) fn take_gap(&mut self, gap: Gap) {
        self.gaps += 1;
        self.missing_records += gap.missing.unwrap_or(0);
        if self.first_gaps.len() < Self::KEPT_MAX {
            self.first_gaps.push(gap);
        }
    }

    pub(super) fn take_undecodable(&mut self, record: Undecodable) {
        self.undecodable += 1;
        if self.first_undecodable.len() < Self::KEPT_MAX {
            self.first_undecodable.push(record);
        }
    }
}
