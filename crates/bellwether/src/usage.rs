//! Wrong usage that shows only when it is known what there is to work on.

/// What was asked for cannot be meant. The exit code is 2, as for what the command line itself refuses.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct WrongUsage(String);

/// `what` as an error.
pub(crate) fn wrong(what: impl Into<String>) -> anyhow::Error {
    WrongUsage(what.into()).into()
}

/// Refuses options that mean nothing to a journal, by the names of those that were `given`.
pub(crate) fn refuse_for_journals(given: &[&str]) -> anyhow::Result<()> {
    if given.is_empty() {
        return Ok(());
    }
    let is = if given.len() == 1 { "is" } else { "are" };
    let given = given.join(", ");
    Err(wrong(format!("{given} {is} for files and servers, and this is a journal")))
}
