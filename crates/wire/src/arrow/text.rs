//! Columns of text, in any of Arrow's layouts.

use arrow_array::cast::AsArray;
use arrow_array::{Array, LargeStringArray, StringArray, StringViewArray};
use arrow_schema::DataType;

/// Whether a column of this type can be read as [`Text`].
pub(super) fn is_text(kind: &DataType) -> bool {
    match kind {
        DataType::Dictionary(_, values) => is_plain(values),
        kind => is_plain(kind),
    }
}

fn is_plain(kind: &DataType) -> bool {
    matches!(kind, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View)
}

/// A column of text.
#[derive(Debug)]
pub(super) enum Text<'a> {
    Plain(Plain<'a>),
    /// The places of the values of the rows.
    Dictionary(Vec<Option<usize>>, Plain<'a>),
}

/// Text that is written out.
#[derive(Debug)]
pub(super) enum Plain<'a> {
    Small(&'a StringArray),
    Large(&'a LargeStringArray),
    View(&'a StringViewArray),
}

impl<'a> Text<'a> {
    /// `column` as text, if it is.
    pub(super) fn new(column: &'a dyn Array) -> Option<Self> {
        let Some(dictionary) = column.as_any_dictionary_opt() else {
            return Plain::new(column).map(Self::Plain);
        };
        let values = Plain::new(&**dictionary.values())?;
        // The places of nothing are not defined.
        let places = if values.is_empty() {
            vec![None; column.len()]
        } else {
            let places = dictionary.normalized_keys().into_iter().enumerate();
            places.map(|(row, place)| column.is_valid(row).then_some(place)).collect()
        };
        Some(Self::Dictionary(places, values))
    }

    /// The text of a row, if it has one.
    pub(super) fn get(&self, row: usize) -> Option<&str> {
        match self {
            Self::Plain(text) => text.get(row),
            Self::Dictionary(places, values) => values.get((*places.get(row)?)?),
        }
    }
}

impl<'a> Plain<'a> {
    fn new(column: &'a dyn Array) -> Option<Self> {
        match column.data_type() {
            DataType::Utf8 => column.as_string_opt().map(Self::Small),
            DataType::LargeUtf8 => column.as_string_opt().map(Self::Large),
            DataType::Utf8View => column.as_string_view_opt().map(Self::View),
            _ => None,
        }
    }

    fn is_empty(&self) -> bool {
        match self {
            Self::Small(column) => column.is_empty(),
            Self::Large(column) => column.is_empty(),
            Self::View(column) => column.is_empty(),
        }
    }

    fn get(&self, row: usize) -> Option<&str> {
        match self {
            Self::Small(column) => column.is_valid(row).then(|| column.value(row)),
            Self::Large(column) => column.is_valid(row).then(|| column.value(row)),
            Self::View(column) => column.is_valid(row).then(|| column.value(row)),
        }
    }
}
