//! Which column of a table means what: as the user says, and guessed where that leaves it open.
//!
//! One table is any mix of long and wide: a time, columns that are labels, and one or more columns of values, each of
//! which is a series of its own for each set of labels.

mod guess;

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use super::notation;
use super::time::TimeUnit;

/// What the user says about columns, by their names; what is left open is guessed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mapping {
    /// The column with the time.
    pub time: Option<String>,
    /// The unit of times that are numbers.
    pub time_unit: Option<TimeUnit>,
    /// The column with the metric name, or with a series in Prometheus' notation.
    pub metric: Option<String>,
    /// Columns that are labels; all others that could be are left out then.
    pub labels: Vec<String>,
    /// Columns with values.
    pub values: Vec<String>,
    /// Columns that mean nothing.
    pub ignored: Vec<String>,
}

/// What a column holds, by its type or its first cells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Content {
    /// Times, not as numbers.
    Time,
    /// Numbers, or nothing at all.
    Number,
    /// Texts.
    Text,
    /// What no series is made of.
    Other,
}

/// A column of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Column {
    pub(super) name: String,
    pub(super) content: Content,
}

/// A column of values, and the labels that its name gives each of its series.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ValueColumn {
    pub(super) column: usize,
    pub(super) labels: Vec<(String, String)>,
}

/// Which column means what, by index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Layout {
    pub(super) time: usize,
    pub(super) metric: Option<usize>,
    pub(super) labels: Vec<(usize, String)>,
    pub(super) values: Vec<ValueColumn>,
    left_out: Vec<usize>,
}

/// Why nobody can tell which columns mean what. Each says which option would.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum LayoutError {
    /// A column that was named is not there.
    #[error("there is no such column: column=`{name}`, columns=`{}`", columns.join(", "))]
    NoColumn {
        /// What was named.
        name: String,
        /// What is there.
        columns: Vec<String>,
    },
    /// A column that was named holds something else.
    #[error("column does not hold {expected}: column=`{name}`")]
    Content {
        /// The column.
        name: String,
        /// What it should hold.
        expected: &'static str,
    },
    /// Two columns have the same name, so that one of them would be a label or nothing.
    #[error("two columns have the same name: column=`{name}`")]
    Twice {
        /// The name.
        name: String,
    },
    /// No column looks like a time.
    #[error("no column looks like a time; name it with --time: columns=`{}`", columns.join(", "))]
    NoTime {
        /// What is there.
        columns: Vec<String>,
    },
    /// No column looks like a value.
    #[error("no column looks like a value; name it with --value: columns=`{}`", columns.join(", "))]
    NoValue {
        /// What is there.
        columns: Vec<String>,
    },
    /// A column says what the metric is, and more than one could be its value.
    #[error("more than one column could be the value of a metric; name one with --value: columns=`{}`", columns.join(", "))]
    Values {
        /// The columns.
        columns: Vec<String>,
    },
    /// A column's name has braces and is no series.
    #[error("column name is no series in Prometheus' notation: column=`{name}`")]
    Notation {
        /// The name.
        name: String,
    },
}

impl Layout {
    /// Columns that name the series of a row: the metric first, if there is a column of it.
    pub(super) fn keys(&self) -> Vec<usize> {
        self.metric.into_iter().chain(self.labels.iter().map(|&(column, _)| column)).collect()
    }

    /// All columns that are read, in the order of the table.
    pub(super) fn columns(&self) -> Vec<usize> {
        let values = self.values.iter().map(|value| value.column);
        let mut all: Vec<_> = [self.time].into_iter().chain(self.keys()).chain(values).collect();
        all.sort_unstable();
        all.dedup();
        all
    }

    /// The same for a table that has only [`Layout::columns`].
    pub(super) fn projected(&self) -> Self {
        let kept = self.columns();
        let place = |column: usize| kept.partition_point(|&other| other < column);
        let labels = self.labels.iter().map(|(column, name)| (place(*column), name.clone()));
        let value = |value: &ValueColumn| ValueColumn {
            column: place(value.column),
            labels: value.labels.clone(),
        };
        Self {
            time: place(self.time),
            metric: self.metric.map(place),
            labels: labels.collect(),
            values: self.values.iter().map(value).collect(),
            left_out: Vec::new(),
        }
    }

    /// What was decided, in a line for the user.
    pub(super) fn describe(&self, columns: &[Column], unit: Option<TimeUnit>) -> String {
        /// Columns of a kind that are shown by name.
        const SHOWN_MAX: usize = 5;
        let list = |columns_of: &mut dyn Iterator<Item = usize>| {
            let names: Vec<_> =
                columns_of.map(|column| format!("`{}`", columns[column].name)).collect();
            let more = names.len().saturating_sub(SHOWN_MAX);
            let mut text = names[..names.len() - more].join(", ");
            if more > 0 {
                _ = write!(text, " and {more} more");
            }
            text
        };
        let mut text = format!("time=`{}`", columns[self.time].name);
        if let Some(unit) = unit {
            _ = write!(text, " in {unit}");
        }
        if let Some(metric) = self.metric {
            _ = write!(text, ", metric=`{}`", columns[metric].name);
        }
        let word = if self.values.len() == 1 { "value" } else { "values" };
        _ = write!(text, ", {word}: {}", list(&mut self.values.iter().map(|value| value.column)));
        if !self.labels.is_empty() {
            _ = write!(text, ", labels: {}", list(&mut self.labels.iter().map(|label| label.0)));
        }
        if !self.left_out.is_empty() {
            _ = write!(text, ", left out: {}", list(&mut self.left_out.iter().copied()));
        }
        text
    }
}

/// The labels that a column of values gives its series: what its name says, or `fallback` as the metric if that is only a
/// word for a value.
fn value_labels(name: &str, fallback: &str) -> Result<Vec<(String, String)>, LayoutError> {
    let name = if guess::is_word(name, guess::VALUE_WORDS) { fallback } else { name };
    notation::parse(name).ok_or_else(|| LayoutError::Notation { name: name.to_owned() })
}
