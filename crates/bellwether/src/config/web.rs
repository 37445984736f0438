//! The web configuration file: whether there is TLS, and who may come in.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use bellwether_connect::http::SecurityOptions;

use super::fault::{Collector, Faults};
use super::{ConfigError, build, environment, text_of};

/// Why there is no web configuration.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WebError {
    /// The file cannot be read.
    #[error("web configuration file cannot be read: path=`{}`, cause=`{why}`", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// The file can be read and says something wrong. To be corrected by whoever wrote it.
    #[error(transparent)]
    Invalid(#[from] Faults),
}

/// Reads the web configuration in the file at `path` and the files that it names, with this process' environment for
/// `${NAME}`.
///
/// # Errors
/// Whatever [`WebError`] lists.
pub fn load(path: &Path) -> Result<SecurityOptions, WebError> {
    load_with(path, &environment())
}

/// Like [`load`], with `variables` for `${NAME}`.
pub(super) fn load_with(
    path: &Path,
    variables: &HashMap<String, String>,
) -> Result<SecurityOptions, WebError> {
    let text = text_of(path).map_err(|error| {
        let why = match error {
            ConfigError::Unreadable { source, .. } => source.kind().to_string(),
            ConfigError::TooLarge { .. } => "it is too large".to_owned(),
            _ => "it is not text".to_owned(),
        };
        WebError::Unreadable { path: path.to_owned(), why }
    })?;
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut faults = Collector::new(&text);
    let options = build::web(&text, folder, variables, &mut faults);
    // A name is enough for a report; the folder it is in may differ between machines.
    let name = path
        .file_name()
        .map_or_else(|| path.display().to_string(), |name| name.to_string_lossy().into_owned());
    match (faults.finish(&name), options) {
        (None, Some(options)) => Ok(options),
        (Some(faults), _) => Err(faults.into()),
        (None, None) => unreachable!("what has no fault has options"),
    }
}
