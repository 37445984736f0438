//! What the headers of a request say about its body.
//!
//! The message is chosen by `Content-Type` alone: a 2.0 body decoded as 1.0 gives an empty message and
//! no error, so a guess would be silent loss.

use axum::http::HeaderMap;
use axum::http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use bellwether_wire::Message;

const MEDIA_TYPE: &str = "application/x-protobuf";
const MESSAGE_1: &str = "prometheus.WriteRequest";
const MESSAGE_2: &str = "io.prometheus.write.v2.Request";

/// The message that the content type names; 1.0 where there is none. Else what is expected.
pub(super) fn message(headers: &HeaderMap) -> Result<Message, &'static str> {
    const EXPECTED: &str = "expected content type application/x-protobuf";
    let Some(value) = headers.get(CONTENT_TYPE) else {
        return Ok(Message::RemoteWrite1);
    };
    let mut parts = split_unquoted(value.to_str().map_err(|_| EXPECTED)?);
    let media_type = parts.next().unwrap_or_default();
    if !media_type.trim().eq_ignore_ascii_case(MEDIA_TYPE) {
        return Err(EXPECTED);
    }
    let mut message = Message::RemoteWrite1;
    for parameter in parts {
        let Some((name, value)) = parameter.split_once('=') else { continue };
        if !name.trim().eq_ignore_ascii_case("proto") {
            continue;
        }
        match value.trim().trim_matches('"') {
            MESSAGE_1 => message = Message::RemoteWrite1,
            MESSAGE_2 => message = Message::RemoteWrite2,
            _ => {
                return Err("expected message prometheus.WriteRequest or \
                    io.prometheus.write.v2.Request");
            }
        }
    }
    Ok(message)
}

/// Accepts snappy, which an absent header means too; else says what is expected.
pub(super) fn check_content_encoding(headers: &HeaderMap) -> Result<(), &'static str> {
    let all_snappy = headers
        .get_all(CONTENT_ENCODING)
        .iter()
        .all(|value| value.to_str().is_ok_and(|text| text.trim().eq_ignore_ascii_case("snappy")));
    if all_snappy { Ok(()) } else { Err("expected content encoding snappy") }
}

/// Splits at semicolons that are not within double quotes.
fn split_unquoted(text: &str) -> impl Iterator<Item = &str> {
    let mut quoted = false;
    text.split(move |character| {
        quoted ^= character == '"';
        character == ';' && !quoted
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content_type(value: &str) -> Result<Message, &'static str> {
        message(&HeaderMap::from_iter([(CONTENT_TYPE, value.parse().unwrap())]))
    }

    #[test]
    fn every_way_to_say_a_message_is_understood() {
        assert_eq!(message(&HeaderMap::new()), Ok(Message::RemoteWrite1));
        for good in [
            "application/x-protobuf",
            "Application/X-Protobuf",
            "application/x-protobuf;proto=prometheus.WriteRequest",
            "application/x-protobuf ; charset=utf-8 ; Proto = \"prometheus.WriteRequest\"",
            "application/x-protobuf;note=\";proto=other\"",
        ] {
            assert_eq!(content_type(good), Ok(Message::RemoteWrite1), "{good}");
        }
        for good in [
            "application/x-protobuf;proto=io.prometheus.write.v2.Request",
            "application/x-protobuf; proto=\"io.prometheus.write.v2.Request\"",
        ] {
            assert_eq!(content_type(good), Ok(Message::RemoteWrite2), "{good}");
        }
    }

    #[test]
    fn other_messages_and_media_types_are_refused() {
        for bad in [
            "application/json",
            "image/png",
            "",
            "application/x-protobuf;proto=io.prometheus.write.v3.Request",
            "application/x-protobuf;proto=prometheus.writerequest",
            "application/x-protobuf;proto=",
        ] {
            assert!(content_type(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn only_snappy_is_understood() {
        let encoding = |value: &str| {
            check_content_encoding(&HeaderMap::from_iter([(
                CONTENT_ENCODING,
                value.parse().unwrap(),
            )]))
        };
        assert_eq!(check_content_encoding(&HeaderMap::new()), Ok(()));
        assert_eq!(encoding("Snappy"), Ok(()));
        for bad in ["gzip", "deflate", "zstd", "identity", "snappy, gzip", ""] {
            assert!(encoding(bad).is_err(), "{bad}");
        }
    }
}
