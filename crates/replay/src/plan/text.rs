//! A plan for a terminal.

use std::fmt::Write;

use super::alert::Alert;
use super::model::{Change, Difference, Plan, Side};
use crate::report::{agreeing, counted, duration_text, extrapolated, time_text};

/// `plan` as text, with its first `rows_max` changes.
pub fn text(plan: &Plan, rows_max: usize) -> String {
    let mut text = String::new();
    // Writing to a String cannot fail.
    _ = writeln!(text, "{}\n", title(plan));
    for (name, side) in [("old", &plan.old), ("new", &plan.new)] {
        _ = writeln!(text, "{name}  {}", side_text(plan, side));
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
    format!("Bellwether plan, {since} to {until} UTC ({})", duration_text(plan.length_ms()))
}

pub(super) fn side_text(plan: &Plan, side: &Side) -> String {
    let Side { config_digest, alerts, critical, alerts_per_day } = side;
    let (alerts, over_ms) = (counted(*alerts, "alert"), plan.length_ms());
    let by_day = match over_ms {
        // Of no time nothing can be said by day.
        0 => String::new(),
        _ => format!("; {alerts_per_day:.2} a day{}", extrapolated(over_ms)),
    };
    format!("{alerts}, {critical} of them critical{by_day}; configuration {config_digest}")
}

pub(super) fn counts_text(plan: &Plan) -> String {
    let counts = &plan.counts;
    let moved = duration_text(plan.moved_ms);
    let does =
        |count: u64, one: &str, many: &str| format!("{count} {}", agreeing(count, one, many));
    [
        does(counts.appeared, "appears", "appear"),
        does(counts.vanished, "vanishes", "vanish"),
        does(counts.severity, "changes severity", "change severity"),
        does(counts.rule, "changes rule", "change rule"),
        does(counts.moved, "moves", "move") + " by more than " + &moved,
        does(counts.unchanged, "stays as it is", "stay as they are"),
    ]
    .join(", ")
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::ChangeCounts;

    fn plan(length_ms: i64, alerts: u64) -> Plan {
        let side = |alerts_per_day| {
            let config_digest = "digest".into();
            Side { config_digest, alerts, critical: 0, alerts_per_day }
        };
        let counts = ChangeCounts { appeared: 1, vanished: 2, unchanged: 1, ..Default::default() };
        let (old, new, changes) = (side(144.0), side(144.0), Vec::new());
        Plan { since_ms: 0, until_ms: length_ms, moved_ms: 300_000, old, new, counts, changes }
    }

    #[test]
    fn what_is_counted_agrees_with_its_number() {
        let text = counts_text(&plan(0, 1));
        let expected = "1 appears, 2 vanish, 0 change severity, 0 change rule, 0 move by more than 5m, 1 stays as it is";
        assert_eq!(text, expected);
    }

    #[test]
    fn alerts_a_day_of_less_than_a_day_are_said_to_be_extrapolated() {
        let of = |length_ms, alerts| {
            let plan = plan(length_ms, alerts);
            side_text(&plan, &plan.old)
        };
        let short = "1 alert, 0 of them critical; 144.00 a day, extrapolated from 10m; configuration digest";
        assert_eq!(of(600_000, 1), short);
        let day = "2 alerts, 0 of them critical; 144.00 a day; configuration digest";
        assert_eq!(of(86_400_000, 2), day);
        assert_eq!(of(0, 2), "2 alerts, 0 of them critical; configuration digest");
        assert!(title(&plan(600_000, 1)).ends_with(" UTC (10m)"));
    }
}
