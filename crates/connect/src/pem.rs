//! Certificates and keys out of PEM text. Nothing here repeats what it read.

use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use crate::Secret;

/// The certificates in `text`; there is at least one.
pub(crate) fn certificates(text: &str) -> Result<Vec<CertificateDer<'static>>, String> {
    let certificates = CertificateDer::pem_slice_iter(text.as_bytes())
        .collect::<Result<Vec<_>, _>>()
        .map_err(|_| "it is not PEM".to_owned())?;
    if certificates.is_empty() {
        return Err("there is no certificate in PEM form in it".to_owned());
    }
    Ok(certificates)
}

/// The first private key in `text`.
pub(crate) fn private_key(text: &Secret) -> Result<PrivateKeyDer<'static>, String> {
    PrivateKeyDer::from_pem_slice(text.expose().as_bytes())
        .map_err(|_| "there is no private key in PEM form in it".to_owned())
}
