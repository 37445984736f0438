//! Labels: which windows of which series are anomalies.
//!
//! One JSON object, from the id of a series to the list of its windows, each `[start, end]`, both included. A bound is
//! a number, unix seconds, or text: RFC 3339, or a date and time in UTC. The file is one of NAB's, as its `combined_windows.json`
//! is, if all bounds in it are written as there (`2014-04-10 07:15:00.000000`).

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use serde::Deserialize;
use serde::de::{Deserializer, Error, MapAccess, SeqAccess, Visitor};

use super::error::EvalError;
use super::moment::Moment;

/// A labelled window.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LabelWindow {
    /// Its first moment, in unix seconds.
    pub start_s: f64,
    /// Its last moment, not before the first.
    pub end_s: f64,
}

/// A window as it is written.
struct Written {
    window: LabelWindow,
    /// Whether both bounds are written as NAB writes its own.
    is_nabs: bool,
}

impl<'de> Deserialize<'de> for Written {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(WindowVisitor)
    }
}

/// Written by hand, because what is found out after a pair was read is told with the line of what comes next.
struct WindowVisitor;

impl<'de> Visitor<'de> for WindowVisitor {
    type Value = Written;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a window, [start, end]")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut bounds: A) -> Result<Written, A::Error> {
        let mut bound = |at: usize| {
            let bound: Option<Moment> = bounds.next_element()?;
            bound.ok_or_else(|| A::Error::invalid_length(at, &self))
        };
        let (start, end) = (bound(0)?, bound(1)?);
        if start.seconds() > end.seconds() {
            return Err(A::Error::custom("a window ends before it starts"));
        }
        let window = LabelWindow { start_s: start.seconds(), end_s: end.seconds() };
        Ok(Written { window, is_nabs: start.is_nabs() && end.is_nabs() })
    }
}

/// The windows of each series, in the order in which its ids sort.
#[derive(Debug, Clone, PartialEq)]
pub struct Labels {
    windows: BTreeMap<String, Vec<LabelWindow>>,
    are_nabs: bool,
}

impl<'de> Deserialize<'de> for Labels {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(LabelsVisitor)
    }
}

/// Written by hand, because a map would keep the last of two series with the same id and say nothing.
struct LabelsVisitor;

impl<'de> Visitor<'de> for LabelsVisitor {
    type Value = Labels;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object from series to lists of windows")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut series: A) -> Result<Labels, A::Error> {
        let mut all: BTreeMap<String, Vec<Written>> = BTreeMap::new();
        while let Some(id) = series.next_key::<String>()? {
            if all.contains_key(&id) {
                return Err(A::Error::custom(format_args!("series is labelled twice: id=`{id}`")));
            }
            all.insert(id, series.next_value()?);
        }
        let mut written = all.values().flatten().peekable();
        let are_nabs = written.peek().is_some() && written.all(|window| window.is_nabs);
        let bare = |all: Vec<Written>| all.into_iter().map(|written| written.window).collect();
        let windows = all.into_iter().map(|(id, all)| (id, bare(all))).collect();
        Ok(Labels { windows, are_nabs })
    }
}

impl Labels {
    /// Reads the labels at `path`.
    ///
    /// # Errors
    /// When the file cannot be read, is something else, or has a series twice.
    pub fn read(path: &Path) -> Result<Self, EvalError> {
        let text = std::fs::read(path)
            .map_err(|source| EvalError::File { path: path.to_owned(), source })?;
        serde_json::from_slice(&text)
            .map_err(|source| EvalError::Json { path: path.to_owned(), source })
    }

    /// The ids of all series, those without a window included.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.windows.keys().map(String::as_str)
    }

    /// Whether they are written as NAB writes its own: all of them, of which there is at least one.
    pub fn are_nabs(&self) -> bool {
        self.are_nabs
    }

    /// The windows of series `id` of `dataset`: under its id, or without the dataset's folder, as NAB calls
    /// its own series.
    pub fn of(&self, id: &str, dataset: &str) -> Option<&[LabelWindow]> {
        let short = || id.strip_prefix(dataset)?.strip_prefix('/');
        self.windows.get(id).or_else(|| self.windows.get(short()?)).map(Vec::as_slice)
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
    fn one_window_that_is_written_otherwise_makes_the_file_ones_own() {
        let nab = r#"["2014-04-10 11:50:00.000000", "2014-04-11 21:20:00.000000"]"#;
        let are_nabs = |text: &str| parse(text).unwrap().are_nabs();
        assert!(are_nabs(&format!(r#"{{"a": [{nab}], "b": [], "c": [{nab}, {nab}]}}"#)));
        for other in [
            "[1397130600, 1397251200]",
            r#"["2014-04-10T11:50:00Z", "2014-04-11T21:20:00Z"]"#,
            r#"["2014-04-10 11:50:00", "2014-04-11 21:20:00"]"#,
            r#"["2014-04-10 11:50:00.000000", 1397251200]"#,
        ] {
            assert!(!are_nabs(&format!(r#"{{"a": [{nab}], "b": [{other}]}}"#)), "{other}");
        }
        assert!(!are_nabs(r#"{"a": []}"#) && !are_nabs("{}"));
    }

    #[test]
    fn a_series_that_is_there_twice_is_refused_with_its_line() {
        let error = parse("{\"a\": [[1, 2]],\n\"b\": [],\n\"a\": []}").unwrap_err().to_string();
        assert!(error.contains("series is labelled twice: id=`a`"), "{error}");
        assert!(error.contains("line 3"), "{error}");
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
