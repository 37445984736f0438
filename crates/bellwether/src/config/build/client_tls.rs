//! TLS to servers that something is sent to.

use bellwether_connect::{ClientTls, Endpoint, EndpointError, Secret};

use super::Builder;
use crate::config::fault::join;
use crate::config::raw::RawTlsConfig;

impl Builder<'_, '_> {
    pub(super) fn client_tls(&mut self, field: &str, raw: &RawTlsConfig) -> Option<ClientTls> {
        let RawTlsConfig { ca_file, cert_file, key_file, server_name, insecure_skip_verify } = raw;
        let mut text = |key: &str, file: &Option<String>| match file {
            Some(file) => self.text_file(&join(field, key), file).map(Some),
            None => Some(None),
        };
        let (ca, certificate) = (text("ca_file", ca_file), text("cert_file", cert_file));
        let key = text("key_file", key_file);
        let identity = match (certificate?, key?) {
            (Some(certificate), Some(key)) => Some((certificate, Secret::new(key))),
            (None, None) => None,
            (Some(_), None) => {
                let message = "there is a certificate and no key";
                self.faults.value(&join(field, "cert_file"), message, "add `key_file`");
                None
            }
            (None, Some(_)) => {
                let message = "there is a key and no certificate";
                self.faults.value(&join(field, "key_file"), message, "add `cert_file`");
                None
            }
        };
        Some(ClientTls {
            ca_pem: ca?,
            identity,
            server_name: server_name.clone(),
            insecure_skip_verify: *insecure_skip_verify,
        })
    }

    /// Reports what is wrong with a server as a whole.
    pub(super) fn check_endpoint(&mut self, field: &str, endpoint: &Endpoint) {
        let Err(error) = endpoint.check() else { return };
        let (key, mend) = match &error {
            EndpointError::Url { .. } => ("url", "write `https`, or remove `tls_config`"),
            EndpointError::Ca { .. } => ("tls_config.ca_file", "name a file of PEM certificates"),
            EndpointError::Identity { .. } => {
                ("tls_config.cert_file", "name PEM files of a certificate and of its own key")
            }
            EndpointError::ServerName { .. } => (
                "tls_config.server_name",
                "write a DNS name such as `server.example`, without a proxy",
            ),
            EndpointError::Proxy { .. } => {
                ("proxy_url", "write one like `http://proxy:3128`, without user name and password")
            }
            // Each secret has been looked at by itself, and no client is built yet.
            _ => return,
        };
        self.faults.value(&join(field, key), error.to_string(), mend);
    }
}
