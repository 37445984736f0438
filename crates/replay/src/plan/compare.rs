//! The alerts of one configuration held against those of the other.

use std::cmp::Ordering;

use super::alert::Alert;
use super::model::{Change, ChangeCounts, Difference, Plan, Side, days};
use super::run::Replayed;

/// The plan that `old` and `new` make, which are of the same input. A pair counts as moved when somebody is told earlier or later
/// by more than `moved_ms`.
pub fn compare(old: &Replayed, new: &Replayed, moved_ms: i64) -> Plan {
    let (since_ms, until_ms) = old.sampled_ms.or(new.sampled_ms).unwrap_or_default();
    let days = days(since_ms, until_ms);
    let mut counts = ChangeCounts::default();
    let mut changes = Vec::new();
    for (old, new) in matched(&old.alerts, &new.alerts) {
        let Some(change) = change(old, new, moved_ms) else {
            counts.unchanged += 1;
            continue;
        };
        let Some(alert) = old.or(new) else { continue };
        counts.add(change);
        let series = alert.series.clone();
        changes.push(Difference { change, series, old: old.cloned(), new: new.cloned() });
    }
    changes.sort_by(|a, b| {
        (a.fired_at_ms(), &a.series, a.change).cmp(&(b.fired_at_ms(), &b.series, b.change))
    });
    let side =
        |replayed: &Replayed| Side::new(replayed.config_digest.clone(), &replayed.alerts, days);
    Plan { since_ms, until_ms, moved_ms, old: side(old), new: side(new), counts, changes }
}

/// Pairs alerts of the same series that overlap, each with one at most; the rest stays alone. Both are in the order of
/// [`Alerts::finish`](super::Alerts::finish).
///
/// Alerts of a series do not overlap each other, so of the first of both sides one overlaps with nothing but the other, if they
/// overlap at all: pairing them costs no other pair, and there are as many pairs as there can be.
fn matched<'a>(old: &'a [Alert], new: &'a [Alert]) -> Vec<(Option<&'a Alert>, Option<&'a Alert>)> {
    let mut rows = Vec::with_capacity(old.len().max(new.len()));
    let (mut olds, mut news) = (old.iter().peekable(), new.iter().peekable());
    loop {
        let order = match (olds.peek(), news.peek()) {
            (None, None) => return rows,
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(old), Some(new)) => place(old, new),
        };
        // Whoever is over first can have no later partner.
        rows.push((
            if order.is_le() { olds.next() } else { None },
            if order.is_ge() { news.next() } else { None },
        ));
    }
}

/// Whether `old` lies wholly before `new`, wholly behind it, or is its partner.
fn place(old: &Alert, new: &Alert) -> Ordering {
    let by_series = old.fingerprint.cmp(&new.fingerprint);
    by_series.then_with(|| {
        if old.overlaps(new) { Ordering::Equal } else { old.starts_at_ms.cmp(&new.starts_at_ms) }
    })
}

/// What differs; `None` if nothing does.
fn change(old: Option<&Alert>, new: Option<&Alert>, moved_ms: i64) -> Option<Change> {
    let (old, new) = match (old, new) {
        (Some(old), Some(new)) => (old, new),
        (Some(_), None) => return Some(Change::Vanished),
        (None, Some(_)) => return Some(Change::Appeared),
        (None, None) => return None,
    };
    let by_ms = old.fired_at_ms.abs_diff(new.fired_at_ms);
    if old.severity != new.severity {
        Some(Change::Severity)
    } else if old.rule != new.rule {
        Some(Change::Rule)
    } else if by_ms > moved_ms.unsigned_abs() {
        Some(Change::Moved)
    } else {
        None
    }
}

#[cfg(test)]
mod tests;
