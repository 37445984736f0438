//! Keeps secrets out of the excerpts that reports show.

use std::ops::Range;

/// Words in a key that announce a secret.
const SECRET_WORDS: [&str; 11] = [
    "pass",
    "pasw",
    "pwd",
    "secret",
    "token",
    "credential",
    "authorization",
    "api_key",
    "apikey",
    "private",
    "basic_auth_users",
];

/// `source` with the same length and lines, secrets replaced by asterisks: what stands at `spans`, what
/// follows a key that sounds like a secret (unless it ends in `_file`), and `user:password@`, paths and queries in URLs.
pub(super) fn mask(source: &str, spans: &[Range<usize>]) -> String {
    let mut bytes = source.as_bytes().to_vec();
    for span in spans {
        blank(&mut bytes, span.clone());
    }
    let mut at = 0;
    // Lines indented deeper than this continue a secret.
    let mut inside: Option<usize> = None;
    for line in source.split_inclusive('\n') {
        let indent = line.len() - line.trim_start_matches([' ', '-']).len();
        let empty = line.trim().is_empty();
        if inside.is_some_and(|outer| empty || indent > outer) {
            blank(&mut bytes, at..at + line.len());
        } else {
            inside = None;
            if let Some(colon) = secret_key(line) {
                blank(&mut bytes, at + colon..at + line.len());
                inside = Some(indent);
            }
            for part in [user_info(line), path(line)].into_iter().flatten() {
                blank(&mut bytes, at + part.start..at + part.end);
            }
        }
        at += line.len();
    }
    // Only whole spans of valid text were replaced by ASCII; should one have cut a character, it shows.
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Where the value of the first key on `line` that sounds like a secret begins.
fn secret_key(line: &str) -> Option<usize> {
    line.match_indices(':').find_map(|(colon, _)| {
        let before = line[..colon].trim_end_matches([' ', '"', '\'']);
        let word = |c: char| !(c.is_alphanumeric() || c == '_' || c == '-');
        let key = before.rsplit(word).next().unwrap_or_default().to_lowercase();
        let announces = key == "key" || SECRET_WORDS.iter().any(|word| key.contains(word));
        let secret = announces && !key.ends_with("_file");
        secret.then_some(colon + 1)
    })
}

/// Where `user:password` of a URL stands.
fn user_info(line: &str) -> Option<Range<usize>> {
    let start = line.find("://")? + 3;
    let authority = line[start..].split(['/', ' ', '"', '\'', '\n']).next()?;
    Some(start..start + authority.rfind('@')?)
}

/// Where path and query of a URL stand, without what begins them: webhooks have their keys there.
fn path(line: &str) -> Option<Range<usize>> {
    let host = line.find("://")? + 3;
    let start = host + line[host..].find(['/', '?', ' ', '"', '\'', '\n'])?;
    let begins = matches!(line.as_bytes()[start], b'/' | b'?');
    let end = line[start..].find([' ', '"', '\'', '\n']).map_or(line.len(), |at| start + at);
    begins.then_some(start + 1..end)
}

/// Replaces everything but white space at both ends and line breaks.
fn blank(bytes: &mut [u8], span: Range<usize>) {
    let Some(part) = bytes.get_mut(span) else { return };
    let kept = part.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
    for byte in part[kept..].iter_mut().filter(|byte| !matches!(byte, b'\n' | b'\r')) {
        *byte = b'*';
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_sounds_like_a_secret_is_masked() {
        let source =
            "password: hunter2\npassword_file: a/b\nbearer_token: |\n  abc\n  déf\nurl: x\n";
        let masked = mask(source, &[]);
        assert_eq!(
            masked,
            "password: *******\npassword_file: a/b\nbearer_token: *\n  ***\n  ****\nurl: x\n"
        );
    }

    #[test]
    fn flow_mappings_and_urls_are_masked() {
        assert_eq!(mask("{user: a, pasword: b }", &[]), "{user: a, pasword: ***");
        assert_eq!(mask("url: http://u:p@h/x", &[]), "url: http://***@h/*");
        assert_eq!(mask("url: http://h/x?sig=a # why?", &[]), "url: http://h/******* # why?");
        assert_eq!(mask("url: http://h:1 # why?", &[]), "url: http://h:1 # why?");
        assert_eq!(mask("url: 'http://h/x' # why?", &[]), "url: 'http://h/*' # why?");
    }

    #[test]
    fn hashes_and_keys_of_a_server_are_masked() {
        let source = "basic_auth_users:\n  me: $2y$a\ntls:\n  key: |\n    abc\n  key_file: b\n";
        let masked = mask(source, &[]);
        let expected = "basic_auth_users:\n  *********\ntls:\n  key: *\n    ***\n  key_file: b\n";
        assert_eq!(masked, expected);
    }

    #[test]
    fn spans_are_masked() {
        let masked = mask("pw_of_mine: abc # why", &[12..15, 19..21]);
        assert_eq!(masked, "pw_of_mine: *** # w**");
    }
}
