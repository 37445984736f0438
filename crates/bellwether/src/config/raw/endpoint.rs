//! Servers that something is sent to, as they are written.

use bellwether_connect::Secret;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::text::SecretText;

/// A server, and how to log in to it.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Endpoint")]
pub(in crate::config) struct RawEndpoint {
    /// Its `http` or `https` URL, without user name and password.
    #[schemars(required, example = &"https://server.example/path")]
    #[schemars(extend("x-type" = "URL"))]
    pub url: Option<String>,
    /// User name and password to log in with.
    pub basic_auth: Option<RawBasicAuth>,
    /// Token to log in with, instead of `basic_auth`.
    #[schemars(with = "Option<SecretText>")]
    pub bearer_token: Option<Secret>,
    /// File that holds the token. Relative to the folder of this file.
    #[schemars(example = &"/etc/bellwether/token")]
    #[schemars(extend("x-type" = "path"))]
    pub bearer_token_file: Option<String>,
    /// What is sent as `Authorization`, instead of both: of another scheme than Bearer, say.
    pub authorization: Option<RawAuthorization>,
    /// Of an `https` URL, whom to trust and who we are.
    pub tls_config: Option<RawTlsConfig>,
    /// `http` or `https` URL of a proxy, without user name and password. None is used without it, whatever the
    /// environment says.
    #[schemars(example = &"http://proxy:3128")]
    #[schemars(extend("x-type" = "URL"))]
    pub proxy_url: Option<String>,
}

/// How to reach a server that the command line names, and to log in to it.
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Client")]
pub(in crate::config) struct RawClient {
    /// User name and password to log in with.
    pub basic_auth: Option<RawBasicAuth>,
    /// File that holds a token to log in with, instead of `basic_auth`. Relative to the folder of this file.
    pub bearer_token_file: Option<String>,
    /// What is sent as `Authorization`, instead of both.
    pub authorization: Option<RawAuthorization>,
    /// Of an `https` URL, whom to trust and who we are.
    pub tls_config: Option<RawTlsConfig>,
    /// `http` or `https` URL of a proxy, without user name and password.
    pub proxy_url: Option<String>,
}

/// An `Authorization` header.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Authorization")]
pub(in crate::config) struct RawAuthorization {
    /// Its scheme, one word; not `Basic`, which is `basic_auth`.
    pub r#type: String,
    /// What follows the scheme.
    #[schemars(with = "Option<SecretText>")]
    pub credentials: Option<Secret>,
    /// File that holds it. Relative to the folder of this file.
    #[schemars(example = &"/etc/bellwether/token")]
    #[schemars(extend("x-type" = "path"))]
    pub credentials_file: Option<String>,
}

impl Default for RawAuthorization {
    fn default() -> Self {
        Self { r#type: "Bearer".to_owned(), credentials: None, credentials_file: None }
    }
}

/// Whom to trust over TLS and who we are.
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "TlsConfig")]
pub(in crate::config) struct RawTlsConfig {
    /// PEM file of the only authorities that are trusted; those of the system without it. Relative to the folder of this
    /// file.
    #[schemars(example = &"/etc/bellwether/ca.pem")]
    #[schemars(extend("x-type" = "path"))]
    pub ca_file: Option<String>,
    /// PEM file of our own certificate, and of those between it and its authority.
    #[schemars(example = &"/etc/bellwether/client.pem")]
    #[schemars(extend("x-type" = "path"))]
    pub cert_file: Option<String>,
    /// PEM file of its private key.
    #[schemars(example = &"/etc/bellwether/client-key.pem")]
    #[schemars(extend("x-type" = "path"))]
    pub key_file: Option<String>,
    /// DNS name that the server is asked for and its certificate must have, instead of the URL's host.
    #[schemars(example = &"server.example")]
    pub server_name: Option<String>,
    /// Whether any certificate will do. Then anybody on the way can read and change everything.
    pub insecure_skip_verify: bool,
}

/// User name and password.
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "BasicAuth")]
pub(in crate::config) struct RawBasicAuth {
    /// The user name.
    #[schemars(required, example = &"bellwether")]
    pub username: Option<String>,
    /// The password.
    #[schemars(with = "Option<SecretText>")]
    pub password: Option<Secret>,
    /// File that holds the password. Relative to the folder of this file.
    #[schemars(example = &"/etc/bellwether/password")]
    #[schemars(extend("x-type" = "path"))]
    pub password_file: Option<String>,
}
