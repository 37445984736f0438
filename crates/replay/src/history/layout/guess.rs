//! The guess: by the names that such columns usually have, and by what they hold.

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
        let names = || columns.iter().map(|column| column.name.clone()).collect::<Vec<_>>();
        let find = |name: &String| {
            let place = columns.iter().position(|column| column.name == *name);
            place.ok_or_else(|| LayoutError::NoColumn { name: name.clone(), columns: names() })
        };
        let find_all = |all: &[String]| all.iter().map(find).collect::<Result<Vec<_>, _>>();
        let ignored = find_all(&mapping.ignored)?;
        let named_labels = find_all(&mapping.labels)?;
        let named_values = find_all(&mapping.values)?;
        let is = |column: usize, contents: &[Content]| contents.contains(&columns[column].content);
        let mut free: Vec<usize> = (0..columns.len())
            .filter(|column| !ignored.contains(column) && !is(*column, &[Content::Other]))
            .filter(|column| !named_labels.contains(column) && !named_values.contains(column))
            .collect();
        let by_name = |free: &[usize], words: &[&str], contents: &[Content]| {
            let by_word = |word: &&str| {
                free.iter()
                    .copied()
                    .find(|&column| is(column, contents) && is_word(&columns[column].name, &[word]))
            };
            words.iter().find_map(by_word)
        };

        let time = match &mapping.time {
            Some(name) => Some(find(name)?),
            None => by_name(&free, TIME_WORDS, &[Content::Time, Content::Number])
                .or_else(|| free.iter().copied().find(|&column| is(column, &[Content::Time])))
                // Some of its first cells may be wrong, which is told better with their place.
                .or_else(|| by_name(&free, TIME_WORDS, &[Content::Text])),
        };
        let time = time.ok_or_else(|| LayoutError::NoTime { columns: names() })?;
        free.retain(|&column| column != time);

        let metric = match &mapping.metric {
            Some(name) => Some(find(name)?),
            None => by_name(&free, METRIC_WORDS, &[Content::Text]),
        };
        free.retain(|&column| Some(column) != metric);
        let mut left_out: Vec<usize> =
            (0..columns.len()).filter(|&column| is(column, &[Content::Other])).collect();
        left_out.extend(ignored);

        let is_number = |&column: &usize| is(column, &[Content::Number]);
        let mut values = named_values;
        let value_is_named = !values.is_empty();
        if values.is_empty() {
            let one = by_name(&free, VALUE_WORDS, &[Content::Number])
                .or_else(|| by_name(&free, VALUE_WORDS, &[Content::Text]));
            let is_truth = |column: usize| is_word(&columns[column].name, TRUTH_WORDS);
            free.retain(|&column| {
                let kept = !is_truth(column) || columns[column].content == Content::Text;
                if !kept {
                    left_out.push(column);
                }
                kept
            });
            values = match one {
                Some(one) => vec![one],
                None => free.iter().copied().filter(is_number).collect(),
            };
            if metric.is_some() && values.len() > 1 {
                let columns = values.iter().map(|&value| columns[value].name.clone()).collect();
                return Err(LayoutError::Values { columns });
            }
        }
        if values.is_empty() {
            return Err(LayoutError::NoValue { columns: names() });
        }
        if metric.is_some() && values.len() > 1 {
            return Err(LayoutError::Values { columns: mapping.values.clone() });
        }
        free.retain(|column| !values.contains(column));

        let labels = if mapping.labels.is_empty() {
            // Where the value is known, what is left says whose it is, also in numbers.
            let only_text = metric.is_none() && !value_is_named && values.len() > 1;
            let is_label = |column: &usize| !only_text || is(*column, &[Content::Text]);
            let (labels, rest): (Vec<_>, Vec<_>) = free.iter().copied().partition(is_label);
            left_out.extend(rest);
            labels
        } else {
            left_out.extend(free);
            named_labels
        };
        left_out.sort_unstable();
        left_out.dedup();
        let value = |column: usize| {
            let labels = match metric {
                Some(_) => Vec::new(),
                None => value_labels(&columns[column].name, fallback)?,
            };
            Ok(ValueColumn { column, labels })
        };
        Ok(Self {
            time,
            metric,
            labels: labels.into_iter().map(|label| (label, columns[label].name.clone())).collect(),
            values: values.into_iter().map(value).collect::<Result<_, _>>()?,
            left_out,
        })
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
