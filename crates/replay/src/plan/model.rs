//! What a plan says. Its JSON is described in `docs/plan.md`.

use std::sync::Arc;

use bellwether_detect::Severity;
use serde::Serialize;

use super::alert::Alert;

const DAY_MS: f64 = 86_400_000.0;

/// What becomes of an alert under the new configuration. Of a pair the first that applies, in this order, is named.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// Only the new configuration raises it.
    Appeared,
    /// Only the old configuration raises it.
    Vanished,
    /// It reaches another severity.
    Severity,
    /// It is of another rule, so that its `alertname` is another one.
    Rule,
    /// Somebody is told earlier or later, by more than was asked for.
    Moved,
}

impl Change {
    /// All of them, in order.
    pub const ALL: [Self; 5] =
        [Self::Appeared, Self::Vanished, Self::Severity, Self::Rule, Self::Moved];

    /// The word for it in JSON and on the command line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Appeared => "appeared",
            Self::Vanished => "vanished",
            Self::Severity => "severity",
            Self::Rule => "rule",
            Self::Moved => "moved",
        }
    }
}

/// An alert that is not the same under both configurations: one of `old` and `new` is there, or both.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// What becomes of it.
    pub change: Change,
    /// Its series in Prometheus' notation.
    pub series: Arc<str>,
    /// As the old configuration raises it.
    pub old: Option<Alert>,
    /// As the new configuration raises it.
    pub new: Option<Alert>,
}

impl Difference {
    /// When somebody is told first, under whichever configuration.
    pub fn fired_at_ms(&self) -> i64 {
        let fired = |alert: &Option<Alert>| alert.as_ref().map(|alert| alert.fired_at_ms);
        fired(&self.old).into_iter().chain(fired(&self.new)).min().unwrap_or(i64::MAX)
    }

    /// How much later somebody is told under the new configuration, in milliseconds; negative is earlier. `None` without a pair.
    pub fn later_ms(&self) -> Option<i64> {
        let (old, new) = (self.old.as_ref()?, self.new.as_ref()?);
        Some(new.fired_at_ms.saturating_sub(old.fired_at_ms))
    }
}

/// How many alerts there are of each kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct ChangeCounts {
    /// [`Change::Appeared`].
    pub appeared: u64,
    /// [`Change::Vanished`].
    pub vanished: u64,
    /// [`Change::Severity`].
    pub severity: u64,
    /// [`Change::Rule`].
    pub rule: u64,
    /// [`Change::Moved`].
    pub moved: u64,
    /// Pairs in which nothing differs.
    pub unchanged: u64,
}

impl ChangeCounts {
    /// How many are of this kind.
    pub fn of(&self, change: Change) -> u64 {
        match change {
            Change::Appeared => self.appeared,
            Change::Vanished => self.vanished,
            Change::Severity => self.severity,
            Change::Rule => self.rule,
            Change::Moved => self.moved,
        }
    }

    pub(super) fn add(&mut self, change: Change) {
        let count = match change {
            Change::Appeared => &mut self.appeared,
            Change::Vanished => &mut self.vanished,
            Change::Severity => &mut self.severity,
            Change::Rule => &mut self.rule,
            Change::Moved => &mut self.moved,
        };
        *count += 1;
    }
}

/// What one of the configurations gives.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Side {
    /// Digest of the configuration.
    pub config_digest: Arc<str>,
    /// Alerts that somebody would be told of.
    pub alerts: u64,
    /// Those that become critical.
    pub critical: u64,
    /// Alerts a day, extrapolated where the input is shorter than a day; 0 when no time passes in it.
    pub alerts_per_day: f64,
}

impl Side {
    pub(super) fn new(config_digest: Arc<str>, alerts: &[Alert], days: f64) -> Self {
        let is_critical = |alert: &&Alert| alert.severity == Severity::Critical;
        let all = alerts.len() as u64;
        Self {
            config_digest,
            alerts: all,
            critical: alerts.iter().filter(is_critical).count() as u64,
            alerts_per_day: if days > 0.0 { all as f64 / days } else { 0.0 },
        }
    }
}

/// What the new configuration changes.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Plan {
    /// Event time of the first sample, in Unix milliseconds; 0 of an empty input.
    pub since_ms: i64,
    /// Event time of the last sample, in Unix milliseconds.
    pub until_ms: i64,
    /// From how much on an alert counts as moved, in milliseconds.
    pub moved_ms: i64,
    /// What the old configuration gives.
    pub old: Side,
    /// What the new configuration gives.
    pub new: Side,
    /// How many alerts there are of each kind.
    pub counts: ChangeCounts,
    /// All alerts that are not the same, by time.
    pub changes: Vec<Difference>,
}

impl Plan {
    /// Length of the input, in milliseconds.
    pub fn length_ms(&self) -> i64 {
        self.until_ms.saturating_sub(self.since_ms)
    }
}

pub(super) fn days(since_ms: i64, until_ms: i64) -> f64 {
    until_ms.saturating_sub(since_ms) as f64 / DAY_MS
}
