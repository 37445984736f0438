//! The alerts of a partition's series: their episodes, and the events that report them.

use std::sync::Arc;

use bellwether_detect::{Bank, DetectorName, Expected, ExpectedBand, Severity};
use bellwether_series::{Fingerprint, Timestamp};

use super::Partition;
use super::series::{Judged, Open, signal_kind};
use crate::event::{ChangeKind, DetectorEvidence, Event, FORMAT_VERSION, ResolveReason};
use crate::explain::{Facts, explain};
use crate::lifecycle::{self, Change, Episode, Reading};
use crate::outputs::Outputs;
use crate::threshold::{NOTABLE, calm};
use crate::trace::{Compared, Gate};

/// A series that was silent for this long, or for four of its intervals, has no open episode any more.
const SILENT_MS_MIN: i64 = 5 * 60_000;

impl Partition {
    /// Advances the alert of a series by one judged sample, and says where the sample ended.
    pub(super) fn live(
        &mut self,
        elapsed_ms: i64,
        slot: u32,
        judged: Judged,
        outputs: &mut Outputs,
    ) -> Gate {
        let Some(series) = self.series.get_mut(slot) else { return Gate::SeriesEnded };
        let rule = &self.settings.rules[usize::from(series.rule)];
        let group = self.groups.alerting_for(series, &self.settings);
        let may_fire = group.as_ref().is_none_or(|group| !group.is_alerting());
        let members = group.map(|group| group.members());
        let Judged { at, base, .. } = judged;
        let (bank, bank_slot) = self.judges.bank(series.seat);
        let habits = bank.habits(bank_slot, base);
        let made = series.threshold(&self.settings, self.shares, members, at, habits);
        let threshold = made.value;
        let surprise = if series.echoes { base } else { judged.claim };
        let interval_ms = series.interval.as_ms();
        let calm = calm(threshold);
        let reading = Reading { at, interval_ms, surprise, base, threshold, calm, may_fire };
        let mut open = self.episodes.get_mut(&slot);
        if let Some(open) = &mut open {
            open.episode.last_received_ms = elapsed_ms;
            (open.last, open.threshold) = (judged, threshold);
        }
        let mut episode = open.map(|open| &mut open.episode);
        let (change, gate) =
            lifecycle::advance(&mut series.pending, episode.as_deref_mut(), &rule.alert, &reading);
        if let Some(traces) = &mut outputs.traces {
            let since = lifecycle::since(gate, series.pending, episode.as_deref());
            traces.compare(Compared::new(&reading, made, since));
        }
        match change {
            None => {}
            Some(Change::Open { starts_at, kind, severity }) => {
                let id = self.settings.episode_id(series.fingerprint, &rule.name, starts_at);
                let mut episode = Episode::new(id, starts_at, elapsed_ms);
                episode.severity = severity;
                episode.peak_surprise = surprise;
                episode.peak_base = base;
                if kind == ChangeKind::Firing {
                    lifecycle::fire(&mut episode, at);
                }
                self.episodes.insert(slot, Open { episode, last: judged, threshold });
                series.is_open = true;
                self.begin(slot, kind, at, outputs);
            }
            Some(Change::Raise { kind, severity }) => {
                if let Some(open) = self.episodes.get_mut(&slot) {
                    open.episode.severity = severity;
                }
                self.begin(slot, kind, at, outputs);
            }
            Some(Change::Close { ends_at }) => {
                series.echoes = true;
                self.resolve(slot, ends_at, ResolveReason::Normal, outputs);
            }
        }
        gate
    }

    /// Reports that an episode got to `kind`. The threshold is the one from before it costs anything.
    fn begin(&mut self, slot: u32, kind: ChangeKind, at: Timestamp, outputs: &mut Outputs) {
        self.report(slot, kind, None, outputs);
        if kind == ChangeKind::Firing {
            self.incur(slot, at);
        }
    }

    /// Forgets all open episodes, those of groups included, and what is pending, without a word; what was learned stays. For a
    /// state that somebody else goes on with, who was told of other alerts: what still is wrong then fires anew.
    pub fn forget_alerts(&mut self) {
        for (_, series) in self.series.iter_mut() {
            series.pending.reset();
            series.is_open = false;
        }
        for group in self.groups.iter_mut() {
            group.pending.reset();
            group.open = None;
        }
        self.episodes.clear();
    }

    /// Resolves the open episode of a series that will bring no more samples for it.
    pub(super) fn close(&mut self, slot: u32, reason: ResolveReason, outputs: &mut Outputs) {
        let Some(series) = self.series.get_mut(slot) else { return };
        let Some(open) = self.episodes.get_mut(&slot) else { return };
        if let Some((at, _)) = series.last {
            open.last.at = at;
        }
        let ends_at = open.last.at;
        self.resolve(slot, ends_at, reason, outputs);
    }

    fn resolve(
        &mut self,
        slot: u32,
        ends_at: Timestamp,
        reason: ResolveReason,
        outputs: &mut Outputs,
    ) {
        self.report(slot, ChangeKind::Resolved, Some((ends_at, reason)), outputs);
        self.episodes.remove(&slot);
        if let Some(series) = self.series.get_mut(slot) {
            series.is_open = false;
        }
    }

    /// Appends the event of a change of the episode that is open in `slot`.
    fn report(
        &mut self,
        slot: u32,
        change: ChangeKind,
        end: Option<(Timestamp, ResolveReason)>,
        outputs: &mut Outputs,
    ) {
        let Some(series) = self.series.get_mut(slot) else { return };
        let Some(Open { episode, last, threshold }) = self.episodes.get_mut(&slot) else { return };
        let rule = &self.settings.rules[usize::from(series.rule)];
        let sequence = episode.sequence;
        episode.sequence += 1;
        let (bank, bank_slot) = self.judges.bank(series.seat);
        let ExpectedBand { lower, upper } = last.expected.band(bank.tail(), NOTABLE);
        let [surprise, peak_surprise, threshold] = [last.claim, episode.peak_surprise, *threshold]
            .map(|claim| bank.worth(bank_slot, claim));
        let detectors = if end.is_some_and(|(_, reason)| reason != ResolveReason::Normal) {
            Vec::new()
        } else {
            evidence(bank)
        };
        let state_digest = Fingerprint::of_parts(&[bank.state_text(bank_slot).as_bytes()]);
        let signal = signal_kind(series.kind);
        let explanation = explain(&Facts {
            labels: &series.labels,
            signal,
            change,
            reason: end.map(|(_, reason)| reason),
            value: last.value,
            expected: last.expected.center,
            band: ExpectedBand { lower, upper },
            surprise,
            lasted_ms: last.at.ms_since(episode.starts_at),
        });
        outputs.events.push(Event {
            version: FORMAT_VERSION,
            id: format!("{}-{sequence}", episode.id),
            episode_id: episode.id,
            sequence,
            change,
            severity: episode.severity,
            reason: end.map(|(_, reason)| reason),
            alert: episode.severity > Severity::Info,
            at_ms: last.at,
            starts_at_ms: episode.starts_at,
            ends_at_ms: end.map(|(at, _)| at),
            rule: Arc::clone(&rule.name),
            fingerprint: series.fingerprint,
            labels: series.labels.clone(),
            signal,
            value: last.value,
            expected: last.expected.center,
            lower,
            upper,
            surprise,
            peak_surprise,
            threshold,
            threshold_raised_by: series.raised_by(&self.settings, last.at),
            detectors,
            config_digest: Arc::clone(&self.settings.digest),
            state_digest,
            explanation,
        });
    }

    /// Resolves the episodes of series from which nothing came for long. What may be late is waited for.
    pub(super) fn close_silent(
        &mut self,
        elapsed_ms: i64,
        lateness_ms: i64,
        outputs: &mut Outputs,
    ) {
        let mut silent = Vec::new();
        for (&slot, Open { episode, .. }) in &self.episodes {
            let Some(series) = self.series.get_mut(slot) else { continue };
            let patience_ms = (4 * series.interval.as_ms()).max(SILENT_MS_MIN) + lateness_ms;
            if elapsed_ms - episode.last_received_ms > patience_ms {
                series.pending.reset();
                silent.push(slot);
            }
        }
        for slot in silent {
            self.close(slot, ResolveReason::Silent, outputs);
        }
    }
}

/// What each detector said about the newest observation.
fn evidence(bank: &Bank) -> Vec<DetectorEvidence> {
    let tail = bank.tail();
    let of = |(name, surprise, expected): (DetectorName, f64, Option<Expected>)| {
        let Some(expected) = expected else {
            // What judges shapes expects no value.
            let (expected, lower, upper) = (f64::NAN, f64::NAN, f64::NAN);
            return DetectorEvidence { name, surprise, expected, lower, upper };
        };
        let ExpectedBand { lower, upper } = expected.band(tail, NOTABLE);
        DetectorEvidence { name, surprise, expected: expected.center, lower, upper }
    };
    bank.evidence().map(of).collect()
}
