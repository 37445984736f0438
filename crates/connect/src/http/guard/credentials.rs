//! What a request's `Authorization` header says.

use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::Secret;

/// Longest header that is looked at, in bytes.
const HEADER_BYTES_MAX: usize = 8 * 1024;

/// What a client says of itself.
#[derive(Debug)]
pub(super) enum Credentials<'a> {
    /// Nothing.
    None,
    /// Something that cannot be understood.
    Malformed,
    /// A token.
    Bearer(&'a str),
    /// A user name and a password.
    Basic {
        /// Without colon.
        user: String,
        /// Any text.
        password: Secret,
    },
}

impl<'a> Credentials<'a> {
    /// Those of a request with `headers`.
    pub(super) fn of(headers: &'a HeaderMap) -> Self {
        let mut values = headers.get_all(AUTHORIZATION).iter();
        let Some(value) = values.next() else { return Self::None };
        // Of two, nobody knows which one somebody else has checked.
        if values.next().is_some() || value.len() > HEADER_BYTES_MAX {
            return Self::Malformed;
        }
        let Some((scheme, rest)) = value.to_str().ok().and_then(|text| text.split_once(' ')) else {
            return Self::Malformed;
        };
        let rest = rest.trim();
        if scheme.eq_ignore_ascii_case("bearer") {
            Self::Bearer(rest)
        } else if scheme.eq_ignore_ascii_case("basic") {
            basic(rest).unwrap_or(Self::Malformed)
        } else {
            Self::Malformed
        }
    }
}

fn basic(encoded: &str) -> Option<Credentials<'static>> {
    let text = Secret::new(String::from_utf8(STANDARD.decode(encoded).ok()?).ok()?);
    let (user, password) = text.expose().split_once(':')?;
    Some(Credentials::Basic { user: user.to_owned(), password: Secret::new(password) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(values: &[&str]) -> String {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(AUTHORIZATION, value.parse().unwrap());
        }
        match Credentials::of(&headers) {
            Credentials::None => "none".to_owned(),
            Credentials::Malformed => "malformed".to_owned(),
            Credentials::Bearer(token) => format!("bearer {token}"),
            Credentials::Basic { user, password } => format!("basic {user} {}", password.expose()),
        }
    }

    #[test]
    fn both_schemes_are_read_in_any_case() {
        assert_eq!(read(&[]), "none");
        assert_eq!(read(&["Bearer abc"]), "bearer abc");
        assert_eq!(read(&["bearer  abc"]), "bearer abc");
        // RFC 7617, section 2.
        assert_eq!(read(&["Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="]), "basic Aladdin open sesame");
        assert_eq!(read(&["BASIC YTpiOmM="]), "basic a b:c");
    }

    #[test]
    fn anything_else_is_malformed() {
        for bad in ["", "Basic", "Basic !!!", "Basic YWJj", "Basic /w==", "Digest a=b", "Bearer"] {
            assert_eq!(read(&[bad]), "malformed", "{bad}");
        }
        assert_eq!(read(&["Bearer a", "Bearer a"]), "malformed");
        assert_eq!(read(&[&format!("Bearer {}", "a".repeat(HEADER_BYTES_MAX))]), "malformed");
    }
}
