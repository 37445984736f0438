//! What the payload of a record of kind [`kind::REQUEST`](super::kind::REQUEST) says: whose request it is, where
//! it came from, and its body, verbatim as received.
//!
//! ```text
//! format u8 · tenant length u16 · tenant · source length u16 · source · body
//! ```

use bellwether_wire::Format;

use crate::format::Fields;

/// Longest tenant in bytes.
pub const TENANT_BYTES_MAX: usize = 256;
/// Longest source in bytes.
pub const SOURCE_BYTES_MAX: usize = 1024;

/// What is kept of a request besides its body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestHeader<'a> {
    /// How the body is written.
    pub format: Format,
    /// Whose it is; at most [`TENANT_BYTES_MAX`]. Empty when there are no tenants.
    pub tenant: &'a str,
    /// Where it came from; at most [`SOURCE_BYTES_MAX`].
    pub source: &'a str,
}

/// Why a request's payload cannot be written or read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PayloadError {
    /// A tenant or source is too long.
    #[error("{what} is too long: bytes=`{bytes}`, bytes_max=`{bytes_max}`")]
    TooLong {
        /// Which of them.
        what: &'static str,
        /// How long it is.
        bytes: usize,
        /// How long it may be.
        bytes_max: usize,
    },
    /// A later version wrote it.
    #[error("format of the request's body is unknown: format=`{0}`")]
    UnknownFormat(u8),
    /// It ends within the header, or a text in it is not UTF-8.
    #[error("header of the request is damaged")]
    Damaged,
}

impl<'a> RequestHeader<'a> {
    /// Appends the header to `out`; the body follows it in the payload.
    ///
    /// # Errors
    /// `TooLong`; `out` is then as it was.
    pub fn encode(&self, out: &mut Vec<u8>) -> Result<(), PayloadError> {
        check("tenant", self.tenant, TENANT_BYTES_MAX)?;
        check("source", self.source, SOURCE_BYTES_MAX)?;
        out.push(self.format.number());
        for text in [self.tenant, self.source] {
            out.extend_from_slice(&(text.len() as u16).to_le_bytes());
            out.extend_from_slice(text.as_bytes());
        }
        Ok(())
    }

    /// The header that `payload` begins with, and the body behind it.
    pub fn decode(payload: &'a [u8]) -> Result<(Self, &'a [u8]), PayloadError> {
        let mut fields = Fields(payload);
        let number = fields.u8().ok_or(PayloadError::Damaged)?;
        let format = Format::from_number(number).ok_or(PayloadError::UnknownFormat(number))?;
        let tenant = fields.text().ok_or(PayloadError::Damaged)?;
        check("tenant", tenant, TENANT_BYTES_MAX)?;
        let source = fields.text().ok_or(PayloadError::Damaged)?;
        check("source", source, SOURCE_BYTES_MAX)?;
        Ok((Self { format, tenant, source }, fields.0))
    }
}

fn check(what: &'static str, text: &str, bytes_max: usize) -> Result<(), PayloadError> {
    if text.len() <= bytes_max {
        Ok(())
    } else {
        Err(PayloadError::TooLong { what, bytes: text.len(), bytes_max })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: RequestHeader<'static> =
        RequestHeader { format: Format::REMOTE_WRITE_1, tenant: "t", source: "10.0.0.1" };

    #[test]
    fn a_request_comes_back_as_it_went_in() {
        let mut payload = Vec::new();
        HEADER.encode(&mut payload).unwrap();
        assert_eq!(payload, b"\x01\x01\0t\x08\x0010.0.0.1");
        payload.extend_from_slice(b"\xff\x00body");
        assert_eq!(RequestHeader::decode(&payload), Ok((HEADER, &b"\xff\x00body"[..])));
    }

    #[test]
    fn what_is_cut_unknown_or_too_long_is_refused() {
        let mut payload = Vec::new();
        HEADER.encode(&mut payload).unwrap();
        for cut in 0..payload.len() {
            assert_eq!(RequestHeader::decode(&payload[..cut]), Err(PayloadError::Damaged), "{cut}");
        }
        assert_eq!(RequestHeader::decode(b"\xff"), Err(PayloadError::UnknownFormat(255)));
        assert_eq!(RequestHeader::decode(b"\x01\x01\0\xff\0\0"), Err(PayloadError::Damaged));
        let long = "x".repeat(TENANT_BYTES_MAX + 1);
        let header = RequestHeader { tenant: &long, ..HEADER };
        let mut out = Vec::new();
        let error = header.encode(&mut out).unwrap_err();
        assert_eq!(error.to_string(), "tenant is too long: bytes=`257`, bytes_max=`256`");
        assert!(out.is_empty());
    }
}
