//! Standard output and standard error, for commands that print.
//!
//! `println!` panics when the reader has gone (`bellwether schema | head -1`). Everything that a command
//! prints goes through here instead.

use std::io::{self, ErrorKind, Write};

/// Whoever read standard output has closed it; the command ends quietly.
#[derive(Debug, thiserror::Error)]
#[error("standard output is closed")]
pub struct Closed;

/// Prints `text` on standard output, at once.
///
/// # Errors
/// [`Closed`] when nobody reads it any more, the cause when it cannot be written otherwise.
pub fn print(text: &str) -> anyhow::Result<()> {
    write(&mut io::stdout().lock(), text)
}

fn write(out: &mut impl Write, text: &str) -> anyhow::Result<()> {
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Err(Closed.into()),
        Err(error) => Err(anyhow::Error::new(error).context("standard output cannot be written")),
    }
}

/// Prints `error` and its causes on standard error, each once.
pub fn complain(error: &anyhow::Error) {
    let mut text = String::new();
    for (index, cause) in error.chain().enumerate() {
        let cause = cause.to_string();
        // A report is already complete; it names what is an error in it.
        let prefix = match index {
            0 if cause.starts_with("error: ") => "",
            0 => "error: ",
            _ => "  caused by: ",
        };
        text.push_str(prefix);
        text.push_str(&cause);
        text.push('\n');
    }
    // There is nobody left to tell.
    _ = io::stderr().lock().write_all(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Broken(ErrorKind);

    impl Write for Broken {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(self.0.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_closed_pipe_is_told_from_other_errors() {
        assert!(write(&mut Broken(ErrorKind::BrokenPipe), "x").unwrap_err().is::<Closed>());
        assert!(!write(&mut Broken(ErrorKind::StorageFull), "x").unwrap_err().is::<Closed>());
    }
}
