//! Holds panics of the Arrow and Parquet libraries, which damaged files still provoke now and then.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::error::Cause;

/// Runs `action`; a panic in it is an error too. Whatever `action` was changing must not be used afterwards except to be
/// dropped.
pub(crate) fn held<T, E: Into<Cause>>(action: impl FnOnce() -> Result<T, E>) -> Result<T, Cause> {
    match catch_unwind(AssertUnwindSafe(action)) {
        Ok(result) => result.map_err(Into::into),
        Err(_) => Err("file makes the reader panic".into()),
    }
}
