//! What a server asks of its clients, as data.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use crate::Secret;

/// Paths that are open without logging in unless the operator says otherwise: probes, which say "yes" or "no".
pub const OPEN_PATHS: [&str; 4] = ["/live", "/-/healthy", "/ready", "/-/ready"];

/// What a server asks of its clients. The default asks nothing: no TLS, no log-in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecurityOptions {
    /// TLS on every connection; plain HTTP without it.
    pub tls: Option<TlsOptions>,
    /// Whether HTTP/2 is offered; over TLS only, so without `tls` it says nothing.
    pub http2: bool,
    /// Who may log in by basic authentication: bcrypt hashes by user name.
    pub users: BTreeMap<String, Secret>,
    /// Tokens that log in as `Authorization: Bearer TOKEN`.
    pub bearer_tokens: Vec<Secret>,
    /// Paths, compared as they stand, for which nobody has to log in.
    pub open_paths: Vec<String>,
    /// Most requests of all clients together; those for `open_paths` are not counted.
    pub rate: Option<Rate>,
    /// Most failed log-ins of one address.
    pub failures: Rate,
    /// Most addresses (of IPv6: networks) whose failed log-ins are remembered, at least 1; beyond it the one that may try again
    /// first is forgotten.
    pub failure_addresses_max: usize,
    /// Most log-ins that wait for their password to be checked, at least 1; one is checked at a time.
    pub password_checks_max: usize,
    /// Headers of every answer: name and value. They replace those that are there.
    pub headers: Vec<(String, String)>,
}

impl Default for SecurityOptions {
    fn default() -> Self {
        Self {
            tls: None,
            http2: true,
            users: BTreeMap::new(),
            bearer_tokens: Vec::new(),
            open_paths: OPEN_PATHS.map(str::to_owned).to_vec(),
            rate: None,
            failures: Rate { burst: 10, interval: Duration::from_secs(6) },
            failure_addresses_max: 4096,
            password_checks_max: 64,
            headers: Vec::new(),
        }
    }
}

impl SecurityOptions {
    /// Whether whoever comes must say who it is: by password, by token or by certificate.
    pub fn authenticates(&self) -> bool {
        let by_certificate = self.tls.as_ref().is_some_and(|tls| tls.client_auth.is_some());
        by_certificate || self.asks_for_credentials()
    }

    /// Whether a [`Guard`](super::Guard) can be made of it.
    ///
    /// # Errors
    /// What is unusable.
    pub fn check(&self) -> Result<(), SecurityError> {
        super::guard::Rules::new(self.clone()).map(|_| ())
    }

    pub(super) fn asks_for_credentials(&self) -> bool {
        !self.users.is_empty() || !self.bearer_tokens.is_empty()
    }
}

/// So many at once, then one after each interval.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// How many at once; at least 1.
    pub burst: u32,
    /// Time until there may be one more; more than 0.
    pub interval: Duration,
}

/// TLS of a server. Certificates and keys are PEM text, not paths.
#[derive(Clone, PartialEq, Eq)]
pub struct TlsOptions {
    /// The certificate, then those between it and its authority.
    pub certificate_pem: String,
    /// The certificate's private key.
    pub key_pem: Secret,
    /// The oldest version that is spoken.
    pub min_version: TlsVersion,
    /// The newest version that is spoken; not older than `min_version`.
    pub max_version: TlsVersion,
    /// Clients must show a certificate.
    pub client_auth: Option<ClientAuth>,
}

impl fmt::Debug for TlsOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsOptions")
            .field("min_version", &self.min_version)
            .field("max_version", &self.max_version)
            .field("client_auth", &self.client_auth)
            .finish_non_exhaustive()
    }
}

/// Which certificates clients may show.
#[derive(Clone, PartialEq, Eq)]
pub struct ClientAuth {
    /// The authorities that may have signed them.
    pub ca_pem: String,
    /// Of the names in a certificate (DNS names, addresses, URIs) one must be among these; empty for any name.
    pub allowed_sans: Vec<String>,
}

impl fmt::Debug for ClientAuth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientAuth")
            .field("allowed_sans", &self.allowed_sans)
            .finish_non_exhaustive()
    }
}

/// A version of TLS that is still safe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum TlsVersion {
    /// TLS 1.2.
    Tls12,
    /// TLS 1.3.
    Tls13,
}

/// Why a server cannot ask that of its clients. No variant repeats a secret.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SecurityError {
    /// The certificate is unusable.
    #[error("certificate is unusable: {fault}")]
    Certificate {
        /// What is wrong with it.
        fault: String,
    },
    /// The private key is unusable, or that of another certificate.
    #[error("private key is unusable: {fault}")]
    Key {
        /// What is wrong with it.
        fault: String,
    },
    /// The authorities of clients are unusable.
    #[error("authorities of clients are unusable: {fault}")]
    ClientCa {
        /// What is wrong with them.
        fault: String,
    },
    /// The range of versions is empty.
    #[error("there is no TLS version from the oldest to the newest allowed")]
    Versions,
    /// What is stored of a password is no bcrypt hash, or one that takes too long to check.
    #[error("password hash is unusable: user=`{user}`, {fault}")]
    Hash {
        /// Whose it is.
        user: String,
        /// What is wrong with it.
        fault: &'static str,
    },
    /// A header cannot be sent.
    #[error("header cannot be sent: name=`{name}`")]
    Header {
        /// Its name.
        name: String,
    },
    /// The system has no random numbers.
    #[error("no random numbers can be had")]
    Random,
}
