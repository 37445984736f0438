//! What an alert tells the human who gets it.

use std::collections::BTreeMap;

use bellwether_engine::{ChangeKind, Event};

/// Text by name; the newest post wins at Alertmanager, so it may change while the alert lasts.
pub(super) type Annotations = BTreeMap<&'static str, String>;

pub(super) fn annotations(event: &Event) -> Annotations {
    let summary = if event.change == ChangeKind::Resolved {
        format!("{} is as expected again", event.labels.metric_name())
    } else {
        let (value, expected) = (number(event.value), number(event.expected));
        format!("{} is {value}, expected about {expected}", event.labels.metric_name())
    };
    BTreeMap::from([
        ("summary", summary),
        ("description", event.explanation.clone()),
        ("value", number(event.value)),
        ("expected", number(event.expected)),
        ("expected_lower", number(event.lower)),
        ("expected_upper", number(event.upper)),
        ("surprise", number((event.surprise * 100.0).round() / 100.0)),
        ("episode_id", event.episode_id.to_string()),
        ("event_id", event.id.clone()),
    ])
}

/// Six significant digits, with an exponent where plain digits would be unreadable.
fn number(value: f64) -> String {
    let magnitude = value.abs();
    if !value.is_finite() {
        return value.to_string();
    }
    if magnitude != 0.0 && !(1e-4..1e15).contains(&magnitude) {
        return format!("{value:.5e}");
    }
    // Parsing the rounded form back drops zeros at the end.
    let rounded: f64 = format!("{value:.5e}").parse().unwrap_or(value);
    rounded.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short_and_readable() {
        assert_eq!(number(0.0), "0");
        assert_eq!(number(12.0), "12");
        assert_eq!(number(0.1 + 0.2), "0.3");
        assert_eq!(number(-1_234.567_891), "-1234.57");
        assert_eq!(number(1e300), "1.00000e300");
        assert_eq!(number(123_456_789.0), "123457000");
        assert_eq!(number(f64::NAN), "NaN");
    }
}
