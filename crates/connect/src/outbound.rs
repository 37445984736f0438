//! What everybody stands on who asks others over HTTP: where to, as whom, and with which limits.

mod answer;
mod backoff;
mod echo;
mod endpoint;
mod route;

use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{AUTHORIZATION, HOST, HeaderValue};
use reqwest::{Client, RequestBuilder, Url, redirect};
use rustls::crypto::{CryptoProvider, ring};

use route::Route;

pub(crate) use answer::{answer_text, describe, describe_answer, retry_after};
pub(crate) use backoff::Backoff;
pub(crate) use echo::Credentials;
pub use endpoint::{Authorization, ClientTls, Endpoint, EndpointError};

/// The way to one endpoint. It follows no redirect, and uses no proxy but the endpoint's.
pub(crate) struct Outbound {
    http: Client,
    endpoint: Endpoint,
    url: Url,
    shown_url: String,
    timeout: Duration,
    route: Route,
    /// The whole `Authorization` header, marked as sensitive.
    authorization: Option<HeaderValue>,
    credentials: Arc<Credentials>,
}

impl Outbound {
    /// Requests go to the endpoint's URL with `path_suffix` at its end and take at most `timeout`. The
    /// URL may hold a query only where `path_suffix` is empty.
    pub(crate) fn new(
        endpoint: &Endpoint,
        path_suffix: &str,
        timeout: Duration,
    ) -> Result<Self, EndpointError> {
        let given = endpoint.checked_url()?;
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
        endpoint.check()?;
        let route = Route::new(&url, &endpoint.tls)?;
        let authorization = endpoint.authorization_header()?;
        let header = authorization.as_ref().and_then(|header| header.to_str().ok());
        let credentials = Arc::new(Credentials::of(endpoint, header));
        let http = http_client(endpoint, &url, &route, timeout)?;
        let endpoint = endpoint.clone();
        Ok(Self { http, endpoint, url, shown_url, timeout, route, authorization, credentials })
    }

    /// A POST with the credentials; what is sent and which headers go with it is up to the caller.
    pub(crate) fn post(&self) -> RequestBuilder {
        let mut request = self.http.post(self.route.url().clone());
        if let Some(host) = self.route.host() {
            request = request.header(HOST, host.clone());
        }
        match &self.authorization {
            Some(value) => request.header(AUTHORIZATION, value.clone()),
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

    /// What answers must not be quoted with.
    pub(crate) fn credentials(&self) -> &Arc<Credentials> {
        &self.credentials
    }

    /// Whether `other` logs in to the same place as the same user, in the same way.
    pub(crate) fn is_same_user(&self, other: &Self) -> bool {
        self.endpoint == other.endpoint
    }

    /// Whether there is no difference to `other`.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        self.is_same_user(other) && self.timeout == other.timeout
    }
}

fn http_client(
    endpoint: &Endpoint,
    url: &Url,
    route: &Route,
    timeout: Duration,
) -> Result<Client, EndpointError> {
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
    if let Some(proxy) = endpoint.proxy()? {
        builder = builder.proxy(proxy);
    } else if url.scheme() == "http" {
        // A container without root certificates is no reason to fail where none are needed.
        builder = builder.tls_certs_only([]);
    }
    let builder = route.apply(endpoint.tls.apply(builder)?);
    builder.build().map_err(|source| EndpointError::Client { source })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Secret;

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
        let token = |scheme: &str, credentials| {
            Some(Authorization { scheme: scheme.to_owned(), credentials })
        };
        for (basic_auth, authorization) in [
            (basic("user"), token("Bearer", canary())),
            (basic("a:b"), None),
            (None, token("Bearer", Secret::new("canary\n"))),
            (None, token("Basic", canary())),
            (None, token("a b", canary())),
        ] {
            let url = "http://127.0.0.1".to_owned();
            let endpoint = Endpoint { url, basic_auth, authorization, ..Endpoint::default() };
            let error = Outbound::new(&endpoint, "", Duration::from_secs(1)).err().unwrap();
            assert!(!format!("{error} {error:?}").contains("canary"));
        }
    }

    #[test]
    fn an_endpoint_prints_no_secret() {
        let endpoint = Endpoint {
            url: "http://a/canary?canary".to_owned(),
            basic_auth: Some(("user".to_owned(), Secret::new("canary"))),
            authorization: Some(Authorization::bearer(Secret::new("canary"))),
            tls: ClientTls {
                ca_pem: Some("canary".to_owned()),
                identity: Some(("canary".to_owned(), Secret::new("canary"))),
                ..ClientTls::default()
            },
            proxy_url: Some("http://canary".to_owned()),
        };
        let printed = format!("{endpoint:?}");
        assert!(printed.contains("http://a") && !printed.contains("canary"), "{printed}");
    }

    #[test]
    fn another_server_name_changes_what_is_asked_for_and_not_where() {
        let with = |url: &str, name: &str| {
            let tls = ClientTls { server_name: Some(name.to_owned()), ..ClientTls::default() };
            let endpoint = Endpoint { url: url.to_owned(), tls, ..Endpoint::default() };
            Outbound::new(&endpoint, "/x", Duration::from_secs(1))
        };
        let outbound = with("https://10.0.0.1:9093/am", "am.example").unwrap();
        let request = outbound.post().build().unwrap();
        assert_eq!(request.url().as_str(), "https://am.example:9093/am/x");
        assert_eq!(request.headers()[HOST], "10.0.0.1:9093");
        assert_eq!(outbound.shown_url(), "https://10.0.0.1:9093/am");
        assert!(with("https://10.0.0.1", "10.0.0.2").is_err());
        assert!(with("http://10.0.0.1", "am.example").is_err());
    }

    #[test]
    fn what_contradicts_itself_is_refused() {
        let https = || Endpoint { url: "https://a".to_owned(), ..Endpoint::default() };
        https().check().unwrap();
        let proxied = |url: &str| Endpoint { proxy_url: Some(url.to_owned()), ..https() };
        proxied("http://proxy:3128").check().unwrap();
        for bad in ["proxy:3128", "socks5://proxy", "http://u:canary@proxy"] {
            let error = proxied(bad).check().unwrap_err();
            assert!(matches!(error, EndpointError::Proxy { .. }), "{error}");
            assert!(!format!("{error} {error:?}").contains("canary"));
        }
        let tls = ClientTls { insecure_skip_verify: true, ..ClientTls::default() };
        let plain = Endpoint { url: "http://a".to_owned(), tls, ..Endpoint::default() };
        assert!(matches!(plain.check().unwrap_err(), EndpointError::Url { .. }));
        let tls = ClientTls { server_name: Some("b".to_owned()), ..ClientTls::default() };
        let both = Endpoint { tls, ..proxied("http://proxy:3128") };
        assert!(matches!(both.check().unwrap_err(), EndpointError::ServerName { .. }));
        for pem in ["canary", "-----BEGIN CERTIFICATE-----\ncanary\n-----END CERTIFICATE-----"] {
            let ca = ClientTls { ca_pem: Some(pem.to_owned()), ..ClientTls::default() };
            let identity = Some((pem.to_owned(), Secret::new(pem)));
            let identity = ClientTls { identity, ..ClientTls::default() };
            for tls in [ca, identity] {
                let error = Endpoint { tls, ..https() }.check().unwrap_err();
                assert!(!format!("{error} {error:?}").contains("canary"), "{error}");
            }
        }
    }
}
