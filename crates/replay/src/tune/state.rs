//! What was tried, on disk, so that a search that was ended can go on: JSON lines.
//!
//! The first line says what was asked for, each further one is a trial. A line is written as soon as there is one; a last line
//! that is cut off counts as not written.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::error::TuneError;
use super::score::Trial;
use super::search::Tried;

/// The file in which trials are kept.
pub struct State {
    path: PathBuf,
    file: Mutex<File>,
}

/// A trial as it is written.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    rung: usize,
    candidate: usize,
    trial: Trial,
}

impl State {
    /// Begins a file at `path`, in place of one that may be there. `asked` is what decides the result, by name.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn create(path: &Path, asked: &Map<String, Value>) -> Result<Self, TuneError> {
        let refused = |source| TuneError::State { path: path.to_owned(), source };
        let mut file = File::create(path).map_err(refused)?;
        let line = serde_json::to_string(asked).map_err(|error| refused(error.into()))?;
        file.write_all((line + "\n").as_bytes()).map_err(refused)?;
        Ok(Self { path: path.to_owned(), file: Mutex::new(file) })
    }

    /// Goes on with the file at `path`, and says what it holds.
    ///
    /// # Errors
    /// When there is none, something else was asked for, or a line cannot be understood.
    pub fn resume(path: &Path, asked: &Map<String, Value>) -> Result<(Self, Tried), TuneError> {
        let refused = |source: io::Error| match source.kind() {
            io::ErrorKind::NotFound => TuneError::NothingToResume { path: path.to_owned() },
            _ => TuneError::State { path: path.to_owned(), source },
        };
        let mut file = OpenOptions::new().read(true).write(true).open(path).map_err(refused)?;
        let mut text = Vec::new();
        file.read_to_end(&mut text).map_err(refused)?;
        let whole = text.iter().rposition(|&byte| byte == b'\n').map_or(0, |end| end + 1);
        let damaged = |line: usize| TuneError::Damaged { path: path.to_owned(), line };
        let mut lines = text[..whole].split(|&byte| byte == b'\n').filter(|line| !line.is_empty());
        let before = lines.next().and_then(|line| serde_json::from_slice(line).ok());
        let before: Map<String, Value> = before.ok_or_else(|| damaged(1))?;
        if let Some((key, was, is)) = first_change(&before, asked) {
            return Err(TuneError::Changed { path: path.to_owned(), key, was, is });
        }
        let mut tried = Tried::new();
        for (number, line) in (2..).zip(lines) {
            let Line { rung, candidate, trial } =
                serde_json::from_slice(line).map_err(|_| damaged(number))?;
            tried.insert((rung, candidate), trial);
        }
        file.set_len(whole as u64).map_err(refused)?;
        file.seek(SeekFrom::End(0)).map_err(refused)?;
        Ok((Self { path: path.to_owned(), file: Mutex::new(file) }, tried))
    }

    /// Adds a trial.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn add(&self, rung: usize, candidate: usize, trial: &Trial) -> Result<(), TuneError> {
        let refused = |source| TuneError::State { path: self.path.clone(), source };
        let line = Line { rung, candidate, trial: trial.clone() };
        let line = serde_json::to_string(&line).map_err(|error| refused(error.into()))? + "\n";
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        file.write_all(line.as_bytes()).map_err(refused)
    }
}

/// The first name, in alphabetical order, whose value is not the same in both; with both values.
fn first_change(
    before: &Map<String, Value>,
    now: &Map<String, Value>,
) -> Option<(String, String, String)> {
    let mut names: Vec<&String> = before.keys().chain(now.keys()).collect();
    names.sort();
    let text = |value: Option<&Value>| value.map_or_else(|| "nothing".to_owned(), Value::to_string);
    let changed = names.into_iter().find(|name| before.get(*name) != now.get(*name))?;
    Some((changed.clone(), text(before.get(changed)), text(now.get(changed))))
}

#[cfg(test)]
mod tests {
    use super::super::score::Score;
    use super::*;

    fn asked(seed: u64) -> Map<String, Value> {
        Map::from_iter([("seed".to_owned(), seed.into()), ("per_day".to_owned(), 0.1.into())])
    }

    fn trial(found: u64) -> Trial {
        let score = Score { windows: 3, found, false_alarms: 1 };
        Trial { series: [("up".to_owned(), [score; 4])].into(), days: [0.1, 1.0 / 3.0, 2.0, 0.0] }
    }

    #[test]
    fn what_was_tried_is_read_back_bit_by_bit_and_a_torn_line_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.jsonl");
        let state = State::create(&path, &asked(1)).unwrap();
        state.add(0, 0, &trial(1)).unwrap();
        state.add(1, 7, &trial(2)).unwrap();
        drop(state);
        let whole = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, whole.clone() + "{\"rung\":1,\"candid").unwrap();
        let (state, tried) = State::resume(&path, &asked(1)).unwrap();
        assert_eq!(tried, Tried::from([((0, 0), trial(1)), ((1, 7), trial(2))]));
        state.add(1, 8, &trial(3)).unwrap();
        let now = std::fs::read_to_string(&path).unwrap();
        assert!(now.starts_with(&whole) && now.lines().count() == 4, "{now}");
    }

    #[test]
    fn what_changed_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.jsonl");
        let Err(error) = State::resume(&path, &asked(1)) else { panic!("there is none") };
        assert!(matches!(error, TuneError::NothingToResume { .. }), "{error}");
        State::create(&path, &asked(1)).unwrap();
        let Err(error) = State::resume(&path, &asked(2)) else { panic!("another seed") };
        let text = error.to_string();
        assert!(text.contains("changed=`seed`, was=`1`, is=`2`"), "{text}");
        std::fs::write(&path, "{\"seed\":1,\"per_day\":0.1}\n{}\n").unwrap();
        let Err(error) = State::resume(&path, &asked(1)) else { panic!("no trial") };
        assert!(error.to_string().contains("line=`2`"), "{error}");
    }
}
