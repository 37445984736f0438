//! Where to connect to and which name to ask for there, which may differ.
//!
//! The HTTP client asks over TLS for the host of the URL. To have it ask for another name, and hold the
//! certificate to that one, the URL gets that name, the address is looked up under the real one, and the `Host`
//! header says the real one too.

use std::sync::Arc;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::HeaderValue;
use reqwest::{ClientBuilder, Url};

use super::endpoint::{ClientTls, EndpointError};

/// How a request reaches its server.
pub(super) struct Route {
    url: Url,
    /// Where to connect to and what to say as `Host`, if the URL does not say it.
    real: Option<(RealHost, HeaderValue)>,
}

impl Route {
    /// The way to `url`.
    pub(super) fn new(url: &Url, tls: &ClientTls) -> Result<Self, EndpointError> {
        let Some(name) = &tls.server_name else {
            return Ok(Self { url: url.clone(), real: None });
        };
        let unusable = |fault| EndpointError::ServerName { fault };
        let host = url.host_str().ok_or(EndpointError::Url { fault: "it names no host" })?;
        let authority = match url.port() {
            Some(port) => format!("{host}:{port}"),
            None => host.to_owned(),
        };
        let authority = HeaderValue::try_from(authority)
            .map_err(|_| EndpointError::Url { fault: "its host is no header" })?;
        let host = RealHost(Arc::from(host.trim_matches(['[', ']'])));
        let mut url = url.clone();
        url.set_host(Some(name)).map_err(|_| unusable("it is not a DNS name"))?;
        Ok(Self { url, real: Some((host, authority)) })
    }

    /// The URL to ask for.
    pub(super) fn url(&self) -> &Url {
        &self.url
    }

    /// What to say as `Host`, if not the URL's.
    pub(super) fn host(&self) -> Option<&HeaderValue> {
        self.real.as_ref().map(|(_, authority)| authority)
    }

    /// Tells a client where to connect to.
    pub(super) fn apply(&self, builder: ClientBuilder) -> ClientBuilder {
        match &self.real {
            Some((host, _)) => builder.dns_resolver(host.clone()),
            None => builder,
        }
    }
}

/// Answers every question for an address with that of one host.
#[derive(Clone)]
struct RealHost(Arc<str>);

impl Resolve for RealHost {
    fn resolve(&self, _: Name) -> Resolving {
        let host = Arc::clone(&self.0);
        Box::pin(async move {
            // The port is the URL's; 0 stands for that.
            let addresses: Vec<_> = tokio::net::lookup_host((&*host, 0)).await?.collect();
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}
