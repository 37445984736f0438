//! Who can reach the server, and whether that is meant.

use std::net::SocketAddr;

use bellwether_connect::http::{Guard, SecurityError, SecurityOptions};
use reqwest::Url;

use super::ServerConfig;

/// Others can reach the address to listen on, and nobody has to log in.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "others can reach this address, and nobody has to log in: address=`{listen}`; let `server.web_config_file` name a \
     file with `basic_auth_users`, or listen on 127.0.0.1; if something in front sees to who can come, say \
     `server.allow_unauthenticated: true`"
)]
pub struct Exposed {
    listen: SocketAddr,
}

impl ServerConfig {
    /// Whether nobody but this machine can reach the server, whoever can must log in under `security`, or that is not
    /// asked for.
    ///
    /// # Errors
    /// When it must not listen there.
    pub fn check_exposure(&self, security: &SecurityOptions) -> Result<(), Exposed> {
        let is_safe = self.is_local() || security.authenticates() || self.allow_unauthenticated;
        if is_safe { Ok(()) } else { Err(Exposed { listen: self.listen }) }
    }

    /// A guard for the server that asks what `security` says; where only this machine can reach it, it is called by names of the
    /// loopback or by that of its URL, unless everybody who reaches it may do everything.
    ///
    /// # Errors
    /// When something in `security` is unusable.
    pub fn guard(&self, security: SecurityOptions) -> Result<Guard, SecurityError> {
        let guard = Guard::new(security)?;
        if !self.is_local() || self.allow_unauthenticated {
            return Ok(guard);
        }
        let url = self.external_url.as_deref().and_then(|url| Url::parse(url).ok());
        let outside = url.as_ref().and_then(Url::host_str).map(str::to_owned);
        Ok(guard.called(&Vec::from_iter(outside)))
    }

    /// Whether only this machine can reach it.
    pub fn is_local(&self) -> bool {
        self.listen.ip().to_canonical().is_loopback()
    }
}
