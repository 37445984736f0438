//! What decides the result of a search, by name: a search goes on only where all of it is as it was.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use anyhow::Context;
use bellwether_replay::corpus::list_series;
use bellwether_replay::history::Input;
use bellwether_replay::plan::PlanInput;
use bellwether_series::Fingerprint;
use serde_json::{Map, Value, json};

use super::Ground;
use crate::cli::TuneArgs;

/// Where a data folder has its journal.
const JOURNAL_FOLDER: &str = "journal";

/// Everything that `args` and `ground` say.
///
/// # Errors
/// When a file cannot be looked at.
pub(super) fn asked(args: &TuneArgs, ground: &Ground) -> anyhow::Result<Map<String, Value>> {
    let mut asked = Map::new();
    let mut say = |name: &str, value: Value| asked.insert(name.to_owned(), value);
    say("bellwether", env!("CARGO_PKG_VERSION").into());
    say("trials", args.trials.into());
    say("seed", args.seed.into());
    say("per_day", args.per_day.into());
    match ground {
        Ground::Corpus(files) => {
            let manifest = files.manifest.clone().unwrap_or_default();
            say("labels", content(&files.labels)?);
            say("corpus", content(&manifest)?);
            let paths = list_series(&manifest)?.into_iter().map(|series| series.path);
            say("inputs", sizes(paths)?);
        }
        Ground::Input(input) => {
            say("labels", args.labels.as_deref().map_or(Ok(Value::Null), content)?);
            match input {
                PlanInput::Journal(folder) => say("inputs", sizes(segments(folder)?)?),
                PlanInput::History { inputs, options } => {
                    say("columns", format!("{:?}", options.mapping).into());
                    say("inputs", inputs.iter().map(Input::identity).collect())
                }
            };
        }
    }
    Ok(asked)
}

/// A file that is small, by its content.
fn content(path: &Path) -> anyhow::Result<Value> {
    let bytes = fs::read(path).with_context(|| unreadable(path))?;
    Ok(json!({ "path": path, "hash": Fingerprint::of_parts(&[&bytes]).to_string() }))
}

/// Files by size and time of change.
fn sizes(paths: impl IntoIterator<Item = PathBuf>) -> anyhow::Result<Value> {
    let of = |path: PathBuf| {
        let file = fs::metadata(&path).with_context(|| unreadable(&path))?;
        let changed = file.modified().ok().and_then(|at| at.duration_since(UNIX_EPOCH).ok());
        let changed_ms = changed.map(|since| since.as_millis() as u64);
        Ok(json!({ "path": path, "bytes": file.len(), "changed_ms": changed_ms }))
    };
    paths.into_iter().map(of).collect()
}

fn unreadable(path: &Path) -> String {
    format!("file cannot be read: path=`{}`", path.display())
}

/// The files of a journal.
fn segments(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let inner = folder.join(JOURNAL_FOLDER);
    let folder = if inner.is_dir() { inner } else { folder.to_owned() };
    let entries = fs::read_dir(&folder).with_context(|| unreadable(&folder))?;
    let mut paths: Vec<PathBuf> =
        entries.map(|entry| Ok(entry?.path())).collect::<std::io::Result<_>>()?;
    paths.retain(|path| path.is_file());
    paths.sort();
    Ok(paths)
}
