//! URLs of other servers.

use reqwest::Url;

/// What is wrong with a URL, and a mend. Neither repeats the URL, which may hold a secret.
pub(super) type Fault = (&'static str, &'static str);

/// A URL that paths are added to: one without query and without slash at its end.
pub(super) fn base(text: &str) -> Result<String, Fault> {
    let url = parse(text, "write one like `http://host:9093` or `https://host/path`")?;
    if url.query().is_some() {
        return Err(("the URL has a query or fragment", "cut it off at `?` or `#`"));
    }
    Ok(url.as_str().trim_end_matches('/').to_owned())
}

/// A URL that is used as it stands.
pub(super) fn exact(text: &str) -> Result<String, Fault> {
    parse(text, "write one like `https://host/path`").map(Into::into)
}

/// What metrics and logs show of a URL that is used as it stands: no query, which may hold a secret.
pub(super) fn shown(url: &str) -> &str {
    url.split('?').next().unwrap_or(url).trim_end_matches('/')
}

/// An `http` or `https` URL without user name, password and fragment. `mend` says what one looks like.
fn parse(text: &str, mend: &'static str) -> Result<Url, Fault> {
    let url = Url::parse(text).map_err(|_| ("this is not a URL", mend))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(("the URL must start with `http://` or `https://`", mend));
    }
    if !url.username().is_empty() || url.password().is_some() {
        let mend = "log in with `basic_auth: { username: …, password_file: … }` instead";
        return Err(("a user name or password in a URL ends up in logs", mend));
    }
    if url.fragment().is_some() {
        return Err(("the URL has a fragment", "cut it off at `#`"));
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_web_addresses_are_taken() {
        for good in ["http://a:9093", "https://a.example/prefix/", "http://[::1]:9093"] {
            assert_eq!(base(good).unwrap(), good.trim_end_matches('/'));
        }
    }

    #[test]
    fn an_exact_url_keeps_its_query_and_its_slash() {
        for good in ["http://a:9093/", "https://a.example/hook/", "http://a/write?tenant=b"] {
            assert_eq!(exact(good).unwrap(), good);
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for bad in ["a:9093", "ftp://a", "http://u:p@a", "http://u@a", "http://a#b", "http://", ""]
        {
            assert!(base(bad).is_err() && exact(bad).is_err(), "{bad}");
        }
        assert!(base("http://a?b=c").is_err());
    }
}
