//! The web configuration file as it is written: that of Prometheus' exporters, so that people can use the one they
//! have, and a few keys more.

use std::collections::BTreeMap;

use bellwether_connect::Secret;
use bellwether_connect::http::{OPEN_PATHS, SecurityOptions};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::text::{DurationText, SecretText};

/// Whether there is TLS, and who may come in. Every key is optional.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "WebConfig")]
pub(in crate::config) struct RawWeb {
    /// TLS. Plain HTTP without this key.
    pub tls_server_config: Option<RawTlsServer>,
    /// HTTP.
    pub http_server_config: RawHttpServer,
    /// Who may log in: user names with the bcrypt hashes of their passwords, as `htpasswd -nBC 10 ""` prints them.
    #[schemars(with = "BTreeMap<String, SecretText>", length(max = 1000))]
    pub basic_auth_users: BTreeMap<String, Secret>,
    /// File with tokens that let in, one a line; empty lines and those that begin with `#` say nothing. Relative to the
    /// folder of this file.
    #[schemars(example = &"tokens")]
    #[schemars(extend("x-type" = "path"))]
    pub bearer_tokens_file: Option<String>,
    /// Paths for which nobody has to log in, as they stand in requests.
    #[schemars(length(max = 100))]
    pub auth_excluded_paths: Vec<String>,
    /// Most requests, of all clients together; those for `auth_excluded_paths` are not counted.
    pub rate_limit: RawRate,
    /// Most failed attempts of one address to log in.
    pub auth_failure_limit: RawFailureRate,
    /// Most attempts to log in that wait for their password to be checked; one is checked at a time.
    #[schemars(range(min = 1, max = 10_000))]
    pub auth_checks_max: usize,
}

impl Default for RawWeb {
    fn default() -> Self {
        Self {
            tls_server_config: None,
            http_server_config: RawHttpServer::default(),
            basic_auth_users: BTreeMap::new(),
            bearer_tokens_file: None,
            auth_excluded_paths: OPEN_PATHS.map(str::to_owned).to_vec(),
            rate_limit: RawRate::default(),
            auth_failure_limit: RawFailureRate::default(),
            auth_checks_max: SecurityOptions::default().password_checks_max,
        }
    }
}

/// TLS of the server.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "TlsServerConfig")]
pub(in crate::config) struct RawTlsServer {
    /// PEM file of the certificate, and of those between it and its authority. Relative to the folder of this file.
    #[schemars(extend("x-type" = "path"))]
    pub cert_file: Option<String>,
    /// PEM file of its private key. Relative to the folder of this file.
    #[schemars(extend("x-type" = "path"))]
    pub key_file: Option<String>,
    /// The certificate itself, instead of `cert_file`. Shown in no report: some keep the key beside it.
    #[schemars(extend("writeOnly" = true))]
    pub cert: Option<String>,
    /// The private key itself, instead of `key_file`.
    #[schemars(with = "Option<SecretText>")]
    pub key: Option<Secret>,
    /// Whether clients must show a certificate.
    pub client_auth_type: RawClientAuthType,
    /// PEM file of the authorities that may have signed it. Relative to the folder of this file.
    #[schemars(extend("x-type" = "path"))]
    pub client_ca_file: Option<String>,
    /// Names of which a client's certificate must have one: DNS names, addresses, URIs, compared as they stand. Any name
    /// will do without this key.
    #[schemars(length(max = 1000))]
    pub client_allowed_sans: Vec<String>,
    /// The oldest version that is spoken.
    pub min_version: RawTlsVersion,
    /// The newest version that is spoken.
    pub max_version: RawTlsVersion,
}

impl Default for RawTlsServer {
    fn default() -> Self {
        Self {
            cert_file: None,
            key_file: None,
            cert: None,
            key: None,
            client_auth_type: RawClientAuthType::NoClientCert,
            client_ca_file: None,
            client_allowed_sans: Vec::new(),
            min_version: RawTlsVersion::Tls12,
            max_version: RawTlsVersion::Tls13,
        }
    }
}

/// Whether clients must show a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub(in crate::config) enum RawClientAuthType {
    NoClientCert,
    RequireAndVerifyClientCert,
}

/// A version of TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub(in crate::config) enum RawTlsVersion {
    #[serde(rename = "TLS12")]
    Tls12,
    #[serde(rename = "TLS13")]
    Tls13,
}

/// HTTP.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "HttpServerConfig")]
pub(in crate::config) struct RawHttpServer {
    /// Whether HTTP/2 is spoken; over TLS only.
    pub http2: bool,
    /// Headers of every answer, instead of those that there are without them.
    pub headers: RawHttpHeaders,
}

impl Default for RawHttpServer {
    fn default() -> Self {
        Self { http2: true, headers: RawHttpHeaders::default() }
    }
}

/// Headers that browsers obey.
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "HttpHeaders")]
pub(in crate::config) struct RawHttpHeaders {
    /// That only `https` will do from now on.
    #[serde(rename = "Strict-Transport-Security")]
    #[schemars(example = &"max-age=31536000")]
    pub strict_transport_security: Option<String>,
    /// Where a page may load things from.
    #[serde(rename = "Content-Security-Policy")]
    pub content_security_policy: Option<String>,
    /// Who may show a page within another one.
    #[serde(rename = "X-Frame-Options")]
    #[schemars(example = &"SAMEORIGIN")]
    pub x_frame_options: Option<String>,
    /// That contents are what they say they are.
    #[serde(rename = "X-Content-Type-Options")]
    #[schemars(example = &"nosniff")]
    pub x_content_type_options: Option<String>,
    /// For old browsers.
    #[serde(rename = "X-XSS-Protection")]
    #[schemars(example = &"0")]
    pub x_xss_protection: Option<String>,
}

/// So many at once, then one after each interval.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Rate")]
pub(in crate::config) struct RawRate {
    /// Time until there may be one more; `0s` for no limit.
    #[schemars(extend("x-maximum" = "1d"))]
    pub interval: DurationText,
    /// How many at once.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub burst: u32,
}

impl Default for RawRate {
    fn default() -> Self {
        Self { interval: DurationText::from_ms(0), burst: 1 }
    }
}

/// So many failures at once, then one after each interval.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "FailureRate")]
pub(in crate::config) struct RawFailureRate {
    /// Time until there may be one more.
    #[schemars(extend("x-minimum" = "1ms", "x-maximum" = "1d"))]
    pub interval: DurationText,
    /// How many at once.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub burst: u32,
    /// Most addresses whose failures are remembered; beyond it the one that may try again first is forgotten. An IPv6 client
    /// is its network of 64 bits.
    #[schemars(range(min = 1, max = 10_000_000))]
    pub addresses_max: usize,
}

impl Default for RawFailureRate {
    fn default() -> Self {
        let SecurityOptions { failures: rate, failure_addresses_max, .. } =
            SecurityOptions::default();
        let interval = DurationText::from_ms(rate.interval.as_millis() as i64);
        Self { interval, burst: rate.burst, addresses_max: failure_addresses_max }
    }
}
