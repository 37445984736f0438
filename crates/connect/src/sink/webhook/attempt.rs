//! One request to a webhook.

use std::time::Duration;

use bellwether_engine::{ChangeKind, Event};
use jiff::Timestamp;
use reqwest::StatusCode;
use reqwest::header::CONTENT_TYPE;

use super::signature::Signer;
use crate::outbound::{Outbound, answer_text, describe, retry_after};

/// Posts single events.
pub(super) struct Poster {
    outbound: Outbound,
    signer: Option<Signer>,
}

/// What became of one request.
#[derive(Debug, PartialEq)]
pub(super) enum Attempt {
    /// The event was taken.
    Delivered,
    /// The event will never be taken.
    Refused(String),
    /// To be tried again.
    Failed {
        /// Why.
        error: String,
        /// How long the server asks to be left alone.
        retry_after: Option<Duration>,
    },
}

impl Poster {
    pub(super) fn new(outbound: Outbound, signer: Option<Signer>) -> Self {
        Self { outbound, signer }
    }

    /// Where it posts, for people: path and query are left out, they may hold a secret.
    pub(super) fn shown_url(&self) -> String {
        self.outbound.shown_origin()
    }

    pub(super) async fn post(&self, event: &Event) -> Attempt {
        let body = match serde_json::to_vec(event) {
            Ok(body) => body,
            Err(error) => return Attempt::Refused(format!("event has no JSON form: {error}")),
        };
        // As of now and not of the publication: receivers refuse what is old.
        let timestamp_s = Timestamp::now().as_second();
        let mut request = self
            .outbound
            .post()
            .header(CONTENT_TYPE, "application/json")
            .header("idempotency-key", &event.id)
            .header("x-bellwether-event", word(event.change))
            .header("x-bellwether-timestamp", timestamp_s);
        if let Some(signer) = &self.signer {
            request = request.header("x-bellwether-signature", signer.sign(timestamp_s, &body));
        }
        match request.body(body).send().await {
            Ok(response) => {
                let status = response.status();
                let retry_after = retry_after(response.headers(), Timestamp::now());
                // Read for the connection's sake only: a receiver may well repeat our credentials in it.
                answer_text(response).await;
                judge(status, retry_after)
            }
            Err(error) if error.is_builder() => Attempt::Refused(describe(error)),
            Err(error) => Attempt::Failed { error: describe(error), retry_after: None },
        }
    }
}

/// What an answer means.
fn judge(status: StatusCode, retry_after: Option<Duration>) -> Attempt {
    match status {
        _ if status.is_success() => Attempt::Delivered,
        StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY | StatusCode::TOO_MANY_REQUESTS => {
            Attempt::Failed { error: status.to_string(), retry_after }
        }
        _ if status.is_server_error() => Attempt::Failed { error: status.to_string(), retry_after },
        _ => Attempt::Refused(status.to_string()),
    }
}

/// The word for `change` in the header, as in the body.
fn word(change: ChangeKind) -> &'static str {
    match change {
        ChangeKind::Noticed => "noticed",
        ChangeKind::Firing => "firing",
        ChangeKind::Escalated => "escalated",
        ChangeKind::Resolved => "resolved",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_may_go_better_next_time_is_tried_again() {
        let kind = |code| match judge(StatusCode::from_u16(code).unwrap(), None) {
            Attempt::Delivered => "delivered",
            Attempt::Refused(_) => "refused",
            Attempt::Failed { .. } => "failed",
        };
        for code in [200, 201, 202, 204] {
            assert_eq!(kind(code), "delivered", "{code}");
        }
        for code in [408, 425, 429, 500, 502, 503, 504, 599] {
            assert_eq!(kind(code), "failed", "{code}");
        }
        for code in [301, 302, 304, 307, 308, 400, 401, 403, 404, 409, 410, 413, 422, 600] {
            assert_eq!(kind(code), "refused", "{code}");
        }
    }

    #[test]
    fn the_header_s_word_is_that_of_the_body() {
        use ChangeKind::{Escalated, Firing, Noticed, Resolved};
        for change in [Noticed, Firing, Escalated, Resolved] {
            let json = serde_json::to_value(change).unwrap();
            assert_eq!(json, word(change));
        }
    }
}
