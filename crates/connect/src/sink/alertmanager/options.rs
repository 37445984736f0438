//! Where the Alertmanagers are and how often they are told.

use reqwest::Url;

use crate::Secret;

/// Options of the Alertmanager sink.
#[derive(Debug, Clone, PartialEq)]
pub struct AlertmanagerOptions {
    /// Every Alertmanager; each gets every alert.
    pub targets: Vec<Target>,
    /// URL under which people reach this program, for links; links are left out without it.
    pub external_url: Option<String>,
    /// How often a firing alert is repeated, in milliseconds; an alert that was not repeated four times
    /// in a row expires at the target. Above 0, at most a day.
    pub resend_ms: i64,
    /// How long a resolved alert is repeated, in milliseconds.
    pub resolved_keep_ms: i64,
    /// How long one request may take, in milliseconds. Above 0.
    pub timeout_ms: u64,
    /// Most alerts in a request, at least 2.
    pub alerts_per_request_max: usize,
    /// Most alerts per target; beyond it resolved alerts are given up before firing ones and older ones
    /// before newer ones. At least 1.
    pub alerts_max: usize,
    /// Send label names as they are. Alertmanagers before 0.27 refuse an alert with a label name outside
    /// `[a-zA-Z_][a-zA-Z0-9_]*`, so by default other characters become `_`.
    pub utf8_label_names: bool,
}

impl Default for AlertmanagerOptions {
    fn default() -> Self {
        Self {
            targets: Vec::new(),
            external_url: None,
            resend_ms: 60_000,
            resolved_keep_ms: 15 * 60_000,
            timeout_ms: 10_000,
            alerts_per_request_max: 256,
            alerts_max: 10_000,
            utf8_label_names: false,
        }
    }
}

/// One Alertmanager.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Target {
    /// Base URL, `http` or `https`, with a path prefix if there is one; without user information and query.
    pub url: String,
    /// User name and password.
    pub basic_auth: Option<(String, Secret)>,
    /// Bearer token; not together with `basic_auth`.
    pub bearer: Option<Secret>,
}

/// Why the sink cannot start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OptionsError {
    /// The URL of a target is unusable. It is not repeated here since it may hold a password.
    #[error("Alertmanager URL is invalid: {fault}")]
    Url {
        /// What is wrong with it.
        fault: &'static str,
    },
    /// A credential is unusable.
    #[error("Alertmanager credentials are invalid: {fault}")]
    Credentials {
        /// What is wrong with them.
        fault: &'static str,
    },
    /// A number is out of range.
    #[error("option is out of range: option=`{option}`")]
    OutOfRange {
        /// Name of the field.
        option: &'static str,
    },
    /// The HTTP client cannot be built, for want of TLS root certificates most likely.
    #[error("cannot build the HTTP client")]
    Client {
        /// What the client says.
        source: reqwest::Error,
    },
    /// Started outside a tokio runtime.
    #[error("no tokio runtime is running")]
    NoRuntime,
}

impl AlertmanagerOptions {
    pub(super) fn check(&self) -> Result<(), OptionsError> {
        let in_range = [
            ("resend_ms", (1..=86_400_000).contains(&self.resend_ms)),
            ("resolved_keep_ms", self.resolved_keep_ms >= 0),
            ("timeout_ms", self.timeout_ms > 0),
            ("alerts_per_request_max", self.alerts_per_request_max >= 2),
            ("alerts_max", self.alerts_max >= 1),
        ];
        match in_range.into_iter().find(|(_, good)| !good) {
            Some((option, _)) => Err(OptionsError::OutOfRange { option }),
            None => Ok(()),
        }
    }
}

impl Target {
    /// The base URL, checked, without a slash at the end.
    pub(super) fn base_url(&self) -> Result<String, OptionsError> {
        let invalid = |fault| OptionsError::Url { fault };
        let url = Url::parse(&self.url).map_err(|_| invalid("it cannot be parsed"))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(invalid("it is neither http nor https"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(invalid("it holds user information, use basic_auth"));
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(invalid("it holds a query or a fragment"));
        }
        Ok(url.as_str().trim_end_matches('/').to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn base_url(url: &str) -> Result<String, String> {
        let target = Target { url: url.to_owned(), ..Target::default() };
        target.base_url().map_err(|error| error.to_string())
    }

    #[test]
    fn a_base_url_may_have_a_prefix_but_no_secret() {
        assert_eq!(base_url("http://a:9093").unwrap(), "http://a:9093");
        assert_eq!(base_url("https://a/alertmanager/").unwrap(), "https://a/alertmanager");
        for bad in [
            "a:9093",
            "file:///etc",
            "http://u:canary@a",
            "http://a?token=canary",
            "",
            "http://a#x",
        ] {
            let error = base_url(bad).unwrap_err();
            assert!(!error.contains("canary"), "{error}");
        }
    }

    #[test]
    fn options_print_no_secret() {
        let target = Target {
            url: "http://a".to_owned(),
            basic_auth: Some(("user".to_owned(), Secret::new("canary"))),
            bearer: Some(Secret::new("canary")),
        };
        let options =
            AlertmanagerOptions { targets: vec![target], ..AlertmanagerOptions::default() };
        assert!(options.check().is_ok());
        assert!(!format!("{options:?}").contains("canary"));
    }

    #[test]
    fn an_interval_of_zero_is_refused() {
        let options = AlertmanagerOptions { resend_ms: 0, ..AlertmanagerOptions::default() };
        assert!(options.check().unwrap_err().to_string().contains("resend_ms"));
    }
}
