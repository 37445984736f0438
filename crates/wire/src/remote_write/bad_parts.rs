//! Parts of a request that were left out while the rest was kept.

use std::fmt;

/// Most messages that are kept; the rest is only counted.
const MESSAGES_MAX: usize = 3;

/// Parts of one kind (histograms, exemplars, metadata) that were invalid: how many, and why the
/// first few were. The rest of the request is kept.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BadParts {
    count: usize,
    messages: Vec<String>,
}

impl BadParts {
    /// How many parts were invalid.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Whether every part was valid.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// What was wrong with the first few, in request order; at most three short sentences.
    pub fn messages(&self) -> &[String] {
        &self.messages
    }

    pub(super) fn push(&mut self, message: fmt::Arguments<'_>) {
        self.count += 1;
        if self.messages.len() < MESSAGES_MAX {
            self.messages.push(message.to_string());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_are_counted_and_the_first_few_explained() {
        let mut bad = BadParts::default();
        assert!(bad.is_empty());
        for index in 0..5 {
            bad.push(format_args!("part {index}"));
        }
        assert_eq!(bad.count(), 5);
        assert_eq!(bad.messages(), ["part 0", "part 1", "part 2"]);
    }
}
