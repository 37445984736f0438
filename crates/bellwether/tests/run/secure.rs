//! A server with TLS and log-in, and a client for it.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};

use crate::poll::{seconds, until};
use crate::process::Process;
use crate::server::{self, address};

/// A certificate authority.
pub(crate) struct Authority {
    pub(crate) pem: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        // Else it is called as what it signs, and openssl takes that for signed by itself.
        params.distinguished_name.push(DnType::CommonName, "authority");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let pem = params.self_signed(&key).unwrap().pem();
        Self { pem, issuer: Issuer::new(params, key) }
    }

    /// Writes `cert.pem` and `key.pem` of 127.0.0.1 into `dir`; answers the key.
    pub(crate) fn write_identity(&self, dir: &Path) -> String {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(["127.0.0.1".to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        fs::write(dir.join("cert.pem"), certificate.pem()).unwrap();
        fs::write(dir.join("key.pem"), key.serialize_pem()).unwrap();
        key.serialize_pem()
    }
}

/// A client over TLS that trusts one authority.
pub(crate) struct Client {
    runtime: tokio::runtime::Runtime,
    http: reqwest::Client,
    base: String,
}

impl Client {
    pub(crate) fn new(address: SocketAddr, authority: &Authority) -> Self {
        _ = rustls::crypto::ring::default_provider().install_default();
        let root = reqwest::Certificate::from_pem(authority.pem.as_bytes()).unwrap();
        // Without a pool every request is a handshake.
        let builder = reqwest::Client::builder().no_proxy().pool_max_idle_per_host(0);
        Self {
            runtime: tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap(),
            http: builder.tls_certs_only([root]).timeout(seconds(10)).build().unwrap(),
            base: format!("https://{address}"),
        }
    }

    /// A request to `path`, to be completed and [sent](Self::send).
    pub(crate) fn request(&self, method: &str, path: &str) -> reqwest::RequestBuilder {
        let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
        self.http.request(method, format!("{}{path}", self.base))
    }

    /// Status, headers and body of the answer.
    pub(crate) fn send(&self, request: reqwest::RequestBuilder) -> reqwest::Result<(u16, String)> {
        self.runtime.block_on(async {
            let answer = request.send().await?;
            let (status, headers) = (answer.status().as_u16(), format!("{:?}", answer.headers()));
            Ok((status, format!("{headers}\n{}", answer.text().await?)))
        })
    }
}

/// Starts the program with `bellwether.yml` in `dir`; answers where it listens.
pub(crate) fn start(dir: &Path) -> (Process, SocketAddr) {
    let mut process = Process::start("bellwether", dir, &mut server::command(dir));
    let address = process.until("its address", |_| address(dir));
    until(seconds(20), "it to accept connections", || std::net::TcpStream::connect(address).ok());
    (process, address)
}
