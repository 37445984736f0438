//! Who may come in: log-in by password or token, and how often one may try.
//!
//! A guard's rules may be replaced while the server runs. What it remembers (who logged in, who failed) stays:
//! it is bound to the rules that it was learned under, or harmless.

mod bucket;
mod credentials;
mod failures;
mod hosts;
mod passwords;
mod tokens;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::Json;
use axum::http::header::{
    CONTENT_SECURITY_POLICY, RETRY_AFTER, WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use parking_lot::{Mutex, RwLock};
use rustls::ServerConfig;
use tokio::time::Instant;

use super::options::{SecurityError, SecurityOptions};
use super::stats::{Refusal, ServerStats};
use super::tls;
use crate::Secret;
use bucket::Bucket;
use credentials::Credentials;
use failures::Failures;
use hosts::Hosts;
pub use passwords::check_hash as check_password_hash;
use passwords::{Checked, Passwords};
use tokens::Tokens;

/// Headers of every answer that has none of its own of that name: what a browser may do with it.
const BROWSER_HEADERS: [(HeaderName, HeaderValue); 3] = [
    (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
    (
        CONTENT_SECURITY_POLICY,
        HeaderValue::from_static("default-src 'self'; frame-ancestors 'none'"),
    ),
];

/// Who has logged in by name and password. The guard puts it among the extensions of a request; no client can.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User(Arc<str>);

impl User {
    /// The user called `name`.
    pub fn new(name: &str) -> Self {
        Self(name.into())
    }

    /// What they are called.
    pub fn name(&self) -> &str {
        &self.0
    }
}

/// Decides who may come in.
pub struct Guard {
    rules: RwLock<Arc<Rules>>,
    /// The names by which the server may be asked for where nobody has to log in; `None`: any.
    hosts: Option<Hosts>,
    passwords: Passwords,
    failures: Failures,
    requests: Mutex<Bucket>,
    stats: ServerStats,
}

/// What follows from [`SecurityOptions`].
pub(super) struct Rules {
    options: SecurityOptions,
    tls: Option<Arc<ServerConfig>>,
    tokens: Tokens,
    headers: Vec<(HeaderName, HeaderValue)>,
}

impl Rules {
    pub(super) fn new(options: SecurityOptions) -> Result<Self, SecurityError> {
        for (user, hash) in &options.users {
            passwords::check_hash(hash)
                .map_err(|fault| SecurityError::Hash { user: user.clone(), fault })?;
        }
        let tls = options.tls.as_ref().map(|tls| tls::server_config(tls, options.http2));
        let header = |(name, value): &(String, String)| {
            let unusable = || SecurityError::Header { name: name.clone() };
            let name = HeaderName::try_from(name).map_err(|_| unusable())?;
            Ok((name, HeaderValue::try_from(value).map_err(|_| unusable())?))
        };
        Ok(Self {
            tls: tls.transpose()?,
            tokens: Tokens::new(&options.bearer_tokens),
            headers: options.headers.iter().map(header).collect::<Result<_, SecurityError>>()?,
            options,
        })
    }

    /// What handshakes are made with; `None` for plain HTTP.
    pub(super) fn tls(&self) -> Option<&Arc<ServerConfig>> {
        self.tls.as_ref()
    }
}

impl Guard {
    /// A guard that asks what `options` say.
    ///
    /// # Errors
    /// When something in them is unusable.
    pub fn new(options: SecurityOptions) -> Result<Self, SecurityError> {
        Ok(Self {
            rules: RwLock::new(Arc::new(Rules::new(options)?)),
            hosts: None,
            passwords: Passwords::new()?,
            failures: Failures::default(),
            requests: Mutex::default(),
            stats: ServerStats::default(),
        })
    }

    /// For a server that only its own machine reaches: as long as nobody has to log in, whoever asks must call it by a name of
    /// the loopback or one of `names`, each with a port or without. So no web page can reach it by a name of its own.
    #[must_use]
    pub fn called(mut self, names: &[String]) -> Self {
        self.hosts = Some(Hosts::new(names));
        self
    }

    /// Asks what `options` say from the next connection and the next request on.
    ///
    /// # Errors
    /// When something in them is unusable; then nothing has changed.
    pub fn replace(&self, options: SecurityOptions) -> Result<(), SecurityError> {
        let rules = Arc::new(Rules::new(options)?);
        *self.rules.write() = rules;
        Ok(())
    }

    /// What it asks at present.
    pub fn options(&self) -> SecurityOptions {
        self.rules().options.clone()
    }

    /// What it and its server have counted.
    pub fn stats(&self) -> &ServerStats {
        &self.stats
    }

    pub(super) fn rules(&self) -> Arc<Rules> {
        Arc::clone(&self.rules.read())
    }

    /// What to answer to a request that asks for the server by a name that is not its own.
    pub(super) fn refuse_name(&self, uri: &Uri, headers: &HeaderMap) -> Option<Response> {
        let hosts = self.hosts.as_ref()?;
        let rules = self.rules();
        let is_welcome = rules.options.authenticates() || hosts.allow(uri, headers);
        (!is_welcome).then(|| self.refuse(Refusal::WrongHost, &rules))
    }

    /// Lets a request pass and says who it is of, if that is known by name; or says what to answer instead.
    pub(super) async fn admit(
        &self,
        path: &str,
        headers: &HeaderMap,
        client: SocketAddr,
    ) -> Result<Option<User>, Response> {
        let rules = self.rules();
        let options = &rules.options;
        if options.open_paths.iter().any(|open| open == path) {
            return Ok(None);
        }
        if let Some(rate) = options.rate
            && !self.requests.lock().take(rate, Instant::now())
        {
            return Err(self.refuse(Refusal::RateLimit, &rules));
        }
        if !options.asks_for_credentials() {
            return Ok(None);
        }
        if self.failures.are_too_many(client.ip(), options.failures, Instant::now()) {
            return Err(self.refuse(Refusal::TooManyFailures, &rules));
        }
        let checked = match Credentials::of(headers) {
            Credentials::None => Err(Refusal::NoCredentials),
            Credentials::Bearer(token) if rules.tokens.contains(token) => Ok(None),
            Credentials::Malformed | Credentials::Bearer(_) => {
                self.count_failure(options, client.ip());
                Err(Refusal::WrongCredentials)
            }
            Credentials::Basic { user, password } => {
                let name = User::new(&user);
                self.log_in(&rules, user, password, client.ip()).await.map(|()| Some(name))
            }
        };
        checked.map_err(|refusal| self.refuse(refusal, &rules))
    }

    async fn log_in(
        &self,
        rules: &Rules,
        user: String,
        password: Secret,
        client: IpAddr,
    ) -> Result<(), Refusal> {
        let options = &rules.options;
        let rate = options.failures;
        // Each attempt counts as failed until it has not: nobody may guess and go away before the answer.
        let may_try = || {
            let may = !self.failures.are_too_many(client, rate, Instant::now());
            if may {
                self.count_failure(options, client);
            }
            may
        };
        match self.passwords.check(options, user, password, may_try).await {
            Checked::Known => Ok(()),
            Checked::Right => {
                self.failures.take_back(client, rate);
                Ok(())
            }
            Checked::Wrong => Err(Refusal::WrongCredentials),
            Checked::NotTried => Err(Refusal::TooManyFailures),
            Checked::Busy => Err(Refusal::Busy),
        }
    }

    fn count_failure(&self, options: &SecurityOptions, client: IpAddr) {
        let (rate, addresses_max) = (options.failures, options.failure_addresses_max);
        for _ in 0..self.failures.add(client, rate, addresses_max, Instant::now()) {
            self.stats.count_forgotten_address();
        }
    }

    /// The answer to a request whose head is too large.
    pub(super) fn refuse_head(&self) -> Response {
        let mut response = self.refuse(Refusal::HeadTooLarge, &self.rules());
        self.finish(response.headers_mut());
        response
    }

    fn refuse(&self, refusal: Refusal, rules: &Rules) -> Response {
        self.stats.count_refusal(refusal);
        let (status, error) = match refusal {
            Refusal::NoCredentials => (StatusCode::UNAUTHORIZED, "log in first"),
            Refusal::WrongCredentials => (StatusCode::UNAUTHORIZED, "credentials are wrong"),
            // Never 429: upon it Prometheus drops what it has, upon 503 it keeps it and comes back.
            Refusal::TooManyFailures => {
                (StatusCode::SERVICE_UNAVAILABLE, "too many failed attempts to log in")
            }
            Refusal::RateLimit => (StatusCode::SERVICE_UNAVAILABLE, "too many requests"),
            Refusal::Busy => (StatusCode::SERVICE_UNAVAILABLE, "too many attempts to log in"),
            Refusal::HeadTooLarge => {
                (StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "the head is too large")
            }
            Refusal::WrongHost => (
                StatusCode::MISDIRECTED_REQUEST,
                "nobody has to log in, so it answers only to requests for localhost, a loopback address or the host of \
                 `server.external_url`; behind a proxy that says another, set `server.allow_unauthenticated: true`",
            ),
        };
        let mut response = (status, Json(serde_json::json!({ "error": error }))).into_response();
        let headers = response.headers_mut();
        if status == StatusCode::UNAUTHORIZED {
            if !rules.options.users.is_empty() {
                let basic =
                    HeaderValue::from_static("Basic realm=\"bellwether\", charset=\"UTF-8\"");
                headers.append(WWW_AUTHENTICATE, basic);
            }
            if !rules.options.bearer_tokens.is_empty() {
                let bearer = HeaderValue::from_static("Bearer realm=\"bellwether\"");
                headers.append(WWW_AUTHENTICATE, bearer);
            }
        } else if status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(RETRY_AFTER, HeaderValue::from_static("6"));
        }
        response
    }

    /// Adds the headers of every answer to one.
    pub(super) fn finish(&self, headers: &mut HeaderMap) {
        for (name, value) in &self.rules().headers {
            headers.insert(name, value.clone());
        }
        for (name, value) in &BROWSER_HEADERS {
            headers.entry(name).or_insert_with(|| value.clone());
        }
    }
}

impl std::fmt::Debug for Guard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Guard").field("options", &self.rules().options).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
