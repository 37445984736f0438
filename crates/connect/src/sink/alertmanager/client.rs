//! One request to one Alertmanager.

use std::error::Error;
use std::time::Duration;

use reqwest::{Client, Response, StatusCode, Url, redirect};
use rustls::crypto::{CryptoProvider, ring};

use super::alert::PostableAlert;
use super::deliver::{Post, Posted};
use super::options::{AlertmanagerOptions, OptionsError, Target};
use crate::Secret;
use crate::text::printable;

/// Most of an answer that is read.
const ANSWER_BYTES_MAX: usize = 64 * 1024;
/// Longest text about a failure.
const ERROR_BYTES_MAX: usize = 256;

/// Posts alerts to one target. It follows no redirect and uses no proxy.
pub(super) struct AlertmanagerClient {
    http: Client,
    base_url: String,
    url: Url,
    timeout: Duration,
    credentials: Option<Credentials>,
}

#[derive(PartialEq)]
enum Credentials {
    Basic(String, Secret),
    Bearer(Secret),
}

impl AlertmanagerClient {
    pub(super) fn new(
        target: &Target,
        options: &AlertmanagerOptions,
    ) -> Result<Self, OptionsError> {
        let timeout = Duration::from_millis(options.timeout_ms);
        let base_url = target.base_url()?;
        let url = Url::parse(&format!("{base_url}/api/v2/alerts"))
            .map_err(|_| OptionsError::Url { fault: "no path can be added to it" })?;
        let http = http_client(&url, timeout).map_err(|source| OptionsError::Client { source })?;
        Ok(Self { http, base_url, url, timeout, credentials: credentials(target)? })
    }

    /// The URL of the target, without a slash at the end.
    pub(super) fn base_url(&self) -> &str {
        &self.base_url
    }

    /// Whether `other` logs in to the same server as the same user.
    pub(super) fn is_same_user(&self, other: &Self) -> bool {
        self.url == other.url && self.credentials == other.credentials
    }

    /// Whether there is no difference to `other`.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.is_same_user(other) && self.timeout == other.timeout
    }
}

fn credentials(target: &Target) -> Result<Option<Credentials>, OptionsError> {
    let invalid = |fault| Err(OptionsError::Credentials { fault });
    match (&target.basic_auth, &target.bearer) {
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

impl Post for AlertmanagerClient {
    async fn post(&self, alerts: &[&PostableAlert]) -> Posted {
        let request = self.http.post(self.url.clone()).json(alerts);
        let request = match &self.credentials {
            Some(Credentials::Basic(user, password)) => {
                request.basic_auth(user, Some(password.expose()))
            }
            Some(Credentials::Bearer(token)) => request.bearer_auth(token.expose()),
            None => request,
        };
        let response = match request.send().await {
            Ok(response) => response,
            Err(error) => {
                let maybe_received = !error.is_connect();
                return Posted::Failed { error: describe(error), maybe_received };
            }
        };
        let status = response.status();
        let text = answer_text(response).await;
        if status.is_success() {
            return Posted::Taken;
        }
        let error = printable(&format!("{status}: {text}"), ERROR_BYTES_MAX);
        match status {
            StatusCode::BAD_REQUEST
            | StatusCode::UNPROCESSABLE_ENTITY
            | StatusCode::PAYLOAD_TOO_LARGE => Posted::Refused(error),
            _ => Posted::Failed { error, maybe_received: status.is_server_error() },
        }
    }
}

/// The answer's text as far as it came. Reading it also lets the connection be used again.
async fn answer_text(mut response: Response) -> String {
    let mut bytes = Vec::new();
    while bytes.len() < ANSWER_BYTES_MAX
        && let Ok(Some(chunk)) = response.chunk().await
    {
        bytes.extend_from_slice(&chunk[..chunk.len().min(ANSWER_BYTES_MAX - bytes.len())]);
    }
    String::from_utf8_lossy(&bytes).trim().to_owned()
}

/// The error and its causes, without the URL.
fn describe(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    printable(&text, ERROR_BYTES_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contradictory_or_broken_credentials_are_refused_and_not_shown() {
        let canary = || Secret::new("canary");
        let basic = |user: &str| Some((user.to_owned(), canary()));
        for (basic_auth, bearer) in [
            (basic("user"), Some(canary())),
            (basic("a:b"), None),
            (None, Some(Secret::new("canary\n"))),
        ] {
            let target = Target { url: "http://127.0.0.1".to_owned(), basic_auth, bearer };
            let error =
                AlertmanagerClient::new(&target, &AlertmanagerOptions::default()).err().unwrap();
            assert!(!format!("{error} {error:?}").contains("canary"));
        }
    }
}
