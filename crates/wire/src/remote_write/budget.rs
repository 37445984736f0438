//! Counts down how much more a request may hold.

use super::DecodeError;

/// What is left of one limit of a request.
#[derive(Debug)]
pub(super) struct Budget {
    what: &'static str,
    limit: usize,
    left: usize,
}

impl Budget {
    pub(super) fn new(what: &'static str, limit: usize) -> Self {
        Self { what, limit, left: limit }
    }

    /// Takes one, for something found at `offset`.
    #[inline]
    pub(super) fn take(&mut self, offset: usize) -> Result<(), DecodeError> {
        match self.left.checked_sub(1) {
            Some(left) => {
                self.left = left;
                Ok(())
            }
            None => Err(DecodeError::TooManyObjects { what: self.what, limit: self.limit, offset }),
        }
    }
}
