//! A rule's detectors with the states of all series that the rule judges, detector by detector.
//!
//! Parameters are shared; a series costs one flat record per detector and no object of its own.

mod common;
mod opinion;
mod panel;
mod predictors;
mod room;
mod saved;
mod tables;
mod worth;

use std::fmt::Write as _;

use bellwether_series::Sample;

use crate::column::{AnyColumn, States};
use crate::combine::Combiner;
use crate::deep_column::{AnyDeep, Oddity};
use crate::fuse;
use crate::ladder::{Ladder, Prior};
use crate::lasting::Habits;
use crate::local_time::LocalTime;
use crate::ordinary::Ordinary;
use crate::params::{DetectorName, DetectorSpec, Direction, MinDeviation};
use crate::profile::SignalClass;
use crate::residual::EXCURSION_SURPRISE;
use crate::tail::Tail;
use crate::verdict::{Observation, Verdict};

use common::Common;
pub use opinion::{Muted, Opinion, Standing, Steps};
use panel::{Base, Panel};
use predictors::{LaneSet, Predictors, Reading};
pub use saved::SavedSeries;
pub(crate) use saved::next;
pub use tables::Tables;
pub use worth::Worth;

/// Larger values are taken as this, so that differences fit into single precision and their squares stay finite.
const VALUE_MAX: f64 = 1e30;
/// What deep detectors learn of an observation that surprises the others.
const EXCURSION_WEIGHT: f64 = 0.1;
/// What their fused surprise is worth learning then. Half of the exceedances of high rungs are lost at most, so that under no
/// anomaly at all these are exceeded at most twice as often as they should.
const FUSED_EXCURSION_WEIGHT: f64 = 0.5;
/// What the base tier claims of what it sees itself.
const SEEN_BY_BASE: f64 = 2.0;
/// Decades beyond what a series has seen that its tails may be extrapolated by: one of a thousand samples has seen what
/// happens once in a thousand.
const EXTRAPOLATED_DECADES: f64 = 2.5;
/// The combined surprise of the base tier is nearly one, that of both tiers is a root mean square.
const BASE_PRIOR: Prior = Prior { slope: 0.965, rows: 3000.0, steadiness: 0.0 };
const DEEP_PRIOR: Prior = Prior { slope: 0.81, rows: 6000.0, steadiness: 0.5 };

/// What all detectors of a rule together say about one observation.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Judgement {
    /// No detector has seen enough yet.
    WarmingUp,
    /// A combined score.
    Scored {
        /// −log10 of the combined tail probability: 0 to [`crate::tail::SURPRISE_MAX`].
        surprise: f64,
        /// What alerts are decided on: as the surprise, but what learns from a fault learns it in part; see [`Worth`]. The
        /// same where the deep tier does not judge.
        claim: f64,
        /// That of the base tier alone. The deep tier looks at many samples at once, so it goes on for a while after a
        /// fault is over; the base tier does not.
        base: f64,
        /// What the deep tier says; `None` where it does not judge.
        deep: Option<Oddity>,
        /// What kind of signal the series is now.
        class: SignalClass,
    },
}

/// The detectors of a rule and the states of its series.
///
/// Detectors of the base tier judge every series; their verdicts are combined by the Cauchy rule. Those of the deep
/// tier judge the series that were [`Bank::reset`] with a seed; with them the surprise is the root mean square of all. Either
/// is calibrated again by the series' own past.
#[derive(Debug)]
pub struct Bank {
    predictors: Predictors,
    columns: Vec<AnyColumn>,
    deep: Vec<AnyDeep>,
    /// Whether the deep tier judges the series.
    is_deep: Vec<bool>,
    common: States<Common>,
    /// What the fused surprise of both tiers is worth, of series that the deep tier judges.
    deep_ladders: States<Ladder>,
    /// What the claims of both tiers are worth, of the same series.
    worth: States<Worth>,
    /// Whether the detectors are those of a rule that names none: then a series has those that suit its class.
    adapts: bool,
    /// Whether there is just one detector that judges departures.
    has_one: bool,
    min_deviation: MinDeviation,
    direction: Direction,
    tail: Tail,
    ordinary: Ordinary,
    combiner: Combiner,
    /// Which predictors judge signals of a class.
    suited: [LaneSet; SignalClass::ALL.len()],
    reading: Reading,
    verdicts: Vec<Verdict>,
    oddities: Vec<Option<Oddity>>,
    /// The newest observation's value, and how its surprise came about: for whoever asks why.
    value: f64,
    steps: Steps,
    keeps_steps: bool,
}

impl Bank {
    /// A bank for series that are judged by `detectors`. Banks share `tables`.
    pub fn new(
        detectors: &[DetectorSpec],
        min_deviation: MinDeviation,
        direction: Direction,
        tables: &Tables,
    ) -> Self {
        let Tables { tail, combiner, ordinary, .. } = tables.clone();
        let specs = || detectors.iter().copied();
        let columns: Vec<_> =
            specs().filter_map(|spec| AnyColumn::new(spec, min_deviation, &tail)).collect();
        let deep: Vec<_> =
            specs().filter_map(|spec| AnyDeep::new(spec, tables.autoencoder.as_ref())).collect();
        let predictors = Predictors::new(detectors);
        let judging = columns.iter().filter(|column| column.judges_departure()).count();
        let adapts = detectors == DetectorSpec::defaults();
        let lanes = |class| if adapts { Predictors::suited(class) } else { LaneSet::MAX };
        Self {
            has_one: predictors.count() + judging == 1,
            predictors,
            suited: SignalClass::ALL.map(lanes),
            reading: Reading::default(),
            ordinary,
            verdicts: Vec::with_capacity(columns.len()),
            oddities: Vec::with_capacity(deep.len()),
            columns,
            deep,
            is_deep: Vec::new(),
            common: States::default(),
            deep_ladders: States::default(),
            worth: States::default(),
            adapts,
            min_deviation,
            direction,
            tail,
            combiner,
            value: f64::NAN,
            steps: Steps::default(),
            keeps_steps: false,
        }
    }

    /// Judges a sample of the series in `slot`, which is sampled every `interval_ms`, against that series'
    /// past, then learns from it. `local` is what clock and calendar say at its time. Memory grows with the largest slot.
    /// What is not a number is as if it were missing.
    pub fn observe(
        &mut self,
        slot: usize,
        sample: Sample,
        local: LocalTime,
        interval_ms: i64,
    ) -> Judgement {
        let Sample { timestamp, value } = sample;
        if value.is_nan() {
            self.reading = Reading::default();
            self.verdicts.clear();
            self.oddities.clear();
            return Judgement::WarmingUp;
        }
        let value = value.clamp(-VALUE_MAX, VALUE_MAX);
        self.value = value;
        let is_deep = self.is_deep(slot);
        let common = self.common.at(slot);
        let scale_floor = common.granularity.floor();
        let observation = Observation { timestamp, local, value, interval_ms, scale_floor };
        let before = common.profile.class();
        let base = Panel {
            predictors: &mut self.predictors,
            residuals: &mut common.residuals,
            reading: &mut self.reading,
            columns: &mut self.columns,
            verdicts: &mut self.verdicts,
            tail: &self.tail,
            ordinary: &self.ordinary,
            combiner: &self.combiner,
            least: self.min_deviation,
            side: self.direction,
            lanes: self.suited[before.index()],
            class: self.adapts.then_some(before),
            is_deep,
            has_one: self.has_one,
        }
        .judge(slot, &observation);
        let base_departs = base.departs;
        common.granularity.learn(value, base.surprise < EXCURSION_SURPRISE);
        let has_changed = common.profile.observe(value) && common.profile.class() != before;
        let class = common.profile.class();
        if has_changed && self.adapts {
            self.predictors.reset(slot, self.suited[class.index()], &mut common.residuals);
            change_class(&mut self.columns, slot, class);
        }
        let calibrated =
            base.departure.map(|departure| common.ladder.observe(departure, 1.0, &BASE_PRIOR));
        let rows = common.ladder.rows();
        self.oddities.clear();
        let deep = is_deep.then(|| self.look_deeper(slot, observation, &base)).flatten();
        if !base.is_warm {
            return Judgement::WarmingUp;
        }
        let fused = match &deep {
            Some(oddity) => Some(fuse::of_tiers(oddity.own, calibrated.unwrap_or_default())),
            None => calibrated,
        };
        let believed = fused.map(|departure| known(rows, departure));
        let combined = self.combiner.with_others(believed, &base.others);
        // A shape has no side and no size: with a direction, somebody must see a departure on that side.
        let counts = base_departs || self.direction == Direction::Both;
        let claim = if counts { combined } else { 0.0 };
        let surprise = if is_deep { self.worth.at(slot).judge(claim) } else { claim };
        let agreed = base.departure;
        let base = if deep.is_some() { base.surprise } else { claim };
        if self.keeps_steps {
            let deep = deep.map(|oddity| oddity.own);
            self.steps = Steps {
                agreed,
                calibrated,
                deep,
                fused,
                believed,
                combined,
                claim,
                surprise,
                base,
            };
        }
        let deep = deep.filter(|_| counts);
        Judgement::Scored { surprise, claim, base, deep, class }
    }

    /// Asks for what is known of the series in `slot`, of which a sample comes soon.
    #[inline]
    pub fn prefetch(&self, slot: usize) {
        self.common.prefetch(slot, usize::MAX);
        self.predictors.prefetch(slot);
    }

    /// What kind of signal the series in `slot` is at present.
    pub fn class(&mut self, slot: usize) -> SignalClass {
        self.common.at(slot).profile.class()
    }

    /// The surprise that a claim of the series in `slot`, 0 and up, is worth, as of the newest one: 0 to
    /// [`crate::tail::SURPRISE_MAX`]. Without the deep tier a claim is a surprise.
    pub fn worth(&mut self, slot: usize, claim: f64) -> f64 {
        if self.is_deep(slot) { self.worth.at(slot).of(claim) } else { claim }
    }

    /// How the series in `slot` keeps its habits, while its base tier claims `base`. It does if the default chain judges it, in
    /// which two agree, if it is not of a kind that comes in bursts, skewed or of few values, and if it is not the deep tier
    /// alone that remembers something, whose claims last by nature.
    pub fn habits(&mut self, slot: usize, base: f64) -> Habits {
        use SignalClass::{Binary, Discrete, Sparse};
        let is_deep = self.is_deep(slot);
        let profile = self.common.at(slot).profile;
        if !self.adapts
            || (is_deep && base < SEEN_BY_BASE)
            || profile.is_skewed()
            || matches!(profile.class(), Binary | Discrete | Sparse)
        {
            Habits::Bursty
        } else {
            Habits::Steady
        }
    }

    /// The periods of the series in `slot`, in milliseconds, ascending: day and week where they are seasons of it and, where the
    /// deep tier judges, rhythms of its own. Empty while none was found.
    pub fn periods_ms(&mut self, slot: usize) -> Vec<i64> {
        if self.is_deep(slot) {
            return self.deep.iter().flat_map(|column| column.periods_ms(slot)).collect();
        }
        self.predictors.seasons_ms(slot).collect()
    }

    fn is_deep(&self, slot: usize) -> bool {
        self.is_deep.get(slot) == Some(&true)
    }

    /// Asks the deep tier, and fuses what it says with what the base tier said. `None` while either warms up.
    #[cold]
    fn look_deeper(
        &mut self,
        slot: usize,
        observation: Observation,
        base: &Base,
    ) -> Option<Oddity> {
        let is_ordinary = base.surprise < EXCURSION_SURPRISE;
        let weight = if is_ordinary { 1.0 } else { EXCURSION_WEIGHT };
        for column in &mut self.deep {
            self.oddities.push(column.observe(slot, &observation, weight));
        }
        if !base.is_warm {
            return None;
        }
        let of = |each: fn(&Oddity) -> f64| self.oddities.iter().flatten().map(each);
        let population = fuse::of_signal(of(|oddity| oddity.population))?;
        let fused = fuse::of_signal(of(|oddity| oddity.own).chain(base.departure))?;
        let weight = if is_ordinary { 1.0 } else { FUSED_EXCURSION_WEIGHT };
        let own = self.deep_ladders.at(slot).observe(fused, weight, &DEEP_PRIOR);
        Some(Oddity { own, population })
    }

    /// The raw score by which each detector of the deep tier that is warm judged the last observation: what a
    /// [population](crate::population) is fitted to.
    pub fn raw_scores(&self) -> impl Iterator<Item = (DetectorName, f64)> {
        let deep = self.deep.iter().zip(&self.oddities);
        deep.filter_map(|(column, oddity)| {
            oddity.and_then(|_| Some((column.name(), column.raw()?)))
        })
    }

    /// The tail that the detectors judge by.
    pub fn tail(&self) -> &Tail {
        &self.tail
    }

    /// Forgets everything about the series in `slot`. With a `seed`, from the fingerprint of the series that begins
    /// there, the deep tier judges it too.
    pub fn reset(&mut self, slot: usize, seed: Option<u64>) {
        let common = self.common.at(slot);
        *common = Common { ladder: Ladder::new(&BASE_PRIOR), ..Common::default() };
        self.predictors.reset(slot, 0, &mut common.residuals);
        if seed.is_some() {
            *self.deep_ladders.at(slot) = Ladder::new(&DEEP_PRIOR);
            *self.worth.at(slot) = Worth::default();
        }
        for column in &mut self.columns {
            column.reset(slot);
        }
        if self.deep.is_empty() || (seed.is_none() && !self.is_deep(slot)) {
            return;
        }
        for column in &mut self.deep {
            column.reset(slot, seed);
        }
        if slot >= self.is_deep.len() {
            self.is_deep.resize(slot + 1, false);
        }
        self.is_deep[slot] = seed.is_some();
    }

    /// The state of the series in `slot` as text: equal states give equal text. Of a detector of the deep tier it is the
    /// calibration only, which follows from all of its scores.
    pub fn state_text(&mut self, slot: usize) -> String {
        let common = *self.common.at(slot);
        let mut text = format!("{:?}{:?}", common.granularity, common.residuals);
        self.predictors.digest_into(slot, &mut text);
        for column in &mut self.columns {
            column.digest_into(slot, &mut text);
        }
        for column in &self.deep {
            column.digest_into(slot, &mut text);
        }
        if self.is_deep(slot) {
            // Writing to a string never fails.
            _ = write!(text, "{:?}{:?}", self.deep_ladders.at(slot), self.worth.at(slot));
        }
        _ = write!(text, "{:?}{:?}", common.ladder, common.profile);
        text
    }
}

/// Detectors that do not suit the new class forget the series, and begin anew when they do.
#[cold]
fn change_class(columns: &mut [AnyColumn], slot: usize, class: SignalClass) {
    for column in columns {
        if !column.name().suits(class) {
            column.reset(slot);
        }
    }
}

/// As much of the surprise of a departure as a series that has so many `rows` behind it can know of.
#[inline]
fn known(rows: f32, departure: f64) -> f64 {
    if departure <= fuse::EVIDENCE_MAX {
        return departure;
    }
    let rows = f64::from(rows).max(1.0);
    fuse::held_back(departure, (libm::log10(rows) + EXTRAPOLATED_DECADES).max(fuse::EVIDENCE_MAX))
}

#[cfg(test)]
mod tests {
    use bellwether_series::Timestamp;

    use super::*;
    use crate::testing::Noise;
    use crate::{iqr, seasonal, zscore};

    fn bank(direction: Direction) -> Bank {
        let tables = Tables::default();
        Bank::new(&DetectorSpec::defaults(), MinDeviation::default(), direction, &tables)
    }

    fn judge(direction: Direction, spike: f64) -> f64 {
        let mut bank = bank(direction);
        let mut noise = Noise::new(9);
        let mut last = Judgement::WarmingUp;
        for index in 0..500 {
            let value = if index == 499 { spike } else { 100.0 + noise.normal() };
            let timestamp = Timestamp::from_ms(index * 60_000);
            let local = LocalTime::utc(timestamp);
            last = bank.observe(3, Sample { timestamp, value }, local, 60_000);
        }
        match last {
            Judgement::Scored { surprise, .. } => surprise,
            Judgement::WarmingUp => panic!("still warming up"),
        }
    }

    #[test]
    fn only_departures_on_the_right_side_count() {
        assert!(judge(Direction::Both, 150.0) > 5.0);
        assert!(judge(Direction::Up, 150.0) > 5.0);
        assert!(judge(Direction::Down, 150.0) < 0.5);
        assert!(judge(Direction::Down, 50.0) > 5.0);
    }

    #[test]
    fn a_departure_below_the_minimum_does_not_count_however_unlikely() {
        assert!(judge(Direction::Both, 100.0 * 1.015) < 0.5);
    }

    #[test]
    fn a_reset_series_starts_anew_and_leaves_its_neighbour_alone() {
        let mut bank = bank(Direction::Both);
        for index in 0..200 {
            let timestamp = Timestamp::from_ms(index * 60_000);
            let sample = Sample { timestamp, value: index as f64 };
            bank.observe(0, sample, LocalTime::utc(timestamp), 60_000);
            bank.observe(1, sample, LocalTime::utc(timestamp), 60_000);
        }
        let neighbour = bank.state_text(1);
        bank.reset(0, None);
        assert_eq!(bank.state_text(1), neighbour);
        assert_ne!(bank.state_text(0), neighbour);
    }

    /// The names of the detectors that judged the last of `values`.
    fn judges_of(
        detectors: &[DetectorSpec],
        values: impl Iterator<Item = f64>,
    ) -> Vec<DetectorName> {
        let tables = Tables::default();
        let mut bank = Bank::new(detectors, MinDeviation::default(), Direction::Both, &tables);
        for (index, value) in values.enumerate() {
            let timestamp = Timestamp::from_ms(index as i64 * 60_000);
            bank.observe(0, Sample { timestamp, value }, LocalTime::utc(timestamp), 60_000);
        }
        bank.evidence().map(|(name, ..)| name).collect()
    }

    #[test]
    fn a_series_has_the_detectors_that_suit_it_unless_a_rule_names_them() {
        use DetectorName::{Forecast, Iqr, Zscore};
        let defaults = DetectorSpec::defaults();
        let mut noise = Noise::new(4);
        let continuous: Vec<f64> = (0..700).map(|_| 100.0 + noise.normal()).collect();
        assert_eq!(judges_of(&defaults, continuous.iter().copied()), [Zscore, Iqr, Forecast]);
        // Mostly nothing, and bursts of any size.
        let sparse = (0..700).map(|index| if index % 4 == 0 { f64::from(index) } else { 0.0 });
        assert_eq!(judges_of(&defaults, sparse.clone()), [Zscore]);
        let named = [defaults[0], defaults[3]];
        assert_eq!(judges_of(&named, sparse), [Zscore, Forecast]);
        // What was sparse for long and is so no more is judged by all once they are warm again.
        let changes = (0..700).map(|index| if index % 4 == 0 { f64::from(index) } else { 0.0 });
        let changes = changes.chain((0..4000).map(|index| continuous[index % 700]));
        assert_eq!(judges_of(&defaults, changes), [Zscore, Iqr, DetectorName::Seasonal, Forecast]);
    }

    #[test]
    fn a_rhythm_of_its_own_is_told_where_the_deep_tier_judges() {
        let (least, both) = (MinDeviation::default(), Direction::Both);
        let detectors =
            [DetectorSpec::Seasonal(seasonal::Params::default()), DetectorSpec::SeasonalResidual];
        let mut bank = Bank::new(&detectors, least, both, &Tables::default());
        bank.reset(0, Some(0));
        bank.reset(1, None);
        for minute in 0..4000 {
            let timestamp = Timestamp::from_ms(minute * 60_000);
            let value = if minute % 37 < 2 { 50.0 } else { (minute % 5) as f64 };
            let sample = Sample { timestamp, value };
            for slot in [0, 1] {
                bank.observe(slot, sample, LocalTime::utc(timestamp), 60_000);
            }
        }
        assert!(bank.periods_ms(0).contains(&(37 * 60_000)), "{:?}", bank.periods_ms(0));
        assert!(bank.periods_ms(1).is_empty() && bank.periods_ms(7).is_empty());
    }

    #[test]
    fn a_series_fits_its_budget() {
        let bytes =
            size_of::<zscore::State>() + size_of::<iqr::State>() + size_of::<seasonal::State>();
        assert!(bytes <= 1400, "{bytes}");
    }
}
