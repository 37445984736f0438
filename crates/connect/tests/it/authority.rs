//! A certificate authority for tests, and what it signs.

use bellwether_connect::Secret;
use bellwether_connect::http::{TlsOptions, TlsVersion};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    SanType,
};

/// Signs certificates.
pub(crate) struct Authority {
    pub(crate) pem: String,
    issuer: Issuer<'static, KeyPair>,
}

/// A certificate and its key, both as PEM.
#[derive(Clone)]
pub(crate) struct Identity {
    pub(crate) certificate_pem: String,
    pub(crate) key_pem: Secret,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, "authority");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let pem = params.self_signed(&key).unwrap().pem();
        Self { pem, issuer: Issuer::new(params, key) }
    }

    /// Signs a certificate for `names`: DNS names, addresses, or URIs.
    pub(crate) fn sign(&self, names: &[&str]) -> Identity {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        for &name in names {
            params.subject_alt_names.push(match name.parse() {
                Ok(address) => SanType::IpAddress(address),
                Err(_) if name.contains("://") => SanType::URI(name.try_into().unwrap()),
                Err(_) => SanType::DnsName(name.try_into().unwrap()),
            });
        }
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let key_pem = Secret::new(key.serialize_pem());
        Identity { certificate_pem: certificate.pem(), key_pem }
    }
}

impl Identity {
    /// TLS of a server that is this.
    pub(crate) fn tls(&self) -> TlsOptions {
        TlsOptions {
            certificate_pem: self.certificate_pem.clone(),
            key_pem: self.key_pem.clone(),
            min_version: TlsVersion::Tls12,
            max_version: TlsVersion::Tls13,
            client_auth: None,
        }
    }
}
