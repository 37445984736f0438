//! Servers to send to.

use bellwether_connect::{Authorization, Endpoint, Secret};

use super::Builder;
use crate::config::fault::join;
use crate::config::raw::{
    RawAuthorization, RawBasicAuth, RawClient, RawEndpoint, RawTlsConfig, RawWebhook,
};
use crate::config::url;

/// A server as it is written.
pub(super) struct Written<'a> {
    pub url: Option<&'a str>,
    pub basic_auth: Option<&'a RawBasicAuth>,
    pub bearer_token: Option<&'a Secret>,
    pub bearer_token_file: Option<&'a str>,
    pub authorization: Option<&'a RawAuthorization>,
    pub tls_config: Option<&'a RawTlsConfig>,
    pub proxy_url: Option<&'a str>,
}

impl<'a> From<&'a RawEndpoint> for Written<'a> {
    fn from(raw: &'a RawEndpoint) -> Self {
        Self {
            url: raw.url.as_deref(),
            basic_auth: raw.basic_auth.as_ref(),
            bearer_token: raw.bearer_token.as_ref(),
            bearer_token_file: raw.bearer_token_file.as_deref(),
            authorization: raw.authorization.as_ref(),
            tls_config: raw.tls_config.as_ref(),
            proxy_url: raw.proxy_url.as_deref(),
        }
    }
}

impl<'a> From<&'a RawWebhook> for Written<'a> {
    fn from(raw: &'a RawWebhook) -> Self {
        Self {
            url: raw.url.as_deref(),
            basic_auth: raw.basic_auth.as_ref(),
            bearer_token: raw.bearer_token.as_ref(),
            bearer_token_file: raw.bearer_token_file.as_deref(),
            authorization: raw.authorization.as_ref(),
            tls_config: raw.tls_config.as_ref(),
            proxy_url: raw.proxy_url.as_deref(),
        }
    }
}

impl<'a> Written<'a> {
    /// The server at `url`, asked as `raw` says.
    pub(super) fn client(url: &'a str, raw: &'a RawClient) -> Self {
        Self {
            url: Some(url),
            basic_auth: raw.basic_auth.as_ref(),
            bearer_token: None,
            bearer_token_file: raw.bearer_token_file.as_deref(),
            authorization: raw.authorization.as_ref(),
            tls_config: raw.tls_config.as_ref(),
            proxy_url: raw.proxy_url.as_deref(),
        }
    }
}

/// What a server is for.
#[derive(Clone, Copy)]
pub(super) struct Kind {
    /// What it is called.
    pub noun: &'static str,
    /// What its URL may look like.
    pub example: &'static str,
    /// How its URL is read.
    pub url: fn(&str) -> Result<String, url::Fault>,
    /// The part of its URL by which it is told from others of its kind.
    pub identity: fn(&str) -> &str,
}

impl Builder<'_, '_> {
    /// Servers of one kind, those without a usable URL or secret left out. `field` is the list that they stand in.
    pub(super) fn endpoints(
        &mut self,
        field: &str,
        kind: Kind,
        raw: &[RawEndpoint],
    ) -> Vec<Endpoint> {
        let mut endpoints = Vec::new();
        for (index, raw) in raw.iter().enumerate() {
            let field = format!("{field}[{index}]");
            endpoints.extend(self.endpoint(&field, kind, &raw.into(), &endpoints));
        }
        endpoints
    }

    /// One server; `None` when it has no usable URL or secret. `earlier` are those of the same list.
    pub(super) fn endpoint(
        &mut self,
        field: &str,
        kind: Kind,
        raw: &Written<'_>,
        earlier: &[Endpoint],
    ) -> Option<Endpoint> {
        let url_field = join(field, "url");
        let Kind { noun, example, .. } = kind;
        let url = raw.url.map(kind.url);
        match &url {
            None => {
                let mend = format!("add one, for example `url: {example}`");
                self.faults.value(&url_field, format!("the {noun} has no URL"), mend);
            }
            Some(Err((message, mend))) => self.faults.value(&url_field, *message, *mend),
            Some(Ok(url))
                if earlier
                    .iter()
                    .any(|earlier| (kind.identity)(&earlier.url) == (kind.identity)(url)) =>
            {
                let message = format!("this {noun} is there twice");
                self.faults.value(&url_field, message, "keep one of them");
            }
            Some(Ok(_)) => {}
        }
        let has_bearer = raw.bearer_token.is_some() || raw.bearer_token_file.is_some();
        if has_bearer && raw.basic_auth.is_some() {
            let message = "there are both `basic_auth` and a bearer token";
            self.faults.value(&join(field, "basic_auth"), message, "keep one of them");
        }
        let basic_auth = match raw.basic_auth {
            Some(basic) => Some(self.basic_auth(&join(field, "basic_auth"), basic)?),
            None => None,
        };
        let has_other = has_bearer || raw.basic_auth.is_some();
        if has_other && raw.authorization.is_some() {
            let message = "there is another way to log in besides `authorization`";
            self.faults.value(&join(field, "authorization"), message, "keep one of them");
        }
        let authorization = match raw.authorization {
            Some(raw) => Some(self.authorization(&join(field, "authorization"), raw)?),
            None if has_bearer => {
                let (token, file) = (raw.bearer_token, raw.bearer_token_file);
                let token = self.header_secret(field, "bearer_token", token, file)?;
                Some(Authorization::bearer(token))
            }
            None => None,
        };
        let tls = match raw.tls_config {
            Some(raw) => self.client_tls(&join(field, "tls_config"), raw)?,
            None => bellwether_connect::ClientTls::default(),
        };
        let proxy_url = raw.proxy_url.map(str::to_owned);
        let endpoint = Endpoint { url: url?.ok()?, basic_auth, authorization, tls, proxy_url };
        self.check_endpoint(field, &endpoint);
        Some(endpoint)
    }

    fn basic_auth(&mut self, field: &str, raw: &RawBasicAuth) -> Option<(String, Secret)> {
        let RawBasicAuth { username, password, password_file } = raw;
        let name = username.as_deref().unwrap_or_default();
        if name.is_empty() || name.contains(':') || name.chars().any(char::is_control) {
            let mend = "add one without `:`, for example `username: bellwether`";
            self.faults.value(&join(field, "username"), "there is no usable user name", mend);
        }
        let password =
            self.header_secret(field, "password", password.as_ref(), password_file.as_deref())?;
        Some((name.to_owned(), password))
    }

    fn authorization(&mut self, field: &str, raw: &RawAuthorization) -> Option<Authorization> {
        let RawAuthorization { r#type, credentials, credentials_file } = raw;
        let credentials = self.header_secret(
            field,
            "credentials",
            credentials.as_ref(),
            credentials_file.as_deref(),
        )?;
        let authorization = Authorization { scheme: r#type.clone(), credentials };
        if !authorization.has_usable_scheme() {
            let mend = "write one word such as `Bearer`; `Basic` is `basic_auth`";
            self.faults.value(&join(field, "type"), "this cannot be a scheme", mend);
        }
        Some(authorization)
    }
}
