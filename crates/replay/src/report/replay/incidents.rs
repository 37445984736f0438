//! Alerts that belong together: those of one group at one time.

use std::collections::BTreeMap;

use bellwether_engine::{GroupRule, Settings};
use bellwether_series::LabelSet;

use crate::report::episodes::{Episode, Scene};

/// Alerts of one group, each of which began while another one fired; or one alert.
#[derive(Debug)]
pub(super) struct Incident<'a> {
    /// By the time at which they fired.
    pub(super) alerts: Vec<&'a Episode>,
    over_ms: i64,
}

impl<'a> Incident<'a> {
    /// Its alerts, the one with the highest peak over its threshold first.
    pub(super) fn worst_first(&self) -> Vec<&'a Episode> {
        let mut alerts = self.alerts.clone();
        alerts.sort_by(|a, b| excess(b).total_cmp(&excess(a)));
        alerts
    }

    fn excess(&self) -> f64 {
        self.alerts.iter().map(|alert| excess(alert)).fold(0.0, f64::max)
    }
}

/// How far the peak of an alert was over its threshold.
fn excess(alert: &Episode) -> f64 {
    (alert.peak_surprise - alert.threshold()).max(0.0)
}

/// The incidents of `scene`, the greatest first; alerts that the cap held back are in them.
pub(super) fn incidents<'a>(scene: &'a Scene, settings: &Settings) -> Vec<Incident<'a>> {
    let mut done: Vec<Incident<'_>> = Vec::new();
    let mut newest: BTreeMap<Vec<&str>, Incident<'_>> = BTreeMap::new();
    for alert in scene.episodes.iter().filter(|episode| episode.alerts()) {
        let over_ms = alert.over_ms(scene.end_ms);
        let alone = || Incident { alerts: vec![alert], over_ms };
        let Some(key) = scene.labels(alert).and_then(|labels| group(labels, settings)) else {
            done.push(alone());
            continue;
        };
        match newest.get_mut(&key) {
            Some(incident) if alert.at_ms() <= incident.over_ms => {
                incident.alerts.push(alert);
                incident.over_ms = incident.over_ms.max(over_ms);
            }
            _ => done.extend(newest.insert(key, alone())),
        }
    }
    done.extend(newest.into_values());
    done.sort_by(|a, b| {
        let begin = |incident: &Incident<'_>| {
            incident.alerts.first().map(|alert| (alert.at_ms(), alert.fingerprint))
        };
        b.excess().total_cmp(&a.excess()).then_with(|| begin(a).cmp(&begin(b)))
    });
    done
}

/// What a series has in common with others of its group, as `groups` of the configuration has it; the tenant besides.
fn group<'l>(labels: &'l LabelSet, settings: &Settings) -> Option<Vec<&'l str>> {
    // The alert of a group itself has the labels that its series share.
    let takes = |rule: &GroupRule| {
        !rule.by.is_empty() && rule.by.iter().all(|name| labels.get(name).is_some())
    };
    let rule = settings.groups.iter().find(|rule| takes(rule))?;
    let tenant = settings.tenants.as_ref().and_then(|tenants| labels.get(&tenants.label));
    let shared = rule.by.iter().map(|name| labels.get(name).unwrap_or_default());
    Some(std::iter::once(tenant.unwrap_or_default()).chain(shared).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Period;
    use crate::report::episodes::Episodes;
    use crate::report::testing::{DAY_MS, Life, MINUTE_MS, MONDAY_MS, life, log};

    #[test]
    fn alerts_of_an_instance_at_one_time_are_one_incident() {
        let at = |minute: i64| MONDAY_MS + minute * MINUTE_MS;
        let lives = [
            life("a", "one", at(0)),
            Life { peak: 9.0, ..life("b", "one", at(10)) },
            life("c", "two", at(10)),
            life("a", "one", at(40)),
        ];
        let mut episodes = Episodes::new(Period::new(MONDAY_MS, MONDAY_MS + DAY_MS).unwrap());
        for event in log(&lives) {
            episodes.take(&event);
        }
        let scene = episodes.finish();
        let incidents = incidents(&scene, &Settings::default());
        let metrics: Vec<Vec<_>> = incidents
            .iter()
            .map(|one| one.worst_first().iter().map(|alert| scene.metric(alert)).collect())
            .collect();
        assert_eq!(metrics, [vec!["b", "a"], vec!["c"], vec!["a"]]);
    }
}
