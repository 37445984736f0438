//! Proof for the receiver that a request is ours and new.
//!
//! HMAC-SHA-256 (RFC 2104) over `<timestamp>.<body>`: with the time inside, a request that somebody recorded
//! cannot be used later.

use hmac::{Hmac, Mac};
use sha2::Sha256;

use crate::secret::Secret;

/// Signs with one key.
pub(super) struct Signer(Hmac<Sha256>);

impl Signer {
    pub(super) fn new(secret: &Secret) -> Self {
        let keyed = Hmac::new_from_slice(secret.expose().as_bytes());
        Self(keyed.expect("HMAC takes a key of any length"))
    }

    /// The signature header's value for a `body` sent at `timestamp_s`, in Unix seconds.
    pub(super) fn sign(&self, timestamp_s: i64, body: &[u8]) -> String {
        let mut mac = self.0.clone();
        mac.update(format!("{timestamp_s}.").as_bytes());
        mac.update(body);
        format!("v1={:x}", mac.finalize().into_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_what_openssl_says() {
        // printf '%s' '1700000000.{"id":"a-1"}' | openssl dgst -sha256 -hmac "it's a secret"
        let signer = Signer::new(&Secret::new("it's a secret"));
        assert_eq!(
            signer.sign(1_700_000_000, br#"{"id":"a-1"}"#),
            "v1=d2084653478e862a7a0dcfd6738cfc5a18e14ed0306d2f0a8beed6b8737d9156"
        );
    }

    #[test]
    fn a_key_longer_than_a_block_is_a_key_too() {
        // printf '%s' '0.' | openssl dgst -sha256 -hmac "$(printf 'k%.0s' {1..100})"
        let signer = Signer::new(&Secret::new("k".repeat(100)));
        assert_eq!(
            signer.sign(0, b""),
            "v1=243c2f8200e1d4ee892e7a7ded377a65e2beb1c64b997c54b8b0f516216d4b0f"
        );
    }
}
