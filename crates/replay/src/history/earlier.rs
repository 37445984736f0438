//! What an earlier replay, of whatever kind, left in a folder for results. It goes before anything new is written there, so that results of
//! one replay never stand beside those of another, whatever becomes of the new one.

use std::fs;
use std::io;
use std::path::Path;

use super::checkpoint;
use super::error::HistoryError;

/// What is written anew, if at all, only when a replay ends; first of all what says that results are complete.
const ENDS: [&str; 5] =
    ["summary.json", "report.html", "events.parquet", "scores.parquet", "replay.json"];
/// What grows while a replay goes on, and with a state is gone on with.
const EVENTS: &str = "events.jsonl";

/// Removes the results in `folder` but what somebody may go on from.
pub(super) fn remove_ends(folder: &Path) -> Result<(), HistoryError> {
    ENDS.into_iter().try_for_each(|name| remove_file(folder, name))
}

/// Removes all results in `folder`, which may be missing, with what somebody might go on from.
pub(crate) fn remove(folder: &Path) -> Result<(), HistoryError> {
    if !folder.exists() {
        return Ok(());
    }
    remove_ends(folder)?;
    checkpoint::remove(folder)?;
    remove_file(folder, EVENTS)
}

fn remove_file(folder: &Path, name: &str) -> Result<(), HistoryError> {
    let path = folder.join(name);
    match fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(HistoryError::output(&path)(error))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_replay_writes_goes() {
        let folder = tempfile::tempdir().unwrap();
        let names = || {
            let entries = fs::read_dir(folder.path()).unwrap();
            let mut names: Vec<_> =
                entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
            names.sort();
            names
        };
        for name in ENDS.into_iter().chain([EVENTS, "replay.checkpoint", "notes.txt"]) {
            fs::write(folder.path().join(name), "x").unwrap();
        }
        remove_ends(folder.path()).unwrap();
        assert_eq!(names(), ["events.jsonl", "notes.txt", "replay.checkpoint"]);
        remove(folder.path()).unwrap();
        assert_eq!(names(), ["notes.txt"]);
        remove(&folder.path().join("missing")).unwrap();
    }
}
