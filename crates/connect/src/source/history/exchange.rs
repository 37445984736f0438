//! One question to a server, and what becomes of it.

use std::sync::Arc;
use std::time::Duration;

use bellwether_series::Timestamp;
use reqwest::{RequestBuilder, Response, StatusCode};

use super::{HistoryQuery, ServerHistoryError};
use crate::outbound::{Credentials, Outbound, answer_text, describe, describe_answer, retry_after};

const REMOTE_READ: &str = "/api/v1/read";
const QUERY_RANGE: &str = "/api/v1/query_range";
/// How servers say that what was asked for is too much: Prometheus, Thanos, Mimir, `VictoriaMetrics`.
const TOO_MUCH_WORDS: [&str; 6] = [
    "sample limit",
    "too many",
    "maximum resolution",
    "-search.max",
    "exceeds the limit",
    "the query hit the max",
];

/// The ways to a server.
pub(super) struct Server {
    read: Outbound,
    query_range: Outbound,
}

/// What somebody said who did not answer.
pub(super) struct Refusal {
    path: &'static str,
    cause: String,
}

impl Refusal {
    pub(super) fn new(path: &'static str, cause: String) -> Self {
        Self { path, cause }
    }
}

/// Why there is no answer.
pub(super) enum Failure {
    /// Less may be answered.
    TooMuch(Refusal),
    /// It may be answered later; the server may have said when.
    Passing { refusal: Refusal, asked: Option<Duration> },
    /// The server knows no such question.
    NoSuchMethod(Refusal),
    /// It will never be answered.
    Final(Refusal),
}

impl Server {
    pub(super) fn new(query: &HistoryQuery) -> Result<Self, ServerHistoryError> {
        let outbound = |path| Outbound::new(&query.endpoint, path, query.timeout);
        Ok(Self { read: outbound(REMOTE_READ)?, query_range: outbound(QUERY_RANGE)? })
    }

    /// A question to remote read.
    pub(super) fn read(&self) -> Question {
        Question::new(&self.read, REMOTE_READ)
    }

    /// A question to `query_range`.
    pub(super) fn query_range(&self) -> Question {
        Question::new(&self.query_range, QUERY_RANGE)
    }

    /// The error that a refusal is when nothing more can be done about it.
    pub(super) fn refused(
        &self,
        refusal: Refusal,
        window: Option<(Timestamp, Timestamp)>,
    ) -> ServerHistoryError {
        let url = format!("{}{}", self.read.shown_url(), refusal.path);
        ServerHistoryError::Refused { url, window, cause: refusal.cause }
    }
}

/// A request that is yet to be sent.
pub(super) struct Question {
    request: RequestBuilder,
    path: &'static str,
    credentials: Arc<Credentials>,
}

impl Question {
    fn new(outbound: &Outbound, path: &'static str) -> Self {
        Self { request: outbound.post(), path, credentials: Arc::clone(outbound.credentials()) }
    }

    /// With `body` and headers.
    pub(super) fn with(mut self, headers: &[(&str, &str)], body: Vec<u8>) -> Self {
        for (name, value) in headers {
            self.request = self.request.header(*name, *value);
        }
        self.request = self.request.body(body);
        self
    }

    /// Sends it: the body of the answer, of at most `bytes_max`, and the path that was asked.
    pub(super) async fn ask(self, bytes_max: usize) -> Result<(Vec<u8>, &'static str), Failure> {
        let Self { request, path, credentials } = self;
        let failed = |error: reqwest::Error| {
            let (is_final, cause) = (error.is_builder(), describe(error));
            let refusal = Refusal { path, cause };
            if is_final {
                Failure::Final(refusal)
            } else {
                Failure::Passing { refusal, asked: None }
            }
        };
        let mut response = request.send().await.map_err(failed)?;
        if !response.status().is_success() {
            return Err(not_answered(response, path, &credentials).await);
        }
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(failed)? {
            if body.len() + chunk.len() > bytes_max {
                let cause = format!("answer is too long: limit_bytes=`{bytes_max}`");
                return Err(Failure::TooMuch(Refusal { path, cause }));
            }
            body.extend_from_slice(&chunk);
        }
        Ok((body, path))
    }
}

async fn not_answered(
    response: Response,
    path: &'static str,
    credentials: &Credentials,
) -> Failure {
    let status = response.status();
    let asked = retry_after(response.headers(), jiff::Timestamp::now());
    let text = answer_text(response).await;
    let refusal = Refusal { path, cause: describe_answer(status, &text, credentials) };
    let is_too_much = || TOO_MUCH_WORDS.iter().any(|words| text.contains(words));
    match status {
        StatusCode::PAYLOAD_TOO_LARGE => Failure::TooMuch(refusal),
        StatusCode::BAD_REQUEST | StatusCode::UNPROCESSABLE_ENTITY if is_too_much() => {
            Failure::TooMuch(refusal)
        }
        StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED | StatusCode::NOT_IMPLEMENTED => {
            Failure::NoSuchMethod(refusal)
        }
        // So says VictoriaMetrics.
        StatusCode::BAD_REQUEST if text.contains("unsupported path") => {
            Failure::NoSuchMethod(refusal)
        }
        StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT => {
            Failure::Passing { refusal, asked }
        }
        _ if status.is_server_error() => Failure::Passing { refusal, asked },
        _ => Failure::Final(refusal),
    }
}
