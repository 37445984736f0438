//! Standard output and standard error, for commands that print.
//!
//! `println!` panics when the reader has gone (`bellwether schema | head -1`). Everything that a command
//! prints goes through here instead.

use std::fmt::Write as _;
use std::io::{self, ErrorKind, Write};

use bellwether_series::Timestamp;
use serde::Serialize;

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

/// Says on standard error that something is odd, and that the command goes on.
pub(crate) fn warn(what: &str) {
    let line = format!("warning: {}\n", one_line(what));
    // There is nobody left to tell.
    _ = io::stderr().lock().write_all(line.as_bytes());
}

/// Says something on standard error that is no warning, on a line of its own.
pub(crate) fn say(what: &str) {
    let line = format!("{}\n", one_line(what));
    // There is nobody left to tell.
    _ = io::stderr().lock().write_all(line.as_bytes());
}

/// `text` with what a terminal or a reader of lines obeys escaped.
pub(crate) fn one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for character in text.chars() {
        if is_obeyed(character) {
            line.extend(character.escape_default());
        } else {
            line.push(character);
        }
    }
    line
}

/// `value` as JSON for people and programs, with a line break at its end.
///
/// # Errors
/// When it has no JSON form.
pub(crate) fn json(value: &impl Serialize) -> serde_json::Result<String> {
    Ok(plain_json(&serde_json::to_string_pretty(value)?) + "\n")
}

/// `json` with the control characters escaped that JSON allows within text.
pub(crate) fn plain_json(json: &str) -> String {
    let mut plain = String::with_capacity(json.len());
    for character in json.chars() {
        // Below a blank there are only the line breaks between values: serde_json escapes the others.
        if character > ' ' && is_obeyed(character) {
            // All of them have one unit of UTF-16; writing to a String cannot fail.
            _ = write!(plain, "\\u{:04x}", u32::from(character));
        } else {
            plain.push(character);
        }
    }
    plain
}

/// Whether a terminal or a reader of lines obeys `character` instead of showing it: controls, separators of lines, and what
/// turns the direction of writing.
pub(crate) fn is_obeyed(character: char) -> bool {
    let turns = ['\u{61c}', '\u{200e}', '\u{200f}'];
    character.is_control()
        || matches!(character, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
        || turns.contains(&character)
}

/// Date and time of day in UTC, to the second.
pub(crate) fn time(at: Timestamp) -> String {
    match jiff::Timestamp::from_millisecond(at.as_ms()) {
        Ok(time) => format!("{time:.0}"),
        Err(_) => at.to_string(),
    }
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
    fn what_a_terminal_obeys_is_escaped_and_json_says_the_same() {
        let hostile = "é\u{7f}\u{9b}2J\u{2028}\u{202e}\u{2066}\u{200f}\u{61c}\n\u{1b}[\"\\";
        let json = plain_json(&serde_json::to_string(hostile).unwrap());
        assert!(!json.contains(is_obeyed), "{json}");
        assert!(json.contains("\\u009b2J\\u2028\\u202e"), "{json}");
        assert_eq!(serde_json::from_str::<String>(&json).unwrap(), hostile);
        let pretty = serde_json::to_string_pretty(&[hostile]).unwrap();
        assert_eq!(plain_json(&pretty).lines().count(), pretty.lines().count());
        assert!(!one_line(hostile).contains(is_obeyed));
    }

    #[test]
    fn a_closed_pipe_is_told_from_other_errors() {
        assert!(write(&mut Broken(ErrorKind::BrokenPipe), "x").unwrap_err().is::<Closed>());
        assert!(!write(&mut Broken(ErrorKind::StorageFull), "x").unwrap_err().is::<Closed>());
    }

    #[test]
    fn a_time_that_no_calendar_knows_is_printed_all_the_same() {
        assert_eq!(time(Timestamp::from_ms(i64::MAX)), format!("{}ms", i64::MAX));
    }
}
