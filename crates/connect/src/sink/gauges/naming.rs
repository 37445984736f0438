//! What the gauges of a series are called.
//!
//! A gauge has the labels of the series it is about, with the metric name as label `metric`, and the rule
//! as label `rule`. The series' own labels of these names get the prefix `exported_`, and those that
//! look as if they had got it already get another one. So no two series share a gauge.

use std::borrow::Cow;
use std::collections::BTreeMap;

use bellwether_engine::GaugeReading;
use bellwether_series::{LabelError, LabelSet, METRIC_NAME};

/// How many gauges a series has.
pub(super) const GAUGES: usize = GAUGE_NAMES.len();

/// The metric names of the gauges of a series, in the order of [`gauge_values`].
pub const GAUGE_NAMES: [&str; 4] = [
    "bellwether_surprise",
    "bellwether_expected",
    "bellwether_expected_lower",
    "bellwether_expected_upper",
];

/// What `reading` says, in the order of [`GAUGE_NAMES`].
pub const fn gauge_values(reading: &GaugeReading) -> [f64; 4] {
    [reading.surprise, reading.expected, reading.lower, reading.upper]
}

/// The labels of the gauges of the series with `labels`, without the metric name.
pub(super) struct Named<'a>(BTreeMap<Cow<'a, str>, &'a str>);

impl<'a> Named<'a> {
    pub(super) fn new(labels: &'a LabelSet, rule: &'a str) -> Self {
        let own = labels.iter().map(|(name, value)| (exported_name(name), value));
        Self(
            own.chain([(Cow::Borrowed("rule"), rule)])
                .filter(|(_, value)| !value.is_empty())
                .collect(),
        )
    }

    /// For remote write: the label set of each gauge, in the order of [`GAUGE_NAMES`].
    pub(super) fn wire(&self) -> Result<[LabelSet; GAUGES], LabelError> {
        let labels = |gauge| {
            let own = self.0.iter().map(|(name, value)| (name.as_ref(), *value));
            LabelSet::from_pairs(own.chain([(METRIC_NAME, gauge)]))
        };
        let [surprise, expected, lower, upper] = GAUGE_NAMES;
        Ok([labels(surprise)?, labels(expected)?, labels(lower)?, labels(upper)?])
    }

    /// For the text format 0.0.4: what is not legal in a label name becomes `_`, further ones are added
    /// until the name is unique. Sorted by name.
    pub(super) fn shown(&self) -> Vec<(String, String)> {
        let (legal, illegal): (Vec<_>, Vec<_>) =
            self.0.iter().partition(|(name, _)| legal_name(name) == **name);
        let mut shown = BTreeMap::new();
        for (name, value) in legal.into_iter().chain(illegal) {
            let mut name = legal_name(name);
            while shown.contains_key(&name) {
                name.push('_');
            }
            shown.insert(name, (*value).to_owned());
        }
        shown.into_iter().collect()
    }
}

/// What the label `name` of a series is called on its gauges.
fn exported_name(name: &str) -> Cow<'_, str> {
    if name == METRIC_NAME {
        return Cow::Borrowed("metric");
    }
    match name.trim_start_matches("exported_") {
        "metric" | "rule" => Cow::Owned(format!("exported_{name}")),
        _ => Cow::Borrowed(name),
    }
}

/// `name` with everything outside `[a-zA-Z_][a-zA-Z0-9_]*` replaced by `_`.
fn legal_name(name: &str) -> String {
    let replaced = name.chars().enumerate().map(|(index, char)| {
        let legal = char.is_ascii_alphabetic() || (index > 0 && char.is_ascii_digit());
        if legal { char } else { '_' }
    });
    replaced.collect()
}

#[cfg(test)]
mod tests {
    use proptest::collection::btree_map;
    use proptest::prelude::*;

    use super::*;

    fn wire(pairs: &[(&str, &str)], rule: &str) -> Vec<String> {
        let labels = LabelSet::from_pairs(pairs.iter().copied()).unwrap();
        Named::new(&labels, rule).wire().unwrap().iter().map(LabelSet::to_string).collect()
    }

    fn shown(pairs: &[(&str, &str)]) -> String {
        let own = pairs.iter().copied().chain([("__name__", "up")]);
        let labels = LabelSet::from_pairs(own).unwrap();
        let shown = Named::new(&labels, "r").shown();
        let texts: Vec<String> =
            shown.iter().map(|(name, value)| format!("{name}={value}")).collect();
        texts.join(" ")
    }

    #[test]
    fn the_metric_name_becomes_a_label_beside_the_rule() {
        assert_eq!(
            wire(&[("__name__", "up"), ("job", "j"), ("A", "a")], "r"),
            [
                r#"bellwether_surprise{A="a",job="j",metric="up",rule="r"}"#,
                r#"bellwether_expected{A="a",job="j",metric="up",rule="r"}"#,
                r#"bellwether_expected_lower{A="a",job="j",metric="up",rule="r"}"#,
                r#"bellwether_expected_upper{A="a",job="j",metric="up",rule="r"}"#,
            ]
        );
        assert_eq!(wire(&[("__name__", "up")], "")[0], r#"bellwether_surprise{metric="up"}"#);
    }

    #[test]
    fn labels_of_a_taken_name_step_aside_however_many_there_are() {
        let labels = [("__name__", "up"), ("metric", "1"), ("exported_metric", "2"), ("rule", "3")];
        let expected = "bellwether_surprise{exported_exported_metric=\"2\",exported_metric=\"1\",\
            exported_rule=\"3\",metric=\"up\",rule=\"r\"}";
        assert_eq!(wire(&labels, "r")[0], expected);
    }

    #[test]
    fn names_that_the_text_format_does_not_know_are_replaced_and_stay_apart() {
        assert_eq!(shown(&[("a.b", "1"), ("9é", "2")]), "__=2 a_b=1 metric=up rule=r");
        assert_eq!(
            shown(&[("a.b", "1"), ("a_b", "2"), ("a-b", "3")]),
            "a_b=2 a_b_=3 a_b__=1 metric=up rule=r"
        );
        assert_eq!(
            shown(&[("a.b", "1"), ("a_b_", "2"), ("a_b", "3")]),
            "a_b=3 a_b_=2 a_b__=1 metric=up rule=r"
        );
    }

    fn any_labels() -> impl Strategy<Value = LabelSet> {
        let name = "(exported_|metric|rule|a|\\.|é){1,3}";
        btree_map(name, "[xy]", 0..4).prop_map(|pairs| {
            let own = pairs.iter().map(|(name, value)| (name.as_str(), value.as_str()));
            LabelSet::from_pairs(own.chain([("__name__", "m")])).unwrap()
        })
    }

    proptest! {
        #[test]
        fn gauges_are_the_same_only_if_the_series_are(one in any_labels(), other in any_labels()) {
            let [of_one, of_other] = [&one, &other].map(|labels| Named::new(labels, "r").wire().unwrap());
            prop_assert_eq!(one == other, of_one[0] == of_other[0]);
        }

        #[test]
        fn shown_names_are_legal_unique_and_sorted(labels in any_labels()) {
            let shown = Named::new(&labels, "r").shown();
            prop_assert_eq!(shown.len(), labels.iter().count() + 1);
            prop_assert!(shown.windows(2).all(|pair| pair[0].0 < pair[1].0));
            prop_assert!(shown.iter().all(|(name, _)| legal_name(name) == *name && !name.is_empty()));
        }
    }
}
