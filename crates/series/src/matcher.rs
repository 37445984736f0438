//! Matchers: which series a rule or a filter is about, with the meaning that Prometheus gives them.

use std::fmt;

use regex::{Regex, RegexBuilder};
use serde::{Deserialize, Serialize};

use crate::LabelSet;

/// Longest accepted pattern, in bytes.
const PATTERN_BYTES_MAX: usize = 1024;
/// Largest accepted compiled pattern, in bytes.
const PROGRAM_BYTES_MAX: usize = 1 << 20;

/// How a matcher compares. Saved as PromQL writes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum MatchOp {
    /// `=`
    #[serde(rename = "=")]
    Equal,
    /// `!=`
    #[serde(rename = "!=")]
    NotEqual,
    /// `=~`, anchored at both ends
    #[serde(rename = "=~")]
    Regex,
    /// `!~`, anchored at both ends
    #[serde(rename = "!~")]
    NotRegex,
}

/// Why a matcher was refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MatcherError {
    /// The pattern is longer than any sane pattern.
    #[error("pattern is too long: limit_bytes=`{PATTERN_BYTES_MAX}`")]
    PatternTooLong,
    /// The pattern is not a regular expression in RE2 syntax.
    #[error("pattern is not a regular expression: pattern=`{pattern}`")]
    Pattern {
        /// The pattern.
        pattern: String,
        /// What is wrong with it.
        source: regex::Error,
    },
}

/// One comparison of a label with a value. A label that is absent compares as the empty string.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(try_from = "SavedMatcher", into = "SavedMatcher")]
pub struct Matcher {
    label: String,
    op: MatchOp,
    value: String,
    pattern: Option<Regex>,
}

/// A [`Matcher`] as it is saved: by its parts, because PromQL cannot say every value and no empty selector.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SavedMatcher {
    label: String,
    op: MatchOp,
    value: String,
}

impl From<Matcher> for SavedMatcher {
    fn from(Matcher { label, op, value, pattern: _ }: Matcher) -> Self {
        Self { label, op, value }
    }
}

impl TryFrom<SavedMatcher> for Matcher {
    type Error = MatcherError;

    fn try_from(SavedMatcher { label, op, value }: SavedMatcher) -> Result<Self, MatcherError> {
        Self::new(label, op, value)
    }
}

impl Matcher {
    /// A matcher of `label` with `value`.
    ///
    /// # Errors
    /// When `op` asks for a pattern and `value` is none.
    pub fn new(
        label: impl Into<String>,
        op: MatchOp,
        value: impl Into<String>,
    ) -> Result<Self, MatcherError> {
        let value = value.into();
        let pattern = match op {
            MatchOp::Equal | MatchOp::NotEqual => None,
            MatchOp::Regex | MatchOp::NotRegex => Some(compile(&value)?),
        };
        Ok(Self { label: label.into(), op, value, pattern })
    }

    /// The label that is compared.
    pub fn label(&self) -> &str {
        &self.label
    }

    /// How it is compared.
    pub fn op(&self) -> MatchOp {
        self.op
    }

    /// What it is compared with: a text, or a pattern without anchors.
    pub fn value(&self) -> &str {
        &self.value
    }

    /// Whether `labels` satisfy this matcher.
    pub fn matches(&self, labels: &LabelSet) -> bool {
        let actual = labels.get(&self.label).unwrap_or_default();
        let found = match &self.pattern {
            Some(pattern) => pattern.is_match(actual),
            None => actual == self.value,
        };
        found == matches!(self.op, MatchOp::Equal | MatchOp::Regex)
    }
}

fn compile(value: &str) -> Result<Regex, MatcherError> {
    if value.len() > PATTERN_BYTES_MAX {
        return Err(MatcherError::PatternTooLong);
    }
    RegexBuilder::new(&format!("^(?s:{value})$"))
        .size_limit(PROGRAM_BYTES_MAX)
        .build()
        .map_err(|source| MatcherError::Pattern { pattern: value.to_owned(), source })
}

impl PartialEq for Matcher {
    fn eq(&self, other: &Self) -> bool {
        (&self.label, self.op, &self.value) == (&other.label, other.op, &other.value)
    }
}

/// PromQL notation: `label=~"value"`.
impl fmt::Display for Matcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let op = match self.op {
            MatchOp::Equal => "=",
            MatchOp::NotEqual => "!=",
            MatchOp::Regex => "=~",
            MatchOp::NotRegex => "!~",
        };
        write!(f, "{}{op}{:?}", self.label, self.value)
    }
}

/// Matchers that must all hold; none at all holds for every series.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Matchers(Vec<Matcher>);

impl Matchers {
    /// The conjunction of `matchers`.
    pub fn new(matchers: Vec<Matcher>) -> Self {
        Self(matchers)
    }

    /// The matchers, in the order in which they were given.
    pub fn all(&self) -> impl Iterator<Item = &Matcher> {
        self.0.iter()
    }

    /// Whether `labels` satisfy every matcher.
    pub fn matches(&self, labels: &LabelSet) -> bool {
        self.0.iter().all(|matcher| matcher.matches(labels))
    }
}

/// PromQL notation: `{a="b",c!~"d.*"}`.
impl fmt::Display for Matchers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("{")?;
        for (index, matcher) in self.0.iter().enumerate() {
            write!(f, "{}{matcher}", if index == 0 { "" } else { "," })?;
        }
        f.write_str("}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holds(label: &str, op: MatchOp, value: &str) -> bool {
        let labels = LabelSet::from_pairs([("__name__", "up"), ("job", "node\n1")]).unwrap();
        Matcher::new(label, op, value).unwrap().matches(&labels)
    }

    #[test]
    fn patterns_are_anchored_and_cross_newlines() {
        assert!(holds("job", MatchOp::Regex, "node.1"));
        assert!(!holds("job", MatchOp::Regex, "node"));
        assert!(holds("job", MatchOp::NotRegex, "ode"));
        assert!(holds("__name__", MatchOp::Regex, "up|down"));
    }

    #[test]
    fn an_absent_label_is_the_empty_string() {
        assert!(holds("zone", MatchOp::Equal, ""));
        assert!(holds("zone", MatchOp::NotEqual, "a"));
        assert!(holds("zone", MatchOp::Regex, ".*"));
        assert!(!holds("zone", MatchOp::Regex, ".+"));
    }

    #[test]
    fn a_bad_pattern_is_refused() {
        assert!(Matcher::new("a", MatchOp::Regex, "(").is_err());
        assert!(Matcher::new("a", MatchOp::Regex, "x".repeat(2000)).is_err());
        assert!(Matcher::new("a", MatchOp::Regex, "((a{100}){100}){100}").is_err());
    }
}
