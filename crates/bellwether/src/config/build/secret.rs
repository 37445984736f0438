//! Secrets, from their keys or from files of their own.

use std::fs::File;
use std::io::Read;

use bellwether_connect::Secret;

use super::Builder;
use crate::config::fault::join;

/// Largest file of a secret or of certificates, in bytes.
const FILE_BYTES_MAX: u64 = 64 << 10;

impl Builder<'_, '_> {
    /// A [`Self::secret`] that is sent in a header.
    pub(super) fn header_secret(
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
    pub(super) fn secret(
        &mut self,
        field: &str,
        key: &str,
        direct: Option<&Secret>,
        file: Option<&str>,
    ) -> Option<(String, Secret)> {
        let key_field = join(field, key);
        let file_field = join(field, &format!("{key}_file"));
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
        let text = Secret::new(self.read_small(file)?);
        Ok(Secret::new(text.expose().trim_end_matches(['\n', '\r'])))
    }

    /// The text of the file that `field` names; `None` when it cannot be had, which is then reported.
    pub(super) fn text_file(&mut self, field: &str, file: &str) -> Option<String> {
        match self.read_small(file) {
            Ok(text) => Some(text),
            Err((message, mend)) => {
                self.faults.value(field, message, mend);
                None
            }
        }
    }

    fn read_small(&self, file: &str) -> Result<String, (String, &'static str)> {
        let mut text = String::new();
        let read = File::open(self.folder.join(file))
            .and_then(|file| file.take(FILE_BYTES_MAX + 1).read_to_string(&mut text));
        if let Err(error) = read {
            let mend =
                "create it, or let this user read it; a relative path starts at this file's folder";
            return Err((format!("the file cannot be read: {}", error.kind()), mend));
        }
        if text.len() as u64 > FILE_BYTES_MAX {
            return Err((
                "the file is too large for what it should be".to_owned(),
                "it may hold 64 KiB",
            ));
        }
        Ok(text)
    }
}
