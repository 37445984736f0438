//! Selectors in PromQL notation.

use bellwether_series::{MatchOp, Matcher, MatcherError, Matchers};
use promql_parser::label::MatchOp as PromqlOp;
use promql_parser::parser::{self, Expr};

/// Longest accepted selector, in bytes: the parser recurses, and selectors come from the network too.
const SELECTOR_BYTES_MAX: usize = 4096;

/// Why a selector was refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SelectorError {
    /// The text is longer than any sane selector.
    #[error("selector is too long: limit_bytes=`{SELECTOR_BYTES_MAX}`")]
    TooLong,
    /// The text is not PromQL.
    #[error("selector does not parse: selector=`{selector}`, cause=`{cause}`")]
    Syntax {
        /// The text.
        selector: String,
        /// What the parser said.
        cause: String,
    },
    /// The text is PromQL, but not a plain selector such as `up{job="node"}`.
    #[error("expected a selector like `up{{job=\"node\"}}`: selector=`{selector}`")]
    NotASelector {
        /// The text.
        selector: String,
    },
    /// One of its matchers is unusable.
    #[error(transparent)]
    Matcher(#[from] MatcherError),
}

/// Parses an instant-vector selector such as `http_requests_total{job=~"api.*"}`.
///
/// # Errors
/// When the text is anything else.
pub fn parse_selector(selector: &str) -> Result<Matchers, SelectorError> {
    if selector.len() > SELECTOR_BYTES_MAX {
        return Err(SelectorError::TooLong);
    }
    let not_a_selector = || SelectorError::NotASelector { selector: selector.to_owned() };
    if may_have_a_duration(selector) {
        return Err(not_a_selector());
    }
    let expression = parser::parse(selector)
        .map_err(|cause| SelectorError::Syntax { selector: selector.to_owned(), cause })?;
    let Expr::VectorSelector(vector) = expression else { return Err(not_a_selector()) };
    if vector.offset.is_some() || vector.at.is_some() || !vector.matchers.or_matchers.is_empty() {
        return Err(not_a_selector());
    }
    let name = vector.name.map(|name| Matcher::new("__name__", MatchOp::Equal, name));
    let labels = vector.matchers.matchers.into_iter().map(|matcher| {
        let op = match matcher.op {
            PromqlOp::Equal => MatchOp::Equal,
            PromqlOp::NotEqual => MatchOp::NotEqual,
            PromqlOp::Re(_) => MatchOp::Regex,
            PromqlOp::NotRe(_) => MatchOp::NotRegex,
        };
        Matcher::new(matcher.name, op, matcher.value)
    });
    let matchers: Result<Vec<_>, _> = name.into_iter().chain(labels).collect();
    Ok(Matchers::new(matchers?))
}

/// Whether a text may have a duration in it, that of a range or an offset, which no plain selector has.
///
/// Looked for before the parser runs: it panics on one of more seconds than a [`Duration`](std::time::Duration) holds, as in
/// `up[6e56]`.
fn may_have_a_duration(text: &str) -> bool {
    let bare = without_strings(text);
    let (name, labels) = bare.split_once('{').unwrap_or((&bare, ""));
    let after = labels.split_once('}').map_or("", |(_, after)| after);
    let is_word = |c: char| c.is_alphanumeric() || matches!(c, '_' | ':' | '.');
    let words = |text: &str| -> Vec<String> {
        text.split(|c| !is_word(c)).map(str::to_ascii_lowercase).collect()
    };
    // A metric may be called so.
    let mut words = words(name.trim_start()).into_iter().skip(1).chain(words(after));
    // A comment could hide a quote from `without_strings`.
    bare.contains(['[', '#']) || words.any(|word| word == "offset")
}

/// A text of PromQL, from which the strings in quotes are cut where the parser's lexer ends them: by it a
/// backslash escapes in backquotes too.
fn without_strings(text: &str) -> String {
    let mut bare = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(char) = chars.next() {
        if !matches!(char, '"' | '\'' | '`') {
            bare.push(char);
            continue;
        }
        while let Some(quoted) = chars.next().filter(|quoted| *quoted != char) {
            if quoted == '\\' {
                chars.next();
            }
        }
    }
    bare
}

#[cfg(test)]
mod tests {
    use bellwether_series::LabelSet;

    use super::*;

    #[test]
    fn a_selector_becomes_matchers() {
        let matchers = parse_selector(r#"up{job=~"no.e",env!="dev"}"#).unwrap();
        assert_eq!(matchers.to_string(), r#"{__name__="up",job=~"no.e",env!="dev"}"#);
        let labels = |job| LabelSet::from_pairs([("__name__", "up"), ("job", job)]).unwrap();
        assert!(matchers.matches(&labels("node")));
        assert!(!matchers.matches(&labels("nodes")));
    }

    #[test]
    fn what_is_not_a_plain_selector_is_refused() {
        for text in ["rate(up[5m])", "up offset 5m", "up[5m]", "1", "{a=\"b\" or c=\"d\"}"] {
            assert!(
                matches!(parse_selector(text), Err(SelectorError::NotASelector { .. })),
                "{text}"
            );
        }
        assert!(matches!(parse_selector("up{"), Err(SelectorError::Syntax { .. })));
    }

    #[test]
    fn what_no_duration_holds_is_refused_like_any_range_or_offset() {
        for text in [
            "up[6e56]",
            "rate(1/2[6e56])",
            "up offset 6e56",
            "(up)OFFSET 6e56",
            "offset offset 6e56",
            "{a=\"}\"} offset 6e56",
            "{#\"\n}[6e56]#\"",
            r"{a=`\` x `}[6e56]",
        ] {
            assert!(
                matches!(parse_selector(text), Err(SelectorError::NotASelector { .. })),
                "{text}"
            );
        }
    }

    #[test]
    fn a_string_may_hold_what_a_selector_may_not() {
        assert!(parse_selector(r#"kafka_offset{offset="5m"}"#).is_ok());
        assert!(parse_selector(" offset").is_ok());
        for value in [r#""[(#{}""#, r#"'"]['"#, "`[`", r#""\"} offset""#] {
            let text = format!(" up {{a={value}}} ");
            assert!(parse_selector(&text).is_ok(), "{text}");
        }
    }

    #[test]
    fn no_selector_is_deep_enough_to_overflow_the_stack() {
        for deep in ["-", "("] {
            assert!(parse_selector(&(deep.repeat(SELECTOR_BYTES_MAX - 2) + "up")).is_err());
            let endless = deep.repeat(60_000) + "up";
            assert!(matches!(parse_selector(&endless), Err(SelectorError::TooLong)));
        }
    }
}
