//! Holds panics of the Parquet library, which damaged files still provoke now and then.

use std::panic::{AssertUnwindSafe, catch_unwind};

/// Runs `action`; a panic in it becomes `None`. Whatever `action` was changing must not be used afterwards
/// except to be dropped or begun anew.
pub(crate) fn hold_panic<T>(action: impl FnOnce() -> T) -> Option<T> {
    catch_unwind(AssertUnwindSafe(action)).ok()
}
