//! A server to send to, as data, and what may be wrong with it.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reqwest::header::HeaderValue;
use reqwest::{Certificate, ClientBuilder, Identity, Proxy, Url};
use rustls::RootCertStore;
use rustls::crypto::ring;
use rustls::sign::CertifiedKey;
use rustls_pki_types::DnsName;

use crate::Secret;
use crate::pem::{certificates, private_key};

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
    /// What is sent as `Authorization`; not together with `basic_auth`.
    pub authorization: Option<Authorization>,
    /// Of `https` URLs, whom to trust and who we are.
    pub tls: ClientTls,
    /// `http` or `https` URL of a proxy, without user information.
    pub proxy_url: Option<String>,
}

/// An `Authorization` header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authorization {
    /// Its scheme, such as `Bearer`: a token of RFC 9110, not `Basic`.
    pub scheme: String,
    /// What follows the scheme.
    pub credentials: Secret,
}

impl Authorization {
    /// The header of RFC 6750.
    pub fn bearer(token: Secret) -> Self {
        Self { scheme: "Bearer".to_owned(), credentials: token }
    }

    /// Whether the scheme is a token of RFC 9110 and not `Basic`, which has fields of its own.
    pub fn has_usable_scheme(&self) -> bool {
        let is_letter =
            |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        !self.scheme.is_empty()
            && self.scheme.bytes().all(is_letter)
            && !self.scheme.eq_ignore_ascii_case("basic")
    }
}

/// Whom to trust over TLS and who we are. Certificates and keys are PEM text, not paths.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct ClientTls {
    /// The only authorities that are trusted; those of the system without it.
    pub ca_pem: Option<String>,
    /// Our certificate and its private key.
    pub identity: Option<(String, Secret)>,
    /// DNS name that the server is asked for and its certificate must have, instead of the URL's host.
    pub server_name: Option<String>,
    /// Whether any certificate will do. Then anybody on the way can read and change everything.
    pub insecure_skip_verify: bool,
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let origin = Url::parse(&self.url).map(|url| url.origin().ascii_serialization());
        f.debug_struct("Endpoint")
            .field("origin", &origin.as_deref().unwrap_or("none"))
            .field("basic_auth", &self.basic_auth)
            .field("authorization", &self.authorization)
            .field("tls", &self.tls)
            .field("has_proxy", &self.proxy_url.is_some())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for ClientTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientTls")
            .field("has_ca", &self.ca_pem.is_some())
            .field("has_identity", &self.identity.is_some())
            .field("server_name", &self.server_name)
            .field("insecure_skip_verify", &self.insecure_skip_verify)
            .finish()
    }
}

/// Why nothing can be sent to an endpoint. No variant repeats a URL or a secret.
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
    /// A certificate that should be trusted is unusable.
    #[error("authorities to trust are unusable: {fault}")]
    Ca {
        /// What is wrong with them.
        fault: String,
    },
    /// Our certificate or its key is unusable.
    #[error("client certificate or its key is unusable: {fault}")]
    Identity {
        /// What is wrong with them.
        fault: String,
    },
    /// The name to ask for is unusable.
    #[error("server name is unusable: {fault}")]
    ServerName {
        /// What is wrong with it.
        fault: &'static str,
    },
    /// The proxy is unusable.
    #[error("URL of the proxy is invalid: {fault}")]
    Proxy {
        /// What is wrong with it.
        fault: &'static str,
    },
    /// The HTTP client cannot be built, for want of TLS root certificates most likely.
    #[error("cannot build the HTTP client")]
    Client {
        /// What the client says.
        source: reqwest::Error,
    },
}

impl Endpoint {
    /// Whether something can be sent to it, as far as that can be told without sending anything.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn check(&self) -> Result<(), EndpointError> {
        let url = self.checked_url()?;
        self.authorization_header()?;
        self.proxy()?;
        self.tls.check()?;
        if self.tls != ClientTls::default() && url.scheme() != "https" {
            return Err(EndpointError::Url { fault: "TLS is set up for it, and it is not https" });
        }
        if self.tls.server_name.is_some() && self.proxy_url.is_some() {
            let fault = "it cannot be another one than the URL's behind a proxy";
            return Err(EndpointError::ServerName { fault });
        }
        Ok(())
    }

    pub(super) fn checked_url(&self) -> Result<Url, EndpointError> {
        plain_url(&self.url).map_err(|fault| EndpointError::Url { fault })
    }

    pub(super) fn proxy(&self) -> Result<Option<Proxy>, EndpointError> {
        let Some(url) = &self.proxy_url else { return Ok(None) };
        let url = plain_url(url).map_err(|fault| EndpointError::Proxy { fault })?;
        let proxy = Proxy::all(url).map_err(|source| EndpointError::Client { source })?;
        Ok(Some(proxy))
    }

    /// The header that logs in, marked as sensitive.
    pub(super) fn authorization_header(&self) -> Result<Option<HeaderValue>, EndpointError> {
        let invalid = |fault| EndpointError::Credentials { fault };
        let text = match (&self.basic_auth, &self.authorization) {
            (None, None) => return Ok(None),
            (Some(_), Some(_)) => return Err(invalid("there are both a password and a token")),
            (Some((user, _)), None) if user.contains(':') => {
                return Err(invalid("the user name holds a colon"));
            }
            (Some((user, password)), None) => {
                let pair = Secret::new(format!("{user}:{}", password.expose()));
                format!("Basic {}", STANDARD.encode(pair.expose()))
            }
            (None, Some(authorization)) => {
                let Authorization { scheme, credentials } = authorization;
                if !authorization.has_usable_scheme() {
                    return Err(invalid("the scheme is no plain word, or Basic"));
                }
                format!("{scheme} {}", credentials.expose())
            }
        };
        let mut value = HeaderValue::from_str(&text)
            .map_err(|_| invalid("the token holds a control character, a line break perhaps"))?;
        value.set_sensitive(true);
        Ok(Some(value))
    }
}

fn plain_url(url: &str) -> Result<Url, &'static str> {
    let url = Url::parse(url).map_err(|_| "it cannot be parsed")?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err("it is neither http nor https");
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("it holds user information, use basic_auth");
    }
    if url.fragment().is_some() {
        return Err("it holds a fragment");
    }
    Ok(url)
}

impl ClientTls {
    fn check(&self) -> Result<(), EndpointError> {
        if let Some(pem) = &self.ca_pem {
            let unusable = |fault| EndpointError::Ca { fault };
            let mut roots = RootCertStore::empty();
            for certificate in certificates(pem).map_err(unusable)? {
                roots.add(certificate).map_err(|error| unusable(error.to_string()))?;
            }
        }
        if let Some((certificate, key)) = &self.identity {
            let unusable = |fault| EndpointError::Identity { fault };
            let chain = certificates(certificate).map_err(unusable)?;
            let key = private_key(key).map_err(unusable)?;
            CertifiedKey::from_der(chain, key, &ring::default_provider())
                .map_err(|_| unusable("certificate and key do not belong together".to_owned()))?;
        }
        if let Some(name) = &self.server_name
            && DnsName::try_from(name.as_str()).is_err()
        {
            return Err(EndpointError::ServerName { fault: "it is not a DNS name" });
        }
        Ok(())
    }

    /// Tells a client about all of it but the server's name.
    pub(super) fn apply(&self, builder: ClientBuilder) -> Result<ClientBuilder, EndpointError> {
        let client = |source| EndpointError::Client { source };
        let mut builder = builder.tls_danger_accept_invalid_certs(self.insecure_skip_verify);
        if let Some(pem) = &self.ca_pem {
            let authorities = Certificate::from_pem_bundle(pem.as_bytes()).map_err(client)?;
            builder = builder.tls_certs_only(authorities);
        }
        if let Some((certificate, key)) = &self.identity {
            let pem = Secret::new(format!("{certificate}\n{}", key.expose()));
            builder =
                builder.identity(Identity::from_pem(pem.expose().as_bytes()).map_err(client)?);
        }
        Ok(builder)
    }
}
