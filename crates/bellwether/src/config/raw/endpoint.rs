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
