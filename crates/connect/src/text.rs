//! Text from outside, made safe for a log line or an answer.

/// `text` on one line, with control characters escaped, cut to at most `bytes_max` bytes.
pub(crate) fn printable(text: &str, bytes_max: usize) -> String {
    let mut safe = String::with_capacity(text.len().min(bytes_max));
    for character in text.chars() {
        let before = safe.len();
        if character.is_control() {
            safe.extend(character.escape_default());
        } else {
            safe.push(character);
        }
        if safe.len() > bytes_max {
            safe.truncate(before);
            break;
        }
    }
    safe
}

/// `text` cut to at most `bytes_max` bytes without splitting a character.
pub(crate) fn truncated(mut text: String, bytes_max: usize) -> String {
    let mut end = text.len().min(bytes_max);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.truncate(end);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_cannot_forge_a_line_or_move_a_cursor() {
        assert_eq!(printable("a\nb\u{1b}[2J", 99), "a\\nb\\u{1b}[2J");
    }

    #[test]
    fn text_is_cut_between_characters() {
        assert_eq!(printable("aé", 2), "a");
        assert_eq!(printable("a\n", 2), "a");
        assert_eq!(truncated("aé".to_owned(), 2), "a");
        assert_eq!(truncated("aé".to_owned(), 3), "aé");
    }
}
