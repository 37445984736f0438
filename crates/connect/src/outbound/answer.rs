//! What a server answers, or why it did not, in words that can be shown.

use std::error::Error;
use std::time::Duration;

use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimeParser;
use reqwest::header::{HeaderMap, RETRY_AFTER};
use reqwest::{Response, StatusCode};

use super::echo::Credentials;
use crate::text::printable;

/// Most of an answer that is read.
const ANSWER_BYTES_MAX: usize = 64 * 1024;
/// Longest text about a failure.
const ERROR_BYTES_MAX: usize = 256;

/// The answer's text as far as it came. Reading it also lets the connection be used again.
pub(crate) async fn answer_text(mut response: Response) -> String {
    let mut bytes = Vec::new();
    while bytes.len() < ANSWER_BYTES_MAX
        && let Ok(Some(chunk)) = response.chunk().await
    {
        bytes.extend_from_slice(&chunk[..chunk.len().min(ANSWER_BYTES_MAX - bytes.len())]);
    }
    String::from_utf8_lossy(&bytes).trim().to_owned()
}

/// The error and its causes on one line, without the URL.
pub(crate) fn describe(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    printable(&text, ERROR_BYTES_MAX)
}

/// An answer that is not a success, on one line. `ours` is what the question was sent with.
pub(crate) fn describe_answer(status: StatusCode, text: &str, ours: &Credentials) -> String {
    if ours.are_in(text) {
        return format!("{status}: not shown, it repeats what we log in with");
    }
    printable(&format!("{status}: {text}"), ERROR_BYTES_MAX)
}

/// How long the server asks to be left alone: `Retry-After` in seconds or as a date (RFC 9110, 10.2.3).
/// `None` without the header or when it makes no sense. The caller bounds it.
pub(crate) fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let value = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let at = DateTimeParser::new().parse_timestamp(value).ok()?;
    Some(at.duration_since(now).try_into().unwrap_or(Duration::ZERO))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wait_s(retry_after_value: &str) -> Option<u64> {
        let mut headers = HeaderMap::new();
        headers.insert(RETRY_AFTER, retry_after_value.parse().unwrap());
        let now = "1994-11-06T08:49:07Z".parse().unwrap();
        retry_after(&headers, now).map(|wait| wait.as_secs())
    }

    #[test]
    fn a_server_may_name_seconds_or_a_date() {
        assert_eq!(wait_s("120"), Some(120));
        assert_eq!(wait_s("Sun, 06 Nov 1994 08:49:37 GMT"), Some(30));
        assert_eq!(wait_s("Sun, 06 Nov 1994 08:48:37 GMT"), Some(0), "in the past");
        for nonsense in ["", "-1", "1.5", "soon", "Sun, 99 Nov 1994 08:49:37 GMT"] {
            assert_eq!(wait_s(nonsense), None, "{nonsense}");
        }
        assert_eq!(retry_after(&HeaderMap::new(), Timestamp::UNIX_EPOCH), None);
    }
}
