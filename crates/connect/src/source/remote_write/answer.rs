//! The answer to a request: status, headers, and a body that a human understands.

use std::fmt::Write;
use std::hash::{BuildHasher, RandomState};

use axum::http::header::{ALLOW, CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderName, StatusCode};
use axum::response::{IntoResponse, Response};
use bellwether_engine::{Outcome, RejectReason};
use bellwether_wire::remote_write::{BadParts, WriteRequest};

use crate::text::{printable, truncated};

/// Prometheus reads no more of an error.
const BODY_BYTES_MAX: usize = 1024;
/// Longest line about one refused part.
const LINE_BYTES_MAX: usize = 256;

/// What a sender is told.
#[derive(Debug)]
pub(super) enum Answer {
    /// 204: everything was taken.
    Written,
    /// 403 and why: nothing of it was looked at.
    Forbidden(String),
    /// 405.
    NotPost,
    /// 415 and what is expected instead.
    Unsupported(&'static str),
    /// 400: what is named was refused and will be again; the rest was taken.
    Invalid(Invalid),
    /// 503: nothing was taken, try again later.
    Unavailable {
        /// Why.
        text: String,
        /// When to try again.
        retry_after_seconds: u64,
    },
}

impl Answer {
    pub(super) fn unavailable(text: &str, retry_attempt: u32) -> Self {
        let spread = RandomState::new().hash_one(retry_attempt);
        let retry_after_seconds = retry_after_seconds(retry_attempt, spread);
        Self::Unavailable { text: text.to_owned(), retry_after_seconds }
    }

    pub(super) fn into_response(self) -> Response {
        match self {
            Self::Written => StatusCode::NO_CONTENT.into_response(),
            Self::Forbidden(text) => with_text(StatusCode::FORBIDDEN, None, text),
            Self::NotPost => {
                let header = (ALLOW, "POST".to_owned());
                with_text(StatusCode::METHOD_NOT_ALLOWED, Some(header), "use POST".to_owned())
            }
            Self::Unsupported(text) => {
                with_text(StatusCode::UNSUPPORTED_MEDIA_TYPE, None, text.to_owned())
            }
            Self::Invalid(invalid) => {
                tracing::debug!(answer = ?invalid.text(), "remote write refused");
                with_text(StatusCode::BAD_REQUEST, None, invalid.text())
            }
            Self::Unavailable { text, retry_after_seconds } => {
                let header = (RETRY_AFTER, retry_after_seconds.to_string());
                with_text(StatusCode::SERVICE_UNAVAILABLE, Some(header), text)
            }
        }
    }
}

fn with_text(
    status: StatusCode,
    header: Option<(HeaderName, String)>,
    mut text: String,
) -> Response {
    text.push('\n');
    let headers = [(CONTENT_TYPE, "text/plain; charset=utf-8".to_owned())];
    (status, axum::response::AppendHeaders(headers.into_iter().chain(header)), text).into_response()
}

/// Seconds to wait before the next attempt: 6 doubling up to 96 as in Grafana Mimir, and up to half as
/// much again, by `spread`, so that senders do not return together.
fn retry_after_seconds(retry_attempt: u32, spread: u64) -> u64 {
    let base = 6 << retry_attempt.saturating_sub(1).min(4);
    base + spread % (base / 2 + 1)
}

/// What was refused of a request.
#[derive(Debug, Default)]
pub(super) struct Invalid {
    counts: Vec<String>,
    lines: Vec<String>,
}

impl Invalid {
    /// The whole request, because of `why`.
    pub(super) fn request(why: &str) -> Self {
        Self {
            counts: vec![format!("request refused: {}", printable(why, LINE_BYTES_MAX))],
            lines: vec![],
        }
    }

    /// What the decoder found invalid while it took the rest.
    pub(super) fn parts(write: &WriteRequest) -> Self {
        let mut invalid = Self::default();
        let mut add = |what, bad: &BadParts| {
            if !bad.is_empty() {
                invalid.counts.push(format!("{} {what} refused", bad.count()));
                invalid
                    .lines
                    .extend(bad.messages().iter().map(|line| printable(line, LINE_BYTES_MAX)));
            }
        };
        add("histograms", write.invalid_histograms());
        add("exemplars", write.invalid_exemplars());
        invalid
    }

    /// Adds what the engine refused.
    pub(super) fn add(&mut self, outcome: &Outcome) {
        if !outcome.any_rejected() {
            return;
        }
        let rejected: u64 = outcome.rejected_samples.iter().sum();
        let mut text =
            format!("{rejected} of {} samples refused", rejected + outcome.accepted_samples);
        let mut separator = ": ";
        for reason in RejectReason::ALL {
            let samples = outcome.rejected_samples[reason.index()];
            if samples > 0 {
                let _ = write!(text, "{separator}{}={samples}", reason.as_str());
                separator = ", ";
            }
        }
        self.counts.insert(0, text);
        self.lines.extend(outcome.examples.iter().map(|line| printable(line, LINE_BYTES_MAX)));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.counts.is_empty()
    }

    /// Counts and reasons first, then examples, one a line.
    fn text(&self) -> String {
        let text = std::iter::once(self.counts.join("; "))
            .chain(self.lines.iter().cloned())
            .collect::<Vec<_>>()
            .join("\n");
        truncated(text, BODY_BYTES_MAX - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retries_are_spread_over_6_to_144_seconds() {
        assert_eq!(retry_after_seconds(0, 0), 6);
        assert_eq!(
            (1..=7).map(|n| retry_after_seconds(n, 0)).collect::<Vec<_>>(),
            [6, 12, 24, 48, 96, 96, 96]
        );
        assert_eq!(retry_after_seconds(u32::MAX, 48), 144);
        assert!((0..99).all(|spread| (6..=9).contains(&retry_after_seconds(1, spread))));
    }

    #[test]
    fn counts_and_reasons_come_before_examples_and_all_is_short() {
        let mut outcome = Outcome { accepted_samples: 3, ..Outcome::default() };
        outcome
            .reject(RejectReason::InvalidLabels, 1, || format!("bad\nlabel {}", "x".repeat(2000)));
        for _ in 0..4 {
            outcome.reject(RejectReason::Future, 2, || "é".repeat(2000));
        }
        let mut invalid = Invalid::default();
        invalid.add(&outcome);
        let text = invalid.text();
        let mut lines = text.lines();
        let counts = "9 of 12 samples refused: invalid_labels=1, future_timestamp=8";
        assert_eq!(lines.next().unwrap(), counts);
        assert!(lines.next().unwrap().starts_with("bad\\nlabel xxx"));
        assert!(text.len() < BODY_BYTES_MAX, "{}", text.len());
    }
}
