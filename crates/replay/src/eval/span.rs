//! Rows in a row: what windows, events and alerts of a series are made of.

/// The rows from `first` to `last`, both of them included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span {
    /// Index of the first row, from 0.
    pub first: usize,
    /// Index of the last row, not before the first.
    pub last: usize,
}

impl Span {
    /// How many rows that are, at least 1.
    pub fn rows(self) -> usize {
        self.last - self.first + 1
    }

    /// Whether `row` is one of them.
    pub fn contains(self, row: usize) -> bool {
        (self.first..=self.last).contains(&row)
    }
}

/// The runs of true values in `flags`, in their order.
pub fn runs(flags: &[bool]) -> Vec<Span> {
    let mut runs = Vec::new();
    let mut first = None;
    for (row, &flag) in flags.iter().enumerate() {
        match (flag, first) {
            (true, None) => first = Some(row),
            (false, Some(began)) => {
                runs.push(Span { first: began, last: row - 1 });
                first = None;
            }
            _ => {}
        }
    }
    runs.extend(first.map(|first| Span { first, last: flags.len() - 1 }));
    runs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_are_found_at_both_ends_and_between() {
        let flags = [true, false, true, true, false, false, true];
        let pairs: Vec<_> = runs(&flags).iter().map(|run| (run.first, run.last)).collect();
        assert_eq!(pairs, [(0, 0), (2, 3), (6, 6)]);
        assert_eq!(runs(&[]), []);
        assert_eq!(runs(&[false]), []);
    }
}
