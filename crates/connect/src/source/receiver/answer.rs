//! What becomes of a request, for each protocol to say it in its own way.

use std::fmt::Write;
use std::hash::{BuildHasher, RandomState};

use axum::http::StatusCode;
use axum::http::header::{ALLOW, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use axum::response::{IntoResponse, Response};
use bellwether_engine::{Outcome, RejectReason};
use bellwether_wire::remote_write::{BadParts, DecodeError, WriteRequest};

use super::unavailable::Unavailable;
use crate::text::{printable, truncated};

/// Prometheus reads no more of an error.
const BODY_BYTES_MAX: usize = 1024;
/// Longest line about one refused part.
const LINE_BYTES_MAX: usize = 256;

/// What a sender is told.
#[derive(Debug)]
pub(in crate::source) enum Answer {
    /// Everything was taken.
    Written(Written),
    /// Nothing can be taken, and the same bytes will fail again.
    Undecodable {
        /// Why.
        text: String,
        /// Whether it is a matter of size.
        is_too_large: bool,
    },
    /// What is named was refused and will be again; the rest was taken.
    Partial(Refused, Written),
    /// It was not looked into.
    Refused(Refusal),
}

/// Why a request was not looked into. All protocols say these alike.
#[derive(Debug)]
pub(in crate::source) enum Refusal {
    /// 403 and why.
    Forbidden(String),
    /// 405.
    NotPost,
    /// 415 and what is expected instead.
    Unsupported(&'static str),
    /// 503: nothing was taken, try again later.
    Unavailable {
        /// Why.
        why: Unavailable,
        /// When to try again.
        retry_after_seconds: u64,
    },
}

/// How much of a request was taken, what is dropped on purpose included.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::source) struct Written {
    pub(in crate::source) samples: u64,
    pub(in crate::source) histograms: u64,
    pub(in crate::source) exemplars: u64,
}

impl Written {
    /// What the decoder found valid besides samples; whether those are taken is for the engine to say.
    pub(super) fn parts(write: &WriteRequest) -> Self {
        let [histograms, exemplars] = [write.histogram_count(), write.exemplar_count()];
        Self { samples: 0, histograms: histograms as u64, exemplars: exemplars as u64 }
    }
}

impl Answer {
    /// How much was taken.
    pub(in crate::source) fn written(&self) -> Written {
        match self {
            Self::Written(written) | Self::Partial(_, written) => *written,
            Self::Undecodable { .. } | Self::Refused(_) => Written::default(),
        }
    }

    pub(super) fn undecodable(error: &DecodeError) -> Self {
        let is_too_large = matches!(error, DecodeError::TooLarge { .. });
        Self::Undecodable { text: whole_request(&error.to_string()), is_too_large }
    }

    pub(super) fn broken() -> Self {
        Self::Undecodable { text: whole_request("body was cut short"), is_too_large: false }
    }

    /// As the same bytes would do the same again.
    pub(super) fn fault() -> Self {
        let text = whole_request("decoding it is a fault of Bellwether: its log says more");
        Self::Undecodable { text, is_too_large: false }
    }

    pub(super) fn unavailable(why: impl Into<Unavailable>, retry_attempt: u32) -> Self {
        let spread = RandomState::new().hash_one(retry_attempt);
        let retry_after_seconds = retry_after_seconds(retry_attempt, spread);
        Self::Refused(Refusal::Unavailable { why: why.into(), retry_after_seconds })
    }

    /// Why it is to be sent again, if it is.
    pub(super) fn why_unavailable(&self) -> Option<Unavailable> {
        match self {
            Self::Refused(Refusal::Unavailable { why, .. }) => Some(*why),
            _ => None,
        }
    }
}

impl From<Refusal> for Answer {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

fn whole_request(why: &str) -> String {
    format!("request refused: {}", printable(why, LINE_BYTES_MAX))
}

impl Refusal {
    pub(in crate::source) fn status(&self) -> StatusCode {
        match self {
            Self::Forbidden(_) => StatusCode::FORBIDDEN,
            Self::NotPost => StatusCode::METHOD_NOT_ALLOWED,
            Self::Unsupported(_) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Unavailable { .. } => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// For a human.
    pub(in crate::source) fn text(&self) -> &str {
        match self {
            Self::Forbidden(text) => text,
            Self::Unavailable { why, .. } => why.text(),
            Self::NotPost => "use POST",
            Self::Unsupported(text) => text,
        }
    }

    /// Adds to `response` the headers that belong to it.
    pub(in crate::source) fn with_headers(&self, mut response: Response) -> Response {
        let headers = response.headers_mut();
        match self {
            Self::NotPost => _ = headers.insert(ALLOW, HeaderValue::from_static("POST")),
            Self::Unavailable { retry_after_seconds, .. } => {
                headers.insert(RETRY_AFTER, (*retry_after_seconds).into());
            }
            Self::Forbidden(_) | Self::Unsupported(_) => {}
        }
        response
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        self.with_headers(with_text(self.status(), self.text().to_owned()))
    }
}

/// An answer that a human understands.
pub(in crate::source) fn with_text(status: StatusCode, mut text: String) -> Response {
    text.push('\n');
    (status, [(CONTENT_TYPE, "text/plain; charset=utf-8")], text).into_response()
}

/// Seconds to wait before the next attempt: 6 doubling up to 96 as in Grafana Mimir, and up to half as
/// much again, by `spread`, so that senders do not return together.
fn retry_after_seconds(retry_attempt: u32, spread: u64) -> u64 {
    let base = 6 << retry_attempt.saturating_sub(1).min(4);
    base + spread % (base / 2 + 1)
}

/// What was refused of a request.
#[derive(Debug, Default)]
pub(in crate::source) struct Refused {
    samples: u64,
    counts: Vec<String>,
    lines: Vec<String>,
}

impl Refused {
    /// What the decoder found invalid while it took the rest.
    pub(super) fn parts(write: &WriteRequest) -> Self {
        let mut refused =
            Self { samples: write.invalid_points().count() as u64, ..Self::default() };
        let mut add = |what, bad: &BadParts| {
            if !bad.is_empty() {
                refused.counts.push(format!("{} {what} refused", bad.count()));
                let lines = bad.messages().iter().map(|line| printable(line, LINE_BYTES_MAX));
                refused.lines.extend(lines);
            }
        };
        add("points", write.invalid_points());
        add("histograms", write.invalid_histograms());
        add("exemplars", write.invalid_exemplars());
        refused
    }

    /// Adds what the engine refused.
    pub(super) fn add(&mut self, outcome: &Outcome) {
        if !outcome.any_rejected() {
            return;
        }
        let rejected: u64 = outcome.rejected_samples.iter().sum();
        self.samples += rejected;
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

    /// How many samples were refused; a point or line that could not be read is one.
    pub(in crate::source) fn samples(&self) -> u64 {
        self.samples
    }

    /// Counts and reasons first, then examples, one a line.
    pub(in crate::source) fn text(&self) -> String {
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
        let mut refused = Refused::default();
        refused.add(&outcome);
        assert_eq!(refused.samples(), 9);
        let text = refused.text();
        let mut lines = text.lines();
        let counts = "9 of 12 samples refused: invalid_labels=1, future_timestamp=8";
        assert_eq!(lines.next().unwrap(), counts);
        assert!(lines.next().unwrap().starts_with("bad\\nlabel xxx"));
        assert!(text.len() < BODY_BYTES_MAX, "{}", text.len());
    }
}
