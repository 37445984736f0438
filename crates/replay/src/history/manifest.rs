//! What a replay of history was made of, `replay.json`: enough to do it again, and to know whether that would be the same.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use bellwether_engine::Settings;
use serde::{Deserialize, Serialize};

use super::error::{Cause, HistoryError};
use super::input::{Input, InputKind};
use super::layout::Mapping;
use super::options::HistoryOptions;
use crate::exclude::Exclusions;

const FILE: &str = "replay.json";

/// What decided the events of a replay.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Version of the program.
    pub bellwether: String,
    /// What was read, in this order.
    pub inputs: Vec<ReadInput>,
    /// What the user said about columns.
    pub columns: Mapping,
    /// What was left out.
    pub excluded: Exclusions,
    /// Which part of the series was judged, from 1, and of how many.
    pub part: (usize, usize),
    /// Under which settings.
    pub settings: Settings,
}

/// An input as it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReadInput {
    /// The file, from the root on; or what people call a server.
    pub path: PathBuf,
    /// What is read, on one line, as [`Input::identity`] has it.
    pub identity: String,
    /// Whether it is a file.
    pub is_file: bool,
}

impl Manifest {
    pub(super) fn new(inputs: &[Input], options: &HistoryOptions, settings: &Settings) -> Self {
        let inputs = inputs.iter().map(|input| {
            // A path that cannot be found out any more stays as it was given.
            let whole = fs::canonicalize(&input.path).unwrap_or_else(|_| input.path.clone());
            let is_file = input.kind != InputKind::Server;
            let path = if is_file { whole } else { input.path.clone() };
            ReadInput { identity: input.at(&path).identity(), path, is_file }
        });
        Self {
            bellwether: env!("CARGO_PKG_VERSION").to_owned(),
            inputs: inputs.collect(),
            columns: options.mapping.clone(),
            excluded: options.exclusions.clone(),
            part: (options.part.number, options.part.count),
            settings: settings.clone(),
        }
    }

    pub(super) fn write(&self, folder: &Path) -> Result<(), HistoryError> {
        let path = folder.join(FILE);
        let write = || -> Result<(), Cause> {
            Ok(fs::write(&path, serde_json::to_string_pretty(self)? + "\n")?)
        };
        write().map_err(HistoryError::output(&path))
    }

    /// What is in `folder`, which holds the results of a replay of history.
    ///
    /// # Errors
    /// [`HistoryError::NoManifest`] if it holds none that this version can read.
    pub fn read(folder: &Path) -> Result<Self, HistoryError> {
        let path = folder.join(FILE);
        let read = || -> Result<Self, Cause> { Ok(serde_json::from_slice(&fs::read(&path)?)?) };
        read().map_err(|source| HistoryError::NoManifest { path: path.clone(), source })
    }

    /// Its inputs, which are as they were.
    ///
    /// # Errors
    /// When one of them is not, or is no file: nobody knows whether a server would say the same again.
    pub fn inputs(&self) -> Result<Vec<Input>, HistoryError> {
        let again = |then: &ReadInput| {
            let changed = |now: String| HistoryError::InputChanged {
                path: then.path.clone(),
                then: then.identity.clone(),
                now,
            };
            if !then.is_file {
                return Err(changed("what a server has now, nobody knows".to_owned()));
            }
            let input = match Input::look_at(&then.path) {
                Err(HistoryError::File { source, .. })
                    if source.kind() == io::ErrorKind::NotFound =>
                {
                    return Err(changed("nothing".to_owned()));
                }
                looked => looked?,
            };
            let now = input.identity();
            if now == then.identity { Ok(input) } else { Err(changed(now)) }
        };
        self.inputs.iter().map(again).collect()
    }

    /// How they were read, as far as that decides a record.
    pub fn options(&self) -> HistoryOptions {
        HistoryOptions {
            mapping: self.columns.clone(),
            exclusions: self.excluded.clone(),
            ..HistoryOptions::default()
        }
    }
}
