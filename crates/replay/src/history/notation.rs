//! A series in Prometheus' notation: `name{label="value",…}`, as columns and cells name it.

use bellwether_series::LabelSet;

/// The series that `text` names; `None` if it names none.
pub(crate) fn labels(text: &str) -> Option<LabelSet> {
    let pairs = parse(text)?;
    LabelSet::from_pairs(pairs.iter().map(|(name, value)| (&**name, &**value))).ok()
}

/// The labels that `text` names, the metric name first as `__name__`. A text without braces is a metric name; `None` if
/// it has braces and is not in the notation.
pub(crate) fn parse(text: &str) -> Option<Vec<(String, String)>> {
    let text = text.trim();
    let name = |name: &str| ("__name__".to_owned(), name.trim().to_owned());
    let Some((metric, rest)) = text.split_once('{') else {
        return Some(vec![name(text)]);
    };
    let mut labels = Vec::new();
    if !metric.trim().is_empty() {
        labels.push(name(metric));
    }
    let mut rest = rest.trim_start();
    loop {
        if let Some(end) = rest.strip_prefix('}') {
            return end.trim().is_empty().then_some(labels);
        }
        let (label, quoted) = rest.split_once('=')?;
        let (value, behind) = unquote(quoted.trim_start())?;
        labels.push((label.trim().trim_matches('"').to_owned(), value));
        let behind = behind.trim_start();
        rest = match behind.strip_prefix(',') {
            Some(more) => more.trim_start(),
            None if behind.starts_with('}') => behind,
            None => return None,
        };
    }
}

/// The text between the quotes that `text` begins with, and what is behind them.
fn unquote(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut characters = text.strip_prefix('"')?.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Some((value, &text[at + 2..])),
            '\\' => value.push(match characters.next()?.1 {
                'n' => '\n',
                't' => '\t',
                'r' => '\r',
                other => other,
            }),
            other => value.push(other),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use bellwether_series::LabelSet;
    use proptest::prelude::*;

    use super::*;

    fn set(text: &str) -> Option<LabelSet> {
        let labels = parse(text)?;
        LabelSet::from_pairs(labels.iter().map(|(name, value)| (&**name, &**value))).ok()
    }

    #[test]
    fn names_and_labels_are_read() {
        let expected = LabelSet::from_pairs([("__name__", "up"), ("job", "a\"b"), ("x", "1")]).ok();
        assert!(expected.is_some());
        assert_eq!(set(r#"up{job="a\"b",x="1"}"#), expected);
        assert_eq!(set(r#" up { x = "1" , job="a\"b", } "#), expected);
        assert_eq!(set(r#"{__name__="up",job="a\"b",x="1"}"#), expected);
        assert_eq!(set("up"), LabelSet::from_pairs([("__name__", "up")]).ok());
    }

    #[test]
    fn what_has_braces_and_is_no_series_is_refused() {
        for text in ["up{", "up{a}", "up{a=b}", r#"up{a="b"#, r#"up{a="b"} 1"#, r#"up{a="b"c="d"}"#]
        {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_printed_is_read(value in "[a-z\"\\\\, {}=\n]{1,12}", name in "[a-z:_]{1,8}") {
            let labels = LabelSet::from_pairs([("__name__", &*name), ("label", &*value)]).unwrap();
            prop_assert_eq!(set(&labels.to_string()), Some(labels));
        }

        #[test]
        fn anything_is_read_without_a_panic(text: String) {
            _ = parse(&text);
        }
    }
}
