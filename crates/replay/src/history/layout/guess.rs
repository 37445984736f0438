//! The guess: by the names that such columns usually have, and by what they hold.

use std::collections::HashSet;

use super::{Column, Content, Layout, LayoutError, Mapping, ValueColumn, value_labels};

const TIME_WORDS: &[&str] = &[
    "timestamp",
    "time",
    "ts",
    "timestamp_ms",
    "time_ms",
    "at_ms",
    "datetime",
    "date",
    "_time",
    "ds",
];
const METRIC_WORDS: &[&str] =
    &["metric", "__name__", "metric_name", "series", "name", "measurement", "_measurement"];
pub(super) const VALUE_WORDS: &[&str] = &["value", "val", "v", "_value", "y"];
/// What people call the truth about anomalies: to be found, not to be known.
const TRUTH_WORDS: &[&str] = &["label", "labels", "anomaly", "is_anomaly", "outlier", "is_outlier"];

pub(super) fn is_word(name: &str, words: &[&str]) -> bool {
    words.iter().any(|word| word.eq_ignore_ascii_case(name.trim()))
}

impl Layout {
    /// Which of `columns` means what. `fallback` names the metric where nothing else does.
    pub(in super::super) fn guess(
        columns: &[Column],
        mapping: &Mapping,
        fallback: &str,
    ) -> Result<Self, LayoutError> {
        let mut guess = Guess::new(columns, mapping)?;
        let time = guess.time()?;
        let metric = guess.metric()?;
        let values = guess.values(metric.is_some())?;
        let labels = guess.labels(metric.is_some(), values.len())?;
        let value = |column: usize| {
            let labels = match metric {
                Some(_) => Vec::new(),
                None => value_labels(&columns[column].name, fallback)?,
            };
            Ok(ValueColumn { column, labels })
        };
        guess.left_out.sort_unstable();
        Ok(Self {
            time,
            metric,
            labels: labels.into_iter().map(|label| (label, columns[label].name.clone())).collect(),
            values: values.into_iter().map(value).collect::<Result<_, _>>()?,
            left_out: guess.left_out,
        })
    }
}

/// A guess that is under way: each step takes from the columns that are still free.
struct Guess<'a> {
    columns: &'a [Column],
    mapping: &'a Mapping,
    free: Vec<usize>,
    left_out: Vec<usize>,
}

impl<'a> Guess<'a> {
    fn new(columns: &'a [Column], mapping: &'a Mapping) -> Result<Self, LayoutError> {
        let mut guess = Self { columns, mapping, free: Vec::new(), left_out: Vec::new() };
        let mut seen = HashSet::new();
        let twice = columns.iter().map(|column| &column.name).find(|name| {
            !name.is_empty() && !mapping.ignored.contains(name) && !seen.insert(*name)
        });
        if let Some(name) = twice {
            return Err(LayoutError::Twice { name: name.clone() });
        }
        let ignored = mapping.ignored.iter().map(|name| guess.place(name));
        let ignored: Vec<_> = ignored.collect::<Result<_, _>>()?;
        let (labels, values) = (guess.find_all(&mapping.labels)?, guess.find_all(&mapping.values)?);
        for column in 0..columns.len() {
            if ignored.contains(&column) || guess.is(column, &[Content::Other]) {
                guess.left_out.push(column);
            } else if !labels.contains(&column) && !values.contains(&column) {
                guess.free.push(column);
            }
        }
        Ok(guess)
    }

    fn time(&mut self) -> Result<usize, LayoutError> {
        let by_content =
            || self.free.iter().copied().find(|&column| self.is(column, &[Content::Time]));
        let time = match &self.mapping.time {
            Some(name) => Some(self.find(name)?),
            None => self
                .by_name(TIME_WORDS, &[Content::Time, Content::Number])
                .or_else(by_content)
                // Some of its first cells may be wrong, which is told better with their place.
                .or_else(|| self.by_name(TIME_WORDS, &[Content::Text])),
        };
        let time = time.ok_or_else(|| LayoutError::NoTime { columns: self.names() })?;
        self.free.retain(|&column| column != time);
        Ok(time)
    }

    fn metric(&mut self) -> Result<Option<usize>, LayoutError> {
        let metric = match &self.mapping.metric {
            Some(name) => Some(self.find(name)?),
            None => self.by_name(METRIC_WORDS, &[Content::Text]),
        };
        self.free.retain(|&column| Some(column) != metric);
        Ok(metric)
    }

    /// The columns of values, of which beside a metric there is one.
    fn values(&mut self, has_metric: bool) -> Result<Vec<usize>, LayoutError> {
        let mut values = self.find_all(&self.mapping.values)?;
        if values.is_empty() {
            let one = self
                .by_name(VALUE_WORDS, &[Content::Number])
                .or_else(|| self.by_name(VALUE_WORDS, &[Content::Text]));
            let columns = self.columns;
            let is_number = |column: &usize| columns[*column].content == Content::Number;
            let is_truth =
                |column: &usize| is_number(column) && is_word(&columns[*column].name, TRUTH_WORDS);
            self.left_out.extend(self.free.iter().filter(|&column| is_truth(column)));
            self.free.retain(|column| !is_truth(column));
            values = match one {
                Some(one) => vec![one],
                None => self.free.iter().copied().filter(is_number).collect(),
            };
        }
        if values.is_empty() {
            return Err(LayoutError::NoValue { columns: self.names() });
        }
        if has_metric && values.len() > 1 {
            let columns = values.iter().map(|&value| self.columns[value].name.clone()).collect();
            return Err(LayoutError::Values { columns });
        }
        self.free.retain(|column| !values.contains(column));
        Ok(values)
    }

    /// The labels among what is left. Where it is known what the value is, that says whose it is, also in numbers.
    fn labels(&mut self, has_metric: bool, values: usize) -> Result<Vec<usize>, LayoutError> {
        let named = self.find_all(&self.mapping.labels)?;
        if !named.is_empty() {
            self.left_out.append(&mut self.free);
            return Ok(named);
        }
        let only_text = !has_metric && self.mapping.values.is_empty() && values > 1;
        let (labels, rest): (Vec<_>, Vec<_>) = std::mem::take(&mut self.free)
            .into_iter()
            .partition(|&column| !only_text || self.is(column, &[Content::Text]));
        self.left_out.extend(rest);
        Ok(labels)
    }

    fn names(&self) -> Vec<String> {
        self.columns.iter().map(|column| column.name.clone()).collect()
    }

    fn is(&self, column: usize, contents: &[Content]) -> bool {
        contents.contains(&self.columns[column].content)
    }

    fn find(&self, name: &str) -> Result<usize, LayoutError> {
        let place = self.place(name)?;
        if self.is(place, &[Content::Other]) {
            let expected = "times, numbers or texts";
            return Err(LayoutError::Content { name: name.to_owned(), expected });
        }
        Ok(place)
    }

    fn place(&self, name: &str) -> Result<usize, LayoutError> {
        let place = self.columns.iter().position(|column| column.name == name);
        place.ok_or_else(|| LayoutError::NoColumn { name: name.to_owned(), columns: self.names() })
    }

    fn find_all(&self, names: &[String]) -> Result<Vec<usize>, LayoutError> {
        names.iter().map(|name| self.find(name)).collect()
    }

    /// The first free column with one of `contents` that has the first of `words`, else the second, and so on.
    fn by_name(&self, words: &[&str], contents: &[Content]) -> Option<usize> {
        let has = |word: &str, column: usize| {
            self.is(column, contents) && is_word(&self.columns[column].name, &[word])
        };
        words.iter().find_map(|word| self.free.iter().copied().find(|&column| has(word, column)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Columns as `name:content`, content by its first letter.
    fn columns(text: &str) -> Vec<Column> {
        let column = |text: &str| {
            let (name, content) = text.rsplit_once(':').unwrap();
            let content = match content {
                "t" => Content::Time,
                "n" => Content::Number,
                "s" => Content::Text,
                _ => Content::Other,
            };
            Column { name: name.to_owned(), content }
        };
        text.split(' ').map(column).collect()
    }

    fn guessed(text: &str, mapping: &Mapping) -> Result<String, LayoutError> {
        let columns = columns(text);
        Layout::guess(&columns, mapping, "file").map(|layout| layout.describe(&columns, None))
    }

    #[test]
    fn long_and_wide_tables_are_told_apart() {
        for (table, expected) in [
            ("timestamp:n value:n", "time=`timestamp`, value: `value`"),
            (
                "ts:n metric:s host:s code:n value:n",
                "time=`ts`, metric=`metric`, value: `value`, labels: `host`, `code`",
            ),
            ("when:t host:s cpu:n mem:n", "time=`when`, values: `cpu`, `mem`, labels: `host`"),
            (
                "timestamp:n a:n b:n label:n",
                "time=`timestamp`, values: `a`, `b`, left out: `label`",
            ),
            ("timestamp:n value:n label:n", "time=`timestamp`, value: `value`, left out: `label`"),
            ("Time:n x:n blob:o", "time=`Time`, value: `x`, left out: `blob`"),
            ("ts:s host:s v:s", "time=`ts`, value: `v`, labels: `host`"),
            ("time:t date:s v:n", "time=`time`, value: `v`, labels: `date`"),
        ] {
            assert_eq!(guessed(table, &Mapping::default()).as_deref(), Ok(expected), "{table}");
        }
    }

    #[test]
    fn what_is_said_overrules_the_guess() {
        let names = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
        let mapping = Mapping {
            time: Some("value".to_owned()),
            labels: names(&["a"]),
            values: names(&["b"]),
            ..Mapping::default()
        };
        let text = guessed("timestamp:n value:n a:n b:n", &mapping);
        let expected = "time=`value`, value: `b`, labels: `a`, left out: `timestamp`";
        assert_eq!(text.as_deref(), Ok(expected));
        let mapping = Mapping { ignored: names(&["b"]), ..Mapping::default() };
        let text = guessed("ts:n a:n b:s", &mapping);
        assert_eq!(text.as_deref(), Ok("time=`ts`, value: `a`, left out: `b`"));
    }

    #[test]
    fn what_cannot_be_guessed_names_the_option_that_helps() {
        let error = |table, mapping: &Mapping| guessed(table, mapping).unwrap_err().to_string();
        let nothing = Mapping::default();
        assert!(error("a:n b:n", &nothing).contains("--time"));
        assert!(error("ts:n b:s", &nothing).contains("--value"));
        assert!(error("ts:n metric:s a:n b:n", &nothing).contains("columns=`a, b`"));
        assert!(error("ts:n a{:n", &nothing).contains("notation"));
        let list = Mapping { labels: vec!["b".to_owned()], ..Mapping::default() };
        assert!(error("ts:n v:n b:o", &list).contains("texts: column=`b`"));
        assert!(error("ts:n v:n v:n", &nothing).contains("the same name: column=`v`"));
        let missing = Mapping { time: Some("when".to_owned()), ..nothing };
        assert!(error("ts:n b:n", &missing).contains("column=`when`, columns=`ts, b`"));
    }

    #[test]
    fn a_column_of_values_may_be_named_as_a_series() {
        let columns = columns("ts:n cpu{host=\"a\"}:n value:n");
        let mapping = Mapping {
            values: vec![columns[1].name.clone(), "value".to_owned()],
            ..Mapping::default()
        };
        let layout = Layout::guess(&columns, &mapping, "file").unwrap();
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(layout.values[0].labels, [pair("__name__", "cpu"), pair("host", "a")]);
        assert_eq!(layout.values[1].labels, [pair("__name__", "file")]);
        assert_eq!(layout.columns(), [0, 1, 2]);
    }
}
