//! Prometheus remote write 1.0.
//!
//! The status code decides whether a sender retries or drops, so there are only six: 204 taken; 400 invalid and will be invalid again,
//! the good part was taken; 403 not as this tenant; 405; 415 another message or compression; 503 with `Retry-After`, nothing was
//! taken. Never 429 or 413: Prometheus drops on the one, vmagent retries for ever on the other.
//!
//! Specification: "Prometheus Remote-Write 1.0".

mod headers;

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use bellwether_wire::Format;

use super::receiver::{Answer, Protocol, ProtocolName, Receiver, with_text};

/// The paths that senders are configured with: Prometheus' own, and that of Mimir and Cortex.
pub const PATHS: [&str; 2] = ["/api/v1/write", "/api/v1/push"];

/// The endpoints of `receiver`, at [`PATHS`].
pub fn router(receiver: Arc<Receiver>) -> Router {
    let routes = PATHS.iter().fold(Router::new(), |router, path| router.route(path, any(write)));
    routes.with_state(receiver)
}

async fn write(State(receiver): State<Arc<Receiver>>, request: Request) -> Response {
    receiver.serve(&RemoteWrite, request).await
}

struct RemoteWrite;

impl Protocol for RemoteWrite {
    fn name(&self) -> ProtocolName {
        ProtocolName::RemoteWrite
    }

    fn format(&self, headers: &HeaderMap) -> Result<Format, &'static str> {
        headers::check_content_type(headers)?;
        headers::check_content_encoding(headers)?;
        Ok(Format::REMOTE_WRITE_1)
    }

    fn respond(&self, answer: Answer) -> Response {
        match answer {
            Answer::Written => StatusCode::NO_CONTENT.into_response(),
            Answer::Undecodable { text, .. } => with_text(StatusCode::BAD_REQUEST, text),
            Answer::Partial(refused) => with_text(StatusCode::BAD_REQUEST, refused.text()),
            Answer::Refused(refusal) => refusal.into_response(),
        }
    }
}
