//! What an error says together with its causes.

use std::error::Error;

/// `error` with its causes on one line, each of them once: some errors say theirs themselves.
pub fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let said = error.to_string();
        if !text.ends_with(&said) {
            text.push_str(": ");
            text.push_str(&said);
        }
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;
    use crate::checkpoint::CheckpointError;
    use crate::checkpointer::NoCheckpoint;
    use crate::cold::ColdError;
    use crate::journal::JournalError;

    fn disk() -> io::Error {
        io::Error::from_raw_os_error(28)
    }

    #[test]
    fn whatever_fails_the_system_is_heard_once() {
        const REASON: &str = "No space left on device (os error 28)";
        let file = || "f".to_owned();
        let journal = || JournalError::Write { file: file(), source: disk() };
        let checkpoint = CheckpointError::Storage { file: file(), source: disk() };
        let cold = ColdError::Storage { file: file(), source: disk() };
        let written = "journal cannot be written: file=`f`";
        for (error, words) in [
            (&disk() as &dyn Error, String::new()),
            (&journal(), format!("{written}: ")),
            (
                &NoCheckpoint::Journal(journal()),
                format!("journal cannot be made durable: {written}: "),
            ),
            (
                &NoCheckpoint::Checkpoint(checkpoint),
                "checkpoint cannot be written or read: file=`f`: ".to_owned(),
            ),
            (
                &NoCheckpoint::Cold(cold),
                "states of silent series cannot be written or read: file=`f`: ".to_owned(),
            ),
        ] {
            assert_eq!(with_causes(error), words + REASON);
        }
    }
}
