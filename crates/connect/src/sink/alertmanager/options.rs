//! Where the Alertmanagers are and how often they are told.

use crate::outbound::{Endpoint, EndpointError};

/// Options of the Alertmanager sink.
#[derive(Debug, Clone, PartialEq)]
pub struct AlertmanagerOptions {
    /// Every Alertmanager; each gets every alert. The URL is the base, with a path prefix if there is one.
    pub targets: Vec<Endpoint>,
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

/// Why the sink cannot start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OptionsError {
    /// Nothing can be sent to a target.
    #[error(transparent)]
    Endpoint(#[from] EndpointError),
    /// A number is out of range.
    #[error("option is out of range: option=`{option}`")]
    OutOfRange {
        /// Name of the field.
        option: &'static str,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interval_of_zero_is_refused() {
        let options = AlertmanagerOptions { resend_ms: 0, ..AlertmanagerOptions::default() };
        assert!(options.check().unwrap_err().to_string().contains("resend_ms"));
    }
}
