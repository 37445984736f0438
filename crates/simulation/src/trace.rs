//! What happened, in order: a hash that is equal for equal runs, and the last lines for whoever looks at a failure.

use std::collections::VecDeque;
use std::hash::{DefaultHasher, Hasher};

/// Lines that are kept for a failure.
const KEPT: usize = 200;

/// What happened.
#[derive(Default)]
pub(crate) struct Trace {
    hasher: DefaultHasher,
    last: VecDeque<String>,
    lines: u64,
}

impl Trace {
    pub(crate) fn note(&mut self, line: &str) {
        self.hasher.write(line.as_bytes());
        self.hasher.write_u8(b'\n');
        self.lines += 1;
        if self.last.len() == KEPT {
            self.last.pop_front();
        }
        self.last.push_back(format!("{:6} {line}", self.lines));
    }

    /// Of everything so far.
    pub(crate) fn hash(&self) -> u64 {
        self.hasher.finish()
    }

    /// The last lines.
    pub(crate) fn last(&self) -> String {
        Vec::from(self.last.clone()).join("\n")
    }
}
