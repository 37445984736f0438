//! The plain sentence of an event: what was expected, what was seen, how unusual it is.

use bellwether_detect::ExpectedBand;
use bellwether_series::LabelSet;

use crate::event::{ChangeKind, ResolveReason, SignalKind};
use crate::partition::Finding;

/// What the sentence is about.
pub(crate) struct Facts<'a> {
    pub(crate) labels: &'a LabelSet,
    pub(crate) signal: SignalKind,
    pub(crate) change: ChangeKind,
    pub(crate) reason: Option<ResolveReason>,
    pub(crate) value: f64,
    pub(crate) expected: f64,
    pub(crate) band: ExpectedBand,
    pub(crate) surprise: f64,
    pub(crate) lasted_ms: i64,
}

/// Writes the sentence.
pub(crate) fn explain(facts: &Facts<'_>) -> String {
    let Facts { labels, value, expected, band, .. } = facts;
    let unit = match facts.signal {
        SignalKind::Value => "",
        SignalKind::Rate => "/s",
    };
    let name = labels.metric_name();
    if facts.change == ChangeKind::Resolved {
        let lasted = duration(facts.lasted_ms);
        return match facts.reason {
            Some(ResolveReason::SeriesEnded) => {
                format!("{name} ended (stale marker) {lasted} after the anomaly began.")
            }
            Some(ResolveReason::Silent) => {
                format!("{name} fell silent {lasted} after the anomaly began.")
            }
            Some(ResolveReason::Unwatched) => {
                format!("{name} is no longer watched; the anomaly had begun {lasted} before.")
            }
            Some(ResolveReason::Maintenance) => {
                format!("{name} is in maintenance; the anomaly had begun {lasted} before.")
            }
            Some(ResolveReason::Normal) | None => format!(
                "{name} is back to {}{unit}, expected {}{unit}, {lasted} after the anomaly began.",
                number_text(*value),
                number_text(*expected),
            ),
        };
    }
    let direction = if value >= expected { "above" } else { "below" };
    format!(
        "{name} is {}{unit}, {direction} the expected {}{unit} ({} to {}): as unusual as one in {} \
         observations of this series.",
        number_text(*value),
        number_text(*expected),
        number_text(band.lower),
        number_text(band.upper),
        one_in_text(facts.surprise),
    )
}

/// What the sentence about a group is about.
pub(crate) struct GroupFacts<'a> {
    /// The labels that its series share.
    pub(crate) labels: &'a LabelSet,
    pub(crate) change: ChangeKind,
    pub(crate) reason: Option<ResolveReason>,
    pub(crate) finding: Finding,
    /// Series judged, and those of them that are what was found.
    pub(crate) judged: usize,
    pub(crate) unusual: usize,
    /// Names of those that are most so.
    pub(crate) top: Vec<String>,
    pub(crate) surprise: f64,
    pub(crate) lasted_ms: i64,
}

/// Writes the sentence about a group.
pub(crate) fn explain_group(facts: &GroupFacts<'_>) -> String {
    let GroupFacts { labels, judged, unusual, .. } = facts;
    if facts.change == ChangeKind::Resolved {
        let lasted = duration(facts.lasted_ms);
        return match facts.reason {
            Some(ResolveReason::Silent) => {
                format!("{labels} fell silent {lasted} after the anomaly began.")
            }
            Some(ResolveReason::Unwatched) => {
                format!("{labels} is no longer watched; the anomaly had begun {lasted} before.")
            }
            _ => format!("The metrics of {labels} are as usual, {lasted} after the anomaly began."),
        };
    }
    let (top, one_in) = (facts.top.join(", "), one_in_text(facts.surprise));
    match facts.finding {
        Finding::Unusual => format!(
            "{unusual} of {judged} metrics of {labels} are unusual, above all {top}: together as unusual as one in \
             {one_in} observations of this group."
        ),
        Finding::Odd => {
            let names = if top.is_empty() { String::new() } else { format!(", above all {top}") };
            format!(
                "{unusual} of {judged} series of {labels} differ from the others{names}: as unusual as one in {one_in} \
                 observations of this group."
            )
        }
        Finding::TooFew { usual } => {
            let names = if top.is_empty() { String::new() } else { format!(" (not {top})") };
            format!(
                "{judged} series of {labels} are there, fewer than the usual {usual:.0}{names}: as unusual as one in \
                 {one_in} observations of this group."
            )
        }
    }
}

/// `value` with four significant digits, without an exponent where a human would not write one.
pub fn number_text(value: f64) -> String {
    let magnitude = value.abs();
    if value == 0.0 {
        "0".to_owned()
    } else if (1e-4..1e7).contains(&magnitude) {
        let digits = (3 - libm::floor(libm::log10(magnitude)) as i32).clamp(0, 8) as usize;
        let text = format!("{value:.digits$}");
        if text.contains('.') {
            text.trim_end_matches('0').trim_end_matches('.').to_owned()
        } else {
            text
        }
    } else {
        format!("{value:.3e}")
    }
}

/// `10^surprise` in words that fit a sentence: `20 million`.
pub fn one_in_text(surprise: f64) -> String {
    const NAMES: [(f64, &str); 3] = [(9.0, "billion"), (6.0, "million"), (3.0, "thousand")];
    if surprise >= 12.0 {
        return "more than a trillion".to_owned();
    }
    for (power, name) in NAMES {
        if surprise >= power {
            return format!("{:.0} {name}", libm::exp10(surprise - power));
        }
    }
    format!("{:.0}", libm::exp10(surprise))
}

fn duration(ms: i64) -> String {
    let seconds = ms / 1000;
    match seconds {
        ..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds / 60),
        7200.. => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sentence_says_what_was_expected_what_was_seen_and_how_unusual_it_is() {
        let labels = LabelSet::from_pairs([("__name__", "latency_seconds")]).unwrap();
        let mut facts = Facts {
            labels: &labels,
            signal: SignalKind::Value,
            change: ChangeKind::Firing,
            reason: None,
            value: 1.23456,
            expected: 0.2,
            band: ExpectedBand { lower: 0.15, upper: 0.25 },
            surprise: 7.3,
            lasted_ms: 0,
        };
        assert_eq!(
            explain(&facts),
            "latency_seconds is 1.235, above the expected 0.2 (0.15 to 0.25): as unusual as one in \
             20 million observations of this series."
        );
        facts.change = ChangeKind::Resolved;
        facts.lasted_ms = 8_000_000;
        assert_eq!(
            explain(&facts),
            "latency_seconds is back to 1.235, expected 0.2, 2 h 13 min after the anomaly began."
        );
    }

    #[test]
    fn numbers_read_well() {
        for (value, text) in [
            (0.0, "0"),
            (12_345.678, "12346"),
            (0.001_234_5, "0.001234"),
            (-3.0, "-3"),
            (1e12, "1.000e12"),
            (99.996, "100"),
        ] {
            assert_eq!(number_text(value), text);
        }
    }
}
