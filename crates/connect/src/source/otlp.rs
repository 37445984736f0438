//! OpenTelemetry metrics over HTTP: protobuf or JSON, gzip or not compressed.
//!
//! The status code decides whether a sender retries or drops: 200 taken, or taken in part, which the body says then
//! (`partial_success`); 400 cannot be read, 413 too large, both for ever; 403 not as this tenant; 405; 415 another content type or
//! compression; 503 with `Retry-After`, nothing was taken. What the body says is in the encoding of the request.
//!
//! Specification: "OTLP/HTTP", `open-telemetry/opentelemetry-proto:docs/specification.md`.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use bellwether_wire::otlp::{Encoding, export_response, status_message};
use bellwether_wire::{Compression, Format, Message};

use super::receiver::{Answer, Protocol, ProtocolName, Receiver};

/// The path that exporters add to the endpoint they are configured with.
pub const PATH: &str = "/v1/metrics";

/// The endpoint of `receiver`, at [`PATH`].
pub fn router(receiver: Arc<Receiver>) -> Router {
    Router::new().route(PATH, any(export)).with_state(receiver)
}

async fn export(State(receiver): State<Arc<Receiver>>, request: Request) -> Response {
    let encoding = encoding_of(request.headers());
    receiver.serve(&Otlp { encoding }, request).await
}

/// A request of this encoding, and its answer; `None`: of another content type.
struct Otlp {
    encoding: Option<Encoding>,
}

impl Protocol for Otlp {
    fn name(&self) -> ProtocolName {
        ProtocolName::Otlp
    }

    fn format(&self, headers: &HeaderMap) -> Result<Format, &'static str> {
        let message = match self.encoding {
            Some(Encoding::Protobuf) => Message::Otlp,
            Some(Encoding::Json) => Message::OtlpJson,
            None => return Err("expected content type application/x-protobuf or application/json"),
        };
        let compression =
            compression_of(headers).ok_or("expected content encoding gzip or none")?;
        Ok(Format::new(message, compression))
    }

    fn respond(&self, answer: Answer) -> Response {
        // Whoever sends something else is told in protobuf, which is what exporters send unless told otherwise.
        let encoding = self.encoding.unwrap_or(Encoding::Protobuf);
        let with = |status: StatusCode, body: Vec<u8>| {
            (status, [(CONTENT_TYPE, encoding.content_type())], body).into_response()
        };
        match answer {
            Answer::Written(_) => with(StatusCode::OK, export_response(encoding, 0, "")),
            Answer::Partial(refused, _) => {
                with(StatusCode::OK, export_response(encoding, refused.samples(), &refused.text()))
            }
            Answer::Undecodable { text, is_too_large } => {
                let status = if is_too_large {
                    StatusCode::PAYLOAD_TOO_LARGE
                } else {
                    StatusCode::BAD_REQUEST
                };
                with(status, status_message(encoding, &text))
            }
            Answer::Refused(refusal) => {
                let body = status_message(encoding, refusal.text());
                refusal.with_headers(with(refusal.status(), body))
            }
        }
    }
}

/// What the content type says; parameters such as a charset say nothing.
fn encoding_of(headers: &HeaderMap) -> Option<Encoding> {
    let value = headers.get(CONTENT_TYPE)?.to_str().ok()?;
    let media_type = value.split(';').next().unwrap_or_default().trim();
    [Encoding::Protobuf, Encoding::Json]
        .into_iter()
        .find(|encoding| media_type.eq_ignore_ascii_case(encoding.content_type()))
}

fn compression_of(headers: &HeaderMap) -> Option<Compression> {
    let mut values = headers.get_all(CONTENT_ENCODING).iter();
    let Some(value) = values.next() else { return Some(Compression::None) };
    if values.next().is_some() {
        return None;
    }
    let name = value.to_str().ok()?.trim();
    [Compression::None, Compression::Gzip]
        .into_iter()
        .find(|compression| name.eq_ignore_ascii_case(compression.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn format(content_type: &str, content_encodings: &[&str]) -> Result<Format, &'static str> {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, content_type.parse().unwrap());
        for encoding in content_encodings {
            headers.append(CONTENT_ENCODING, encoding.parse().unwrap());
        }
        Otlp { encoding: encoding_of(&headers) }.format(&headers)
    }

    #[test]
    fn content_type_and_encoding_say_the_format() {
        let of = |message, compression| Ok(Format::new(message, compression));
        let protobuf = "application/x-protobuf";
        assert_eq!(format(protobuf, &[]), of(Message::Otlp, Compression::None));
        assert_eq!(format(protobuf, &["identity"]), of(Message::Otlp, Compression::None));
        assert_eq!(format(protobuf, &["GZIP"]), of(Message::Otlp, Compression::Gzip));
        let json = "Application/JSON; charset=utf-8";
        assert_eq!(format(json, &["gzip"]), of(Message::OtlpJson, Compression::Gzip));
    }

    #[test]
    fn everything_else_is_refused() {
        let headers = HeaderMap::new();
        assert!(Otlp { encoding: encoding_of(&headers) }.format(&headers).is_err());
        for other in ["text/plain", "application/grpc", "application/x-protobufs", ""] {
            assert!(format(other, &[]).is_err(), "{other}");
        }
        for others in [&["zstd"][..], &["snappy"], &["gzip", "gzip"], &["gzip, gzip"], &[""]] {
            assert!(format("application/json", others).is_err(), "{others:?}");
        }
    }
}
