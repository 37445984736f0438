//! Structured logs on standard error, as lines for people or as JSON.

use std::fmt::Write as _;
use std::io::{self, Write};

use tracing::Level;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};

use crate::config::LogFormat;

/// Starts logging for the whole process: our own messages from `level` up, those of libraries from
/// warnings up.
///
/// # Errors
/// When logging was started before.
pub fn init(format: LogFormat, level: Level) -> Result<(), TryInitError> {
    let filter = EnvFilter::new(format!("{},bellwether={level}", level.min(Level::WARN)));
    let registry = tracing_subscriber::registry().with(filter);
    let layer = tracing_subscriber::fmt::layer()
        .with_ansi(false)
        // Its fallback is `eprintln!`, which panics when standard error is closed.
        .log_internal_errors(false);
    match format {
        LogFormat::Text => registry.with(layer.with_writer(|| Escaping(io::stderr()))).try_init(),
        LogFormat::Json => {
            registry.with(layer.json().flatten_event(true).with_writer(io::stderr)).try_init()
        }
    }
}

/// Writes each message as one line: control characters in it, which labels may contain, are escaped, so
/// that no sender can forge lines or steer a terminal.
struct Escaping<W>(W);

impl<W: Write> Write for Escaping<W> {
    fn write(&mut self, message: &[u8]) -> io::Result<usize> {
        // The formatter hands over a whole message, its line break last.
        let text = String::from_utf8_lossy(message);
        let line = text.strip_suffix('\n').unwrap_or(&text);
        let mut escaped = String::with_capacity(text.len());
        for character in line.chars() {
            if character.is_control() {
                // Writing to a String cannot fail.
                _ = write!(escaped, "{}", character.escape_default());
            } else {
                escaped.push(character);
            }
        }
        escaped.push_str(&text[line.len()..]);
        self.0.write_all(escaped.as_bytes())?;
        Ok(message.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn escaped(message: &str) -> String {
        let mut out = Vec::new();
        Escaping(&mut out).write_all(message.as_bytes()).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_message_stays_one_harmless_line() {
        assert_eq!(escaped("job=a\nERROR forged\u{1b}[2J\n"), "job=a\\nERROR forged\\u{1b}[2J\n");
        assert_eq!(escaped("größe=1\n"), "größe=1\n");
    }
}
