//! Events of the engine about itself: no series was judged, so nothing is surprising about them.

use std::sync::Arc;

use bellwether_detect::Severity;
use bellwether_series::{Fingerprint, LabelSet, Timestamp};

use crate::event::{ChangeKind, Event, FORMAT_VERSION, ResolveReason, SignalKind};
use crate::settings::Settings;

/// Name of the alert that says that the engine is not well. Whoever watches the engine from outside raises it.
pub const HEALTH_RULE: &str = "BellwetherHealth";

/// The first event of an episode in which the engine alerts about itself at `at`, as `rule` and under `labels`.
/// Whoever makes it fills in value, expected band and explanation; its severity is warning until then.
pub fn own_event(settings: &Settings, rule: &str, labels: LabelSet, at: Timestamp) -> Event {
    let fingerprint = labels.fingerprint();
    let episode_id = settings.episode_id(fingerprint, rule, at);
    Event {
        version: FORMAT_VERSION,
        id: format!("{episode_id}-0"),
        episode_id,
        sequence: 0,
        change: ChangeKind::Firing,
        severity: Severity::Warning,
        reason: None,
        alert: true,
        at_ms: at,
        starts_at_ms: at,
        ends_at_ms: None,
        rule: Arc::from(rule),
        fingerprint,
        labels,
        signal: SignalKind::Value,
        value: 0.0,
        expected: 0.0,
        lower: 0.0,
        upper: 0.0,
        surprise: 0.0,
        peak_surprise: 0.0,
        threshold: 0.0,
        threshold_raised_by: 0.0,
        detectors: Vec::new(),
        config_digest: Arc::clone(&settings.digest),
        state_digest: Fingerprint::from_u128(0),
        explanation: String::new(),
    }
}

/// The event after `before` in its episode: the same, but for what changed and when.
pub fn next_own_event(before: &Event, change: ChangeKind, at: Timestamp) -> Event {
    let sequence = before.sequence + 1;
    // The clock may have been set back since.
    let at = at.max(before.at_ms);
    let is_over = change == ChangeKind::Resolved;
    Event {
        id: format!("{}-{sequence}", before.episode_id),
        sequence,
        change,
        reason: is_over.then_some(ResolveReason::Normal),
        at_ms: at,
        ends_at_ms: is_over.then_some(at),
        ..before.clone()
    }
}
