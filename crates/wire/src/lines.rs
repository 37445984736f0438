//! Numbers of lines, for whoever is told of a bad one.

/// Counts lines, from 1, up to places that come one behind the other.
#[derive(Debug)]
pub(crate) struct Lines<'a> {
    body: &'a [u8],
    line: usize,
    at: usize,
}

impl<'a> Lines<'a> {
    pub(crate) fn new(body: &'a [u8]) -> Self {
        Self { body, line: 1, at: 0 }
    }

    /// The line of `offset`, which is not before that of the last call.
    pub(crate) fn number_at(&mut self, offset: usize) -> usize {
        let passed = self.body.get(self.at..offset).unwrap_or_default();
        self.line += passed.split(|&byte| byte == b'\n').count().saturating_sub(1);
        self.at = self.at.max(offset);
        self.line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_counted_from_one() {
        let mut lines = Lines::new(b"a\nb\n\nc");
        let numbers = [0, 1, 2, 2, 4, 5, 6, 99].map(|offset| lines.number_at(offset));
        assert_eq!(numbers, [1, 1, 2, 2, 3, 4, 4, 4]);
    }
}
