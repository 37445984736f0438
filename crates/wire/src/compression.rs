//! How bodies are compressed, and getting them back within a bound.

use std::borrow::Cow;
use std::io::Read;

use flate2::bufread::MultiGzDecoder;

use crate::remote_write::{DecodeError, Limits, decompress};

/// Bytes that deflate makes of one at most: 258 by a length and a distance of a bit each.
const DENSEST: usize = 1032;

/// How the body of a request is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Compression {
    /// Not at all.
    None,
    /// Snappy's block format; never framed.
    Snappy,
    /// Gzip, of one member or several (RFC 1952).
    Gzip,
}

impl Compression {
    /// Every compression, in the order of its number in the journal.
    pub const ALL: [Self; 3] = [Self::None, Self::Snappy, Self::Gzip];

    /// `body` as it was before it was compressed.
    ///
    /// Memory is taken as far as bytes come out, at most `limits.decoded_bytes_max` of them; where the body says how many
    /// there will be, that is checked first.
    ///
    /// # Errors
    /// [`DecodeError::TooLarge`], and [`DecodeError::NotSnappy`], [`DecodeError::ImpossibleLength`] or
    /// [`DecodeError::NotGzip`].
    pub fn decompress<'a>(
        self,
        body: &'a [u8],
        limits: &Limits,
    ) -> Result<Cow<'a, [u8]>, DecodeError> {
        if body.len() > limits.body_bytes_max {
            return Err(too_large("compressed", body.len(), limits.body_bytes_max));
        }
        match self {
            Self::None if body.len() > limits.decoded_bytes_max => {
                Err(too_large("decoded", body.len(), limits.decoded_bytes_max))
            }
            Self::None => Ok(Cow::Borrowed(body)),
            Self::Snappy => decompress(body, limits).map(Cow::Owned),
            Self::Gzip => inflate(body, limits.decoded_bytes_max).map(Cow::Owned),
        }
    }

    /// As `Content-Encoding` says it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "identity",
            Self::Snappy => "snappy",
            Self::Gzip => "gzip",
        }
    }
}

/// Inflates at most `limit_bytes`, and one more to see whether there would be more: a kilobyte of gzip may hold a megabyte.
///
/// Memory is taken twice at most, lest a bomb leave behind what a buffer that doubles grows out of: for as many bytes as the last
/// member says that it has (`ISIZE`, RFC 1952, section 2.3.1), and, should there be more, for as many as there may be.
fn inflate(body: &[u8], limit_bytes: usize) -> Result<Vec<u8>, DecodeError> {
    let said_bytes = body.last_chunk().map_or(0, |&size| u32::from_le_bytes(size) as usize);
    let likely_bytes = said_bytes.min(body.len().saturating_mul(DENSEST)).min(limit_bytes);
    let mut decoder = MultiGzDecoder::new(body);
    let mut inflated = Vec::new();
    for most_bytes in [likely_bytes, limit_bytes] {
        let room_bytes = most_bytes.saturating_add(1).saturating_sub(inflated.len());
        inflated.reserve_exact(room_bytes);
        let mut room = decoder.by_ref().take(room_bytes as u64);
        room.read_to_end(&mut inflated)
            .map_err(|error| DecodeError::NotGzip { fault: error.to_string() })?;
        if inflated.len() <= most_bytes {
            return Ok(inflated);
        }
    }
    Err(too_large("decoded", inflated.len(), limit_bytes))
}

fn too_large(part: &'static str, bytes: usize, limit_bytes: usize) -> DecodeError {
    DecodeError::TooLarge { part, bytes, limit_bytes }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::write::GzEncoder;

    use super::*;
    use crate::remote_write::compress;

    fn gzip(body: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(body).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn what_was_compressed_comes_back() {
        let body: Vec<u8> = (0..100_000_u32).map(|index| (index / 7) as u8).collect();
        let limits = Limits::default();
        for (compression, compressed) in [
            (Compression::None, body.clone()),
            (Compression::Snappy, compress(&body)),
            (Compression::Gzip, gzip(&body)),
            (Compression::Gzip, [gzip(&body[..9]), gzip(&body[9..])].concat()),
        ] {
            assert_eq!(*compression.decompress(&compressed, &limits).unwrap(), body);
        }
    }

    #[test]
    fn limits_are_exact_before_and_after() {
        let body = [0; 1000];
        for (compression, compressed) in [
            (Compression::None, body.to_vec()),
            (Compression::Snappy, compress(&body)),
            (Compression::Gzip, gzip(&body)),
        ] {
            let at_most = |body_bytes_max, decoded_bytes_max| {
                let limits = Limits { body_bytes_max, decoded_bytes_max, ..Limits::default() };
                compression.decompress(&compressed, &limits).map(|body| body.len())
            };
            let bytes = compressed.len();
            assert_eq!(at_most(bytes, 1000), Ok(1000));
            assert_eq!(at_most(bytes - 1, 1000), Err(too_large("compressed", bytes, bytes - 1)));
            assert_eq!(at_most(bytes, 999), Err(too_large("decoded", 1000, 999)));
        }
    }

    #[test]
    fn a_bomb_of_gzip_takes_no_more_than_the_limit() {
        let bomb = gzip(&vec![0; 8 << 20]);
        assert!(bomb.len() < 16 << 10);
        assert_eq!(inflate(&bomb, 1 << 10), Err(too_large("decoded", 1025, 1024)));
    }

    #[test]
    fn no_more_memory_is_taken_than_is_needed_whatever_the_body_says() {
        let body = vec![7; 100_000];
        let honest = gzip(&body);
        assert_eq!(inflate(&honest, 1 << 20).unwrap().capacity(), body.len() + 1);
        // In its last bytes a member says how long it is, which several do for themselves.
        let members = [gzip(&body), gzip(&body[..1])].concat();
        let inflated = inflate(&members, 1 << 20).unwrap();
        assert_eq!((inflated.len(), inflated.capacity()), (body.len() + 1, (1 << 20) + 1));
        let mut boasting = gzip(b"little");
        boasting.splice(boasting.len() - 4.., [0xff; 4]);
        assert_eq!(inflate(&boasting, 1 << 20).unwrap_err().reason(), "gzip");
    }

    #[test]
    fn what_is_cut_or_changed_is_refused() {
        let whole = gzip(b"some text that is long enough to be worth it");
        let mut changed = whole.clone();
        *changed.last_mut().unwrap() ^= 1;
        let refused = [&whole[..whole.len() - 1], &whole[..5], &changed, b"", b"text"];
        for body in refused {
            let error = Compression::Gzip.decompress(body, &Limits::default()).unwrap_err();
            assert_eq!(error.reason(), "gzip", "{body:x?}: {error}");
        }
    }
}
