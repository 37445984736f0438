//! Keeps secrets out of the excerpts that reports show.

use std::ops::Range;

/// Words in a key that announce a secret.
const SECRET_WORDS: [&str; 12] = [
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
    "jaas",
    "basic_auth_users",
];

/// `source` with the same length and lines, secrets replaced by asterisks: what stands at `spans`, what
/// follows a key that sounds like a secret, `user:password@`, paths and queries in URLs, and what has an anchor, since
/// any key may name it.
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
            if let Some(start) = [secret_key(line), anchor(line)].into_iter().flatten().min() {
                blank(&mut bytes, at + start..at + line.len());
                inside = Some(indent);
            }
            for part in hidden_in_urls(line) {
                blank(&mut bytes, at + part.start..at + part.end);
            }
        }
        at += line.len();
    }
    // Only whole spans of valid text were replaced by ASCII; should one have cut a character, it shows.
    String::from_utf8_lossy(&bytes).into_owned()
}

/// `source` with nothing to be read in it, of the same length and with the same lines.
pub(super) fn mask_all(source: &str) -> String {
    let mut bytes = source.as_bytes().to_vec();
    blank(&mut bytes, 0..source.len());
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Whether the value of `key` is a secret, by the sound of it; what names a file is none.
pub(super) fn announces_secret(key: &str) -> bool {
    let key = key.to_lowercase();
    let names_file = key.ends_with("_file") || key.ends_with(".location");
    // As in `ssl.key.pem`.
    let has_part = key.split(['.', '_', '-']).any(|part| part == "key");
    !names_file && (has_part || SECRET_WORDS.iter().any(|word| key.contains(word)))
}

/// Where the value of the first key on `line` that sounds like a secret begins.
fn secret_key(line: &str) -> Option<usize> {
    line.match_indices(':').find_map(|(colon, _)| {
        let before = line[..colon].trim_end_matches([' ', '"', '\'']);
        let no_word = |c: char| !(c.is_alphanumeric() || matches!(c, '_' | '-' | '.'));
        let key = before.rsplit(no_word).next().unwrap_or_default();
        announces_secret(key).then_some(colon + 1)
    })
}

/// Where what the first anchor on `line` names begins.
fn anchor(line: &str) -> Option<usize> {
    line.match_indices('&').find_map(|(at, _)| {
        let begins = line[..at].chars().next_back().is_none_or(|before| " ,[{".contains(before));
        let name = line[at + 1..].find(char::is_whitespace)?;
        (begins && name > 0).then_some(at + 1 + name)
    })
}

/// What of the URLs in `text` may be a secret: `user:password`, and path and query without what begins them, since webhooks
/// have their keys there.
pub(super) fn hidden_in_urls(text: &str) -> Vec<Range<usize>> {
    let starts: Vec<usize> = text.match_indices("://").map(|(at, _)| at + 3).collect();
    let ends = starts.iter().skip(1).copied().chain([text.len()]);
    let mut hidden = Vec::new();
    for (start, end) in starts.iter().copied().zip(ends) {
        // A password may hold anything but an `@` as it is: whatever is before the last one is its.
        let host = text[start..end].rfind('@').map_or(start, |at| start + at);
        hidden.push(start..host);
        let rest = &text[host..end];
        let ends_url = |c: char| c.is_whitespace() || matches!(c, '"' | '\'');
        let Some(path) = rest.find(|c: char| ends_url(c) || matches!(c, '/' | '?' | '#')) else {
            continue;
        };
        if !rest[path..].starts_with(ends_url) {
            let path = host + path + 1;
            let end = text[path..].find(ends_url).map_or(text.len(), |at| path + at);
            hidden.push(path..end);
        }
    }
    hidden
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
    fn every_url_of_a_line_is_masked() {
        let masked = mask(r#"[{url: "http://a:1"}, {url: "http://u:hunter2@b:2"}]"#, &[]);
        assert_eq!(masked, r#"[{url: "http://a:1"}, {url: "http://*********@b:2"}]"#);
        let masked = mask(r#"[{url: "https://h/hunter2"}, {url: "https://h/s/hunter2"}]"#, &[]);
        assert_eq!(masked, r#"[{url: "https://h/*******"}, {url: "https://h/*********"}]"#);
        let masked = mask("[http://a, 'http://u:hun/ter?2 x@b/c', http://d/hunter2]", &[]);
        assert!(!["hun", "ter", "2 x"].iter().any(|part| masked.contains(part)), "{masked}");
        assert!(masked.contains("@b/") && masked.contains("http://d/"), "{masked}");
    }

    #[test]
    fn keys_of_properties_are_told_by_their_parts() {
        for secret in [
            "ssl.key.pem",
            "ssl_key_pem",
            "ssl-key-pem",
            "ssl.key.password",
            "ssl.keystore.password",
            "sasl.password",
            "sasl.oauthbearer.client.secret",
            "key",
            "API_KEY",
            "sasl.jaas.config",
        ] {
            assert_eq!(
                mask(&format!("{{ {secret}: hunter2, a: b }}"), &[]).find("hunter2"),
                None,
                "{secret}"
            );
            assert_eq!(
                mask(&format!("\"{secret}\" : hunter2"), &[]).find("hunter2"),
                None,
                "{secret}"
            );
        }
        for harmless in ["ssl.key.location", "password_file", "keys", "monkey", "ssl.ca.pem"] {
            assert!(!announces_secret(harmless), "{harmless}");
        }
    }

    #[test]
    fn what_an_alias_may_stand_for_is_masked() {
        let masked =
            mask("name: &it hunter2\nlist:\n  - &them\n    - hunter2\npassword: *it\n", &[]);
        assert_eq!(masked, "name: &it *******\nlist:\n  - &them\n    *********\npassword: ***\n");
        assert_eq!(mask("a: 'b & c', d: e&f\n", &[]), "a: 'b & c', d: e&f\n");
    }

    #[test]
    fn nothing_is_left_of_a_text_that_is_not_understood() {
        assert_eq!(mask_all("password:\nhunter2, }\n"), "*********\n**********\n");
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
