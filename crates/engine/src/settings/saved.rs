//! Settings as they are saved and read back.
//!
//! What is read was valid when it was written, but a file can hold anything: what parts cannot say of themselves is
//! checked here, so that no settings ever lead the engine out of its bounds.

use bellwether_detect::group::{GroupSpec, JOINT_SIGNALS_MAX};
use bellwether_detect::peer::MEMBERS_MAX;
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{AlertPolicy, Budget, Settings};
use crate::calendar::Calendar;
use crate::group_rule::GroupRule;

impl Serialize for Settings {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Self::serialize(self, serializer)
    }
}

impl<'de> Deserialize<'de> for Settings {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let read = Self::deserialize(deserializer)?;
        match read.fault() {
            None => Ok(read),
            Some(fault) => Err(D::Error::custom(fault)),
        }
    }
}

impl Settings {
    /// What the engine could not live with.
    fn fault(&self) -> Option<&'static str> {
        let Self { ordering, series, ha, rules, budget, groups, calendar, tenants, .. } = self;
        let is_replica = |label: &str| ha.replica_labels.iter().any(|replica| **replica == *label);
        let waits = |policy: &AlertPolicy| [policy.for_ms, policy.keep_firing_for_ms];
        let waits = rules.iter().flat_map(|rule| waits(&rule.alert));
        let lives = [series.time_to_live_ms, series.idle_after_ms];
        let times = [ordering.lateness_ms, ordering.future_max_ms].into_iter().chain(lives);
        let Budget { per_day, per_series_per_day, cap_per_day: _ } = *budget;
        if rules.is_empty() {
            Some("settings have no rule")
        } else if waits.chain(times).any(|ms| ms < 0) {
            Some("a duration is negative")
        } else if !is_budget(per_day) || !is_budget(per_series_per_day) {
            Some("a budget is not above 0")
        } else if groups.len() > usize::from(u16::MAX) || !groups.iter().all(|rule| is_sound(rule))
        {
            Some("a group has members out of range")
        } else if calendar.maintenance.len() > Calendar::MAINTENANCE_MAX {
            Some("there is too much maintenance")
        } else if tenants.as_ref().is_some_and(|all| !all.is_sound() || is_replica(&all.label)) {
            Some("tenants have names or a label that none can have")
        } else {
            None
        }
    }
}

// Stated positively, so that no NaN gets in.
fn is_budget(alarms_per_day: f64) -> bool {
    0.0 < alarms_per_day && alarms_per_day < f64::INFINITY
}

fn is_sound(rule: &GroupRule) -> bool {
    let is_joint = rule.detectors.iter().any(|&spec| spec != GroupSpec::Peer);
    let most = if is_joint { JOINT_SIGNALS_MAX } else { MEMBERS_MAX };
    rule.members_min <= rule.members_max && rule.members_max <= most
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bellwether_detect::DetectorSpec;
    use bellwether_series::{MatchOp, Matcher, Matchers, Timestamp};
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;
    use crate::calendar::{DaysOfMonth, Months, Weekdays, Years};
    use crate::calendar::{Holiday, Maintenance, MaintenanceTime, TimeInterval, TimeRange, Zone};
    use crate::settings::Rule;
    use crate::tenants::{TenantLimits, Tenants};

    /// Something in every place.
    fn settings() -> Settings {
        let zone = Zone::named("Europe/Berlin").unwrap();
        let interval = TimeInterval {
            times: TimeRange::parse("22:00", "02:00").into_iter().collect(),
            weekdays: Weekdays::parse("friday:monday").into_iter().collect(),
            days_of_month: DaysOfMonth::parse("-3:-1").into_iter().collect(),
            months: Months::parse("november:february").into_iter().collect(),
            years: Years::parse("2026:2028").into_iter().collect(),
            zone: zone.clone(),
        };
        let once = MaintenanceTime::once("2026-12-24T22:00:00Z", "2026-12-25T22:00:00Z").unwrap();
        let maintenance = Maintenance {
            name: Arc::from("work"),
            matchers: vec![matchers("job", MatchOp::NotRegex, "a|b")],
            times: vec![once, MaintenanceTime::Recurring(interval)],
        };
        let holidays = ["12-25", "02-29", "2026-05-01"];
        let calendar = Calendar {
            zone,
            holidays: holidays.into_iter().filter_map(Holiday::parse).collect(),
            maintenance: vec![maintenance],
        };
        let gauges = vec![matchers("x", MatchOp::Equal, "")];
        let limits = [("a", 1), ("b", 150_000)];
        let limits = limits.map(|(name, series_max)| (name.into(), TenantLimits { series_max }));
        let tenants = Some(Tenants { limits: limits.into(), ..Tenants::default() });
        Settings { gauges, calendar, tenants, ..Settings::default() }
    }

    fn matchers(label: &str, op: MatchOp, value: &str) -> Matchers {
        Matchers::new(vec![Matcher::new(label, op, value).unwrap()])
    }

    fn saved(settings: &Settings) -> Value {
        serde_json::to_value(settings).unwrap()
    }

    fn read(json: &Value) -> Result<Settings, serde_json::Error> {
        serde_json::from_str(&json.to_string())
    }

    #[test]
    fn settings_come_back_as_they_went_in() {
        for settings in [Settings::default(), settings()] {
            assert_eq!(read(&saved(&settings)).unwrap(), settings);
        }
    }

    #[test]
    fn what_no_settings_can_be_is_refused() {
        let good = saved(&settings());
        let interval = "/calendar/maintenance/0/times/1/Recurring";
        let once = "/calendar/maintenance/0/times/0/Once";
        let places: &[(&str, Value)] = &[
            ("/rules", json!([])),
            ("/rules/0/alert/for_ms", json!(-1)),
            ("/rules/0/alert/importance", json!("vast")),
            ("/rules/0/detectors/0", json!({ "zscore": { "window": 1 } })),
            ("/rules/0/min_deviation", json!([-1.0, 0.0])),
            ("/ordering/lateness_ms", json!(-1)),
            ("/budget/per_day", json!(0.0)),
            ("/budget/per_series_per_day", json!(null)),
            ("/groups/0/members_min", json!(97)),
            ("/groups/0/members_max", json!(97)),
            ("/groups/0/detectors/0", json!("zscore")),
            ("/gauges/0", json!([{ "label": "a", "op": "=~", "value": "(" }])),
            ("/gauges/0", json!([{ "label": "a", "op": "~", "value": "" }])),
            ("/tenants/label", json!("__name__")),
            ("/tenants/label", json!("__replica__")),
            ("/tenants/limits", json!({ "..": {} })),
            ("/tenants/limits/a/series_max", json!(-1)),
            ("/calendar/zone", json!("Europe/Atlantis")),
            ("/calendar/holidays/0/month", json!(13)),
            ("/calendar/holidays/2", json!({ "year": 2026, "month": 2, "day": 29 })),
            ("/calendar/maintenance", json!(vec![good["calendar"]["maintenance"][0].clone(); 65])),
            (&format!("{interval}/times/0"), json!({ "start": 1440, "end": 5 })),
            (&format!("{interval}/times/0"), json!({ "start": 5, "end": 1441 })),
            (&format!("{interval}/times/0"), json!({ "start": 5, "end": 5 })),
            (&format!("{interval}/weekdays/0"), json!([0, 7])),
            (&format!("{interval}/days_of_month/0"), json!([0, 7])),
            (&format!("{interval}/days_of_month/0"), json!([-1, 7])),
            (&format!("{interval}/days_of_month/0"), json!([1, -128])),
            (&format!("{interval}/months/0"), json!([0, 1])),
            (&format!("{interval}/years/0"), json!([2027, 2026])),
            (&format!("{once}/end"), good.pointer(once).unwrap()["start"].clone()),
        ];
        for (place, value) in places {
            let mut bad = good.clone();
            *bad.pointer_mut(place).expect(place) = value.clone();
            assert!(read(&bad).is_err(), "{place} {value}");
        }
    }

    /// The places of all objects within `json`.
    fn objects(json: &Value, place: &str, found: &mut Vec<String>) {
        match json {
            Value::Object(fields) => {
                found.push(place.to_owned());
                for (name, value) in fields {
                    objects(value, &format!("{place}/{name}"), found);
                }
            }
            Value::Array(values) => {
                for (index, value) in values.iter().enumerate() {
                    objects(value, &format!("{place}/{index}"), found);
                }
            }
            _ => {}
        }
    }

    #[test]
    fn what_an_earlier_version_did_not_know_is_the_default() {
        let mut early = saved(&settings());
        early.as_object_mut().unwrap().remove("ha");
        early["series"].as_object_mut().unwrap().remove("per_metric_max");
        let read = read(&early).unwrap();
        assert_eq!(read.ha, crate::ha::HaPairs::default());
        assert_eq!(read.series.per_metric_max, crate::SeriesLimits::default().per_metric_max);
    }

    #[test]
    fn unknown_keys_are_refused_everywhere() {
        let good = saved(&settings());
        let mut places = Vec::new();
        objects(&good, "", &mut places);
        assert!(places.len() > 20, "{places:?}");
        for place in places {
            let mut bad = good.clone();
            bad.pointer_mut(&place).unwrap()["news"] = json!(1);
            assert!(read(&bad).is_err(), "{place}");
        }
    }

    proptest! {
        #[test]
        fn every_bit_of_a_number_and_every_text_comes_back(
            per_day in any::<f64>().prop_filter("a budget", |&budget| is_budget(budget)),
            limit in any::<f64>().prop_filter("finite", |limit| limit.is_finite()),
            texts in proptest::collection::vec(any::<String>(), 0..4),
            starts in any::<i64>(),
        ) {
            let mut settings = settings();
            settings.budget.per_day = per_day;
            let matcher = |text| Matcher::new(text, MatchOp::NotEqual, text).unwrap();
            let matchers = Matchers::new(texts.iter().map(matcher).collect());
            let spec = DetectorSpec::Exhaustion(bellwether_detect::forecast::ExhaustionParams {
                limit: limit.try_into().unwrap(),
                ..Default::default()
            });
            settings.rules.push(Rule { matchers, detectors: vec![spec], ..Rule::default() });
            let (start, end) = (Timestamp::from_ms(starts), Timestamp::from_ms(i64::MAX));
            if start < end {
                settings.calendar.maintenance[0].times[0] = MaintenanceTime::Once { start, end };
            }
            let text = serde_json::to_string(&settings).unwrap();
            let back: Settings = serde_json::from_str(&text).unwrap();
            prop_assert_eq!(back.budget.per_day.to_bits(), per_day.to_bits());
            prop_assert_eq!(serde_json::to_string(&back).unwrap(), text);
            prop_assert_eq!(back, settings);
        }
    }
}
