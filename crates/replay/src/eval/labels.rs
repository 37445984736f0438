//! Labels: which windows of which series are anomalies.
//!
//! One JSON object, from the id of a series to the list of its windows, each `[start, end]`, both included. A bound is
//! a number, unix seconds, or text as in NAB's `combined_windows.json` (`2014-04-10 07:15:00.000000`, UTC).

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use serde::Deserialize;
use serde::de::{Deserializer, Error, SeqAccess, Visitor};

use super::error::EvalError;
use super::moment::Moment;

/// A labelled window.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LabelWindow {
    /// Its first moment, in unix seconds.
    pub start_s: f64,
    /// Its last moment, not before the first.
    pub end_s: f64,
    /// Whether its first moment was written as a date, as NAB does.
    pub is_dated: bool,
}

impl<'de> Deserialize<'de> for LabelWindow {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(WindowVisitor)
    }
}

/// Written by hand, because what is found out after a pair was read is told with the line of what comes next.
struct WindowVisitor;

impl<'de> Visitor<'de> for WindowVisitor {
    type Value = LabelWindow;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a window, [start, end]")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut bounds: A) -> Result<LabelWindow, A::Error> {
        let mut bound = |at: usize| {
            let bound: Option<Moment> = bounds.next_element()?;
            bound.ok_or_else(|| A::Error::invalid_length(at, &self))
        };
        let (start, end) = (bound(0)?, bound(1)?);
        if start.seconds() > end.seconds() {
            return Err(A::Error::custom("a window ends before it starts"));
        }
        let (start_s, end_s) = (start.seconds(), end.seconds());
        Ok(LabelWindow { start_s, end_s, is_dated: start.is_dated() })
    }
}

/// The windows of each series, in the order in which its ids sort.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(transparent)]
pub struct Labels(BTreeMap<String, Vec<LabelWindow>>);

impl Labels {
    /// Reads the labels at `path`.
    ///
    /// # Errors
    /// When the file cannot be read or is something else.
    pub fn read(path: &Path) -> Result<Self, EvalError> {
        let text = std::fs::read(path)
            .map_err(|source| EvalError::File { path: path.to_owned(), source })?;
        serde_json::from_slice(&text)
            .map_err(|source| EvalError::Json { path: path.to_owned(), source })
    }

    /// The ids of all series, those without a window included.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// Whether they are written as NAB writes its own.
    pub fn are_nabs(&self) -> bool {
        self.0.values().flatten().any(|window| window.is_dated)
    }

    /// The windows of series `id` of `dataset`: under its id, or without the dataset's folder, as NAB calls
    /// its own series.
    pub fn of(&self, id: &str, dataset: &str) -> Option<&[LabelWindow]> {
        let short = || id.strip_prefix(dataset)?.strip_prefix('/');
        self.0.get(id).or_else(|| self.0.get(short()?)).map(Vec::as_slice)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Labels, serde_json::Error> {
        serde_json::from_str(text)
    }

    #[test]
    fn both_ways_to_write_a_window_say_the_same() {
        let seconds = parse(r#"{"a/b.csv": [[1397130600, 1397251200.0]], "c": []}"#).unwrap();
        let nab = r#"{"a/b.csv": [["2014-04-10 11:50:00.000000", "2014-04-11 21:20:00.000000"]], "c": []}"#;
        let dated = parse(nab).unwrap();
        let bounds = |labels: &Labels| {
            let windows = labels.of("a/b.csv", "a").unwrap();
            windows.iter().map(|window| (window.start_s, window.end_s)).collect::<Vec<_>>()
        };
        assert_eq!(bounds(&seconds), [(1_397_130_600.0, 1_397_251_200.0)]);
        assert_eq!(bounds(&seconds), bounds(&dated));
        assert!(dated.are_nabs() && !seconds.are_nabs());
        assert_eq!(seconds.ids().collect::<Vec<_>>(), ["a/b.csv", "c"]);
        assert_eq!(seconds.of("c", "a"), Some(&[][..]));
        assert_eq!(seconds.of("d", "a"), None);
    }

    #[test]
    fn a_dataset_may_call_its_series_without_its_own_name() {
        let labels = parse(r#"{"real/b.csv": [[1, 2]]}"#).unwrap();
        assert!(labels.of("nab/real/b.csv", "nab").is_some());
        assert!(labels.of("nabreal/b.csv", "nab").is_none());
    }

    #[test]
    fn a_wrong_window_is_refused_with_its_line() {
        for (text, place) in [
            ("{\"a\": [\n[2, 1]\n]}", "line 2"),
            ("{\"a\": [\n[1, \"x\"]]}", "line 2"),
            ("{\"a\": [\n[1]\n]}", "line 2"),
            ("{\"a\": [\n[1, 2, 3]\n]}", "line 2"),
            ("{\"a\":\n\n1}", "line 3"),
        ] {
            let error = parse(text).unwrap_err().to_string();
            assert!(error.contains(place), "{text}: {error}");
        }
    }
}
