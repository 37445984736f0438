//! The gates: every place where the way of a sample can end.

use crate::outcome::RejectReason;
use crate::outputs::DropReason;

/// Where the way of a sample ended, in the order in which it comes by. Closed, so that it can be counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Gate {
    /// Refused at the door, and the sender was told why.
    Refused(RejectReason),
    /// Taken and left out: not watched, repeated, late, not a number.
    Dropped(DropReason),
    /// A stale marker: its series ended here.
    SeriesEnded,
    /// In a maintenance window: neither judged nor learned from.
    Maintenance,
    /// The first sample of a counter, or the first after a reset or a stale marker: there is no rate yet.
    NoRate,
    /// No detector has seen enough of the series.
    WarmUp,
    /// A departure that would have gone further is on the side that the rule does not watch.
    Direction,
    /// A departure that would have gone further is smaller than the rule's `min_deviation`.
    MinDeviation,
    /// Too ordinary to be worth an event.
    BelowInfo,
    /// Worth an event if it lasts, and below the firing threshold.
    BelowThreshold,
    /// Over the threshold, but not yet for the rule's `for`.
    Pending,
    /// Over the threshold for long enough, but the rule's importance makes no more than an event of it.
    Importance,
    /// Over the threshold for long enough, but the group of the series alerts already.
    GroupSilence,
    /// The alert of its series fires already, and this makes it no worse.
    AlreadyFiring,
    /// The episode of its series is open and calm, but not yet for `keep_firing_for`.
    KeepFiring,
    /// Calm for `keep_firing_for`: the episode ended here.
    Resolved,
    /// The alert is beyond the cap of its day: an event only.
    Cap,
    /// None: an alert began here, or became more severe.
    Passed,
}

/// What may stop a sample that finds no episode open.
const IN_ORDER: [&str; 14] = [
    "refused",
    "dropped",
    "series_ended",
    "maintenance",
    "no_rate",
    "warm_up",
    "direction",
    "min_deviation",
    "below_info",
    "below_threshold",
    "pending",
    "importance",
    "group_silence",
    "cap",
];

impl Gate {
    /// The word used in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Refused(_) => "refused",
            Self::Dropped(_) => "dropped",
            Self::SeriesEnded => "series_ended",
            Self::Maintenance => "maintenance",
            Self::NoRate => "no_rate",
            Self::WarmUp => "warm_up",
            Self::Direction => "direction",
            Self::MinDeviation => "min_deviation",
            Self::BelowInfo => "below_info",
            Self::BelowThreshold => "below_threshold",
            Self::Pending => "pending",
            Self::Importance => "importance",
            Self::GroupSilence => "group_silence",
            Self::AlreadyFiring => "already_firing",
            Self::KeepFiring => "keep_firing",
            Self::Resolved => "resolved",
            Self::Cap => "cap",
            Self::Passed => "passed",
        }
    }

    /// Why it was refused or left out; `None` at the other gates.
    pub const fn reason(self) -> Option<&'static str> {
        match self {
            Self::Refused(reason) => Some(reason.as_str()),
            Self::Dropped(reason) => Some(reason.as_str()),
            _ => None,
        }
    }

    /// The gates that it passed, as words, in the order in which they come. At those that hold an open episode together the
    /// threshold was not asked.
    pub fn passed(self) -> &'static [&'static str] {
        let stopped_at = match self {
            Self::AlreadyFiring | Self::KeepFiring | Self::Resolved => Self::Direction.as_str(),
            other => other.as_str(),
        };
        let place = IN_ORDER.iter().position(|&gate| gate == stopped_at);
        &IN_ORDER[..place.unwrap_or(IN_ORDER.len())]
    }

    /// Whether the sample became part of its series' past: it was neither refused nor left out.
    pub const fn is_taken(self) -> bool {
        !matches!(self, Self::Refused(_) | Self::Dropped(_))
    }
}
