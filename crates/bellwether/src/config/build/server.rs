//! The HTTP server, and whether it may listen where it should.

use std::net::SocketAddr;
use std::time::Duration;

use bellwether_connect::http::{SecurityOptions, ServerLimits};

use super::Builder;
use crate::config::raw::RawServer;
use crate::config::text::DurationText;
use crate::config::web::{self, WebError};
use crate::config::{ServerConfig, url};

impl Builder<'_, '_> {
    pub(super) fn server(&mut self, raw: &RawServer) -> Option<ServerConfig> {
        let listen = raw.listen.parse::<SocketAddr>();
        if listen.is_err() {
            let mend =
                "write an IP address and a port, for example `127.0.0.1:2355` or `[::]:2355`";
            self.faults.value("server.listen", "this is not an address to listen on", mend);
        }
        let external_url = raw.external_url.as_deref().map(url::base);
        if let Some(Err((message, mend))) = external_url {
            self.faults.value("server.external_url", message, mend);
        }
        Some(ServerConfig {
            listen: listen.ok()?,
            external_url: external_url.and_then(Result::ok),
            web_config_file: raw.web_config_file.as_ref().map(|file| self.folder.join(file)),
            events_max: raw.events_max,
            answers_bytes_max: raw.answers_bytes_max.bytes() as usize,
            allow_unauthenticated: raw.allow_unauthenticated,
            limits: ServerLimits {
                handshake: time(raw.handshake_timeout),
                head: time(raw.head_timeout),
                body: time(raw.body_timeout),
                response: time(raw.response_timeout),
                idle: time(raw.idle_timeout),
                connections_max: raw.connections_max,
                connections_per_address_max: raw.connections_per_address_max,
                requests_per_connection_max: raw.requests_per_connection_max,
                head_bytes_max: raw.head_bytes_max.bytes() as usize,
                ..ServerLimits::default()
            },
        })
    }

    /// What the web configuration file says; `server` is `None` if it has a fault.
    pub(super) fn security(
        &mut self,
        raw: &RawServer,
        server: Option<&ServerConfig>,
    ) -> Option<SecurityOptions> {
        let security = match &raw.web_config_file {
            None => SecurityOptions::default(),
            Some(file) => match web::load_with(&self.folder.join(file), self.variables) {
                Ok(security) => security,
                Err(WebError::Invalid(faults)) => {
                    *self.web_faults = Some(faults);
                    return None;
                }
                Err(WebError::Unreadable { why, .. }) => {
                    let mend = "create it, or let this user read it; a relative path starts at this file's folder";
                    self.faults.value(
                        "server.web_config_file",
                        format!("the file cannot be read: {why}"),
                        mend,
                    );
                    return None;
                }
            },
        };
        if server.is_some_and(|server| server.check_exposure(&security).is_err()) {
            let message = "others can reach this address, and nobody has to log in";
            let mend = "let `server.web_config_file` name a file with `basic_auth_users`, or listen on `127.0.0.1`; \
                        if something in front sees to who can come, say `server.allow_unauthenticated: true`";
            self.faults.value("server.listen", message, mend);
        }
        Some(security)
    }
}

fn time(text: DurationText) -> Duration {
    Duration::from_millis(text.ms().unsigned_abs())
}
