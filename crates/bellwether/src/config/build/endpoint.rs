//! Servers to send to, and the secrets to log in to them.

use std::fs::File;
use std::io::Read;

use bellwether_connect::{Endpoint, Secret};

use super::Builder;
use crate::config::raw::{RawBasicAuth, RawEndpoint, RawWebhook};
use crate::config::url;

/// Largest file of a secret, in bytes.
const SECRET_BYTES_MAX: u64 = 64 << 10;

/// A server as it is written.
pub(super) struct Written<'a> {
    pub url: Option<&'a str>,
    pub basic_auth: Option<&'a RawBasicAuth>,
    pub bearer_token: Option<&'a Secret>,
    pub bearer_token_file: Option<&'a str>,
}

impl<'a> From<&'a RawEndpoint> for Written<'a> {
    fn from(raw: &'a RawEndpoint) -> Self {
        let RawEndpoint { url, basic_auth, bearer_token, bearer_token_file } = raw;
        Self {
            url: url.as_deref(),
            basic_auth: basic_auth.as_ref(),
            bearer_token: bearer_token.as_ref(),
            bearer_token_file: bearer_token_file.as_deref(),
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
        let url_field = format!("{field}.url");
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
            self.faults.value(&format!("{field}.basic_auth"), message, "keep one of them");
        }
        let basic_auth = match raw.basic_auth {
            Some(basic) => Some(self.basic_auth(&format!("{field}.basic_auth"), basic)?),
            None => None,
        };
        let bearer = if has_bearer {
            let (token, file) = (raw.bearer_token, raw.bearer_token_file);
            Some(self.header_secret(field, "bearer_token", token, file)?)
        } else {
            None
        };
        Some(Endpoint { url: url?.ok()?, basic_auth, bearer })
    }

    fn basic_auth(&mut self, field: &str, raw: &RawBasicAuth) -> Option<(String, Secret)> {
        let RawBasicAuth { username, password, password_file } = raw;
        let name = username.as_deref().unwrap_or_default();
        if name.is_empty() || name.contains(':') || name.chars().any(char::is_control) {
            let mend = "add one without `:`, for example `username: bellwether`";
            self.faults.value(&format!("{field}.username"), "there is no usable user name", mend);
        }
        let password =
            self.header_secret(field, "password", password.as_ref(), password_file.as_deref())?;
        Some((name.to_owned(), password))
    }

    /// A [`Self::secret`] that is sent in a header.
    fn header_secret(
        &mut self,
        field: &str,
        key: &str,
        direct: Option<&Secret>,
        file: Option<&str>,
    ) -> Option<Secret> {
        let (found_at, secret) = self.secret(field, key, direct, file)?;
        if secret.expose().is_empty() || secret.expose().chars().any(char::is_control) {
            let mend = "it must be one line of text that is not empty";
            self.faults.value(&found_at, "the secret cannot be sent in a header", mend);
        }
        Some(secret)
    }

    /// A [`Self::secret`] that requests are signed with.
    pub(super) fn signing_key(
        &mut self,
        field: &str,
        key: &str,
        direct: Option<&Secret>,
        file: Option<&str>,
    ) -> Option<Secret> {
        let (found_at, secret) = self.secret(field, key, direct, file)?;
        if secret.expose().trim().is_empty() {
            let mend = "write a long random one, for example from `openssl rand -hex 32`";
            self.faults.value(&found_at, "the secret is empty", mend);
        }
        Some(secret)
    }

    /// The secret that stands at `key` or in the file that `key` with `_file` names, and which of them it is.
    fn secret(
        &mut self,
        field: &str,
        key: &str,
        direct: Option<&Secret>,
        file: Option<&str>,
    ) -> Option<(String, Secret)> {
        let key_field = format!("{field}.{key}");
        let file_field = format!("{field}.{key}_file");
        match (direct, file) {
            (Some(secret), None) => Some((key_field, secret.clone())),
            (None, Some(file)) => match self.read_secret(file) {
                Ok(secret) => Some((file_field, secret)),
                Err((message, mend)) => {
                    self.faults.value(&file_field, message, mend);
                    None
                }
            },
            (Some(_), Some(_)) => {
                let message = format!("there are both `{key}` and `{key}_file`");
                self.faults.value(&file_field, message, "keep one of them");
                None
            }
            (None, None) => {
                let message = format!("there is neither `{key}` nor `{key}_file`");
                let mend = format!("add one, for example `{key}_file: /etc/bellwether/{key}`");
                self.faults.value(&key_field, message, mend);
                None
            }
        }
    }

    /// The content of a secret's file, without the line break at its end.
    fn read_secret(&self, file: &str) -> Result<Secret, (String, &'static str)> {
        let mut text = String::new();
        let read = File::open(self.folder.join(file))
            .and_then(|file| file.take(SECRET_BYTES_MAX + 1).read_to_string(&mut text));
        if let Err(error) = read {
            let mend =
                "create it, or let this user read it; a relative path starts at this file's folder";
            return Err((format!("the file cannot be read: {}", error.kind()), mend));
        }
        if text.len() as u64 > SECRET_BYTES_MAX {
            return Err(("the file is too large for a secret".to_owned(), "it may hold 64 KiB"));
        }
        Ok(Secret::new(text.trim_end_matches(['\n', '\r'])))
    }
}
