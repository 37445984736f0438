//! What happens in every fleet and is nobody's incident: deployments, restarts, lost samples.
//!
//! None of it is labelled: an alert about it is a false alarm.

use bellwether_series::Timestamp;

use super::FleetConfig;
use super::blueprint::Blueprint;
use super::effect::{Change, Effect};
use super::incidents::{Calendar, step_within};
use super::random::Random;
use super::season::{DAY_MS, HOUR_MS, MINUTE_MS};
use super::services::SERVICES;
use super::target::{Outage, OutageKind};

/// No upkeep before this day.
const FIRST_DAY: f64 = 0.4;

/// One plan of upkeep, in the making.
struct Upkeep<'a> {
    blueprint: &'a mut Blueprint,
    random: &'a mut Random,
    config: &'a FleetConfig,
    calendar: &'a mut Calendar,
}

/// Spreads upkeep over the time that incidents leave free.
pub(super) fn plan(
    blueprint: &mut Blueprint,
    random: &mut Random,
    config: &FleetConfig,
    calendar: &mut Calendar,
) {
    let mut upkeep = Upkeep { blueprint, random, config, calendar };
    let weeks = f64::from(config.days) / 7.0;
    let times = |per_fortnight: f64| (per_fortnight * weeks / 2.0).ceil() as usize;
    for _ in 0..times(3.0) {
        upkeep.deploy();
    }
    for _ in 0..times(2.0) {
        upkeep.restart_one();
    }
    for _ in 0..times(2.0) {
        upkeep.reboot();
    }
    for _ in 0..times(1.0) {
        upkeep.lose_everything();
    }
    for _ in 0..times(3.0) {
        upkeep.lose_one();
    }
}

impl Upkeep<'_> {
    /// A new version, one instance after the other, a few percent faster or slower from then on.
    fn deploy(&mut self) {
        let job = SERVICES[self.random.below(SERVICES.len())].name;
        let Some(start) = self.book(30, (9.5, 16.5)) else { return };
        let targets = self.blueprint.targets_of(job);
        let drift = self.random.between(0.95, 1.05);
        for (position, target) in targets.into_iter().enumerate() {
            let at = start.plus_ms(position as i64 * 4 * self.config.interval_ms);
            let back = self.withdraw(target, at, 1);
            let forever = Timestamp::from_ms(i64::MAX);
            let change = Change::Scale(drift);
            let permanent = Effect { start: back, end: forever, rise_ms: 0, fall_ms: 0, change };
            self.on_latency(target, permanent);
        }
    }

    /// One instance moves to another machine.
    fn restart_one(&mut self) {
        let job = SERVICES[self.random.below(SERVICES.len())].name;
        let Some(start) = self.book(20, (0.0, 24.0)) else { return };
        if let Some(target) = self.random.choose(&self.blueprint.targets_of(job)) {
            self.withdraw(target, start, 2);
        }
    }

    /// A node gets a new kernel at night.
    fn reboot(&mut self) {
        let Some(start) = self.book(20, (3.0, 5.0)) else { return };
        if let Some(target) = self.random.choose(&self.blueprint.targets_of("node")) {
            self.withdraw(target, start, 4);
        }
    }

    /// The scraper itself is restarted: samples of every series are missing.
    fn lose_everything(&mut self) {
        let Some(start) = self.book(10, (0.0, 24.0)) else { return };
        let steps = 3 + self.random.below(3) as i64;
        for target in 0..self.blueprint.targets.len() {
            self.lose(target, start, steps);
        }
    }

    /// Samples of one target are lost on the way.
    fn lose_one(&mut self) {
        let Some(start) = self.book(10, (0.0, 24.0)) else { return };
        let (target, steps) =
            (self.random.below(self.blueprint.targets.len()), 1 + self.random.below(6) as i64);
        self.lose(target, start, steps);
    }

    /// Takes a free time of so many minutes that starts within these hours of a day.
    fn book(&mut self, minutes: i64, hours: (f64, f64)) -> Option<Timestamp> {
        let window = (FIRST_DAY, f64::from(self.config.days) - 0.2);
        let (random, config) = (&mut *self.random, self.config);
        self.calendar.book(minutes * MINUTE_MS, || {
            let start = step_within(random, config, window)?;
            let hour = start.as_ms().rem_euclid(DAY_MS) as f64 / HOUR_MS as f64;
            (hours.0 <= hour && hour < hours.1).then_some(start)
        })
    }

    fn lose(&mut self, target: usize, start: Timestamp, steps: i64) {
        let end = start.plus_ms(steps * self.config.interval_ms);
        let outage = Outage { start, end, kind: OutageKind::Lost };
        self.blueprint.targets[target].outages.push(outage);
    }

    /// Restarts a target; its first requests are a little slower. Returns when it is back.
    fn withdraw(&mut self, target: usize, start: Timestamp, steps: i64) -> Timestamp {
        let back = start.plus_ms(steps * self.config.interval_ms);
        let outage = Outage { start, end: back, kind: OutageKind::Withdrawn };
        self.blueprint.targets[target].outages.push(outage);
        let (end, change) = (back.plus_ms(5 * MINUTE_MS), Change::Scale(1.3));
        let cold = Effect { start: back, end, rise_ms: 0, fall_ms: 5 * MINUTE_MS, change };
        self.on_latency(target, cold);
        back
    }

    fn on_latency(&mut self, target: usize, effect: Effect) {
        let slowest = self.blueprint.find("http_request_duration_p99_seconds", &[]);
        let own: Vec<usize> = slowest
            .into_iter()
            .filter(|&index| self.blueprint.generators[index].target == target)
            .collect();
        self.blueprint.affect(&own, effect);
    }
}
