//! The HTTP server, as it is written.

use std::time::Duration;

use bellwether_connect::http::ServerLimits;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::text::{BytesText, DurationText};

/// The HTTP server: receiver, API and health.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Server")]
pub(in crate::config) struct RawServer {
    /// Address and port to listen on. `--listen` on the command line wins. One that others can reach is refused
    /// unless `web_config_file` makes them log in, or `allow_unauthenticated` is true.
    #[schemars(example = &"127.0.0.1:2355", example = &"0.0.0.0:2355")]
    #[schemars(extend("x-type" = "address and port"))]
    pub listen: String,
    /// URL under which people reach this server; alerts link to it. Without it, the address it listens on. On a loopback
    /// address where nobody has to log in, requests are answered that ask for its host or for one of the loopback.
    #[schemars(example = &"http://bellwether.example:2355")]
    #[schemars(extend("x-type" = "URL"))]
    pub external_url: Option<String>,
    /// File that says whether there is TLS and who may come in, see docs/web-configuration.md. It is read again when
    /// it changes. Relative to the folder of this file.
    #[schemars(example = &"/etc/bellwether/web.yml")]
    #[schemars(extend("x-type" = "path"))]
    pub web_config_file: Option<String>,
    /// Whether everybody who can reach `listen` may do everything, because something in front of it sees to who can: a
    /// proxy, a network policy, a port published on the loopback only. Then it answers by whatever name it is called.
    pub allow_unauthenticated: bool,
    /// Most connections at a time.
    #[schemars(range(min = 1, max = 100_000))]
    pub connections_max: usize,
    /// Most connections of one address at a time.
    #[schemars(range(min = 1, max = 100_000))]
    pub connections_per_address_max: usize,
    /// Most requests at a time on one connection of HTTP/2; the client waits with further ones.
    #[schemars(range(min = 1, max = 10_000))]
    pub requests_per_connection_max: u32,
    /// Largest head of a request: request line and headers. A little more may be taken. Each connection has as much memory for
    /// what it reads.
    #[schemars(extend("x-minimum" = "8KiB", "x-maximum" = "1MiB"))]
    pub head_bytes_max: BytesText,
    /// Most events of severity `info`, and as many above it, that the API remembers.
    #[schemars(range(min = 1, max = 10_000_000))]
    pub events_max: usize,
    /// Most memory of all answers under `/api/v1` that are made, or sent to clients who have not read them yet; one of them may
    /// take half of it.
    #[schemars(extend("x-minimum" = "1MiB", "x-maximum" = "1GiB"))]
    pub answers_bytes_max: BytesText,
    /// Longest TLS handshake.
    #[schemars(extend("x-minimum" = "100ms", "x-maximum" = "10m"))]
    pub handshake_timeout: DurationText,
    /// Longest time from when a client connects, or sends the first byte of a later request, until the head of the request is there.
    #[schemars(extend("x-minimum" = "100ms", "x-maximum" = "10m"))]
    pub head_timeout: DurationText,
    /// Longest time from when a client connects, or sends the first byte of a later request, until the body of the request is
    /// there: whoever is slow with handshake and head has less for the body.
    #[schemars(extend("x-minimum" = "100ms", "x-maximum" = "10m"))]
    pub body_timeout: DurationText,
    /// Longest time until a client has read its answer.
    #[schemars(extend("x-minimum" = "100ms", "x-maximum" = "10m"))]
    pub response_timeout: DurationText,
    /// Longest time between two requests of a connection.
    #[schemars(extend("x-minimum" = "100ms", "x-maximum" = "10m"))]
    pub idle_timeout: DurationText,
}

impl Default for RawServer {
    fn default() -> Self {
        let limits = ServerLimits::default();
        let written = |time: Duration| DurationText::from_ms(time.as_millis() as i64);
        Self {
            listen: "127.0.0.1:2355".to_owned(),
            external_url: None,
            web_config_file: None,
            allow_unauthenticated: false,
            connections_max: limits.connections_max,
            connections_per_address_max: limits.connections_per_address_max,
            requests_per_connection_max: limits.requests_per_connection_max,
            head_bytes_max: BytesText::from_bytes(limits.head_bytes_max as u64),
            events_max: 10_000,
            answers_bytes_max: BytesText::from_bytes(64 << 20),
            handshake_timeout: written(limits.handshake),
            head_timeout: written(limits.head),
            body_timeout: written(limits.body),
            response_timeout: written(limits.response),
            idle_timeout: written(limits.idle),
        }
    }
}
