//! Structured logs on standard error, as lines for people or as JSON.
//!
//! A thread of its own writes them: whoever reads standard error may be slow or stuck, and nobody who logs waits for
//! that. What there is no room for is counted and lost.

use std::fmt::Write as _;
use std::io::{self, Write};
use std::sync::OnceLock;

use tracing::Level;
use tracing_appender::non_blocking::{ErrorCounter, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};

use crate::config::{LogConfig, LogFormat};

/// Counts lost messages, once logging was started.
static LOST: OnceLock<ErrorCounter> = OnceLock::new();

/// Keeps the thread that writes; dropping it writes what waits, within a second or so.
#[derive(Debug)]
#[must_use]
pub struct Logging {
    _writer: WorkerGuard,
}

/// Messages lost since the start because nobody took those before them.
pub fn lost_messages() -> u64 {
    LOST.get().map_or(0, |lost| lost.dropped_lines() as u64)
}

/// Starts logging for the whole process: our own messages from the level of `config` up, those of libraries from
/// warnings up.
///
/// # Errors
/// When logging was started before.
pub fn init(config: LogConfig) -> Result<Logging, TryInitError> {
    let LogConfig { format, level, messages_max } = config;
    let (writer, guard) = NonBlockingBuilder::default()
        .lossy(true)
        .buffered_lines_limit(messages_max)
        .thread_name("log")
        .finish(io::stderr());
    let lost = writer.error_counter();
    let filter = EnvFilter::new(format!("{},bellwether={level}", level.min(Level::WARN)));
    let registry = tracing_subscriber::registry().with(filter);
    let layer = tracing_subscriber::fmt::layer()
        .with_ansi(false)
        // Its fallback is `eprintln!`, which panics when standard error is closed.
        .log_internal_errors(false);
    match format {
        LogFormat::Text => {
            registry.with(layer.with_writer(move || Escaping(writer.clone()))).try_init()
        }
        LogFormat::Json => {
            registry.with(layer.json().flatten_event(true).with_writer(writer)).try_init()
        }
    }?;
    // Fails only if there is one, and then `try_init` has failed.
    _ = LOST.set(lost);
    Ok(Logging { _writer: guard })
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
