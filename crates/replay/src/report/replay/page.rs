//! The page of a replay: the report on its events, and what an observer has seen.

use bellwether_engine::Settings;
use minijinja::context;
use minijinja::value::Serde;
use serde::Serialize;

use super::incidents::{Incident, incidents};
use super::plot::{Marks, Plot};
use super::{Facts, Observer};
use crate::report::count;
use crate::report::episodes::{Episode, Scene};
use crate::report::html::{HtmlError, day_chart, render};

const TEMPLATE: &str = concat!(include_str!("../parts.html"), include_str!("page.html"));
/// Incidents that are shown.
const INCIDENTS_MAX: usize = 10;
/// Alerts of an incident that are named besides the worst.
const OTHERS_MAX: usize = 6;

/// An incident as the page shows it.
#[derive(Debug, Serialize)]
struct Card {
    series: String,
    rule: String,
    severity: &'static str,
    is_held_back: bool,
    fired_ms: i64,
    /// `None` while it goes on.
    firing_ms: Option<i64>,
    peak: f64,
    threshold: f64,
    others: Vec<String>,
    more_others: usize,
    /// The series that the plot shows, if it is not that of the incident.
    plotted: Option<String>,
    plot: Option<Plot>,
}

/// The page of a replay whose events make up `scene`.
///
/// # Errors
/// When the template does not fit; tests hold that it does.
pub(super) fn page(
    scene: &Scene,
    observer: &Observer,
    facts: &Facts,
    settings: &Settings,
) -> Result<String, HtmlError> {
    let report = count::report(scene, &settings.budget);
    let incidents = incidents(scene, settings);
    let cards: Vec<_> = incidents
        .iter()
        .take(INCIDENTS_MAX)
        .filter_map(|incident| card(incident, scene, observer))
        .collect();
    let noisiest = report.series.rows.iter().map(|row| row.fired + row.held_back).max();
    let (samples, judged) = facts.samples;
    let values = context! {
        report => Serde(&report),
        days => Serde(day_chart(&report)),
        incidents => Serde(cards),
        incidents_total => incidents.len(),
        calibration => Serde(observer.calibration.plot()),
        noisiest => noisiest.unwrap_or(0).max(1),
        samples => samples,
        judged => judged,
        watched => facts.series,
        part => facts.part.0,
        parts => facts.part.1,
        is_complete => facts.is_complete,
        since_ms => facts.received.map_or(0, |(first, _)| first.as_ms()),
        digest => &*settings.digest,
    };
    render(TEMPLATE, values)
}

fn card(incident: &Incident<'_>, scene: &Scene, observer: &Observer) -> Option<Card> {
    let alerts = incident.worst_first();
    let worst = *alerts.first()?;
    let tracked = alerts.iter().find_map(|alert| Some((*alert, observer.tracks.of(alert.id)?)));
    let plot = tracked.and_then(|(alert, track)| Plot::new(&track.points, &marks(alert)));
    let plotted = tracked.filter(|(alert, _)| alert.fingerprint != worst.fingerprint);
    let mut others: Vec<_> = alerts[1..].iter().map(|alert| scene.series_text(alert)).collect();
    others.dedup();
    let more_others = others.len().saturating_sub(OTHERS_MAX);
    others.truncate(OTHERS_MAX);
    Some(Card {
        series: scene.series_text(worst),
        rule: worst.rule.to_string(),
        severity: worst.severity.as_str(),
        is_held_back: !worst.fired(),
        fired_ms: worst.at_ms(),
        firing_ms: (!worst.is_open()).then(|| worst.firing_ms(scene.end_ms)),
        peak: worst.peak_surprise,
        threshold: worst.threshold(),
        others,
        more_others,
        plotted: plotted.map(|(alert, _)| scene.series_text(alert)),
        plot,
    })
}

fn marks(alert: &Episode) -> Marks {
    Marks {
        began_ms: alert.starts_at_ms,
        fired_ms: alert.at_ms(),
        resolved_ms: alert.resolved.map(|resolved| resolved.at_ms),
        threshold: alert.threshold(),
    }
}
