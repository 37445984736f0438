//! Why nothing can be explained.

use std::path::PathBuf;

use bellwether_eventlog::ReadError;

use super::records::RecordsError;

/// Why nothing can be explained. Each message says what to do instead.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExplainError {
    /// The text is no id, nor the beginning of one.
    #[error(
        "this is no id of an event: event=`{event}`; expected at least {at_least} hexadecimal digits, as in the field `id` of an \
         event or the annotation `episode_id` of an alert"
    )]
    NotAnId {
        /// The text.
        event: String,
        /// Digits that are wanted.
        at_least: usize,
    },
    /// No event has such an id.
    #[error("there is no such event: event=`{event}`, looked in=`{place}`; {mend}")]
    NotFound {
        /// What was looked for.
        event: String,
        /// Where.
        place: String,
        /// Where else it may be.
        mend: String,
    },
    /// Events of several episodes have ids that begin so.
    #[error("several episodes begin so: event=`{event}`, among them {}; give more digits", .ids.join(", "))]
    Ambiguous {
        /// What was looked for.
        event: String,
        /// Some of their events.
        ids: Vec<String>,
    },
    /// The folder holds no events.
    #[error(
        "there are no events: path=`{}`; name a file of JSON lines, a Parquet file, an event log or a data folder",
        .path.display()
    )]
    NoEvents {
        /// The folder.
        path: PathBuf,
    },
    /// Stored events cannot be read.
    #[error("stored events cannot be read")]
    Events(#[from] ReadError),
    /// The input cannot be read.
    #[error("recorded input cannot be read")]
    Records(#[source] RecordsError),
    /// No series that matches ever arrived.
    #[error(
        "no series that matches brought a sample then or in the day before: series=`{matchers}`, records=`{records}`; try a shorter \
         selector, such as only the metric's name, or another time"
    )]
    NoSeries {
        /// What was looked for.
        matchers: String,
        /// How many records were looked at.
        records: u64,
    },
}
