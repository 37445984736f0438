//! The life of an alert: pending, firing, resolved.
//!
//! Each sample counts for its series' own interval: a series that is sampled every five minutes fires on the
//! first sample over the threshold when `for` is two minutes. An episode ends when the surprise has
//! stayed below [`calm`], which is lower than any threshold, for `keep_firing_for`. One that the base tier saw by itself ends
//! when the base tier says so, since the deep tier goes on for as many samples as it looks at.

use bellwether_detect::Severity;
use bellwether_series::{Fingerprint, Timestamp};
use serde::{Deserialize, Serialize};

use crate::event::ChangeKind;
use crate::settings::{AlertPolicy, Importance};
use crate::threshold::notable;
use crate::trace::Gate;

/// An alert is critical when its surprise exceeds the threshold by this much.
const CRITICAL_EXCESS: f64 = 3.0;
/// An alert is critical when it has been firing for this long.
const CRITICAL_AFTER_MS: i64 = 15 * 60_000;

/// Since when a series has been over each level without a break; part of every series' record.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Pending {
    notable_since: Option<Timestamp>,
    over_since: Option<Timestamp>,
}

/// One judged sample, as the lifecycle sees it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reading {
    pub(crate) at: Timestamp,
    pub(crate) interval_ms: i64,
    /// What it is decided on: of a series what its detectors claim, of a group its surprise.
    pub(crate) surprise: f64,
    /// The same of the base tier alone.
    pub(crate) base: f64,
    pub(crate) threshold: f64,
    /// What an episode ends below.
    pub(crate) calm: f64,
    /// Whether an alert may begin now: not while the group of the series alerts.
    pub(crate) may_fire: bool,
}

/// An episode from its first event until it is resolved.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Episode {
    pub(crate) id: Fingerprint,
    pub(crate) starts_at: Timestamp,
    pub(crate) severity: Severity,
    pub(crate) peak_surprise: f64,
    /// Of the base tier alone.
    pub(crate) peak_base: f64,
    /// Sequence of the next event.
    pub(crate) sequence: u32,
    /// Record time at which the newest sample arrived.
    pub(crate) last_received_ms: i64,
    fired_at: Option<Timestamp>,
    calm_since: Option<Timestamp>,
}

/// What a sample changed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Change {
    /// An episode begins, at this event time.
    Open { starts_at: Timestamp, kind: ChangeKind, severity: Severity },
    /// The severity of the episode rose.
    Raise { kind: ChangeKind, severity: Severity },
    /// The episode is over, since this event time.
    Close { ends_at: Timestamp },
}

impl Pending {
    /// Takes a reading in. A gap does not count as time over a level: see [`Pending::reset`].
    fn read(&mut self, reading: &Reading) {
        let since = |over: bool, since: Option<Timestamp>| {
            if over { since.or(Some(reading.at)) } else { None }
        };
        self.notable_since =
            since(reading.surprise >= notable(reading.threshold), self.notable_since);
        self.over_since = since(reading.surprise >= reading.threshold, self.over_since);
    }

    /// Forgets what was pending: the series ended or was silent for long.
    pub(crate) fn reset(&mut self) {
        *self = Self::default();
    }

    /// Whether nothing is pending.
    pub(crate) fn is_idle(self) -> bool {
        self.notable_since.is_none()
    }
}

impl Episode {
    pub(crate) fn new(id: Fingerprint, starts_at: Timestamp, elapsed_ms: i64) -> Self {
        Self {
            id,
            starts_at,
            severity: Severity::Info,
            peak_surprise: 0.0,
            peak_base: 0.0,
            sequence: 0,
            last_received_ms: elapsed_ms,
            fired_at: None,
            calm_since: None,
        }
    }
}

/// Advances the life of a series' alert by one reading and says what changed, if anything did, and at which gate the
/// reading ended. The caller opens and closes the episode.
pub(crate) fn advance(
    pending: &mut Pending,
    episode: Option<&mut Episode>,
    policy: &AlertPolicy,
    reading: &Reading,
) -> (Option<Change>, Gate) {
    pending.read(reading);
    let lasted = |since: Option<Timestamp>| {
        since.filter(|&since| reading.at.ms_since(since) + reading.interval_ms >= policy.for_ms)
    };
    let (over, noticed) = (lasted(pending.over_since), lasted(pending.notable_since));
    let Some(episode) = episode else {
        let severity = severity(policy.importance, reading.surprise, reading.threshold, 0);
        let gate = match over {
            None => short(reading),
            Some(_) if severity == Severity::Info => Gate::Importance,
            Some(_) if !reading.may_fire => Gate::GroupSilence,
            Some(_) => Gate::Passed,
        };
        let firing = over.filter(|_| gate == Gate::Passed);
        let change = match (firing, noticed) {
            (Some(starts_at), _) => {
                Some(Change::Open { starts_at, kind: ChangeKind::Firing, severity })
            }
            (None, Some(starts_at)) => Some(Change::Open {
                starts_at,
                kind: ChangeKind::Noticed,
                severity: Severity::Info,
            }),
            (None, None) => None,
        };
        return (change, gate);
    };
    episode.peak_surprise = episode.peak_surprise.max(reading.surprise);
    episode.peak_base = episode.peak_base.max(reading.base);
    let calm = reading.calm;
    let base_saw_it = episode.peak_base >= notable(reading.threshold);
    if reading.surprise < calm || (base_saw_it && reading.base < calm) {
        let since = *episode.calm_since.get_or_insert(reading.at);
        if reading.at.ms_since(since) >= policy.keep_firing_for_ms {
            // Where the base tier says that it is over, the deep tier may never have been below a level since the episode began: the
            // next one would have the start, and the id, of this one.
            pending.reset();
            return (Some(Change::Close { ends_at: since }), Gate::Resolved);
        }
        return (None, Gate::KeepFiring);
    }
    episode.calm_since = None;
    if over.is_some() && episode.fired_at.is_none() && reading.may_fire {
        episode.fired_at = Some(reading.at);
    }
    let Some(fired_at) = episode.fired_at else {
        let gate = if over.is_some() { Gate::GroupSilence } else { short(reading) };
        return (None, gate);
    };
    // How long the deep tier goes on says how far it looks back, not how long the fault lasts; and what only has not
    // ended yet does not become worse.
    let lasts = reading.surprise.min(reading.base) >= reading.threshold;
    let firing_ms = if lasts { reading.at.ms_since(fired_at) } else { 0 };
    let severity = severity(policy.importance, episode.peak_surprise, reading.threshold, firing_ms);
    if severity <= episode.severity {
        let is_alert = episode.severity > Severity::Info;
        return (None, if is_alert { Gate::AlreadyFiring } else { Gate::Importance });
    }
    let kind =
        if episode.severity == Severity::Info { ChangeKind::Firing } else { ChangeKind::Escalated };
    (Some(Change::Raise { kind, severity }), Gate::Passed)
}

/// The gate of a reading that has not been over the threshold for long enough.
fn short(reading: &Reading) -> Gate {
    if reading.surprise < notable(reading.threshold) {
        Gate::BelowInfo
    } else if reading.surprise < reading.threshold {
        Gate::BelowThreshold
    } else {
        Gate::Pending
    }
}

/// Since when a reading has been at its gate, where that means something; `episode` is the one that was open before it.
pub(crate) fn since(gate: Gate, pending: Pending, episode: Option<&Episode>) -> Option<Timestamp> {
    match gate {
        Gate::Pending | Gate::GroupSilence => pending.over_since,
        Gate::AlreadyFiring => episode?.fired_at,
        Gate::KeepFiring | Gate::Resolved => episode?.calm_since,
        _ => None,
    }
}

/// Marks a new episode as firing from `at` on.
pub(crate) fn fire(episode: &mut Episode, at: Timestamp) {
    episode.fired_at = Some(at);
}

/// Severity of an alert over the threshold. Importance shifts it by a step, but never makes an alert
/// of what is not over the threshold.
fn severity(importance: Importance, peak: f64, threshold: f64, firing_ms: i64) -> Severity {
    let critical = peak >= threshold + CRITICAL_EXCESS || firing_ms >= CRITICAL_AFTER_MS;
    match (importance, critical) {
        (Importance::Low, false) => Severity::Info,
        (Importance::Low, true) | (Importance::Normal, false) => Severity::Warning,
        (Importance::Normal, true) | (Importance::High, _) => Severity::Critical,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::threshold::calm;

    const MINUTE_MS: i64 = 60_000;

    #[test]
    fn an_episode_after_one_that_only_the_base_tier_ended_has_a_start_of_its_own_and_lasts_for_as_long()
     {
        let policy = AlertPolicy {
            for_ms: 2 * MINUTE_MS,
            keep_firing_for_ms: 3 * MINUTE_MS,
            ..AlertPolicy::default()
        };
        let (mut pending, mut episode, mut changes) = (Pending::default(), None::<Episode>, vec![]);
        for minute in 0..12 {
            // The deep tier goes on all the time, as it remembers; from then on the base tier decides.
            let base = if (3..=6).contains(&minute) { 0.5 } else { 9.0 };
            let surprise = if minute > 6 { base } else { 9.0 };
            let (at, threshold) = (Timestamp::from_ms(minute * MINUTE_MS), 6.0);
            let calm = calm(threshold);
            let reading = Reading {
                at,
                interval_ms: MINUTE_MS,
                surprise,
                base,
                threshold,
                calm,
                may_fire: true,
            };
            match advance(&mut pending, episode.as_mut(), &policy, &reading).0 {
                Some(Change::Open { starts_at, .. }) => {
                    changes.push((minute, starts_at.as_ms() / MINUTE_MS));
                    episode = Some(Episode::new(Fingerprint::of_parts(&[]), starts_at, 0));
                }
                Some(Change::Close { .. }) => {
                    changes.push((minute, -1));
                    episode = None;
                }
                _ => {}
            }
        }
        assert_eq!(changes, [(1, 0), (6, -1), (8, 7)]);
    }

    /// Feeds one surprise a minute and returns what changed in which minute.
    fn live(policy: AlertPolicy, surprises: &[f64]) -> Vec<(usize, ChangeKind, Severity)> {
        live_after(0, policy, surprises)
    }

    /// The same, but nothing may fire in the first `quiet` minutes.
    fn live_after(
        quiet: usize,
        policy: AlertPolicy,
        surprises: &[f64],
    ) -> Vec<(usize, ChangeKind, Severity)> {
        let (mut pending, mut episode, mut changes) = (Pending::default(), None::<Episode>, vec![]);
        for (minute, &surprise) in surprises.iter().enumerate() {
            let at = Timestamp::from_ms(minute as i64 * MINUTE_MS);
            let base = surprise;
            let (interval_ms, threshold, may_fire) = (MINUTE_MS, 6.0, minute >= quiet);
            let calm = calm(threshold);
            let reading = Reading { at, interval_ms, surprise, base, threshold, calm, may_fire };
            match advance(&mut pending, episode.as_mut(), &policy, &reading).0 {
                None => {}
                Some(Change::Open { starts_at, kind, severity }) => {
                    let mut opened = Episode::new(Fingerprint::from_u128(1), starts_at, 0);
                    opened.severity = severity;
                    opened.peak_surprise = surprise;
                    if kind == ChangeKind::Firing {
                        fire(&mut opened, at);
                    }
                    episode = Some(opened);
                    changes.push((minute, kind, severity));
                }
                Some(Change::Raise { kind, severity }) => {
                    if let Some(episode) = &mut episode {
                        episode.severity = severity;
                    }
                    changes.push((minute, kind, severity));
                }
                Some(Change::Close { .. }) => {
                    let closed = episode.take().map(|episode| episode.severity);
                    changes.push((minute, ChangeKind::Resolved, closed.unwrap()));
                }
            }
        }
        changes
    }

    #[test]
    fn an_alert_fires_after_for_and_resolves_after_keep_firing_for() {
        use ChangeKind::{Firing, Resolved};
        let changes = live(
            AlertPolicy::default(),
            &[0.0, 7.0, 7.0, 7.0, 1.0, 5.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0],
        );
        assert_eq!(changes, [(2, Firing, Severity::Warning), (11, Resolved, Severity::Warning)]);
    }

    #[test]
    fn what_may_not_fire_is_noticed_and_fires_once_it_may() {
        use ChangeKind::{Firing, Noticed};
        assert_eq!(
            live_after(4, AlertPolicy::default(), &[7.0; 6]),
            [(1, Noticed, Severity::Info), (4, Firing, Severity::Warning)]
        );
    }

    #[test]
    fn what_has_not_ended_yet_does_not_become_critical() {
        let mut surprises = vec![7.0; 3];
        surprises.extend([4.0; 30]);
        let changes = live(AlertPolicy::default(), &surprises);
        assert_eq!(changes, [(1, ChangeKind::Firing, Severity::Warning)]);
    }

    #[test]
    fn a_lone_spike_never_fires() {
        assert!(live(AlertPolicy::default(), &[0.0, 50.0, 0.0, 50.0, 0.0]).is_empty());
    }

    #[test]
    fn what_is_notable_but_not_over_the_threshold_is_an_event_only() {
        let changes = live(AlertPolicy::default(), &[4.0; 30]);
        assert_eq!(changes, [(1, ChangeKind::Noticed, Severity::Info)]);
    }

    #[test]
    fn severity_rises_with_the_peak_and_with_time_and_never_falls() {
        use ChangeKind::{Escalated, Firing};
        let mut surprises = vec![7.0, 7.0, 9.5, 7.0];
        let changes = live(AlertPolicy::default(), &surprises);
        assert_eq!(changes, [(1, Firing, Severity::Warning), (2, Escalated, Severity::Critical)]);
        surprises = vec![7.0; 20];
        let changes = live(AlertPolicy::default(), &surprises);
        assert_eq!(changes, [(1, Firing, Severity::Warning), (16, Escalated, Severity::Critical)]);
    }

    #[test]
    fn importance_shifts_severity_by_a_step_but_alerts_nobody_below_the_threshold() {
        let policy = |importance| AlertPolicy { importance, ..AlertPolicy::default() };
        let high = live(policy(Importance::High), &[4.0, 4.0, 4.0, 7.0, 7.0]);
        assert_eq!(
            high,
            [(1, ChangeKind::Noticed, Severity::Info), (4, ChangeKind::Firing, Severity::Critical)]
        );
        let low = live(policy(Importance::Low), &[7.0, 7.0, 7.0, 9.5, 9.5]);
        assert_eq!(
            low,
            [(1, ChangeKind::Noticed, Severity::Info), (3, ChangeKind::Firing, Severity::Warning)]
        );
    }
}
