//! What a demonstration found, for people and for machines.

use std::fmt::Write;
use std::time::Duration;

use bellwether_replay::fleet::Incident;
use serde_json::{Value, json};

use super::judge::{Finding, Judge};
use crate::output::{one_line, time};

/// Most false alarms that the table lists.
const FALSE_ALARMS_MAX: usize = 10;

/// How much was streamed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Streamed {
    pub(super) seed: u64,
    pub(super) series: usize,
    pub(super) samples: u64,
    pub(super) days: u32,
    /// What it took.
    pub(super) took: Duration,
}

/// The line that says that an incident was found.
pub(super) fn found_line(finding: &Finding<'_>) -> String {
    let Finding { incident, alert } = finding;
    let Some(alert) = alert else { return String::new() };
    let after = delay(finding);
    let text = format!(
        "{}  found after {after:>4}: {}: {}",
        time(alert.at),
        incident.kind,
        alert.explanation
    );
    one_line(&text) + "\n"
}

/// The table at the end.
pub(super) fn table(streamed: &Streamed, judge: &Judge) -> String {
    let (findings, false_alarms) = (judge.findings(), judge.false_alarms());
    let name_width = findings.iter().map(|finding| finding.incident.kind.len()).max().unwrap_or(0);
    let mut text =
        format!("\n{:<name_width$}  {:<20}  {:>6}  series\n", "incident", "start", "after");
    for finding in &findings {
        let Incident { kind, start, description, .. } = finding.incident;
        let place = match finding.alert {
            Some(alert) => one_line(&alert.labels.to_string()),
            None => format!("({description})"),
        };
        let (start, after) = (time(*start), delay(finding));
        // Writing to a String cannot fail.
        _ = writeln!(text, "{kind:<name_width$}  {start:<20}  {after:>6}  {place}");
    }
    if !false_alarms.is_empty() {
        text.push_str("\nfalse alarms\n");
    }
    for alarm in false_alarms.iter().take(FALSE_ALARMS_MAX) {
        let line = format!("{}  {}  {}", time(alarm.at), alarm.labels, alarm.explanation);
        text.extend([&one_line(&line), "\n"]);
    }
    if let Some(more @ 1..) = false_alarms.len().checked_sub(FALSE_ALARMS_MAX) {
        _ = writeln!(text, "… and {more} more");
    }
    let found = count_found(&findings);
    let Streamed { series, samples, days, took, .. } = streamed;
    _ = writeln!(
        text,
        "\n{found} of {} incidents found, {} missed, {} false alarms \
         ({samples} samples of {series} series, {days} days in {:.1} s)",
        findings.len(),
        findings.len() - found,
        false_alarms.len(),
        took.as_secs_f64(),
    );
    text
}

/// The same as one JSON object.
pub(super) fn json(streamed: &Streamed, judge: &Judge) -> Value {
    let (findings, false_alarms) = (judge.findings(), judge.false_alarms());
    let found = count_found(&findings);
    let incident_details = findings.iter().map(|finding| {
        json!({
            "kind": finding.incident.kind,
            "description": finding.incident.description,
            "start": time(finding.incident.start),
            "end": time(finding.incident.end),
            "found": finding.alert.is_some(),
            "delay_seconds": finding.delay_ms().map(|ms| ms / 1000),
            "series": finding.alert.map(|alert| alert.labels.to_string()),
        })
    });
    let false_alarm_details = false_alarms.iter().map(|alarm| {
        json!({
            "at": time(alarm.at),
            "series": alarm.labels.to_string(),
            "explanation": alarm.explanation,
        })
    });
    json!({
        "seed": streamed.seed,
        "series": streamed.series,
        "samples": streamed.samples,
        "days": streamed.days,
        "seconds": (streamed.took.as_secs_f64() * 1000.0).round() / 1000.0,
        "incidents": findings.len(),
        "found": found,
        "missed": findings.len() - found,
        "false_alarms": false_alarms.len(),
        "incident_details": incident_details.collect::<Vec<_>>(),
        "false_alarm_details": false_alarm_details.collect::<Vec<_>>(),
    })
}

fn count_found(findings: &[Finding<'_>]) -> usize {
    findings.iter().filter(|finding| finding.alert.is_some()).count()
}

/// Minutes until the alert, or that there was none.
fn delay(finding: &Finding<'_>) -> String {
    match finding.delay_ms() {
        Some(ms) => format!("{}m", (ms + 30_000) / 60_000),
        None => "missed".to_owned(),
    }
}
