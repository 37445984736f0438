//! A partition: the unit of sequence, state and hand-over. A synchronous core without clock, threads or IO.

mod alerts;
mod cold;
mod cold_index;
mod demoted;
mod export;
mod group_alerts;
mod groups;
mod input;
mod maintenance;
mod series;
mod state;
#[cfg(test)]
mod tests;
mod trace;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bellwether_detect::lasting::Lasting;
use bellwether_detect::{ExpectedBand, Judgement, Oddity, Tables, fuse};
use bellwether_series::{Fingerprint, LabelSet, Sample, Timestamp, Value};
use bellwether_signal::{Interval, SeriesKind, rate};

use self::cold_index::ColdIndex;
use self::export::Export;
use self::groups::{Groups, NO_GROUP, Told};
use self::series::{Judged, Open, Series, signal_kind};
use crate::calendar::{Clock, WindowSet};
use crate::debt::Debt;
use crate::event::ResolveReason;
use crate::judges::Judges;
use crate::lifecycle::Pending;
use crate::memory::MemoryUse;
use crate::order::Held;
use crate::outputs::{GaugeReading, Outputs, Score};
use crate::promise::Promise;
use crate::settings::Settings;
use crate::slab::{ASIDE, Slab};
use crate::threshold::{NOTABLE, Shares, THRESHOLD_MIN};
use crate::trace::Gate;

pub(crate) use self::groups::Finding;
pub use self::input::{Input, Row};
pub use self::series::SeriesView;

/// Number of partitions that routing keys map to; fixed for ever, since ids and state rest on it.
pub const PARTITIONS: usize = 64;

/// So many rows ahead the states of a row's series are asked for, and so many rows before that what says where they are.
const STATES_AHEAD: usize = 1;
const SERIES_AHEAD: usize = 2;
/// What is due as time goes by is looked for this often.
const TICK_EVERY_MS: i64 = 1000;
/// Silent series leave memory this often.
const COOL_EVERY_MS: i64 = 60_000;
/// A distance of more than this many intervals is a gap: what was pending before it is forgotten.
const GAP_INTERVALS: i64 = 5;

/// A partition's series, their states and their open episodes.
#[derive(Debug)]
pub struct Partition {
    settings: Arc<Settings>,
    /// What `settings.calendar` says.
    clock: Clock,
    shares: Shares,
    series: Slab<Series>,
    /// Those that have a place.
    series_count: usize,
    judges: Judges,
    groups: Groups,
    held: Held,
    episodes: BTreeMap<u32, Open>,
    /// Slots of series that alert beyond their budget.
    demoted: BTreeSet<u32>,
    /// Silent series that are still in memory, and where.
    parked: BTreeMap<Fingerprint, u32>,
    /// Those that are not.
    cold: ColdIndex,
    ready: Vec<(Timestamp, f64)>,
    ticked_ms: i64,
    cooled_ms: i64,
}

impl Partition {
    /// An empty partition. All partitions share `tables`. It keeps the states of silent series in memory: see
    /// [`Partition::keep_cold_in`].
    pub fn new(settings: Arc<Settings>, tables: Tables) -> Self {
        let shares = Shares::of(&settings.budget, 0, 0);
        let deep_max_bytes = deep_max_bytes(&settings);
        Self {
            settings,
            clock: Clock::default(),
            shares,
            groups: Groups::default(),
            series: Slab::default(),
            series_count: 0,
            judges: Judges::new(tables, deep_max_bytes),
            held: Held::default(),
            episodes: BTreeMap::new(),
            demoted: BTreeSet::new(),
            parked: BTreeMap::new(),
            cold: ColdIndex::default(),
            ready: Vec::new(),
            ticked_ms: 0,
            cooled_ms: 0,
        }
    }

    /// Applies one input at record time `elapsed_ms` and appends what came of it to `outputs`.
    #[inline]
    pub fn step(&mut self, elapsed_ms: i64, input: Input, outputs: &mut Outputs) {
        match input {
            Input::Admit { slot, labels, fingerprint, kind } => {
                self.admit(slot, (labels, fingerprint, kind), outputs);
            }
            Input::Evict { slot } => self.evict(slot, outputs),
            Input::Park { slot } => self.park(slot, outputs),
            Input::Forget { fingerprint } => self.forget(fingerprint, outputs),
            Input::Configure(settings) => self.configure(elapsed_ms, settings, outputs),
            Input::Share(shares) => self.shares = shares,
            Input::Tick => self.tick(elapsed_ms, outputs),
        }
    }

    /// Judges `rows`, which came at record time `elapsed_ms`, and appends what came of it to `outputs`. What is known of the series of later ones is asked for ahead.
    pub fn samples(&mut self, elapsed_ms: i64, rows: &[Row], outputs: &mut Outputs) {
        for (index, &row) in rows.iter().enumerate() {
            if let Some(later) = rows.get(index + STATES_AHEAD + SERIES_AHEAD) {
                self.series.prefetch(later.slot);
            }
            if let Some(next) = rows.get(index + STATES_AHEAD)
                && let Some(series) = self.series.get_mut(next.slot)
            {
                self.judges.prefetch(series.seat);
            }
            self.sample(elapsed_ms, row, outputs);
        }
    }

    /// Watched series, without those that are silent.
    pub fn series_count(&self) -> usize {
        self.series_count
    }

    /// Episodes that are not over, of any severity.
    pub fn open_episodes(&self) -> usize {
        self.episodes.len()
    }

    /// Bytes that series records, detector states and what finds those out of memory occupy; labels are shared with the
    /// intake.
    pub fn state_bytes(&self) -> usize {
        let mut sum = 0;
        self.each_kind(&mut |_, bytes| sum += bytes);
        sum
    }

    /// The same by what they are for.
    pub fn memory(&self, into: &mut MemoryUse) {
        self.each_kind(&mut |kind, bytes| into.add(kind, bytes));
    }

    fn each_kind(&self, add: &mut dyn FnMut(&'static str, usize)) {
        add("series", self.series.bytes());
        add("groups", self.groups.bytes());
        add("cold", self.cold.memory_bytes());
        self.judges.memory(add);
    }

    /// The first `limit` series, in order of their slots, for which `wanted` holds.
    pub fn view(&mut self, wanted: &dyn Fn(&LabelSet) -> bool, limit: usize) -> Vec<SeriesView> {
        let (settings, episodes, clock) = (&self.settings, &self.episodes, &mut self.clock);
        let placed = self.series.iter_mut().take_while(|(slot, _)| *slot < ASIDE);
        let chosen = placed.filter(|(_, series)| wanted(&series.labels));
        let (judges, shares, groups) = (&mut self.judges, self.shares, &mut self.groups);
        let mut standing_of = |series: &Series| {
            let at = series.last.map_or(Timestamp::from_ms(0), |(at, _)| at);
            let members = groups.alerting_for(series, settings).map(|group| group.members());
            let raised_by = series.raised_by(settings, at);
            let (bank, slot) = judges.bank(series.seat);
            let habits = bank.habits(slot, f64::INFINITY);
            let threshold = series.threshold(settings, shares, members, at, habits).value;
            let threshold = bank.worth(slot, threshold);
            (threshold, raised_by, bank.class(slot), bank.periods_ms(slot))
        };
        chosen
            .take(limit)
            .map(|(slot, series)| (slot, standing_of(series), series))
            .map(|(slot, (threshold, raised_by, class, periods_ms), series)| SeriesView {
                class,
                periods_ms,
                threshold,
                raised_by,
                surprises_per_promised: series.promise.times(),
                labels: series.labels.clone(),
                fingerprint: series.fingerprint,
                signal: signal_kind(series.kind),
                rule: Arc::clone(&settings.rules[usize::from(series.rule)].name),
                interval_ms: series.interval.as_ms(),
                last: series.last,
                surprise: Some(series.last_surprise).filter(|surprise| !surprise.is_nan()),
                severity: episodes.get(&slot).map(|open| open.episode.severity),
                maintenance: series.maintenance_name(clock, settings),
            })
            .collect()
    }

    fn admit(
        &mut self,
        slot: u32,
        (labels, fingerprint, kind): (LabelSet, Fingerprint, SeriesKind),
        outputs: &mut Outputs,
    ) {
        self.series_count += 1;
        if self.come_back(slot, (&labels, fingerprint, kind), outputs) {
            return;
        }
        let export = Export::Off.adopt(self.settings.exports(&labels));
        let rule = self.settings.rule_index(&labels);
        let seat = self.judges.seat(&self.settings.rules[rule], fingerprint);
        outputs.counts.deep_refused += u64::from(self.judges.is_refused(seat));
        let maintenance = self.clock.windows_of(&self.settings.calendar, &labels);
        let series = Series {
            labels,
            fingerprint,
            kind,
            rule: rule as u16,
            seat,
            interval: Interval::default(),
            last: None,
            last_surprise: f32::NAN,
            pending: Pending::default(),
            lasting: Lasting::default(),
            debt: Debt::default(),
            promise: Promise::default(),
            is_open: false,
            echoes: false,
            export,
            maintenance,
            place: NO_GROUP,
        };
        self.series.insert(slot, series);
        self.join_group(slot, outputs);
    }

    fn evict(&mut self, slot: u32, outputs: &mut Outputs) {
        self.series_count -= usize::from(self.series.get_mut(slot).is_some());
        self.remove(slot, outputs);
    }

    /// Forgets the series in `slot`, whether that is a place or aside.
    fn remove(&mut self, slot: u32, outputs: &mut Outputs) {
        self.close(slot, ResolveReason::Unwatched, outputs);
        self.held.forget(slot);
        self.leave_group(slot, outputs);
        if let Some(mut series) = self.series.remove(slot) {
            series.withdraw(&self.settings, outputs);
            self.judges.leave(series.seat);
        }
        self.demoted.remove(&slot);
    }

    /// Series whose rule judges as before keep their state and their open episode.
    fn configure(&mut self, elapsed_ms: i64, settings: Arc<Settings>, outputs: &mut Outputs) {
        if settings.ordering.lateness_ms == 0 {
            // Nothing is held back any more, so nothing may wait for samples that come after it.
            self.release_overdue(elapsed_ms, i64::MIN, outputs);
        }
        if !self.settings.keeps_cold(&settings) {
            self.forget_cold(outputs);
        }
        let mut clock = Clock::default();
        self.judges.limit_deep(deep_max_bytes(&settings));
        let (mut moved, mut homeless) = (Vec::new(), Vec::new());
        for (slot, series) in self.series.iter_mut() {
            let old_name = Arc::clone(&self.settings.rules[usize::from(series.rule)].name);
            let rule = settings.rule_index(&series.labels);
            let judged_alike = self.judges.fits(series.seat, &settings.rules[rule]);
            let is_moved = !judged_alike || old_name != settings.rules[rule].name;
            let exported = settings.exports(&series.labels);
            if is_moved || !exported {
                series.withdraw(&self.settings, outputs);
            }
            series.export = series.export.adopt(exported);
            series.maintenance = clock.windows_of(&settings.calendar, &series.labels);
            if is_moved {
                moved.push((slot, rule, judged_alike));
            } else {
                series.rule = rule as u16;
            }
        }
        for (slot, rule, judged_alike) in moved {
            self.close(slot, ResolveReason::Unwatched, outputs);
            let Some(series) = self.series.get_mut(slot) else { continue };
            series.rule = rule as u16;
            series.pending.reset();
            if !judged_alike {
                self.judges.leave(series.seat);
                series.seat = self.judges.seat(&settings.rules[rule], series.fingerprint);
                outputs.counts.deep_refused += u64::from(self.judges.is_refused(series.seat));
                series.last_surprise = f32::NAN;
                homeless.push(slot);
            }
        }
        if self.settings.groups != settings.groups {
            homeless = self.series.iter_mut().map(|(slot, _)| slot).collect();
        }
        for &slot in &homeless {
            self.leave_group(slot, outputs);
        }
        self.settings = settings;
        self.clock = clock;
        self.limit_cold(outputs);
        for slot in homeless {
            self.join_group(slot, outputs);
        }
    }

    #[inline]
    fn sample(&mut self, elapsed_ms: i64, row: Row, outputs: &mut Outputs) {
        if self.settings.ordering.lateness_ms == 0 {
            self.in_order(elapsed_ms, row, outputs);
        } else {
            self.hold(elapsed_ms, row, outputs);
        }
    }

    /// Holds a sample back for those that may come late, and judges what waits no longer.
    fn hold(&mut self, elapsed_ms: i64, row: Row, outputs: &mut Outputs) {
        let ordering = self.settings.ordering;
        let Some(series) = self.series.get_mut(row.slot) else { return };
        if let Some(reason) = series.refuses(row) {
            self.leave_out(row, reason, outputs);
            return;
        }
        let sample = (row.at, row.value);
        match self.held.push(row.slot, sample, ordering.held_samples_max, elapsed_ms) {
            Ok(()) => {
                let mut ready = std::mem::take(&mut self.ready);
                self.held.release(row.slot, ordering.lateness_ms, &mut ready);
                self.drain(elapsed_ms, row.slot, &mut ready, outputs);
                self.ready = ready;
            }
            Err(reason) => self.leave_out(row, reason, outputs),
        }
    }

    fn drain(
        &mut self,
        elapsed_ms: i64,
        slot: u32,
        ready: &mut Vec<(Timestamp, f64)>,
        outputs: &mut Outputs,
    ) {
        for (at, value) in ready.drain(..) {
            self.in_order(elapsed_ms, Row { slot, at, value }, outputs);
        }
    }

    /// Judges a sample or stale marker that nothing older than it comes after, and says where it ended.
    fn judge(&mut self, elapsed_ms: i64, row: Row, outputs: &mut Outputs) -> Gate {
        let Row { slot, at, value } = row;
        let Some(series) = self.series.get_mut(slot) else { return Gate::SeriesEnded };
        if let Some(reason) = series.refuses(row) {
            outputs.counts.drop_one(reason);
            return Gate::Dropped(reason);
        }
        let previous = series.last.replace((at, value));
        let Value::Finite(value) = Value::classify(value) else {
            outputs.counts.stale += 1;
            series.pending.reset();
            series.lasting.restart();
            series.withdraw(&self.settings, outputs);
            self.close(slot, ResolveReason::SeriesEnded, outputs);
            return Gate::SeriesEnded;
        };
        if let Some((earlier, _)) = previous {
            if at.ms_since(earlier) > GAP_INTERVALS * series.interval.as_ms() {
                series.pending.reset();
                series.lasting.restart();
            }
            series.interval.learn(earlier, at);
        }
        if series.maintenance != WindowSet::EMPTY
            && series.is_in_maintenance(&mut self.clock, &self.settings, previous, at)
        {
            self.rest(slot, outputs);
            return Gate::Maintenance;
        }
        let value = match series.kind {
            SeriesKind::Counter => {
                // A stale marker is no number: the first sample after it has no rate.
                let before = previous.filter(|(_, value)| value.is_finite());
                let sample = Sample { timestamp: at, value };
                let rate =
                    before.and_then(|(timestamp, value)| rate(Sample { timestamp, value }, sample));
                let Some(rate) = rate else {
                    outputs.counts.warming_up += 1;
                    return Gate::NoRate;
                };
                rate
            }
            SeriesKind::Gauge | SeriesKind::HistogramBucket => value,
        };
        let interval_ms = series.interval.as_ms();
        let (bank, bank_slot) = self.judges.bank(series.seat);
        let sample = Sample { timestamp: at, value };
        let local = self.clock.local(&self.settings.calendar, at);
        bank.keep_steps(outputs.traces.is_some());
        let judgement = bank.observe(bank_slot, sample, local, interval_ms);
        let Judgement::Scored { surprise, claim, base, deep, class } = judgement else {
            outputs.counts.warming_up += 1;
            return Gate::WarmUp;
        };
        outputs.counts.judged += 1;
        outputs.counts.calibration.count(class, surprise);
        let newest = surprise as f32;
        let before = std::mem::replace(&mut series.last_surprise, newest);
        let is_demoted = series.promise.learn(newest, before);
        if let Some(scores) = &mut outputs.scores
            && let Some(expected) = bank.expected()
        {
            let fingerprint = series.fingerprint;
            scores.push(Score { fingerprint, at, value, surprise, expected });
        }
        if series.export != Export::Off
            && let Some(expected) = bank.expected()
        {
            let ExpectedBand { lower, upper } = expected.band(bank.tail(), NOTABLE);
            let reading = GaugeReading { surprise, expected: expected.center, lower, upper };
            series.export(&self.settings, at, reading, outputs);
        }
        let (place, seat) = (series.place, series.seat);
        series.learn_lasting(&self.settings, claim);
        let is_calm = claim < THRESHOLD_MIN;
        if is_calm {
            series.echoes = false;
        }
        if is_demoted {
            self.demoted.insert(slot);
        }
        let is_idle = is_calm && series.pending.is_idle() && !series.is_open;
        if let (Some(Oddity { own, population }), true) = (deep, place != NO_GROUP) {
            // What one signal says alone, beyond the evidence, does not move the group.
            let own = fuse::held_back(own, fuse::EVIDENCE_MAX) as f32;
            let (base, population) = (base as f32, population as f32);
            let told = Told { at, value, interval_ms, own, base, population };
            self.tell_group(elapsed_ms, place, told, outputs);
        }
        if is_idle {
            // Almost every sample ends here: nothing notable, nothing pending, nothing open.
            return Gate::BelowInfo;
        }
        let (bank, _) = self.judges.bank(seat);
        let Some(expected) = bank.expected() else { return Gate::WarmUp };
        self.live(elapsed_ms, slot, Judged { at, value, claim, base, expected }, outputs)
    }

    fn tick(&mut self, elapsed_ms: i64, outputs: &mut Outputs) {
        if elapsed_ms - self.ticked_ms < TICK_EVERY_MS {
            return;
        }
        self.ticked_ms = elapsed_ms;
        let lateness_ms = self.settings.ordering.lateness_ms;
        if lateness_ms > 0 {
            self.release_overdue(elapsed_ms, lateness_ms, outputs);
        }
        self.close_silent(elapsed_ms, lateness_ms, outputs);
        self.close_silent_groups(elapsed_ms, lateness_ms, outputs);
        if elapsed_ms - self.cooled_ms >= COOL_EVERY_MS {
            self.forgive();
            // Where more of them wait, it goes on at once.
            let is_done = self.cool(outputs);
            self.cooled_ms = if is_done { elapsed_ms } else { elapsed_ms - COOL_EVERY_MS };
        }
    }

    /// Judges what is held back of series from which nothing arrived for more than `lateness_ms`.
    fn release_overdue(&mut self, elapsed_ms: i64, lateness_ms: i64, outputs: &mut Outputs) {
        let mut overdue = self.held.overdue(lateness_ms, elapsed_ms);
        // Groups hear of them in an order that does not depend on where they are kept.
        let series = &mut self.series;
        overdue.sort_by_cached_key(|&slot| series.get_mut(slot).map(|series| series.fingerprint));
        for slot in overdue {
            let mut ready = std::mem::take(&mut self.ready);
            self.held.flush(slot, &mut ready);
            self.drain(elapsed_ms, slot, &mut ready, outputs);
            self.ready = ready;
        }
    }
}

/// Bytes that the deep tier of one partition may take.
fn deep_max_bytes(settings: &Settings) -> usize {
    settings.deep.memory_bytes / PARTITIONS
}
