//! TLS of a server, from PEM text to what a handshake is made with.

mod sans;

use std::sync::Arc;

use rustls::crypto::{CryptoProvider, ring};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls::{RootCertStore, ServerConfig, SupportedProtocolVersion, version};

use super::options::{ClientAuth, SecurityError, TlsOptions, TlsVersion};
use crate::pem::{certificates, private_key};
use sans::NamedClients;

/// HTTP/2 and HTTP/1.1 as clients and servers agree on them.
pub(super) const ALPN_HTTP2: &[u8] = b"h2";
const ALPN_HTTP1: &[u8] = b"http/1.1";

/// What handshakes are made with. Sessions that began under another configuration cannot be resumed.
///
/// # Errors
/// When certificate, key, authorities or versions are unusable.
pub(super) fn server_config(
    options: &TlsOptions,
    http2: bool,
) -> Result<Arc<ServerConfig>, SecurityError> {
    let provider = Arc::new(ring::default_provider());
    let certificates = certificates(&options.certificate_pem)
        .map_err(|fault| SecurityError::Certificate { fault })?;
    let key = private_key(&options.key_pem).map_err(|fault| SecurityError::Key { fault })?;
    let versions = versions(options.min_version, options.max_version);
    if versions.is_empty() {
        return Err(SecurityError::Versions);
    }
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&versions)
        .map_err(|_| SecurityError::Versions)?;
    let builder = match &options.client_auth {
        None => builder.with_no_client_auth(),
        Some(auth) => builder.with_client_cert_verifier(verifier(auth, provider)?),
    };
    let mut config = builder.with_single_cert(certificates, key).map_err(|error| match error {
        rustls::Error::InconsistentKeys(_) => key_fault("it is that of another certificate"),
        rustls::Error::InvalidCertificate(error) => {
            SecurityError::Certificate { fault: error.to_string() }
        }
        _ => key_fault("it is of no kind that can be used: RSA, ECDSA on P-256 or P-384, Ed25519"),
    })?;
    let protocols = [http2.then_some(ALPN_HTTP2), Some(ALPN_HTTP1)];
    config.alpn_protocols = protocols.into_iter().flatten().map(<[u8]>::to_vec).collect();
    Ok(Arc::new(config))
}

fn key_fault(fault: &str) -> SecurityError {
    SecurityError::Key { fault: fault.to_owned() }
}

fn versions(min: TlsVersion, max: TlsVersion) -> Vec<&'static SupportedProtocolVersion> {
    [(TlsVersion::Tls12, &version::TLS12), (TlsVersion::Tls13, &version::TLS13)]
        .into_iter()
        .filter_map(|(version, supported)| (min..=max).contains(&version).then_some(supported))
        .collect()
}

fn verifier(
    auth: &ClientAuth,
    provider: Arc<CryptoProvider>,
) -> Result<Arc<dyn ClientCertVerifier>, SecurityError> {
    let unusable = |fault: String| SecurityError::ClientCa { fault };
    let mut roots = RootCertStore::empty();
    for certificate in certificates(&auth.ca_pem).map_err(unusable)? {
        roots.add(certificate).map_err(|error| unusable(error.to_string()))?;
    }
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
        .build()
        .map_err(|error| unusable(error.to_string()))?;
    Ok(if auth.allowed_sans.is_empty() {
        verifier
    } else {
        Arc::new(NamedClients::new(verifier, auth.allowed_sans.clone()))
    })
}
