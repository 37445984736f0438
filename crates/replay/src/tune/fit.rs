//! Whether labels fit the input: a window that no alert can find makes every candidate worse by the same, and says nothing.

use std::collections::HashSet;

use bellwether_series::LabelSet;

use super::score::Blocks;
use super::windows::Windows;
use crate::history::notation::labels;

/// Labelled windows, and those of them that nothing can find.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Fit {
    /// All of them.
    pub windows: usize,
    /// Those of series that the input does not have; they count as missed. Nobody knows them of a journal.
    pub of_unknown_series: usize,
    /// The others that begin before the time that is scored or behind the input; the former do not count.
    pub outside: usize,
}

impl Fit {
    /// How `windows` fit an input that ends at `until_ms`, cut into `blocks`, with the series `known`, if they are.
    pub(super) fn of(
        windows: &Windows,
        known: Option<&[LabelSet]>,
        blocks: &Blocks,
        until_ms: i64,
    ) -> Self {
        let known: Option<HashSet<&LabelSet>> = known.map(|known| known.iter().collect());
        let mut fit = Self::default();
        for (series, windows) in windows {
            let is_known = known
                .as_ref()
                .is_none_or(|known| labels(series).is_some_and(|labels| known.contains(&labels)));
            let is_in =
                |window: &&(i64, i64)| blocks.of(window.0).is_some() && window.0 <= until_ms;
            fit.windows += windows.len();
            if is_known {
                fit.outside += windows.len() - windows.iter().filter(is_in).count();
            } else {
                fit.of_unknown_series += windows.len();
            }
        }
        fit
    }

    /// Whether there is nothing that could be found.
    pub fn is_nothing(&self) -> bool {
        self.windows == self.of_unknown_series + self.outside
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_of_other_series_or_times_are_counted() {
        let blocks = Blocks::behind(10_000, 50_000).unwrap();
        let known = LabelSet::from_pairs([("__name__", "load"), ("host", "a")]).unwrap();
        let windows = |series: &str, starts: &[i64]| {
            let windows = starts.iter().map(|&start| (start, start + 1000)).collect();
            (series.to_owned(), windows)
        };
        let all: Windows = [
            windows(r#"load{host="a"}"#, &[9_000, 10_000, 50_000, 50_001]),
            windows(r#"laod{host="a"}"#, &[20_000]),
        ]
        .into();
        let known = [known];
        let fit = Fit::of(&all, Some(&known), &blocks, 50_000);
        assert_eq!(fit, Fit { windows: 5, of_unknown_series: 1, outside: 2 });
        assert!(!fit.is_nothing());
        assert_eq!(Fit::of(&all, None, &blocks, 50_000).of_unknown_series, 0);
        let typo = [windows(r#"laod{host="a"}"#, &[20_000])].into();
        assert!(Fit::of(&typo, Some(&known), &blocks, 50_000).is_nothing());
        assert!(Fit::of(&Windows::new(), Some(&known), &blocks, 50_000).is_nothing());
    }
}
