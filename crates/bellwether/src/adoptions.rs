//! Notes in a data folder of what was adopted there. A journal knows nothing of it, so whoever replays the journal has to be told that
//! `run` went on from something else.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::Path;

use anyhow::Context;
use bellwether_series::Timestamp;
use serde::{Deserialize, Serialize};

const FILE: &str = "adoptions.jsonl";

/// Something took the place of what had been learned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Adoption {
    /// When, in Unix milliseconds.
    pub(crate) at_ms: Timestamp,
    /// Sequence of the first record of the journal that came behind it.
    pub(crate) next: u64,
}

/// Notes `adoption` in the data folder `folder`, behind those from before.
///
/// # Errors
/// When it cannot be written.
pub(crate) fn note(folder: &Path, adoption: Adoption) -> anyhow::Result<()> {
    let path = folder.join(FILE);
    let line = serde_json::to_string(&adoption)? + "\n";
    let file = OpenOptions::new().create(true).append(true).open(&path);
    file.and_then(|mut file| file.write_all(line.as_bytes()))
        .with_context(|| format!("note cannot be written: path=`{}`", path.display()))
}

/// The first adoption that what is in the journal of `folder`, a data folder or the one of the journal in it, up to the record `last` may
/// have followed. Lines that say nothing are passed over: nothing hangs on them but a warning.
pub(crate) fn before(folder: &Path, last: u64) -> Option<Adoption> {
    // Resolved, for a journal that is named by a link or as `.`.
    let folder = fs::canonicalize(folder).ok()?;
    let read = |folder: &Path| fs::read_to_string(folder.join(FILE)).ok();
    let text = read(&folder).or_else(|| read(folder.parent()?))?;
    let all = text.lines().filter_map(|line| serde_json::from_str::<Adoption>(line).ok());
    all.filter(|adoption| adoption.next <= last).min_by_key(|adoption| adoption.next)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_that_records_followed_is_found_from_both_folders() {
        let folder = tempfile::tempdir().unwrap();
        let journal = folder.path().join("journal");
        fs::create_dir(&journal).unwrap();
        assert_eq!(before(folder.path(), 100), None);
        let adoption = |at, next| Adoption { at_ms: Timestamp::from_ms(at), next };
        note(folder.path(), adoption(5, 30)).unwrap();
        note(folder.path(), adoption(6, 60)).unwrap();
        assert_eq!(before(folder.path(), 29), None);
        assert_eq!(before(folder.path(), 30), Some(adoption(5, 30)));
        assert_eq!(before(&journal, 100), Some(adoption(5, 30)));
        fs::write(folder.path().join(FILE), "{\n\n").unwrap();
        assert_eq!(before(&journal, 100), None);
    }
}
