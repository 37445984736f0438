//! The labels of one series, gathered one by one and put into canonical form.

use std::ops::Range;

use bellwether_series::put_varint;

/// Labels of the series that is being read. It is used again for the next one, so that no series allocates.
#[derive(Debug, Default)]
pub(crate) struct LabelBuffer {
    text: Vec<u8>,
    labels: Vec<Label>,
    /// Scratch: the joined values of labels of one name.
    joined: Vec<u8>,
}

/// Where a label lies in the text.
#[derive(Debug, Clone)]
struct Label {
    name: Range<usize>,
    value: Range<usize>,
}

/// A place in a [`LabelBuffer`] to go back to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Mark {
    labels: usize,
    text: usize,
}

/// What becomes of labels that have the same name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SameName {
    /// All are written, and whoever creates the series refuses it.
    Keep,
    /// They are one, whose value is theirs in their order, separated by `;`: of names that differed before they were translated.
    Join,
}

impl LabelBuffer {
    pub(crate) fn clear(&mut self) {
        self.labels.clear();
        self.text.clear();
    }

    /// Adds a label; any bytes, which are looked at when the series is created. One without a value is none.
    pub(crate) fn push(&mut self, name: &[u8], value: &[u8]) {
        self.push_with(|text| text.extend_from_slice(name), |text| text.extend_from_slice(value));
    }

    /// Adds a label whose name and value are written to the end of a buffer that is not empty otherwise.
    pub(crate) fn push_with(
        &mut self,
        name: impl FnOnce(&mut Vec<u8>),
        value: impl FnOnce(&mut Vec<u8>),
    ) {
        let start = self.text.len();
        name(&mut self.text);
        let between = self.text.len();
        value(&mut self.text);
        if self.text.len() == between {
            self.text.truncate(start);
            return;
        }
        self.labels.push(Label { name: start..between, value: between..self.text.len() });
    }

    /// Whether one of the labels before `mark` is called as the newest one behind it is.
    pub(crate) fn newest_is_known(&self, mark: Mark) -> bool {
        let Some((newest, others)) = self.labels.split_last() else { return false };
        if others.len() < mark.labels {
            return false;
        }
        let name = &self.text[newest.name.clone()];
        others.iter().take(mark.labels).any(|label| &self.text[label.name.clone()] == name)
    }

    pub(crate) fn has(&self, name: &[u8]) -> bool {
        self.labels.iter().any(|label| &self.text[label.name.clone()] == name)
    }

    /// The place to which [`Self::truncate`] goes back. Nothing before it moves until [`Self::write`] is called.
    pub(crate) fn mark(&self) -> Mark {
        Mark { labels: self.labels.len(), text: self.text.len() }
    }

    /// Forgets what was added behind `mark`.
    pub(crate) fn truncate(&mut self, mark: Mark) {
        self.labels.truncate(mark.labels);
        self.text.truncate(mark.text);
    }

    /// Appends all labels to `out` as label fields of a `TimeSeries`, sorted by name. The labels are as many and the
    /// same afterwards.
    pub(crate) fn write(&mut self, same_name: SameName, out: &mut Vec<u8>) {
        let Self { text, labels, joined } = self;
        let is_sorted = labels.is_sorted_by(|a, b| text[a.name.clone()] < text[b.name.clone()]);
        if is_sorted {
            for label in labels.iter() {
                put(text, label, out);
            }
            return;
        }
        // By value, too, so that the order in which they came makes no difference.
        let mut sorted: Vec<&Label> = labels.iter().collect();
        sorted.sort_by_key(|label| (&text[label.name.clone()], &text[label.value.clone()]));
        let groups = sorted.chunk_by(|a, b| text[a.name.clone()] == text[b.name.clone()]);
        for group in groups {
            match group {
                [first, ..] if group.len() > 1 && same_name == SameName::Join => {
                    joined.clear();
                    for label in group {
                        if !joined.is_empty() {
                            joined.push(b';');
                        }
                        joined.extend_from_slice(&text[label.value.clone()]);
                    }
                    put_label(&text[first.name.clone()], joined, out);
                }
                _ => {
                    for label in group {
                        put(text, label, out);
                    }
                }
            }
        }
    }
}

fn put(text: &[u8], label: &Label, out: &mut Vec<u8>) {
    put_label(&text[label.name.clone()], &text[label.value.clone()], out);
}

fn put_label(name: &[u8], value: &[u8], out: &mut Vec<u8>) {
    let field_bytes = |text: &[u8]| 1 + varint_bytes(text.len()) + text.len();
    out.push(0x0A);
    put_varint(out, (field_bytes(name) + field_bytes(value)) as u64);
    for (tag, text) in [(0x0A, name), (0x12, value)] {
        out.push(tag);
        put_varint(out, text.len() as u64);
        out.extend_from_slice(text);
    }
}

fn varint_bytes(value: usize) -> usize {
    (64 - (value as u64 | 1).leading_zeros() as usize).div_ceil(7)
}

#[cfg(test)]
mod tests {
    use bellwether_series::{LabelLimits, LabelSet};
    use proptest::prelude::*;

    use super::*;

    fn written(pairs: &[(&str, &str)], same_name: SameName) -> Vec<u8> {
        let mut labels = LabelBuffer::default();
        for (name, value) in pairs {
            labels.push(name.as_bytes(), value.as_bytes());
        }
        let mut out = Vec::new();
        labels.write(same_name, &mut out);
        let mut again = Vec::new();
        labels.write(same_name, &mut again);
        assert_eq!(out, again);
        out
    }

    #[test]
    fn labels_of_one_name_are_joined_or_kept() {
        let pairs = [("a", "2"), ("__name__", "m"), ("a", ""), ("a", "1")];
        let joined = LabelSet::from_pairs([("__name__", "m"), ("a", "1;2")]).unwrap();
        assert_eq!(written(&pairs, SameName::Join), joined.as_wire());
        let kept = written(&pairs, SameName::Keep);
        assert!(LabelSet::from_wire(&kept, &LabelLimits::default()).is_err());
    }

    #[test]
    fn a_mark_is_a_place_to_go_back_to() {
        let mut labels = LabelBuffer::default();
        labels.push(b"job", b"j");
        let mark = labels.mark();
        labels.push(b"__name__", b"m");
        assert!(labels.has(b"__name__") && !labels.newest_is_known(mark));
        labels.push(b"job", b"other");
        assert!(labels.newest_is_known(mark));
        labels.truncate(mark);
        assert!(!labels.has(b"__name__") && labels.has(b"job"));
        labels.clear();
        assert!(!labels.has(b"job"));
    }

    proptest! {
        #[test]
        fn what_is_written_is_the_canonical_form(
            pairs in proptest::collection::btree_map("[a-z]{1,200}", ".{0,200}", 0..9),
            seed: u64,
        ) {
            let mut pairs: Vec<_> =
                pairs.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            pairs.push(("__name__", "m"));
            let count = pairs.len();
            pairs.rotate_left(seed as usize % count);
            let labels = LabelSet::from_pairs(pairs.iter().copied()).unwrap();
            prop_assert_eq!(written(&pairs, SameName::Keep), labels.as_wire());
            prop_assert_eq!(written(&pairs, SameName::Join), labels.as_wire());
        }
    }
}
