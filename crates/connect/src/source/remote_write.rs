//! Prometheus remote write, 1.0 and 2.0.
//!
//! The status code decides whether a sender retries or drops, so there are only six: 204 taken; 400 invalid and will be invalid again,
//! the good part was taken; 403 not as this tenant; 405; 415 another message or compression; 503 with `Retry-After`, nothing was
//! taken. Never 429 or 413: Prometheus drops on the one, vmagent retries for ever on the other.
//!
//! Answers to 2.0 say in headers how much was taken; those to 1.0 must not, since senders
//! of 1.0 take zeros for an error.
//!
//! Specifications: "Prometheus Remote-Write 1.0" and "2.0".

mod headers;

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use bellwether_wire::{Compression, Format, Message};

use super::receiver::{Answer, Protocol, ProtocolName, Receiver, with_text};

/// The paths that senders are configured with: Prometheus' own, and that of Mimir and Cortex.
pub const PATHS: [&str; 2] = ["/api/v1/write", "/api/v1/push"];

const SAMPLES_WRITTEN: HeaderName =
    HeaderName::from_static("x-prometheus-remote-write-samples-written");
const HISTOGRAMS_WRITTEN: HeaderName =
    HeaderName::from_static("x-prometheus-remote-write-histograms-written");
const EXEMPLARS_WRITTEN: HeaderName =
    HeaderName::from_static("x-prometheus-remote-write-exemplars-written");

/// The endpoints of `receiver`, at [`PATHS`].
pub fn router(receiver: Arc<Receiver>) -> Router {
    let routes = PATHS.iter().fold(Router::new(), |router, path| router.route(path, any(write)));
    routes.with_state(receiver)
}

async fn write(State(receiver): State<Arc<Receiver>>, request: Request) -> Response {
    let message = headers::message(request.headers());
    receiver.serve(&RemoteWrite { message }, request).await
}

/// A request, by its content type: a message, or what is expected instead.
struct RemoteWrite {
    message: Result<Message, &'static str>,
}

impl Protocol for RemoteWrite {
    fn name(&self) -> ProtocolName {
        ProtocolName::RemoteWrite
    }

    fn format(&self, headers: &HeaderMap) -> Result<Format, &'static str> {
        let message = self.message?;
        headers::check_content_encoding(headers)?;
        Ok(Format::new(message, Compression::Snappy))
    }

    fn respond(&self, answer: Answer) -> Response {
        let written = answer.written();
        let mut response = match answer {
            Answer::Written(_) => StatusCode::NO_CONTENT.into_response(),
            Answer::Undecodable { text, .. } => with_text(StatusCode::BAD_REQUEST, text),
            Answer::Partial(refused, _) => with_text(StatusCode::BAD_REQUEST, refused.text()),
            Answer::Refused(refusal) => refusal.into_response(),
        };
        if self.message == Ok(Message::RemoteWrite2) {
            for (name, count) in [
                (SAMPLES_WRITTEN, written.samples),
                (HISTOGRAMS_WRITTEN, written.histograms),
                (EXEMPLARS_WRITTEN, written.exemplars),
            ] {
                response.headers_mut().insert(name, count.into());
            }
        }
        response
    }
}
