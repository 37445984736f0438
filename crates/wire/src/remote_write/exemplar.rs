//! Checks exemplars. They are counted and not kept.

use super::budget::Budget;
use super::reader::{Reader, bytes_tag};
use super::{DecodeError, Limits};

const LABELS: u32 = bytes_tag(1);
const NAME_OR_VALUE: [u32; 2] = [bytes_tag(1), bytes_tag(2)];

/// Reads one `Exemplar` of `body`; the inner result says whether its content is valid.
pub(super) fn check(
    body: &[u8],
    mut message: Reader<'_>,
    limits: &Limits,
    objects: &mut Budget,
) -> Result<Result<(), &'static str>, DecodeError> {
    let mut verdict = Ok(());
    let mut label_chars = 0;
    while !message.is_done() {
        let offset = message.at();
        match message.tag()? {
            LABELS => {
                objects.take(offset)?;
                let mut label = message.message()?;
                while !label.is_done() {
                    let tag = label.tag()?;
                    if !NAME_OR_VALUE.contains(&tag) {
                        label.skip(tag)?;
                        continue;
                    }
                    match std::str::from_utf8(&body[label.bytes()?]) {
                        Ok(text) => label_chars += text.chars().count(),
                        Err(_) => verdict = Err("label is not valid UTF-8"),
                    }
                }
            }
            tag => message.skip(tag)?,
        }
    }
    if label_chars > limits.exemplar_label_chars_max {
        verdict = Err("labels are too long");
    }
    Ok(verdict)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_bytes(bytes: &[u8]) -> Result<Result<(), &'static str>, DecodeError> {
        let mut objects = Budget::new("messages", 10);
        check(bytes, Reader::new(bytes), &Limits::default(), &mut objects)
    }

    fn label(name: &str, value: &[u8]) -> Vec<u8> {
        let (name_bytes, value_bytes) = (name.len() as u8, value.len() as u8);
        let mut label = vec![0x0A, name_bytes + value_bytes + 4, 0x0A, name_bytes];
        label.extend_from_slice(name.as_bytes());
        label.extend_from_slice(&[0x12, value_bytes]);
        label.extend_from_slice(value);
        label
    }

    #[test]
    fn label_text_is_limited_by_characters_over_all_labels() {
        assert_eq!(check_bytes(b""), Ok(Ok(())));
        let names = label("a", &[b'x'; 99]);
        let longest = [names.clone(), label("b", "é".repeat(27).as_bytes())].concat();
        assert_eq!(check_bytes(&longest), Ok(Ok(())));
        let longer = [names, label("b", "é".repeat(28).as_bytes())].concat();
        assert_eq!(check_bytes(&longer), Ok(Err("labels are too long")));
    }

    #[test]
    fn labels_must_be_utf_8_and_well_formed() {
        assert_eq!(check_bytes(&label("a", b"\xff")), Ok(Err("label is not valid UTF-8")));
        assert!(check_bytes(b"\x0a\x02\x0a\x01").is_err(), "the name is cut");
        let value_and_time = b"\x11\0\0\0\0\0\0\0\0\x18\x01";
        assert_eq!(check_bytes(value_and_time), Ok(Ok(())));
    }

    #[test]
    fn labels_count_as_objects() {
        let refused = check_bytes(&b"\x0a\x00".repeat(11)).unwrap_err();
        assert_eq!(refused.reason(), "too_many_objects");
    }
}
