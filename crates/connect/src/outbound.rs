//! What every sink that talks HTTP stands on: where to, as whom, and with which limits.

mod answer;
mod backoff;

use std::fmt;
use std::time::Duration;

use reqwest::{Client, RequestBuilder, Url, redirect};
use rustls::crypto::{CryptoProvider, ring};

use crate::Secret;

pub(crate) use answer::{answer_text, describe, describe_answer, retry_after};
pub(crate) use backoff::Backoff;

/// A server to send to, and how to log in to it.
///
/// Debug shows nothing of the URL but scheme, host and port: the rest may hold a token.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Endpoint {
    /// URL, `http` or `https`, without user information and fragment. Sinks that add a path of their own
    /// to it take none with a query either.
    pub url: String,
    /// User name and password.
    pub basic_auth: Option<(String, Secret)>,
    /// Bearer token; not together with `basic_auth`.
    pub bearer: Option<Secret>,
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let origin = Url::parse(&self.url).map(|url| url.origin().ascii_serialization());
        f.debug_struct("Endpoint")
            .field("origin", &origin.as_deref().unwrap_or("none"))
            .field("basic_auth", &self.basic_auth)
            .field("bearer", &self.bearer)
            .finish_non_exhaustive()
    }
}

/// Why nothing can be sent to an endpoint.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EndpointError {
    /// The URL is unusable. It is not repeated here since it may hold a password.
    #[error("URL to send to is invalid: {fault}")]
    Url {
        /// What is wrong with it.
        fault: &'static str,
    },
    /// A credential is unusable.
    #[error("credentials to send with are invalid: {fault}")]
    Credentials {
        /// What is wrong with them.
        fault: &'static str,
    },
    /// The HTTP client cannot be built, for want of TLS root certificates most likely.
    #[error("cannot build the HTTP client")]
    Client {
        /// What the client says.
        source: reqwest::Error,
    },
}

/// The way to one endpoint. It follows no redirect and uses no proxy.
pub(crate) struct Outbound {
    http: Client,
    url: Url,
    shown_url: String,
    timeout: Duration,
    credentials: Option<Credentials>,
}

#[derive(PartialEq)]
enum Credentials {
    Basic(String, Secret),
    Bearer(Secret),
}

impl Outbound {
    /// Requests go to the endpoint's URL with `path_suffix` at its end and take at most `timeout`. The
    /// URL may hold a query only where `path_suffix` is empty.
    pub(crate) fn new(
        endpoint: &Endpoint,
        path_suffix: &str,
        timeout: Duration,
    ) -> Result<Self, EndpointError> {
        let given = checked_url(&endpoint.url)?;
        let mut shown = given.clone();
        shown.set_query(None);
        let shown_url = shown.as_str().trim_end_matches('/').to_owned();
        let url = if path_suffix.is_empty() {
            given
        } else if given.query().is_some() {
            return Err(EndpointError::Url { fault: "it holds a query" });
        } else {
            Url::parse(&format!("{shown_url}{path_suffix}"))
                .map_err(|_| EndpointError::Url { fault: "no path can be added to it" })?
        };
        let credentials = credentials(endpoint)?;
        let http = http_client(&url, timeout).map_err(|source| EndpointError::Client { source })?;
        Ok(Self { http, url, shown_url, timeout, credentials })
    }

    /// A POST with the credentials; what is sent and which headers go with it is up to the caller.
    pub(crate) fn post(&self) -> RequestBuilder {
        let request = self.http.post(self.url.clone());
        match &self.credentials {
            Some(Credentials::Basic(user, password)) => {
                request.basic_auth(user, Some(password.expose()))
            }
            Some(Credentials::Bearer(token)) => request.bearer_auth(token.expose()),
            None => request,
        }
    }

    /// The endpoint's URL for people: without query, without the suffix, without a slash at the end.
    pub(crate) fn shown_url(&self) -> &str {
        &self.shown_url
    }

    /// Scheme, host and port only, for URLs whose very path may be a secret.
    pub(crate) fn shown_origin(&self) -> String {
        self.url.origin().ascii_serialization()
    }

    /// Whether `other` logs in to the same place as the same user.
    pub(crate) fn is_same_user(&self, other: &Self) -> bool {
        self.url == other.url && self.credentials == other.credentials
    }

    /// Whether there is no difference to `other`.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        self.is_same_user(other) && self.timeout == other.timeout
    }
}

fn checked_url(url: &str) -> Result<Url, EndpointError> {
    let invalid = |fault| EndpointError::Url { fault };
    let url = Url::parse(url).map_err(|_| invalid("it cannot be parsed"))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(invalid("it is neither http nor https"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(invalid("it holds user information, use basic_auth"));
    }
    if url.fragment().is_some() {
        return Err(invalid("it holds a fragment"));
    }
    Ok(url)
}

fn credentials(endpoint: &Endpoint) -> Result<Option<Credentials>, EndpointError> {
    let invalid = |fault| Err(EndpointError::Credentials { fault });
    match (&endpoint.basic_auth, &endpoint.bearer) {
        (Some(_), Some(_)) => invalid("both a password and a token are given"),
        (None, Some(token)) if token.expose().bytes().any(|byte| byte.is_ascii_control()) => {
            invalid("the token holds a control character, a line break perhaps")
        }
        (None, Some(token)) => Ok(Some(Credentials::Bearer(token.clone()))),
        (Some((user, _)), None) if user.contains(':') => invalid("the user name holds a colon"),
        (Some((user, password)), None) => {
            Ok(Some(Credentials::Basic(user.clone(), password.clone())))
        }
        (None, None) => Ok(None),
    }
}

fn http_client(url: &Url, timeout: Duration) -> Result<Client, reqwest::Error> {
    if CryptoProvider::get_default().is_none() {
        // Without one reqwest panics, even for plain HTTP. Losing a race against another caller is fine.
        let _ = ring::default_provider().install_default();
    }
    let mut builder = Client::builder()
        .user_agent(concat!("bellwether/", env!("CARGO_PKG_VERSION")))
        .redirect(redirect::Policy::none())
        .no_proxy()
        .timeout(timeout)
        .connect_timeout(timeout)
        .tcp_nodelay(true);
    if url.scheme() == "http" {
        // A container without root certificates is no reason to fail where none are needed.
        builder = builder.tls_certs_only([]);
    }
    builder.build()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outbound(url: &str, path_suffix: &str) -> Result<Outbound, EndpointError> {
        let endpoint = Endpoint { url: url.to_owned(), ..Endpoint::default() };
        Outbound::new(&endpoint, path_suffix, Duration::from_secs(1))
    }

    /// Where requests go and what is shown of it.
    fn urls(url: &str, path_suffix: &str) -> (String, String) {
        let outbound = outbound(url, path_suffix).unwrap();
        let request = outbound.post().build().unwrap();
        (request.url().to_string(), outbound.shown_url().to_owned())
    }

    fn pair(sent: &str, shown: &str) -> (String, String) {
        (sent.to_owned(), shown.to_owned())
    }

    #[test]
    fn a_base_url_may_have_a_prefix_and_gets_the_path() {
        assert_eq!(urls("http://a:9093", "/x"), pair("http://a:9093/x", "http://a:9093"));
        assert_eq!(urls("https://a/am/", "/x"), pair("https://a/am/x", "https://a/am"));
    }

    #[test]
    fn a_whole_url_stays_as_it_is_and_its_query_is_not_shown() {
        assert_eq!(
            urls("http://a/hook/?token=canary", ""),
            pair("http://a/hook/?token=canary", "http://a/hook")
        );
        let outbound = outbound("https://a:8443/canary?canary", "").unwrap();
        assert_eq!(outbound.shown_origin(), "https://a:8443");
    }

    #[test]
    fn a_bad_url_is_refused_and_not_shown() {
        for bad in ["a:9093", "file:///etc", "http://u:canary@a", "", "http://a#canary"] {
            for path_suffix in ["", "/x"] {
                let error = outbound(bad, path_suffix).err().unwrap();
                assert!(!format!("{error} {error:?}").contains("canary"), "{error}");
            }
        }
        let error = outbound("http://a?token=canary", "/x").err().unwrap();
        assert!(!format!("{error} {error:?}").contains("canary"), "{error}");
    }

    #[test]
    fn contradictory_or_broken_credentials_are_refused_and_not_shown() {
        let canary = || Secret::new("canary");
        let basic = |user: &str| Some((user.to_owned(), canary()));
        for (basic_auth, bearer) in [
            (basic("user"), Some(canary())),
            (basic("a:b"), None),
            (None, Some(Secret::new("canary\n"))),
        ] {
            let endpoint = Endpoint { url: "http://127.0.0.1".to_owned(), basic_auth, bearer };
            let error = Outbound::new(&endpoint, "", Duration::from_secs(1)).err().unwrap();
            assert!(!format!("{error} {error:?}").contains("canary"));
        }
    }

    #[test]
    fn an_endpoint_prints_no_secret() {
        let endpoint = Endpoint {
            url: "http://a/canary?canary".to_owned(),
            basic_auth: Some(("user".to_owned(), Secret::new("canary"))),
            bearer: Some(Secret::new("canary")),
        };
        let printed = format!("{endpoint:?}");
        assert!(printed.contains("http://a") && !printed.contains("canary"), "{printed}");
    }
}
