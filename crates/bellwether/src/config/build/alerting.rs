//! Alertmanagers, and the secrets to log in to them.

use std::fs::File;
use std::io::Read;

use bellwether_connect::Secret;
use bellwether_connect::sink::alertmanager::{AlertmanagerOptions, Target};

use super::{Builder, DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS};
use crate::config::raw::{RawAlerting, RawAlertmanager, RawBasicAuth};
use crate::config::url;

/// Largest file of a secret, in bytes.
const SECRET_BYTES_MAX: u64 = 64 << 10;

impl Builder<'_, '_> {
    pub(super) fn alertmanagers(&mut self, raw: &RawAlerting) -> AlertmanagerOptions {
        let mut targets: Vec<Target> = Vec::new();
        for (index, raw) in raw.alertmanagers.iter().enumerate() {
            let field = format!("alerting.alertmanagers[{index}]");
            let Some(target) = self.target(&field, raw) else { continue };
            if targets.iter().any(|earlier| earlier.url == target.url) {
                let message = "this Alertmanager is there twice";
                self.faults.value(&format!("{field}.url"), message, "keep one of them");
            }
            targets.push(target);
        }
        let resend = "alerting.resend_interval";
        let keep = "alerting.resolved_keep";
        AlertmanagerOptions {
            targets,
            resend_ms: self.ms(resend, &raw.resend_interval, SECOND_MS..=HOUR_MS),
            resolved_keep_ms: self.ms(keep, &raw.resolved_keep, MINUTE_MS..=DAY_MS),
            ..AlertmanagerOptions::default()
        }
    }

    /// One Alertmanager; `None` when it has no usable URL or secret.
    fn target(&mut self, field: &str, raw: &RawAlertmanager) -> Option<Target> {
        let url_field = format!("{field}.url");
        let url = raw.url.as_deref().map(url::parse);
        match url {
            None => {
                let mend = "add one, for example `url: http://alertmanager-0:9093`";
                self.faults.value(&url_field, "the Alertmanager has no URL", mend);
            }
            Some(Err((message, mend))) => self.faults.value(&url_field, message, mend),
            Some(Ok(_)) => {}
        }
        let has_bearer = raw.bearer_token.is_some() || raw.bearer_token_file.is_some();
        if has_bearer && raw.basic_auth.is_some() {
            let message = "there are both `basic_auth` and a bearer token";
            self.faults.value(&format!("{field}.basic_auth"), message, "keep one of them");
        }
        let basic_auth = match &raw.basic_auth {
            Some(basic) => Some(self.basic_auth(&format!("{field}.basic_auth"), basic)?),
            None => None,
        };
        let bearer = if has_bearer {
            let file = raw.bearer_token_file.as_deref();
            Some(self.secret(field, "bearer_token", raw.bearer_token.as_ref(), file)?)
        } else {
            None
        };
        Some(Target { url: url?.ok()?, basic_auth, bearer })
    }

    fn basic_auth(&mut self, field: &str, raw: &RawBasicAuth) -> Option<(String, Secret)> {
        let RawBasicAuth { username, password, password_file } = raw;
        let name = username.as_deref().unwrap_or_default();
        if name.is_empty() || name.contains(':') || name.chars().any(char::is_control) {
            let mend = "add one without `:`, for example `username: bellwether`";
            self.faults.value(&format!("{field}.username"), "there is no usable user name", mend);
        }
        let password =
            self.secret(field, "password", password.as_ref(), password_file.as_deref())?;
        Some((name.to_owned(), password))
    }

    /// The secret that stands at `key` or in the file that `key` with `_file` names.
    fn secret(
        &mut self,
        field: &str,
        key: &str,
        direct: Option<&Secret>,
        file: Option<&str>,
    ) -> Option<Secret> {
        let key_field = format!("{field}.{key}");
        let file_field = format!("{field}.{key}_file");
        let (found_at, secret) = match (direct, file) {
            (Some(secret), None) => (key_field, secret.clone()),
            (None, Some(file)) => match self.read_secret(file) {
                Ok(secret) => (file_field, secret),
                Err((message, mend)) => {
                    self.faults.value(&file_field, message, mend);
                    return None;
                }
            },
            (Some(_), Some(_)) => {
                let message = format!("there are both `{key}` and `{key}_file`");
                self.faults.value(&file_field, message, "keep one of them");
                return None;
            }
            (None, None) => {
                let message = format!("there is neither `{key}` nor `{key}_file`");
                let mend = format!("add one, for example `{key}_file: /etc/bellwether/{key}`");
                self.faults.value(&key_field, message, mend);
                return None;
            }
        };
        if secret.expose().is_empty() || secret.expose().chars().any(char::is_control) {
            let mend = "it must be one line of text that is not empty";
            self.faults.value(&found_at, "the secret cannot be sent in a header", mend);
        }
        Some(secret)
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
