//! Whether a server's answer repeats what we log in with: debugging servers and proxies send a request's headers back.

use reqwest::Url;

use super::endpoint::Endpoint;
use crate::Secret;

/// Least length, in bytes, of a part of a secret that is looked for by itself: what is shorter stands in answers by chance.
const PART_BYTES_MIN: usize = 8;

/// What no answer may be quoted with.
#[derive(Debug)]
pub(crate) struct Credentials(Vec<Secret>);

impl Credentials {
    /// Those of requests to `endpoint`, of which `header` is the `Authorization`.
    pub(super) fn of(endpoint: &Endpoint, header: Option<&str>) -> Self {
        let mut secrets = Vec::new();
        if let Some(header) = header {
            let sent = header.split_once(' ').map_or(header, |(_, sent)| sent);
            secrets.push(Secret::new(sent));
            secrets.extend(longest_part(sent));
        }
        if let Some((_, password)) = &endpoint.basic_auth {
            secrets.push(password.clone());
            secrets.extend(longest_part(password.expose()));
        }
        if let Ok(url) = Url::parse(&endpoint.url) {
            secrets.extend(url.query().map(Secret::new));
            let values = url.query_pairs().filter(|(_, value)| value.len() >= PART_BYTES_MIN);
            secrets.extend(values.map(|(_, value)| Secret::new(value)));
        }
        secrets.retain(|secret| !secret.expose().is_empty());
        Self(secrets)
    }

    /// Whether one of them is in `text`, as it is or with some characters written in another way.
    pub(super) fn are_in(&self, text: &str) -> bool {
        self.0.iter().any(|secret| text.contains(secret.expose()))
    }
}

/// The longest part of `secret` that is written alike in HTML, JSON and URLs, if it gives much away.
fn longest_part(secret: &str) -> Option<Secret> {
    let parts = secret.split(|c: char| !c.is_ascii_alphanumeric());
    let longest = parts.max_by_key(|part| part.len())?;
    (longest.len() >= PART_BYTES_MIN).then(|| Secret::new(longest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outbound::Authorization;

    fn credentials(endpoint: &Endpoint) -> Credentials {
        let header = endpoint.authorization_header().unwrap();
        Credentials::of(endpoint, header.as_ref().map(|header| header.to_str().unwrap()))
    }

    #[test]
    fn what_is_sent_to_log_in_is_found_in_whatever_form() {
        let url = || "http://a/?token=hunter2hunter2&tenant=7".to_owned();
        let basic_auth = Some(("user".to_owned(), Secret::new("a/canarycanary+x")));
        let basic = credentials(&Endpoint { url: url(), basic_auth, ..Endpoint::default() });
        let authorization = Some(Authorization::bearer(Secret::new("short")));
        let bearer = credentials(&Endpoint { url: url(), authorization, ..Endpoint::default() });
        for text in [
            "authorization: Basic dXNlcjphL2NhbmFyeWNhbmFyeSt4",
            "Basic%20dXNlcjphL2NhbmFyeWNhbmFyeSt4",
            "wrong password a/canarycanary+x",
            "{\"password\":\"a\\/canarycanary+x\"}",
            "no such path: /?token=hunter2hunter2&tenant=7",
            "no such token: hunter2hunter2",
        ] {
            assert!(basic.are_in(text), "{text}");
        }
        assert!(bearer.are_in("Bearer short") && bearer.are_in("hunter2hunter2"));
        for text in ["", "user unknown, tenant 7", "bearer token missing"] {
            assert!(!basic.are_in(text) && !bearer.are_in(text), "{text}");
        }
        assert!(!credentials(&Endpoint::default()).are_in("anything"));
    }
}
