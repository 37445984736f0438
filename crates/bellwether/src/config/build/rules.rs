//! Rules, with what they inherit.

use std::collections::HashMap;
use std::sync::Arc;

use bellwether_detect::{
    DetectorSpec, MinDeviation, ParamError, absent, changepoint, flatline, forecast, iqr, seasonal,
    threshold, zscore,
};
use bellwether_engine::{AlertPolicy, CAP_RULE, DEFAULT_RULE, GROUP_RULE, HEALTH_RULE, Rule};
use bellwether_series::Matchers;

use super::Builder;
use crate::config::raw::{
    RawAlert, RawApproach, RawDefaultDeviation, RawDefaults, RawDetector, RawDeviation, RawRule,
};
use crate::config::text::DurationText;

/// Names of alerts that are not raised by a configured rule.
pub(super) const RESERVED_NAMES: [&str; 4] = [DEFAULT_RULE, GROUP_RULE, CAP_RULE, HEALTH_RULE];

impl Builder<'_, '_> {
    /// The rule that matches every series. It comes last.
    pub(super) fn fallback(&mut self, defaults: &RawDefaults) -> Rule {
        let alert = &defaults.alert;
        Rule {
            name: Arc::from(DEFAULT_RULE),
            matchers: Matchers::default(),
            detectors: self.detectors("defaults.detectors", &defaults.detectors),
            min_deviation: self.deviation("defaults.min_deviation", defaults.min_deviation),
            direction: defaults.direction.into(),
            alert: AlertPolicy {
                for_ms: alert.r#for.ms(),
                keep_firing_for_ms: alert.keep_firing_for.ms(),
                importance: alert.importance.into(),
            },
        }
    }

    /// The rules that stand in a file. `fallback` is made of `defaults`.
    pub(super) fn rules(
        &mut self,
        defaults: &RawDefaults,
        fallback: &Rule,
        raw: &[RawRule],
    ) -> Vec<Rule> {
        let mut rules: Vec<Rule> = Vec::with_capacity(raw.len());
        let mut names = HashMap::new();
        for (index, raw) in raw.iter().enumerate() {
            let field = format!("rules[{index}]");
            let rule = self.rule(&field, defaults, fallback, raw);
            self.check_name(&field, raw, &mut names, index);
            if let Some(first) = rules.iter().position(|earlier| earlier.matchers == rule.matchers)
                && raw.r#match.is_some()
            {
                let message = format!("rules[{first}] matches the same series and comes first");
                self.faults.value(&format!("{field}.match"), message, "remove one of the rules");
            }
            rules.push(rule);
        }
        rules
    }

    fn check_name(
        &mut self,
        field: &str,
        raw: &RawRule,
        names: &mut HashMap<String, usize>,
        index: usize,
    ) {
        let field = format!("{field}.name");
        let Some(name) = &raw.name else {
            self.faults.value(
                &field,
                "the rule has no name",
                "add one, for example `name: CheckoutLatency`",
            );
            return;
        };
        if name.trim().is_empty() || name.len() > 200 || name.chars().any(char::is_control) {
            let mend =
                "write 1 to 200 bytes without control characters, for example `CheckoutLatency`";
            self.faults.value(&field, "this cannot be the name of a rule", mend);
        } else if RESERVED_NAMES.contains(&name.as_str()) {
            let mend = "choose another one; what no rule matches is configured under `defaults`";
            self.faults.value(&field, "this name is bellwether's own", mend);
        } else if let Some(first) = names.insert(name.clone(), index) {
            let message = format!("rules[{first}] has the same name");
            self.faults.value(&field, message, "give each rule a name of its own");
        }
    }

    fn rule(
        &mut self,
        field: &str,
        defaults: &RawDefaults,
        fallback: &Rule,
        raw: &RawRule,
    ) -> Rule {
        let match_field = format!("{field}.match");
        let matchers = if let Some(text) = &raw.r#match {
            self.selector(&match_field, text)
        } else {
            let mend = "add one, for example `match: '{job=\"checkout\"}'`; what holds for every series goes under `defaults`";
            self.faults.value(&match_field, "the rule matches nothing", mend);
            Matchers::default()
        };
        let detectors = match &raw.detectors {
            Some(detectors) => self.detectors(&format!("{field}.detectors"), detectors),
            None => fallback.detectors.clone(),
        };
        let min_deviation = match &raw.min_deviation {
            Some(RawDeviation { absolute, relative }) => {
                let inherited = defaults.min_deviation;
                let deviation = RawDefaultDeviation {
                    absolute: absolute.unwrap_or(inherited.absolute),
                    relative: relative.unwrap_or(inherited.relative),
                };
                self.deviation(&format!("{field}.min_deviation"), deviation)
            }
            None => fallback.min_deviation,
        };
        Rule {
            name: Arc::from(raw.name.as_deref().unwrap_or_default()),
            matchers,
            detectors,
            min_deviation,
            direction: raw.direction.map_or(fallback.direction, Into::into),
            alert: raw.alert.as_ref().map_or(fallback.alert, |raw| alert(raw, fallback.alert)),
        }
    }

    fn detectors(&mut self, field: &str, raw: &[RawDetector]) -> Vec<DetectorSpec> {
        let mut detectors: Vec<DetectorSpec> = Vec::with_capacity(raw.len());
        for (index, raw) in raw.iter().enumerate() {
            let field = format!("{field}[{index}]");
            let specs = self.detector(&field, raw);
            let [spec] = specs.as_slice() else {
                let mend = "write one detector on each line: `- zscore: {}`, `- iqr: {}` or `- seasonal: {}`";
                self.faults.value(&field, "this does not name exactly one detector", mend);
                continue;
            };
            if detectors.iter().any(|earlier| earlier.name() == spec.name()) {
                let message = format!("`{}` is there twice", spec.name());
                self.faults.value(&field, message, "keep one of them");
            }
            detectors.push(*spec);
        }
        detectors
    }

    /// The detectors that one list entry names.
    fn detector(&mut self, field: &str, raw: &RawDetector) -> Vec<DetectorSpec> {
        let mut specs = Vec::new();
        if let Some(raw) = &raw.zscore {
            specs.push(DetectorSpec::Zscore(zscore::Params {
                window: self.param(&format!("{field}.zscore"), raw.window),
                robust: raw.robust,
                warm_up_samples: self.param(&format!("{field}.zscore"), raw.warm_up_samples),
            }));
        }
        if let Some(raw) = &raw.iqr {
            specs.push(DetectorSpec::Iqr(iqr::Params {
                window: self.param(&format!("{field}.iqr"), raw.window),
                warm_up_samples: self.param(&format!("{field}.iqr"), raw.warm_up_samples),
            }));
        }
        if let Some(raw) = &raw.seasonal {
            specs.push(DetectorSpec::Seasonal(seasonal::Params {
                warm_up_days: self.param(&format!("{field}.seasonal"), raw.warm_up_days),
                hour_of_week: raw.hour_of_week,
            }));
        }
        if let Some(raw) = &raw.forecast {
            specs.push(DetectorSpec::Forecast(forecast::Params {
                window: self.param(&format!("{field}.forecast"), raw.window),
                warm_up_samples: self.param(&format!("{field}.forecast"), raw.warm_up_samples),
            }));
        }
        if let Some(raw) = &raw.changepoint {
            specs.push(DetectorSpec::Changepoint(changepoint::Params {
                window: self.param(&format!("{field}.changepoint"), raw.window),
                warm_up_samples: self.param(&format!("{field}.changepoint"), raw.warm_up_samples),
            }));
        }
        if let Some(raw) = &raw.flatline {
            let warm_up_samples = self.param(&format!("{field}.flatline"), raw.warm_up_samples);
            specs.push(DetectorSpec::Flatline(flatline::Params { warm_up_samples }));
        }
        if let Some(raw) = &raw.absent {
            let warm_up_samples = self.param(&format!("{field}.absent"), raw.warm_up_samples);
            specs.push(DetectorSpec::Absent(absent::Params { warm_up_samples }));
        }
        specs.extend(self.limits(field, raw));
        specs.extend(raw.without_parameters());
        specs
    }

    /// The detectors that know a limit.
    fn limits(&mut self, field: &str, raw: &RawDetector) -> Vec<DetectorSpec> {
        let mut specs = Vec::new();
        if let Some(raw) = &raw.exhaustion {
            let field = format!("{field}.exhaustion");
            let minutes = u32::try_from(raw.horizon.ms() / 60_000).unwrap_or(u32::MAX);
            specs.push(DetectorSpec::Exhaustion(forecast::ExhaustionParams {
                limit: self.param(&field, raw.limit),
                approach: match raw.approach {
                    RawApproach::Falling => forecast::Approach::Falling,
                    RawApproach::Rising => forecast::Approach::Rising,
                },
                horizon_minutes: self.param(&field, minutes),
            }));
        }
        if let Some(raw) = &raw.threshold {
            let params = threshold::RawParams {
                above: raw.above,
                below: raw.below,
                valid_min: raw.valid_min,
                valid_max: raw.valid_max,
                surprise: None,
            };
            let params = threshold::Params::try_from(params).map_err(|error| {
                let field = format!("{field}.threshold.{}", error.param);
                let mend = format!("allowed: {}", error.expected);
                self.faults.value(&field, "the number is out of range", mend);
            });
            specs.extend(params.ok().map(DetectorSpec::Threshold));
        }
        specs
    }

    /// A parameter that the schema let through and its own type has the last word on.
    fn param<P, T>(&mut self, field: &str, value: T) -> P
    where
        P: TryFrom<T, Error = ParamError> + Default,
    {
        P::try_from(value).unwrap_or_else(|error| {
            let field = format!("{field}.{}", error.param);
            self.faults.value(
                &field,
                "the number is out of range",
                format!("allowed: {}", error.expected),
            );
            P::default()
        })
    }

    fn deviation(&mut self, field: &str, raw: RawDefaultDeviation) -> MinDeviation {
        MinDeviation::new(raw.absolute, raw.relative).unwrap_or_else(|error| {
            let field = format!("{field}.{}", error.param);
            self.faults.value(
                &field,
                "the number is out of range",
                format!("allowed: {}", error.expected),
            );
            MinDeviation::default()
        })
    }
}

/// What `raw` says, above what it inherits.
fn alert(raw: &RawAlert, inherited: AlertPolicy) -> AlertPolicy {
    AlertPolicy {
        for_ms: raw.r#for.map_or(inherited.for_ms, DurationText::ms),
        keep_firing_for_ms: raw
            .keep_firing_for
            .map_or(inherited.keep_firing_for_ms, DurationText::ms),
        importance: raw.importance.map_or(inherited.importance, Into::into),
    }
}
