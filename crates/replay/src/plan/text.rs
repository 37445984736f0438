//! A plan for a terminal.

use std::fmt::Write;

use super::alert::Alert;
use super::model::{Change, Difference, Plan, Side};
use crate::report::{duration_text, time_text};

/// `plan` as text, with its first `rows_max` changes.
pub fn text(plan: &Plan, rows_max: usize) -> String {
    let mut text = String::new();
    // Writing to a String cannot fail.
    _ = writeln!(text, "{}\n", title(plan));
    for (name, side) in [("old", &plan.old), ("new", &plan.new)] {
        _ = writeln!(text, "{name}  {}", side_text(side));
    }
    _ = writeln!(text, "\n{}", counts_text(plan));
    if !plan.changes.is_empty() {
        text.push('\n');
    }
    for difference in plan.changes.iter().take(rows_max) {
        let (change, at) = (difference.change, time_text(difference.fired_at_ms()));
        let (what, series) = (what(difference), one_line(&difference.series));
        let name = change.as_str();
        _ = writeln!(text, "{} {name:<9} {at}  {what:<22} {series}", sign(change));
    }
    if let Some(more) = more(plan, rows_max) {
        _ = writeln!(text, "  {more}");
    }
    text
}

pub(super) fn title(plan: &Plan) -> String {
    let (since, until) = (time_text(plan.since_ms), time_text(plan.until_ms));
    format!("Bellwether plan, {since} to {until} UTC ({:.1} days)", plan.days())
}

pub(super) fn side_text(side: &Side) -> String {
    let Side { config_digest, alerts, critical, alerts_per_day } = side;
    format!(
        "{alerts} alerts, {critical} of them critical; {alerts_per_day:.2} a day; configuration {config_digest}"
    )
}

pub(super) fn counts_text(plan: &Plan) -> String {
    let counts = &plan.counts;
    let moved = duration_text(plan.moved_ms);
    format!(
        "{} appear, {} vanish, {} change severity, {} change rule, {} move by more than {moved}, {} stay as they are",
        counts.appeared,
        counts.vanished,
        counts.severity,
        counts.rule,
        counts.moved,
        counts.unchanged
    )
}

/// What there is no room for.
pub(super) fn more(plan: &Plan, rows_max: usize) -> Option<String> {
    let more = plan.changes.len().checked_sub(rows_max).filter(|&more| more > 0)?;
    Some(format!("and {more} more; --rows shows more of them, --format json all"))
}

/// What the new configuration makes of an alert.
pub(super) fn what(difference: &Difference) -> String {
    let later = |ms: i64| {
        let by = duration_text(i64::try_from(ms.unsigned_abs()).unwrap_or(i64::MAX));
        format!("{by} {}", if ms < 0 { "earlier" } else { "later" })
    };
    let (old, new) = match (&difference.old, &difference.new) {
        (Some(old), Some(new)) => (old, new),
        (Some(alert), None) | (None, Some(alert)) => return alert.severity.to_string(),
        (None, None) => return String::new(),
    };
    match difference.change {
        Change::Severity => arrow(old, new, |alert| alert.severity.as_str()),
        Change::Rule => arrow(old, new, |alert| &alert.rule),
        _ => difference.later_ms().map(later).unwrap_or_default(),
    }
}

fn arrow<'a>(old: &'a Alert, new: &'a Alert, field: impl Fn(&'a Alert) -> &'a str) -> String {
    format!("{} -> {}", one_line(field(old)), one_line(field(new)))
}

fn sign(change: Change) -> char {
    match change {
        Change::Appeared => '+',
        Change::Vanished => '-',
        Change::Severity | Change::Rule | Change::Moved => '~',
    }
}

/// `text` with its control characters escaped.
pub(super) fn one_line(text: &str) -> String {
    let escaped = |character: char| {
        if character.is_control() {
            character.escape_default().to_string()
        } else {
            character.into()
        }
    };
    text.chars().map(escaped).collect()
}
