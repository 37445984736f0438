//! Bearer tokens that let in.

use sha2::{Digest, Sha256};
use subtle::{Choice, ConstantTimeEq};

use crate::Secret;

/// Digests of the tokens: what is compared tells nothing about them, not even their length.
#[derive(Debug, Default)]
pub(super) struct Tokens(Vec<[u8; 32]>);

impl Tokens {
    pub(super) fn new(tokens: &[Secret]) -> Self {
        Self(tokens.iter().map(|token| digest(token.expose())).collect())
    }

    /// Whether `token` is one of them. Takes the same time for every token of a length.
    pub(super) fn contains(&self, token: &str) -> bool {
        let asked = digest(token);
        let none = Choice::from(0);
        self.0.iter().fold(none, |found, known| found | known.ct_eq(&asked)).into()
    }
}

fn digest(token: &str) -> [u8; 32] {
    Sha256::digest(token).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_tokens_are_known() {
        let tokens = Tokens::new(&[Secret::new("first"), Secret::new("second")]);
        assert!(tokens.contains("first") && tokens.contains("second"));
        for wrong in ["", "f", "firs", "first ", "FIRST", "third"] {
            assert!(!tokens.contains(wrong), "{wrong}");
        }
        assert!(!Tokens::default().contains(""));
    }
}
