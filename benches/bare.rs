//! The least that any receiver of remote write must do, as a yardstick.

/// Decompresses `body` into `buffer` and walks over the protobuf, labels skipped by their length.
/// Returns the number of samples and the sum of their values, so that nothing can be optimised away.
///
/// It trusts its input: it is neither safe against bombs nor complete.
///
/// # Panics
/// When `body` is not a request as [`crate::Fleet`] builds them.
pub fn bare_decode(body: &[u8], buffer: &mut Vec<u8>) -> (usize, f64) {
    let length = snap::raw::decompress_len(body).expect("a snappy block");
    buffer.resize(length, 0);
    snap::raw::Decoder::new().decompress(body, buffer).expect("a snappy block");
    let (mut samples, mut sum, mut at) = (0, 0.0, 0);
    while at < buffer.len() {
        at += 1;
        let series_end = varint(buffer, &mut at) as usize + at;
        while at < series_end {
            let tag = buffer[at];
            at += 1;
            let field_end = varint(buffer, &mut at) as usize + at;
            if tag == 0x12 {
                let mut value = [0; 8];
                value.copy_from_slice(&buffer[at + 1..at + 9]);
                at += 10;
                let timestamp = varint(buffer, &mut at);
                sum += f64::from_le_bytes(value) + timestamp as f64;
                samples += 1;
            }
            at = field_end;
        }
    }
    (samples, sum)
}

#[inline]
fn varint(bytes: &[u8], at: &mut usize) -> u64 {
    let (mut value, mut shift) = (0, 0);
    loop {
        let byte = bytes[*at];
        *at += 1;
        value |= u64::from(byte & 0x7F) << shift;
        if byte < 0x80 {
            return value;
        }
        shift += 7;
    }
}

#[cfg(test)]
mod tests {
    use crate::{BATCH, Fleet};

    use super::*;

    #[test]
    fn the_yardstick_sees_every_sample() {
        let body = Fleet::new(BATCH + 7).bodies(3).next().unwrap();
        let (samples, sum) = bare_decode(&body, &mut Vec::new());
        assert_eq!(samples, BATCH);
        assert!(sum.is_finite());
    }
}
