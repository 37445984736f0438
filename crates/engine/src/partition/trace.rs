//! Writing down where samples ended and by what they were judged, for whoever asks. Nobody does while the engine runs live.

use std::sync::Arc;

use bellwether_detect::{ExpectedBand, Muted, Opinion, Standing, Steps};
use bellwether_series::{Fingerprint, Timestamp};

use super::groups::{Place, RowReading};
use super::series::signal_kind;
use super::{Partition, Row};
use crate::event::SignalKind;
use crate::lifecycle::Reading;
use crate::outputs::{DropReason, Outputs};
use crate::threshold::{NOTABLE, Threshold, notable};
use crate::trace::{Assessment, Compared, Gate, Trace};

impl Partition {
    /// A sample or stale marker that nothing older than it comes after.
    #[inline]
    pub(super) fn in_order(&mut self, elapsed_ms: i64, row: Row, outputs: &mut Outputs) {
        let gate = self.judge(elapsed_ms, row, outputs);
        if outputs.traces.is_some() {
            self.note(row, gate, outputs);
        }
    }

    /// Counts a sample that is not judged.
    pub(super) fn leave_out(&mut self, row: Row, reason: DropReason, outputs: &mut Outputs) {
        outputs.counts.drop_one(reason);
        if outputs.traces.is_some() {
            self.note(row, Gate::Dropped(reason), outputs);
        }
    }

    /// Writes down what became of a sample, if somebody wants to know.
    #[cold]
    fn note(&mut self, row: Row, gate: Gate, outputs: &mut Outputs) {
        let Some(traces) = outputs.traces.as_deref_mut() else { return };
        let compared = traces.take_compared();
        let Some(series) = self.series.get_mut(row.slot) else { return };
        if !traces.wants(series.fingerprint, &series.labels, row.at) {
            return;
        }
        let (fingerprint, labels) = (series.fingerprint, series.labels.clone());
        let rule = &self.settings.rules[usize::from(series.rule)].name;
        let (rule, config_digest) = (Arc::clone(rule), Arc::clone(&self.settings.digest));
        let maintenance = (gate == Gate::Maintenance)
            .then(|| series.maintenance_name(&mut self.clock, &self.settings))
            .flatten();
        let judged = (gate >= Gate::WarmUp).then(|| self.assess(row, gate, compared)).flatten();
        let (gate, judged) = judged.map_or((gate, None), |(gate, judged)| (gate, Some(judged)));
        traces.push(Trace {
            fingerprint,
            labels,
            at: row.at,
            sent: row.value,
            gate,
            since: compared.and_then(|compared| compared.since),
            episode: self.episodes.get(&row.slot).map(|open| open.episode.id),
            config_digest,
            rule: Some(rule),
            maintenance,
            judged,
        });
    }

    /// What the newest sample of the series in `row` was judged by, and where it ended for that. To be called before its bank
    /// judges another one.
    fn assess(
        &mut self,
        row: Row,
        gate: Gate,
        compared: Option<Compared>,
    ) -> Option<(Gate, Assessment)> {
        let series = self.series.get_mut(row.slot)?;
        let group = self.groups.alerting_for(series, &self.settings);
        let members = group.map(|group| group.members());
        let (bank, bank_slot) = self.judges.bank(series.seat);
        let habits = bank.habits(bank_slot, bank.steps().base);
        let tail = bank.tail();
        let with_band = |opinion: Opinion| {
            (opinion, opinion.expected.map(|expected| expected.band(tail, NOTABLE)))
        };
        let opinions: Vec<_> = bank.opinions().map(with_band).collect();
        let (steps, value, class) = (bank.steps(), bank.value(), bank.class(bank_slot));
        let is_scored = gate != Gate::WarmUp;
        // Whoever did not get as far as the lifecycle changed nothing that a threshold depends on.
        let threshold = || series.threshold(&self.settings, self.shares, members, row.at, habits);
        let threshold = compared.map_or_else(threshold, |compared| compared.threshold);
        let gate =
            if is_scored { sharpened(gate, &opinions, &steps, threshold.value) } else { gate };
        let claim = compared.map_or(steps.claim, |compared| compared.surprise);
        let assessment = Assessment {
            signal: signal_kind(series.kind),
            value,
            interval_ms: series.interval.as_ms(),
            class: Some(class),
            opinions,
            steps: is_scored.then_some(steps),
            surprise: bank.worth(bank_slot, claim),
            threshold: is_scored.then(|| threshold.shown(|claim| bank.worth(bank_slot, claim))),
            policy: self.settings.rules[usize::from(series.rule)].alert,
            state_digest: Fingerprint::of_parts(&[bank.state_text(bank_slot).as_bytes()]),
        };
        Some((gate, assessment))
    }

    /// Writes down what became of a row of a group, if somebody wants to know.
    #[cold]
    pub(super) fn note_row(
        &mut self,
        place: Place,
        row: &RowReading,
        (gate, compared): (Gate, Compared),
        outputs: &mut Outputs,
    ) {
        let Some(traces) = outputs.traces.as_deref_mut() else { return };
        let Some(group) = self.groups.at(place) else { return };
        if !traces.wants(group.fingerprint, &group.labels, row.at) {
            return;
        }
        let policy = self.settings.rules.last().map(|rule| rule.alert).unwrap_or_default();
        traces.push(Trace {
            fingerprint: group.fingerprint,
            labels: group.labels.clone(),
            at: row.at,
            sent: row.unusual as f64,
            gate,
            since: compared.since,
            episode: group.open.as_ref().map(|open| open.episode.id),
            config_digest: Arc::clone(&self.settings.digest),
            rule: Some(Arc::clone(&group.rule.name)),
            maintenance: None,
            judged: Some(Assessment {
                signal: SignalKind::Value,
                value: row.unusual as f64,
                interval_ms: row.interval_ms,
                class: None,
                opinions: Vec::new(),
                steps: None,
                surprise: compared.surprise,
                threshold: Some(compared.threshold),
                policy,
                state_digest: Fingerprint::from_u128(0),
            }),
        });
    }
}

impl Compared {
    pub(super) fn new(reading: &Reading, threshold: Threshold, since: Option<Timestamp>) -> Self {
        Self { surprise: reading.surprise, threshold, since }
    }
}

/// What stays below a level may do so because a detector that is over it does not count. Then that is the gate: the rule's
/// side, or its floor.
fn sharpened(
    gate: Gate,
    opinions: &[(Opinion, Option<ExpectedBand>)],
    steps: &Steps,
    threshold: f64,
) -> Gate {
    let least = match gate {
        Gate::BelowInfo => notable(threshold),
        Gate::BelowThreshold => threshold,
        _ => return gate,
    };
    let mut muted: Vec<&Opinion> = opinions
        .iter()
        .map(|(opinion, _)| opinion)
        .filter(|opinion| opinion.standing == Standing::Scored && opinion.surprise >= least)
        .collect();
    muted.sort_by(|one, other| other.surprise.total_cmp(&one.surprise));
    match muted.iter().find_map(|opinion| opinion.muted) {
        Some(Muted::Direction) => Gate::Direction,
        Some(Muted::MinDeviation) => Gate::MinDeviation,
        None if steps.combined >= least && steps.claim < steps.combined => Gate::Direction,
        None => gate,
    }
}
