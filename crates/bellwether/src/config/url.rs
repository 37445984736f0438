//! URLs of other servers.

use reqwest::Url;

/// An `http` or `https` URL without user name, password, query, fragment and slash at its end; or what is
/// wrong with it and a mend. Neither repeats the URL, which may hold a secret.
pub(super) fn parse(text: &str) -> Result<String, (&'static str, &'static str)> {
    let not_a_url =
        ("this is not a URL", "write one like `http://host:9093` or `https://host/path`");
    let url = Url::parse(text).map_err(|_| not_a_url)?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(("the URL must start with `http://` or `https://`", not_a_url.1));
    }
    if !url.username().is_empty() || url.password().is_some() {
        let mend = "log in with `basic_auth: { username: …, password_file: … }` instead";
        return Err(("a user name or password in a URL ends up in logs", mend));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(("the URL has a query or fragment", "cut it off at `?` or `#`"));
    }
    Ok(url.as_str().trim_end_matches('/').to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_web_addresses_are_taken() {
        for good in ["http://a:9093", "https://a.example/prefix/", "http://[::1]:9093"] {
            assert_eq!(parse(good).unwrap(), good.trim_end_matches('/'));
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for bad in
            ["a:9093", "ftp://a", "http://u:p@a", "http://u@a", "http://a?b=c", "http://", ""]
        {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
