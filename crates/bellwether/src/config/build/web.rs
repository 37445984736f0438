//! What the server asks of its clients, from the web configuration file.

use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

use bellwether_connect::Secret;
use bellwether_connect::http::{
    ClientAuth, Rate, SecurityError, SecurityOptions, TlsOptions, TlsVersion, check_password_hash,
};

use super::{Builder, document};
use crate::config::fault::Collector;
use crate::config::raw::{
    RawClientAuthType, RawHttpHeaders, RawRate, RawTlsServer, RawTlsVersion, RawWeb,
};
use crate::config::{schema, shape};

/// Shortest token, in bytes: what is shorter can be guessed.
const TOKEN_BYTES_MIN: usize = 16;
/// Most tokens.
const TOKENS_MAX: usize = 1000;

/// The options that `text` says, or `None` and why in `faults`.
pub(in crate::config) fn web(
    text: &str,
    folder: &Path,
    variables: &HashMap<String, String>,
    faults: &mut Collector<'_>,
) -> Option<SecurityOptions> {
    let node = document(text, variables.clone(), faults)?;
    faults.understand(&node);
    let json = shape::fit(&schema::web_json_schema(), &node, faults);
    let Ok(raw) = serde_json::from_value::<RawWeb>(json) else {
        // The schema is made from `RawWeb`, so what fits one fits the other.
        let mend = "compare it with docs/web-configuration.md";
        faults.value("", "the file does not fit the schema", mend);
        return None;
    };
    Builder { faults, folder, variables, web_faults: &mut None }.web(&raw)
}

impl Builder<'_, '_> {
    fn web(&mut self, raw: &RawWeb) -> Option<SecurityOptions> {
        for (user, hash) in &raw.basic_auth_users {
            let field = format!("basic_auth_users.{user}");
            if user.is_empty() || user.contains(':') || user.chars().any(char::is_control) {
                self.faults.key(&field, "this cannot be a user name", "write one without `:`");
            }
            if let Err(fault) = check_password_hash(hash) {
                let mend = "write what `htpasswd -nBC 10 \"\"` prints after the colon";
                self.faults.value(&field, format!("the hash is unusable: {fault}"), mend);
            }
        }
        for (index, path) in raw.auth_excluded_paths.iter().enumerate() {
            if !path.starts_with('/') || path.contains(['?', '#', '*']) {
                let mend = "write a whole path such as `/metrics`";
                let field = format!("auth_excluded_paths[{index}]");
                self.faults.value(&field, "this is not the path of a request", mend);
            }
        }
        let bearer_tokens = match &raw.bearer_tokens_file {
            Some(file) => self.bearer_tokens(file),
            None => Some(Vec::new()),
        };
        let tls = match &raw.tls_server_config {
            Some(raw) => self.tls_server(raw).map(Some),
            None => Some(None),
        };
        let failures = &raw.auth_failure_limit;
        let options = SecurityOptions {
            tls: tls?,
            http2: raw.http_server_config.http2,
            users: raw.basic_auth_users.clone(),
            bearer_tokens: bearer_tokens?,
            open_paths: raw.auth_excluded_paths.clone(),
            rate: rate(&raw.rate_limit),
            failures: Rate {
                burst: failures.burst,
                interval: Duration::from_millis(failures.interval.ms().unsigned_abs()),
            },
            failure_addresses_max: failures.addresses_max,
            password_checks_max: raw.auth_checks_max,
            headers: headers(&raw.http_server_config.headers),
        };
        if let Err(error) = options.check() {
            self.unusable(raw, &error);
        }
        Some(options)
    }

    /// Reports what only the whole can show.
    fn unusable(&mut self, raw: &RawWeb, error: &SecurityError) {
        let inline = |key: &str, is_inline: bool| {
            let suffix = if is_inline { "" } else { "_file" };
            format!("tls_server_config.{key}{suffix}")
        };
        let tls = raw.tls_server_config.as_ref();
        let (field, mend) = match error {
            SecurityError::Certificate { .. } => {
                let field = inline("cert", tls.is_some_and(|tls| tls.cert.is_some()));
                (field, "it must be PEM, the server's own certificate first")
            }
            SecurityError::Key { .. } => {
                let field = inline("key", tls.is_some_and(|tls| tls.key.is_some()));
                (field, "it must be PEM, not encrypted, and that of the certificate")
            }
            SecurityError::ClientCa { .. } => {
                ("tls_server_config.client_ca_file".to_owned(), "it must be PEM certificates")
            }
            SecurityError::Versions => {
                let mend = "it must not be older than `min_version`";
                ("tls_server_config.max_version".to_owned(), mend)
            }
            SecurityError::Header { name } => {
                (format!("http_server_config.headers.{name}"), "write it on one line of plain text")
            }
            // Each hash has been looked at.
            SecurityError::Hash { .. } => return,
            _ => (String::new(), "try again"),
        };
        self.faults.value(&field, error.to_string(), mend);
    }

    fn bearer_tokens(&mut self, file: &str) -> Option<Vec<Secret>> {
        let text = self.text_file("bearer_tokens_file", file)?;
        let lines = text.lines().map(str::trim).enumerate();
        let tokens: Vec<_> =
            lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#')).collect();
        let is_bad = |token: &str| {
            token.len() < TOKEN_BYTES_MIN || !token.bytes().all(|byte| byte.is_ascii_graphic())
        };
        if let Some((index, _)) = tokens.iter().find(|(_, token)| is_bad(token)) {
            let message =
                format!("line {} of the file is no token that is hard to guess", index + 1);
            let mend =
                "write 16 or more letters and digits, for example from `openssl rand -hex 32`";
            self.faults.value("bearer_tokens_file", message, mend);
        } else if !(1..=TOKENS_MAX).contains(&tokens.len()) {
            let message = format!("there are {} tokens in the file", tokens.len());
            self.faults.value("bearer_tokens_file", message, "allowed: 1 to 1000, one a line");
        }
        Some(tokens.into_iter().map(|(_, token)| Secret::new(token)).collect())
    }

    fn tls_server(&mut self, raw: &RawTlsServer) -> Option<TlsOptions> {
        let field = "tls_server_config";
        let certificate = raw.cert.clone().map(Secret::new);
        let certificate =
            self.secret(field, "cert", certificate.as_ref(), raw.cert_file.as_deref());
        let key = self.secret(field, "key", raw.key.as_ref(), raw.key_file.as_deref());
        let client_auth = self.client_auth(raw);
        Some(TlsOptions {
            certificate_pem: certificate?.1.expose().to_owned(),
            key_pem: key?.1,
            min_version: version(raw.min_version),
            max_version: version(raw.max_version),
            client_auth,
        })
    }

    /// Which certificates clients must show; `None` too when that has a fault.
    fn client_auth(&mut self, raw: &RawTlsServer) -> Option<ClientAuth> {
        let (type_field, ca_field) =
            ("tls_server_config.client_auth_type", "tls_server_config.client_ca_file");
        match (raw.client_auth_type, &raw.client_ca_file) {
            (RawClientAuthType::NoClientCert, None) if raw.client_allowed_sans.is_empty() => None,
            (RawClientAuthType::NoClientCert, _) => {
                let message =
                    "it says which certificates clients may show, and they need to show none";
                let mend = "write `client_auth_type: RequireAndVerifyClientCert`";
                self.faults.value(type_field, message, mend);
                None
            }
            (RawClientAuthType::RequireAndVerifyClientCert, None) => {
                let mend =
                    "add `client_ca_file`, the authorities that sign certificates of clients";
                self.faults.value(type_field, "nobody says which certificates are good", mend);
                None
            }
            (RawClientAuthType::RequireAndVerifyClientCert, Some(file)) => {
                let ca_pem = self.text_file(ca_field, file)?;
                let allowed_sans = raw.client_allowed_sans.clone();
                Some(ClientAuth { ca_pem, allowed_sans })
            }
        }
    }
}

fn version(raw: RawTlsVersion) -> TlsVersion {
    match raw {
        RawTlsVersion::Tls12 => TlsVersion::Tls12,
        RawTlsVersion::Tls13 => TlsVersion::Tls13,
    }
}

/// `None` for an interval of zero.
fn rate(raw: &RawRate) -> Option<Rate> {
    let interval = Duration::from_millis(raw.interval.ms().unsigned_abs());
    (!interval.is_zero()).then_some(Rate { burst: raw.burst, interval })
}

fn headers(raw: &RawHttpHeaders) -> Vec<(String, String)> {
    [
        ("Strict-Transport-Security", &raw.strict_transport_security),
        ("Content-Security-Policy", &raw.content_security_policy),
        ("X-Frame-Options", &raw.x_frame_options),
        ("X-Content-Type-Options", &raw.x_content_type_options),
        ("X-XSS-Protection", &raw.x_xss_protection),
    ]
    .into_iter()
    .filter_map(|(name, value)| Some((name.to_owned(), value.clone()?)))
    .collect()
}
