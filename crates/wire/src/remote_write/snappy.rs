//! Snappy's block format, with the declared size checked before memory is taken.
//!
//! Format: `google/snappy:format_description.txt`.

use super::{DecodeError, Limits};

/// Decompresses a request body (snappy block format, not framed).
///
/// The declared size is read first and refused when it is over `limits.decoded_bytes_max`, or when no
/// valid body of this length could be so dense: the densest element turns 3 bytes into 64.
///
/// # Errors
/// [`DecodeError::TooLarge`], [`DecodeError::ImpossibleLength`] and [`DecodeError::NotSnappy`].
pub fn decompress(compressed: &[u8], limits: &Limits) -> Result<Vec<u8>, DecodeError> {
    let body_bytes = compressed.len();
    if body_bytes > limits.body_bytes_max {
        return Err(DecodeError::TooLarge {
            part: "compressed",
            bytes: body_bytes,
            limit_bytes: limits.body_bytes_max,
        });
    }
    let not_snappy = |source| DecodeError::NotSnappy { source };
    let declared_bytes = snap::raw::decompress_len(compressed).map_err(not_snappy)?;
    if declared_bytes > limits.decoded_bytes_max {
        return Err(DecodeError::TooLarge {
            part: "decoded",
            bytes: declared_bytes,
            limit_bytes: limits.decoded_bytes_max,
        });
    }
    if declared_bytes as u64 > body_bytes as u64 * 64 / 3 + 64 {
        return Err(DecodeError::ImpossibleLength { declared_bytes, body_bytes });
    }
    let mut body = vec![0; declared_bytes];
    let written =
        snap::raw::Decoder::new().decompress(compressed, &mut body).map_err(not_snappy)?;
    body.truncate(written);
    Ok(body)
}

/// Compresses a body to snappy's block format, as a sender does.
///
/// # Panics
/// When `body` is larger than the format can say, 4 GiB.
pub fn compress(body: &[u8]) -> Vec<u8> {
    snap::raw::Encoder::new().compress_vec(body).expect("body is smaller than 4 GiB")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reason(compressed: &[u8]) -> &'static str {
        decompress(compressed, &Limits::default()).unwrap_err().reason()
    }

    #[test]
    fn what_was_compressed_comes_back() {
        let body: Vec<u8> = (0..100_000_u32).map(|index| (index / 7) as u8).collect();
        assert_eq!(decompress(&compress(&body), &Limits::default()), Ok(body));
        assert_eq!(decompress(&compress(b""), &Limits::default()), Ok(Vec::new()));
    }

    #[test]
    fn the_densest_body_that_exists_is_accepted() {
        let zeros = vec![0; 1 << 20];
        let compressed = compress(&zeros);
        assert!(zeros.len() > compressed.len() * 21);
        assert_eq!(decompress(&compressed, &Limits::default()), Ok(zeros));
    }

    #[test]
    fn a_declared_size_over_the_limit_is_refused_before_memory_is_taken() {
        let declares_4_gib = b"\xff\xff\xff\xff\x0f\x00";
        assert_eq!(reason(declares_4_gib), "too_large");
        let limits = Limits { decoded_bytes_max: 9, ..Limits::default() };
        assert_eq!(
            decompress(&compress(&[b'x'; 10]), &limits),
            Err(DecodeError::TooLarge { part: "decoded", bytes: 10, limit_bytes: 9 })
        );
        assert!(decompress(&compress(&[b'x'; 9]), &limits).is_ok());
    }

    #[test]
    fn a_declared_size_that_no_body_so_short_can_have_is_refused() {
        // 6 bytes hold at most 6 * 64 / 3 + 64 = 192; 193 is `c1 01`, 192 is `c0 01`.
        assert_eq!(
            decompress(b"\xc1\x01\0\0\0\0", &Limits::default()),
            Err(DecodeError::ImpossibleLength { declared_bytes: 193, body_bytes: 6 })
        );
        assert!(matches!(
            decompress(b"\xc0\x01\0\0\0\0", &Limits::default()),
            Err(DecodeError::NotSnappy { .. })
        ));
    }

    #[test]
    fn a_body_over_the_limit_is_refused_unread() {
        let limits = Limits { body_bytes_max: 3, ..Limits::default() };
        assert_eq!(
            decompress(b"\xff\xff\xff\xff", &limits),
            Err(DecodeError::TooLarge { part: "compressed", bytes: 4, limit_bytes: 3 })
        );
    }

    #[test]
    fn what_is_not_the_block_format_is_refused() {
        assert_eq!(reason(b""), "snappy");
        assert_eq!(reason(b"\x80\x80"), "snappy");
        assert_eq!(reason(b"\xff\x06\x00\x00sNaPpY"), "snappy");
        assert_eq!(reason(b"\x05\x00a"), "snappy");
        let mut corrupt = compress(b"a body that is long enough to be compressed");
        corrupt[0] = 0xFF;
        assert_eq!(reason(&corrupt), "snappy");
    }
}
