//! Structured logs on standard error, as lines for people or as JSON.
//!
//! A thread of its own writes them: whoever reads standard error may be slow or stuck, and nobody who logs waits for
//! that. What there is no room for is counted and lost.

use std::io::{self, Write};
use std::sync::OnceLock;

use tracing::Level;
use tracing_appender::non_blocking::{ErrorCounter, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};

use crate::config::{LogConfig, LogFormat};
use crate::output::{one_line, plain_json};

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
    let layer = layer.with_writer(move || Escaping { format, out: writer.clone() });
    match format {
        LogFormat::Text => registry.with(layer).try_init(),
        LogFormat::Json => registry.with(layer.json().flatten_event(true)).try_init(),
    }?;
    // Fails only if there is one, and then `try_init` has failed.
    _ = LOST.set(lost);
    Ok(Logging { _writer: guard })
}

/// Writes each message as one line: what a terminal or a reader of lines would obey in it, which labels may contain, is
/// escaped in the way of `format`, so that no sender can forge lines or steer a terminal.
struct Escaping<W> {
    format: LogFormat,
    out: W,
}

impl<W: Write> Write for Escaping<W> {
    fn write(&mut self, message: &[u8]) -> io::Result<usize> {
        // The formatter hands over a whole message, its line break last.
        let text = String::from_utf8_lossy(message);
        let line = text.strip_suffix('\n').unwrap_or(&text);
        let mut escaped = match self.format {
            LogFormat::Text => one_line(line),
            LogFormat::Json => plain_json(line),
        };
        escaped.push_str(&text[line.len()..]);
        self.out.write_all(escaped.as_bytes())?;
        Ok(message.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use parking_lot::Mutex;
    use tracing::subscriber::with_default;

    use super::*;
    use crate::output::is_obeyed;

    /// What is written of a message about `series`.
    fn logged(format: LogFormat, series: &str) -> String {
        let out = Arc::new(Mutex::new(Vec::new()));
        let layer = {
            let out = Arc::clone(&out);
            let writer = move || Escaping { format, out: Shared(Arc::clone(&out)) };
            tracing_subscriber::fmt::layer().with_ansi(false).with_writer(writer)
        };
        let registry = tracing_subscriber::registry();
        let log = || tracing::info!(%series, "anomaly");
        match format {
            LogFormat::Text => with_default(registry.with(layer), log),
            LogFormat::Json => with_default(registry.with(layer.json().flatten_event(true)), log),
        }
        let written = out.lock().clone();
        String::from_utf8(written).unwrap()
    }

    struct Shared(Arc<Mutex<Vec<u8>>>);

    impl Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_message_stays_one_harmless_line() {
        let hostile = "größe\nERROR forged\u{1b}[2J\u{9b}2J\u{85}\u{2028}\u{2029}\u{202e}\u{2066}\u{200f}\u{61c}\u{7f}";
        for format in [LogFormat::Text, LogFormat::Json] {
            let text = logged(format, hostile);
            let line = text.strip_suffix('\n').unwrap();
            assert!(!line.contains(is_obeyed), "{line:?}");
            assert!(line.contains("größe\\nERROR forged"), "{line}");
            if format == LogFormat::Json {
                let message: serde_json::Value = serde_json::from_str(line).unwrap();
                assert_eq!(message["series"], hostile);
            }
        }
    }
}
