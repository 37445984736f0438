//! The alerts of a partition's groups: their episodes, and the events that report them.

use std::sync::Arc;

use bellwether_detect::Severity;
use bellwether_series::{Fingerprint, LabelSet, Timestamp};

use super::Partition;
use super::groups::{Finding, Group, NO_GROUP, OpenEpisode, Place, RowReading, Told};
use super::series::Series;
use crate::event::{ChangeKind, Event, FORMAT_VERSION, ResolveReason, SignalKind};
use crate::explain::{GroupFacts, explain_group};
use crate::group_rule::GroupRule;
use crate::lifecycle::{self, Change, Episode, Reading};
use crate::outputs::Outputs;
use crate::settings::Settings;
use crate::slab::Slab;
use crate::threshold::{THRESHOLD_MIN, Threshold, group_calm};
use crate::trace::{Compared, Gate};

/// A group that was silent for this long, or for four of its intervals, has no open episode any more.
const SILENT_MS_MIN: i64 = 5 * 60_000;

impl Partition {
    /// Takes a series that the deep tier judges into its group, if that has a place left.
    pub(super) fn join_group(&mut self, slot: u32, outputs: &mut Outputs) {
        let Some(series) = self.series.get_mut(slot) else { return };
        if !series.seat.is_deep {
            return;
        }
        let Some((index, labels)) = self.settings.group_of(&series.labels) else { return };
        let fingerprint = labels.fingerprint();
        self.warm_group((index, fingerprint), outputs);
        let Some(series) = self.series.get_mut(slot) else { return };
        let Some(rule) = self.settings.groups.get(usize::from(index)) else { return };
        series.place = self.groups.join((index, rule), (&labels, fingerprint), slot);
        outputs.counts.group_refused += u64::from(series.place == NO_GROUP);
    }

    /// Takes a series out of its group, and ends the group's episode if that was the last one.
    pub(super) fn leave_group(&mut self, slot: u32, outputs: &mut Outputs) {
        let Some(series) = self.series.get_mut(slot) else { return };
        let place = std::mem::replace(&mut series.place, NO_GROUP);
        if let Some(mut group) = self.groups.leave(place) {
            self.end_group(&mut group, ResolveReason::Unwatched, outputs);
        }
    }

    /// Tells a group what one of its series was judged to be.
    pub(super) fn tell_group(
        &mut self,
        elapsed_ms: i64,
        place: Place,
        told: Told,
        outputs: &mut Outputs,
    ) {
        let before = self.groups.at(place).and_then(|group| group.close_before(place, &told));
        if let Some(reading) = before {
            self.live_group(elapsed_ms, place, &reading, outputs);
        }
        let complete = self.groups.at(place).and_then(|group| group.tell(place, told));
        if let Some(reading) = complete {
            self.live_group(elapsed_ms, place, &reading, outputs);
        }
    }

    /// Advances the alert of a group by one row.
    fn live_group(
        &mut self,
        elapsed_ms: i64,
        place: Place,
        row: &RowReading,
        outputs: &mut Outputs,
    ) {
        if let Some(scores) = &mut outputs.group_scores {
            scores.push((row.at, row.surprise));
        }
        let Some(group) = self.groups.at(place) else { return };
        // What a group does is no rule's: the policy is that of the rule that matches every series.
        let policy = self.settings.rules.last().map(|rule| rule.alert).unwrap_or_default();
        let (budget, share) = (&self.settings.budget, self.shares.per_unit);
        let made = Threshold::of_budget(budget, share, policy.for_ms, row.interval_ms);
        if row.surprise < THRESHOLD_MIN {
            group.echoes = false;
            if group.pending.is_idle() && group.open.is_none() {
                if outputs.traces.is_some() {
                    let (surprise, since) = (row.surprise, None);
                    let compared = Compared { surprise, threshold: made, since };
                    self.note_row(place, row, (Gate::BelowInfo, compared), outputs);
                }
                return;
            }
        }
        let surprise = if group.echoes { row.base } else { row.surprise };
        let (at, interval_ms, base) = (row.at, row.interval_ms, row.base);
        let threshold = made.value;
        let calm = group_calm(threshold);
        let reading = Reading { at, interval_ms, surprise, base, threshold, calm, may_fire: true };
        if let Some(open) = &mut group.open {
            open.episode.last_received_ms = elapsed_ms;
            (open.at, open.surprise, open.threshold) = (at, surprise, threshold);
        }
        let mut episode = group.open.as_mut().map(|open| &mut open.episode);
        let (change, gate) =
            lifecycle::advance(&mut group.pending, episode.as_deref_mut(), &policy, &reading);
        let since = lifecycle::since(gate, group.pending, episode.as_deref());
        match change {
            None => {}
            Some(Change::Open { starts_at, kind, severity }) => {
                let id = self.settings.episode_id(group.fingerprint, &group.rule.name, starts_at);
                let mut episode = Episode::new(id, starts_at, elapsed_ms);
                episode.severity = severity;
                (episode.peak_surprise, episode.peak_base) = (surprise, base);
                if kind == ChangeKind::Firing {
                    lifecycle::fire(&mut episode, at);
                }
                group.open = Some(OpenEpisode { episode, at, surprise, threshold });
                let event = report(&mut self.series, group, &self.settings, (kind, None));
                outputs.events.extend(event);
            }
            Some(Change::Raise { kind, severity }) => {
                if let Some(open) = &mut group.open {
                    open.episode.severity = severity;
                }
                let event = report(&mut self.series, group, &self.settings, (kind, None));
                outputs.events.extend(event);
            }
            Some(Change::Close { ends_at }) => {
                group.echoes = true;
                let change = (ChangeKind::Resolved, Some((ends_at, ResolveReason::Normal)));
                let event = report(&mut self.series, group, &self.settings, change);
                outputs.events.extend(event);
                group.open = None;
            }
        }
        if outputs.traces.is_some() {
            self.note_row(place, row, (gate, Compared::new(&reading, made, since)), outputs);
        }
    }

    /// Ends the episodes of groups from which nothing came for long. What may be late is waited for.
    pub(super) fn close_silent_groups(
        &mut self,
        elapsed_ms: i64,
        lateness_ms: i64,
        outputs: &mut Outputs,
    ) {
        let Self { groups, series, settings, .. } = self;
        for group in groups.iter_mut() {
            let (Some(open), Some(last)) = (&group.open, &group.last) else { continue };
            let patience_ms = (4 * last.interval_ms).max(SILENT_MS_MIN) + lateness_ms;
            if elapsed_ms - open.episode.last_received_ms > patience_ms {
                group.pending.reset();
                let change = (ChangeKind::Resolved, Some((open.at, ResolveReason::Silent)));
                outputs.events.extend(report(series, group, settings, change));
                group.open = None;
            }
        }
    }

    fn end_group(&mut self, group: &mut Group, reason: ResolveReason, outputs: &mut Outputs) {
        let Some(open) = &group.open else { return };
        let change = (ChangeKind::Resolved, Some((open.at, reason)));
        outputs.events.extend(report(&mut self.series, group, &self.settings, change));
        group.open = None;
    }
}

/// The event of a change of a group's open episode.
fn report(
    series: &mut Slab<Series>,
    group: &mut Group,
    settings: &Settings,
    (change, end): (ChangeKind, Option<(Timestamp, ResolveReason)>),
) -> Option<Event> {
    let Group { rule, labels, fingerprint, open, last, .. } = group;
    let (open, row) = (open.as_mut()?, last.as_ref()?);
    let OpenEpisode { episode, at, surprise, threshold } = open;
    let sequence = episode.sequence;
    episode.sequence += 1;
    let name = |&slot: &u32| Some(name_of(&series.get_mut(slot)?.labels, rule));
    let (expected, lower, upper) = match row.finding {
        Finding::Unusual | Finding::Odd => (0.0, 0.0, row.judged as f64),
        Finding::TooFew { usual } => (usual, usual, usual),
    };
    let explanation = explain_group(&GroupFacts {
        labels,
        change,
        reason: end.map(|(_, reason)| reason),
        finding: row.finding,
        judged: row.judged,
        unusual: row.unusual,
        top: row.top.iter().filter_map(name).collect(),
        surprise: *surprise,
        lasted_ms: at.ms_since(episode.starts_at),
    });
    Some(Event {
        version: FORMAT_VERSION,
        id: format!("{}-{sequence}", episode.id),
        episode_id: episode.id,
        sequence,
        change,
        severity: episode.severity,
        reason: end.map(|(_, reason)| reason),
        alert: episode.severity > Severity::Info,
        at_ms: *at,
        starts_at_ms: episode.starts_at,
        ends_at_ms: end.map(|(at, _)| at),
        rule: Arc::clone(&rule.name),
        fingerprint: *fingerprint,
        labels: labels.clone(),
        signal: SignalKind::Value,
        value: row.unusual as f64,
        expected,
        lower,
        upper,
        surprise: *surprise,
        peak_surprise: episode.peak_surprise,
        threshold: *threshold,
        threshold_raised_by: 0.0,
        detectors: Vec::new(),
        config_digest: Arc::clone(&settings.digest),
        state_digest: Fingerprint::from_u128(0),
        explanation,
    })
}

/// What tells a series from the others of its group: its metric, or its labels where the metric is what they share.
fn name_of(labels: &LabelSet, rule: &GroupRule) -> String {
    if !rule.is_of_one_metric() {
        return labels.metric_name().to_owned();
    }
    let own = labels.iter().filter(|(name, _)| rule.by.iter().all(|shared| **shared != **name));
    own.map(|(name, value)| format!("{name}={value:?}")).collect::<Vec<_>>().join(",")
}
