//! Why a server's history cannot be had.

use bellwether_series::Timestamp;

use crate::EndpointError;

/// Why a server's history cannot be had. No variant repeats a secret.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServerHistoryError {
    /// Nothing can be asked of the server as it is described.
    #[error(transparent)]
    Endpoint(#[from] EndpointError),
    /// There is no event loop to be had.
    #[error("no event loop")]
    Runtime {
        /// What the system said.
        source: std::io::Error,
    },
    /// The server does not answer, or refuses, or answers what cannot be understood; what may pass was tried again.
    #[error("server does not give its history: url=`{url}`{}, cause=`{cause}`", shown(*window))]
    Refused {
        /// What was asked, without its query.
        url: String,
        /// The first and the last time of what was asked for, where that matters.
        window: Option<(Timestamp, Timestamp)>,
        /// Status and message of the server, or what is wrong with the connection or the answer.
        cause: String,
    },
}

fn shown(window: Option<(Timestamp, Timestamp)>) -> String {
    window.map_or_else(String::new, |(first, last)| {
        format!(", from_ms=`{}`, to_ms=`{}`", first.as_ms(), last.as_ms())
    })
}
