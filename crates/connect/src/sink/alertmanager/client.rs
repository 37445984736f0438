//! One request to one Alertmanager.

use std::time::Duration;

use reqwest::StatusCode;

use super::alert::PostableAlert;
use super::deliver::{Post, Posted};
use super::options::AlertmanagerOptions;
use crate::outbound::{Endpoint, EndpointError, Outbound, answer_text, describe, describe_answer};

/// Posts alerts to one target.
pub(super) struct AlertmanagerClient {
    outbound: Outbound,
}

impl AlertmanagerClient {
    pub(super) fn new(
        target: &Endpoint,
        options: &AlertmanagerOptions,
    ) -> Result<Self, EndpointError> {
        let timeout = Duration::from_millis(options.timeout_ms);
        Ok(Self { outbound: Outbound::new(target, "/api/v2/alerts", timeout)? })
    }

    /// The URL of the target, without a slash at the end.
    pub(super) fn base_url(&self) -> &str {
        self.outbound.shown_url()
    }

    /// Whether `other` logs in to the same server as the same user.
    pub(super) fn is_same_user(&self, other: &Self) -> bool {
        self.outbound.is_same_user(&other.outbound)
    }

    /// Whether there is no difference to `other`.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.outbound.is_same(&other.outbound)
    }
}

impl Post for AlertmanagerClient {
    async fn post(&self, alerts: &[&PostableAlert]) -> Posted {
        let response = match self.outbound.post().json(alerts).send().await {
            Ok(response) => response,
            Err(error) => {
                let maybe_received = !error.is_connect();
                return Posted::Failed { error: describe(error), maybe_received };
            }
        };
        let status = response.status();
        let text = answer_text(response).await;
        if status.is_success() {
            return Posted::Taken;
        }
        let error = describe_answer(status, &text, self.outbound.credentials());
        match status {
            StatusCode::BAD_REQUEST
            | StatusCode::UNPROCESSABLE_ENTITY
            | StatusCode::PAYLOAD_TOO_LARGE => Posted::Refused(error),
            _ => Posted::Failed { error, maybe_received: status.is_server_error() },
        }
    }
}
