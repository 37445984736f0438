//! What a receiver of OTLP answers.

use bellwether_series::put_varint;

use super::any_value::quote;

/// How requests and their answers are encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// Protobuf.
    Protobuf,
    /// The JSON encoding of protobuf.
    Json,
}

impl Encoding {
    /// The media type.
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Protobuf => "application/x-protobuf",
            Self::Json => "application/json",
        }
    }
}

/// An `ExportMetricsServiceResponse`: everything was taken, or but for so many data points, for the reasons in `message`.
pub fn export_response(encoding: Encoding, rejected_data_points: u64, message: &str) -> Vec<u8> {
    let is_success = rejected_data_points == 0 && message.is_empty();
    let mut body = Vec::new();
    match encoding {
        Encoding::Protobuf if is_success => {}
        Encoding::Json if is_success => body.extend_from_slice(b"{}"),
        Encoding::Protobuf => {
            let mut partial_success = vec![0x08];
            put_varint(&mut partial_success, rejected_data_points);
            put_text(0x12, message, &mut partial_success);
            body.push(0x0A);
            put_varint(&mut body, partial_success.len() as u64);
            body.extend_from_slice(&partial_success);
        }
        Encoding::Json => {
            let start = format!(
                r#"{{"partialSuccess":{{"rejectedDataPoints":"{rejected_data_points}","errorMessage":"#
            );
            body.extend_from_slice(start.as_bytes());
            quote(message, &mut body);
            body.extend_from_slice(b"}}");
        }
    }
    body
}

/// A `google.rpc.Status` that says why nothing was taken.
pub fn status_message(encoding: Encoding, message: &str) -> Vec<u8> {
    let mut body = Vec::new();
    match encoding {
        Encoding::Protobuf => put_text(0x12, message, &mut body),
        Encoding::Json => {
            body.extend_from_slice(br#"{"message":"#);
            quote(message, &mut body);
            body.push(b'}');
        }
    }
    body
}

fn put_text(tag: u8, text: &str, out: &mut Vec<u8>) {
    out.push(tag);
    put_varint(out, text.len() as u64);
    out.extend_from_slice(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn success_is_empty() {
        assert_eq!(export_response(Encoding::Protobuf, 0, ""), b"");
        assert_eq!(export_response(Encoding::Json, 0, ""), b"{}");
    }

    #[test]
    fn what_was_rejected_is_counted_and_explained() {
        let protobuf = export_response(Encoding::Protobuf, 300, "no");
        assert_eq!(protobuf, b"\x0a\x07\x08\xac\x02\x12\x02no");
        let json = export_response(Encoding::Json, 300, "a \"b\"\n");
        let expected =
            r#"{"partialSuccess":{"rejectedDataPoints":"300","errorMessage":"a \"b\"\n"}}"#;
        assert_eq!(String::from_utf8(json).unwrap(), expected);
        assert_eq!(status_message(Encoding::Protobuf, "no"), b"\x12\x02no");
        assert_eq!(status_message(Encoding::Json, "no"), br#"{"message":"no"}"#);
    }
}
