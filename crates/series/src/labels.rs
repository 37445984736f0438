//! Label sets in canonical form.
//!
//! A label set is one buffer: the labels sorted by name, each encoded as a `Label` message of
//! Prometheus' remote write (`prompb/types.proto`), which is exactly what a well-behaved sender puts on the
//! wire. A series that is already known is therefore recognised by comparing bytes, without looking
//! at a single label.

mod saved;
mod wire;

use std::cmp::Ordering;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use self::wire::{WireLabels, field_bytes, put_label, take_label, value_of};
use crate::Fingerprint;

pub use self::wire::{put_varint, take_varint};

/// The label that holds a series' metric name.
pub const METRIC_NAME: &str = "__name__";

/// Few series have more labels.
const LABELS_USUAL: usize = 16;

/// Bounds on what a label set may be; each is checked before anything is allocated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LabelLimits {
    /// Most labels a series may have.
    pub labels_max: usize,
    /// Longest label name, in bytes.
    pub name_bytes_max: usize,
    /// Longest label value, in bytes.
    pub value_bytes_max: usize,
    /// Most bytes of all names and values of a series together.
    pub total_bytes_max: usize,
}

impl Default for LabelLimits {
    fn default() -> Self {
        Self {
            labels_max: 64,
            name_bytes_max: 1024,
            value_bytes_max: 4096,
            total_bytes_max: 16 * 1024,
        }
    }
}

/// Why a label set was refused. The series is counted and dropped; others of the request are kept.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LabelError {
    /// The bytes are not label messages.
    #[error("labels are not valid protobuf: offset=`{offset}`")]
    Malformed {
        /// Byte offset within the labels.
        offset: usize,
    },
    /// No metric name, or an empty one.
    #[error("series has no metric name")]
    NoMetricName,
    /// A label with an empty name.
    #[error("label name is empty")]
    EmptyName,
    /// The same name twice.
    #[error("label name occurs twice: name=`{name}`")]
    DuplicateName {
        /// The name.
        name: String,
    },
    /// A name or value that is not UTF-8.
    #[error("label is not valid UTF-8: name=`{name}`")]
    NotUtf8 {
        /// The name, with what is not UTF-8 replaced.
        name: String,
    },
    /// Too many labels.
    #[error("series has too many labels: limit=`{limit}`")]
    TooMany {
        /// The limit that was passed.
        limit: usize,
    },
    /// A name, a value or all of them together are too long.
    #[error("label is too long: name=`{name}`, limit_bytes=`{limit_bytes}`")]
    TooLong {
        /// The first bytes of the name.
        name: String,
        /// The limit that was passed.
        limit_bytes: usize,
    },
}

/// A sorted set of labels with unique, non-empty names and non-empty values, all valid UTF-8.
///
/// Cheap to clone. Compares and hashes by its bytes.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct LabelSet(Arc<[u8]>);

impl LabelSet {
    /// Builds a label set from pairs in any order; labels with an empty value are left out.
    ///
    /// # Errors
    /// When a name is empty or occurs twice, or no metric name is given.
    pub fn from_pairs<'a>(
        pairs: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Self, LabelError> {
        let pairs = pairs.into_iter().map(|(name, value)| (name.as_bytes(), value.as_bytes()));
        Self::canonical(pairs.collect())
    }

    /// Builds a label set from the label fields of a remote-write `TimeSeries` (`0A len Label`, one
    /// after the other, in any order) and enforces `limits`.
    ///
    /// # Errors
    /// Whatever [`LabelError`] lists.
    pub fn from_wire(bytes: &[u8], limits: &LabelLimits) -> Result<Self, LabelError> {
        if is_canonical(bytes, limits) {
            return Ok(Self(bytes.into()));
        }
        let mut pairs = Vec::with_capacity(LABELS_USUAL);
        let mut total_bytes = 0;
        for label in WireLabels::new(bytes) {
            let (name, value) = label?;
            if pairs.len() == limits.labels_max {
                return Err(LabelError::TooMany { limit: limits.labels_max });
            }
            total_bytes += name.len() + value.len();
            let too_long = |limit_bytes| LabelError::TooLong { name: excerpt(name), limit_bytes };
            if name.len() > limits.name_bytes_max {
                return Err(too_long(limits.name_bytes_max));
            }
            if value.len() > limits.value_bytes_max {
                return Err(too_long(limits.value_bytes_max));
            }
            if total_bytes > limits.total_bytes_max {
                return Err(too_long(limits.total_bytes_max));
            }
            if std::str::from_utf8(name).is_err() || std::str::from_utf8(value).is_err() {
                return Err(LabelError::NotUtf8 { name: excerpt(name) });
            }
            pairs.push((name, value));
        }
        Self::canonical(pairs)
    }

    /// Sorts, drops empty values, checks names and encodes. `pairs` are valid UTF-8.
    fn canonical(mut pairs: Vec<(&[u8], &[u8])>) -> Result<Self, LabelError> {
        pairs.sort_unstable_by_key(|&(name, _)| name);
        if pairs.first().is_some_and(|(name, _)| name.is_empty()) {
            return Err(LabelError::EmptyName);
        }
        if let Some(twice) = pairs.windows(2).find(|pair| pair[0].0 == pair[1].0) {
            return Err(LabelError::DuplicateName { name: excerpt(twice[0].0) });
        }
        pairs.retain(|(_, value)| !value.is_empty());
        if !pairs.iter().any(|&(name, _)| name == METRIC_NAME.as_bytes()) {
            return Err(LabelError::NoMetricName);
        }
        let mut bytes =
            Vec::with_capacity(pairs.iter().map(|(name, value)| field_bytes(name, value)).sum());
        for (name, value) in pairs {
            put_label(&mut bytes, name, value);
        }
        Ok(Self(bytes.into()))
    }

    /// The canonical bytes: label fields of a remote-write `TimeSeries`, sorted by name.
    pub fn as_wire(&self) -> &[u8] {
        &self.0
    }

    /// Whether both are clones of the same set, which takes no look at their bytes. Equal sets that were made one by one
    /// are not.
    pub fn is_clone_of(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// The labels, sorted by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        let mut at = 0;
        // Canonical bytes are UTF-8.
        std::iter::from_fn(move || take_label(&self.0, &mut at)).filter_map(|(name, value)| {
            Some((std::str::from_utf8(name).ok()?, std::str::from_utf8(value).ok()?))
        })
    }

    /// The value of the label called `name`.
    pub fn get(&self, name: &str) -> Option<&str> {
        // They are valid UTF-8: only the value that is found has to be looked at again.
        std::str::from_utf8(value_of(&self.0, name.as_bytes())?).ok()
    }

    /// The metric name; never empty.
    pub fn metric_name(&self) -> &str {
        self.get(METRIC_NAME).unwrap_or_default()
    }

    /// The same labels and one more.
    ///
    /// # Errors
    /// When the name is empty or there already.
    pub fn with(&self, name: &str, value: &str) -> Result<Self, LabelError> {
        Self::from_pairs(self.iter().chain([(name, value)]))
    }

    /// Where in [`LabelSet::as_wire`] the field of the label called `name` is.
    pub fn place_of(&self, name: &str) -> Option<Range<usize>> {
        let mut at = 0;
        loop {
            let start = at;
            let (label, _) = take_label(&self.0, &mut at)?;
            if label == name.as_bytes() {
                return Some(start..at);
            }
        }
    }

    /// The stable identity of this label set.
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of_parts(&[b"labels/1", &self.0])
    }
}

/// Prometheus' notation: `name{label="value",…}`, values escaped.
impl fmt::Display for LabelSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.metric_name())?;
        let mut separator = '{';
        for (name, value) in self.iter().filter(|&(name, _)| name != METRIC_NAME) {
            write!(f, "{separator}{name}={value:?}")?;
            separator = ',';
        }
        if separator == ',' { f.write_str("}") } else { Ok(()) }
    }
}

impl fmt::Debug for LabelSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The field of one label in [`LabelSet::as_wire`].
pub fn label_field(name: &str, value: &str) -> Vec<u8> {
    let mut field = Vec::new();
    put_label(&mut field, name.as_bytes(), value.as_bytes());
    field
}

/// By the canonical bytes: total and stable, though not the order of the printed text.
impl Ord for LabelSet {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.cmp(&other.0)
    }
}

impl PartialOrd for LabelSet {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// At most 64 bytes of a hostile name, for an error message.
fn excerpt(name: &[u8]) -> String {
    String::from_utf8_lossy(&name[..name.len().min(64)]).into_owned()
}

/// Whether `bytes` are the canonical form of labels within `limits`, as most senders write it.
fn is_canonical(bytes: &[u8], limits: &LabelLimits) -> bool {
    // What is in ASCII, lengths included, is valid UTF-8: one look at all of it instead of two a label.
    let is_ascii = bytes.is_ascii();
    let is_text = |text| is_ascii || std::str::from_utf8(text).is_ok();
    let (mut at, mut labels, mut total_bytes) = (0, 0, 0);
    let (mut last, mut is_named) = (&[][..], false);
    while at < bytes.len() {
        let start = at;
        let Some((name, value)) = take_label(bytes, &mut at) else { return false };
        // No name is less than an empty one. Lengths can be written in more bytes than they need.
        let is_plain = last < name && !value.is_empty() && at - start == field_bytes(name, value);
        let is_short = name.len() <= limits.name_bytes_max && value.len() <= limits.value_bytes_max;
        if !is_plain || !is_short || !is_text(name) || !is_text(value) {
            return false;
        }
        is_named |= name == METRIC_NAME.as_bytes();
        last = name;
        labels += 1;
        total_bytes += name.len() + value.len();
    }
    is_named && labels <= limits.labels_max && total_bytes <= limits.total_bytes_max
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::wire::varint_bytes;
    use super::*;

    fn wire(pairs: &[(&[u8], &[u8])]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (name, value) in pairs {
            put_label(&mut bytes, name, value);
        }
        bytes
    }

    fn from_wire(pairs: &[(&[u8], &[u8])]) -> Result<LabelSet, LabelError> {
        LabelSet::from_wire(&wire(pairs), &LabelLimits::default())
    }

    #[test]
    fn canonical_bytes_are_what_prometheus_sends() {
        let labels = LabelSet::from_pairs([("job", "j"), ("__name__", "up")]).unwrap();
        assert_eq!(
            labels.as_wire(),
            b"\x0a\x0e\x0a\x08__name__\x12\x02up\x0a\x08\x0a\x03job\x12\x01j"
        );
        assert_eq!(labels.to_string(), r#"up{job="j"}"#);
    }

    #[test]
    fn order_and_empty_values_do_not_matter() {
        let sorted = from_wire(&[(b"__name__", b"up"), (b"a", b"1")]).unwrap();
        let shuffled = from_wire(&[(b"a", b"1"), (b"b", b""), (b"__name__", b"up")]).unwrap();
        assert_eq!(sorted, shuffled);
        assert_eq!(sorted.fingerprint(), shuffled.fingerprint());
    }

    #[test]
    fn bad_label_sets_are_named() {
        assert_eq!(from_wire(&[(b"a", b"1")]), Err(LabelError::NoMetricName));
        assert_eq!(from_wire(&[(b"__name__", b"")]), Err(LabelError::NoMetricName));
        assert_eq!(from_wire(&[(b"", b"1"), (b"__name__", b"m")]), Err(LabelError::EmptyName));
        assert!(matches!(
            from_wire(&[(b"a", b"1"), (b"a", b"1"), (b"__name__", b"m")]),
            Err(LabelError::DuplicateName { .. })
        ));
        assert!(matches!(
            from_wire(&[(b"__name__", b"m"), (b"a", b"\xff")]),
            Err(LabelError::NotUtf8 { .. })
        ));
        assert!(matches!(
            from_wire(&[(b"__name__", b"m"), (b"a", &[b'x'; 4097])]),
            Err(LabelError::TooLong { limit_bytes: 4096, .. })
        ));
        let truncated = &wire(&[(b"__name__", b"up")])[..5];
        assert_eq!(
            LabelSet::from_wire(truncated, &LabelLimits::default()),
            Err(LabelError::Malformed { offset: 0 })
        );
    }

    proptest! {
        #[test]
        fn varints_survive_the_round_trip(value: u64) {
            let mut bytes = Vec::new();
            put_varint(&mut bytes, value);
            prop_assert_eq!(bytes.len(), varint_bytes(value));
            let mut at = 0;
            prop_assert_eq!(take_varint(&bytes, &mut at), Some(value));
            prop_assert_eq!(at, bytes.len());
        }

        #[test]
        fn arbitrary_bytes_never_panic(bytes: Vec<u8>) {
            _ = LabelSet::from_wire(&bytes, &LabelLimits::default());
        }

        #[test]
        fn the_canonical_form_is_a_fixed_point(
            pairs in proptest::collection::btree_map("[a-z]{1,8}", ".{0,12}", 0..6)
        ) {
            let all = pairs.iter().map(|(name, value)| (name.as_str(), value.as_str()));
            let labels = LabelSet::from_pairs(all.chain([("__name__", "m")])).unwrap();
            let again = LabelSet::from_wire(labels.as_wire(), &LabelLimits::default()).unwrap();
            prop_assert_eq!(&labels, &again);
        }

        /// What is kept as it was sent is what would have been made of it.
        #[test]
        fn however_labels_are_written_they_are_kept_in_canonical_form(
            others in proptest::collection::vec(("[a-c]{0,2}", "[x-yé]{0,2}", 0..9_usize), 0..4),
            form in 0..9_usize,
            is_sorted: bool,
        ) {
            let mut labels = others;
            labels.push(("__name__".into(), "m".into(), form));
            if is_sorted {
                labels.sort();
            }
            let field = |(name, value, form): &(String, String, usize)| {
                let text = |tag: u8, text: &str| [&[tag, text.len() as u8], text.as_bytes()].concat();
                let (name, value) = (text(0x0A, name), text(0x12, value));
                let message = match form {
                    0 => [value, name].concat(),
                    1 => [name, value, vec![0x18, 0]].concat(),
                    2 => [vec![0x12, 1, b'z'], name, value].concat(),
                    3 => [&name[..1], &[name[1] | 0x80, 0], &name[2..], &value].concat(),
                    _ => [name, value].concat(),
                };
                [&[0x0A, message.len() as u8], &message[..]].concat()
            };
            let bytes = labels.iter().map(field).collect::<Vec<_>>().concat();
            let pairs = labels.iter().map(|(name, value, _)| (name.as_str(), value.as_str()));
            prop_assert_eq!(
                LabelSet::from_wire(&bytes, &LabelLimits::default()),
                LabelSet::from_pairs(pairs)
            );
        }

        #[test]
        fn a_label_that_is_added_stands_where_its_place_says(
            pairs in proptest::collection::btree_map("[a-l]{1,3}", ".{1,200}", 0..6),
            value in ".{1,200}",
        ) {
            let all = pairs.iter().map(|(name, value)| (name.as_str(), value.as_str()));
            let without = LabelSet::from_pairs(all.chain([("__name__", "m"), ("z", "1")])).unwrap();
            prop_assert_eq!(without.place_of("m"), None);
            let with = without.with("m", &value).unwrap();
            let place = with.place_of("m").unwrap();
            let wire = with.as_wire();
            prop_assert_eq!(&wire[place.clone()], label_field("m", &value));
            prop_assert_eq!([&wire[..place.start], &wire[place.end..]].concat(), without.as_wire());
            prop_assert!(with.with("m", "again").is_err());
        }
    }
}
