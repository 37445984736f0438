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
    fn no_selector_is_deep_enough_to_overflow_the_stack() {
        for deep in ["-", "("] {
            assert!(parse_selector(&(deep.repeat(SELECTOR_BYTES_MAX - 2) + "up")).is_err());
            let endless = deep.repeat(60_000) + "up";
            assert!(matches!(parse_selector(&endless), Err(SelectorError::TooLong)));
        }
    }
}
