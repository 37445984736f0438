//! Scenes: a handful of series with noise, in which something goes wrong, as a strategy for properties.
//!
//! Time goes in steps of a minute; every step is received half a second after it happened.

use std::sync::Arc;

use bellwether_engine::{Calendar, Holiday, Maintenance, MaintenanceTime, Rule, Settings, Zone};
use bellwether_series::{LabelSet, MatchOp, Matcher, Matchers, STALE_NAN_BITS, Timestamp};
use bellwether_wire::remote_write::{Limits, RawSample, WriteRequest, WriteRequestBuilder};
use proptest::option;
use proptest::prelude::*;

/// Length of a step.
pub(crate) const STEP_MS: i64 = 60_000;
/// Steps of a scene.
pub(crate) const STEPS: usize = 300;
/// Event time of the first step.
pub(crate) const START: Timestamp = Timestamp::from_ms(1_750_000_020_000);
/// How long a sample is under way.
const RECEIPT_DELAY_MS: i64 = 500;

/// One series and its fate.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) kind: Kind,
    /// Level of a gauge, increase per step of a counter.
    pub(crate) level: f64,
    /// Sampled at every `cadence`th step.
    pub(crate) cadence: usize,
    /// Steps before the first sample.
    pub(crate) late_start: usize,
    pub(crate) fault: Option<Fault>,
    /// First step and number of steps without a sample.
    pub(crate) gap: Option<(usize, usize)>,
    /// The step at which a stale marker comes instead of a sample.
    pub(crate) stale_at: Option<usize>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Gauge,
    Counter,
    Constant,
}

/// From step `at`, for `steps` steps, everything is `factor` times as large.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fault {
    pub(crate) at: usize,
    pub(crate) steps: usize,
    pub(crate) factor: f64,
}

/// Series, and the noise in them.
#[derive(Debug, Clone)]
pub(crate) struct Scene {
    pub(crate) plans: Vec<Plan>,
    pub(crate) seed: u64,
}

/// What is received at one time.
#[derive(Debug, Clone)]
pub(crate) struct Step {
    pub(crate) received_at: Timestamp,
    /// Number of the series and its sample.
    pub(crate) samples: Vec<(usize, RawSample)>,
}

fn kind() -> impl Strategy<Value = Kind> {
    prop_oneof![3 => Just(Kind::Gauge), 2 => Just(Kind::Counter), 1 => Just(Kind::Constant)]
}

fn fault() -> impl Strategy<Value = Fault> {
    (100..200_usize, 5..60_usize, prop_oneof![Just(0.0), Just(4.0), Just(10.0)])
        .prop_map(|(at, steps, factor)| Fault { at, steps, factor })
}

prop_compose! {
    fn plan()(
        kind in kind(),
        level in 50.0..500.0_f64,
        cadence in prop_oneof![4 => Just(1_usize), 1 => Just(2_usize), 1 => Just(5_usize)],
        late_start in prop_oneof![2 => Just(0_usize), 1 => 0..150_usize],
        fault in option::weighted(0.7, fault()),
        gap in option::weighted(0.2, (120..220_usize, 1..30_usize)),
        stale_at in option::weighted(0.2, 120..220_usize),
    ) -> Plan {
        Plan { kind, level, cadence, late_start, fault, gap, stale_at }
    }
}

/// A few dozen cases, or as many as `PROPTEST_CASES` says.
#[expect(clippy::disallowed_methods, reason = "how long to search is no input of the engine")]
pub(crate) fn config() -> ProptestConfig {
    let asked = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok());
    ProptestConfig::with_cases(asked.unwrap_or(48))
}

/// Scenes in which anything may happen.
pub(crate) fn any_scene() -> impl Strategy<Value = Scene> {
    (proptest::collection::vec(plan(), 3..8), any::<u64>())
        .prop_map(|(plans, seed)| Scene { plans, seed })
}

/// Scenes without pauses, in which nothing is ever silent.
pub(crate) fn gapless_scene() -> impl Strategy<Value = Scene> {
    any_scene().prop_map(|mut scene| {
        for plan in &mut scene.plans {
            (plan.gap, plan.cadence) = (None, 1);
        }
        scene
    })
}

/// A scene of steady gauges, each of which breaks in its turn: it cannot but make events.
pub(crate) fn eventful_scene() -> Scene {
    let plan = |number: usize| Plan {
        kind: if number.is_multiple_of(2) { Kind::Gauge } else { Kind::Counter },
        level: 100.0 + number as f64,
        cadence: 1,
        late_start: 0,
        fault: Some(Fault { at: 120 + 10 * number, steps: 30, factor: 10.0 }),
        gap: None,
        stale_at: None,
    };
    Scene { plans: (0..6).map(plan).collect(), seed: 7 }
}

impl Scene {
    /// The labels of a series.
    pub(crate) fn labels(&self, series: usize) -> LabelSet {
        let name = match self.plans[series].kind {
            Kind::Gauge | Kind::Constant => "queue_depth",
            Kind::Counter => "requests_total",
        };
        let instance = format!("host-{series}");
        LabelSet::from_pairs([("__name__", name), ("instance", &instance)]).expect("a label set")
    }

    /// Everything that is received, step by step.
    pub(crate) fn steps(&self) -> Vec<Step> {
        let mut steps: Vec<_> = (0..STEPS)
            .map(|step| Step {
                received_at: at(step).plus_ms(RECEIPT_DELAY_MS),
                samples: Vec::new(),
            })
            .collect();
        for (series, plan) in self.plans.iter().enumerate() {
            let mut noise = Noise(self.seed ^ (series as u64) << 32);
            let mut count = 0.0;
            for (step, row) in steps.iter_mut().enumerate() {
                let value = plan.value(step, &mut noise, &mut count);
                if plan.is_sampled(step) {
                    row.samples.push((series, RawSample { timestamp: at(step), value }));
                }
            }
        }
        steps
    }

    /// A request with these samples, one `TimeSeries` each.
    pub(crate) fn request(&self, samples: &[(usize, RawSample)]) -> WriteRequest {
        let mut builder = WriteRequestBuilder::default();
        for &(series, sample) in samples {
            builder.series(&self.labels(series), &[sample]);
        }
        WriteRequest::decode(builder.encode(), &Limits::default()).expect("a request")
    }
}

impl Plan {
    fn value(&self, step: usize, noise: &mut Noise, count: &mut f64) -> f64 {
        if self.stale_at == Some(step) {
            return f64::from_bits(STALE_NAN_BITS);
        }
        let in_fault =
            self.fault.filter(|fault| (fault.at..fault.at + fault.steps).contains(&step));
        let factor = in_fault.map_or(1.0, |fault| fault.factor);
        let level = self.level * factor * (1.0 + 0.02 * noise.next());
        match self.kind {
            Kind::Constant => self.level,
            Kind::Gauge => level,
            Kind::Counter => {
                *count += level;
                *count
            }
        }
    }

    fn is_sampled(&self, step: usize) -> bool {
        let in_gap = self.gap.is_some_and(|(from, steps)| (from..from + steps).contains(&step));
        step >= self.late_start && step.is_multiple_of(self.cadence) && !in_gap
    }
}

/// Event time of a step.
pub(crate) fn at(step: usize) -> Timestamp {
    START.plus_ms(step as i64 * STEP_MS)
}

/// Settings under which alerts come soon and no cap holds them back; the gauges of the first four series are
/// exported. Local time is not that of UTC, and one series is in maintenance at times.
pub(crate) fn settings() -> Arc<Settings> {
    let mut settings = Settings { rules: vec![Rule::default()], ..Settings::default() };
    settings.budget.cap_per_day = u32::MAX;
    // Thresholds that depend on no other series, and detectors that are fast enough for thousands of scenes.
    settings.budget.per_day = 1000.0;
    settings.budget.per_series_per_day = 0.05;
    settings.deep.memory_bytes = 0;
    let first = Matcher::new("instance", MatchOp::Regex, "host-[0-3]").expect("a pattern");
    settings.gauges = vec![Matchers::new(vec![first])];
    settings.calendar = calendar();
    Arc::new(settings)
}

fn calendar() -> Calendar {
    let zone = Zone::named("America/New_York").expect("a zone");
    let third = Matcher::new("instance", MatchOp::Equal, "host-2").expect("a matcher");
    let maintenance = vec![Maintenance {
        name: "reboot".into(),
        matchers: vec![Matchers::new(vec![third])],
        times: [60, 180, 230]
            .map(|step| MaintenanceTime::Once { start: at(step), end: at(step + 7) })
            .to_vec(),
    }];
    // 2025-06-15, the day on which scenes take place.
    let holidays = vec![Holiday::parse("06-15").expect("a date")];
    Calendar { zone, holidays, maintenance }
}

/// Roughly normal noise: the sum of four uniform numbers (splitmix64).
pub(crate) struct Noise(pub(crate) u64);

impl Noise {
    pub(crate) fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        (self.bits() % bound as u64) as usize
    }

    fn next(&mut self) -> f64 {
        let sum: f64 = (0..4).map(|_| self.bits() as f64 / u64::MAX as f64 - 0.5).sum();
        sum * 3.0_f64.sqrt()
    }
}
